"""A person at the served app without a browser: keeps cookies, signs in, opens the websocket, reads what is drawn."""

from __future__ import annotations

import http.client
import time
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlsplit

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    @property
    def cookies(self) -> list[str]:
        return self.headers.get_all("Set-Cookie") or []


@dataclass
class Visitor:
    """port: the app's. jar: the cookies of the app, as a browser keeps them."""

    port: int
    jar: dict[str, str] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, url: str, accept: str = "text/html") -> Answer:
        parts = urlsplit(url if url.startswith("http") else self.origin + url)
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=60)
        mine = parts.port == self.port
        try:
            headers = {"Accept": accept} | ({"Cookie": self.cookie} if mine else {})
            connection.request("GET", parts.path + (f"?{parts.query}" if parts.query else ""), headers=headers)
            with connection.getresponse() as got:
                answer = Answer(got.status, got.headers, got.read())
        finally:
            connection.close()
        if mine:
            for one in answer.cookies:
                for name, morsel in SimpleCookie(one).items():
                    gone = morsel["max-age"] in ("0", 0) or not morsel.value
                    self.jar.pop(name, None) if gone else self.jar.update({name: morsel.value})
        return answer

    @property
    def cookie(self) -> str:
        return "; ".join(f"{k}={v}" for k, v in self.jar.items())

    def sign_in(self, name: str, wanted: str = "/") -> str:
        """Through the provider and back; where the app leads to afterwards."""
        from urllib.parse import quote

        answer = self.get(f"/sign-in?next={quote(wanted, safe='')}")
        answer = self.get(answer.headers["Location"])
        assert answer.status == 302, answer.text
        answer = self.get(answer.headers["Location"] + f"&login_as={name}")
        answer = self.get(answer.headers["Location"])
        assert answer.status == 302, answer.text
        return str(answer.headers["Location"])

    def consent(self, url: str, name: str) -> None:
        """Say who one is at the form of oidc-provider-mock, and follow the way back."""
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=60)
        try:
            form = {"Content-Type": "application/x-www-form-urlencoded"}
            connection.request("POST", f"{parts.path}?{parts.query}", f"sub={name}", form)
            with connection.getresponse() as got:
                back = str(got.headers["Location"])
        finally:
            connection.close()
        assert self.get(back).status == 302

    def open(self) -> ClientConnection:
        """The websocket. Raises InvalidStatus where it is refused."""
        self.get("/_stcore/health")  # sets the token against forged requests
        protocols: list[Any] = ["streamlit", self.jar.get("_streamlit_xsrf", "none")]
        return connect(
            f"ws://127.0.0.1:{self.port}/_stcore/stream", origin=self.origin, subprotocols=protocols,  # type: ignore[arg-type]
            additional_headers={"Cookie": self.cookie}, max_size=2**26, proxy=None,
        )  # fmt: skip

    def see(self, page: str = "", query: str = "", seconds: float = 60) -> str:
        """What a page draws, as text."""
        with self.open() as socket:
            return run(socket, page, query, seconds)

    def refused(self) -> int:
        """The status with which the websocket is refused; 0 where it is not."""
        try:
            self.open().close()
        except InvalidStatus as error:
            return error.response.status_code
        return 0


def run(socket: ClientConnection, page: str = "", query: str = "", seconds: float = 60, wanted: str = "") -> str:
    """Run a page of the app and give everything that it draws, as the messages' text. wanted: stop when it is there."""
    message = BackMsg()
    message.rerun_script.query_string = query
    message.rerun_script.page_name = page
    socket.send(message.SerializeToString())
    return drawn(socket, seconds, wanted)


def drawn(socket: ClientConnection, seconds: float = 60, wanted: str = "") -> str:
    out, until = [], time.monotonic() + seconds
    while time.monotonic() < until:
        result = ForwardMsg()
        result.ParseFromString(socket.recv(timeout=max(0.1, until - time.monotonic())))
        out.append(str(result))
        if result.WhichOneof("type") == "script_finished" and (not wanted or wanted in "".join(out)):
            return "".join(out)
    raise TimeoutError("".join(out)[-2000:])
