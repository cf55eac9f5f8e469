"""The app as it is served, on 127.0.0.1: who is let in, what the pages may do, and what a screen that waits for a job
sends (the bytes of its websocket are counted). No browser; plain sockets."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection

from screens import serve
from tests.screens.visitor import Visitor

ROOT = Path(__file__).resolve().parents[2]
UPGRADE = {
    "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "x3JJHMbDL1EzLkh9GBhXDw==",
}  # fmt: skip


def command(port: int, *more: str) -> list[str]:
    base = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    return [*base, "--browser.serverPort", str(port), *more]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """The port, and the workspace, in which an upload was abandoned long ago."""
    home, port = Path(tmp_path_factory.mktemp("home")), free_port()
    old = home / "cases" / ("a" * 32)
    old.mkdir(parents=True)
    (old / "people.csv").write_text("a,b")
    for path in (old / "people.csv", old):
        os.utime(path, (0, 0))
    with open(home / "served.txt", "wb") as log:
        process = subprocess.Popen(
            command(port), cwd=ROOT, env={**os.environ, "ASSAY_HOME": str(home)}, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        until = time.monotonic() + 60
        while ask(port, "/_stcore/health") is None:
            assert process.poll() is None, (home / "served.txt").read_text()
            assert time.monotonic() < until
            time.sleep(0.05)
        yield port, home
    finally:
        process.terminate()
        process.wait(20)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes


def ask(port: int, path: str, method: str = "GET", **headers: str) -> Answer | None:
    """None while nobody answers. An upgraded connection has no body; it is closed at once."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.putrequest(method, path, skip_host="Host" in headers)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        with connection.getresponse() as answer:
            return Answer(answer.status, answer.headers, b"" if answer.status == 101 else answer.read())
    except (ConnectionError, TimeoutError):
        return None
    finally:
        connection.close()


def status(port: int, path: str, method: str = "GET", **headers: str) -> int:
    answer = ask(port, path, method, **headers)
    assert answer is not None
    return answer.status


def test_a_page_carries_the_policy_and_so_does_a_refusal(served: tuple[int, Path]) -> None:
    port, _ = served
    for path, more in (("/", {}), ("/report", {}), ("/_stcore/health", {"Origin": "http://evil.example"})):
        answer = ask(port, path, **more)
        assert answer is not None
        rules = dict(r.strip().split(" ", 1) for r in str(answer.headers["Content-Security-Policy"]).split(";"))
        assert rules["frame-ancestors"] == "'self'"
        assert rules["default-src"] == "'none'"
        assert rules["connect-src"] == "'self'"
        assert "unsafe" not in rules["script-src"]
        assert not re.search(r"https?:|\*", " ".join(rules.values()))
        for name, value in serve.HEADERS.items():
            assert answer.headers[name] == value


def test_only_pages_of_this_app_open_its_websocket(served: tuple[int, Path]) -> None:
    port, home = served
    stream = "/_stcore/stream"
    assert status(port, stream, **UPGRADE, Origin=f"http://127.0.0.1:{port}") == 101
    assert status(port, stream, **UPGRADE, Origin=f"http://localhost:{port}", Host=f"localhost:{port}") == 101
    for origin in ("http://evil.example", "http://127.0.0.1:9", "http://127.0.0.1", "http://localhost:9", "null",
                   f"http://127.0.0.1:{port}.evil.example", f"file://127.0.0.1:{port}"):  # fmt: skip
        assert status(port, stream, **UPGRADE, Origin=origin) == 403, origin
    assert status(port, stream, **UPGRADE) == 403, "a browser always says where it comes from"
    evil = "evil.example"
    assert status(port, stream, **UPGRADE, Origin=f"http://{evil}", Host=evil) == 400, "rebound to this address"
    assert "external IP" not in (home / "served.txt").read_text(), "nobody outside was asked for our address"


