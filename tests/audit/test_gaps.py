"""Gaps of which a group is missing say so; a perfect area of few people is neither certain nor missing."""

from __future__ import annotations

import numpy as np

from audit.cube import CodedRows, Meaning, cube_of, margins_of
from audit.evidence import pick
from audit.gaps import Settings
from audit.measure import measure
from audit.values import Measures


def measured(label: list[int], decision: list[int], score: list[float] | None = None) -> Measures:
    """Three groups a, b, c of twelve people each."""
    coded = CodedRows(
        ("g",),
        (("a", "b", "c"),),
        np.repeat([0, 1, 2], 12)[:, None],
        np.array(label),
        np.array(decision),
        None,
        None if score is None else np.array(score),
        Meaning("1", "0", "1"),
    )
    margins, _ = margins_of(cube_of(coded))
    return measure(margins, Settings(draws=200))


def test_trap_2_a_gap_taken_without_a_group_names_the_group() -> None:
    m = measured([1, 0] * 12 + [0] * 12, [1, 0] * 6 + [0, 1] * 6 + [0] * 12)
    gap = pick(m.gaps, metric="true_positive_rate", kind="difference")
    assert (gap.estimable, gap.value, gap.highest, gap.lowest) == (True, 1.0, ("a",), ("b",))
    assert gap.method.endswith("groups that cannot be estimated take no part in that rate: c")
    whole = pick(m.gaps, metric="false_positive_rate", kind="difference")
    assert "take no part" not in whole.method


def test_a_perfect_area_of_twelve_people_has_an_interval_and_a_place_in_the_gap() -> None:
    score = [0.9, 0.1] * 6 + [0.9, 0.1, 0.4, 0.6] * 3 + [0.3, 0.7] * 6
    m = measured([1, 0] * 18, [1, 0] * 18, score)
    area = pick(m.rates, metric="roc_auc", attribute=("g",), group=("a",))
    assert (area.value, area.high, area.interval) == (1.0, 1.0, "delong-wilson-95")
    assert area.low is not None
    assert 0.5 < area.low < 0.8
    gap = pick(m.gaps, metric="roc_auc", kind="difference")
    assert (gap.value, gap.highest, gap.lowest) == (1.0, ("a",), ("c",))
    assert "take no part" not in gap.method
