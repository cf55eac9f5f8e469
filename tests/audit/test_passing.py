"""A killed process's temporary folder goes when the next one makes its own; that of a living one stays."""

from __future__ import annotations

import ast
import fcntl
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from audit import passing
from tests.shared import ROOT

AUDIT = """
import sys, time
import pandas as pd
import assay

rows = pd.DataFrame({"sex": ["f", "m"] * 20, "paid": [0, 1, 1, 0] * 10, "decided": [1, 0] * 20})
result = assay.audit(rows, decision="decided", label="paid", sensitive=["sex"], favourable=1)
print(result.folder, flush=True)
if "wait" in sys.argv:
    time.sleep(60)
"""


def test_rows_that_a_killed_notebook_left_go_with_the_next_audit(tmp_path: Path) -> None:
    env = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    start = [sys.executable, "-c", AUDIT]
    waiting = [
        subprocess.Popen([*start, "wait"], env=env, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    try:
        killed, lives = (Path(str(w.stdout and w.stdout.readline()).strip()) for w in waiting)
        waiting[0].send_signal(signal.SIGKILL)
        waiting[0].wait()
        assert (killed / "data.parquet").exists(), "nobody could take it along"
        done = subprocess.run(start, env=env, cwd=ROOT, capture_output=True, text=True, check=True)
        assert not killed.exists()
        assert (lives / "data.parquet").exists()
        assert not Path(done.stdout.strip()).exists(), "its own went with its result"
    finally:
        for process in waiting:
            process.kill()
            process.communicate()
    assert [p.name for p in tmp_path.iterdir()] == [lives.name]


@pytest.mark.parametrize("room", ["audit", "debias", "reports", "assay"])
def test_nothing_else_makes_a_temporary_folder(room: str) -> None:
    """But the checker that stands alone."""
    known = {"audit/passing.py", "reports/check_offline/check.py"}
    for file in (ROOT / room).rglob("*.py"):
        names = {n.attr for n in ast.walk(ast.parse(file.read_text())) if isinstance(n, ast.Attribute)}
        if names & {"mkdtemp", "TemporaryDirectory"}:
            assert str(file.relative_to(ROOT)) in known


def test_the_end_of_a_copy_takes_no_folder_of_its_maker(tmp_path: Path) -> None:
    code = (
        "import multiprocessing; from audit.passing import make\n"
        "mine = make()\n"
        "def work(): print(make().is_dir(), flush=True); raise SystemExit\n"
        "copy = multiprocessing.get_context('fork').Process(target=work); copy.start(); copy.join()\n"
        "print(mine.is_dir())\n"
    )
    env = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"]
    assert len(list(tmp_path.iterdir())) == 1, "the copy ended without an end of its own; the next one sweeps"


@pytest.mark.parametrize("moment", ["before it is opened", "before it is locked"])
def test_a_folder_that_another_process_sweeps_before_it_is_held_is_made_anew(
    moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten jobs that start at once each look for what nobody holds."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    made: list[Path] = []
    mkdtemp, lock = tempfile.mkdtemp, fcntl.flock

    def swept(handle: int, how: int) -> None:
        if moment == "before it is locked" and len(made) == 1:
            made[0].rmdir()
        lock(handle, how)

    def making(prefix: str) -> str:
        made.append(Path(mkdtemp(prefix=prefix)))
        if moment == "before it is opened" and len(made) == 1:
            made[0].rmdir()
        return str(made[-1])

    monkeypatch.setattr(tempfile, "mkdtemp", making)
    monkeypatch.setattr(fcntl, "flock", swept)
    with passing.passing() as folder:
        assert folder.is_dir()
        assert folder == made[1]
    assert not folder.exists()