def test_requests_that_change_something_come_from_a_page_of_this_app(served: tuple[int, Path]) -> None:
    port, _ = served
    upload = "/_stcore/upload_file/0/0"
    assert status(port, upload, "PUT") == 403
    assert status(port, upload, "PUT", Origin="http://127.0.0.1:9") == 403
    assert status(port, upload, "DELETE") == 403
    # From its own page the app's token against forged requests is still asked for.
    answer = ask(port, upload, "PUT", Origin=f"http://127.0.0.1:{port}")
    assert answer is not None
    assert answer.status in (400, 403)
    assert b"does not say" not in answer.body
    assert status(port, "/", Host="evil.example") == 400
    assert status(port, "/", Origin="http://evil.example") == 403
    assert status(port, "/", Host=f"localhost:{port}") == 200


def test_abandoned_uploads_are_gone_when_the_app_has_started(served: tuple[int, Path]) -> None:
    assert not list((served[1] / "cases").iterdir())


@pytest.mark.parametrize(
    "address, good",
    [("127.0.0.1", True), ("127.8.9.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False),
     ("192.168.1.4", False), ("10.0.0.1", False), ("", False), (None, False), ("example.org", False),
     ("localhost.example.org", False), ("/run/assay.sock", False)],
)  # fmt: skip
def test_only_loopback_is_served(address: str | None, good: bool) -> None:
    assert serve.is_loopback(address) is good
    scope = {"type": "http", "method": "GET", "server": (address, 80), "headers": []}
    assert (serve.refusal(scope) == "") is good
    assert serve.refusal(scope | {"server": None}) != ""


@pytest.mark.parametrize(
    "name, value",
    [("server.address", "0.0.0.0"), ("server.address", None), ("server.address", "example.org"),
     ("server.enableXsrfProtection", False), ("server.enableCORS", False), ("server.allowedHosts", []),
     ("server.allowedHosts", ["*.example.org"]), ("server.corsAllowedOrigins", ["http://a.example"]),
     ("server.enableStaticServing", True), ("server.enableAgentApi", True)],
)  # fmt: skip
def test_settings_that_would_open_the_app_are_faults(name: str, value: object) -> None:
    good = {
        "server.enableXsrfProtection": True, "server.enableCORS": True, "server.address": "127.0.0.1",
        "server.allowedHosts": ["127.0.0.1"], "server.corsAllowedOrigins": [], "server.enableStaticServing": False,
        "server.enableAgentApi": False,
    }  # fmt: skip
    assert serve.faults(good.__getitem__) == []
    assert serve.faults({**good, name: value}.__getitem__) == [name]


def test_a_start_on_another_address_ends_with_a_sentence(tmp_path: Path) -> None:
    done = subprocess.run(
        command(free_port(), "--server.address", "0.0.0.0"), cwd=ROOT, capture_output=True, text=True, timeout=60,
        env={**os.environ, "ASSAY_HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 2
    assert "server.address = '0.0.0.0'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "address, certificate, good",
    [("127.0.0.1", None, True), ("0.0.0.0", "c.pem", True), ("0.0.0.0", None, False), ("0.0.0.0", "", False),
     ("192.168.1.4", "c.pem", True), (None, "c.pem", False), ("", "c.pem", False)],
)  # fmt: skip
def test_with_logins_another_address_is_served_with_tls_alone(
    address: str | None, certificate: str | None, good: bool
) -> None:
    options = {
        "server.enableXsrfProtection": True, "server.enableCORS": True, "server.address": address,
        "server.allowedHosts": ["a.example"], "server.corsAllowedOrigins": [], "server.enableStaticServing": False,
        "server.enableAgentApi": False, "server.sslCertFile": certificate,
    }  # fmt: skip
    assert (serve.faults(options.__getitem__, logins=True) == []) is good
    assert (serve.faults(options.__getitem__) == []) is (address == "127.0.0.1"), "without logins, never"


def test_with_logins_requests_from_elsewhere_are_heard_and_still_have_to_be_the_apps_own() -> None:
    scope = {"type": "http", "method": "GET", "server": ("192.168.1.4", 443), "headers": []}
    assert serve.refusal(scope, True) == ""
    assert serve.refusal(scope) != ""
    assert serve.refusal(scope | {"method": "PUT"}, True) != ""


CASE, JOB = "a" * 32, "b" * 32


@pytest.fixture
def waiting(served: tuple[int, Path]) -> Iterator[tuple[int, Path, subprocess.Popen[bytes]]]:
    """The app's port, the folder of a job that lives, and its process."""
    port, home = served
    (home / "cases" / CASE / "run").mkdir(parents=True)
    (home / "cases" / CASE / "sample").write_text("german_credit.toml")
    work = home / "jobs" / JOB
    work.mkdir(parents=True)
    lives = subprocess.Popen(["sleep", "600"])
    ticks = Path(f"/proc/{lives.pid}/stat").read_text().rpartition(")")[2].split()[19]
    record = {"id": JOB, "args": ["audit", "x"], "pid": lives.pid, "ticks": ticks, "started": time.time()}
    (work / "job.json").write_text(json.dumps(record))
    progress(work, 1)
    try:
        yield port, work, lives
    finally:
        lives.terminate()
        lives.wait(20)


def progress(work: Path, done: int) -> None:
    (work / "progress.json").write_text(json.dumps({"stage": "Asking the model", "done": done, "total": 40}))


def received(socket: ClientConnection, seconds: float) -> list[tuple[str, bytes]]:
    """What comes until a run has finished, or for so long."""
    out: list[tuple[str, bytes]] = []
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        try:
            data = socket.recv(timeout=left)
        except TimeoutError:
            break
        assert isinstance(data, bytes)
        message = ForwardMsg()
        message.ParseFromString(data)
        out.append((str(message.WhichOneof("type")), data))
        if out[-1][0] == "script_finished":
            break
    return out


def test_a_job_that_waits_sends_nothing_and_one_that_moves_sends_its_line(
    waiting: tuple[int, Path, subprocess.Popen[bytes]],
) -> None:
    port, work, lives = waiting
    with Visitor(port).open() as socket:
        page = BackMsg()
        page.rerun_script.query_string, page.rerun_script.page_name = f"case={CASE}&job={JOB}", "data"
        socket.send(page.SerializeToString())
        first = received(socket, 60)
        assert b"Asking the model" in b"".join(d for _, d in first)
        result = ForwardMsg()
        result.ParseFromString(next(d for kind, d in first if kind == "auto_rerun"))
        assert result.auto_rerun.interval == 1.0
        timer = BackMsg()
        timer.rerun_script.CopyFrom(page.rerun_script)
        timer.rerun_script.fragment_id, timer.rerun_script.is_auto_rerun = result.auto_rerun.fragment_id, True
        received(socket, 0.5)

        for _ in range(10):
            socket.send(timer.SerializeToString())
        still = received(socket, 0.5)  # what comes later is before the line of the one that moved, and is seen there
        assert sum(len(d) for kind, d in still if kind != "heartbeat_ack") == 0, [kind for kind, _ in still]

        progress(work, 2)
        socket.send(timer.SerializeToString())
        moved = received(socket, 20)
        assert b"2 of 40" in b"".join(d for _, d in moved)
        assert sum(len(d) for _, d in moved) < 3000
        assert [kind for kind, _ in moved].count("delta") <= 3

        # Its end is no difference that is passed over.
        (work / "exit.json").write_text('{"exit_code": 0}')
        lives.terminate()
        lives.wait(20)
        socket.send(timer.SerializeToString())
        ended = b""
        for _ in range(3):
            ended += b"".join(d for _, d in received(socket, 5))
            if b"The audit: done" in ended:
                break
        assert b"The audit: done" in ended
