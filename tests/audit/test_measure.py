"""Rates and gaps by hand, against fairlearn and scikit-learn on random inputs, and the traps of the field."""

from __future__ import annotations

import numpy as np
import pytest
from fairlearn.metrics import (
    MetricFrame,
    demographic_parity_difference,
    demographic_parity_ratio,
    equalized_odds_difference,
    false_positive_rate,
    selection_rate,
    true_positive_rate,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, confusion_matrix, precision_score

from audit.cube import CodedRows, Meaning, cube_of, margins_of
from audit.evidence import pick
from audit.gaps import Settings
from audit.measure import measure
from audit.values import UNKNOWN, Measures, Rate


def coded_of(
    group: list[str],
    label: list[int],
    decision: list[int],
    *,
    favourable: str = "1",
    weight: list[float] | None = None,
    score: list[float] | None = None,
) -> CodedRows:
    levels = tuple(sorted(set(group)))
    return CodedRows(
        ("g",),
        (levels,),
        np.array([[levels.index(g)] for g in group]),
        np.array(label),
        np.array(decision),
        None if weight is None else np.array(weight, dtype=float),
        None if score is None else np.array(score, dtype=float),
        Meaning("1", "0", favourable),
    )


def measured(coded: CodedRows, **options: object) -> Measures:
    margins, _ = margins_of(cube_of(coded))
    return measure(margins, Settings(**{"draws": 200, **options}))  # type: ignore[arg-type]


def rate(m: Measures, metric: str, group: str) -> Rate:
    return pick(m.rates, metric=metric, attribute=("g",), group=(group,))  # type: ignore[no-any-return]


BY_HAND = coded_of(
    ["f"] * 6 + ["m"] * 4,
    [1, 1, 1, 0, 0, 0, 1, 1, 0, 0],
    [1, 0, 0, 1, 0, 0, 1, 1, 1, 0],
)


def test_every_rate_by_hand() -> None:
    m = measured(BY_HAND)
    expected = {
        "selection_rate": (2, 6),
        "base_rate": (3, 6),
        "accuracy": (3, 6),
        "true_positive_rate": (1, 3),
        "false_negative_rate": (2, 3),
        "false_positive_rate": (1, 3),
        "true_negative_rate": (2, 3),
        "positive_predictive_value": (1, 2),
        "false_discovery_rate": (1, 2),
        "negative_predictive_value": (2, 4),
        "false_omission_rate": (2, 4),
    }
    for metric, (x, n) in expected.items():
        result = rate(m, metric, "f")
        assert (result.numerator, result.denominator) == (x, n), metric
        assert result.value == pytest.approx(x / n)
        assert result.low is not None
        assert result.high is not None
        assert 0 <= result.low < x / n < result.high <= 1
    assert {r.metric for r in m.rates} == set(expected)


def test_counts_by_hand() -> None:
    count = pick(measured(BY_HAND).counts, attribute=("g",), group=("f",))
    assert (count.rows, count.tp, count.fp, count.fn, count.tn, count.unknown_label) == (6, 1, 1, 2, 2, 0)


def test_gaps_by_hand_and_their_direction() -> None:
    m = measured(BY_HAND)
    gap = pick(m.gaps, metric="selection_rate", kind="difference")
    assert gap.value == pytest.approx(3 / 4 - 2 / 6)
    assert (gap.highest, gap.lowest) == (("m",), ("f",))
    assert pick(m.gaps, metric="selection_rate", kind="ratio").value == pytest.approx((2 / 6) / (3 / 4))


def test_when_the_favourable_value_is_the_negative_one_selection_is_about_it() -> None:
    m = measured(coded_of(["f"] * 6 + ["m"] * 4, BY_HAND.label.tolist(), BY_HAND.decision.tolist(), favourable="0"))
    assert rate(m, "selection_rate", "f").numerator == 4
    assert rate(m, "true_positive_rate", "f").numerator == 1
    merit = pick(m.gaps, metric="equal_opportunity", kind="difference").value
    assert merit == pick(m.gaps, metric="true_negative_rate", kind="difference").value


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 100_000), st.integers(30, 200), st.integers(2, 4))
def test_rates_and_gaps_equal_fairlearns_and_scikit_learns(seed: int, rows: int, groups: int) -> None:
    rng = np.random.default_rng(seed)
    g = [f"g{i}" for i in rng.integers(0, groups, rows)] + [f"g{i}" for i in range(groups) for _ in range(4)]
    y = np.concatenate([rng.integers(0, 2, rows), [1, 1, 0, 0] * groups])
    d = np.concatenate([rng.integers(0, 2, rows), [1, 0, 1, 0] * groups])
    m = measured(coded_of(g, y.tolist(), d.tolist()), floor=0)
    frame = MetricFrame(
        metrics={
            "selection_rate": selection_rate,
            "accuracy": accuracy_score,
            "true_positive_rate": true_positive_rate,
            "false_positive_rate": false_positive_rate,
            "positive_predictive_value": precision_score,
        },
        y_true=y,
        y_pred=d,
        sensitive_features=np.array(g),
    )
    for metric in frame.by_group.columns:
        for group, value in frame.by_group[metric].items():
            assert rate(m, metric, group).value == pytest.approx(value), metric
        gap = pick(m.gaps, metric=metric, kind="difference")
        assert gap.value == pytest.approx(frame.difference()[metric])
        assert pick(m.gaps, metric=metric, kind="ratio").value == pytest.approx(frame.ratio()[metric])
    s = {"y_true": y, "y_pred": d, "sensitive_features": np.array(g)}
    assert pick(m.gaps, metric="selection_rate", kind="difference").value == pytest.approx(
        demographic_parity_difference(**s)
    )
    assert pick(m.gaps, metric="selection_rate", kind="ratio").value == pytest.approx(demographic_parity_ratio(**s))
    assert pick(m.gaps, metric="equalized_odds", kind="difference").value == pytest.approx(
        equalized_odds_difference(**s)
    )
    for group in set(g):
        here = np.array(g) == group
        tn, fp, fn, tp = confusion_matrix(y[here], d[here]).ravel()
        count = pick(m.counts, attribute=("g",), group=(group,))
        assert (count.tp, count.fp, count.fn, count.tn) == (tp, fp, fn, tn)


