"""Small seeded simulations: intervals hold the truth and tests raise false alarms as often as they say.

bench/coverage.py is the large one. Bounds are the promise less three standard errors of the runs made here.
"""

from __future__ import annotations

import numpy as np
import pytest

from audit.stats import largest_gap, mean_gap, newcombe, wilson

SIZES = {2: [100, 2000], 3: [100, 450, 2000], 10: [100, 140, 195, 270, 380, 530, 740, 1030, 1440, 2000]}


def rates(groups: int, base: float, gap: float | str) -> np.ndarray:
    if gap == "spread":
        return base + np.linspace(0, 0.2, groups)
    return base + np.array([float(gap)] + [0.0] * (groups - 1))


def error(share: float, runs: int) -> float:
    return 3 * float(np.sqrt(share * (1 - share) / runs))


@pytest.mark.parametrize("base", [0.1, 0.3, 0.5])
def test_single_rates_and_differences_cover_93_to_97_percent(base: float) -> None:
    runs, rng = 4000, np.random.default_rng(1)
    truth, n = base + np.array([0, 0, 0.05, 0.2]), np.array([100, 450, 1000, 2000])
    x = rng.binomial(n, truth, size=(runs, 4))
    low, high = wilson(x, n)
    for covered in ((low <= truth) & (truth <= high)).mean(axis=0):
        assert 0.93 - error(0.93, runs) <= covered <= 0.97 + error(0.97, runs)
    i, j = np.triu_indices(4, 1)
    low, high = newcombe(x[:, i], n[i], x[:, j], n[j])
    d = truth[i] - truth[j]
    for covered in ((low <= d) & (d <= high)).mean(axis=0):
        assert 0.93 - error(0.93, runs) <= covered <= 0.97 + error(0.97, runs)


@pytest.mark.parametrize(
    ("groups", "base", "gap"),
    [
        (2, 0.1, 0), (2, 0.3, 0.05), (2, 0.5, 0.2),
        (3, 0.3, 0), (3, 0.5, 0.05), (3, 0.1, 0.2), (3, 0.3, "spread"),
        (10, 0.5, 0), (10, 0.3, 0.05), (10, 0.5, 0.2), (10, 0.1, "spread"),
    ],
)  # fmt: skip
def test_the_largest_gap_is_covered_without_needless_width(groups: int, base: float, gap: float | str) -> None:
    runs, rng, truth = 150, np.random.default_rng(7), rates(groups, base, gap)
    real, quotient = float(np.ptp(truth)), float(truth.min() / truth.max())
    top, bottom = (int(truth.argmax()), int(truth.argmin())) if real else (0, 1)
    inside = of_ratio = 0
    width = known = 0.0
    for run in range(runs):
        n = rng.permutation(SIZES[groups])
        x = rng.binomial(n, truth)
        result = largest_gap([(x, n)], seed=run, draws=500)
        ratio = largest_gap([(x, n)], seed=run, draws=500, kind="ratio")
        assert result.low is not None
        assert result.high is not None
        assert ratio.low is not None
        assert ratio.high is not None
        inside += result.low <= real + 1e-12 and real <= result.high
        of_ratio += ratio.low <= quotient and quotient <= ratio.high + 1e-12
        width += result.high - result.low
        low, high = newcombe(x[top], n[top], x[bottom], n[bottom])
        known += float(high - low)
    assert inside / runs >= 0.94 - error(0.94, runs)
    assert of_ratio / runs >= 0.94 - error(0.94, runs)
    assert width / known <= 1.5


@pytest.mark.parametrize(("groups", "base", "runs"), [(2, 0.3, 1000), (3, 0.1, 800), (10, 0.3, 400)])
def test_without_a_gap_the_test_rejects_in_4_to_6_percent(groups: int, base: float, runs: int) -> None:
    rng, result = np.random.default_rng(11), 0
    for run in range(runs):
        n = rng.permutation(SIZES[groups])
        p = largest_gap([(rng.binomial(n, base), n)], seed=run, draws=400).p_value
        assert p is not None
        result += p <= 0.05
    assert 0.04 - error(0.04, runs) <= result / runs <= 0.06 + error(0.06, runs)


def test_trap_1_the_percentile_bootstrap_never_holds_no_gap_and_ours_does() -> None:
    rng = np.random.default_rng(3)
    n = np.array(SIZES[3])
    bootstrap = ours = 0
    for run in range(200):
        x = rng.binomial(n, 0.3)
        gaps = np.ptp(rng.binomial(n, x / n, size=(500, 3)) / n, axis=1)
        bootstrap += np.quantile(gaps, 0.025) <= 0
        ours += largest_gap([(x, n)], seed=run, draws=400).low == 0
    assert bootstrap == 0
    assert ours / 200 >= 0.94 - error(0.94, 200)


@pytest.mark.parametrize(("groups", "gap"), [(2, 0), (3, 0.2), (10, 0), (10, "spread")])
def test_the_gap_of_averages_keeps_its_promises(groups: int, gap: float | str) -> None:
    runs, rng, truth = 400, np.random.default_rng(5), rates(groups, 0.5, gap)
    inside = result = 0
    for run in range(runs):
        n = rng.permutation(SIZES[groups])
        errors = np.sqrt(rng.chisquare(n - 1) / (n - 1) / n)
        seen = mean_gap(truth + rng.standard_normal(groups) / np.sqrt(n), errors, seed=run, draws=500)
        assert seen.low is not None
        assert seen.high is not None
        assert seen.p_value is not None
        inside += seen.low <= np.ptp(truth) + 1e-12 and np.ptp(truth) <= seen.high
        result += seen.p_value <= 0.05
    assert inside / runs >= 0.94 - error(0.94, runs)
    if not gap:
        assert 0.04 - error(0.04, runs) <= result / runs <= 0.06 + error(0.06, runs)
