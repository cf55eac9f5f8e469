"""A screen that waits for a job: the bytes of its websocket are counted, at the served app."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection

from tests.journeys.conftest import ROOT, free_port
from tests.screens.visitor import Visitor

CASE, JOB = "a" * 32, "b" * 32


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path, subprocess.Popen[bytes]]]:
    """The app's port, the folder of a job that lives, and its process."""
    home, port = Path(tmp_path_factory.mktemp("home")), free_port()
    (home / "cases" / CASE / "run").mkdir(parents=True)
    (home / "cases" / CASE / "sample").write_text("german_credit.toml")
    work = home / "jobs" / JOB
    work.mkdir(parents=True)
    lives = subprocess.Popen(["sleep", "600"])
    ticks = Path(f"/proc/{lives.pid}/stat").read_text().rpartition(")")[2].split()[19]
    record = {"id": JOB, "args": ["audit", "x"], "pid": lives.pid, "ticks": ticks, "started": time.time()}
    (work / "job.json").write_text(json.dumps(record))
    progress(work, 1)
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    with open(home / "served.txt", "wb") as log:
        server = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, "ASSAY_HOME": str(home)}, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        until = time.monotonic() + 60
        while True:
            assert server.poll() is None, (home / "served.txt").read_text()
            assert time.monotonic() < until
            try:
                Visitor(port).get("/_stcore/health")
                break
            except OSError:
                time.sleep(0.05)
        yield port, work, lives
    finally:
        for process in (server, lives):
            process.terminate()
            process.wait(20)


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
        found = ForwardMsg()
        found.ParseFromString(next(d for kind, d in first if kind == "auto_rerun"))
        assert found.auto_rerun.interval == 1.0
        timer = BackMsg()
        timer.rerun_script.CopyFrom(page.rerun_script)
        timer.rerun_script.fragment_id, timer.rerun_script.is_auto_rerun = found.auto_rerun.fragment_id, True
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