# -- traps ------------------------------------------------------------------------------------------------------


def test_trap_2_a_group_without_positives_has_no_true_positive_rate() -> None:
    """A perfect classifier; fairlearn 0.15 calls its equal-opportunity difference 1."""
    m = measured(coded_of(["f"] * 12 + ["m"] * 12, [1, 0] * 6 + [0] * 12, [1, 0] * 6 + [0] * 12))
    missing = rate(m, "true_positive_rate", "m")
    assert missing.value is None
    assert not missing.estimable
    assert missing.reason is not None
    assert missing.reason.startswith("0 people whose outcome is '1' (of 12")
    gap = pick(m.gaps, metric="equal_opportunity", kind="difference")
    assert gap.value is None
    assert not gap.estimable
    assert gap.reason


def test_trap_3_no_positive_decision_at_all_leaves_the_ratio_open() -> None:
    m = measured(coded_of(["f"] * 12 + ["m"] * 12, [1, 0] * 12, [0] * 24))
    ratio = pick(m.gaps, metric="selection_rate", kind="ratio")
    assert ratio.value is None
    assert not ratio.estimable
    assert ratio.reason
    assert pick(m.gaps, metric="selection_rate", kind="difference").value == 0


def test_trap_5_people_of_unknown_group_are_counted_and_take_no_part_in_gaps() -> None:
    m = measured(coded_of(["f"] * 20 + ["m"] * 20 + [UNKNOWN] * 20, [1, 0] * 30, [1, 0] * 10 + [1, 0] * 10 + [1] * 20))
    assert pick(m.counts, attribute=("g",), group=(UNKNOWN,)).rows == 20
    assert rate(m, "selection_rate", UNKNOWN).value == 1
    assert pick(m.gaps, metric="selection_rate", kind="difference").value == 0


