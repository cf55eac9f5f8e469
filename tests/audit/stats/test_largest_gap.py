"""The widest gap of many groups: which pair, which limits, which p-value, and the traps named for it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import fisher_exact, permutation_test

from audit.stats import GapResult, largest_gap, newcombe, ratio_interval


def pair(x1: int, n1: int, x2: int, n2: int, **more: object) -> GapResult:
    return largest_gap([([x1, x2], [n1, n2])], **more)  # type: ignore[arg-type]


def numbers(result: GapResult) -> tuple[float, float, float, float]:
    assert result.estimable
    values = result.value, result.low, result.high, result.p_value
    assert None not in values
    return tuple(float(v) for v in values if v is not None)  # type: ignore[return-value]


def test_two_groups_have_newcombes_interval_and_name_the_higher_first() -> None:
    result = pair(48, 80, 56, 70)
    assert (result.highest, result.lowest, result.stratum) == (1, 0, 0)
    value, low, high, _ = numbers(result)
    assert value == pytest.approx(0.2)
    assert (low, high) == pytest.approx([float(v) for v in newcombe(56, 70, 48, 80)])


def test_two_groups_ratio_has_the_plain_interval() -> None:
    value, low, high, _ = numbers(pair(48, 80, 56, 70, kind="ratio"))
    assert value == pytest.approx(0.75)
    assert (low, high) == pytest.approx([float(v) for v in ratio_interval(48, 80, 56, 70)])


def test_an_interval_that_holds_0_starts_there() -> None:
    value, low, high, p = numbers(pair(10, 50, 11, 50))
    assert (value, low) == (pytest.approx(0.02), 0.0)
    assert high == pytest.approx(max(abs(float(v)) for v in newcombe(11, 50, 10, 50)))
    assert p > 0.5


def apart(one: np.ndarray, other: np.ndarray, axis: int) -> np.ndarray:
    return np.abs(one.mean(axis) - other.mean(axis))


@pytest.mark.parametrize("table", [(8, 20, 15, 22), (3, 40, 9, 60), (30, 100, 45, 100), (5, 300, 2, 20)])
def test_two_groups_p_value_is_the_permutation_law_with_ties_counted_half(table: tuple[int, int, int, int]) -> None:
    """Against scipy's shuffling of the rows; Fisher's p-value, which counts ties whole and by likelihood, is near."""
    x1, n1, x2, n2 = table
    p = numbers(pair(*table))[3]
    rng = np.random.default_rng(0)
    rows = [np.repeat([1.0, 0.0], [x1, n1 - x1]), np.repeat([1.0, 0.0], [x2, n2 - x2])]
    whole = permutation_test(rows, apart, n_resamples=20_000, alternative="greater", rng=rng, vectorized=True)
    law = whole.null_distribution
    observed = abs(x1 / n1 - x2 / n2)
    half = np.mean(law > observed + 1e-9) + np.mean(np.abs(law - observed) <= 1e-9) / 2
    assert p == pytest.approx(half, abs=4 * np.sqrt(half / 20_000) + 1e-4)
    fisher = float(fisher_exact([[x1, n1 - x1], [x2, n2 - x2]]).pvalue)
    assert fisher / 2.5 < p <= fisher + 0.01


def test_the_p_value_of_two_groups_counted_by_hand() -> None:
    """3 of 4 against 1 of 4: of 70 tables 1 is 4:0, 16 are 3:1, and their mirrors; (1 + 1 + (16 + 16) / 2) / 70."""
    assert numbers(pair(3, 4, 1, 4))[3] == pytest.approx(18 / 70)


def test_three_groups_p_value_is_that_of_rows_shuffled_over_the_groups() -> None:
    x, n = np.array([6, 15, 30]), np.array([20, 30, 45])
    p = numbers(largest_gap([(x, n)], draws=20_000))[3]
    rng = np.random.default_rng(5)
    rows = np.repeat([1.0, 0.0], [x.sum(), (n - x).sum()])
    scale = {(a, b): np.sqrt(1 / n[a] + 1 / n[b]) for a, b in [(0, 1), (0, 2), (1, 2)]}

    def widest(shares: np.ndarray) -> float:
        return max(abs(shares[a] - shares[b]) / s for (a, b), s in scale.items())

    observed, above = widest(x / n), 0.0
    for _ in range(8000):
        star = widest(np.add.reduceat(rng.permutation(rows), [0, 20, 50]) / n)
        above += 0.5 * (star > observed - 1e-9) + 0.5 * (star > observed + 1e-9)
    assert p == pytest.approx(above / 8000, abs=4 * np.sqrt(p * (1 - p) / 8000))


def test_far_in_the_tail_the_p_value_is_not_stuck_at_one_draw() -> None:
    p = numbers(largest_gap([([10, 500, 12], [1000, 1000, 1000])]))[3]
    assert 0 < p < 1e-50


def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_draws() -> None:
    counts = [([20, 35, 30], [100, 120, 90])]
    assert largest_gap(counts, seed=3) == largest_gap(counts, seed=3)
    assert numbers(largest_gap(counts, seed=3))[3] != numbers(largest_gap(counts, seed=4))[3]
    assert "2000 draws, seed 3" in largest_gap(counts, seed=3).method


@pytest.mark.parametrize("kind", ["difference", "ratio"])
@pytest.mark.parametrize("order", [[2, 0, 3, 1], [3, 2, 1, 0]])
def test_groups_renamed_change_only_their_names(kind: str, order: list[int]) -> None:
    x, n = np.array([20, 35, 30, 11]), np.array([100, 120, 90, 100])
    plain, renamed = largest_gap([(x, n)], kind=kind), largest_gap([(x[order], n[order])], kind=kind)
    assert numbers(plain) == numbers(renamed)
    assert plain.highest == order[renamed.highest or 0]
    assert plain.lowest == order[renamed.lowest or 0]


def test_a_rate_and_its_complement_have_one_difference_and_one_p_value() -> None:
    x, n = np.array([20, 35, 30, 11]), np.array([100, 120, 90, 100])
    one, other = largest_gap([(x, n)]), largest_gap([(n - x, n)])
    assert numbers(one) == pytest.approx(numbers(other), abs=1e-12)
    assert (one.highest, one.lowest) == (other.lowest, other.highest)


def test_empty_groups_are_left_out_and_named() -> None:
    with_empty = largest_gap([([20, 0, 35, 30, 0], [100, 0, 120, 90, np.nan])])
    without = largest_gap([([20, 35, 30], [100, 120, 90])])
    assert with_empty.left_out == (1, 4)
    assert numbers(with_empty) == numbers(without)
    assert (with_empty.highest, with_empty.lowest) == (3, 0)


def test_one_group_alone_is_not_estimable_and_says_the_counts() -> None:
    """Trap 2: a group without positives has no true positive rate; it is neither 0 nor silently gone."""
    result = largest_gap([([5, 0, 0], [9, 0, 0])])
    assert not result.estimable
    assert (result.value, result.low, result.high, result.p_value) == (None, None, None, None)
    assert result.left_out == (1, 2)
    assert "counts 9, 0, 0" in (result.reason or "")


def test_many_empty_groups_are_not_all_spelt_out() -> None:
    reason = largest_gap([([0] * 30, [0] * 30)]).reason or ""
    assert reason.endswith("0 and more)")
    assert len(reason) < 120


def test_no_positive_decision_at_all_has_a_difference_of_0_but_no_ratio() -> None:
    """Trap 3: 0/0."""
    value, low, high, p = numbers(pair(0, 40, 0, 50))
    assert (value, low, p) == (0.0, 0.0, 1.0)
    assert 0 < high < 0.15
    ratio = pair(0, 40, 0, 50, kind="ratio")
    assert not ratio.estimable
    assert "0 over 0" in (ratio.reason or "")


def test_a_ratio_of_nobody_to_somebody_is_0() -> None:
    value, low, high, _ = numbers(pair(0, 40, 20, 40, kind="ratio"))
    assert (value, low) == (0.0, 0.0)
    assert 0 < high < 0.5


def test_everybody_accepted_everywhere_is_a_ratio_of_1() -> None:
    value, low, high, p = numbers(pair(40, 40, 50, 50, kind="ratio"))
    assert (value, high, p) == (1.0, 1.0, 1.0)
    assert 0.8 < low < 1


def test_a_reference_compares_only_with_that_group() -> None:
    x, n = [50, 20, 80], [100, 100, 100]
    assert numbers(largest_gap([(x, n)]))[0] == pytest.approx(0.6)
    result = largest_gap([(x, n)], reference=0)
    assert numbers(result)[0] == pytest.approx(0.3)
    assert 0 in (result.highest, result.lowest)
    assert "against the reference" in result.method
    assert numbers(largest_gap([(x, n)], reference=1))[0] == pytest.approx(0.6)


def test_an_empty_reference_is_not_estimable() -> None:
    result = largest_gap([([5, 6, 0], [10, 10, 0])], reference=2)
    assert not result.estimable


def test_two_strata_give_the_wider_gap_and_pay_for_both() -> None:
    """Equalized odds: the maximum of the two gaps, never their mean; each stratum at half of alpha."""
    true_rate, false_rate = ([80, 60, 75], [100, 100, 100]), ([10, 12, 35], [100, 100, 100])
    both = largest_gap([true_rate, false_rate])
    alone = [largest_gap([s]) for s in (true_rate, false_rate)]
    assert numbers(both)[0] == pytest.approx(max(numbers(a)[0] for a in alone)) == pytest.approx(0.25)
    assert (both.stratum, both.highest, both.lowest) == (1, 2, 0)
    assert numbers(both)[1] <= numbers(alone[1])[1]
    assert numbers(both)[2] >= max(numbers(a)[2] for a in alone) - 1e-12
    assert numbers(both)[3] <= 2 * min(numbers(a)[3] for a in alone) + 0.01
    assert "the larger of 2 gaps" in both.method


def test_a_stratum_nobody_is_in_makes_the_whole_not_estimable() -> None:
    result = largest_gap([([8, 6], [10, 10]), ([1, 0], [10, 0])])
    assert not result.estimable
    assert result.left_out == (1,)


def test_more_groups_than_the_draws_serve_take_bonferronis_value() -> None:
    rng = np.random.default_rng(0)
    n = rng.integers(100, 2000, 60)
    x = rng.binomial(n, 0.3)
    value, low, high, p = numbers(largest_gap([(x, n)], draws=400))
    assert 0 == low < value < high <= 1
    assert p > 0.01
    x[7] = 0.9 * n[7]
    result = largest_gap([(x, n)], draws=400)
    assert result.highest == 7
    assert numbers(result)[1] > 0.4
    assert numbers(result)[3] < 1e-6


def test_effective_sizes_need_not_be_whole() -> None:
    low_n, high_n = largest_gap([([20.4, 30.7], [100.9, 99.2])]), largest_gap([([204, 307], [1009, 992])])
    assert numbers(low_n)[0] == pytest.approx(30.7 / 99.2 - 20.4 / 100.9)
    assert numbers(low_n)[1] < numbers(high_n)[1]
    assert numbers(low_n)[3] > numbers(high_n)[3]
    assert numbers(largest_gap([([0.2, 0.3], [0.4, 0.4])]))[0] == pytest.approx(0.25)


def test_a_pair_that_cannot_be_the_widest_costs_nothing() -> None:
    """Seven groups well apart: only the ends can be widest, so it is nearly the interval of who knows them."""
    share, n = np.linspace(0.05, 0.95, 7), np.full(7, 4000)
    _, low, high, _ = numbers(largest_gap([(share * n, n)]))
    known = newcombe(0.95 * 4000, 4000, 0.05 * 4000, 4000)
    assert high - low == pytest.approx(float(known[1] - known[0]), rel=0.06)


def test_hundreds_of_millions_of_people_are_counted() -> None:
    n = np.array([700_000_000, 600_000_000, 900_000_000])
    value, low, high, p = numbers(largest_gap([((n * [0.2, 0.2, 0.201]).round(), n)]))
    assert low < value < high
    assert p < 1e-9


def test_the_inputs_stay_as_they_were() -> None:
    x, n = np.array([20.0, 35.0, 0.0]), np.array([100.0, 120.0, 0.0])
    largest_gap([(x, n)])
    largest_gap([(x, n)], kind="ratio")
    assert x.tolist() == [20.0, 35.0, 0.0]
    assert n.tolist() == [100.0, 120.0, 0.0]


counts = st.integers(0, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@settings(max_examples=60, deadline=None)
@given(st.lists(counts, min_size=1, max_size=8), st.sampled_from(["difference", "ratio"]))
def test_the_gap_is_in_its_interval_and_the_interval_in_0_to_1(groups: list[tuple[int, int]], kind: str) -> None:
    x, n = np.array(groups).T
    result = largest_gap([(x, n)], kind=kind, draws=100)
    assert result.left_out == tuple(int(g) for g in np.flatnonzero(n == 0))
    seen = n > 0
    if seen.sum() < 2 or (kind == "ratio" and x.sum() == 0):
        assert not result.estimable
        assert result.reason
        return
    value, low, high, p = numbers(result)
    shares = x[seen] / n[seen]
    assert value == pytest.approx(np.ptp(shares) if kind == "difference" else shares.min() / shares.max())
    assert 0 <= low <= value <= high <= 1
    assert 0 < p <= 1
