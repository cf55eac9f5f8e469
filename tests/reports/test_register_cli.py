"""`report`, `approve`, `verify` and `register` with a log, by command, on a whole report."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from audit.numbers import many
from cli import main
from reports.attest import MODEL_CARD, STATEMENTS
from reports.blocks import Table
from reports.keys import new_key
from reports.log import record as rec
from tests.reports import kit
from tests.shared import forty_rows

PASSWORD = "a long password"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("logged") / "case"
    shutil.copytree(forty_rows(tmp_path_factory), place)
    for name, file in (("Ada Auditor", "ada"), ("Bo Board", "bo")):
        new_key(name, place / f"{file}.p12", PASSWORD.encode())
    (place / "protocol.md").write_text("Fixed before the results.")
    return place


def run(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, Any]:
    code = main([str(a) for a in args] + ["--json"])
    out = capsys.readouterr().out
    return code, json.loads(out) if out.strip() else None


def test_the_whole_way(place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_KEY_PASSWORD", PASSWORD)
    kit.judge_here(monkeypatch)
    log, pdf = place / "log", place / "report.pdf"
    code, document = run(capsys, "register", log)
    assert code == 2
    assert not log.exists(), "reading the register makes no log"
    code, document = run(capsys, "register", log, "--protocol", place / "protocol.md")
    assert (code, document["added"]) == (0, 1)
    report = ["report", place / "run", "--key", place / "ada.p12", "--out", pdf, "--member", "Bo Board", "--log", log]
    report += ["--protocol", place / "protocol.md", "--deviation", "Two months were left out.", "--annex", "none"]
    code, document = run(capsys, *report)
    assert code == 0
    issued = pdf.read_bytes()
    manifest, _, files = rec.read_report(issued)
    assert {STATEMENTS, MODEL_CARD} < set(files)
    assert manifest.extra["protocol"]["logged"]
    code, document = run(capsys, "verify", pdf, "--log", log)
    assert code == 0
    mapping = {c["check"]: c["status"] for c in document["checks"]}
    for name in ("log", "log history", "log inclusion", "log decisions", "statements", "model card", "printed pages"):
        assert mapping[name] == "ok"
    decide = ["approve", pdf, "--key", place / "bo.p12", "--decision", "approve", "--reason", "=Inside.", "--log", log]
    code, document = run(capsys, *decide, "--until", "31.12.2097")
    assert code == 2
    assert pdf.read_bytes() == issued
    code, document = run(capsys, *decide, "--until", "2097-12-31", "--conditions", "Watch it.")
    assert code == 0
    code, document = run(capsys, "register", log, "--csv", place / "register.csv")
    assert document["reports"][0]["standing"] == "approved"
    assert document["lines"][1]["until"] == "2097-12-31"
    assert "key" in document["log"]
    rows = list(csv.reader(io.StringIO((place / "register.csv").read_bytes().decode(), newline="")))
    assert rows[2][6] == "'=Inside."
    assert run(capsys, "register", log, "--proof", pdf)[0] == 2
    assert run(capsys, "register", log, "--proof", pdf, "--out", place / "report.tlog-proof")[0] == 0
    code, document = run(capsys, "verify", pdf, "--log", place / "report.tlog-proof")
    assert (code, next(c["status"] for c in document["checks"] if c["check"] == "log inclusion")) == (0, "ok")
    # The copy from before the approval still verifies alone, and no longer with the log.
    pdf.write_bytes(issued)
    assert run(capsys, "verify", pdf)[0] == 0
    code, document = run(capsys, "verify", pdf, "--log", log)
    assert (code, document["failed"]) == (4, "log decisions")


def test_the_pages_say_it(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Cover: the log before the report. Protocol: the file, since when, the deviation. The board's page of the next
    report: what was decided on this one."""
    from reports.document import build_document
    from reports.issue import said_of
    from reports.log import Log

    log = Log(place / "log")
    files = {n: (place / "run" / n).read_bytes() for n in ("cube.json", "evidence.json")}
    extra = said_of(place / "run", "Loans & <b>cards</b>", log.view(), place / "protocol.md", ["Two months left out."])
    assert "monitoring" not in extra
    from tests.reports.pki import Pki

    document = build_document(files, manifest=kit.manifest_of(files, Pki().auditor, extra=extra))
    identity = next(b for s in document.sections if s.id == "identity" for b in s.blocks if isinstance(b, Table))
    cover = dict(row[:2] for row in identity.rows)
    assert cover["Log before this report"].startswith(f"{many(log.view().checkpoint.size, 'entry')}, root ")
    assert cover["Key of the log"] == log.view().verifier.text
    text = repr([s.blocks for s in document.sections])
    assert "Before, on this case: 1 approval, 0 rejections, the last on " in text
    tables = [b for s in document.sections for b in s.blocks if isinstance(b, Table)]
    (row,) = next(t for t in tables if t.caption == "Earlier decisions on this case").rows
    assert row[1:3] == ("Bo Board", "approved")
    assert row[4:] == ("Watch it.", "2097-12-31")
    assert "Two months left out." in text
    assert "has known it since" in text
    table = next(t for t in tables if t.caption == "The completeness check")
    here = {row[0] for row in table.rows if row[1] == "here"}
    assert {"A protocol fixed before the results", "Deviations from the protocol stated"} <= here
    assert "An entry in a log of reports" in here
    assert "The record of continued monitoring" not in here
