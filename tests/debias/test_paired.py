"""The joint table of before and after: figures by hand, the same as the audit's own, and bands that cover."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from audit.cube import CodedRows, Meaning, cube_of
from audit.evidence import pick
from audit.gaps import Settings
from audit.measure import measure
from audit.suppress import publish
from debias.compare import flips_of
from debias.paired import Change, changes, joint_of

MEANING = Meaning("yes", "no", "yes")


def coded(
    seed: int = 0, n: int = 600, weighted: bool = False, meaning: Meaning = MEANING
) -> tuple[CodedRows, np.ndarray]:
    rng = np.random.default_rng(seed)
    codes = np.column_stack([rng.integers(0, 2, n), rng.integers(0, 3, n)])
    label = (rng.random(n) < 0.4 + 0.1 * codes[:, 0]).astype(np.int64)
    before = (rng.random(n) < 0.2 + 0.3 * label + 0.2 * codes[:, 0]).astype(np.int64)
    after = np.where(rng.random(n) < 0.2, 1 - before, before)
    weight = rng.uniform(0.5, 3, n) if weighted else None
    levels = (("a", "b"), ("x", "y", "z"))
    return CodedRows(("g", "h"), levels, codes, label, before, weight, None, meaning), after


def of(result: list[Change], **wanted: object) -> Change:
    change = pick(result, **wanted)
    assert change is not None
    return change


def test_by_hand() -> None:
    """Ten people a group. Before: 5 of 10 and 2 of 10; after: 4 of 10 (one lost) and 4 of 10 (two gained)."""
    group = np.repeat([0, 1], 10)
    before = np.array([1] * 5 + [0] * 5 + [1] * 2 + [0] * 8)
    after = before.copy()
    after[0], after[12], after[13] = 0, 1, 1
    rows = CodedRows(("g",), (("a", "b"),), group[:, None], np.tile([1, 0], 10), before, None, None, MEANING)
    margins, _ = publish(cube_of(replace(rows, decision=after)), 10)
    result = changes(joint_of(rows, after), margins, reference={}, floor=10, seed=0)
    gap = of(result, metric="selection_rate", attribute=("g",), kind="difference")
    assert (gap.before, gap.after, gap.delta) == pytest.approx((0.3, 0.0, -0.3))
    assert not gap.worse
    ratio = of(result, metric="selection_rate", attribute=("g",), kind="ratio")
    assert (ratio.before, ratio.after) == pytest.approx((0.4, 1.0))
    lost = of(result, metric="selection_rate", group=("a",))
    assert lost.delta == pytest.approx(-0.1)
    assert lost.worse
    flips = {f.group: f for f in flips_of(rows, after, margins, 1)}
    assert (flips[("a",)].to_favourable, flips[("a",)].to_unfavourable) == (0, 1)
    assert (flips[("b",)].to_favourable, flips[("b",)].to_unfavourable) == (2, 0)
    assert flips[("b",)].p_value == pytest.approx(0.5)  # McNemar exact: 2 * (1/2)^2
    assert flips[()].rows == 20


def test_favourable_is_the_other_value() -> None:
    """Where the favourable decision is the negative one, a decision that turns positive is a loss."""
    rows, _ = coded(meaning=Meaning("bad", "good", "good"))
    after = np.ones_like(rows.decision)
    margins, _ = publish(cube_of(replace(rows, decision=after)), 10)
    everyone = next(f for f in flips_of(rows, after, margins, 0) if f.group == ())
    assert everyone.to_favourable == 0
    assert everyone.to_unfavourable == int((rows.decision == 0).sum())
    result = changes(joint_of(rows, after), margins, reference={}, floor=10, seed=0, draws=50)
    assert of(result, metric="selection_rate", group=(), kind="rate").worse


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reference", [{}, {"g": "b"}])
def test_the_figures_are_the_audits_own(weighted: bool, reference: dict[str, str]) -> None:
    """Every before and after equals what `measure` says of the two arms apart."""
    rows, after = coded(3, weighted=weighted)
    settings = Settings(draws=20, reference=reference)
    arms = []
    for decision in (rows.decision, after):
        margins, _ = publish(cube_of(replace(rows, decision=decision)), 10)
        arms.append(measure(margins, settings))
    result = changes(joint_of(rows, after), margins, reference=reference, floor=10, seed=0, draws=20)
    assert len(result) == 99
    for c in result:
        for value, arm in ((c.before, arms[0]), (c.after, arms[1])):
            if c.kind == "rate":
                same = pick(arm.rates, metric=c.metric, attribute=c.attribute, group=c.group)
            else:
                same = pick(arm.gaps, metric=c.metric, attribute=c.attribute, kind=c.kind)
            assert same.value == pytest.approx(value), c


def test_what_got_worse_stands_first() -> None:
    rows, after = coded(5, n=4000)
    margins, _ = publish(cube_of(replace(rows, decision=after)), 10)
    result = changes(joint_of(rows, after), margins, reference={}, floor=10, seed=0, draws=200)
    order = [(not (c.worse and c.clear), not c.worse) for c in result]
    assert order == sorted(order)
    assert result[0].worse
    assert result[0].clear


def test_no_flip_is_no_proof_of_no_change() -> None:
    """Where nobody's decision changed among n people the band is still the rule of three, 3 / n."""
    rows, _ = coded(1, n=300)
    margins, _ = publish(cube_of(rows), 10)
    result = changes(joint_of(rows, rows.decision), margins, reference={}, floor=10, seed=0, draws=50)
    everyone = of(result, metric="selection_rate", group=(), kind="rate")
    assert (everyone.low, everyone.high) == pytest.approx((-0.01, 0.01))
    assert not any(c.clear for c in result)