def test_trap_6_equalized_odds_is_the_larger_of_the_two_gaps() -> None:
    m = measured(BY_HAND)
    parts = [pick(m.gaps, metric=k, kind="difference").value for k in ("true_positive_rate", "false_positive_rate")]
    assert pick(m.gaps, metric="equalized_odds", kind="difference").value == pytest.approx(max(parts))


def test_trap_7_comparisons_are_adjusted_over_the_whole_family() -> None:
    rng = np.random.default_rng(0)
    m = measured(coded_of(list(rng.choice(["a", "b", "c"], 600)), *rng.integers(0, 2, (2, 600)).tolist()), draws=500)
    p = {}
    for gap in m.gaps:
        assert gap.family == m.family
        assert gap.p_value is not None
        assert gap.p_adjusted is not None
        assert gap.p_explore is not None
        assert gap.p_value <= gap.p_explore <= gap.p_adjusted <= 1
        p[gap.metric] = gap.p_value
    # a rate and its complement are one comparison
    assert p["true_positive_rate"] == p["false_negative_rate"] == p["equal_opportunity"]
    smallest = min(p.values())
    assert pick(m.gaps, p_value=smallest).p_adjusted == pytest.approx(min(1.0, smallest * m.family))


def test_trap_10_weights_change_the_effective_sample_size() -> None:
    rng = np.random.default_rng(0)
    g = ["f"] * 100 + ["m"] * 100
    y, d = rng.integers(0, 2, (2, 200)).tolist()
    even = measured(coded_of(g, y, d, weight=[3.0] * 200))
    plain = measured(coded_of(g, y, d))
    for metric in ("selection_rate", "true_positive_rate"):
        assert rate(even, metric, "f").low == pytest.approx(rate(plain, metric, "f").low)
    w = rng.exponential(1, 200)
    result = rate(measured(coded_of(g, y, d, weight=w.tolist())), "selection_rate", "f")
    here = w[:100]
    assert result.value == pytest.approx((here * np.array(d[:100])).sum() / here.sum())
    # Weights drawn at random say nothing of the decision: linearised and Kish's numbers are near one another.
    off = here**2 * (np.array(d[:100]) - result.value) ** 2
    linearised = result.value * (1 - result.value) * here.sum() ** 2 / off.sum()
    assert result.effective_n == pytest.approx(linearised, rel=0.05)
    assert result.effective_n == pytest.approx(here.sum() ** 2 / (here**2).sum(), rel=0.05)
    assert result.rows == 100
    assert result.low is not None
    assert result.low < (rate(plain, "selection_rate", "f").low or 0) + 0.2
    assert result.interval.endswith("effective-n")


def test_trap_12_without_outcomes_error_rates_are_not_estimable_and_selection_is() -> None:
    m = measured(coded_of(["f"] * 12 + ["m"] * 12, [2] * 24, [1, 0] * 12))
    assert rate(m, "selection_rate", "f").value == 0.5
    for metric in ("accuracy", "true_positive_rate", "base_rate"):
        assert rate(m, metric, "f").value is None
    assert pick(m.counts, attribute=("g",), group=("f",)).unknown_label == 12


def test_trap_12_outcomes_of_accepted_people_only_do_not_identify_error_rates() -> None:
    """Of those refused nobody knows what would have become: no miss was ever seen, and none is claimed."""
    y = [1, 1, 0, 2, 2, 2] * 4 + [1, 1, 0, 0, 1, 0] * 4
    d = [1, 1, 1, 0, 0, 0] * 8
    m = measured(coded_of(["f"] * 24 + ["m"] * 24, y, d))
    for metric in ("true_positive_rate", "false_negative_rate", "accuracy", "base_rate"):
        result = rate(m, metric, "f")
        assert result.value is None, metric
        assert result.reason is not None
        assert "0 of 12 people decided '0'" in result.reason
        assert "selective labels" in result.reason
        assert rate(m, metric, "m").estimable
        assert not pick(m.gaps, metric=metric, kind="difference").estimable
    precision = rate(m, "positive_predictive_value", "f")
    assert (precision.numerator, precision.denominator) == (8, 12)
    assert any("known for 24 of 24" in n and "12 of 24" in n for n in m.notes)


