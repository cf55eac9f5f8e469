"""Who stops a command in the middle finds nothing of it in the temporary folder: no model, and nobody's rows."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import cli
from audit import starts
from audit.files import write_new, write_whole
from audit.models.own import Environment, digest_of
from debias import jobs
from reports import demo
from tests.audit.models.zoo.people import loans, people
from tests.shared import ROOT

SLOW = "import time\n\n\ndef load(path):\n    time.sleep(60)\n"


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """An audit whose model takes a minute to load; a copy of it waits in the temporary folder."""
    (tmp_path / "slow.py").write_text(SLOW)
    (tmp_path / "m.bin").write_bytes(b"weights")
    (tmp_path / "tmp").mkdir()
    people().to_csv(tmp_path / "people.csv", index=False)
    digest = digest_of(tmp_path / "m.bin", Environment(Path(sys.executable), "slow:load", None, tmp_path))
    model = f'path = "m.bin"\npython = "{sys.executable}"\nload = "slow:load"\nconsent = "sha256:{digest}"\n'
    (tmp_path / "case.toml").write_text(loans(["pay", "debt"]) + model)
    return ["audit", str(tmp_path / "case.toml"), "--out", str(tmp_path / "out")]


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def copies(folder: Path) -> list[Path]:
    """Files in its folders; Python itself tries for a moment whether a file can be made beside them."""
    return [p for p in folder.glob("*/**/*") if p.is_file()]


@pytest.mark.parametrize("which", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_command_that_is_asked_to_end_takes_its_copies_with_it(
    words: list[str], tmp_path: Path, which: signal.Signals
) -> None:
    env = {**os.environ, "TMPDIR": str(tmp_path / "tmp")}
    with subprocess.Popen(
        [sys.executable, "-m", "cli", *words], cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(which, signal.SIG_DFL),  # tests may run under nohup
    ) as process:  # fmt: skip
        until(lambda: copies(tmp_path / "tmp"))
        process.send_signal(which)
        _, errors = process.communicate(timeout=60)
    assert not list((tmp_path / "tmp").iterdir())
    assert "assay audit: stopped after" in errors
    assert "Traceback" not in errors
    # Who waits for it sees what ended it, as for any program; Ctrl-C has a code of its own.
    assert process.returncode == (1 if which == signal.SIGINT else -which)


BETWEEN = """
import os, signal, sys, tempfile
from concurrent.futures import Future, ThreadPoolExecutor

import cli

def then_asked(owner, name, where=lambda *a: True):
    function = getattr(owner, name)
    def first(*args, **kwargs):
        result = function(*args, **kwargs)
        if where(*args):
            setattr(owner, name, function)
            os.kill(os.getpid(), signal.SIGTERM)
        return result
    setattr(owner, name, first)

moment = sys.argv.pop(1)
if moment == "a folder is made":
    then_asked(tempfile, "mkdtemp")
elif moment == "a process is on its way":
    then_asked(ThreadPoolExecutor, "submit", lambda pool, *_: pool._thread_name_prefix == "starts-models")
elif moment == "a process is there":
    then_asked(Future, "result")
cli.start()
"""


@pytest.mark.parametrize("moment", ["a folder is made", "a process is on its way", "a process is there"])
def test_who_is_asked_between_two_lines_leaves_nothing_either(words: list[str], tmp_path: Path, moment: str) -> None:
    env = {**os.environ, "TMPDIR": str(tmp_path / "tmp"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", BETWEEN, moment, *words], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGTERM, done.stderr
    assert "assay audit: stopped after" in done.stderr
    assert not list((tmp_path / "tmp").iterdir())


@pytest.mark.parametrize("write", [write_whole, write_new])
def test_a_file_that_is_stopped_on_its_way_leaves_no_half(
    write: Callable[[Path, bytes], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(_: int) -> None:
        raise starts.Stopped

    monkeypatch.setattr(os, "fsync", asked)
    with pytest.raises(starts.Stopped):
        write(tmp_path / "evidence.json", b"{}")
    assert not list(tmp_path.iterdir())


def test_a_job_that_a_person_stops_takes_its_copies_with_it(words: list[str], tmp_path: Path) -> None:
    """The group of processes is asked, and the wrapper asks its command once more."""
    job = jobs.start(words, tmp_path / "jobs", env={"TMPDIR": str(tmp_path / "tmp")})
    until(lambda: copies(tmp_path / "tmp"))
    assert jobs.cancel(tmp_path / "jobs", job.id).status == "cancelled"
    assert not copies(tmp_path / "tmp")


def test_what_is_told_to_ignore_the_end_of_the_terminal_goes_on(words: list[str], tmp_path: Path) -> None:
    env = {**os.environ, "TMPDIR": str(tmp_path / "tmp")}
    with subprocess.Popen(
        [sys.executable, "-m", "cli", *words], cwd=ROOT, env=env, stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    ) as process:  # fmt: skip
        until(lambda: copies(tmp_path / "tmp"))
        process.send_signal(signal.SIGHUP)
        time.sleep(0.3)
        assert process.poll() is None
        assert copies(tmp_path / "tmp")
        process.terminate()


def test_who_stops_a_demonstration_does_not_wait_for_what_runs_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()

    def stopped(*_: object) -> None:
        raise starts.Stopped

    def beside(*_: object) -> None:
        over.wait(20)
        raise RuntimeError("it was ended")

    monkeypatch.setattr(demo, "processors", lambda: 2)
    monkeypatch.setattr("audit.explain.run_explain", stopped)
    monkeypatch.setattr("audit.run.run_audit", beside)
    started = time.monotonic()
    try:
        assert cli.main(["demo", "--out", str(tmp_path)]) == 1
        assert time.monotonic() - started < 10
    finally:
        over.set()