def test_seed_gives_the_same_and_inputs_stay() -> None:
    rows, after = coded(2)
    kept = after.copy(), rows.codes.copy(), rows.decision.copy()
    margins, _ = publish(cube_of(replace(rows, decision=after)), 10)
    first, second = (
        changes(joint_of(rows, after), margins, reference={}, floor=10, seed=9, draws=100) for _ in range(2)
    )
    assert first == second
    for a, b in zip(kept, (after, rows.codes, rows.decision), strict=True):
        assert np.array_equal(a, b)


def test_bands_cover_all_changes_at_once() -> None:
    """200 samples from a population whose changes are known: all true values are inside in about 95 % of them.

    The bound allows for the simulation's own error (a share of .95 has a standard error of .015 at 200).
    """
    rng = np.random.default_rng(11)
    cell = np.array([0.10, 0.02, 0.05, 0.13, 0.10, 0.06, 0.02, 0.12, 0.08, 0.03, 0.02, 0.07, 0.06, 0.05, 0.01, 0.08])
    cell = cell / cell.sum()
    names = np.array(list(np.ndindex(2, 2, 2, 2)))  # group, label, before, after

    def truth(metric: str, side: int, group: int) -> float:
        mine = names[:, 0] == group
        chosen = mine & (names[:, 2 + side] == 1)
        if metric == "true_positive_rate":
            mine = mine & (names[:, 1] == 1)
            chosen = chosen & (names[:, 1] == 1)
        return float(cell[chosen].sum() / cell[mine].sum())

    expected = {}
    for metric in ("selection_rate", "true_positive_rate"):
        rates = [[truth(metric, side, g) for g in (0, 1)] for side in (0, 1)]
        for g in (0, 1):
            expected[metric, ("ab"[g],), "rate"] = rates[1][g] - rates[0][g]
        expected[metric, None, "difference"] = abs(rates[1][0] - rates[1][1]) - abs(rates[0][0] - rates[0][1])
    inside = 0
    for sample in range(200):
        drawn = names[rng.choice(len(cell), size=800, p=cell)]
        rows = CodedRows(("g",), (("a", "b"),), drawn[:, :1], drawn[:, 1], drawn[:, 2], None, None, MEANING)
        margins, _ = publish(cube_of(replace(rows, decision=drawn[:, 3])), 10)
        result = changes(joint_of(rows, drawn[:, 3]), margins, reference={}, floor=10, seed=sample, draws=200)
        bands = {(c.metric, c.group, c.kind): c for c in result if c.attribute == ("g",)}
        inside += all(bands[k].low <= v <= bands[k].high for k, v in expected.items())
    assert inside >= 184


def test_a_withheld_group_is_passed_over() -> None:
    rows, after = coded(4, n=600)
    codes = rows.codes.copy()
    codes[:, 1] = np.where(np.arange(600) < 6, 2, codes[:, 1] % 2)
    rows = replace(rows, codes=codes)
    margins, _ = publish(cube_of(replace(rows, decision=after)), 10)
    result = changes(joint_of(rows, after), margins, reference={}, floor=10, seed=0, draws=20)
    assert not [c for c in result if c.group and "z" in c.group]


def test_one_row_a_person_gives_the_same_changes() -> None:
    rows, after = coded(5, n=500)
    margins, _ = publish(cube_of(replace(rows, decision=after)), 10)
    single = replace(rows, cluster=np.random.default_rng(0).permutation(500))
    a, b = (changes(joint_of(r, after), margins, reference={}, floor=10, seed=0, draws=50) for r in (rows, single))
    assert a == b


def test_changes_hold_the_truth_where_people_have_several_rows() -> None:
    """Six rows a person, all decided alike before and nearly so after; as rows the band holds in under 85 of 100."""
    rng = np.random.default_rng(13)
    inside = {"people": 0, "rows": 0}
    runs = 60
    for sample in range(runs):
        who = np.repeat(np.arange(160), 6)
        group = (who % 2)[:, None]
        before = (rng.random(160) < 0.4).astype(int)[who]
        up = (rng.random(160) < 0.15)[who]
        after = np.where(up & (rng.random(960) < 0.9), 1 - before, before)
        rows = CodedRows(("g",), (("a", "b"),), group, np.full(960, 2), before, None, None, MEANING)
        truth = 0.15 * 0.9 * (1 - 2 * 0.4)
        for kind, inputs in (("rows", rows), ("people", replace(rows, cluster=who))):
            margins, _ = publish(cube_of(replace(inputs, decision=after)), 10)
            result = changes(joint_of(inputs, after), margins, reference={}, floor=10, seed=sample, draws=200)
            mine = [c for c in result if c.metric == "selection_rate" and c.kind == "rate" and c.attribute == ("g",)]
            inside[kind] += all(c.low <= truth <= c.high for c in mine)
    assert inside["people"] >= 0.9 * runs
    assert inside["rows"] < 0.85 * runs


def test_flips_of_people_who_move_as_a_whole_are_tested_as_people() -> None:
    who = np.repeat(np.arange(40), 10)
    before = np.zeros(400, dtype=int)
    after = np.where(who < 4, 1, 0)
    after[who == 5] = 0
    before[who == 5] = 1
    rows = CodedRows(("g",), (("a", "b"),), (who % 2)[:, None], np.full(400, 2), before, None, None, MEANING)
    for inputs, most in ((rows, 0.001), (replace(rows, cluster=who), 1.0)):
        margins, _ = publish(cube_of(replace(inputs, decision=after)), 10)
        everyone = next(f for f in flips_of(inputs, after, margins, 1) if not f.attribute)
        # Four people gain and one loses: twice P(at most one of five) = .375.
        assert everyone.p_adjusted <= most
    assert everyone.p_adjusted >= 0.375