def test_a_few_outcomes_missing_after_one_decision_leave_rates_as_they_are() -> None:
    m = measured(coded_of(["f"] * 40 + ["m"] * 40, ([2] + [1, 0] * 19 + [1]) * 2, ([0] + [1] * 39) * 2))
    assert rate(m, "accuracy", "f").estimable


def test_small_groups_take_no_part_in_gaps_while_two_others_remain() -> None:
    g = ["a"] * 30 + ["b"] * 30 + ["c"] * 3
    m = measured(coded_of(g, [1, 0, 1] * 21, [1, 0] * 30 + [1, 1, 1]))
    gap = pick(m.gaps, metric="selection_rate", kind="difference")
    assert gap.value == 0
    assert any("left out of gaps: c (3)" in n for n in m.notes)
    assert rate(m, "selection_rate", "c").value == 1
    two = measured(coded_of(["a"] * 5 + ["b"] * 5, [1, 0] * 5, [1] * 5 + [0] * 5))
    assert pick(two.gaps, metric="selection_rate", kind="difference").value == 1


def test_one_group_alone_has_no_gap() -> None:
    m = measured(coded_of(["a"] * 30, [1, 0] * 15, [1, 0] * 15))
    gap = pick(m.gaps, metric="selection_rate", kind="difference")
    assert gap.value is None
    assert gap.reason is not None
    assert "a: 30" in gap.reason


def test_the_reference_group_is_kept() -> None:
    g = ["a"] * 40 + ["b"] * 40 + ["c"] * 40
    d = [1] * 20 + [0] * 20 + [1] * 30 + [0] * 10 + [1] * 10 + [0] * 30
    m = measured(coded_of(g, [1, 0] * 60, d), reference={"g": "a"})
    gap = pick(m.gaps, metric="selection_rate", kind="difference")
    assert gap.reference == ("a",)
    assert gap.value == pytest.approx(0.25)


def test_the_same_cube_gives_the_same_figures() -> None:
    rng = np.random.default_rng(4)
    c = coded_of(list(rng.choice(["a", "b", "c"], 300)), *rng.integers(0, 2, (2, 300)).tolist())
    assert measured(c) == measured(c)
    assert measured(c, seed=1) != measured(c)


def test_inputs_are_not_changed() -> None:
    margins, _ = margins_of(cube_of(BY_HAND))
    before = [m.n.copy() for m in margins]
    measure(margins, Settings(draws=50))
    for m, n in zip(margins, before, strict=True):
        np.testing.assert_array_equal(m.n, n)


# -- dataset measures -------------------------------------------------------------------------------------------


def test_dataset_measures_by_hand() -> None:
    m = measured(BY_HAND)
    value = {d.metric: d.value for d in m.dataset if d.group == ("f",)}
    assert value["class_imbalance"] == pytest.approx((4 - 6) / 10)
    assert value["difference_in_proportions_of_labels"] == pytest.approx(2 / 4 - 3 / 6)
    assert value["conditional_demographic_disparity"] is None


@settings(max_examples=50, deadline=None)
@given(st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_distances_of_a_binary_label_agree(a: float, d: float) -> None:
    """KS = TVD = |difference in proportions| and L2 = sqrt(2) x TVD."""
    from audit.dataset import distances

    result = distances(np.array([1 - a, a]), np.array([1 - d, d]))
    assert result["total_variation_distance"] == pytest.approx(abs(result["difference_in_proportions_of_labels"]))
    assert result["kolmogorov_smirnov"] == pytest.approx(result["total_variation_distance"])
    assert result["lp_norm"] == pytest.approx(np.sqrt(2) * result["total_variation_distance"])
    assert result["kl_divergence"] >= -1e-12
    assert 0 <= result["js_divergence"] <= np.log(2)
