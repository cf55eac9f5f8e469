"""Unequal weights, and weights that say something of the outcome: degrees of freedom, tests, average scores.

References: SciPy's Student quantiles and permutation_test; simulation with the truth known.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import permutation_test, t

from audit.cube import CodedRows, Margin, Meaning, cube_of, margins_of
from audit.fractions import effective, fractions
from audit.metrics import metrics_for
from audit.score_rates import averages_of
from audit.stats import effective_size, largest_gap, means_p

MEANING = Meaning("1", "0", "1")
SELECTION = next(m for m in metrics_for(MEANING) if m.name == "selection_rate")


def margin(group: np.ndarray, decision: np.ndarray, weight: np.ndarray, score: np.ndarray | None = None) -> Margin:
    names = tuple(f"g{i}" for i in range(int(group.max()) + 1))
    label = np.zeros(len(group), dtype=np.int64) if score is not None else np.full(len(group), 2)
    rows = CodedRows(("g",), (names,), group[:, None], label, decision.astype(np.int64), weight, score, MEANING)
    return margins_of(cube_of(rows))[0][1]


def test_a_variance_that_few_heavy_rows_make_up_has_their_degrees_of_freedom() -> None:
    """Each outcome has one weight here, so that Satterthwaite's number follows from the rows exactly."""
    y, w = np.repeat([1.0, 0.0], [5, 200]), np.repeat([8.0, 1.0], [5, 200])
    p = np.average(y, weights=w)
    v = w**2 * (y - p) ** 2
    equal = p * (1 - p) / ((1 - p) ** 3 + p**3) * len(y)
    quotient = t.ppf(0.975, v.sum() ** 2 / (v**2).sum()) / t.ppf(0.975, equal)
    kish = w.sum() ** 2 / (w**2).sum()
    own = v.sum() / w.sum() ** 2 / (p * (1 - p))
    expected = 1 / ((5 * own + 1 / kish) / 6 * quotient**2)
    _, _, result = fractions(margin(np.zeros(205, dtype=np.int64), y, w), SELECTION)
    assert result[0] == pytest.approx(expected, rel=0.02)
    one = np.ones(205)
    _, _, alike = fractions(margin(np.zeros(205, dtype=np.int64), y, 8 * one), SELECTION)
    assert alike[0] == pytest.approx(205)


def test_a_group_that_lacks_heavy_rows_by_chance_is_not_surer_than_the_others() -> None:
    """A fifth of the rows weigh four times as much and are decided otherwise, in ten groups of twenty alike."""
    rng, fired = np.random.default_rng(0), np.zeros(2)
    for seed in range(100):
        heavy = rng.random(200) < 0.2
        decision = rng.random(200) < np.where(heavy, 0.5, 0.05)
        result = margin(np.arange(200) % 10, decision, np.where(heavy, 2.5, 0.625))
        x, n, own = fractions(result, SELECTION)
        for k, counts in enumerate(((x / n * own, own), effective(result, [SELECTION])["selection_rate"])):
            p = largest_gap([counts], seed=seed, draws=300).p_value
            fired[k] += p is not None and p <= 0.05
    assert fired[1] <= 5 + 2 * 2.2
    assert fired[0] > fired[1] + 3


def test_groups_that_are_large_keep_their_own_variance() -> None:
    rng = np.random.default_rng(1)
    group = np.repeat([0, 1], 20_000)
    weight = np.where(group == 0, 1.0, rng.lognormal(0, 1, 40_000))
    result = margin(group, rng.random(40_000) < 0.3, weight)
    _, _, own = fractions(result, SELECTION)
    _, used = effective(result, [SELECTION])["selection_rate"]
    assert used == pytest.approx(own, rel=0.005)


def test_scores_are_permuted_with_their_weights() -> None:
    """Every one of the 6,435 ways to divide 15 rows over two groups, by SciPy, with the same statistic."""
    rng = np.random.default_rng(21)
    score, weight = rng.beta(0.6, 3, 15), rng.lognormal(0, 1.5, 15)
    group = np.repeat([0, 1], [7, 8])
    for g in (0, 1):
        weight[group == g] /= weight[group == g].mean()  # so that no scale of a group's weights is at play
    x = score - np.average(score, weights=weight)
    spread = np.average(x**2, weights=weight)

    def apart(*sides: np.ndarray) -> float:
        value, variance = [], 0.0
        for i in sides:
            w, s = weight[i.astype(int)], x[i.astype(int)]
            value.append(np.average(s, weights=w))
            variance += (np.sum(w**2 * (s - value[-1]) ** 2) + spread * np.mean(w**2)) / w.sum() ** 2
        return float(abs(value[0] - value[1]) / np.sqrt(variance))

    rows = np.arange(15.0)
    whole = permutation_test((rows[:7], rows[7:]), apart, alternative="greater", n_resamples=np.inf, vectorized=False)
    cells = [np.array([np.where(group == g, v, 0.0) for g in (0, 1)]) for v in (np.ones(15), weight, weight**2)]
    result = means_p(score, cells[0], seed=0, weights=(cells[0], cells[1], cells[2]))
    # Draws stop once fifty of them reach what was seen: a relative error of a seventh.
    assert result == pytest.approx(whole.pvalue, rel=0.45)
    assert means_p(score, cells[0], seed=0, weights=(cells[0], 3 * cells[0], 9 * cells[0])) == pytest.approx(
        means_p(score, cells[0], seed=0), rel=0.45
    )


def test_average_scores_hold_with_weights_that_rise_with_the_score() -> None:
    """On scaled counts alone such limits held in 84 of 100."""
    rng = np.random.default_rng(3)

    def draw(n: int) -> tuple[np.ndarray, np.ndarray]:
        score = rng.beta(0.5, 4, n)
        good = rng.random(n) < np.clip(0.1 + 1.5 * score, 0, 1)
        return score, np.exp(rng.normal(0, 0.6, n) + 3 * score + 0.5 * good)

    score, weight = draw(1_000_000)
    truth, held = np.average(score, weights=weight), 0
    for _ in range(400):
        score, weight = draw(30)
        low, high = averages_of(margin(np.zeros(30, dtype=np.int64), score >= 0.5, weight, score)).limits(0.05)
        held += low[0] <= truth <= high[0]
    assert held / 400 >= 0.93 - 2 * np.sqrt(0.05 * 0.95 / 400)


def test_nobody_counted_has_no_size() -> None:
    nothing = np.zeros(2)
    assert effective_size(nothing, nothing, (nothing, nothing, nothing), nothing, nothing).tolist() == [0, 0]
