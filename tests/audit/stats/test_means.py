"""Areas under the curve and gaps of averages, against direct formulas and peers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import f_oneway, norm
from sklearn.metrics import roc_auc_score

from audit.stats import area_under_curve, mean_gap


def grouped(positive: np.ndarray, negative: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    levels = np.unique(np.concatenate([positive, negative]))
    return np.array([(positive == v).sum() for v in levels]), np.array([(negative == v).sum() for v in levels])


def direct(positive: np.ndarray, negative: np.ndarray) -> tuple[float, float]:
    """DeLong, DeLong & Clarke-Pearson (1988), every pair written out."""
    wins = (positive[:, None] > negative[None, :]) + 0.5 * (positive[:, None] == negative[None, :])
    of_positives, of_negatives = wins.mean(axis=1), wins.mean(axis=0)
    variance = of_positives.var(ddof=1) / len(positive) + of_negatives.var(ddof=1) / len(negative)
    return float(wins.mean()), float(np.sqrt(variance))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("levels", [3, 20, 1000])
def test_the_area_and_its_error_are_delongs(seed: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    positive = rng.integers(levels // 4, levels, size=60 + seed)
    negative = rng.integers(0, levels - levels // 5, size=90)
    area, error = area_under_curve(*grouped(positive, negative))
    assert (area, error) == pytest.approx(direct(positive, negative), abs=1e-12)
    labels = np.repeat([1, 0], [len(positive), len(negative)])
    assert area == pytest.approx(roc_auc_score(labels, np.concatenate([positive, negative])), abs=1e-12)


def test_the_area_by_hand() -> None:
    """Positives at 2 and 3, negatives at 1 and 2: three pairs won, one tied."""
    assert area_under_curve([0, 1, 1], [1, 1, 0])[0] == pytest.approx(3.5 / 4)


def test_a_side_without_people_has_no_area_and_one_person_no_error() -> None:
    assert np.isnan(area_under_curve([0, 0], [3, 4])).all()
    area, error = area_under_curve([1, 0], [3, 4])
    assert area == pytest.approx(1.5 / 7)
    assert np.isnan(error)


def test_a_perfect_score_has_area_1_and_the_inputs_stay() -> None:
    positive, negative = np.array([0.0, 5.0]), np.array([4.0, 0.0])
    assert area_under_curve(positive, negative) == (1.0, 0.0)
    assert positive.tolist() == [0.0, 5.0]
    assert negative.tolist() == [4.0, 0.0]


def test_two_averages_have_the_textbook_interval_and_test() -> None:
    result = mean_gap([1.0, 1.5], [0.1, 0.15])
    error = np.hypot(0.1, 0.15)
    assert (result.value, result.highest, result.lowest) == (pytest.approx(0.5), 1, 0)
    assert (result.low, result.high) == pytest.approx((0.5 - 1.959964 * error, 0.5 + 1.959964 * error), abs=1e-5)
    assert result.p_value == pytest.approx(2 * norm.sf(0.5 / error))


def test_many_averages_test_agrees_with_the_analysis_of_variance() -> None:
    rng = np.random.default_rng(2)
    rows = [rng.normal(m, 1, 800) for m in (0, 0.05, 0.1, 0.02)]
    result = mean_gap([r.mean() for r in rows], [r.std(ddof=1) / np.sqrt(800) for r in rows])
    assert result.p_value == pytest.approx(float(f_oneway(*rows).pvalue), abs=0.01)


def test_a_ratio_of_averages_lies_between_0_and_1_and_needs_them_above_0() -> None:
    result = mean_gap([2.0, 4.0, 3.0], [0.1, 0.1, 0.1], kind="ratio")
    assert result.value == pytest.approx(0.5)
    assert 0 < (result.low or 0) < 0.5 < (result.high or 0) <= 1
    assert not mean_gap([2.0, -4.0], [0.1, 0.1], kind="ratio").estimable


def test_averages_without_an_error_take_no_part_and_are_named() -> None:
    result = mean_gap([1.0, np.nan, 2.0, 3.0, 9.0], [0.1, 0.1, 0.1, np.nan, 0.0])
    assert result.left_out == (1, 3, 4)
    assert (result.highest, result.lowest) == (2, 0)
    alone = mean_gap([1.0, np.nan], [0.1, 0.1])
    assert not alone.estimable
    assert alone.value is None


def test_a_reference_compares_only_with_that_average() -> None:
    result = mean_gap([0.0, 1.0, -2.0], [0.1, 0.1, 0.1], reference=0)
    assert (result.value, result.highest, result.lowest) == (pytest.approx(2.0), 0, 2)


numbers = st.floats(-10, 10)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(numbers, st.floats(0.01, 5)), min_size=2, max_size=8))
def test_the_gap_of_averages_is_in_its_interval(groups: list[tuple[float, float]]) -> None:
    means, errors = np.array(groups).T
    result = mean_gap(means, errors, draws=100)
    assert result.value == pytest.approx(np.ptp(means))
    assert result.low is not None
    assert result.high is not None
    assert 0 <= result.low <= (result.value or 0) <= result.high
