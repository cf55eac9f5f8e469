"""Scores in a cube at the edges of their kinds: few, many, within 0 and 1 to the last, and beyond."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from audit.cube import NEGATIVE, POSITIVE, UNLABELLED, CodedRows, Meaning, cube_of

MEANING = Meaning("yes", "no", "yes")


def scored(score: np.ndarray, weight: np.ndarray | None = None) -> CodedRows:
    n = len(score)
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 2, (n, 1))
    return CodedRows(
        ("g",), (("a", "b"),), codes, rng.integers(0, 2, n), rng.integers(0, 2, n), weight, score, MEANING
    )  # fmt: skip


@pytest.mark.parametrize("lowest, highest, parted", [(0.0, 1.0, True), (-1e-9, 1.0, False), (0.0, 1 + 1e-9, False)])
def test_tenths_are_kept_of_scores_from_0_to_1_and_of_no_others(lowest: float, highest: float, parted: bool) -> None:
    score = np.random.default_rng(0).random(5000)
    score[:2] = lowest, highest
    result = cube_of(scored(score)).scores
    assert result is not None
    assert not result.exact
    assert (result.parts is not None) is parted
    if parted:
        assert result.parts is not None
        assert result.parts.sum() == pytest.approx(score.sum())
    assert result.total.sum() == pytest.approx(score.sum())


@pytest.mark.parametrize("many", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_sums_of_scores_are_those_of_the_rows(many: bool, weighted: bool) -> None:
    rng = np.random.default_rng(2)
    score = rng.random(3000) if many else rng.integers(0, 5, 3000) / 4
    weight = rng.random(3000) + 0.5 if weighted else None
    coded = scored(score, weight)
    result = cube_of(coded).scores
    assert result is not None
    for group in (0, 1):
        for label in (0, 1):
            here = (coded.codes[:, 0] == group) & (coded.label == label)
            each = np.ones(3000) if weight is None else weight
            assert result.total[group, label] == pytest.approx((each * score)[here].sum())
            assert result.n[group, label].sum() == here.sum()
            assert result.w[group, label].sum() == pytest.approx(each[here].sum())
            assert result.w2[group, label].sum() == pytest.approx((each**2)[here].sum())


def test_of_many_scores_the_area_is_exact_and_of_those_alone_whose_outcome_is_known() -> None:
    """Against scikit-learn's, group by group, and over everyone; a third of the outcomes are unknown."""
    rng = np.random.default_rng(3)
    score, group, label = rng.random(3000), rng.integers(0, 2, 3000), rng.integers(0, 2, 3000)
    label[::3] = UNLABELLED
    coded = CodedRows(
        ("g",), (("a", "b"),), group[:, None], label, label % 2, None, score, MEANING
    )  # fmt: skip
    cube = cube_of(coded)
    for attribute, groups in ((("g",), (0, 1)), ((), (None,))):
        margin = cube.margin(attribute)
        assert margin.scores is not None
        assert not margin.scores.exact
        assert margin.scores.area is not None
        assert [margin.n[:, k].sum() for k in (NEGATIVE, POSITIVE, UNLABELLED)] == np.bincount(label).tolist()
        for place, one in enumerate(groups):
            here = (label != UNLABELLED) & ((group == one) if one is not None else True)
            assert margin.scores.area[place] == pytest.approx(roc_auc_score(label[here], score[here]), abs=1e-12)
            assert (
                margin.n[place, UNLABELLED].sum()
                == ((label == UNLABELLED) & (group == one if attribute else True)).sum()
            )
