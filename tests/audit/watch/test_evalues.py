"""Betting on blocks: by hand, against a plain loop, valid at every look, quick, the same however rows are cut."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.watch.evalues import (
    BETS,
    EVERY,
    FAST,
    SETTLED,
    SHARES,
    Blocks,
    Logs,
    Open,
    Stream,
    advance,
    close_blocks,
    difference_logs,
    e_bh,
    log_mean,
    log_sum,
    ratio_logs,
    start,
)

ROWS = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), max_size=120)


def arrays(rows: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    both = np.array(rows, dtype=np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def plain(rows: list[tuple[int, int]]) -> list[tuple[tuple[int, int, int, int], int]]:
    """Blocks by a loop over people: counts, and who closed it."""
    out, counts = [], [0, 0, 0, 0]
    for i, (side, hit) in enumerate(rows):
        counts[2 * side] += 1
        counts[2 * side + 1] += hit
        if (i + 1) % (8 if i < SETTLED else 16) == 0 and counts[0] and counts[2]:
            out.append(((counts[0], counts[1], counts[2], counts[3]), i))
            counts = [0, 0, 0, 0]
    return out


def of_counts(counts: list[tuple[int, int, int, int]], known: tuple[int, int, int, int] = (0, 0, 0, 0)) -> Blocks:
    n = len(counts)
    each = np.arange(n)
    return Blocks(np.array(counts), np.tile(known, (n, 1)), each, each, each, each, each)


def per_block(logs: np.ndarray) -> Logs:
    return Logs(np.ascontiguousarray(logs.T), np.arange(len(logs)))


# -- blocks ---------------------------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(ROWS)
def test_blocks_are_those_of_a_loop_over_people(rows):
    blocks, left = close_blocks(*arrays(rows), Open())
    expected = plain(rows)
    assert [tuple(c) for c in blocks.counts.tolist()] == [c for c, _ in expected]
    assert blocks.end.tolist() == [i for _, i in expected]
    assert left.open[0] + left.open[2] == len(rows) - (expected[-1][1] + 1 if expected else 0)
    assert left.seen == len(rows)


def test_handfuls_grow_and_who_comes_alone_waits():
    rng = np.random.default_rng(1)
    rows = list(zip((rng.random(3000) < 0.1).astype(int), rng.integers(0, 2, 3000), strict=True))
    blocks, left = close_blocks(*arrays(rows), Open())
    expected = plain(rows)
    assert [tuple(c) for c in blocks.counts.tolist()] == [c for c, _ in expected]
    assert blocks.end.tolist() == [i for _, i in expected]
    pieces, waiting = [], Open()
    for a in range(0, 3000, 77):
        some, waiting = close_blocks(*arrays(rows[a : a + 77]), waiting)
        pieces += some.counts.tolist()
    assert pieces == blocks.counts.tolist()
    assert waiting == left


@settings(max_examples=200, deadline=None)
@given(ROWS, st.lists(st.integers(0, 120), max_size=5))
def test_blocks_and_wealth_are_the_same_bit_for_bit_however_rows_are_cut(rows, cuts):
    side, hit = arrays(rows)
    whole, left = close_blocks(side, hit, Open())
    stream, _ = advance(start(), difference_logs(whole, 0.03)[0])
    waiting, pieces, known, cut = Open(), [], [], start()
    bounds = [0, *sorted(min(c, len(rows)) for c in cuts), len(rows)]
    for a, b in itertools.pairwise(bounds):
        blocks, waiting = close_blocks(side[a:b], hit[a:b], waiting)
        waiting = Open.from_json(json.loads(json.dumps(waiting.to_json())))
        cut = Stream.from_json(json.loads(json.dumps(advance(cut, difference_logs(blocks, 0.03)[0])[0].to_json())))
        pieces += blocks.counts.tolist()
        known += blocks.known.tolist()
    assert pieces == whole.counts.tolist()
    assert known == whole.known.tolist()
    assert waiting == left
    assert cut.same(stream)


@settings(max_examples=100, deadline=None)
@given(ROWS, st.randoms(use_true_random=False))
def test_who_closes_a_block_never_depends_on_an_outcome(rows, random):
    other = [(s, random.randint(0, 1)) for s, _ in rows]
    a, _ = close_blocks(*arrays(rows), Open())
    b, _ = close_blocks(*arrays(other), Open())
    assert a.end.tolist() == b.end.tolist()
    assert a.counts[:, ::2].tolist() == b.counts[:, ::2].tolist()


def test_what_is_known_of_the_rates_is_from_before_the_block_and_renewed_at_doublings():
    rows = [(i % 2, 1) for i in range(80)]
    blocks, left = close_blocks(*arrays(rows), Open())
    assert [int(k[0] + k[2]) for k in blocks.known] == [0, 8, 16, 16, 32, 32, 32, 32, 64, 64]
    assert left.closed == (40, 40, 40, 40)
    for j, known in enumerate(blocks.known):
        assert known.sum() <= blocks.counts[:j].sum()


def test_one_group_alone_closes_nothing_and_takes_nothing():
    blocks, left = close_blocks(np.zeros(50, dtype=int), np.ones(50, dtype=int), Open())
    assert len(blocks) == 0
    assert left.open == (50, 50, 0, 0)
    stream, path = advance(start(), difference_logs(blocks, 0.0)[0])
    assert stream.log_e == pytest.approx(0, abs=1e-12)
    assert path.log_m.tolist() == [-math.inf]


def test_nobody_waits_in_vain_where_groups_come_one_after_the_other():
    rows = [(0, 1)] * 32 + [(1, 0)] * 32
    blocks, left = close_blocks(*arrays(rows), Open())
    assert blocks.counts.tolist() == [[32, 32, 8, 0]]
    assert left.open == (0, 0, 24, 0)


# -- bets -----------------------------------------------------------------------------------------------------


def test_wealth_by_hand():
    # Nothing known: both rates are expected at 1/2, and the norm's nearest point is there.
    logs = difference_logs(of_counts([(4, 3, 4, 1)]), 0.0)[0].each
    for k, bet in enumerate(BETS):
        stake = bet / (0.25 / 4 + 0.25 / 4)
        c = min(stake, 0.9 * 4 / 0.5) / 4
        expected = 3 * math.log(1 + c / 2) + math.log(1 - c / 2) + math.log(1 - c / 2) + 3 * math.log(1 + c / 2)
        assert logs[0, k] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("known", [(0, 0, 0, 0), (40, 30, 90, 5), (10, 10, 10, 0), (7, 0, 300, 300)])
@pytest.mark.parametrize("tolerance", [0.0, 0.1, 0.35])
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (1, 4)])
def test_the_mean_is_one_at_most_wherever_the_difference_norm_holds(known, tolerance, size):
    """Exactly, by all outcomes of a block, for rates all over the norm, whatever was expected."""
    a, b = size
    counts = [(a, x, b, y) for x in range(a + 1) for y in range(b + 1)]
    e = [np.exp(v.each) for v in difference_logs(of_counts(counts, known), tolerance)]
    for p, q in itertools.product(np.linspace(0, 1, 21), repeat=2):
        chance = np.array(
            [math.comb(a, x) * p**x * (1 - p) ** (a - x) * math.comb(b, y) * q**y * (1 - q) ** (b - y)
             for _, x, _, y in counts]
        )  # fmt: skip
        for value, gap in zip(e, (p - q, q - p), strict=True):
            if gap <= tolerance + 1e-12:
                assert (chance @ value <= 1 + 1e-9).all()


@pytest.mark.parametrize("known", [(0, 0, 0, 0), (40, 30, 90, 5), (7, 0, 300, 300)])
@pytest.mark.parametrize("floor", [0.8, 0.5, 1.0])
def test_the_mean_is_one_at_most_wherever_the_ratio_norm_holds(known, floor):
    counts = [(2, x, 3, y) for x in range(3) for y in range(4)]
    e = [np.exp(v.each) for v in ratio_logs(of_counts(counts, known), floor)]
    for p, q in itertools.product(np.linspace(0, 1, 21), repeat=2):
        chance = np.array(
            [math.comb(2, x) * p**x * (1 - p) ** (2 - x) * math.comb(3, y) * q**y * (1 - q) ** (3 - y)
             for _, x, _, y in counts]
        )  # fmt: skip
        for value, (more, less) in zip(e, ((p, q), (q, p)), strict=True):
            if less >= floor * more - 1e-12:
                assert (chance @ value <= 1 + 1e-9).all()


def test_a_norm_that_nothing_can_break_is_never_bet_on():
    blocks = of_counts([(4, 4, 4, 0)])
    assert not np.any(difference_logs(blocks, 1.0)[0].each)
    assert not np.any(ratio_logs(blocks, 0.0)[0].each)


def test_shares_of_the_bets_are_a_whole():
    assert SHARES.sum() == pytest.approx(1)
    assert len(SHARES) == len(BETS)


# -- the mixture and the detector -----------------------------------------------------------------------------


def test_path_is_the_mixture_and_the_detector_by_their_definitions():
    rng = np.random.default_rng(4)
    logs = rng.normal(0, 0.2, (90, len(BETS)))
    stream, path = advance(start(), per_block(logs))
    wealth = np.exp(np.concatenate([np.zeros((1, len(BETS))), np.cumsum(logs, axis=0)]))
    np.testing.assert_allclose(np.exp(path.log_e), wealth @ SHARES, rtol=1e-12)
    m = np.zeros(len(FAST))
    for j in range(90):
        # 4 blocks of 8 people count as 4, and after 512 people 4 of 16 as 8
        m = (m + ((4 if j < 64 else 8) if j % EVERY == 0 else 0)) * np.exp(logs[j, FAST])
        assert math.exp(path.log_m[j + 1]) == pytest.approx(m.mean(), rel=1e-10)
    assert stream.log_e == pytest.approx(path.log_e[-1], abs=1e-12)
    assert stream.log_m == pytest.approx(path.log_m[-1], abs=1e-12)
    _, some = advance(start(), per_block(logs), np.array([0, 7, 90]))
    np.testing.assert_array_equal(some.log_e, path.log_e[[0, 7, 90]])


def test_a_long_losing_stream_stays_finite_and_comes_back():
    stream, path = advance(start(), per_block(np.full((20_000, len(BETS)), -0.5)))
    assert np.isfinite(path.log_e).all()
    assert np.isfinite(path.log_m[1:]).all()
    assert stream.log_e < -9000
    # The last e-process was begun 4 blocks ago, the one before 8 blocks ago, ...
    assert EVERY == 4
    assert stream.log_m == pytest.approx(math.log(8) + math.log(math.exp(-2) / (1 - math.exp(-2))), abs=1e-9)
    back, _ = advance(stream, per_block(np.full((40, len(BETS)), 0.5)))
    assert back.log_m > 19
    assert back.log_e < -9000


def test_log_mean_and_log_sum():
    assert log_sum(np.log(np.array([1.0, 3.0]))) == pytest.approx(math.log(4))
    assert log_mean(np.array([-np.inf, 0.0])) == pytest.approx(math.log(0.5))
    assert log_sum(np.array([-np.inf, -np.inf])) == -np.inf


def test_e_bh_by_hand():
    # alpha .1 of 4: the k-th largest must reach 4 / (.1 k): 40, 20, 13.3, 10
    assert e_bh(np.log([50.0, 1.0, 21.0, 12.0]), 0.1) == (0, 2)
    assert e_bh(np.log([11.0, 11.0, 11.0, 11.0]), 0.1) == (0, 1, 2, 3)
    assert e_bh(np.log([39.0, 1.0, 1.0, 1.0]), 0.1) == ()
    assert e_bh([], 0.1) == ()


# -- simulations ----------------------------------------------------------------------------------------------


def runs(seed: int, many: int, people: int, p: float, q: float, tolerance: float = 0.0, share: float = 0.5):
    """Both streams of `many` runs: the mixture's log e-value and log detector after each block."""
    rng = np.random.default_rng(seed)
    for _ in range(many):
        side = (rng.random(people) > share).astype(np.int64)
        hit = (rng.random(people) < np.where(side == 0, p, q)).astype(np.int64)
        blocks, _ = close_blocks(side, hit, Open())
        paths = [advance(start(), logs)[1] for logs in difference_logs(blocks, tolerance)]
        log_e, log_m = (log_mean(np.array([getattr(x, k) for x in paths])) for k in ("log_e", "log_m"))
        yield log_e, log_m, blocks.end


