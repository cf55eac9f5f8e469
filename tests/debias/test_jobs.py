"""Jobs: they end, fail, are cancelled, are found again by another process, and never mistake a recycled process id."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from audit.errors import InputError, OutputError
from debias import jobs
from tests.debias.stand_in import room

CLI = """
import json, os, signal, subprocess, sys, time
from pathlib import Path
verb, *rest = sys.argv[1:]
if verb == "hello":
    print("hello " + " ".join(rest) + os.environ.get("SECRET", ""))
elif verb == "fail":
    print("reading ...", file=sys.stderr)
    print("The label is missing. What to do: name it.", file=sys.stderr)
    sys.exit(2)
elif verb == "json":
    print(json.dumps({"error": "DataError", "problem": "no rows", "got": "0", "expected": "1", "todo": "add one"}))
    sys.exit(2)
elif verb == "slow":
    if "stubborn" in rest:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    Path(rest[0]).write_text(str(grandchild.pid))
    Path(os.environ["ASSAY_PROGRESS"]).write_text(json.dumps({"stage": "fitting", "done": 2, "total": 5}))
    time.sleep(60)
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home for jobs, with a small stand-in for the command line (the real wrapper runs it)."""
    return room(tmp_path, monkeypatch, CLI)


def wait(home: Path, job_id: str) -> jobs.JobState:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        result = jobs.state(home, job_id)
        if result.over:
            return result
        time.sleep(0.02)
    raise AssertionError("the job did not end")


def wait_for(path: Path) -> str:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if path.exists() and path.read_text():
            return path.read_text()
        time.sleep(0.02)
    raise AssertionError(f"{path.name} was not written")


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def test_a_command_runs_and_ends(home: Path) -> None:
    job = jobs.start(["hello", "a b"], home, env={"SECRET": "!"})
    result = wait(home, job.id)
    assert (result.status, result.exit_code, result.error) == ("done", 0, None)
    assert jobs.output(home, job.id) == "hello a b!\n"
    written = (jobs.folder(home, job.id) / "job.json").read_text()
    assert "!" not in written
    assert json.loads(written)["args"] == ["hello", "a b"]


def test_a_failure_brings_the_commands_own_message(home: Path) -> None:
    result = wait(home, jobs.start(["fail"], home).id)
    assert (result.status, result.exit_code) == ("failed", 2)
    assert result.error == "The label is missing. What to do: name it."
    result = wait(home, jobs.start(["json", "--json"], home).id)
    assert result.error == "no rows. Got: 0. Expected: 1. What to do: add one."


def test_progress_then_cancel_stops_the_whole_family(home: Path, tmp_path: Path) -> None:
    job = jobs.start(["slow", str(tmp_path / "child")], home)
    grandchild = int(wait_for(tmp_path / "child"))
    wait_for(jobs.folder(home, job.id) / "progress.json")
    running = jobs.state(home, job.id)
    assert (running.status, running.stage, running.done, running.total) == ("running", "fitting", 2, 5)
    after = jobs.cancel(home, job.id)
    assert after.status == "cancelled"
    assert gone(grandchild)
    assert jobs.cancel(home, job.id) == after


def test_what_ignores_the_request_is_killed(home: Path, tmp_path: Path) -> None:
    job = jobs.start(["slow", str(tmp_path / "child"), "stubborn"], home)
    grandchild = int(wait_for(tmp_path / "child"))
    assert jobs.cancel(home, job.id, grace=0.2).status == "cancelled"
    assert gone(grandchild)
    assert gone(job.pid)


def test_a_finished_job_cannot_be_cancelled(home: Path) -> None:
    job = jobs.start(["hello"], home)
    wait(home, job.id)
    assert jobs.cancel(home, job.id).status == "done"


def test_another_process_finds_the_job(home: Path) -> None:
    """The app that started it is gone; the exit is known all the same."""
    script = (
        "import sys; from pathlib import Path; from debias import jobs; jobs.ROOT = Path(sys.argv[2]);"
        "print(jobs.start(['hello'], Path(sys.argv[1])).id)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", script, str(home), str(jobs.ROOT)], capture_output=True, text=True, check=True
    )
    job_id = shown.stdout.strip()
    assert [job.id for job in jobs.find(home)] == [job_id]
    assert wait(home, job_id).status == "done"


def test_killed_from_outside_is_lost(home: Path, tmp_path: Path) -> None:
    job = jobs.start(["slow", str(tmp_path / "child")], home)
    wait_for(tmp_path / "child")
    os.killpg(job.pid, signal.SIGKILL)
    result = wait(home, job.id)
    assert result.status == "lost"
    assert "again" in str(result.error)


def test_a_recycled_process_id_is_not_the_job_and_is_left_alone(home: Path) -> None:
    """job.json names a living process that began at another time: it is neither running nor killed."""
    job = jobs.start(["hello"], home)
    wait(home, job.id)
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    try:
        place = jobs.folder(home, job.id)
        (place / "exit.json").unlink()
        record = json.loads((place / "job.json").read_text())
        (place / "job.json").write_text(json.dumps(record | {"pid": other.pid}))
        assert jobs.state(home, job.id).status == "lost"
        jobs.cancel(home, job.id)
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_no_zombie_stays(home: Path) -> None:
    job = jobs.start(["hello"], home)
    wait(home, job.id)
    until = time.monotonic() + 10
    while Path(f"/proc/{job.pid}").exists() and time.monotonic() < until:
        time.sleep(0.02)
    assert not Path(f"/proc/{job.pid}").exists()


@pytest.mark.parametrize("bad", ["", "..", "../x", "a" * 31, "A" * 32, "a" * 32 + "\n", "/etc/passwd", "a/" * 16, None])
def test_an_id_from_an_address_bar_is_checked(home: Path, bad: str) -> None:
    with pytest.raises(InputError, match="no id of a job"):
        jobs.state(home, bad)


def test_an_unknown_job_is_said(home: Path) -> None:
    with pytest.raises(InputError, match="no such job"):
        jobs.state(home, "0" * 32)
    assert jobs.find(home) == ()


def test_ids_are_unguessable_and_newest_first(home: Path) -> None:
    first, second = jobs.start(["hello", "1"], home), jobs.start(["hello", "2"], home)
    assert first.id != second.id
    assert len(first.id) == 32
    (home / "notes.txt").write_text("not a job")
    (home / ("f" * 32)).mkdir()
    assert [job.id for job in jobs.find(home)] == [second.id, first.id]
    for job in (first, second):
        wait(home, job.id)


def test_a_home_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="could not be started"):
        jobs.start(["hello"], tmp_path / "file")


def test_as_many_run_as_there_are_slots_and_each_says_its_place(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_JOBS", "1")
    first = jobs.start(["slow", str(tmp_path / "a")], home)
    until_stage(home, first.id, "fitting")
    second = jobs.start(["hello", "2"], home)
    until_stage(home, second.id, "waiting for its turn")
    third = jobs.start(["hello", "3"], home)
    until_stage(home, third.id, "waiting for its turn, 1 before it")
    assert jobs.output(home, second.id) == ""
    waiting = [second, third, *(jobs.start(["hello", str(n)], home) for n in range(4, 8))]
    until_stage(home, waiting[-1].id, "waiting for its turn, 5 before it")
    jobs.cancel(home, first.id)
    assert [wait(home, j.id).status for j in waiting] == ["done"] * 6
    ended = [json.loads((home / j.id / "exit.json").read_bytes())["ended"] for j in waiting]
    assert ended == sorted(ended), "each in the order in which it came"


def test_a_killed_job_gives_its_slot_back_and_a_waiting_one_can_be_cancelled(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_JOBS", "1")
    first = jobs.start(["slow", str(tmp_path / "a")], home)
    until_stage(home, first.id, "fitting")
    second, third = jobs.start(["hello", "2"], home), jobs.start(["hello", "3"], home)
    until_stage(home, second.id, "waiting for its turn")
    assert jobs.cancel(home, second.id).status == "cancelled"
    os.killpg(first.pid, signal.SIGKILL)
    assert wait(home, third.id).status == "done"


def test_a_loop_that_follows_takes_no_turn(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_JOBS", "1")
    first = jobs.start(["slow", str(tmp_path / "a")], home)
    until_stage(home, first.id, "fitting")
    assert wait(home, jobs.start(["watch", "--follow"], home).id).over, "the stand-in knows no such command and ends"
    jobs.cancel(home, first.id)


def test_the_same_command_is_not_started_twice(home: Path, tmp_path: Path) -> None:
    args = ["slow", str(tmp_path / "a")]
    first = jobs.start(args, home)
    assert jobs.start(args, home).id == first.id
    jobs.cancel(home, first.id)
    again = jobs.start(args, home)
    assert again.id != first.id
    jobs.cancel(home, again.id)


def until_stage(home: Path, job_id: str, stage: str) -> None:
    until = time.monotonic() + 30
    while (result := jobs.state(home, job_id)).stage != stage:
        assert not result.over, result
        assert time.monotonic() < until, result
        time.sleep(0.02)
