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
from audit.errors import InputError
from tests.shared import ROOT, in_order, stages_told

COMMANDS = {
    "audit": [],
    "mitigate": ["--method", "reweighing"],
    "mitigate --search": ["--search", "--trials", "1"],
    "explain": [],
    "precompute": ["--rows", "2"],
}


@pytest.fixture(autouse=True)
def ended() -> Iterator[None]:
    yield
    progress.end()


def wait_for(words: Callable[[], str], sought: str) -> str:
    """What was told once it holds `sought`; a test that waits for ever fails at pytest's own limit."""
    while sought not in (message := words()):
        time.sleep(0.05)
    return message


def test_a_first_stage_that_takes_long_is_told_while_it_runs(capsys: pytest.CaptureFixture[str]) -> None:
    items: list[str] = []

    def words() -> str:
        items.append(capsys.readouterr().err)
        return "".join(items)

    progress.begin("audit")
    progress.stage("Reading the data")
    assert words() == ""
    wait_for(words, "Reading the data (1 of 6) ...\n")


def test_before_the_first_stage_a_person_is_told_that_it_works(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "SILENT_SECONDS", 0.1)
    progress.begin("letter")
    wait_for(lambda: capsys.readouterr().err, "Working ...\n")


@pytest.mark.parametrize("command", ["audit", "convert", "demo", "watch", "verify", "precompute", "report", "whatif"])
def test_a_word_comes_before_the_command_has_loaded_anything(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is imported for a command counts: its own module, and all that its function imports."""
    import cli

    if command != "audit":
        monkeypatch.setattr(progress, "SILENT_SECONDS", 0.05)  # one waits for the second that is promised

    def slow(words: list[str]) -> None:
        assert words[0] == command
        errors = wait_for(lambda: capsys.readouterr().err, "Working ...\n")
        raise InputError(f"enough: {errors}")

    monkeypatch.setattr(cli, "parsed", slow)
    assert cli.main([command, "anything"]) == 2


def test_what_was_done_by_an_earlier_run_does_not_count_as_this_ones_speed() -> None:
    report = progress.Progress()
    report.stage("Searching", 40)
    report.step(40, 50)
    assert report.left() == (0, 0, None)
    report._since, report._last = report._since - 10, 0.0  # so long it has gone on
    report.step(45, 50)
    assert report.left()[2] == 10


def test_batches_are_counted_and_what_comes_between_does_not_stop_the_count() -> None:
    report = progress.Progress()
    seen = []
    for name, done in (("Batches", 3), ("Batches", 4), ("Building a challenger", 0), ("Batches", 5), ("Batches", 6)):
        report.part(name, done, 9) if name == "Batches" else report.stage(name)
        time.sleep(0.11)
        seen.append((report._stage, report._done, report._before))
    assert seen == [
        ("Batches", 3, 3), ("Batches", 4, 3), ("Building a challenger", 0, 0), ("Batches", 5, 5), ("Batches", 6, 5)
    ]  # fmt: skip


def test_what_goes_on_for_long_says_what_is_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "AGAIN_SECONDS", 0.3)
    progress.begin("audit")
    progress.stage("Examining the data")
    progress.step(1, 400)
    items: list[str] = []

    def words() -> str:
        items.append(capsys.readouterr().err)
        return "".join(items)

    message = wait_for(words, " s left ...\n")
    assert re.search(r"^Examining the data \(5 of 6\), 1 of 400, about [\d,]+ s left \.\.\.$", message, re.MULTILINE)


def test_work_that_is_over_says_nothing_more(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "SILENT_SECONDS", 0.2)
    progress.begin("audit")
    progress.stage("Reading the data")
    progress.end()
    time.sleep(0.6)
    assert capsys.readouterr().err == ""


def test_a_stage_that_comes_again_has_no_number() -> None:
    report = progress.Progress(("Reading the data", "Measuring", "Explaining"))
    places = []
    for name in ("Reading the data", "Measuring", "Reading the data", "Explaining: again", "Batch 7"):
        report.stage(name)
        places.append(report.left()[:2])
    assert places == [(1, 3), (2, 3), (0, 0), (3, 3), (0, 0)]


@pytest.mark.parametrize("command", list(COMMANDS))
def test_each_stage_of_a_command_has_its_place_in_the_plan(
    command: str, sample_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import cli

    seen = stages_told(monkeypatch)
    case = sample_data / "german_credit.toml"
    assert cli.main([command.split()[0], str(case), "--out", str(tmp_path), *COMMANDS[command]]) == 0
    capsys.readouterr()
    in_order(seen)
    assert len({place for _, place in seen}) >= len(progress.PLANS[command]) - 1, seen


def test_every_stage_of_a_plan_is_one_that_is_told() -> None:
    """A stage that was renamed in the code would go on being planned, and told without a number."""
    texts = set()
    for folder in ("assay", "audit", "debias", "reports"):
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
    document = json.loads(file.read_text())
    assert re.fullmatch(r"stage 3 of 6; 50,000 of 1,000,000; about [\d,]+ s left", progress.in_words(document))