@pytest.mark.parametrize(("p", "q", "tolerance", "share"), [(0.5, 0.5, 0.0, 0.5), (0.35, 0.25, 0.1, 0.2)])
def test_false_alarms_at_every_look_are_alpha_at_most(p, q, tolerance, share):
    """At the edge of the norm. 500 runs looked at after each block: the limit is 5 %, its 4-sigma bound 8.9 %."""
    fired = sum(log_e.max() >= math.log(20) for log_e, _, _ in runs(1, 500, 2000, p, q, tolerance, share))
    assert 3 <= fired <= 44  # it does bet


def test_a_z_test_looked_at_as_often_is_wrong_far_more_often():
    """The trap that all of this is for; so that the test above is known to be able to fail."""
    rng = np.random.default_rng(2)
    fired = 0
    for _ in range(300):
        g = (rng.random(2000) < 0.5).astype(float) - (rng.random(2000) < 0.5)
        n = np.arange(1, 2001)
        z = np.cumsum(g) / np.sqrt(n * 0.5)
        fired += bool(np.any(np.abs(z[20::10]) > 1.96))
    assert fired > 75


def test_average_run_between_false_alarms_is_at_least_the_bar():
    """A = 50 times eight people, 300 runs: the mean run, those cut at 8,000 counted as if they had ended there."""
    lengths = []
    for _, log_m, end in runs(3, 300, 8000, 0.5, 0.5):
        over = np.flatnonzero(log_m >= math.log(50))
        lengths.append(end[over[0] - 1] + 1 if len(over) else 8000)
    assert np.mean(lengths) >= 400
    assert np.mean(np.array(lengths) < 8000) > 0.3  # it does bet


