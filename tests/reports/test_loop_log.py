"""The end of a loop's trail in the signed log and in a report: a trail written anew, or put back, is told."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import cli
from debias.loop import anchor
from reports.log.store import Log
from reports.loop_log import LoopLog
from tests.debias.loop.fed import bodies, hashes, people, write_case
from tests.reports.test_loop_decision import rewritten


def watch(folder: Path, *more: str) -> int:
    return cli.main(["watch", str(folder / "case.toml"), "--out", str(folder / "out"), *more])


@pytest.fixture
def loop(tmp_path: Path) -> Path:
    """Three of six batches taken, with the log beside."""
    folder = tmp_path / "loop"
    write_case(folder, people(6))
    assert watch(folder, "--batches", "3", "--log", str(tmp_path / "log")) == 0
    return folder


def logged(folder: Path) -> list[dict[str, object]]:
    return [dict(e) for e in Log(folder.parent / "log").read().entries]


def test_the_end_of_each_run_is_signed_for(loop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = ["--log", str(loop.parent / "log")]
    assert watch(loop, *log) == 0
    first, last = logged(loop)
    assert first["type"] == "loop"
    assert last["hash"] == hashes(loop / "out")[-1]
    assert (first["loop"], last["loop"]) == (hashes(loop / "out")[0],) * 2
    assert watch(loop, *log) == 0
    assert len(logged(loop)) == 2, "nothing has happened since"
    assert watch(loop, "--check", *log) == 0
    capsys.readouterr()
    assert cli.main(["register", str(loop.parent / "log")]) == 0, "the register of reports passes over it"


def test_a_trail_that_was_written_anew_does_not_fit_the_log(loop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rewritten(loop, lambda body: body.replace("The loop begins", "A loop begins"))
    assert watch(loop, "--check") == 0, "by itself it fits"
    shutil.copytree(loop.parent / "log", loop.parent / "kept")
    capsys.readouterr()
    # A loop is named by its first entry: one that was written anew is another loop, and the log knows none like it.
    assert watch(loop, "--check", "--log", str(loop.parent / "kept")) == 4
    assert "the log knows no such loop" in capsys.readouterr().err


def test_a_later_entry_that_was_written_anew_is_named(loop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rewritten(loop, lambda body: body.replace('"rows":150', '"rows":151'))
    assert watch(loop, "--check") == 0
    capsys.readouterr()
    assert watch(loop, "--check", "--log", str(loop.parent / "log")) == 4
    assert "it is not the entry that an alert or a report noted" in capsys.readouterr().err


def test_a_database_and_its_note_put_back_together_are_told_by_the_log(loop: Path) -> None:
    log = ["--log", str(loop.parent / "log")]
    copy = shutil.copytree(loop, loop.parent / "copy")
    assert watch(loop, "--batches", "2", *log) == 0
    shutil.rmtree(loop / "out")
    shutil.copytree(copy / "out", loop / "out")
    assert watch(loop, *log) == 0
    kinds = [b["kind"] for b in bodies(loop / "out")]
    assert kinds.count("went_back") == 1
    assert watch(loop, *log) == 0
    assert [b["kind"] for b in bodies(loop / "out")].count("went_back") == 1, "once"
    assert watch(loop, "--check", *log) == 0


def test_at_most_once_an_hour_while_it_runs(tmp_path: Path) -> None:
    now = [0.0]
    elsewhere = LoopLog(Log(tmp_path / "log"), "Loans", clock=lambda: now[0])
    for k in range(1, 121):
        now[0] += 60.0
        elsewhere.note("f" * 64, {"seq": k, "hash": f"{k:064x}", "seal": "0" * 64}, "2026-11-28T00:00:00+00:00")
    assert [e["seq"] for e in Log(tmp_path / "log").read().entries] == [60, 120]


def test_a_log_that_cannot_be_written_stops_nothing_and_is_told(loop: Path) -> None:
    (loop.parent / "log" / "log.key").write_text("no key")
    assert watch(loop, "--log", str(loop.parent / "log")) == 0
    content = [n["words"] for n in json.loads((loop / "out" / "watch.json").read_bytes())["notices"]]
    assert any("could not be noted elsewhere" in s for s in content)
    assert (loop / "out" / anchor.FILE).exists()


def test_the_trail_is_held_against_a_report(loop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from reports.keys import new_key

    new_key("Ada Auditor", loop / "ada.p12", b"a long password")
    (loop / "word").write_bytes(b"a long password")
    assert cli.main(["audit", str(loop / "case.toml"), "--out", str(loop / "out"), "--draws", "200"]) == 0
    report = loop / "report.pdf"
    items = ["--key", str(loop / "ada.p12"), "--password-file", str(loop / "word"), "--out", str(report)]
    assert cli.main(["report", str(loop / "out"), *items, "--annex", "none"]) == 0
    assert watch(loop) == 0
    assert watch(loop, "--check", "--head", str(report)) == 0
    rewritten(loop, lambda body: body.replace('"rows":150', '"rows":151'))
    capsys.readouterr()
    assert watch(loop, "--check", "--head", str(report)) == 4
    assert "noted as" in capsys.readouterr().err
    assert watch(loop, "--check", "--head", str(loop / "word")) == 2
