"""The next job of a queue gets ready before its turn, does nothing before it, and finds what it got ready."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import cli
from audit.models import worker
from debias import jobs, ready
from tests.debias.stand_in import room

ROOT = Path(__file__).resolve().parents[2]
CLI = """
import sys, time
from pathlib import Path
verb, place = sys.argv[1:3]
Path(place).write_text("begun")
while verb == "slow" and not Path(place + ".end").exists():
    time.sleep(0.02)
sys.exit(verb == "fail")
"""


def until(true: Callable[[], Any]) -> Any:
    late = time.monotonic() + 60
    while not (result := true()):
        assert time.monotonic() < late
        time.sleep(0.02)
    return result


def waiting(home: Path) -> list[int]:
    """Process ids of commands of `home` that got ready."""
    items = []
    for place in Path("/proc").iterdir():
        try:
            words = (place / "cmdline").read_text().split("\0")
            if "debias.ready" in words and any(w.startswith(str(home)) for w in words):
                items.append(int(place.name))
        except (OSError, ValueError):
            continue
    return items


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks for processes in /proc")
def test_one_gets_ready_and_only_one_and_runs_in_its_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(jobs.SLOTS_VARIABLE, "1")
    home = room(tmp_path, monkeypatch, CLI)
    names = [str(home) + f"-{n}" for n in range(5)]
    first = jobs.start(["slow", names[0]], home)
    until(Path(names[0]).exists)
    second = jobs.start(["hello", names[1]], home)
    (process,) = until(lambda: waiting(home))
    others = [jobs.start([verb, name], home) for verb, name in zip(("fail", "hello", "hello"), names[2:], strict=True)]
    time.sleep(0.5)
    assert waiting(home) == [process], "nobody gets ready but the next"
    assert not any(Path(n).exists() for n in names[1:])
    # Stopped while it got ready: its process ends too, and the next one takes its place.
    assert jobs.cancel(home, second.id).status == "cancelled"
    until(lambda: waiting(home) not in ([], [process]))
    # One that dies while it gets ready is begun anew in its turn.
    os.kill(waiting(home)[0], 9)
    Path(names[0] + ".end").write_text("")
    for job, status in zip((first, *others), ("done", "failed", "done", "done"), strict=True):
        assert until(lambda job=job: (s := jobs.state(home, job.id)).over and s).status == status  # type: ignore[misc]
    assert not Path(names[1]).exists()
    until(lambda: not waiting(home))


def test_a_case_that_was_sealed_meanwhile_is_not_left_to_the_one_that_got_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has hold of nothing, and what it spills would lie beside the private folder."""
    home = room(tmp_path, monkeypatch, "import os, sys\nopen(sys.argv[1], 'w').write(os.environ.get('TMPDIR', ''))")
    monkeypatch.chdir(jobs.ROOT)
    message, private = home.parent / "said", str(tmp_path / "private")
    command = ready.Command([str(message)])
    command.get_ready()
    first = command.child
    assert first is not None
    command.run({"TMPDIR": private}, [])
    assert command.wait() == 0
    assert message.read_text() == private
    assert first.poll() is not None


def test_the_model_is_opened_once_and_the_evidence_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = ROOT / "sample_data" / "german_credit.toml"
    started = []
    own = worker.Child

    def child(*inputs: Any, **named: Any) -> Any:
        started.append(inputs)
        return own(*inputs, **named)

    monkeypatch.setattr(worker, "Child", child)
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    args = ["audit", str(case), "--out", str(tmp_path / "ready"), "--draws", "50"]
    monkeypatch.setattr(sys, "argv", ["ready", *args])
    turn, mine = os.pipe()
    os.write(mine, b"1")
    with pytest.raises(SystemExit) as ended:
        ready.main([str(turn), *args])
    assert ended.value.code == 0
    assert len(started) == 1, "the command found the process that was got ready"
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "another"))  # where no answers are kept
    assert cli.main(["audit", str(case), "--out", str(tmp_path / "plain"), "--draws", "50"]) == 0
    content = [(tmp_path / name / "evidence.json").read_bytes() for name in ("ready", "plain")]
    assert content[0] == content[1]
    # Without a turn nothing is measured.
    os.close(mine)
    ready.main([str(turn), "audit", str(case), "--out", str(tmp_path / "never")])
    os.close(turn)
    assert not (tmp_path / "never").exists()