def test_the_detector_is_quicker_after_a_quiet_time_and_both_find_it():
    rng = np.random.default_rng(5)
    delays = []
    for _ in range(25):
        people, change = 12_000, 4000
        side = np.arange(people) % 2
        gap = np.where(np.arange(people) < change, 0.0, 0.2)
        hit = (rng.random(people) < np.where(side == 0, 0.5 + gap / 2, 0.5 - gap / 2)).astype(np.int64)
        blocks, _ = close_blocks(side, hit, Open())
        paths = [advance(start(), logs)[1] for logs in difference_logs(blocks, 0.0)]
        log_e, log_m = (log_mean(np.array([getattr(x, k) for x in paths]))[1:] for k in ("log_e", "log_m"))
        at = [blocks.end[np.flatnonzero(v >= math.log(bar))[0]] - change for v, bar in ((log_e, 20), (log_m, 10_000))]
        delays.append(at)
    by_e, by_m = np.mean(delays, axis=0)
    assert 0 < by_m < 0.6 * by_e


def test_within_the_tolerance_wealth_is_lost_and_beyond_it_is_won():
    inside = np.mean([log_e[-1] for log_e, _, _ in runs(6, 20, 6000, 0.55, 0.5, 0.1)])
    outside = np.mean([log_e[-1] for log_e, _, _ in runs(6, 20, 6000, 0.7, 0.5, 0.1)])
    assert inside < 0 < math.log(20) < outside


def test_a_rare_group_wins_nearly_what_its_people_can_tell():
    """4 % against 96 %: growth per person of the small group near that of a known majority rate."""
    logs = [log_e[-1] for log_e, _, _ in runs(7, 20, 20_000, 0.7, 0.5, 0.0, 0.04)]
    ideal = 800 * (0.7 * math.log(0.7 / 0.5) + 0.3 * math.log(0.3 / 0.5))
    assert np.mean(logs) > 0.7 * ideal
