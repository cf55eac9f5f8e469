"""Changes of shares from counts by batch: the test is Fisher's, the plan sums to alpha, and quiet feeds stay quiet."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import fisher_exact

from audit.watch.changes import FINE, History, always, changes, fisher, windows
from audit.watch.moves import ALL, SHARE, open_moves, seen

KEY = ("a",)


@pytest.mark.parametrize("rises", [True, False])
def test_the_p_value_is_fishers_and_never_smaller(rises: bool) -> None:
    rng = np.random.default_rng(0)
    before = np.stack([n := rng.integers(5, 400, 60), rng.binomial(n, 0.3)], axis=1)
    after = np.stack([n := rng.integers(5, 400, 60), rng.binomial(n, rng.choice([0.1, 0.3, 0.5], 60))], axis=1)
    result = fisher(before, after, rises=rises)
    for (n1, x1), (n2, x2), p in zip(before, after, result, strict=True):
        table = [[x2, n2 - x2], [x1, n1 - x1]]
        up, down = (fisher_exact(table, alternative=a).pvalue for a in ("greater", "less"))
        exact = up if rises else min(1.0, 2 * min(up, down))
        assert p >= exact * (1 - 1e-9)
        if exact < 0.01:
            assert p <= 1.35 * exact


def test_all_looks_together_spend_alpha_at_most() -> None:
    """A reference that is kept has its share once, for all looks; a window of the newest at each of its looks."""
    history, spent, kept = History.begin(first=3), 0.0, {}
    for batch in range(400):
        history = history.add(batch, {KEY: (10, 1)})
        for w in windows(history):
            if w.kept:
                kept.setdefault((w.share, history.of(KEY)[0][: w.bucket].sum()), w.share)
            else:
                spent += w.share
    assert 0.8 < spent + sum(kept.values()) <= 1


@pytest.mark.parametrize(("reference", "rate"), [(50, 0.15), (75, 0.4), (400, 0.05)])
@pytest.mark.parametrize("rises", [True, False])
def test_one_reference_may_be_looked_at_always(reference: int, rate: float, rises: bool) -> None:
    """Of 4,000 feeds without a change, over 60 looks each: the smallest p is below alpha in at most alpha of them."""
    rng, runs = np.random.default_rng(reference), 4000
    first = rng.binomial(reference, rate, runs)
    n, x = np.zeros(runs, dtype=np.int64), np.zeros(runs, dtype=np.int64)
    least = np.ones(runs)
    for _ in range(60):
        came = rng.binomial(500, reference / 1500, runs)
        n, x = n + came, x + rng.binomial(came, rate)
        before, after = np.stack([np.full(runs, reference), first], 1), np.stack([n, x], 1)
        least = np.minimum(least, always(before, after, rises=rises))
    for alpha in (0.1, 0.05, 0.01):
        assert (least <= alpha).mean() <= alpha


def test_a_small_reference_and_a_rise_of_a_fifth_are_enough() -> None:
    """75 people before, 1,500 after, .15 against .35: nine in ten are found (bench/loop_power.py)."""
    rng, runs, result = np.random.default_rng(7), 200, 0
    for _ in range(runs):
        history = History.begin({KEY: (75, int(rng.binomial(75, 0.15)))})
        for batch in range(12):
            history = history.add(batch, {KEY: (125, int(rng.binomial(125, 0.35)))})
            if changes(history, [KEY], alpha=0.0125, people=50, rises=True):
                result += 1
                break
    assert result / runs > 0.85


def test_old_batches_are_put_together_and_nobody_is_lost() -> None:
    history, n = History.begin(first=3), 0
    sizes = []
    for batch in range(1000):
        history = history.add(batch, {KEY: (batch % 7 + 1, 1)})
        n += batch % 7 + 1
        sizes.append(len(history.ends))
    assert history.whole()[KEY][0] == n
    assert max(sizes) <= 1 + 8 * FINE
    assert list(history.ends)[-FINE:] == list(range(1000 - FINE, 1000))
    assert History.from_json(json.loads(json.dumps(history.to_json()))).to_json() == history.to_json()


def test_a_late_row_lands_in_the_batch_where_it_belongs() -> None:
    a = b = History.begin(first=2)
    for batch in range(40):
        a = a.add(batch, {KEY: (10, 2)})
        b = b.add(batch, {KEY: (8, 1)})
    for batch in range(40):
        b = b.add(batch, {KEY: (2, 1)})
    assert a.to_json() == b.to_json()


def test_quiet_feeds_are_quiet_and_changes_are_found_within_two_batches() -> None:
    """Small, seeded; bench/loop_power.py has the whole of it. Two groups of 5 % and 95 %, 500 people a batch."""
    early = result = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        moves = open_moves(3, alpha=0.025, people=50)
        items: list[tuple[int, str]] = []
        for batch in range(30):
            few = 0 if batch >= 25 else int(rng.binomial(500, 0.05))
            counts = {(ALL, "sex"): (500, 0), (SHARE, "sex", "M"): (0, 500 - few)}
            counts |= {(SHARE, "sex", "F"): (0, few)} if few else {}
            moves, message = seen(moves, batch, counts)
            items += [(batch, str(f["what"])) for _, f in message]
        early += any(b < 25 for b, _ in items)
        result += any(25 <= b <= 26 and what == "gone" for b, what in items)
    assert (early, result) == (0, 12)


def test_a_change_that_is_over_is_closed() -> None:
    moves = open_moves(3, alpha=0.025, people=50)
    kinds = []
    for batch in range(24):
        few = 0 if 10 <= batch < 14 else 100
        counts = {(ALL, "sex"): (500, 0), (SHARE, "sex", "M"): (0, 500 - few)}
        counts |= {(SHARE, "sex", "F"): (0, few)} if few else {}
        moves, message = seen(moves, batch, counts)
        kinds += [(batch, kind, f["group"], f["what"]) for kind, f in message]
    assert [(k, what) for _, k, g, what in kinds if g == "F"] == [("moved", "gone"), ("back", "gone")]
    assert kinds[0][0] in (10, 11)
    assert not moves.open


def test_changes_below_what_matters_are_not_told() -> None:
    moves = open_moves(3, alpha=0.025, people=50)
    report, there = [], []
    for batch in range(20):
        few = 10_000 if batch < 10 else 10_400
        counts = {(ALL, "sex"): (100_000, 0), (SHARE, "sex", "F"): (0, few), (SHARE, "sex", "M"): (0, 100_000 - few)}
        moves, message = seen(moves, batch, counts)
        report += message
        key = (SHARE, "sex", "F")
        there += changes(moves.history, [key], alpha=0.025, people=50, whole={key: (ALL, "sex")})
    assert report == []
    assert there, "10.0 and 10.4 % of a million each are not the same"
