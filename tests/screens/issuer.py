"""An OpenID Connect issuer in this process, by the standard library: code flow, RS256, one person a `login_as`.

    with issuer() as made:
        made.people["ann"] = {"name": "Ann", "groups": ["risk"]}
        made.url    # http://127.0.0.1:PORT

The person who signs in is the one that the browser's cookie `login_as` (set by /as/NAME) names.
"""

from __future__ import annotations

import base64
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

CLIENT, SECRET = "assay", "a-secret-of-the-client"


@dataclass
class Issuer:
    url: str = ""
    seconds: float = 3600
    people: dict[str, dict[str, Any]] = field(default_factory=dict)
    codes: dict[str, dict[str, Any]] = field(default_factory=dict)
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))

    def token(self, sub: str, nonce: str | None) -> str:
        now = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT, "sub": sub, "iat": now, "exp": now + int(self.seconds)}
        claims |= ({"nonce": nonce} if nonce else {}) | self.people[sub]
        signed = ".".join(_b64(json.dumps(p).encode()) for p in ({"alg": "RS256", "kid": "1"}, claims))
        return f"{signed}.{_b64(self.key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"

    def keys(self) -> dict[str, Any]:
        numbers = self.key.public_key().public_numbers()
        n, e = (_b64(v.to_bytes((v.bit_length() + 7) // 8, "big")) for v in (numbers.n, numbers.e))
        return {"keys": [{"kty": "RSA", "kid": "1", "alg": "RS256", "use": "sig", "n": n, "e": e}]}


def _b64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


@contextmanager
def issuer() -> Iterator[Issuer]:
    built = Issuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            asked = {k: v[0] for k, v in parse_qs(parts.query).items()}
            if parts.path == "/.well-known/openid-configuration":
                ends = {"authorization": "authorize", "token": "token"}
                self.answer(
                    {
                        "issuer": built.url,
                        "jwks_uri": f"{built.url}/keys",
                        "response_types_supported": ["code"],
                        "subject_types_supported": ["public"],
                        "id_token_signing_alg_values_supported": ["RS256"],
                        "code_challenge_methods_supported": ["S256"],
                        **{f"{k}_endpoint": f"{built.url}/{v}" for k, v in ends.items()},
                    }
                )
            elif parts.path == "/keys":
                self.answer(built.keys())
            elif parts.path.startswith("/as/"):
                self.go(None, cookie=f"login_as={parts.path[4:]}; Path=/")
            elif parts.path == "/authorize":
                code = secrets.token_urlsafe(16)
                jar = SimpleCookie(self.headers.get("Cookie", ""))
                sub = asked.get("login_as") or jar["login_as"].value
                built.codes[code] = {**asked, "sub": sub}
                self.go(f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}")
            else:
                self.send_error(404)

        def do_POST(self) -> None:
            sent = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            asked = built.codes.pop(sent["code"][0])
            token = built.token(asked["sub"], asked.get("nonce"))
            self.answer({"access_token": "a", "token_type": "Bearer", "expires_in": 3600, "id_token": token})

        def answer(self, document: dict[str, Any]) -> None:
            content = json.dumps(document).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def go(self, where: str | None, cookie: str = "") -> None:
            self.send_response(302 if where else 204)
            if where:
                self.send_header("Location", where)
            if cookie:
                self.send_header("Set-Cookie", cookie)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    built.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield built
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
