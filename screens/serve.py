"""Who may talk to the app, and what its pages may do. Every request goes through `Guard` before Streamlit sees it.

Streamlit alone would let a page of any port of this machine open a websocket, take a websocket without an Origin,
check no Host on plain requests, ask a service outside for this machine's address when a foreign Origin comes, and send
no policy with its pages (read in its code, 1.67). So, for each request:

- the connection came in on a loopback address: without logins (screens/login.py) nobody else is served;
- the Host is one of `server.allowedHosts`;
- an Origin is the page's own; a websocket and anything that changes something has to have one.

The answer carries a content policy, and may be framed by nobody else.
"""

from __future__ import annotations

import base64
import hashlib
import re
import sys
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from streamlit import config

from screens.entrance import Entrance
from screens.login import is_loopback, settings
from screens.mend import Mended

SAFE = ("GET", "HEAD", "OPTIONS")
_INLINE = re.compile(r"<script>(.*?)</script>", re.DOTALL)


class Guard:
    """ASGI middleware: refuses what is not from the app's own pages on this machine, and puts the policy on answers."""

    def __init__(self, app: Any, logins: bool = False) -> None:
        self.app, self.logins = app, logins

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        if reason := refusal(scope, self.logins):
            await PlainTextResponse(f"{reason}\n", status_code=403)(scope, receive, with_policy(send))
            return
        await self.app(scope, receive, with_policy(send) if scope["type"] == "http" else send)


def refusal(scope: Any, logins: bool = False) -> str:
    """Why this request is not answered; "" where it is."""
    if not logins and not is_loopback((scope.get("server") or ("",))[0]):
        return "Assay serves this machine only, until it has logins. See docs/people.md."
    headers = Headers(scope=scope)
    origin = headers.get("origin")
    if origin is None:
        changes = scope["type"] == "websocket" or scope["method"] not in SAFE
        return "The request does not say which page it comes from." if changes else ""
    parts = urlsplit(origin)
    own = parts.scheme in ("http", "https") and parts.netloc.lower() == headers.get("host", "").lower() != ""
    return "" if own else "The request comes from a page of another site."


def with_policy(send: Any) -> Any:
    """`send` that adds the headers of HEADERS and the content policy to each answer."""

    async def sending(message: Any) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in {**HEADERS, "Content-Security-Policy": policy()}.items():
                headers[name] = value
        await send(message)

    return sending


HEADERS = {
    "X-Frame-Options": "SAMEORIGIN",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}


@lru_cache(maxsize=1)
def policy() -> str:
    """The content policy of every page. What it has to leave open, and for whom, is told in docs/security.md."""
    import streamlit

    page = (Path(streamlit.__file__).parent / "static" / "index.html").read_text(encoding="utf-8")
    own = " ".join(f"'sha256-{_digest(script)}'" for script in _INLINE.findall(page))
    rules = {
        "default-src": "'none'",
        "script-src": f"'self' {own}".strip(),
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "connect-src": "'self'",
        "media-src": "'self' blob:",
        "worker-src": "'self' blob:",
        "frame-src": "'self' blob:",
        "manifest-src": "'self'",
        "frame-ancestors": "'self'",
        "base-uri": "'self'",
        "form-action": "'self'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def faults(options: Any = config.get_option, logins: bool = False) -> list[str]:
    """What of the server's settings would open the app to others; empty where nothing does.

    With logins another address may be served, where the app itself speaks TLS: cookies must not go over the wire open.
    """
    wanted = {
        "server.enableXsrfProtection": options("server.enableXsrfProtection") is True,
        "server.enableCORS": options("server.enableCORS") is True,
        "server.address": is_loopback(options("server.address"))
        or (logins and bool(options("server.address")) and bool(options("server.sslCertFile"))),
        "server.allowedHosts": _named(options("server.allowedHosts")),
        "server.corsAllowedOrigins": not options("server.corsAllowedOrigins"),
        "server.enableStaticServing": options("server.enableStaticServing") is not True,
        "server.enableAgentApi": options("server.enableAgentApi") is not True,
    }
    return [name for name, good in wanted.items() if not good]


def _named(hosts: Iterable[str] | None) -> bool:
    return bool(hosts) and not any("*" in h for h in hosts or ())


def middleware() -> list[Middleware]:
    """What stands before Streamlit. Ends the program, with a sentence, where its settings would open it to others."""
    logins, wrong = settings()
    if wrong:
        print(f"assay: the logins cannot be used: {'; '.join(wrong)}. See docs/people.md.", file=sys.stderr)
        raise SystemExit(2)
    if exposed := faults(logins=logins is not None):
        listing = ", ".join(f"{name} = {config.get_option(name)!r}" for name in exposed)
        how = (
            "Without logins it serves 127.0.0.1 only; docs/people.md tells how to set them up."
            if logins is None
            else "With logins another address is served with server.sslCertFile only, or behind a proxy with TLS."
        )
        print(f"assay: these settings would open the app to others: {listing}. {how}", file=sys.stderr)
        raise SystemExit(2)
    return [
        Middleware(
            TrustedHostMiddleware, allowed_hosts=list(config.get_option("server.allowedHosts")), www_redirect=False
        ),
        Middleware(Guard, logins=logins is not None),
        *([] if logins is None else [Middleware(Entrance, logins=logins)]),
        Middleware(Mended),
    ]


def who_acts() -> None:
    """Where there are logins: who is signed in says who is acting, and nobody else may do anything."""
    from audit import access

    if settings()[0] is not None:
        from reports.log.acts import Acts
        from screens.people import now
        from screens.workspace import acts_home

        access.install(now, Acts(acts_home()))
