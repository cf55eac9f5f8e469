"""The chapters beyond rates and gaps say what the evidence says, and nothing where it is silent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from audit.documents import record_in
from audit.documents.rows import Slice
from reports.blocks import Paragraph, Section, Sources, Table
from reports.sections import further, quality
from tests.reports import kit

SLICE = {
    "question": "missed", "where": [{"column": "age", "value": ">=48"}, {"column": "job", "value": "clerk"}],
    "people": 162, "rate": 0.586, "rate_of_others": 0.333, "difference": 0.253, "low": 0.173, "high": 0.329,
    "p_adjusted": 0.0004,
}  # fmt: skip
SLICES = {"measured": True, "considered": 1702, "tested": 20, "least_people": 50, "found": [SLICE]}


@pytest.fixture
def made() -> Sources:
    return kit.sources(kit.evidence_with())


def with_evidence(made: Sources, **more: Any) -> Sources:
    return replace(made, evidence=kit.evidence_with(**more))


def text(section: Section | None) -> str:
    assert section is not None
    out = []
    for block in section.blocks:
        if isinstance(block, Paragraph):
            out.append(block.text)
        if isinstance(block, Table):
            out += [block.caption, *(" | ".join(row) for row in block.rows), block.note]
    return "\n".join(out)


def test_a_confirmed_subgroup_is_named_with_its_interval(made: Sources) -> None:
    message = text(further.section(with_evidence(made, slices=SLICES)))
    assert (
        "age >=48 and job clerk | refused although they qualify | 58.6 % of 162 | 33.3 % | 25.3 [17.3, 32.9]" in message
    )
    assert "1,702 subgroups" in message


def test_no_subgroup_is_no_proof(made: Sources) -> None:
    message = text(further.section(with_evidence(made, slices=SLICES | {"found": []})))
    assert "No subgroup was confirmed. That is no proof that there is none." in message


def test_nothing_measured_no_chapter(made: Sources) -> None:
    assert further.section(made) is None
    assert quality.blocks(with_evidence(made, quality=None)) == []


def test_few_people_in_a_band_are_not_printed(made: Sources) -> None:
    point = {"from": 0.5, "to": 0.6, "people": 9, "share": 1.0, "low": 0.7, "high": 1.0}
    curves = [
        {"attribute": ["sex"], "group": ["f"], "points": [point]},
        {
            "attribute": ["sex"],
            "group": ["m"],
            "points": [point | {"people": 40, "share": 0.5, "low": 0.35, "high": 0.65}],
        },
    ]
    assert "0.5 to 0.6 | few | 50.0 %\n[35.0, 65.0]" in text(further.section(with_evidence(made, reliability=curves)))


def test_points_say_what_they_mean_for_each_group(made: Sources) -> None:
    point = {"from": 3.0, "to": 3.0, "people": 40.0, "outcome": 10.0, "share": 0.25, "low": 0.14, "high": 0.4}
    items = [
        {"attribute": ["race"], "group": [g], "points": [point | {"people": n}, point | {"from": 7.5, "to": 9.0}]}
        for g, n in (("a", 40.0), ("b", 9.0))
    ]
    message = text(further.section(with_evidence(made, predictive_parity=items)))
    assert "3 | 25.0 % of 40\n[14.0, 40.0] | few" in message
    assert "7.5 to 9 | 25.0 % of 40\n[14.0, 40.0] | 25.0 % of 40" in message


def test_withheld_counts_and_missing_gaps_in_words(made: Sources) -> None:
    mapping = {
        "missing": {
            "columns": [{"column": "job", "rows": 90, "missing": None, "written": 0}],
            "by_group": [],
            "gaps": [],
        },
        "duplicates": {"measured": True, "rows": 90, "repeated": None, "learned_from": 12, "contradicted": None},
    }
    items = [b.text for b in quality.blocks(with_evidence(made, quality=mapping)) if isinstance(b, Paragraph)]
    assert any(t.startswith("Values are missing in 1 of 1 column") for t in items)
    assert any("withheld repeat another row" in t and "12 are also among" in t for t in items)


def test_a_subgroup_that_only_narrows_another_is_not_printed() -> None:
    narrow = record_in(Slice, SLICE, "slices")
    wide = record_in(Slice, SLICE | {"where": SLICE["where"][:1]}, "slices")
    other = record_in(Slice, SLICE | {"question": "error"}, "slices")
    assert further.chosen([wide, narrow, other]) == [wide, other]
    assert further.chosen([narrow, wide]) == [narrow, wide]


def test_other_tools_figures_stand_under_their_names_and_conventions(made: Sources) -> None:
    mapping = {
        "tools": {
            "clarify": "each group against all others",
            "aif360": "unprivileged minus privileged",
            "fairlearn": "x",
        },
        "values": [
            {"tool": "aif360", "attribute": ["sex"], "group": ["m"], "values": {"disparate_impact": 0.32}},
            {"tool": "clarify", "attribute": ["sex"], "group": ["f"], "values": {"CI": 0.33, "DI": None}},
            {"tool": "clarify", "attribute": ["sex", "race"], "group": ["f", "x"], "values": {"CI": 0.9}},
        ],
    }
    message = text(further.section(with_evidence(made, conformance=mapping)))
    assert "Clarify | CI | sex: f | 0.330" in message
    assert "Clarify | DI | sex: f | –" in message
    assert "AIF360 | disparate_impact | sex: m | 0.320" in message
    assert "unprivileged minus privileged" in message
    assert "0.900" not in message


def test_the_data_stand_beside_the_population(made: Sources) -> None:
    group = {
        "group": ["f"],
        "people": 400,
        "share": 0.4,
        "low": 0.35,
        "high": 0.45,
        "population": 0.5,
        "difference": -0.1,
    }
    one = {
        "attribute": ["sex"], "people": 1000, "estimable": True, "reason": None, "groups": [group], "p_value": 0.0002,
        "unknown": 3,
        "not_in_reference": {"x": 4},
    }  # fmt: skip
    census = {"source": "census", "shares": {}, "tables": [one]}
    items = [b for b in quality.blocks(with_evidence(made, population=census)) if isinstance(b, Table)]
    assert items[0].rows == (("f", "400", "40.0 % [35.0, 45.0]", "50.0 %", "−10.0"),)
    assert "7 people of no such group" in items[0].note
