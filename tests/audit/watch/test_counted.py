"""E-values and confidence sequences from counts: by hand, by brute force, covering at all times together."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import betaln

from audit.cube import CodedRows, Meaning, cube_of
from audit.policy import Norm
from audit.watch.counted import (
    difference_sequence,
    judge_counts,
    log_e_difference,
    log_e_paired,
    log_e_ratio,
    log_wealth,
    paired_sequence,
    ratio_sequence,
)

MEANING = Meaning("yes", "no", "yes")
RATE = st.tuples(st.integers(1, 300), st.floats(0, 1)).map(lambda v: (round(v[0] * v[1]), v[0]))


def margin(chosen: list[int], people: list[int], label: int = 0):
    group = np.repeat(np.arange(len(people)), people)
    decision = np.concatenate([np.arange(n) < x for x, n in zip(chosen, people, strict=True)]).astype(np.int64)
    names = tuple("abcdefgh"[: len(people)])
    coded = CodedRows(("g",), (names,), group[:, None], np.full(len(group), label), decision, None, None, MEANING)
    return cube_of(coded).margin(("g",))


def norm(kind: str = "difference", limit: float = 0.1, promote: float = 0.05, metric: str = "selection_rate") -> Norm:
    return Norm(metric, kind, (), limit, promote)


def test_one_rate_by_hand():
    # 3 of 4 at p = 1/2: B(3.5, 1.5) / B(.5, .5) / (1/2)^4 = (5/128) 16
    assert log_wealth(3, 4, 0.5) == pytest.approx(math.log(5 / 8))
    assert log_wealth(0, 0, 0.3) == 0
    assert log_wealth(1, 4, 0.0) == math.inf
    assert log_wealth(3, 4, 1.0) == math.inf
    assert log_wealth(0, 4, 0.0) == pytest.approx(betaln(0.5, 4.5) - betaln(0.5, 0.5))


def test_mean_of_the_wealth_is_one():
    for p in (0.05, 0.3, 0.5):
        mean = sum(math.comb(12, x) * p**x * (1 - p) ** (12 - x) * math.exp(log_wealth(x, 12, p)) for x in range(13))
        assert mean == pytest.approx(1)


@settings(max_examples=60, deadline=None)
@given(RATE, RATE, st.floats(-0.95, 0.95))
def test_least_over_all_pairs_at_a_difference_is_that_of_a_fine_grid(a, b, d):
    grid = np.linspace(max(0.0, -d), min(1.0, 1.0 - d), 4001)
    brute = min(log_wealth(*a, min(p + d, 1.0)) + log_wealth(*b, p) for p in grid)
    result = log_e_difference(*a, *b, d)
    assert result <= brute + 1e-9
    assert result == pytest.approx(brute, abs=0.02)


@settings(max_examples=60, deadline=None)
@given(RATE, RATE, st.floats(0.05, 1.0))
def test_least_over_all_pairs_at_a_ratio_is_that_of_a_fine_grid(a, b, r):
    brute = min(log_wealth(*a, r * p) + log_wealth(*b, p) for p in np.linspace(0, 1, 4001))
    result = log_e_ratio(*a, *b, r)
    assert result <= brute + 1e-9
    assert result == pytest.approx(brute, abs=0.02)


@settings(max_examples=60, deadline=None)
@given(RATE, RATE)
def test_ends_of_a_sequence_are_where_the_e_value_reaches_the_bar(a, b):
    low, high = difference_sequence(*a, *b, 0.05)
    assert -1 <= low <= a[0] / a[1] - b[0] / b[1] <= high <= 1
    for end, whole in ((low, -1.0), (high, 1.0)):
        if end != whole:
            assert log_e_difference(*a, *b, end) == pytest.approx(math.log(20), abs=1e-4)
    back = difference_sequence(*b, *a, 0.05)
    assert back == (pytest.approx(-high, abs=1e-7), pytest.approx(-low, abs=1e-7))
    more = difference_sequence(*a, *b, 0.01)
    assert more[0] <= low <= high <= more[1]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 200), st.floats(-0.95, 0.95))
def test_least_over_all_laws_of_pairs_is_that_of_a_fine_grid(a, b, c, d):
    n = a + b + c
    grid = np.linspace(max(0.0, -d), (1.0 - d) / 2, 2001)
    laws = np.clip(np.stack([grid + d, grid, 1 - d - 2 * grid]), 1e-12, 1)
    counts = np.array([a, b, c])
    prior = sum(math.lgamma(k + 0.5) - math.lgamma(0.5) for k in counts) + math.lgamma(1.5) - math.lgamma(n + 1.5)
    brute = (prior - counts @ np.log(laws)).min()
    result = log_e_paired(a, b, n, d)
    assert result <= brute + 1e-9
    assert result == pytest.approx(brute, abs=0.05)
    if n:
        low, high = paired_sequence(a, b, n, 0.05)
        assert low <= (a - b) / n <= high
        assert (low <= d <= high) or result >= math.log(20) - 1e-6


def test_nobody_leaves_everything_possible():
    assert difference_sequence(0, 0, 3, 9, 0.05) == (-1.0, 1.0)
    assert ratio_sequence(0, 0, 3, 9, 0.05) == (0.0, 1.0)


def test_sequences_cover_at_all_times_together():
    """100 runs looked at after every 30 people: 5 % may ever be wrong, 4 sigma more are 13 of 100."""
    rng = np.random.default_rng(1)
    wrong = {"difference": 0, "ratio": 0}
    p, q = 0.3, 0.45
    for _ in range(100):
        x, y = (np.cumsum(rng.random(600) < v) for v in (p, q))
        at = range(30, 601, 30)
        seen = [(int(x[n - 1]), n, int(y[n - 1]), n) for n in at]
        covers = {
            "difference": all(low <= p - q <= high for low, high in (difference_sequence(*s, 0.05) for s in seen)),
            "ratio": all(low <= p / q <= high for low, high in (ratio_sequence(*s, 0.05) for s in seen)),
        }
        for name, held in covers.items():
            wrong[name] += not held
    assert max(wrong.values()) <= 13


def test_sequences_narrow_as_people_come():
    widths = [np.ptp(difference_sequence(0.6 * n, n, 0.4 * n, n, 0.05)) for n in (100, 1000, 10_000)]
    assert widths[0] > widths[1] > widths[2]
    assert widths[2] < 0.08


# -- norms ----------------------------------------------------------------------------------------------------


def test_a_gap_is_outside_inside_or_undecided():
    outside = judge_counts(norm(), margin([600, 300], [1000, 1000]))
    assert (outside.status, outside.highest, outside.lowest) == ("outside", "a", "b")
    assert outside.value == pytest.approx(0.3)
    assert outside.low > 0.1
    assert outside.log_e >= math.log(20)
    inside = judge_counts(norm(), margin([50_000, 50_000], [100_000, 100_000]))
    assert (inside.status, inside.inside_promote) == ("inside", True)
    between = judge_counts(norm(), margin([50_000, 43_000], [100_000, 100_000]))
    assert (between.status, between.inside_promote) == ("inside", False)  # tighter to be promoted than to stay
    assert judge_counts(norm(), margin([60, 45], [100, 100])).status == "undecided"


def test_a_ratio_is_outside_inside_or_undecided():
    ratio = norm("ratio", 0.8, 0.85)
    outside = judge_counts(ratio, margin([600, 300], [1000, 1000]))
    assert (outside.status, outside.value) == ("outside", pytest.approx(0.5))
    assert outside.high < 0.8
    assert judge_counts(ratio, margin([5000, 4900], [10_000, 10_000])).status == "inside"
    assert judge_counts(ratio, margin([50, 42], [100, 100])).status == "undecided"
    nobody = judge_counts(ratio, margin([0, 0], [1000, 1000]))
    assert (nobody.status, nobody.value) == ("not_estimable", None)
    assert "0 over 0" in str(nobody.reason)
    everyone = judge_counts(ratio, margin([1000, 1000], [1000, 1000]))
    assert everyone.status == "not_estimable"
    assert "nothing is decided" in str(everyone.reason)


def test_a_new_norm_is_judged_at_once_from_the_same_counts():
    m = margin([6000, 4800], [10_000, 10_000])
    assert judge_counts(norm(limit=0.2), m).status == "inside"
    assert judge_counts(norm(limit=0.05), m).status == "outside"


def test_of_many_groups_the_widest_pair_is_told_and_pays_for_all_pairs():
    two = judge_counts(norm(), margin([600, 450], [1000, 1000]))
    four = judge_counts(norm(), margin([600, 450, 520, 530], [1000] * 4))
    assert (four.highest, four.lowest, four.value) == ("a", "b", two.value)
    assert four.low < two.low
    assert four.high >= two.high
    assert four.log_e < two.log_e


def test_small_groups_are_left_out_and_too_few_groups_are_never_fine():
    with_few = judge_counts(norm(), margin([600, 450, 5], [1000, 1000, 5]))
    assert with_few.value == pytest.approx(0.15)
    alone = judge_counts(norm(), margin([600, 5], [1000, 5]))
    assert (alone.status, alone.value, alone.inside_promote) == ("not_estimable", None, False)
    assert "a: 1000, b: 5" in alone.reason


def test_equalized_odds_takes_the_wider_of_both_rates():
    group = np.repeat([0, 1], 2000)
    label = np.tile([0, 1], 2000)
    rng = np.random.default_rng(2)
    chance = np.where(label == 1, 0.6, np.where(group == 0, 0.4, 0.1))
    decision = (rng.random(4000) < chance).astype(np.int64)
    coded = CodedRows(("g",), (("a", "b"),), group[:, None], label, decision, None, None, MEANING)
    result = judge_counts(norm(metric="equalized_odds"), cube_of(coded).margin(("g",)))
    assert result.status == "outside"
    assert result.value == pytest.approx(0.3, abs=0.06)


def test_a_metric_that_is_no_rate_is_said():
    result = judge_counts(norm(metric="roc_auc"), margin([600, 300], [1000, 1000]))
    assert result.status == "not_estimable"
    assert "assay audit" in result.reason


@pytest.mark.parametrize("kind", ["difference", "ratio"])
def test_the_pair_that_is_named_has_what_is_known_of_these_two_alone(kind: str) -> None:
    """Two large groups are clearly apart; the widest gap is named between one of them and thirty people."""
    result = judge_counts(norm(kind, 0.1 if kind == "difference" else 0.8), margin([3000, 2400, 11], [5000, 5000, 30]))
    assert (result.highest, result.lowest) == ("a", "c")
    assert result.pair_low is not None
    assert result.pair_high is not None
    # Bonferroni over three pairs: by a grid, where the e-value of these two refuses a gap.
    e, grid = (
        (lambda d: log_e_difference(3000, 5000, 11, 30, d), np.linspace(-0.5, 0.59, 1091))
        if kind == "difference"
        else (lambda r: log_e_ratio(11, 30, 3000, 5000, r), np.linspace(0.001, 1.0, 1000))
    )
    kept = [v for v in grid if e(float(v)) < math.log(3 / 0.05)]
    assert result.pair_low == pytest.approx(min(kept), abs=0.002)
    assert result.pair_high == pytest.approx(max(kept), abs=0.002)
    assert result.pair_p == pytest.approx(min(1.0, 3 * math.exp(-log_e_difference(3000, 5000, 11, 30, 0.0))))
    assert result.pair_p > 0.05
    if kind == "difference":
        assert result.pair_low < 0 < result.low


def test_the_screen_prints_the_pairs_own_figures_beside_their_names() -> None:
    from dataclasses import asdict

    import msgspec

    from audit.documents.watch import NormNow
    from reports.sections.watching import takeaway

    result = judge_counts(norm(), margin([3000, 2400, 11], [5000, 5000, 30]))
    now = msgspec.convert({"key": "", **asdict(result)}, NormNow)
    message = takeaway("Selection rate", now)
    assert f"the widest gap of all groups is between {result.low:.3f} and {result.high:.3f}" in message
    assert (
        f"Highest in a, lowest in c: of these two between {result.pair_low:.3f} and {result.pair_high:.3f}" in message
    )
    old = msgspec.structs.replace(now, pair_low=None, pair_high=None, pair_p=None)
    assert "nothing is said here of these two alone" in takeaway("Selection rate", old)
