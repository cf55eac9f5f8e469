"""Impact ratios: the worked examples of New York City's rule, by hand, and bounds against every way to place people."""

from __future__ import annotations

import decimal
import itertools
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from audit.cube import CodedRows, Margin, Meaning, cube_of, margins_of
from audit.impact import SCORING, impact_table, median_score, ratio_bounds, rule_of_thumb
from audit.values import UNKNOWN


def margins(
    groups: dict[str, tuple[int, int]], scores: dict[str, list[float]] | None = None, favourable: str = "1"
) -> tuple[Margin, Margin]:
    """(everyone, by race) of groups: name -> (positive, people)."""
    names = tuple(sorted(groups, key=lambda g: (g == UNKNOWN, g)))
    codes = np.concatenate([np.full(n, names.index(g)) for g, (_, n) in groups.items()])
    decision = np.concatenate([np.r_[np.ones(x, int), np.zeros(n - x, int)] for x, n in groups.values()])
    score = None if scores is None else np.concatenate([np.array(scores[g]) for g in groups])
    coded = CodedRows(
        ("race",), (names,), codes[:, None], np.full(len(codes), 2), decision, None, score,
        Meaning("1", "0", favourable),
    )  # fmt: skip
    built, _ = margins_of(cube_of(coded))
    by = {m.attribute: m for m in built}
    return by[()], by["race",]


def table(groups: dict[str, tuple[int, int]], **more: Any) -> dict[str, Any]:
    return impact_table(margins(groups)[1], **more)


def row(built: dict[str, Any], group: str) -> dict[str, Any]:
    return next(r for r in built.groups if r.group == (group,))


# 6 RCNY 5-301(b), the worked example: applicants, selected, rate and ratio as the rule prints them.
SEX = {"Male": (1390, 667, "48", "1.00"), "Female": (1181, 555, "47", "0.979")}
RACE = {
    "Hispanic or Latino": (408, 204, "50", "0.97"),
    "White": (797, 412, "52", "1.00"),
    "Black or African American": (390, 170, "44", "0.84"),
    "Native Hawaiian or Pacific Islander": (119, 52, "44", "0.85"),
    "Asian": (616, 302, "49", "0.95"),
    "Native American or Alaska Native": (41, 18, "44", "0.85"),
    "Two or More Races": (213, 96, "45", "0.87"),
}
BOTH = {
    "Hispanic or Latino, Male": (205, 90, "43.9", "0.841"),
    "Hispanic or Latino, Female": (190, 82, "43.2", "0.827"),
    "White, Male": (412, 215, "52.2", "1.000"),
    "Black or African American, Male": (226, 95, "42.0", "0.806"),
    "Native Hawaiian or Pacific Islander, Male": (87, 37, "42.5", "0.815"),
    "Asian, Male": (321, 167, "52.0", "0.997"),
    "Native American or Alaska Native, Male": (24, 11, "45.8", "0.878"),
    "Two or More Races, Male": (115, 52, "45.2", "0.866"),
    "White, Female": (385, 197, "51.2", "0.981"),
    "Black or African American, Female": (164, 75, "45.7", "0.876"),
    "Native Hawaiian or Pacific Islander, Female": (32, 15, "46.9", "0.898"),
    "Asian, Female": (295, 135, "45.8", "0.877"),
    "Native American or Alaska Native, Female": (17, 7, "41.2", "0.789"),
    "Two or More Races, Female": (98, 44, "44.9", "0.860"),
}


@pytest.mark.parametrize("printed", [SEX, RACE, BOTH], ids=["sex", "race", "both"])
def test_the_rule_s_worked_example_of_selection_to_the_last_digit(printed: dict[str, Any]) -> None:
    built = table({g: (x, n) for g, (n, x, _, _) in printed.items()} | {UNKNOWN: (100, 250)})
    assert built.unknown == 250
    for group, (people, selected, rate, ratio) in printed.items():
        r = row(built, group)
        assert (r.people, r.counted) == (people, selected)
        assert f"{100 * r.rate:.{len(rate.partition('.')[2])}f}" == rate
        assert f"{r.impact_ratio:.{len(ratio.partition('.')[2])}f}" == ratio


