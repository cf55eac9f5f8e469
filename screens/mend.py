"""Puts mend.js and mend.css into the app's pages: what Streamlit's elements lack for keyboards and screen readers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response

FILES = {
    "/assay-mend.js": (Path(__file__).with_suffix(".js"), "text/javascript"),
    "/assay-mend.css": (Path(__file__).with_suffix(".css"), "text/css"),
}
TAG = b'<script src="/assay-mend.js" defer></script><link rel="stylesheet" href="/assay-mend.css"></head>'


class Mended:
    """ASGI middleware: answers FILES, and adds their tags to each page (HTML, status 200) on its way out."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["method"] != "GET":
            await self.app(scope, receive, send)
        elif scope["path"] in FILES:
            path, kind = FILES[scope["path"]]
            await Response(path.read_bytes(), media_type=kind)(scope, receive, send)
        else:
            await self.app(_plain_page(scope), receive, _tagged(send))


def _plain_page(scope: Any) -> Any:
    """The request, and where it is for a page, without leave to compress it or to answer "not modified"."""
    if "text/html" not in Headers(scope=scope).get("accept", "text/html"):
        return scope
    left_out = (b"accept-encoding", b"if-none-match", b"if-modified-since")
    return {**scope, "headers": [(k, v) for k, v in scope["headers"] if k.lower() not in left_out]}


def _tagged(send: Any) -> Any:
    started: list[Any] = []
    body = bytearray()

    async def sending(message: Any) -> None:
        if message["type"] == "http.response.start":
            headers = Headers(raw=message["headers"])
            page = message["status"] == 200 and headers.get("content-type", "").startswith("text/html")
            if not page or "content-encoding" in headers:
                await send(message)
            else:
                started.append(message)
            return
        if not started:
            await send(message)
            return
        body.extend(message.get("body", b""))
        if message.get("more_body"):
            return
        content = bytes(body).replace(b"</head>", TAG, 1)
        start = started.pop()
        headers = MutableHeaders(raw=list(start["headers"]))
        headers["content-length"] = str(len(content))
        headers["cache-control"] = "no-cache"
        del headers["etag"]
        await send({**start, "headers": headers.raw})
        await send({"type": "http.response.body", "body": content})

    return sending
