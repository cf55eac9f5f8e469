"""Permutation tests of averages and areas: against every permutation written out, SciPy, and their own level."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import kstest, mannwhitneyu, permutation_test

from audit.stats import areas_p, limits_gap, mean_gap, means_p
from audit.stats.means import Averages
from audit.stats.permute import _tail_of_means, normal_tail
from audit.stats.permute_areas import areas_and_variances


def table(values: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """at (S,) and people per group and score (G, S)."""
    at = np.unique(values)
    n = np.array([[np.sum((values == v) & (groups == g)) for v in at] for g in np.unique(groups)], dtype=float)
    return at, n


def studentised(a: np.ndarray, b: np.ndarray) -> float:
    """The statistic by hand: blended variances as the module says."""
    pooled = np.concatenate([a, b]).var()
    spread = [(((x - x.mean()) ** 2).sum() + pooled) / len(x) ** 2 for x in (a, b)]
    return float((a.mean() - b.mean()) ** 2 / sum(spread))


@pytest.mark.parametrize("seed", range(4))
def test_the_test_of_two_averages_is_that_of_every_permutation(seed: int) -> None:
    """SciPy writes out all 462 ways to choose 5 of 11; 20,000 draws are within three standard errors of it."""
    rng = np.random.default_rng(seed)
    a, b = rng.exponential(1, 5), rng.exponential(1.0 + 2 * (seed % 2), 6)
    exact = permutation_test((a, b), studentised, vectorized=False, n_resamples=np.inf, alternative="greater").pvalue
    at, n = table(np.concatenate([a, b]), np.repeat([0, 1], [5, 6]))
    result = means_p(at, n, seed=seed, draws=20_000)
    assert result == pytest.approx(exact, rel=0.45)  # 50 draws beyond it: one in seven, three times
    assert means_p(at, n[::-1], seed=seed, draws=20_000) == result


def test_the_test_of_two_areas_is_that_of_every_permutation_within_outcomes() -> None:
    rng = np.random.default_rng(2)
    p, n = rng.normal(1, 1, 6), rng.normal(0, 1, 6)
    both = np.sort(np.concatenate([p, n]))

    def statistic(mine: tuple[int, ...], other: tuple[int, ...]) -> float:
        sides = []
        for chosen, values in ((mine, p), (other, n)):
            inside = np.isin(np.arange(6), chosen)
            sides.append(np.array([[np.sum(values[m] == v) for v in both] for m in (inside, ~inside)], dtype=float))
        area, variance = areas_and_variances(*sides)
        return float((area[0] - area[1]) ** 2 / variance.sum())

    ways = list(combinations(range(6), 3))
    seen = statistic((0, 1, 2), (3, 4, 5))
    every = np.array([statistic(a, b) for a in ways for b in ways])
    exact = np.mean(every >= seen - 1e-9)
    first = [
        np.array([[np.sum(v[m] == x) for x in both] for m in (np.arange(6) < 3, np.arange(6) >= 3)], dtype=float)
        for v in (p, n)
    ]
    first[1] = first[1][::-1]
    assert areas_p(first[0], first[1], seed=1, draws=20_000) == pytest.approx(exact, rel=0.45)


def test_areas_are_those_of_scipy() -> None:
    rng = np.random.default_rng(1)
    p, n = rng.integers(2, 9, 40), rng.integers(0, 7, 60)
    levels = np.arange(10)
    area, _ = areas_and_variances(*(np.array([[np.sum(x == v) for v in levels]], dtype=float) for x in (p, n)))
    assert area[0] == pytest.approx(mannwhitneyu(p, n).statistic / (40 * 60))


@pytest.mark.parametrize("sizes", [(10, 10), (12, 12, 50), (12, 1600)])
def test_without_a_difference_p_values_are_even_and_small_ones_seldom(sizes: tuple[int, ...]) -> None:
    """Skewed scores, 200 runs, where normal tests reject in .09 to .17; three standard errors of .05 are .046."""
    rng, runs, groups = np.random.default_rng(7), 200, np.repeat(np.arange(len(sizes)), sizes)
    items = []
    for run in range(runs):
        at, n = table(np.round(rng.beta(0.5, 4, len(groups)), 3), groups)
        items.append(means_p(at, n, seed=run, draws=400))
    assert np.mean(np.array(items) <= 0.05) <= 0.095
    assert np.mean(np.array(items) <= 0.0017) <= 0.01
    if max(sizes) < 100:
        assert kstest(items, "uniform").pvalue > 0.001


def test_without_a_difference_the_test_of_areas_keeps_its_level() -> None:
    rng, runs, groups = np.random.default_rng(9), 120, np.repeat([0, 1, 2], [12, 25, 60])
    rejected = 0
    for run in range(runs):
        score = np.round(rng.random(len(groups)), 2)
        y = rng.random(len(groups)) < score
        if min(min(np.sum(y[groups == g]), np.sum(~y[groups == g])) for g in range(3)) < 2:
            continue
        sides = [
            np.array(
                [[np.sum((score == v) & (groups == g) & s) for v in np.unique(score)] for g in range(3)], dtype=float
            )
            for s in (y, ~y)
        ]
        rejected += areas_p(*sides, seed=run, draws=300) <= 0.05
    assert rejected / runs <= 0.11


def test_a_difference_beyond_the_draws_has_a_p_value_that_bounds_that_of_every_permutation() -> None:
    """Ten zeros beside ten ones: 2 of 184,756 ways are as far apart."""
    p = means_p(np.array([0.0, 1.0]), np.array([[10.0, 0.0], [0.0, 10.0]]), seed=1)
    assert 2 / 184_756 <= p <= 1 / 2001
    many = means_p(np.arange(3.0), np.array([[900.0, 80.0, 20.0], [20.0, 80.0, 900.0]]), seed=1)
    assert 0 < many < 1e-50
    assert areas_p(np.array([[5.0, 400.0], [400.0, 400.0]]), np.array([[400.0, 5.0], [400.0, 400.0]]), seed=1) < 1e-6


@pytest.mark.parametrize("size", [6, 9])
def test_the_tails_bounds_are_bounds(size: int) -> None:
    rng = np.random.default_rng(size)
    values = np.sort(rng.exponential(1, 2 * size))
    eye = np.eye(2 * size)
    a, b = eye[size:].sum(axis=0), eye[:size].sum(axis=0)
    ways = [values[list(c)].sum() for c in combinations(range(2 * size), size)]
    exact = np.mean(np.abs(np.array(ways) - values.sum() / 2) >= abs(values[size:].sum() - values.sum() / 2) - 1e-9)
    assert _tail_of_means(values, a, b) >= exact
    assert normal_tail(3.0, 0.0, 100.0) == pytest.approx(0.0026998, rel=1e-4)


def test_equal_scores_give_a_p_value_of_one_and_groups_renamed_the_same() -> None:
    assert means_p(np.array([0.5]), np.array([[10.0], [20.0]]), seed=3) == 1.0
    rng = np.random.default_rng(5)
    n = rng.integers(0, 9, (4, 30)).astype(float)
    order = np.array([2, 0, 3, 1])
    at = np.sort(rng.random(30))
    assert means_p(at, n, seed=3) == means_p(at, n[order], seed=3)
    assert areas_p(n, n[::-1], seed=3) == areas_p(n[order], n[::-1][order], seed=3)
    one, other = means_p(at, n, seed=3, reference=2), means_p(at, n[order], seed=3, reference=0)
    assert one == other


def test_averages_of_which_only_errors_are_known_have_welchs_test() -> None:
    from statsmodels.stats.oneway import anova_oneway

    rng = np.random.default_rng(6)
    rows = [rng.normal(0, s, n) for s, n in ((1, 8), (2, 15), (5, 40))]
    means, errors = [r.mean() for r in rows], [r.std(ddof=1) / np.sqrt(len(r)) for r in rows]
    result = mean_gap(means, errors, sizes=[len(r) for r in rows])
    assert result.p_value == pytest.approx(
        anova_oneway(rows, use_var="unequal", welch_correction=True).pvalue, rel=1e-9
    )
    assert (result.high or 0) > (mean_gap(means, errors).high or 0)


def test_limits_of_an_average_follow_skewness_where_normal_ones_fall_short() -> None:
    rng, runs, held, plain = np.random.default_rng(3), 600, 0, 0
    for _ in range(runs):
        x = rng.beta(0.5, 4, 12)
        off = x - x.mean()
        result = Averages(
            *(np.array([v]) for v in (x.mean(), x.var(), (off**3).mean() / x.var() ** 1.5, 12.0)), 0.0, 1.0
        )
        low, high = result.limits(0.05)
        held += low[0] <= 1 / 9 <= high[0]
        plain += abs(x.mean() - 1 / 9) <= 1.96 * result.errors[0]
    assert held / runs >= 0.925
    assert plain / runs < 0.9


def test_scores_all_alike_are_not_certain() -> None:
    """Ten people with .3: at most 1 - (.025)^(1/10) of those they stand for have another score."""
    result = Averages(np.array([0.3]), np.zeros(1), np.zeros(1), np.array([10.0]), 0.0, 1.0)
    unseen = 1 - 0.025**0.1
    low, high = result.limits(0.05)
    assert (low[0], high[0]) == pytest.approx((0.3 - 0.3 * unseen, 0.3 + 0.7 * unseen))


def test_a_pairs_interval_is_put_together_from_the_groups_own() -> None:
    """MOVER by hand, two groups."""
    low, high = np.array([0.1, 0.5]), np.array([0.4, 0.75])
    result = limits_gap(
        np.array([0.2, 0.6]), np.array([0.1, 0.1]), lambda _: (low, high), p_value=lambda *_: 0.5, what="x",
        how="test",
    )  # fmt: skip
    assert (result.value, result.highest, result.p_value) == (pytest.approx(0.4), 1, 0.5)
    assert (result.low, result.high) == pytest.approx((0.4 - np.hypot(0.1, 0.2), 0.4 + np.hypot(0.15, 0.1)))
