"""The bound on what more search could gain: it covers in planted runs, however the search is stopped."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from debias.search_bound import better_share, bound_of

RUNS = 400


@pytest.mark.parametrize("shape", [(1.0, 1.0), (0.3, 4.0), (6.0, 2.0)])
def test_the_bound_covers_in_95_of_100_planted_searches_stopped_as_one_likes(shape: tuple[float, float]) -> None:
    """Gaps drawn from a known law; each search stops where its own bound looks worst beside the truth."""
    from scipy.stats import beta

    rng = np.random.default_rng(16)
    bounds = np.array([better_share(n) for n in range(1, 201)])
    covered = fixed = 0
    for _ in range(RUNS):
        gaps = rng.beta(*shape, size=200)
        truth = beta.cdf(np.minimum.accumulate(gaps), *shape)
        covered += bool((truth <= bounds).all())
        fixed += bool(truth[39] <= bounds[39])
    assert covered >= 0.95 * RUNS
    assert fixed >= 0.95 * RUNS


def test_a_bound_for_one_size_alone_would_not_cover_when_stopped_as_one_likes() -> None:
    """The reason for the parts of alpha: 1 - a**(1/n), looked at again and again, misses far more often."""
    rng = np.random.default_rng(16)
    naive = 1 - 0.05 ** (1 / np.arange(1, 201))
    missed = sum(bool((np.minimum.accumulate(rng.random(200)) > naive).any()) for _ in range(RUNS))
    assert missed > 0.1 * RUNS


def test_the_bound_shrinks_and_is_of_the_order_of_one_over_n() -> None:
    shares = [better_share(n) for n in (0, 1, 5, 30, 100, 1000)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == 1.0
    assert 0.05 < shares[4] < 0.12


def ends(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.01, "high": value + 0.01}


def document(gaps: list[tuple[float, float]], **asked: Any) -> dict[str, Any]:
    trial = {"trial": 0, "method": "x", "title": "X", "parameters": {}, "front": False}
    trials = [trial | {"failed": None, "loss": ends(loss), "gap": ends(gap)} for loss, gap in gaps]
    trials.append(trial | {"failed": "no fit", "loss": None, "gap": None})
    asked = {"constraint": "demographic_parity", "metric": "selection_rate", "attributes": ["sex"], "seed": 0} | asked
    return {"asked": asked, "original": {"loss": ends(0.1), "gap": ends(0.2)}, "trials": trials}


def test_only_candidates_within_the_acceptable_loss_count_and_failed_ones_are_draws() -> None:
    record = bound_of(document([(0.105, 0.12), (0.2, 0.01)], at_random=True, acceptable_loss=0.01))
    assert record is not None
    assert (record.n, record.best) == (3, 0.12)
    assert record.share == better_share(3)
    none_better = bound_of(document([(0.2, 0.01)], at_random=True))
    assert none_better is not None
    assert none_better.best == 0.2
    assert bound_of(document([(0.1, 0.1)])) is None, "an adaptive search is no sample of its space"
