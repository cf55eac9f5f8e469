"""The whole circle with real processes: service, feed, alarm, challenger, a person's yes, and the service runs it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from debias.loop.health import Health
from tests.debias.loop.fed import bodies, people, write_case

ROOT = Path(__file__).resolve().parents[3]
SERVED = 'source = "in/*.csv"\nsettle = 0\nheartbeat = 2\nserved = { decision = "decision", model = "model" }'
WATCH = "import sys, cli; from debias.loop import run; run.POLL_SECONDS = 0.05; sys.exit(cli.main(sys.argv[1:]))"
"""The command, which looks twenty times a second for what has come, and not once."""
SERVICE = Path(__file__).with_name("circle_service.py")
SIZE = 300


def until(what: Callable[[], Any], seconds: float = 90.0) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            result = what()
        except (OSError, ValueError, KeyError):
            result = None
        if result:
            return result
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


class Circle:
    """The two processes."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.out = folder, folder / "out"
        self.health = free_port()
        env = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        self.env = env
        (folder / "in").mkdir()
        watch = ["watch", str(folder / "case.toml"), "--out", str(self.out), "--follow", "--serve", str(self.health)]
        self.watch = subprocess.Popen(
            [sys.executable, "-c", WATCH, *watch],
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until((self.out / "running.json").exists)
        self.service = subprocess.Popen(
            [sys.executable, str(SERVICE), str(self.out), str(folder / "in"), str(SIZE)],
            env=env, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.service.stdout is not None
        self.port = int(self.service.stdout.readline())
        frame = people(40, size=SIZE)
        self.days = [d.drop(columns="granted").to_dict("records") for _, d in frame.groupby("day")]
        self.sent = 0

    def serve(self) -> dict[str, Any]:
        """A day of people is decided; the loop has taken what was served."""
        body = json.dumps(self.days[self.sent]).encode()
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", data=body, timeout=30) as answer:
            document: dict[str, Any] = json.loads(answer.read())
        self.sent += 1
        until(lambda: self.document()["batches"] >= self.sent)
        return document

    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.out / "watch.json").read_bytes())
        return document

    def close(self) -> None:
        for process in (self.watch, self.service):
            process.terminate()  # SIGINT is ignored by what a script starts in the background
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self.service.stdout is not None:
            self.service.stdout.close()


@pytest.fixture(scope="module")
def circle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Circle]:
    folder = tmp_path_factory.mktemp("circle")
    write_case(folder, people(2), more=SERVED, delay=0)
    built = Circle(folder)
    try:
        yield built
    finally:
        built.close()


def test_the_circle(circle: Circle) -> None:
    first = circle.serve()["answers"][0]["model"]
    status, answer = get(circle.health, "/healthz")
    assert (status, json.loads(answer)["ok"]) == (200, True)
    while circle.document()["state"] != "APPROVAL":
        assert circle.sent < 30, circle.document()["state"]
        answers = circle.serve()["answers"]
        assert {a["model"] for a in answers} == {first}
    waiting = circle.document()["pending"]["model"]
    page = get(circle.health, "/metrics")[1]
    assert 'assay_state{state="APPROVAL"} 1\n' in page
    assert "assay_approvals_open 1\n" in page
    message = subprocess.run(
        [sys.executable, str(ROOT / "cli.py"), "watch", str(circle.folder / "case.toml"), "--out", str(circle.out),
         "--approve", waiting, "--reason", "Looked at.", "--by", "Ada"],
        env=circle.env, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert message.returncode == 0, message.stderr
    until(lambda: json.loads((circle.out / "running.json").read_bytes())["model"] == waiting)
    answers = circle.serve()["answers"]
    assert {a["model"] for a in answers} == {waiting}, "picked up without a restart"
    circle.serve()
    kinds = [b["kind"] for b in bodies(circle.out)]
    assert kinds.index("confirmed") < kinds.index("shadow") < kinds.index("gate") < kinds.index("promoted")
    assert "served" not in kinds, "what was served is what should run"
    assert circle.document()["running"] == waiting


def test_when_nobody_is_decided_any_more_it_is_told(circle: Circle) -> None:
    until(lambda: get(circle.health, "/healthz")[0] == 503)
    assert "no batch came for" in get(circle.health, "/healthz")[1]
    until(lambda: '"kind":"silent"' in (circle.out / "alerts.jsonl").read_text())
    circle.serve()
    assert get(circle.health, "/healthz")[0] == 200


def test_the_page_of_metrics_is_of_the_text_format(circle: Circle) -> None:
    """Each line by the grammar of the exposition format, version 0.0.4; no metric is told twice."""
    import re

    page = get(circle.health, "/metrics")[1]
    names = re.findall(r"^# TYPE (\w+) (?:gauge|counter)$", page, re.M)
    assert len(names) == len(set(names)) > 12
    sample = re.compile(r'(assay_\w+)(\{(\w+="(\\.|[^"\\\n])*",?)*\})? -?[0-9.e+-]+')
    lines = [line for line in page.splitlines() if not line.startswith("#")]
    assert all(sample.fullmatch(line) for line in lines)
    assert {line.partition("{")[0].partition(" ")[0] for line in lines} == set(names)
    assert 'assay_group_people{attribute="sex",group="F"}' in page
    assert get(circle.health, "/")[0] == 404


def test_trouble_and_silence_are_not_healthy() -> None:
    now = [0.0]
    health = Health(10.0, clock=lambda: now[0])
    assert health.healthz()[0] == 200
    now[0] = 11.0
    assert health.healthz() == (503, {"ok": False, "state": None, "problem": "no batch came for 11 seconds"})
    health.batch()
    health.trouble("the disk is full")
    assert health.healthz()[1]["problem"] == "the disk is full"
    assert "assay_up 0\n" in health.metrics()
    health.trouble(None)
    assert health.healthz()[0] == 200
