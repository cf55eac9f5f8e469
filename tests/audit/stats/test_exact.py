"""The exact p-value of two groups against whole fractions, at sizes where shortcuts go wrong."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from audit.stats import largest_gap
from audit.stats.exact import LEAST, two_groups


def by_whole_numbers(x1: int, n1: int, x2: int, n2: int) -> float:
    """Twice the tables further from even, and once those as far, over twice all tables; nothing is rounded."""
    total, people = x1 + x2, n1 + n2
    far, twice, weight = abs(x1 * n2 - x2 * n1), 0, 0
    for x in range(max(0, total - n2), min(n1, total) + 1):
        here = abs(x * n2 - (total - x) * n1)
        if not weight:
            weight = math.comb(n1, x) * math.comb(n2, total - x)
        else:
            weight = weight * (n1 - x + 1) * (total - x + 1) // (x * (n2 - total + x))
        twice += weight * (2 if here > far else 1 if here == far else 0)
    return float(Fraction(twice, 2 * math.comb(people, total)))


counts = st.integers(1, 80).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counts, counts)
def test_it_is_the_sum_over_all_tables(one: tuple[int, int], two: tuple[int, int]) -> None:
    table = *one, *two
    if one[0] + two[0] in (0, one[1] + two[1]):
        assert two_groups(*table) == 1.0
    else:
        assert two_groups(*table) == pytest.approx(by_whole_numbers(*table), rel=1e-9)
    assert two_groups(*two, *one) == pytest.approx(two_groups(*table), rel=1e-9)


@pytest.mark.parametrize("table", [(600, 1500, 2400, 6500), (300, 900, 700, 2000), (1500, 5000, 1500, 5000)])
def test_it_holds_at_thousands_of_people(table: tuple[int, int, int, int]) -> None:
    assert two_groups(*table) == pytest.approx(by_whole_numbers(*table), rel=1e-8)


@pytest.mark.parametrize("people", [10**6, 10**8, 10**10])
def test_with_many_people_it_meets_the_normal_law(people: int) -> None:
    apart = round(1.5 * math.sqrt(0.3 * 0.7 * 2 * people))
    x1, x2 = int(0.3 * people), int(0.3 * people) + apart
    pooled = (x1 + x2) / (2 * people)
    expected = 2 * norm.sf(apart / people / math.sqrt(pooled * (1 - pooled) * 2 / people))
    assert two_groups(x1, people, x2, people) == pytest.approx(float(expected), rel=2e-3)


def test_no_p_value_is_0_however_far_the_groups() -> None:
    assert two_groups(0, 10**6, 10**6, 10**6) == LEAST
    assert largest_gap([([0, 10**6, 10**6], [10**6] * 3)]).p_value == pytest.approx(3 * LEAST)


def test_a_far_gap_of_a_million_million_people_needs_no_terms_for_each() -> None:
    """Trap of scale: a sum from the centre to what was seen would hold 10**11 terms."""
    assert two_groups(2 * 10**11, 10**12, 4 * 10**11, 10**12) == LEAST