# 6 RCNY 5-301(c), the worked example of scoring, whole: applicants, above the median, rate and ratio as printed.
SCORED_SEX = {"Male": (92, 50, "54.3", "1.00"), "Female": (76, 34, "44.7", "0.82")}
SCORED_RACE = {
    "Hispanic or Latino": (28, 18, "64.2", "1.00"),
    "White": (40, 15, "37.5", "0.58"),
    "Black or African American": (32, 16, "50.0", "0.78"),
    "Native Hawaiian or Pacific Islander": (8, 5, "62.5", "0.97"),
    "Asian": (24, 10, "41.7", "0.65"),
    "Native American or Alaska Native": (16, 10, "62.5", "0.97"),
    "Two or More Races": (20, 10, "50.0", "0.78"),
}
SCORED_BOTH = {
    "Hispanic or Latino, Male": (16, 12, "75", "1.00"),
    "Hispanic or Latino, Female": (12, 6, "50", "0.67"),
    "White, Male": (20, 7, "35", "0.47"),
    "Black or African American, Male": (20, 10, "50", "0.67"),
    "Native Hawaiian or Pacific Islander, Male": (4, 3, "75", "1.00"),
    "Asian, Male": (12, 7, "58.3", "0.78"),
    "Native American or Alaska Native, Male": (8, 5, "62.5", "0.83"),
    "Two or More Races, Male": (12, 6, "50", "0.67"),
    "White, Female": (20, 8, "40", "0.53"),
    "Black or African American, Female": (12, 6, "50", "0.67"),
    "Native Hawaiian or Pacific Islander, Female": (4, 2, "50", "0.67"),
    "Asian, Female": (12, 3, "25", "0.33"),
    "Native American or Alaska Native, Female": (8, 5, "62.5", "0.83"),
    "Two or More Races, Female": (8, 4, "50", "0.67"),
}
SLIP = ("Hispanic or Latino", "64.2", "64.3")
"""The one printed figure that no rule gives together with the others: see the test of all rules."""


@pytest.mark.parametrize("printed", [SCORED_SEX, SCORED_RACE, SCORED_BOTH], ids=["sex", "race", "both"])
def test_the_rule_s_worked_example_of_scoring_to_the_last_digit(printed: dict[str, Any]) -> None:
    groups = {g: (0, n) for g, (n, *_) in printed.items()}
    scores = {g: [2.0] * x + [0.0] * (n - x) for g, (n, x, _, _) in printed.items()}
    built = impact_table(margins(groups, scores)[1], SCORING, median=1.0)
    for group, (people, above, rate, ratio) in printed.items():
        r = row(built, group)
        assert (r.people, r.counted) == (people, above)
        text = f"{100 * r.rate:.{len(rate.partition('.')[2])}f}"
        assert text == rate or (group, rate, text) == SLIP
        assert f"{r.impact_ratio:.2f}" == ratio


def test_one_printed_digit_follows_from_no_rule_and_rounding_exact_rates_gives_every_other_one() -> None:
    """Tried: rounding half up, half to even, cutting and raising, each with ratios of exact and of printed rates."""
    tables = [SEX, RACE, BOTH, SCORED_SEX, SCORED_RACE, SCORED_BOTH]
    missed = {(how, exact): _missed(tables, how, exact) for how in ROUNDINGS for exact in (True, False)}
    assert missed[decimal.ROUND_HALF_UP, True] == missed[decimal.ROUND_HALF_EVEN, True] == [SLIP]
    assert min(len(m) for m in missed.values()) == 1
    assert {len(m) for key, m in missed.items() if not key[1] or key[0] not in ROUNDINGS[:2]} >= {10, 34, 39}
    # Of 28 people no number is 64.2 % when rounded; 18 is when cut. But 10 of 24, printed as 41.7 %, are 41.6 when cut:
    # one way of shortening cannot have made both.
    assert not [x for x in range(29) if _short(Fraction(100 * x, 28), 1, decimal.ROUND_HALF_UP) == "64.2"]
    assert _short(Fraction(1800, 28), 1, decimal.ROUND_DOWN) == "64.2"
    assert _short(Fraction(1000, 24), 1, decimal.ROUND_DOWN) == "41.6"


ROUNDINGS = (decimal.ROUND_HALF_UP, decimal.ROUND_HALF_EVEN, decimal.ROUND_DOWN, decimal.ROUND_UP)


def _short(value: Fraction, digits: int, how: str) -> str:
    exact = decimal.Decimal(value.numerator) / decimal.Decimal(value.denominator)
    return str(exact.quantize(decimal.Decimal(1).scaleb(-digits), rounding=how))


def _missed(tables: list[dict[str, Any]], how: str, exact: bool) -> list[tuple[str, str, str]]:
    """(group, printed, got) of every figure of these tables that the rule does not give."""
    out = []
    for printed in tables:
        shown = {g: _short(Fraction(100 * x, n), len(r.partition(".")[2]), how) for g, (n, x, r, _) in printed.items()}
        rates = {g: Fraction(x, n) if exact else Fraction(shown[g]) for g, (n, x, *_) in printed.items()}
        for group, (_, _, rate, ratio) in printed.items():
            got = _short(rates[group] / max(rates.values()), len(ratio.partition(".")[2]), how)
            out += [(group, a, b) for a, b in ((rate, shown[group]), (ratio, got)) if a != b]
    return out


