"""Intervals of one rate, of a difference and of a ratio: published and hand values, and what holds always."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from audit.stats import mean_interval, newcombe, ratio_interval, wilson


@pytest.mark.parametrize(
    ("x", "n", "low", "high"),
    [
        (2, 10, 0.0567, 0.5098),
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (81, 263, 0.2553, 0.3662),  # Newcombe 1998, one proportion, table I
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_gives_the_published_limits(x: int, n: int, low: float, high: float) -> None:
    result = wilson(x, n)
    assert [float(v) for v in result] == pytest.approx([low, high], abs=5.1e-5)


@pytest.mark.parametrize(
    ("x1", "n1", "x2", "n2", "low", "high"),
    [
        # Newcombe 1998, difference of two, table II, method 10
        (56, 70, 48, 80, 0.0524, 0.3339),
        (9, 10, 3, 10, 0.1705, 0.8090),
        (6, 7, 2, 7, 0.0582, 0.8062),
        (5, 56, 0, 29, -0.0381, 0.1926),
        (0, 10, 0, 20, -0.1611, 0.2775),
        (0, 10, 0, 10, -0.2775, 0.2775),
        (10, 10, 0, 20, 0.6791, 1.0),
        (10, 10, 0, 10, 0.6075, 1.0),
    ],
)
def test_newcombe_gives_the_published_limits(
    x1: int, n1: int, x2: int, n2: int, low: float, high: float
) -> None:  # fmt: skip
    result = newcombe(x1, n1, x2, n2)
    assert [float(v) for v in result] == pytest.approx([low, high], abs=5.1e-5)


def test_the_ratio_has_the_limits_worked_out_by_hand() -> None:
    """20/100 against 40/100 with Wilson's (.1334, .2888) and (.3094, .4980), put into Donner & Zou's formula."""
    l1, u1, l2, u2 = 0.133367, 0.288829, 0.309401, 0.497994
    low = (0.08 - np.sqrt(0.08**2 - l1 * u2 * (0.4 - l1) * (0.8 - u2))) / (u2 * (0.8 - u2))
    high = (0.08 + np.sqrt(0.08**2 - u1 * l2 * (0.4 - u1) * (0.8 - l2))) / (l2 * (0.8 - l2))
    result = ratio_interval(20, 100, 40, 100)
    assert [float(v) for v in result] == pytest.approx([low, high], abs=1e-4)


def test_a_ratio_turned_upside_down_has_its_limits_turned_upside_down() -> None:
    low, high = ratio_interval(20, 100, 40, 100)
    back_low, back_high = ratio_interval(40, 100, 20, 100)
    assert (float(back_low), float(back_high)) == pytest.approx((1 / float(high), 1 / float(low)))


def test_a_ratio_to_nobody_has_no_upper_limit_and_a_ratio_of_nobody_starts_at_0() -> None:
    assert float(ratio_interval(5, 10, 0, 10)[1]) == np.inf
    low, high = ratio_interval(0, 50, 25, 50)
    assert float(low) == 0.0
    assert 0 < float(high) < 0.2


def test_nobody_counted_has_no_interval() -> None:
    low, high = wilson([0, 3], [0, 6])
    assert np.isnan([low[0], high[0]]).all()
    assert low[1] < 0.5 < high[1]


def test_an_average_has_normal_limits() -> None:
    low, high = mean_interval([2.0], [0.5])
    assert (low[0], high[0]) == pytest.approx((1.02, 2.98), abs=1e-4)


def test_the_inputs_stay_as_they_were() -> None:
    x, n = np.array([1.0, 5.0]), np.array([10.0, 0.0])
    wilson(x, n)
    newcombe(x[:1], n[:1], x[:1], n[:1])
    ratio_interval(x[:1], n[:1], x[:1], n[:1])
    assert x.tolist() == [1.0, 5.0]
    assert n.tolist() == [10.0, 0.0]


counts = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counts)
def test_wilson_agrees_with_scipy_and_holds_the_rate(count: tuple[int, int]) -> None:
    x, n = count
    low, high = (float(v) for v in wilson(x, n))
    assert 0 <= low <= x / n <= high <= 1
    peer = binomtest(x, n).proportion_ci(method="wilson")
    assert (low, high) == pytest.approx((peer.low, peer.high), abs=1e-9)


@given(counts, counts)
def test_a_difference_and_a_ratio_hold_their_value_and_agree_on_the_side(
    one: tuple[int, int], two: tuple[int, int]
) -> None:
    (x1, n1), (x2, n2) = one, two
    d = x1 / n1 - x2 / n2
    low, high = (float(v) for v in newcombe(x1, n1, x2, n2))
    assert -1 - 1e-12 <= low <= d + 1e-12
    assert d - 1e-12 <= high <= 1 + 1e-12
    back_low, back_high = newcombe(x2, n2, x1, n1)
    assert (float(-back_high), float(-back_low)) == pytest.approx((low, high), abs=1e-12)
    if x2:
        r = (x1 / n1) / (x2 / n2)
        low, high = (float(v) for v in ratio_interval(x1, n1, x2, n2))
        assert 0 <= low <= r * (1 + 1e-9) + 1e-12
        assert r <= high * (1 + 1e-9) + 1e-12


@given(counts, st.floats(0.001, 0.2), st.floats(1.1, 4))
def test_less_alpha_and_fewer_people_make_it_wider(count: tuple[int, int], alpha: float, less: float) -> None:
    x, n = count
    low, high = wilson(x, n, alpha)
    tight_low, tight_high = wilson(x, n, min(0.9, alpha * less))
    few_low, few_high = wilson(x / less, n / less, alpha)
    assert float(low) <= float(tight_low) + 1e-12
    assert float(high) >= float(tight_high) - 1e-12
    assert float(few_high - few_low) >= float(high - low) - 1e-12
