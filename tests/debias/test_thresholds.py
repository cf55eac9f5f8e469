"""Group thresholds and the matched baseline's threshold."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from debias.compare import matched_threshold
from debias.methods.thresholds import group_thresholds


def people(seed: int = 0, n: int = 3000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 3, n)
    score = np.clip(rng.normal(0.4 + 0.15 * group, 0.2), 0, 1)
    label = (rng.random(n) < score).astype(np.int64)
    return score, label, group


@pytest.mark.parametrize("tolerance", [0.0, 0.02, 0.1])
@pytest.mark.parametrize("merit", [None, 0, 1])
def test_rates_lie_within_the_tolerance(tolerance: float, merit: int | None) -> None:
    score, label, group = people()
    among = np.ones(len(score), dtype=bool) if merit is None else label == merit
    done = group_thresholds(score, label, group, 3, among, tolerance, 0.5)
    rates = [done.decide(score, group)[among & (group == g)].mean() for g in range(3)]
    # Without ties a rate can be met to within half a person of the smallest group.
    assert max(rates) - min(rates) <= max(tolerance, 1 / 200) + 1e-9
    assert done.gap == pytest.approx(max(rates) - min(rates))


def test_more_tolerance_never_costs_accuracy() -> None:
    score, label, group = people(1)
    right = []
    for tolerance in (0.01, 0.05, 0.2, 1.0):
        done = group_thresholds(score, label, group, 3, np.ones(len(score), dtype=bool), tolerance, 0.5)
        right.append(float((done.decide(score, group) == label).mean()))
    assert right == sorted(right)


def test_a_group_never_seen_gets_the_stated_default() -> None:
    """Trap 6: no crash, and the rule for it is written down."""
    score, label, group = people(2)
    done = group_thresholds(score, label, group, 3, np.ones(len(score), dtype=bool), 0.05, 0.7)
    assert done.decide(np.array([0.69, 0.71]), np.array([9, -1])).tolist() == [0, 1]


def test_a_small_group_keeps_the_default() -> None:
    score, label, group = people(3)
    group = np.where(np.arange(len(group)) < 10, 3, group)
    done = group_thresholds(score, label, group, 4, np.ones(len(score), dtype=bool), 0.05, 0.5)
    assert done.defaulted == (3,)
    assert done.threshold[3] == 0.5


@given(st.lists(st.integers(0, 20), min_size=1, max_size=60), st.floats(0, 1))
def test_matched_threshold_is_the_nearest_there_is(values: list[int], target: float) -> None:
    score = np.array(values) / 20
    threshold, share = matched_threshold(score, target)
    assert (score >= threshold).mean() == pytest.approx(share)
    possible = [(score >= t).mean() for t in [*np.unique(score), 2.0]]
    assert abs(share - target) == pytest.approx(min(abs(p - target) for p in possible))


def test_matched_threshold_by_hand() -> None:
    score = np.array([0.1, 0.2, 0.3, 0.4, 0.5])
    assert matched_threshold(score, 0.4) == (pytest.approx(0.35), pytest.approx(0.4))
    assert matched_threshold(score, 1.0)[1] == 1.0
    assert matched_threshold(score, 0.0)[1] == 0.0
    weight = np.array([1.0, 1, 1, 1, 6])
    assert matched_threshold(score, 0.6, weight) == (pytest.approx(0.45), pytest.approx(0.6))


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("weighted", [False, True])
def test_no_other_thresholds_within_the_tolerance_decide_more_people_right(seed: int, weighted: bool) -> None:
    """Against every pair of thresholds there is: groups of 12 and 8, so that rates differ by whole 24ths."""
    rng = np.random.default_rng(seed)
    group = np.repeat([0, 1], [12, 8])
    score = rng.permutation(20) / 20 if seed % 2 else rng.integers(0, 8, 20) / 8
    label = (rng.random(20) < 0.3 + 0.4 * score).astype(np.int64)
    weight = rng.integers(1, 4, 20).astype(float) if weighted else np.ones(20)
    tolerance = 0.23
    everyone = np.ones(20, dtype=bool)
    done = group_thresholds(score, label, group, 2, everyone, tolerance, 0.5, weight, least=8)
    best = -1.0
    for cuts in itertools.product([*np.unique(score), 2.0], repeat=2):
        positive = score >= np.array(cuts)[group]
        rates = [np.average(positive[group == g], weights=weight[group == g]) for g in (0, 1)]
        # The search goes over centres of the two rates, 1/400 apart: it may pass over what is nearer to the tolerance.
        if abs(rates[0] - rates[1]) <= tolerance - 0.005:
            best = max(best, float(weight[(positive == label)].sum()))
    mine = done.decide(score, group)
    assert done.met
    assert done.gap <= tolerance + 1e-9
    assert weight[mine == label].sum() >= best


def test_a_group_of_exactly_the_least_chooses_its_own() -> None:
    score, label = np.tile(np.arange(10) / 10, 2), np.tile(np.arange(10) >= 5, 2).astype(np.int64)
    group = np.repeat([0, 1], 10)
    everyone = np.ones(20, dtype=bool)
    assert group_thresholds(score, label, group, 2, everyone, 0.1, 0.9, least=10).defaulted == ()
    assert group_thresholds(score, label, group, 2, everyone, 0.1, 0.9, least=11).defaulted == (0, 1)
