"""Reweighing: weighted parity is exact for any groups; resampling draws each row as often as its weight asks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.errors import DataError
from debias.methods.weights import resample, reweigh


def test_by_hand() -> None:
    """Kamiran & Calders: 10 people, P(f) = .4, P(+) = .5, P(f, +) = .1, so w(f, +) = .2 / .1 = 2."""
    group = np.array([0] * 4 + [1] * 6)
    label = np.array([1, 0, 0, 0, 1, 1, 1, 1, 0, 0])
    done = reweigh(group, label)
    assert done.weight == pytest.approx([2, 2 / 3, 2 / 3, 2 / 3, 0.75, 0.75, 0.75, 0.75, 1.5, 1.5])
    assert (done.smallest, done.largest) == pytest.approx((2 / 3, 2))
    assert done.effective_n == pytest.approx(100 / (4 + 4 / 3 + 4 * 0.5625 + 4.5))


def test_one_sided_group_is_named_and_the_rest_is_level() -> None:
    group = np.array([0, 0, 0, 1, 1, 1, 1, 2, 2])
    label = np.array([1, 0, 0, 1, 1, 1, 0, 1, 1])
    done = reweigh(group, label)
    assert done.one_sided == (2,)
    shares = [np.average(label[group == g], weights=done.weight[group == g]) for g in (0, 1)]
    assert shares[0] == pytest.approx(shares[1])
    assert done.weight.sum() == pytest.approx(9)


def test_one_outcome_is_refused() -> None:
    with pytest.raises(DataError, match="one outcome only"):
        reweigh(np.array([0, 1]), np.array([1, 1]))


@given(st.data())
def test_parity_is_exact_for_any_groups_and_survey_weights(data: st.DataObject) -> None:
    """Property: the same weighted share of the outcome in every group, the sum of weights kept, inputs not touched."""
    groups = data.draw(st.integers(1, 7))
    n = data.draw(st.integers(2 * groups, 80))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    group = np.concatenate([np.repeat(np.arange(groups), 2), rng.integers(0, groups, n - 2 * groups)])
    label = np.concatenate([np.tile([0, 1], groups), rng.integers(0, 2, n - 2 * groups)])
    weight = rng.uniform(0.01, 50, n) if data.draw(st.booleans()) else None
    kept = [a.copy() for a in (group, label)]
    done = reweigh(group, label, weight)
    shares = [np.average(label[group == g], weights=done.weight[group == g]) for g in range(groups)]
    assert max(shares) - min(shares) < 1e-12
    assert done.weight.sum() == pytest.approx(n if weight is None else weight.sum())
    assert (done.weight > 0).all()
    assert np.array_equal([group, label], kept)


@given(st.integers(0, 2**32 - 1), st.integers(1, 200))
def test_resampling_draws_within_one_of_the_weight(seed: int, n: int) -> None:
    weight = np.random.default_rng(seed).exponential(size=n)
    rows = resample(weight, seed)
    assert len(rows) == n
    times = np.bincount(rows, minlength=n)
    assert (np.abs(times - weight / weight.sum() * n) < 1 + 1e-9).all()
    assert np.array_equal(rows, resample(weight, seed))


def test_resampling_reaches_parity_too() -> None:
    rng = np.random.default_rng(4)
    group = rng.integers(0, 2, 20_000)
    label = (rng.random(20_000) < np.where(group == 1, 0.5, 0.2)).astype(int)
    rows = resample(reweigh(group, label).weight, 0)
    shares = [label[rows][group[rows] == g].mean() for g in (0, 1)]
    assert abs(shares[0] - shares[1]) < 0.01
