"""The gate at each of its bounds, on both sides, and what each part of it may spend.

The confidence sequence of a pair is held against a search over all laws in test_gate.py; here it is asked which counts
and which alpha go into it, and which end of it decides.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from audit.cube import Cube
from audit.policy import Norm, Policy
from audit.watch.counted import paired_sequence
from debias.loop.gate import harm_checks, judge_gate, judge_tally, least_people, loss_checks, norm_attributes, plan
from debias.loop.state import Tally
from tests.debias.loop.played import GAP, POLICY, RULES
from tests.debias.loop.test_gate import EVEN, KEY, beside, check, cube, decided, paired, verdict

ALPHA = 0.05


def interval(result: Any) -> tuple[float, float]:
    return result.facts["low"], result.facts["high"]


def loss(pairs: Cube, rules: Any = RULES, name: str = "loss") -> Any:
    return next(c for c in loss_checks(pairs, rules, ALPHA) if c.name == name)


def test_everyone_may_spend_alpha_and_each_group_its_share_of_it() -> None:
    """Bonferroni over the groups of a column; people without a value are no group and take no share."""
    pairs = paired(**{"F": (900, 30, 20, 50), "M": (900, 25, 20, 55), "(unknown)": (500, 9, 1, 5)})
    assert interval(loss(pairs)) == paired_sequence(64, 41, 1000 + 1000 + 515, ALPHA)
    assert interval(loss(pairs, name="loss/sex=F")) == paired_sequence(30, 20, 1000, ALPHA / 2)
    assert interval(loss(pairs, name="loss/sex=M")) == paired_sequence(25, 20, 1000, ALPHA / 2)
    alone = paired(F=(900, 30, 20, 50), **{"(unknown)": (500, 9, 1, 5)})
    assert interval(loss(alone, name="loss/sex=F")) == paired_sequence(30, 20, 1000, ALPHA)


def test_people_without_an_outcome_are_in_no_pair() -> None:
    with_unknown = cube({"F": [[50, 20], [30, 900], [70, 70]]})
    assert loss(with_unknown).facts["people"] == 1000
    assert interval(loss(with_unknown)) == paired_sequence(30, 20, 1000, ALPHA)
    assert loss(with_unknown).facts["value"] == pytest.approx(0.01)


@pytest.mark.parametrize("name, field", [("loss", "loss"), ("loss/sex=F", "group_loss")])
def test_a_loss_at_its_bound_is_allowed_and_one_beyond_it_is_not(name: str, field: str) -> None:
    """From under the lower end to over the upper one: surely too large, not known, surely allowed."""
    pairs = paired(F=(900, 60, 10, 30), M=(900, 60, 10, 30))
    low, high = interval(loss(pairs, name=name))

    def allowed(bound: float) -> bool | None:
        holds: bool | None = loss(pairs, replace(RULES, **{field: bound}), name).holds
        return holds

    assert low > 0
    assert [allowed(math.nextafter(low, -1)), allowed(low)] == [False, None]
    assert [allowed(math.nextafter(high, -1)), allowed(high)] == [None, True]


@pytest.mark.parametrize("people, holds", [(199, True), (200, None), (201, None)])
def test_from_enough_people_on_a_group_has_to_show_it(people: int, holds: bool | None) -> None:
    pairs = paired(F=(2900, 20, 20, 60), M=(people - 40, 25, 5, 10))
    result = loss(pairs, name="loss/sex=M")
    assert (result.facts["people"], result.holds) == (people, holds)


def test_a_group_of_nobody_has_nothing_to_show_and_everyone_has() -> None:
    nobody = paired(F=(0, 0, 0, 0))
    assert [c.holds for c in loss_checks(nobody, RULES, ALPHA)] == [None, True]
    assert [c.facts for c in loss_checks(nobody, RULES, ALPHA)] == [{"people": 0}, {"people": 0}]
    assert [c.holds for c in loss_checks(nobody, replace(RULES, enough=0), ALPHA)] == [None, None]


def planned(expected: int, pairs: Cube, **rules: float) -> Any:
    inputs = replace(RULES, **{"group_loss": 0.05, **rules})
    result = loss_checks(pairs, inputs, ALPHA, {("sex", "F"): 5000, ("sex", "M"): expected})
    return next(c for c in result if c.name == "loss/sex=M")


def test_who_has_to_show_it_is_said_by_the_plan_and_not_by_who_came() -> None:
    many = paired(F=(2900, 20, 20, 60), M=(400, 150, 150, 300))
    needed = planned(0, many).facts["needed"]
    assert [planned(n, many).holds for n in (needed - 1, needed)] == [True, None]
    assert planned(needed - 1, many).words.startswith("M: UNDECIDED whether wronged more often: 1,000 people")
    few = paired(F=(2900, 20, 20, 60), M=(10, 1, 1, 1))
    assert planned(needed, few).holds is None, "expected, and not there yet"
    late = loss_checks(many, RULES, ALPHA, {("sex", "F"): 5000})
    assert next(c for c in late if c.name == "loss/sex=M").holds is True, "a group that nobody knew of has no plan"
    one_will_do = replace(RULES, enough=1, group_loss=1.0)
    unplanned = loss_checks(paired(M=(0, 0, 0, 0)), one_will_do, ALPHA, {("sex", "F"): 5000})
    assert {c.name: c.holds for c in unplanned}["loss/sex=M"] is True, "nobody was expected of it, not one"
    gone = loss_checks(paired(F=(2900, 20, 20, 60)), RULES, ALPHA, {("sex", "F"): 5000, ("sex", "M"): 5000})
    assert [(c.name, c.holds) for c in gone][-1] == ("loss/sex=M", None), "a group that stays away cannot show it"


def test_a_group_that_need_not_show_it_can_be_shown_to_be_wronged_or_not() -> None:
    assert planned(0, paired(F=(2900, 20, 20, 60), M=(10, 85, 0, 5))).holds is False
    shown = planned(0, paired(F=(2900, 20, 20, 60), M=(2900, 5, 20, 60)))
    assert (shown.holds, "UNDECIDED" in shown.words) == (True, False)


def test_the_least_people_are_those_who_show_it_where_both_models_are_as_good() -> None:
    """One fewer would not do, by the sequence itself; and a policy may ask for more."""
    for bound in (0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.2):
        needed = least_people(bound, ALPHA / 2)
        assert paired_sequence(0.025 * needed, 0.025 * needed, needed, ALPHA / 2)[1] <= bound
        assert paired_sequence(0.025 * (needed - 1), 0.025 * (needed - 1), needed - 1, ALPHA / 2)[1] > bound
    needed = least_people(0.05, ALPHA / 2)
    assert least_people(1.0, ALPHA) == 1, "nothing has to be shown"
    even = paired(F=(2900, 20, 20, 60))
    assert planned(0, even).facts["needed"] == max(needed, RULES.enough)
    assert planned(0, even, enough=9000).facts["needed"] == 9000


def test_a_plan_is_the_pace_of_the_batches_before() -> None:
    matured = cube(
        {"F": [[30, 20], [10, 40], [500, 500]], "M": [[5, 1], [1, 0], [0, 0]], "(unknown)": [[9, 9], [9, 9]]}
    )
    assert plan(matured, 10, 25) == {("sex", "F"): 250, ("sex", "M"): 17}
    assert plan(matured, 1, 25) == {("sex", "F"): 2500, ("sex", "M"): 175}, "one batch is a pace"
    assert plan(None, 10, 25) == plan(matured, 0, 25) == {}


def test_a_later_group_takes_nothing_of_what_the_others_may_spend() -> None:
    pairs = paired(F=(900, 30, 20, 50), X=(900, 25, 20, 55))
    result = loss_checks(pairs, RULES, ALPHA, {("sex", "F"): 5000, ("sex", "M"): 10})
    each = {c.name: interval(c) for c in result if c.facts["people"]}
    gone = next(c for c in result if c.name == "loss/sex=M")
    assert (gone.holds, gone.facts["people"]) == (True, 0)
    assert gone.words == "M: UNDECIDED whether wronged more often: no outcomes are due yet."
    assert each["loss/sex=F"] == paired_sequence(30, 20, 1000, ALPHA / 2)
    assert each["loss/sex=X"] == paired_sequence(25, 20, 1000, ALPHA / 2)


def test_a_verdict_names_who_is_undecided() -> None:
    pairs = paired(F=(2900, 20, 20, 60), M=(2900, 20, 20, 60), X=(80, 8, 2, 10))
    model = replace(beside(decided(1500, 1500, 1500, 1500), pairs), planned={("sex", g): 3000 for g in "FM"})
    result = judge_gate(POLICY, model, (KEY,), 1, ("sex",))
    assert result.passed
    assert [(c["name"], c["people"]) for c in result.to_json()["undecided"]] == [("loss/sex=X", 100)]
    high = check(result, "loss/sex=X").facts["high"]
    for bound, names in ((high, []), (math.nextafter(high, -1), ["loss/sex=X"])):
        at = replace(POLICY, loop=replace(RULES, group_loss=bound))
        assert [c.name for c in judge_gate(at, model, (KEY,), 1, ("sex",)).undecided] == names
    away = replace(model, paired=EVEN, planned={("sex", g): n for g, n in (("F", 3000), ("M", 3000), ("X", 10))})
    nobody = judge_gate(POLICY, away, (KEY,), 1, ("sex",))
    assert nobody.passed
    assert [(c.name, c.people) for c in nobody.undecided] == [("loss/sex=X", 0)], "a group that has not come yet"
    known = replace(model, paired=EVEN)
    assert judge_gate(POLICY, known, (KEY,), 1, ("sex",)).undecided == ()


def harm(pairs: Cube | None, *groups: str) -> list[Any]:
    return harm_checks(pairs, [f"harm/sex={g}" for g in groups], ALPHA)


def test_each_harmed_group_may_spend_its_share() -> None:
    pairs = paired(F=(2500, 10, 400, 90), M=(2900, 20, 25, 55))
    (one,) = harm(pairs, "F")
    assert interval(one) == paired_sequence(10, 400, 3000, ALPHA)
    first, second = harm(pairs, "F", "M")
    assert interval(first) == paired_sequence(10, 400, 3000, ALPHA / 2)
    assert interval(second) == paired_sequence(20, 25, 3000, ALPHA / 2)
    assert second.facts["people"] == 3000


@pytest.mark.parametrize(
    "only_running, only_challenger, holds",
    [(10, 400, True), (20, 30, None), (20, 20, None), (30, 20, None), (400, 10, False)],
)
def test_a_harmed_group_has_to_be_better_off_surely_and_not_in_the_mean_alone(
    only_running: int, only_challenger: int, holds: bool | None
) -> None:
    """20 against 30 of 3,000: wrong less often so far, and the interval is on both sides of zero."""
    (result,) = harm(paired(F=(2500, only_running, only_challenger, 500 - only_running - only_challenger)), "F")
    assert result.holds is holds
    if holds is None:
        assert result.facts["low"] < 0 < result.facts["high"]
    assert math.copysign(1, result.facts["value"]) == math.copysign(1, only_running - only_challenger)


@pytest.mark.parametrize(
    "bounds, holds", [((-0.1, 0.0), None), ((0.0, 0.1), None), ((-0.1, -1e-12), True), ((1e-12, 0.1), False)]
)
def test_an_interval_that_ends_at_nought_says_nothing_yet(
    bounds: tuple[float, float], holds: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("debias.loop.gate.paired_sequence", lambda *_: bounds)
    (result,) = harm(EVEN, "F")
    assert result.holds is holds


def test_a_harmed_group_of_whom_nothing_is_known_waits() -> None:
    for pairs, group in ((None, "F"), (EVEN, "X"), (paired(F=(0, 0, 0, 0)), "F")):
        (result,) = harm(pairs, group)
        assert (result.holds, result.facts) == (None, {"people": 0})


def test_one_person_of_a_harmed_group_is_an_outcome() -> None:
    (result,) = harm(paired(F=(0, 1, 0, 0)), "F")
    assert result.facts["people"] == 1


# --- norms ---


def with_norm(norm: Norm, **rules: Any) -> Policy:
    return replace(POLICY, norms=(norm,), loop=replace(RULES, **rules))


def judged(policy: Policy, theirs: Tally, broken: tuple[str, ...], sensitive: tuple[str, ...] = ("sex",)) -> Any:
    return judge_gate(policy, beside(theirs), broken, 1, sensitive)


@pytest.mark.parametrize("side", [-1, 0, 1])
def test_a_gap_is_surely_too_wide_only_beyond_the_level_for_promotion(side: int) -> None:
    theirs = decided(900, 2100, 1500, 1500)
    low = check(judged(POLICY, theirs, (KEY,)), KEY).facts["low"]
    level = low if side == 0 else math.nextafter(low, side)
    result = check(judged(with_norm(replace(GAP, promote=level)), theirs, (KEY,)), KEY)
    assert result.holds is (False if side < 0 else None)
    assert result.facts["promote"] == level


@pytest.mark.parametrize("side", [-1, 0, 1])
def test_a_ratio_is_surely_too_low_only_under_the_level_for_promotion(side: int) -> None:
    norm, key = Norm("selection_rate", "ratio", ("sex",), 0.7, 0.8), "selection_rate/ratio/sex"
    theirs = decided(900, 2100, 1500, 1500)
    high = check(judged(with_norm(norm), theirs, (key,)), key).facts["high"]
    level = high if side == 0 else math.nextafter(high, side)
    result = check(judged(with_norm(replace(norm, promote=level)), theirs, (key,)), key)
    assert result.holds is (False if side > 0 else None)


def test_a_norm_on_every_column_has_its_own_level_for_each() -> None:
    """Two norms over two columns: the level that goes with each check is that of its own norm."""
    n = np.zeros((2, 2, 3, 2), dtype=np.int64)
    n[..., 2, :] = 750
    both = Cube(
        ("sex", "age"), (("F", "M"), ("o", "y")), n, n.astype(float), n.astype(float), False, None, EVEN.meaning
    )
    every, one = (
        replace(GAP, attribute=(), promote=0.11),
        replace(GAP, attribute=("age",), kind="ratio", limit=0.8, promote=0.9),
    )
    policy = replace(POLICY, norms=(every, one))
    names = ["selection_rate/difference/sex", "selection_rate/difference/age", "selection_rate/ratio/age"]
    assert norm_attributes(every, ("sex", "age")) == (("sex",), ("age",))
    result = judge_gate(policy, beside(Tally(both)), names, 1, ("sex", "age"))
    assert [(c.name, c.facts["promote"]) for c in result.checks[:3]] == list(zip(names, (0.11, 0.11, 0.9), strict=True))


def test_people_under_the_policys_number_are_no_group_to_compare() -> None:
    for people, judged_ in ((30, True), (29, False)):
        counted = judge_tally(POLICY, decided(people, 0, 1000, 1000), ("sex",), people=30)
        assert (counted[0].value is not None) is judged_


def test_why_a_norm_cannot_be_judged_yet() -> None:
    selection, chance = GAP, replace(GAP, metric="equal_opportunity")
    policy = replace(POLICY, norms=(selection, chance))
    assert [c.reason for c in judge_tally(policy, Tally(), ("sex",), people=5)] == [
        "nobody was decided yet", "no outcomes are due yet",
    ]  # fmt: skip
    arrived = Tally(decided(10, 10, 10, 10).arrived)
    assert judge_tally(policy, arrived, ("sex",), people=5)[1].reason == "no outcomes are due yet"


def test_a_verdict_passes_only_where_all_holds_and_fails_where_one_surely_does_not() -> None:
    good, early = verdict(decided(1500, 1500, 1500, 1500)), verdict(decided(1200, 1800, 1500, 1500))
    bad = verdict(decided(700, 2300, 1500, 1500))
    assert [(v.passed, v.failed) for v in (good, early, bad)] == [(True, False), (False, False), (False, True)]
    document = json.loads(json.dumps(bad.to_json()))
    assert (document["passed"], document["failed"], document["alpha"]) == (False, True, bad.alpha)
    assert document["checks"][0]["holds"] is False
    assert "surely not inside" in document["checks"][0]["words"]


def test_a_norm_is_told_to_three_decimals() -> None:
    result = check(judged(POLICY, decided(900, 2100, 1500, 1500), (KEY,)), KEY)
    low, high = interval(result)
    at = f"selection rate difference by sex 0.200 [{low:.3f}, {high:.3f}]"
    assert result.words == f"{at}: surely not inside the level for promotion."
    other = check(judged(POLICY, decided(900, 2100, 1500, 1500), ()), KEY)
    assert other.words.startswith(at)


def test_the_words_tell_points_of_a_hundred() -> None:
    pairs = paired(F=(2500, 10, 400, 90))
    (result,) = harm(pairs, "F")
    low, high = paired_sequence(10, 400, 3000, ALPHA)
    assert result.words == (
        f"F, harmed before: wrong less often by 13.0 points (a change of {low * 100:+.1f} to {high * 100:+.1f}), must "
        "be under 0."
    )
    low, high = paired_sequence(60, 10, 1000, ALPHA)
    assert loss(paired(F=(900, 60, 10, 30))).words == (
        f"everyone: wrong more often by 5.0 points (a change of {low * 100:+.1f} to {high * 100:+.1f}), allowed +5."
    )
