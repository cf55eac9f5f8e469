"""One connection to one server: bounded in time and size, without redirects, proxies, cookies or compression.

A token is read from the variable that the case names, goes into one header, and into nothing else: messages show it
as (token). The address is resolved here and the connection goes to what was looked at, so that a name cannot turn
into another machine between the look and the call.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from audit.errors import ModelError
from audit.models.loaded import one_line
from audit.models.served.addresses import PORTS, place_of
from audit.numbers import many
from audit.sentences import SEE_SERVER

MOST_BYTES = 2**20
MOST_BYTES_A_ROW = 4096
BUSY = (429, 502, 503, 504)
"""Answers after which the same question is asked again: none of them comes from a model."""
PAUSE = 0.2
MOST_PAUSE = 10.0


class Unreached(Exception):
    """The server was not reached, or did not answer whole: it may be asked again."""


@dataclass(frozen=True, slots=True)
class Access:
    """How a server is reached: what a case says, without the case.

    what: how messages call it ("the endpoint", "the registry"). retries: after the first try.
    """

    url: str
    what: str = "the endpoint"
    timeout: float = 30.0
    retries: int = 3
    ca: Path | None = None
    token_env: str | None = None
    token_header: str = "Authorization"
    plain_text: bool = False

    @property
    def place(self) -> str:
        """ "host:port"."""
        return place_of(self.url)


@dataclass(frozen=True, slots=True)
class Reply:
    """status, type: of HTTP. seconds: from the first try to the whole answer; attempts: how often it was asked."""

    status: int
    type: str
    body: bytes
    seconds: float
    attempts: int


def token_of(access: Access) -> str | None:
    """The value of the named variable. Raises ModelError where it is empty, or holds what no header may hold."""
    if access.token_env is None:
        return None
    token = os.environ.get(access.token_env, "").strip()
    if not token or not token.isascii() or not token.isprintable():
        raise ModelError(
            f"the token for {access.what} is not there",
            got=f"the environment variable {access.token_env} is empty" if not token else "signs no header may hold",
            expected=f"the token in {access.token_env}",
            todo=f"set {access.token_env} in the environment of Assay; it is never written anywhere",
        )
    return token


def hidden(text: object, token: str | None, length: int = 300) -> str:
    """A foreign message as one line, without the token."""
    shown = str(text)
    for secret in (token, token.partition(" ")[2] if token else None):
        if secret:
            shown = shown.replace(secret, "(token)")
    return one_line(shown, length)


def tls_of(access: Access) -> ssl.SSLContext:
    """Certificates are checked, always: by `ca` alone where it is given. Raises ModelError."""
    try:
        return ssl.create_default_context(cafile=None if access.ca is None else str(access.ca))
    except (OSError, ssl.SSLError) as error:
        raise ModelError(
            f"the certificates for {access.what} cannot be read",
            got=f"{access.ca}: {getattr(error, 'strerror', None) or error}",
            expected="a PEM file of certificates",
            todo="correct `ca`",
        ) from error


def addresses(access: Access) -> list[tuple[str, int]]:
    """Where the host is, looked at: no link-local, multicast or unspecified address, and unencrypted this machine only.

    Raises Unreached where the name is not known, ModelError for an address that is not asked.
    """
    parts = urlsplit(access.url)
    port = parts.port or PORTS[parts.scheme]
    try:
        resolved = socket.getaddrinfo(str(parts.hostname), port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unreached(
            f"the name {parts.hostname} is not known ({getattr(error, 'strerror', None) or error})"
        ) from error
    out = []
    for _, _, _, _, where in resolved:
        ip = ipaddress.ip_address(str(where[0]).partition("%")[0])
        ip = getattr(ip, "ipv4_mapped", None) or ip
        strange = ip.is_link_local or ip.is_multicast or ip.is_unspecified
        open_text = parts.scheme in ("http", "grpc") and not access.plain_text and not ip.is_loopback
        if strange or open_text:
            raise ModelError(
                f"{access.what} is at an address that is not asked",
                got=f"{parts.hostname} is {ip}",
                expected="a machine that serves models" if strange else "this machine, since nothing is encrypted",
                todo="correct `url`" if strange else "use https://, or write plain_text = true beside it",
            )
        out.append((str(where[0]), port))
    return out


class Client:
    """A context manager. Questions are asked one after the other on one connection, which is kept.

    token: the header's value, where no variable holds it as it is sent.
    """

    def __init__(
        self, access: Access, *, token: str | None = None, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.access = access
        self.token = token_of(access) if token is None else token
        self._tls = tls_of(access) if access.url.startswith("https:") else None
        self._sleep = sleep
        self._line: http.client.HTTPConnection | None = None
        self._fresh = False

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.close()

    def shown(self, text: object) -> str:
        """A foreign message as it may be shown."""
        return hidden(text, self.token)

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        most: int = MOST_BYTES,
        type: str = "application/json",
        once: bool = False,
    ) -> Reply:
        """One question, asked again where the server was busy or not reached (predictions change nothing there), unless
        `once`: for what would be made twice.

        Raises ModelError where no try came to an answer, or one is larger than `most` bytes.
        """
        began = time.monotonic()
        why, pause = "", PAUSE
        tries = 1 if once else self.access.retries + 1
        if once:
            self.close()  # a kept connection that the server has closed is asked again by itself
        for attempt in range(1, tries + 1):
            try:
                status, kind, content, wait = self._once(method, path, body, most, type)
            except Unreached as error:
                why, wait = str(error), None
            else:
                if status not in BUSY:
                    return Reply(status, kind, content, time.monotonic() - began, attempt)
                why = f"HTTP {status}"
            if attempt < tries:
                self._sleep(min(MOST_PAUSE, pause if wait is None else max(wait, pause)))
                pause *= 2
        kept = f"{SEE_SERVER}; what was answered before is kept, and is not asked again"
        raise ModelError(
            f"{self.access.what} at {self.access.place} did not answer",
            got=f"{self.shown(why)}; asked {tries} times" if tries > 1 else self.shown(why),
            expected=f"an answer within {many(self.access.timeout, 'second')}",
            todo=kept if method == "POST" else SEE_SERVER,
        )  # fmt: skip

    def _connect(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.access.url)
        problem = ""
        for ip, port in addresses(self.access):
            try:
                plain = socket.create_connection((ip, port), self.access.timeout)
            except OSError as error:
                problem = error.strerror or str(error)
                continue
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            line = http.client.HTTPConnection(str(parts.hostname), port, timeout=self.access.timeout)
            try:
                line.sock = (
                    plain if self._tls is None else self._tls.wrap_socket(plain, server_hostname=str(parts.hostname))
                )
            except ssl.SSLCertVerificationError as error:
                plain.close()
                raise ModelError(
                    f"{self.access.what} at {self.access.place} is not who it should be",
                    got=one_line(error.verify_message or error),
                    expected="a certificate for this name, by an authority that is trusted",
                    todo="name the authority's certificate as `ca`, or correct the name in `url`; nothing was sent",
                ) from error
            except (ssl.SSLError, OSError) as error:
                plain.close()
                raise Unreached(
                    f"no encrypted connection ({one_line(getattr(error, 'reason', None) or error)})"
                ) from error
            self._fresh = True
            return line
        raise Unreached(f"no connection ({problem or 'no address'})")

    def _once(
        self, method: str, path: str, body: bytes | None, most: int, type: str
    ) -> tuple[int, str, bytes, float | None]:
        """Status, type and body of one try, and how long the server asks to wait. Raises Unreached."""
        for _ in range(2):
            if self._line is None:
                self._line = self._connect()
            line, fresh, self._fresh = self._line, self._fresh, False
            late = threading.Event()
            # A timeout of single steps would let a server that sends a byte a second go on for ever.
            timer = threading.Timer(self.access.timeout, _cut, (line.sock, late))
            timer.daemon = True
            timer.start()
            try:
                return self._exchange(line, method, path, body, most, type)
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.close()
                if late.is_set() or isinstance(error, TimeoutError):
                    raise Unreached(f"no whole answer within {many(self.access.timeout, 'second')}") from error
                if not fresh and isinstance(error, (ConnectionError, http.client.RemoteDisconnected)):
                    continue  # a kept connection that the server had closed meanwhile
                raise Unreached(
                    f"the connection broke ({getattr(error, 'strerror', None) or error.__class__.__name__})"
                ) from error
            finally:
                timer.cancel()
        raise Unreached("the connection broke")

    def _exchange(
        self, line: http.client.HTTPConnection, method: str, path: str, body: bytes | None, most: int, type: str
    ) -> tuple[int, str, bytes, float | None]:
        headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "assay"}
        headers |= {} if body is None else {"Content-Type": type}
        if self.token is not None:
            bare = self.access.token_header.lower() == "authorization" and " " not in self.token
            headers[self.access.token_header] = f"Bearer {self.token}" if bare else self.token
        line.request(method, path, body=body, headers=headers)
        _at_once(line.sock)
        answer = line.getresponse()
        content = bytearray()
        while len(content) <= most:
            part = answer.read1(2**16)
            if not part:
                break
            content += part
        if len(content) > most:
            self.close()
            raise ModelError(
                f"{self.access.what} at {self.access.place} sent more than an answer is",
                got=f"more than {many(most, 'byte')}",
                expected="a few numbers a row",
                todo="see what answers at this address; the connection was closed",
            )
        if answer.length:  # the server promised more than it sent
            raise http.client.IncompleteRead(bytes(content[:0]), answer.length)
        answer.close()  # else the connection does not know that it may be used again
        if answer.will_close:
            self.close()
        if (packed := answer.headers.get("Content-Encoding", "identity")) != "identity":
            raise ModelError(
                f"{self.access.what} at {self.access.place} sent a packed answer, which was not asked for",
                got=self.shown(packed),
                expected="JSON as it is",
                todo="switch compression off at the server",
            )
        return answer.status, answer.headers.get_content_type(), bytes(content), _wait(answer)


def _at_once(line: Any) -> None:
    """Tell what has come as soon as it comes: a server that sends head and body apart waits 40 ms for that else."""
    if hasattr(socket, "TCP_QUICKACK"):
        with contextlib.suppress(OSError):
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def _cut(line: Any, late: threading.Event) -> None:
    late.set()
    with contextlib.suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)


def _wait(answer: http.client.HTTPResponse) -> float | None:
    try:
        return max(0.0, float(answer.headers.get("Retry-After", "")))
    except ValueError:
        return None
