"""Of many groups only pairs that can reach the gap seen are looked at: every pair of every draw is the reference."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

gap = importlib.import_module("audit.stats.gap")


@pytest.mark.parametrize("reference", [None, 5])
@pytest.mark.parametrize("even", [False, True])
def test_no_pair_that_counts_is_passed_over(reference: int | None, even: bool) -> None:
    rng = np.random.default_rng(3)
    groups, draws = gap.FEW_GROUPS + 15, 300
    n = np.full(groups, 20) if even else rng.integers(3, 300, groups)
    x = rng.binomial(n, 0.3)
    star = (rng.multivariate_hypergeometric(n, x.sum(), size=draws, method="marginals") / n).T
    pairs = gap._pairs(groups, reference)
    i, j = pairs
    scale = 1 / np.sqrt(1 / n[i] + 1 / n[j])
    largest = (np.abs(star[i] - star[j]) * scale[:, None]).max(axis=0)
    assert len(np.unique(largest)) > 5
    for seen in (*np.quantile(largest, [0, 0.2, 0.5, 0.9, 0.99, 1]), largest[0], largest.max() + 0.1, 0.4):
        expected = int((largest > seen + 1e-9).sum()), int((np.abs(largest - seen) <= 1e-9).sum())
        assert gap._beyond(star, n, x.sum() / n.sum(), pairs, scale, float(seen)) == expected
