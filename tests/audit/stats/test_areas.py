"""Limits of an area under the curve where DeLong's own break down: perfect areas, small groups, areas near 1."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from audit.stats import area_interval, area_under_curve, mean_gap, newcombe, ratio_interval, wilson


def test_a_perfect_area_of_seven_people_is_not_certain() -> None:
    area, low, high, error = area_interval([0, 3], [4, 0])
    assert (area, high) == (1.0, 1.0)
    assert low == pytest.approx(float(wilson(3, 3)[0]))
    assert low < 0.5
    assert error > 0.1
    worst, low, high, _ = area_interval([3, 0], [0, 4])
    assert (worst, low, high) == (0.0, 0.0, pytest.approx(1 - float(wilson(3, 3)[0])))


def test_a_group_with_a_perfect_area_stays_in_the_gap() -> None:
    """Trap 2, for scores: with an error of 0 the best-served group would leave the comparison in silence."""
    perfect, middling = area_interval([0, 0, 20], [30, 0, 0]), area_interval([10, 10, 20], [20, 15, 10])
    result = mean_gap([perfect[0], middling[0]], [perfect[3], middling[3]])
    assert (result.estimable, result.left_out, result.highest) == (True, (), 0)
    assert result.value == pytest.approx(1 - middling[0])


def test_many_people_have_delongs_limits() -> None:
    rng = np.random.default_rng(4)
    positive, negative = rng.multinomial(4000, [0.1, 0.2, 0.3, 0.4]), rng.multinomial(6000, [0.4, 0.3, 0.2, 0.1])
    area, error = area_under_curve(positive, negative)
    result = area_interval(positive, negative)
    assert result == pytest.approx((area, area - 1.959964 * error, area + 1.959964 * error, error), abs=3e-4)


def test_no_side_or_one_person_has_no_limits() -> None:
    assert np.isnan(area_interval([0, 0], [1, 2])).all()
    area, *rest = area_interval([1, 0], [2, 3])
    assert area == pytest.approx(0.2)
    assert np.isnan(rest).all()


sides = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=6)


@given(sides)
def test_the_area_is_in_its_interval_and_turning_the_sides_turns_it(counts: list[tuple[int, int]]) -> None:
    p, n = np.array(counts).T
    area, low, high, error = area_interval(p, n)
    if min(p.sum(), n.sum()) < 2:
        assert np.isnan(error)
        return
    assert 0 <= low <= area <= high <= 1
    assert error > 0
    assert area_interval(n, p) == pytest.approx((1 - area, 1 - high, 1 - low, error), abs=1e-9)


@pytest.mark.parametrize(("truth", "m", "k"), [(0.7, 10, 10), (0.9, 5, 100), (0.97, 30, 300), (0.99, 10, 10)])
def test_limits_hold_where_delongs_own_do_not(truth: float, m: int, k: int) -> None:
    """Two normal laws; 400 runs; three standard errors of a share of .9 are .045."""
    rng, runs, ours, plain = np.random.default_rng(8), 400, 0, 0
    positive = rng.standard_normal((runs, m)) + norm.ppf(truth) * np.sqrt(2)
    negative = rng.standard_normal((runs, k))
    for p, n in zip(positive, negative, strict=True):
        order = np.argsort(np.concatenate([p, n]))
        side = np.repeat([1, 0], [m, k])[order]
        area, low, high, _ = area_interval(side, 1 - side)
        error = area_under_curve(side, 1 - side)[1]
        ours += low <= truth <= high
        plain += area - 1.96 * error <= truth <= area + 1.96 * error
    assert ours / runs >= 0.9
    assert plain < ours


def test_nobody_on_one_side_of_a_difference_or_ratio_is_not_a_number() -> None:
    for limits in (newcombe, ratio_interval):
        low, high = limits([3, 0, 2], [10, 0, 5], [1, 1, 0], [10, 5, 0])
        assert np.isnan(low).tolist() == np.isnan(high).tolist() == [False, True, True]
    low, high = ratio_interval([0, 5], [10, 10], [0, 0], [10, 10])
    assert low[0] == 0.0
    assert low[1] > 0.5
    assert high.tolist() == [np.inf, np.inf]
