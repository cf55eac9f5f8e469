"""Killed at any moment and started again, a loop writes the trail that it writes undisturbed, times aside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from audit.load import load_case
from debias.loop.run import run_watch
from debias.loop.trail import Trail
from tests.debias.loop.fed import hashes, people, write_case

NURSERY = Path(__file__).with_name("nursery.py")
KILLS = 50
WANTED = 26
"""Days of the feed: enough for an alarm, a challenger in shadow, its promotion and the probation."""


def nursed(case: Path, folder: Path) -> list[tuple[int, int]]:
    """Of each run, how many children were killed, and how the last one ended."""
    env = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(NURSERY), str(case), str(folder), str(KILLS)],
        capture_output=True, text=True, env=env, check=False, timeout=250,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    output = [line.split() for line in done.stdout.splitlines()]
    return [(int(killed), int(code)) for killed, code in output]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A case, and the chain of its loop."""
    folder = tmp_path_factory.mktemp("whole")
    case = write_case(folder, people(WANTED, size=150), delay=1, automatic="true")
    summary = run_watch(case, folder / "whole")
    assert summary["batches"] == WANTED
    assert "Promoted by policy" in " ".join(summary["said"])
    return folder, hashes(folder / "whole")


def test_after_fifty_kills_the_trail_is_that_of_an_undisturbed_run(undisturbed: tuple[Path, list[str]]) -> None:
    folder, chain = undisturbed
    runs = nursed(folder / "case.toml", folder)
    assert sum(killed for killed, _ in runs) == KILLS
    assert {code for _, code in runs} == {0}
    for out in (folder / f"killed-{number}" for number in range(len(runs))):
        assert hashes(out) == chain
        one, other = (json.loads((p / "watch.json").read_bytes()) for p in (out, folder / "whole"))
        for document in (one, other):
            document["trail"].pop("time")
            for part in ("timeline", "events", "promotions", "incidents"):
                document[part] = [{k: v for k, v in e.items() if k != "time"} for e in document[part]]
        assert one == other
        names = {p.name for p in (folder / "whole" / "models").iterdir()}
        assert {p.name for p in (out / "models").iterdir() if not p.name.startswith(".")} == names
        assert (out / "running.json").read_bytes() == (folder / "whole" / "running.json").read_bytes()


def test_a_disk_that_is_full_in_earnest_ends_with_one_message_and_loses_nothing(
    undisturbed: tuple[Path, list[str]],
) -> None:
    """A limit on the size of files stands for the full disk: the database itself cannot grow."""
    folder, chain = undisturbed
    out = folder / "full"
    program = (
        "import resource, sys, pathlib\n"
        "from audit.load import load_case\n"
        "from audit.errors import OutputError\n"
        "from debias.loop.run import run_watch\n"
        "case = load_case(pathlib.Path(sys.argv[1]))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))\n"
        "try:\n    run_watch(case, pathlib.Path(sys.argv[2]))\n"
        "except OutputError as error:\n    print(error.message)\n"
    )
    root = NURSERY.parents[3]
    command = [sys.executable, "-c", program, str(folder / "case.toml"), str(out), "70000"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, check=False, timeout=250)
    assert done.returncode == 0, done.stderr
    assert "goes on where it stopped" in done.stdout
    trail = Trail.open(f"sqlite:///{out / 'watch.db'}", write=False)
    stopped = trail.check()["entries"]
    trail.close()
    assert 0 < stopped < len(chain)
    assert hashes(out) == chain[:stopped]
    run_watch(load_case(folder / "case.toml"), out)
    assert hashes(out) == chain
