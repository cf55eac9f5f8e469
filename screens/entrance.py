"""What stands before the app where there are logins: nobody who is not signed in reaches Streamlit.

Streamlit alone runs the script, answers static files and takes uploads before anybody has signed in, sends cookies that
are not Secure and live 30 days, and forgets which page was asked for (seen, 1.67). Here a request without a login that
still holds gets a page that says "Sign in" (a person who wanted a page) or 401; sign-in itself is Streamlit's.
"""

from __future__ import annotations

import html
import json
import re
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse

from audit.access import Person
from screens.login import Logins

SIGN_IN = "/sign-in"
OPEN = ("/auth/login", "/auth/logout", "/oauth2callback", "/_stcore/health")
"""Streamlit's own paths that answer before a login."""
USER = "_streamlit_user"
NEXT = "assay-next"
_ID = re.compile(r"[0-9a-f]{32}")
_PAGE = re.compile(r"/[a-z]{0,20}")


class Entrance:
    """ASGI middleware: lets through who is signed in."""

    def __init__(self, app: Any, logins: Logins) -> None:
        self.app, self.logins = app, logins

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        path = scope["path"]
        if scope["type"] == "http":
            send = self._careful(send, HTTPConnection(scope))
        if scope["type"] == "http" and scope["method"] == "GET" and path == SIGN_IN:
            await self._begin(scope)(scope, receive, send)
        elif (scope["type"] == "http" and path in OPEN) or self.person(scope) is not None:
            await self.app(scope, receive, send)
        else:
            await self._refused(scope)(scope, receive, send)

    def person(self, scope: Any, now: float | None = None) -> Person | None:
        """Who the request's cookie says; None where there is none, it was not made here, or its login has ended."""
        claims = self.claims(scope)
        return None if claims is None else self.logins.person(claims, now)

    def claims(self, scope: Any) -> dict[str, Any] | None:
        """The claims in the request's cookie, whose signature holds."""
        from streamlit.auth_util import get_cookie_with_chunks
        from streamlit.web.server.server_util import get_cookie_secret
        from streamlit.web.server.starlette.starlette_app_utils import decode_signed_value

        cookies, secret = HTTPConnection(scope).cookies, get_cookie_secret()

        def one(name: str) -> bytes | None:
            value = cookies.get(name)
            return None if value is None else decode_signed_value(secret, name, value.encode("latin-1", "replace"))

        try:
            claims = json.loads(get_cookie_with_chunks(one, USER) or b"null")
        except (ValueError, TypeError):
            return None
        return claims if isinstance(claims, dict) and claims.get("origin") == self.logins.origin else None

    def _begin(self, scope: Any) -> RedirectResponse:
        """On to the provider; the page that was wanted is kept in a cookie meanwhile."""
        from streamlit.auth_util import encode_provider_token

        answer = RedirectResponse(f"/auth/login?provider={encode_provider_token('default')}", status_code=302)
        wanted = dict(parse_qsl(scope["query_string"].decode("latin-1"))).get("next", "/")
        answer.set_cookie(NEXT, quote(own_page(wanted), safe=""), max_age=600, path="/oauth2callback", httponly=True,
                          samesite="lax")  # fmt: skip
        answer.headers["cache-control"] = "no-store"
        return answer

    def _refused(self, scope: Any) -> Any:
        """What somebody gets who is not signed in."""
        page = (
            scope["type"] == "http"
            and scope["method"] == "GET"
            and "text/html" in Headers(scope=scope).get("accept", "")
        )
        if not page:
            return PlainTextResponse("Sign in first.\n", status_code=401, headers={"cache-control": "no-store"})
        ended = self.claims(scope) is not None
        query = scope["query_string"].decode("latin-1")
        wanted = own_page(scope["path"] + (f"?{query}" if query else ""))
        words = "Your sign-in has ended. Nothing that runs was stopped." if ended else "Sign in to use Assay."
        link = html.escape(f"{SIGN_IN}?{urlencode({'next': wanted})}")
        return HTMLResponse(PAGE.format(words=words, link=link), status_code=401, headers={"cache-control": "no-store"})

    def _careful(self, send: Any, request: HTTPConnection) -> Any:
        """`send` with cookies that are Secure and as short as a login, and a way back that leads to the page wanted."""

        async def sending(message: Any) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=list(message["headers"]))
                kept = [(k, v) for k, v in headers.raw if k != b"set-cookie"]
                cookies = [v.decode("latin-1") for k, v in headers.raw if k == b"set-cookie"]
                signed_in = any(_is_signed_in(c) for c in cookies)
                if request.url.path == "/oauth2callback" and signed_in and (wanted := request.cookies.get(NEXT)):
                    from urllib.parse import unquote

                    kept = [(k, v) for k, v in kept if k != b"location"]
                    kept.append((b"location", own_page(unquote(wanted)).encode("latin-1")))
                    cookies.append(f"{NEXT}=; Max-Age=0; Path=/oauth2callback; HttpOnly; SameSite=lax")
                cookies = [self._short(c) for c in cookies]
                message = {**message, "headers": kept + [(b"set-cookie", c.encode("latin-1")) for c in cookies]}
            await send(message)

        return sending

    def _short(self, cookie: str) -> str:
        if cookie.startswith(USER):
            most = int(self.logins.hours * 3600)
            cookie = re.sub(r"(?i)max-age=(\d+)", lambda m: f"Max-Age={min(int(m[1]), most)}", cookie)
        return cookie if re.search(r"(?i);\s*secure\b", cookie) else f"{cookie}; Secure"


def _is_signed_in(cookie: str) -> bool:
    jar: SimpleCookie = SimpleCookie()
    jar.load(cookie)
    return USER in jar and jar[USER].value != ""


def own_page(wanted: str) -> str:
    """The page of this app that is meant, with the ids of its case and job; the first page for anything else."""
    parts = urlsplit(wanted)
    if parts.scheme or parts.netloc or not wanted.startswith("/") or not _PAGE.fullmatch(parts.path):
        return "/"
    ids = [(k, v) for k, v in parse_qsl(parts.query) if k in ("case", "job", "loading") and _ID.fullmatch(v)]
    return parts.path + (f"?{urlencode(ids)}" if ids else "")


PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sign in · Assay</title><style>
:root {{ color-scheme: light dark }}
body {{ font: 1rem/1.5 'DejaVu Sans', 'Segoe UI', 'Helvetica Neue', Arial, sans-serif; max-width: 34rem;
  margin: 15vh auto; padding: 0 1rem; background: light-dark(#ffffff, #14181c); color: light-dark(#0b0e11, #e8ecef) }}
a {{ display: inline-block; padding: .5rem 1rem; border-radius: .25rem; background: light-dark(#0b5c8c, #7cc1ec);
  color: light-dark(#ffffff, #14181c) }}
a:focus-visible {{ outline: 3px solid light-dark(#d55e00, #e69f00); outline-offset: 2px }}
</style></head><body><main><h1>Assay</h1><p>{words}</p><p><a href="{link}">Sign in</a></p></main></body></html>
"""
