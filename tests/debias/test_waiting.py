"""Jobs that are far behind in the queue wait in little memory, and are the same jobs all the while."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from debias import jobs, waiting
from tests.debias.stand_in import room

pytestmark = pytest.mark.skipif(not hasattr(signal, "sigtimedwait"), reason="the system has no sigtimedwait")
CLI = """
import sys, time
from pathlib import Path
verb, *rest = sys.argv[1:]
if verb == "until":
    while not Path(rest[0]).exists():
        time.sleep(0.02)
elif verb == "read":
    print("read " + sys.stdin.read())
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(jobs.SLOTS_VARIABLE, "1")
    return room(tmp_path, monkeypatch, CLI)


def until(what: object, true: object) -> None:
    end = time.monotonic() + 30
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end, what
        time.sleep(0.02)


def aside(job: jobs.Job) -> bool:
    return waiting.__file__.encode() in Path(f"/proc/{job.pid}/cmdline").read_bytes()


def stands_at(home: Path, job: jobs.Job, before: int) -> bool:
    return jobs.state(home, job.id).stage == f"waiting for its turn, {before} before it"


def test_what_is_far_behind_waits_aside_and_is_stopped_killed_and_run_as_ever(home: Path, tmp_path: Path) -> None:
    first = jobs.start(["until", str(tmp_path / "end")], home)
    until("the first has its turn", lambda: not (home / first.id / "queued").exists())
    near = [jobs.start(["read", str(n)], home, secret=b"near") for n in range(2)]
    far = [jobs.start(["read", str(n)], home, secret=b"far") for n in range(2, 6)]
    until("all that have two before them wait aside", lambda: all(map(aside, far)))
    assert not any(map(aside, near))
    assert stands_at(home, far[3], 5)

    assert jobs.cancel(home, far[0].id).status == "cancelled"
    assert json.loads((home / far[0].id / "exit.json").read_bytes())["exit_code"] == -signal.SIGTERM
    os.kill(far[1].pid, signal.SIGKILL)
    until("who is gone is before nobody", lambda: stands_at(home, far[3], 3) and aside(far[2]))

    (tmp_path / "end").touch()
    left = [*near, *far[2:]]
    until("the others run", lambda: all(jobs.state(home, j.id).over for j in left))
    assert [jobs.output(home, j.id) for j in left] == ["read near\n"] * 2 + ["read far\n"] * 2
    ended = [json.loads((home / j.id / "exit.json").read_bytes())["ended"] for j in left]
    assert ended == sorted(ended), "each in the order in which it came"


def test_who_is_like_nobody_any_more_is_not_called_back_for_it(home: Path, tmp_path: Path) -> None:
    """Its case named a file when it came, and an endpoint, whose answers nobody can know, while it waited."""
    first = jobs.start(["until", str(tmp_path / "end")], home)
    until("the first has its turn", lambda: not (home / first.id / "queued").exists())
    for n in range(2):
        jobs.start(["read", str(n)], home)
    cases = [tmp_path / name for name in ("changed", "as it was")]
    for place in cases:
        place.mkdir()
        (place / "case.toml").write_text("[case]\n")
    changed, like_it = (["audit", str(place / "case.toml"), "--out", str(place / "run")] for place in cases)
    job = jobs.start(changed, home)
    until("it waits aside", lambda: aside(job))
    assert (home / job.id / waiting.KEY).exists()
    (cases[0] / "case.toml").write_text("[model.endpoint]\n")
    jobs.start(like_it, home)
    until("it is like nobody", lambda: not (home / job.id / waiting.KEY).exists() and aside(job))
    (tmp_path / "end").touch()
    until("it has run", lambda: jobs.state(home, job.id).over)


def test_it_loads_next_to_nothing() -> None:
    """What an import adds is added for everybody in the queue."""
    seen = f"import runpy, sys; sys.argv = ['']; runpy.run_path({waiting.__file__!r}); print(*sorted(sys.modules))"
    with os.popen(f'"{sys.executable}" -I -S -c "{seen}"') as report:
        loaded = set(report.read().split())
    assert "json" in loaded
    assert not loaded & {"pathlib", "subprocess", "typing_extensions", "dataclasses", "msgspec", "debias", "audit"}


def test_where_the_system_starts_nothing_the_wrapper_waits_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "moved"))
    waiting.aside(tmp_path, ["audit", "case.toml"])
