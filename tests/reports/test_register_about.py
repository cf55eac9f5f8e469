"""Earlier decisions are told by what they were about, not by the case's name alone."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from audit.documents.evidence import Evidence
from audit.documents.read import record_in
from audit.files import canonical
from reports.about import SAME, UNKNOWN, about_of, compared
from reports.approve import approve
from reports.blocks import Notice, Table
from reports.document import build_document
from reports.issue import said_of
from reports.log import Log
from reports.log import record as rec
from reports.register import earlier
from reports.verify import verify
from tests.reports import kit
from tests.reports.conftest import Reports
from tests.reports.pki import Pki

CASE = "Loans & <b>cards</b>"
MINE = {"model": "m", "data": "d"}


def entries(case: str, about: dict[str, str] | None) -> list[dict[str, Any]]:
    report = {"type": "report", "report": "r", "number": "1", "case": case, "auditor": "A", "issued": "x",
              "members": ["B"], "quorum": 1, "logged": "x"}  # fmt: skip
    decided = {"type": "decision", "report": "r", "member": "B", "decision": "approve", "reason": "y",
               "conditions": "", "until": None, "time": "2026-01-01", "time_from": "t", "logged": "x"}  # fmt: skip
    return [report | ({"about": about} if about else {}), decided]


@pytest.mark.parametrize(
    ("case", "about", "on"),
    [
        ("c", MINE, SAME),
        ("c", {"model": "n", "data": "d"}, "another model"),
        ("c", {"model": "m", "data": "e"}, "other data"),
        ("c", {"model": "n", "data": "e"}, "another model and other data"),
        ("c", None, UNKNOWN),
        ("renamed", MINE, SAME),
        ("renamed", {"model": "m", "data": "e"}, None),
        ("renamed", None, None),
    ],
)
def test_a_decision_is_matched_by_name_and_by_content(case: str, about: Any, on: str | None) -> None:
    result = earlier(entries(case, about), "c", MINE)
    assert [(f["on"], f["case"]) for f in result] == ([] if on is None else [(on, case)])


def test_a_column_of_decisions_is_a_model_by_its_name() -> None:
    evidence: Any = SimpleNamespace(
        model=SimpleNamespace(sha256=None, column="decided"), data=SimpleNamespace(sha256="d")
    )
    assert about_of(evidence) == {"model": "column decided", "data": "d"}
    assert compared(None, MINE) == UNKNOWN


def test_a_report_on_other_data_says_so_and_one_that_hides_it_is_refused(
    small: Reports, pki: Pki, tmp_path: Any
) -> None:
    log, path = Log(tmp_path / "log"), tmp_path / "r.pdf"

    def issue(files: dict[str, bytes], about: dict[str, str]) -> bytes:
        message = said_of(tmp_path, CASE, log.view(), None, (), about)
        return kit.report(files, pki.auditor, extra={"people": False, "timestamp": False, **message})

    evidence = json.loads(small.files["evidence.json"])
    mine = about_of(record_in(Evidence, evidence, "evidence.json"))
    rec.publish(path, issue(small.files, mine), log)
    content = approve(path.read_bytes(), pki.bo, decision="approve", reason="Inside.", printer=kit.page).pdf
    rec.publish(path, content, log)

    evidence["data"]["sha256"] = "0" * 64
    files = small.files | {"evidence.json": canonical(evidence)}
    honest = issue(files, about_of(record_in(Evidence, evidence, "evidence.json")))
    manifest, _, _ = rec.read_report(honest)
    assert [line["on"] for line in manifest.extra["register"]] == ["other data"]
    chapters = build_document(files, manifest=manifest).sections
    blocks = [b for s in chapters for b in s.blocks]
    assert any(isinstance(b, Notice) and "1 of 1 earlier decision was not on this model" in b.text for b in blocks)
    table = next(b for b in blocks if isinstance(b, Table) and b.caption == "Earlier decisions on this case")
    assert "other data" in table.rows[0][3]

    def failed(pdf: bytes) -> dict[str, str]:
        verification = verify(pdf, printer=kit.page)
        return {c.name: c.detail for c in verification.checks if c.status == "failed"}

    assert failed(honest) == {}
    lying = failed(issue(files, mine))
    assert "another model or other data than the evidence" in lying["manifest"]
