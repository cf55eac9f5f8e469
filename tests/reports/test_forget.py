"""`assay forget` by the command: what is ours goes, what is the person's stays and is named, work is not cut off."""

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
from reports.forget import ABANDONED_DAYS
from screens import workspace
from tests.reports import kit
from tests.reports.pki import Pki

MARK = b"a-word-of-one-person-4711"


@pytest.fixture(scope="module")
def audited(pki: Pki, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """rows.csv, case.toml and run/ with a real report."""
    place = Path(tmp_path_factory.mktemp("audited"))
    files = kit.audited(place)
    (place / "run" / "report.pdf").write_bytes(kit.report(files, pki.auditor))
    return place


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def run(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, Any, str]:
    code = main(["forget", *map(str, args), "--json"])
    output = capsys.readouterr()
    return code, json.loads(output.out), output.err


def everything(place: Path) -> set[str]:
    return {str(p.relative_to(place)) for p in place.rglob("*") if p.is_file() or p.is_symlink()}


@pytest.fixture
def case(audited: Path, home: Path) -> workspace.CaseFolder:
    """A case of the app with its data, a made key, an explanation kept for all cases, and a job that is over."""
    folder = workspace.new_case()
    shutil.copytree(audited, folder.place, dirs_exist_ok=True)
    (folder.place / "keys").mkdir()
    (folder.place / "keys" / "k.p12").write_bytes(MARK)
    kept = home / "explanations"
    kept.mkdir()
    (kept / "old.json").write_bytes(MARK)  # as versions before kept them
    job(home, folder, over=True)
    other = workspace.new_case()
    (other.place / "case.toml").write_text("other")
    job(home, other, over=True)
    return folder


def job(home: Path, folder: workspace.CaseFolder, *, over: bool) -> None:
    place = home / "jobs" / os.urandom(16).hex()
    place.mkdir(parents=True)
    pid = os.getpid()
    args = ["audit", str(folder.file), "--out", str(folder.run)]
    record = {"id": place.name, "args": args, "pid": pid, "ticks": waiting.ticks_of(pid), "started": 0.0}
    (place / "job.json").write_text(json.dumps(record))
    (place / "stdout").write_bytes(MARK)
    if over:
        (place / "exit.json").write_text('{"exit_code": 0}')


def test_a_case_of_the_app_goes_with_all_that_was_made_of_it(
    case: workspace.CaseFolder, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outside = tmp_path / "mine.csv"
    outside.write_text("mine")
    (case.place / "link.csv").symlink_to(outside)
    before = everything(home)
    code, would, _ = run(capsys, case.id, "--dry-run")
    assert (code, would["dry_run"]) == (0, True)
    assert everything(home) == before
    code, done, _ = run(capsys, case.id)
    assert code == 0
    assert done["deleted"] == would["deleted"]
    gone = before - everything(home)
    assert {str(Path(p).relative_to(home)) for p in done["deleted"]} == gone
    left = everything(home)
    assert not any(case.id in p for p in left)
    assert any(p.startswith("cases/") for p in left), "the other case stays"
    assert len([p for p in left if p.startswith("jobs/")]) == 3, "and the record of its work"
    assert outside.read_text() == "mine"
    assert run(capsys, case.id)[0] == 2


def test_the_folder_or_the_case_file_in_it_name_the_case_too_and_reports_are_kept_if_asked(
    case: workspace.CaseFolder, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = (case.run / "report.pdf").read_bytes()
    code, done, _ = run(capsys, case.place / "case.toml", "--keep-reports")
    assert code == 0
    (kept,) = done["kept"]
    assert Path(kept["path"]).read_bytes() == report
    assert Path(kept["path"]).parent == home / "reports"
    assert not case.place.exists()


def test_work_that_is_not_finished_is_not_cut_off(
    case: workspace.CaseFolder, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job(home, case, over=False)
    before = everything(home)
    for target in (case.id, case.run):
        code, message, error = run(capsys, target)
        assert code == 2
        assert "not finished" in message["problem"]
        assert "nothing was deleted" in error
    assert everything(home) == before


def test_of_ones_own_case_file_only_what_assay_wrote_goes(
    audited: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "own"
    shutil.copytree(audited, place)
    (place / "run" / "notes.txt").write_text("mine")
    (place / "run" / "paper.pdf").write_bytes(b"%PDF-1.4 mine")
    (place / "run" / "what-comes-next.json").write_text('{"schema": "assay/next/1"}')
    (place / "run" / "theirs.json").write_text('{"schema": "other"}')
    (place / "run" / "holiday").mkdir()
    (place / "run" / "holiday" / "evidence.json").write_text("{}")
    (place / "run" / "cube2.json").symlink_to(place / "rows.csv")
    other = place / "other"
    shutil.copytree(place / "run", other, symlinks=True)
    document = json.loads((other / "evidence.json").read_bytes())
    (other / "evidence.json").write_text(json.dumps(document | {"case": {"name": "Another", "purpose": "x"}}))
    code, done, _ = run(capsys, place / "case.toml")
    assert code == 0
    left = {p for p in everything(place) if not p.startswith("other")}
    mine = {"run/notes.txt", "run/paper.pdf", "run/theirs.json", "run/holiday/evidence.json", "run/cube2.json"}
    assert left == {"rows.csv", "case.toml"} | mine
    why = {Path(k["path"]).name: k["why"] for k in done["kept"]}
    assert "--originals" in why["rows.csv"]
    assert "not known" in why["notes.txt"]
    assert (other / "cube.json").exists()
    # Told so, the person's own files go too; without a run folder left that has to be said.
    code, message, _ = run(capsys, place / "case.toml")
    assert (code, "--originals" in message["todo"]) == (2, True)
    code, done, _ = run(capsys, place / "case.toml", "--originals")
    assert (code, len(done["deleted"])) == (0, 2)
    assert not (place / "rows.csv").exists()


def test_a_run_folder_goes_alone_and_keeps_its_report_if_asked(
    audited: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for keep in (True, False):
        place = tmp_path / f"own-{keep}"
        shutil.copytree(audited, place)
        code, _, _ = run(capsys, place / "run", *(["--keep-reports"] if keep else []))
        assert code == 0
        assert everything(place) == {"rows.csv", "case.toml", *(["run/report.pdf"] if keep else [])}
        assert (place / "run").exists() is keep


@pytest.mark.parametrize("target", ["nowhere.toml", "0" * 32, "", ".", "../.."])
def test_what_is_no_case_is_refused(
    target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "deep" / "down").mkdir(parents=True)
    (tmp_path / "deep" / "mine.txt").write_text("mine")
    monkeypatch.chdir(tmp_path / "deep" / "down")
    assert run(capsys, target)[0] == 2
    assert (tmp_path / "deep" / "mine.txt").exists()


def aged(path: Path, days: float) -> None:
    for p in [path, *path.rglob("*")]:
        os.utime(p, (time.time() - days * 86_400,) * 2)


def test_uploads_that_nobody_came_back_to_go_after_a_week(
    case: workspace.CaseFolder, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, young, busy = (workspace.new_case() for _ in range(3))
    for folder in (old, young, busy):
        workspace.keep_upload(folder, "people.csv", MARK)
    replaced = workspace.keep_upload(case, "rows-before.csv", MARK)
    brought = workspace.keep_upload(case, "ada.p12", MARK)  # as versions before this one kept them
    cut_off = case.place / ".rows.csv.a1b2c3d4"  # the app was killed while it was written
    cut_off.write_bytes(MARK)
    note = case.place / "notes.toml"
    note.write_text("a screen's own")
    for folder in (old, busy, case):
        aged(folder.place, ABANDONED_DAYS + 1)
    aged(young.place, ABANDONED_DAYS - 1)
    job(home, busy, over=False)
    half = home / "cases" / f".{'a' * 32}.going"
    half.mkdir()
    (half / "left.csv").write_bytes(MARK)
    code, would, _ = run(capsys, "--abandoned", "--dry-run")
    assert code == 0
    assert old.place.exists()
    code, done, _ = run(capsys, "--abandoned")
    assert done["deleted"] == would["deleted"]
    assert not old.place.exists()
    assert not half.exists()
    assert not replaced.exists()
    assert not brought.exists()
    assert not cut_off.exists()
    for kept in (young.place, busy.place, note, case.place / "rows.csv", case.run / "evidence.json"):
        assert kept.exists(), kept
    assert run(capsys, "--abandoned")[1]["deleted"] == []
    assert main(["forget"]) == 2
    assert main(["forget", case.id, "--abandoned"]) == 2
