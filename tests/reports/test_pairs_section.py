"""Pairs of groups on paper and on the screen: as the evidence has them, and against the group that a person chooses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from audit.documents import record_in
from audit.documents.evidence import Evidence
from reports import words
from reports.blocks import Paragraph, Table
from reports.sections import pairs
from tests.audit.test_pairs import audited
from tests.reports import kit


def test_the_annex_lists_every_pair_with_the_people_short(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evidence, _ = audited(tmp_path, capsys)
    annex = pairs.section(kit.sources(record_in(Evidence, evidence, "evidence.json")))
    assert annex is not None
    assert any(isinstance(b, Paragraph) for b in annex.blocks)
    rows = next(b.rows for b in annex.blocks if isinstance(b, Table))
    listed = [p for p in evidence["pairs"] if p["metric"] == "selection_rate"]
    assert len(rows) == len(listed) == 6
    for p in listed:
        row = next(r for r in rows if r[:2] == (p["higher"][0], p["lower"][0]))
        assert row[2].startswith(f"{100 * p['difference']:.1f} ")
        assert row[4] == words.p_words(p["p_adjusted"])
        assert row[5].startswith(f"{p['shortfall']:,.0f} of {p['people']}\n[")


def page(evidence: dict) -> None:  # type: ignore[type-arg]
    from audit.documents import record_in
    from audit.documents.evidence import Evidence
    from screens import pairs

    pairs.show(record_in(Evidence, evidence, "evidence.json"), "selection_rate", ("team",))


def test_the_screen_turns_every_pair_towards_the_group_chosen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evidence, _ = audited(tmp_path, capsys)
    app = AppTest.from_function(page, kwargs={"evidence": evidence}, default_timeout=60).run()
    assert not app.exception
    assert len(app.table[0].value) == 6
    app.selectbox[0].select_index(1).run()  # A, the first group
    rows: Any = app.table[0].value
    assert list(rows["Against"]) == ["A", "A", "A"]
    pair = {frozenset((p["higher"][0], p["lower"][0])): p for p in evidence["pairs"]}
    for escaped in rows.to_dict("records"):
        r = {k: str(v).replace("\\", "") for k, v in escaped.items()}
        p = pair[frozenset((r["Group"], "A"))]
        sign = "+" if p["higher"] == [r["Group"]] else "-"
        assert r["Apart"] == f"{sign}{100 * p['difference']:.1f} points"
        value = 1 / p["ratio"] if sign == "+" else p["ratio"]
        assert r["Ratio"].startswith(f"{value:.2f} ")
