"""`assay purge`: what goes by which rule, what stays, and the entry in the log that tells of it."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from cli import main
from debias import waiting
from reports.log import Log
from screens import workspace
from tests.shared import forty_rows

DAY = 86_400


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def case(home: Path, tmp_path_factory: pytest.TempPathFactory) -> workspace.CaseFolder:
    """Data, explanations, answers and a report, nothing of it touched for 40 days; an ended job; both logs."""
    folder = workspace.new_case()
    shutil.copytree(forty_rows(tmp_path_factory), folder.place, dirs_exist_ok=True)
    (folder.run / "explain.json").write_text('{"schema": "assay/explain/1"}')
    (folder.run / "answers.jsonl").write_text("{}")
    (folder.run / ".explain.json.a1b2c3d4").write_text('{"schema": "assay/explain/1"}')  # its writer was killed
    (folder.run / "report.pdf").write_bytes(b"%PDF signed")
    for name in ("log", "acts"):
        Log(home / name).append(lambda _: [{"type": "other", "logged": "2026-01-01"}])
    job(home, folder, over=True)
    age(home, 40)
    return folder


def job(home: Path, folder: workspace.CaseFolder, *, over: bool) -> None:
    place = home / "jobs" / os.urandom(16).hex()
    place.mkdir(parents=True)
    args = ["audit", str(folder.file), "--out", str(folder.run)]
    record = {
        "id": place.name,
        "args": args,
        "pid": os.getpid(),
        "ticks": waiting.ticks_of(os.getpid()),
        "started": 0.0,
    }
    (place / "job.json").write_text(json.dumps(record))
    (place / "stdout").write_text("a person's row")
    if over:
        (place / "exit.json").write_text('{"exit_code": 0}')


def age(place: Path, days: float) -> None:
    then = time.time() - days * DAY
    for path in [*place.rglob("*"), place]:
        os.utime(path, (then, then))


def run(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, Any, str]:
    capsys.readouterr()
    code = main(["purge", *map(str, args), "--json"])
    output = capsys.readouterr()
    return code, json.loads(output.out), output.err


def everything(home: Path) -> dict[str, bytes]:
    return {str(p.relative_to(home)): p.read_bytes() for p in home.rglob("*") if p.is_file()}


def test_each_rule_takes_its_own_and_the_log_tells_of_it(
    case: workspace.CaseFolder, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "retention.toml").write_text("data_days = 90\nexplanations_days = 30\nanswers_days = 30\njobs_days = 30\n")
    before = everything(home)
    code, dry, _ = run(capsys, "--dry-run")
    assert code == 0
    assert everything(home) == before
    code, done, _ = run(capsys)
    assert code == 0
    assert [e["rule"] for e in done["entries"]] == [e["rule"] for e in dry["entries"]]
    gone = before.keys() - everything(home).keys()
    inside = f"cases/{case.id}/run"
    assert {g for g in gone if not g.startswith("jobs/")} == {
        f"{inside}/{name}" for name in ("explain.json", "answers.jsonl", ".explain.json.a1b2c3d4")
    }
    assert not list((home / "jobs").iterdir())
    # Younger than its rule, the data is still there; by the option it goes, the figures and the report stay.
    code, done, _ = run(capsys, "--data", "41", "--jobs", "9")
    assert [e["rule"] for e in done["entries"]] == []
    (case.place / "model.json").write_text('{"learner": {}}')  # a model of XGBoost, which ends as notes do
    (case.place / "owner.json").write_text('{"by": "Ada"}')
    (case.place / ".rows.csv.a1b2c3d4").write_text("a person's row")  # of an upload that was cut off
    (case.run / "models").mkdir()
    for name in ("mitigated.skops", "mitigated.json", "models/0.skops"):
        (case.run / name).write_text('{"learner": {}}')
    (case.run / "mitigation.json").write_text('{"schema": "assay/mitigation/1"}')
    age(case.place, 95)
    code, done, _ = run(capsys)
    assert [e["rule"] for e in done["entries"]] == ["data_days = 90"]
    left = {p.name for p in case.place.rglob("*")}
    assert not {"rows.csv", "model.json", ".rows.csv.a1b2c3d4", "mitigated.skops", "mitigated.json", "0.skops"} & left
    assert "owner.json" in left
    assert {"case.toml", "evidence.json", "cube.json", "report.pdf", "purged.json", "mitigation.json"} <= left
    # Who, when, which case, by which rule, how much: in the log, whose chain holds; no name of a file.
    entries = [e for e in Log(home / "acts").read().entries if e["type"] == "purge"]
    assert {(e["case"], e["rule"]) for e in entries} >= {(case.id, "data_days = 90"), ("", "jobs_days = 30")}
    assert all(e["name"] and e["logged"] and e["files"] > 0 and e["bytes"] > 0 for e in entries)
    assert b"rows.csv" not in (home / "acts" / "entries.jsonl").read_bytes()
    # Who asks for the data is told when it went, by whom and why.
    assert main(["audit", str(case.file), "--out", str(case.run)]) == 2
    errors = capsys.readouterr().err
    assert "was deleted, as it had been kept long enough" in errors
    assert f"by {entries[0]['name']} (data_days = 90)" in errors


def test_logs_and_reports_outlive_every_rule(
    case: workspace.CaseFolder, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = {k: v for k, v in everything(home).items() if k.startswith("log/")}
    rules = ("--uploads", "--jobs", "--answers", "--explanations", "--data", "--cases")
    code, _, _ = run(capsys, *(word for rule in rules for word in (rule, 0)))
    assert code == 0
    assert not case.place.exists()
    assert [p.read_bytes() for p in (home / "reports").iterdir()] == [b"%PDF signed"]
    now = everything(home)
    assert {k: now[k] for k in kept} == kept
    assert Log(home / "log").read().checkpoint.size == 1
    entries = Log(home / "acts").read().entries
    assert [e["rule"] for e in entries if e["type"] == "purge"] == ["cases_days = 0"]
    assert entries[0]["type"] == "other"


def test_a_hold_and_work_that_runs_stop_it(
    case: workspace.CaseFolder, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, "--hold", case.id)[0] == 2
    assert run(capsys, "--hold", "../../elsewhere", "--reason", "x")[0] == 2
    assert run(capsys, "--hold", case.id, "--reason", "a complaint is open")[0] == 0
    before = everything(home)
    _, done, _ = run(capsys, "--cases", 0, "--data", 0)
    assert everything(home) == before
    assert "a complaint is open" in done["kept"][0]["why"]
    assert main(["forget", case.id]) == 2
    assert "on hold" in capsys.readouterr().err
    assert run(capsys, "--release", case.id)[0] == 0
    job(home, case, over=False)
    _, done, _ = run(capsys, "--cases", 0)
    assert done["kept"][0]["why"] == "work on it is not finished"
    assert case.place.is_dir()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no rule for how long"),
        ("data_day = 3", "did you mean 'data_days'"),
        ("data_days = -1", "whole days"),
        ("data_days = true", "whole days"),
        ("data_days = ", "cannot be read"),
    ],
)
def test_rules_that_cannot_be_used_delete_nothing(
    text: str, said: str, case: workspace.CaseFolder, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "retention.toml").write_text(text)
    before = everything(home)
    code, _, err = run(capsys)
    assert code == 2
    assert said in err
    assert everything(home) == before


def test_what_cannot_be_entered_is_not_deleted(
    case: workspace.CaseFolder, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = home / "acts" / "entries.jsonl"
    lines.write_bytes(lines.read_bytes().replace(b"2026", b"2025"))
    before = everything(home)
    assert run(capsys, "--data", 0)[0] != 0
    assert {k: v for k, v in everything(home).items() if "lock" not in k} == {
        k: v for k, v in before.items() if "lock" not in k
    }
