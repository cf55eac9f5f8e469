"""What a person sees of long work: a word within a second, and what is left; on the command line and in the app."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from audit import progress
from debias import jobs
from tests.shared import ROOT

COMMANDS = {"audit": [], "mitigate": ["--method", "reweighing"], "explain": []}


@pytest.fixture(autouse=True)
def ended() -> Iterator[None]:
    yield
    progress.end()


def wait_for(words: Callable[[], str], sought: str) -> str:
    """What was told once it holds `sought`; a test that waits for ever fails at pytest's own limit."""
    while sought not in (said := words()):
        time.sleep(0.05)
    return said


def test_a_first_stage_that_takes_long_is_told_while_it_runs(capsys: pytest.CaptureFixture[str]) -> None:
    told: list[str] = []

    def words() -> str:
        told.append(capsys.readouterr().err)
        return "".join(told)

    progress.begin("audit")
    progress.stage("Reading the data")
    assert words() == ""
    wait_for(words, "Reading the data (1 of 6) ...\n")


def test_before_the_first_stage_a_person_is_told_that_it_works(capsys: pytest.CaptureFixture[str]) -> None:
    progress.begin("letter")
    wait_for(lambda: capsys.readouterr().err, "Working ...\n")


def test_what_goes_on_for_long_says_what_is_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "AGAIN_SECONDS", 1.0)
    progress.begin("audit")
    progress.stage("Examining the data")
    progress.step(1, 400)
    told: list[str] = []

    def words() -> str:
        told.append(capsys.readouterr().err)
        return "".join(told)

    said = wait_for(words, " s left ...\n")
    assert re.search(r"^Examining the data \(5 of 6\), 1 of 400, about [\d,]+ s left \.\.\.$", said, re.MULTILINE)


def test_work_that_is_over_says_nothing_more(capsys: pytest.CaptureFixture[str]) -> None:
    progress.begin("audit")
    progress.stage("Reading the data")
    progress.end()
    time.sleep(progress.SILENT_SECONDS + 0.4)
    assert capsys.readouterr().err == ""


def test_a_stage_that_comes_again_has_no_number() -> None:
    told = progress.Progress(("Reading the data", "Measuring", "Explaining"))
    places = []
    for name in ("Reading the data", "Measuring", "Reading the data", "Explaining: again", "Batch 7"):
        told.stage(name)
        places.append(told.left()[:2])
    assert places == [(1, 3), (2, 3), (0, 0), (3, 3), (0, 0)]


@pytest.mark.parametrize("command", list(COMMANDS))
def test_each_stage_of_a_command_has_its_place_in_the_plan(
    command: str, sample_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import cli

    seen: list[tuple[str, int]] = []
    begin = progress.Progress.stage

    def told(self: progress.Progress, name: str) -> None:
        begin(self, name)
        seen.append((name, self.left()[0]))

    monkeypatch.setattr(progress.Progress, "stage", told)
    case = sample_data / "german_credit.toml"
    assert cli.main([command, str(case), "--out", str(tmp_path), *COMMANDS[command]]) == 0
    capsys.readouterr()
    places = [place for _, place in seen]
    assert 0 not in places, seen
    assert places == sorted(places)


def test_every_stage_of_a_plan_is_one_that_is_told() -> None:
    """A stage that was renamed in the code would go on being planned, and told without a number."""
    texts = set()
    for folder in ("audit", "debias", "reports"):
        for file in (ROOT / folder).rglob("*.py"):
            if file.name != "progress.py":
                texts |= {n.value for n in ast.walk(ast.parse(file.read_text())) if isinstance(n, ast.Constant)}
    lost = {s for plan in progress.PLANS.values() for s in plan} - texts - {"Fitting"}
    assert not lost
    assert any(isinstance(t, str) and t.startswith("Fitting: ") for t in texts)


def test_a_job_of_the_app_says_which_stage_and_what_is_left(tmp_path: Path) -> None:
    """By the file that the app reads each second, written by a process as a job is."""
    code = (
        "import time\nfrom audit import progress\nprogress.begin('audit')\nprogress.stage('Asking the model')\n"
        "time.sleep(.2)\nprogress.step(50_000, 1_000_000)\nprogress.end()"
    )
    file = tmp_path / "progress.json"
    subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=os.environ | {"ASSAY_PROGRESS": str(file)}, check=True, timeout=60
    )
    told = json.loads(file.read_text())
    assert re.fullmatch(r"stage 3 of 6; 50,000 of 1,000,000; about [\d,]+ s left", jobs._left(told))
