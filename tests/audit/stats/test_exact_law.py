"""The p-value of three and more groups against its exact law: every table with these margins, written out."""

from __future__ import annotations

import math
from itertools import combinations, product

import numpy as np
import pytest

from audit.stats import largest_gap
from audit.stats.exact import two_groups

DRAWS = 40_000


def law(x: list[int], n: list[int], reference: int | None = None) -> tuple[float, float]:
    """(probability of a larger widest gap than the one seen, of one as large) where people change groups by chance."""
    total, pairs = sum(x), [p for p in combinations(range(len(n)), 2) if reference is None or reference in p]

    def widest(k: tuple[int, ...] | list[int]) -> float:
        return max(abs(k[i] / n[i] - k[j] / n[j]) / math.sqrt(1 / n[i] + 1 / n[j]) for i, j in pairs)

    seen, above, level = widest(x), 0, 0
    for k in product(*(range(m + 1) for m in n)):
        if sum(k) == total:
            ways = math.prod(math.comb(m, c) for m, c in zip(n, k, strict=True))
            here = widest(k)
            above += ways * (here > seen + 1e-9)
            level += ways * (abs(here - seen) <= 1e-9)
    every = math.comb(sum(n), total)
    return above / every, level / every


@pytest.mark.parametrize(
    "x, n, reference",
    [
        ([3, 6, 9], [10, 12, 14], None),
        ([6, 2, 3], [8, 8, 8], None),
        ([1, 5, 3], [5, 9, 11], None),
        ([1, 4, 1, 3], [5, 5, 5, 5], None),
        ([3, 6, 9], [10, 12, 14], 1),
        ([6, 2, 3], [8, 8, 8], 2),
    ],
)
def test_tables_as_far_as_the_one_seen_count_one_half(x: list[int], n: list[int], reference: int | None) -> None:
    above, level = law(x, n, reference)
    p = largest_gap([(x, n)], seed=1, draws=DRAWS, reference=reference).p_value
    assert p is not None
    right = above + level / 2
    error = 4 * math.sqrt(right * (1 - right) / DRAWS) + 1 / DRAWS
    assert abs(p - right) <= error
    assert level / 2 > 2 * error, "counting them whole, or not at all, would be seen"


@pytest.mark.parametrize("draws", [1, 3])
def test_a_draw_is_added_to_both_sides(draws: int) -> None:
    """(reached + 1) / (draws + 1): with so few draws the p-value can take these values alone."""
    seen = {largest_gap([([5, 6, 7], [10, 11, 13])], seed=s, draws=draws).p_value for s in range(40)}
    exact = {two_groups(5, 10, 7, 13) * 3}
    assert {round(v * (draws + 1) * 2) / 2 for v in seen - exact if v is not None} <= {
        k / 2 for k in range(2, 2 * draws + 3)
    }
    assert max(v for v in seen if v is not None) <= 1


def test_where_draws_cannot_tell_the_pair_furthest_apart_bounds_it() -> None:
    """None of the draws comes as far: the exact p-value of the widest pair times the pairs, against SciPy's law."""
    from scipy.stats import hypergeom

    x, n = [2, 20, 38], [40, 40, 40]
    p = largest_gap([(x, n)], seed=1, draws=200).p_value
    tables = np.arange(41)
    seen = hypergeom.pmf(tables, 80, 40, 40)
    pair = 2 * (seen[tables < 2].sum() + seen[tables == 2].sum() / 2)
    assert p == pytest.approx(3 * pair, rel=1e-9)
    against = largest_gap([(x, n)], seed=1, draws=200, reference=0).p_value
    assert against == pytest.approx(2 * pair, rel=1e-9), "against one group there are two pairs"


def test_where_draws_can_tell_they_decide() -> None:
    """The widest pair alone would say less than half of it times three."""
    x, n = [12, 20, 24], [40, 40, 40]
    p = largest_gap([(x, n)], seed=1, draws=DRAWS).p_value
    assert p is not None
    assert p != pytest.approx(3 * two_groups(12, 40, 24, 40), rel=1e-6)
    assert p < 3 * two_groups(12, 40, 24, 40)