def test_groups_are_left_out_only_where_asked_and_before_the_highest_rate_is_chosen() -> None:
    """The small group has the highest rate: as denominator it would push everyone below."""
    groups = {"A": (60, 100), "B": (30, 100), "C": (3, 3), UNKNOWN: (5, 20)}
    whole, cut = table(groups), table(groups, leave_out=0.02)
    assert (whole.highest_rate, cut.highest_rate) == (1.0, 0.6)
    assert row(cut, "B").impact_ratio == pytest.approx(0.5)
    assert row(whole, "B").impact_ratio == pytest.approx(0.3)
    small = row(cut, "C")
    assert (small.left_out, small.people, small.rate, small.impact_ratio) == (True, 3, 1.0, None)
    assert [r.group for r in cut.groups] == [("A",), ("B",), ("C",)]


def test_the_share_itself_is_kept() -> None:
    assert row(table({"A": (49, 98), "B": (1, 2)}, leave_out=0.02), "B").impact_ratio == 1.0


def test_selection_is_the_favourable_decision() -> None:
    built = impact_table(margins({"A": (60, 100), "B": (30, 100)}, favourable="0")[1])
    assert row(built, "A").impact_ratio == pytest.approx(0.4 / 0.7)


def test_scores_use_the_share_above_the_median_of_all() -> None:
    everyone, by = margins({"A": (0, 4), "B": (0, 4)}, {"A": [1, 2, 3, 10], "B": [4, 5, 6, 7]})
    assert median_score(everyone) == (4.5, 4.5, 4.5)
    built = impact_table(by, SCORING, median=4.5)
    assert [row(built, g).rate for g in "AB"] == [0.25, 0.75]
    assert row(built, "A").impact_ratio == pytest.approx(1 / 3)


@pytest.mark.parametrize("values", [[1, 2, 3], [1, 2, 3, 4], [1, 1, 1, 5], [0.2, 0.4, 0.4, 0.9, 1.0]])
def test_the_median_is_the_median(values: list[float]) -> None:
    assert median_score(margins({"A": (0, len(values))}, {"A": values})[0]) == pytest.approx((np.median(values),) * 3)


def test_nobody_selected_has_no_ratio() -> None:
    built = table({"A": (0, 50), "B": (0, 50)})
    assert all(r.impact_ratio is None and r.low is None for r in built.groups)
    assert rule_of_thumb(margins({"A": (0, 50), "B": (0, 50)})[1], 0.8) == []


@pytest.mark.parametrize(
    ("counts", "yes", "no"),
    [
        ([(3, 5), (2, 6)], 2, 2), ([(1, 4), (3, 4), (2, 5)], 1, 3), ([(0, 3), (2, 4), (1, 2)], 2, 1),
        ([(4, 4), (1, 6)], 0, 3), ([(2, 3), (3, 5), (1, 5)], 3, 0), ([(0, 2), (0, 3)], 1, 2),
    ],
)  # fmt: skip
def test_bounds_are_the_least_and_the_most_of_every_way_to_place_people(
    counts: list[tuple[int, int]], yes: int, no: int
) -> None:
    for at in range(len(counts)):
        items = []
        for placed in itertools.product(range(len(counts)), repeat=yes + no):
            x, n = [c[0] for c in counts], [c[1] for c in counts]
            for person, g in enumerate(placed):
                x[g] += person < yes
                n[g] += 1
            rates = [a / b for a, b in zip(x, n, strict=True)]
            items.append(rates[at] / max(rates) if max(rates) else 1.0)
        low, high = ratio_bounds(counts, at, yes, no)
        assert (low, high) == pytest.approx((min(items), max(items)))


def test_the_rule_of_thumb_has_significance_and_a_warning_and_no_verdict() -> None:
    result = rule_of_thumb(margins({"A": (60, 100), "B": (30, 100), "C": (3, 6)})[1], 0.8)
    lines = {line.group[0]: line for line in result}
    assert lines["B"].ratio == pytest.approx(0.5)
    assert lines["B"].p_value < 0.001
    assert not lines["B"].few_people
    assert lines["C"].few_people
    assert lines["C"].p_value > 0.3
    text = str(result).lower()
    for word in ("pass", "fail", "complian", "lawful", "violation"):
        assert word not in text
