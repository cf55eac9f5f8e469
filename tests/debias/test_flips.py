"""Flips of decisions: McNemar's exact test by SciPy, wherever gains and losses lie; who is listed, in which order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

from audit.case import ModelSpec
from audit.code import Decisions
from audit.cube import CodedRows, Meaning, cube_of, margins_of
from audit.gaps import Settings
from debias.compare import compare, comparison_to_json, flips_of
from tests.debias.test_methods_comparison import case_in, people


@pytest.mark.parametrize("favourable", [0, 1])
@pytest.mark.parametrize(("gains", "losses"), [(0, 0), (1, 0), (1, 1), (4, 4), (2, 9), (9, 2), (0, 6), (5, 4)])
def test_the_p_value_is_scipys_wherever_gains_and_losses_lie(gains: int, losses: int, favourable: int) -> None:
    before, after = np.full(50, 1 - favourable), np.full(50, 1 - favourable)
    before[25:] = after[25:] = favourable
    after[:gains] = favourable
    after[25 : 25 + losses] = 1 - favourable
    rows = CodedRows(
        ("g",), (("a", "none"),), np.zeros((50, 1), dtype=np.int64), np.full(50, 2), before, None, None,
        Meaning("1", "0", str(favourable)),
    )  # fmt: skip
    margins = margins_of(cube_of(rows), 2)[0]
    mapping = {f.group: f for f in flips_of(rows, after, margins, favourable)}
    assert set(mapping) == {(), ("a",)}, "a group of nobody is not listed"
    for flip in mapping.values():
        assert (flip.rows, flip.to_favourable, flip.to_unfavourable) == (50, gains, losses)
        expected = binomtest(gains, gains + losses, 0.5).pvalue if gains + losses else 1.0
        assert flip.p_value == pytest.approx(expected)


def test_of_a_table_the_group_most_affected_by_share_stands_first() -> None:
    group = np.repeat([0, 1, 2], [200, 20, 20])
    after = np.zeros(240, dtype=np.int64)
    after[:12] = after[200:204] = after[220:226] = 1
    rows = CodedRows(
        ("g",), (("a", "b", "c"),), group[:, None], np.full(240, 2), np.zeros(240, dtype=np.int64), None, None,
        Meaning("1", "0", "1"),
    )  # fmt: skip
    listed = [f.group for f in flips_of(rows, after, margins_of(cube_of(rows), 2)[0], 1) if f.group]
    assert listed == [("c",), ("b",), ("a",)]


def test_decisions_without_scores_have_no_baseline_and_no_figure_of_one(tmp_path: Path) -> None:
    frame = people(400)
    case = replace(case_in(tmp_path, frame), model=ModelSpec("decision", column="decided"))
    before, after = ((frame[c] >= at).to_numpy(np.int64) for c, at in (("score", 0.5), ("merit", 0.2)))
    arms = [(Decisions(v, None, "column"), None) for v in (before, after)]
    result = compare(case, frame, arms[0], None, arms[1], Settings(draws=20))
    assert result.matched is None
    assert result.changes
    assert all(c.matched is None for c in result.changes)
    report = comparison_to_json(result, 10)
    assert report["arms"]["matched"] is report["cubes"]["matched"] is None
    for arm, decided in (("original", before), ("candidate", after)):
        assert report["arms"][arm]["selection_rate"] == pytest.approx(decided.mean())
