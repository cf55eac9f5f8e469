"""How a verification ends: failed outranks in part, in part outranks the rest; through the command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import cli
from reports.verify import printed
from reports.verify.result import Broken, InPart
from tests.reports import kit
from tests.reports.conftest import Reports


@pytest.fixture
def report(small: Reports, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    kit.judge_here(monkeypatch, kit.page)
    path = tmp_path / "report.pdf"
    path.write_bytes(small.certified)
    return path


def in_part(*_: object, **__: object) -> str:
    raise InPart(
        "the pages look the same, made with other versions", got="Pango 1", expected="Pango 2", todo="see docs"
    )


def broken(*_: object, **__: object) -> str:
    raise Broken("page 1 does not say what the evidence says")


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = cli.main([str(w) for w in words])
    output = capsys.readouterr()
    return code, output.out, output.err


def test_what_could_not_be_settled_is_exit_5_and_named(
    report: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(printed, "check_printed", in_part)
    code, out, err = run(capsys, "verify", report)
    assert code == 5
    assert "verified in part: printed pages: the pages look the same, made with other versions" in err
    assert out.splitlines()[-1] == "in part: who signed is not established; not settled here: printed pages"
    code, out, _ = run(capsys, "verify", report, "--json")
    document = json.loads(out)
    assert (code, document["ok"], document["failed"], document["partial"]) == (5, False, None, ["printed pages"])
    line = next(c for c in document["checks"] if c["check"] == "printed pages")
    assert (line["status"], line["got"], line["todo"]) == ("in part", "Pango 1", "see docs")


def test_a_failure_outranks_what_could_not_be_settled(
    report: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(printed, "check_printed", in_part)
    monkeypatch.setattr("reports.verify.figures.check_figures", broken)
    code, out, _ = run(capsys, "verify", report)
    assert code == 4
    assert out.splitlines()[-1].startswith("FAILED: figures")


def test_a_fresh_printing_is_written_where_nothing_failed(
    report: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(printed, "check_printed", in_part)
    again = tmp_path / "again.pdf"
    assert run(capsys, "verify", report, "--print-again", again)[0] == 5
    assert again.read_bytes().startswith(b"%PDF-")
    again.unlink()
    monkeypatch.setattr(printed, "check_printed", broken)
    assert run(capsys, "verify", report, "--print-again", again)[0] == 4
    assert not again.exists()
