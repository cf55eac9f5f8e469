"""Of many groups and draws only what can be the widest is looked at: every pair of every draw is the reference."""

from __future__ import annotations

import numpy as np
import pytest

from audit.stats import extremes
from audit.stats.gap import _pairs, largest_gap
from audit.stats.intervals import difference_limits, ratio_limits
from audit.stats.widest import BLOCK, beyond, spread, widest


@pytest.mark.parametrize("reference", [None, 5])
@pytest.mark.parametrize("even", [False, True])
@pytest.mark.parametrize("groups", [8, 190])
def test_no_pair_that_counts_is_passed_over(reference: int | None, even: bool, groups: int) -> None:
    rng = np.random.default_rng(3)
    draws = 300
    assert _pairs(8, None).shape[1] < BLOCK < _pairs(190, None).shape[1], "both ways of looking"
    n = np.full(groups, 20) if even else rng.integers(3, 300, groups)
    x = rng.binomial(n, 0.3)
    star = (rng.multivariate_hypergeometric(n, x.sum(), size=draws, method="marginals") / n).T
    pairs = _pairs(groups, reference)
    i, j = pairs
    scale = 1 / np.sqrt(1 / n[i] + 1 / n[j])
    largest = (np.abs(star[i] - star[j]) * scale[:, None]).max(axis=0)
    assert len(np.unique(largest)) > 5
    for seen in (*np.quantile(largest, [0, 0.2, 0.5, 0.9, 0.99, 1]), largest[0], largest.max() + 0.1, 0.4):
        expected = int((largest > seen + 1e-9).sum()), int((np.abs(largest - seen) <= 1e-9).sum())
        assert beyond(np.ascontiguousarray(star), n, x.sum() / n.sum(), pairs, scale, float(seen)) == expected


@pytest.mark.parametrize("groups", [3, 12, 40])
@pytest.mark.parametrize("lean", [0.0, 0.5, 5.0])
@pytest.mark.parametrize("correlated", [False, True])
def test_quantiles_of_the_widest_are_those_of_all_pairs(groups: int, lean: float, correlated: bool) -> None:
    rng = np.random.default_rng(groups)
    pairs = _pairs(groups, None)
    i, j = pairs
    variance = rng.gamma(2, 1, (groups, 2000))
    off = rng.normal(size=(groups, 2000)) * np.sqrt(variance)
    # A few pairs of no shortfall, the others short by more and more, as where one pair is surely the widest.
    away = lean * rng.random(len(i)) * (rng.random(len(i)) < 0.9)
    joint = np.full((groups, groups), 0.3) + 0.7 * np.eye(groups) if correlated else None
    both = variance[i] + variance[j] if joint is None else spread(variance[i], variance[j], 0.3)
    for short in (None, away):
        every = (np.abs(off[i] - off[j]) - (0 if short is None else short[:, None])) / np.sqrt(both)
        for level in (0.5, 0.95, 0.955, 0.995):
            result = widest(off, variance, pairs, level, short, joint)
            for asked in (level, (1 + level) / 2):
                assert np.quantile(result, asked) == np.quantile(every.max(axis=0), asked)


@pytest.mark.parametrize("kind", ["even", "uneven", "rare", "none in some", "alike"])
def test_the_widest_pair_and_its_limits_are_those_of_all_pairs(kind: str) -> None:
    groups = extremes.FROM + 30
    for seed in range(8):
        rng = np.random.default_rng(seed)
        n = np.full(groups, 40.0) if kind in ("even", "alike") else rng.integers(2, 400, groups).astype(float)
        rate = {"rare": 0.01, "none in some": 0.02}.get(kind, 0.4)
        x = np.full(groups, 9.0) if kind == "alike" else rng.binomial(n.astype(int), rate).astype(float)
        if kind == "none in some":
            x[:40] = 0
        if not x.any():
            continue
        p = x / n
        i, j = (a[~np.eye(groups, dtype=bool)] for a in np.indices((groups, groups)))
        a, b = extremes.of_differences(p, n, 3.9, 1.7)
        for z, side, best in ((3.9, 0, np.max), (1.7, 1, np.max)):
            every = difference_limits(p[i], n[i], p[j], n[j], z)[side]
            assert best(difference_limits(p[a], n[a], p[b], n[b], z)[side]) == best(every)
        assert (p[a] - p[b]).max() == (p[i] - p[j]).max()
        i, j = i[p[j] > 0], j[p[j] > 0]
        a, b = extremes.of_ratios(p, n, 3.9, 1.7)
        for z, side in ((1.7, 0), (3.9, 1)):
            every = ratio_limits(p[i], n[i], p[j], n[j], z)[side]
            assert ratio_limits(p[a], n[a], p[b], n[b], z)[side].min() == every.min()
        assert (p[a] / p[b]).min() == (p[i] / p[j]).min()


def test_which_groups_are_named_does_not_change_where_pairs_are_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(6):
        rng = np.random.default_rng(seed)
        n = rng.choice([20, 30], extremes.FROM + 20).astype(float)  # so that many groups are level
        x = rng.binomial(n.astype(int), 0.3).astype(float)
        strata = [(x, n), (n - x, n)]
        items = [largest_gap(strata, kind=k, draws=50) for k in ("difference", "ratio")]
        with monkeypatch.context() as m:
            m.setattr(extremes, "FROM", 10_000)
            assert items == [largest_gap(strata, kind=k, draws=50) for k in ("difference", "ratio")]
