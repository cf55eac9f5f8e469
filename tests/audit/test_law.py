"""Local Law 144 tables and the four-fifths rule, by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from audit.cube import CodedRows, Meaning, cube_of, margins_of
from audit.law import law_tables, median_score
from audit.values import UNKNOWN


def tables(groups: dict[str, tuple[int, int]], scores: dict[str, list[float]] | None = None, favourable: str = "1"):  # type: ignore[no-untyped-def]
    """groups: name -> (positive, people)."""
    names = tuple(sorted(groups, key=lambda g: (g == UNKNOWN, g)))
    codes = np.concatenate([np.full(n, names.index(g)) for g, (_, n) in groups.items()])
    decision = np.concatenate([np.r_[np.ones(x, int), np.zeros(n - x, int)] for x, n in groups.values()])
    score = None if scores is None else np.concatenate([np.array(scores[g]) for g in groups])
    coded = CodedRows(
        ("race",),
        (names,),
        codes[:, None],
        np.full(len(codes), 2),
        decision,
        None,
        score,
        Meaning("1", "0", favourable),
    )
    margins, _ = margins_of(cube_of(coded))
    return margins, law_tables(margins)


def row(table: dict, group: str) -> dict:  # type: ignore[type-arg]
    return next(r for r in table["groups"] if r["group"] == [group])


def test_a_group_under_two_percent_is_left_out_before_the_highest_rate_is_chosen() -> None:
    """The small group has the highest rate: as denominator it would push everyone below."""
    _, law = tables({"A": (60, 100), "B": (30, 100), "C": (3, 3), UNKNOWN: (5, 20)})
    table = law["local_law_144"][0]
    assert table["highest_rate"] == 0.6
    assert row(table, "B")["impact_ratio"] == pytest.approx(0.5)
    small = row(table, "C")
    assert (small["left_out"], small["people"], small["rate"], small["impact_ratio"]) == (True, 3, 1.0, None)
    assert "2 %" in small["reason"]
    assert table["unknown"] == 20
    assert [r["group"] for r in table["groups"]] == [["A"], ["B"], ["C"]]


def test_two_percent_itself_is_kept() -> None:
    _, law = tables({"A": (49, 98), "B": (1, 2)})
    assert row(law["local_law_144"][0], "B")["impact_ratio"] == 1.0


def test_selection_is_the_favourable_decision() -> None:
    _, law = tables({"A": (60, 100), "B": (30, 100)}, favourable="0")
    assert row(law["local_law_144"][0], "A")["impact_ratio"] == pytest.approx(0.4 / 0.7)


def test_scores_use_the_share_above_the_median_of_all() -> None:
    groups = {"A": (0, 4), "B": (0, 4)}
    margins, law = tables(groups, {"A": [1, 2, 3, 10], "B": [4, 5, 6, 7]})
    assert median_score(margins[0]) == (4.5, 4.5, 4.5)
    table = law["local_law_144_scores"][0]
    assert row(table, "A")["rate"] == 0.25
    assert row(table, "B")["rate"] == 0.75
    assert row(table, "A")["impact_ratio"] == pytest.approx(1 / 3)


@pytest.mark.parametrize("values", [[1, 2, 3], [1, 2, 3, 4], [1, 1, 1, 5], [0.2, 0.4, 0.4, 0.9, 1.0]])
def test_the_median_is_the_median(values: list[float]) -> None:
    margins, _ = tables({"A": (0, len(values))}, {"A": values})
    assert median_score(margins[0]) == pytest.approx((np.median(values),) * 3)


def test_nobody_selected_has_no_ratio() -> None:
    _, law = tables({"A": (0, 50), "B": (0, 50)})
    assert all(r["impact_ratio"] is None for r in law["local_law_144"][0]["groups"])
    assert law["four_fifths"] == []


def test_four_fifths_has_significance_and_a_warning_and_no_verdict() -> None:
    _, law = tables({"A": (60, 100), "B": (30, 100), "C": (3, 6)})
    lines = {tuple(line["group"]): line for line in law["four_fifths"]}
    assert lines["B",]["ratio"] == pytest.approx(0.5)
    assert lines["B",]["p_value"] < 0.001
    assert not lines["B",]["few_people"]
    assert lines["C",]["few_people"]
    assert lines["C",]["p_value"] > 0.3
    text = json.dumps(law).lower()
    for word in ("pass", "fail", "complian", "lawful", "violation"):
        assert word not in text
