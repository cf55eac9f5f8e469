"""Harm: who is wronged more often than before is named, and nobody else; a changed mix of groups harms nobody."""

from __future__ import annotations

import json

import numpy as np
import pytest

from audit.cube import UNLABELLED, CodedRows, Meaning, cube_of
from audit.stats import wilson
from audit.values import UNKNOWN
from audit.watch.harm import Harm, bounds, feed_harm, look, open_harm, standing

MEANING = Meaning("yes", "no", "yes")
NAMES = ("F", "M")


def rows(seed: int, n: int, wrong: tuple[float, ...], share: tuple[float, ...] = (0.5, 0.5), names=NAMES) -> CodedRows:
    """`wrong`: each group's chance of a wrong decision."""
    rng = np.random.default_rng(seed)
    group = rng.choice(len(wrong), n, p=share)
    label = rng.integers(0, 2, n)
    miss = rng.random(n) < np.array(wrong)[group]
    return CodedRows(("sex",), (names,), group[:, None], label, np.where(miss, 1 - label, label), None, None, MEANING)


def fed(*batches: CodedRows, harm: Harm | None = None, start: int = 0, **inputs) -> Harm:
    """After each batch one look; the first three are the reference."""
    settings = {"tolerance": 0.03, "alpha": 0.0125, "people": 50} | inputs
    harm = open_harm(3, **settings) if harm is None else harm
    for number, coded in enumerate(batches, start):
        harm = look(feed_harm(harm, number, coded))
    return harm


def quiet(seed: int, batches: int, n: int = 500, wrong=(0.3, 0.1), **how) -> list[CodedRows]:
    return [rows(1000 * seed + k, n, wrong, **how) for k in range(batches)]


def part(c: CodedRows, keep: np.ndarray) -> CodedRows:
    label = np.where(keep, c.label, UNLABELLED)
    return CodedRows(c.attributes, c.levels, c.codes, label, c.decision, None, None, c.meaning)


def test_bounds_are_wilsons_upper_limits_all_groups_at_once_and_the_tolerance():
    source = rows(0, 5000, (0.3, 0.1))
    harm = open_harm(3, tolerance=0.03, alpha=0.0125, people=50, reference=cube_of(source))
    for g, name in enumerate(NAMES):
        mine = source.codes[:, 0] == g
        wrong = int((source.label != source.decision)[mine].sum())
        upper = float(wilson(wrong, int(mine.sum()), 0.0125 / 2)[1])
        assert bounds(harm)[("sex", name)] == pytest.approx(upper + 0.03)


def test_more_wrong_decisions_for_one_group_name_that_group_and_since_when():
    harm = fed(*quiet(0, 10), *quiet(1, 10, wrong=(0.5, 0.1)))
    assert harm.alarm == (("sex", "F"),)
    (result,) = harm.found
    assert result["since"] == 9
    assert result["after"][1] / result["after"][0] > 0.4 > result["before"][1] / result["before"][0]


def test_a_changed_mix_alone_names_nobody():
    """Nine of ten are now of the group that is wronged three times as often: the overall risk rises by half."""
    assert fed(*quiet(0, 6), *quiet(1, 20, n=1000, share=(0.9, 0.1))).alarm == ()


def test_a_rise_within_the_tolerance_names_nobody():
    assert fed(*quiet(0, 6, n=2000), *quiet(1, 20, n=2000, wrong=(0.33, 0.1)), tolerance=0.08).alarm == ()


def test_a_group_that_comes_later_is_held_against_those_who_were_there():
    """No one knows what its share was; it should not be wronged more often than anybody was."""
    names = ("F", "M", "X")
    later = [rows(50 + k, 400, (0.3, 0.1, 0.9), (0.45, 0.45, 0.1), names) for k in range(5)]
    harm = fed(*quiet(0, 5), *later)
    assert harm.alarm == (("sex", "X"),)
    one = fed(*quiet(0, 5), later[0])
    mapping = {g.group: g for g in standing(one)}
    assert mapping["X"].status == "undecided"
    assert f"{mapping['X'].outcomes} people with known outcomes, 50 are needed" in (mapping["X"].reason or "")
    alike = [rows(50 + k, 400, (0.3, 0.1, 0.3), (0.45, 0.45, 0.1), names) for k in range(20)]
    assert fed(*quiet(0, 5), *alike).alarm == ()


def test_a_small_group_has_its_reference_once_it_is_large_enough():
    """Nine people in the first batches; its reference grows to fifty, and the rise comes after that."""
    names, share = ("F", "M", "X"), (0.49, 0.48, 0.03)
    before = [rows(70 + k, 500, (0.3, 0.1, 0.2), share, names) for k in range(12)]
    after = [rows(90 + k, 500, (0.3, 0.1, 0.8), share, names) for k in range(12)]
    assert fed(*before, tolerance=0.05).alarm == ()
    assert fed(*before, *after, tolerance=0.05).alarm == (("sex", "X"),)


def test_after_a_long_quiet_time_a_change_is_found_as_soon():
    harm = fed(*quiet(0, 80))
    assert harm.alarm == ()
    assert fed(*quiet(1, 2, wrong=(0.5, 0.1)), harm=harm, start=80).alarm == (("sex", "F"),)


def test_the_first_alarm_is_kept():
    harm = fed(*quiet(0, 5), *quiet(1, 4, wrong=(0.5, 0.1)))
    later = fed(*quiet(2, 10, wrong=(0.2, 0.1)), harm=harm, start=9)
    assert later.alarm == harm.alarm == (("sex", "F"),)
    assert later.found == harm.found


def test_it_is_the_same_after_a_restart_and_late_outcomes_leave_the_counts_of_those_in_time():
    batches = [*quiet(0, 5), *quiet(1, 6, wrong=(0.35, 0.1))]
    straight = fed(*batches)
    stopped = open_harm(3, tolerance=0.03, alpha=0.0125, people=50)
    for number, coded in enumerate(batches):
        stopped = Harm.from_json(json.loads(json.dumps(look(feed_harm(stopped, number, coded)).to_json())))
    assert stopped.to_json() == straight.to_json()
    late = fed(*[part(c, np.arange(500) % 3 > 0) for c in batches])
    for number, coded in enumerate(batches):
        late = feed_harm(late, number, part(coded, np.arange(500) % 3 == 0))
    assert late.history.to_json() == straight.history.to_json()
    assert standing(late) == standing(straight)


def test_rows_without_an_outcome_and_the_unknown_group_are_passed_over():
    names = ("F", "M", UNKNOWN)
    some = part(rows(7, 1000, (0.4, 0.1, 0.5), (0.4, 0.4, 0.2), names), np.arange(1000) >= 400)
    harm = feed_harm(open_harm(3, tolerance=0.03, alpha=0.0125, people=50), 0, some)
    assert set(harm.history.place) == {("sex", "F"), ("sex", "M")}
    known = some.label != UNLABELLED
    assert harm.history.reference()[("sex", "F")][0] == int((known & (some.codes[:, 0] == 0)).sum())


def test_with_nobody_to_compare_nothing_is_claimed():
    harm = fed(*quiet(0, 8, n=5), *quiet(1, 2, n=5, wrong=(0.9, 0.9)))
    assert harm.alarm == ()
    assert bounds(harm) == {}
    assert {g.status for g in standing(harm)} == {"undecided"}
