"""Kinds of findings are one table: a row that is added is said by an audit, drawn in the chapters, said again when a
report is published and verified, and stands in docs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import cli
from audit.found import KINDS, Kind
from audit.publish import publish_files
from reports.verify import verify
from scripts import tables
from tests.reports import kit
from tests.reports.pki import Pki

SENTENCE = "Of everyone 38 people are told of here."
ROW = Kind("everyone", "somebody was measured", lambda known: (SENTENCE,) if known.measures.counts else ())


def page(evidence: dict) -> None:  # type: ignore[type-arg]
    from audit.documents import record_in
    from audit.documents.evidence import Evidence
    from screens import model

    model.overview(record_in(Evidence, evidence, "evidence.json"))


def test_a_kind_of_findings_added_is_said_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pki = Pki()
    monkeypatch.setitem(KINDS, ROW.name, ROW)
    monkeypatch.setattr(kit, "ROWS", [*kit.ROWS, ("x", 1, 1), ("x", 1, 0)])  # so that publishing says them again
    files = kit.audited(tmp_path)
    assert cli.main(["audit", str(tmp_path / "case.toml"), "--out", str(tmp_path / "again")]) == 0
    assert SENTENCE in capsys.readouterr().out
    evidence = json.loads(files["evidence.json"])
    app = AppTest.from_function(page, kwargs={"evidence": evidence}, default_timeout=60).run()
    assert not app.exception
    assert SENTENCE.rstrip(".") in " ".join(m.value for m in app.markdown)
    out = publish_files(files)
    assert out["evidence.json"] != files["evidence.json"]
    assert json.loads(out["evidence.json"])["findings"][-1] == SENTENCE
    assert verify(kit.report(out, pki.auditor), printer=kit.page).failed is None
    text = (tables.DOCS / "metrics.md").read_text(encoding="utf-8")
    assert "| everyone | somebody was measured |" in tables.written(text, "findings")
    monkeypatch.delitem(KINDS, ROW.name)
    refused = verify(kit.report(out, pki.auditor), printer=kit.page).failed
    assert refused is not None
    assert "does not follow from the cube" in refused.detail
