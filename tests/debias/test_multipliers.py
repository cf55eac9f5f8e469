"""What constrained boosting pulls on is the derivative of its Lagrangian, here taken by SciPy from the definition."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from debias.methods.bounds import Bound, bounds_of
from debias.methods.multipliers import GapMultipliers, LossMultipliers

GROUP = np.repeat([0, 1, 2, -1], [50, 30, 20, 10])
RATES = np.array([0.61, 0.35, 0.44])


def bound() -> Bound:
    return Bound("sex", GROUP, 3)


def lagrangian(above: np.ndarray, below: np.ndarray, slack: float) -> Callable[[np.ndarray], float]:
    def value(rates: np.ndarray) -> float:
        away = rates - (rates.max() + rates.min()) / 2
        return float(above @ (away - slack) + below @ (-away - slack))

    return value


@pytest.mark.parametrize("seed", range(4))
def test_the_pull_of_a_gap(seed: int) -> None:
    rng = np.random.default_rng(seed)
    kind = GapMultipliers(bound(), np.ones(110), np.ones(110, dtype=bool), 0.1, 1.0)
    kind.above, kind.below = rng.random(3), rng.random(3)
    by_rate = approx_fprime(RATES, lagrangian(kind.above, kind.below, 0.05), 1e-7)
    # A row moves its group's rate by one over the group's size; prices are a row's, in shares of all rows.
    assert kind.price(RATES) == pytest.approx([0.0, *(by_rate / (np.array([50, 30, 20]) / 110))], abs=1e-5)


def test_a_gap_raises_the_multipliers_of_the_two_ends() -> None:
    kind = GapMultipliers(bound(), np.ones(110), np.ones(110, dtype=bool), 0.1, 2.0)
    kind.rise(RATES)
    middle = (0.61 + 0.35) / 2
    step = 2.0 * np.array([50, 30, 20]) / 110
    assert kind.above == pytest.approx(step * [0.61 - middle - 0.05, 0, 0])
    assert kind.below == pytest.approx(step * [0, middle - 0.35 - 0.05, 0])
    assert kind.multipliers() == pytest.approx(list(kind.above - kind.below))
    assert kind.width(np.array([0.3, np.nan, 0.8])) == pytest.approx(0.5)
    assert kind.width(np.full(3, np.nan)) is None


def test_a_group_over_its_error_counts_more_and_an_empty_one_stays() -> None:
    kind = LossMultipliers(bound(), np.ones(110), np.ones(110, dtype=bool), 0.05, 1.0, 0.3)
    kind.rise(np.array([0.45, np.nan, 0.32]))
    assert kind.above == pytest.approx([0.1 * 50 / 110, 0.0, 0.0])
    kind.rise(np.array([0.25, np.nan, 0.32]))
    assert kind.above == pytest.approx([0.0, 0.0, 0.0])
    kind.rise(np.array([0.45, 0.45, 0.45]))
    assert kind.price(RATES) == pytest.approx([0.0, 0.1, 0.1, 0.1])
    assert kind.width(np.array([0.3, np.nan, 0.8])) == pytest.approx(0.5)


def test_which_groups_a_constraint_binds() -> None:
    """Sizes are counted among the rows learned from that the constraint is about; who is too small is named."""
    group = np.repeat([0, 1, 2], [40, 30, 30])
    label = np.tile([0, 1], 50)
    learn = np.arange(100) % 10 < 8
    by = [("sex", group)]
    whole, small = bounds_of("demographic_parity", by, label, 1, learn, least=24)
    assert (whole[0].name, whole[0].groups, small) == ("sex", 3, [])
    assert whole[0].group.tolist() == group.tolist()
    merit, small = bounds_of("equal_opportunity", by, label, 1, learn, least=13)
    assert small == [("sex", 1, 12), ("sex", 2, 12)]
    assert merit == []
    odds, small = bounds_of("equalized_odds", by, label, 1, learn, least=12)
    assert [b.name for b in odds] == ["sex among positives", "sex among negatives"]
    assert small == []
    assert odds[0].group.tolist() == np.where(label == 1, group, -1).tolist()
    assert odds[1].group.tolist() == np.where(label == 0, group, -1).tolist()
