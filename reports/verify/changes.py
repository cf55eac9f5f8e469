"""Changes and flips of mitigation.json against the tables of its arms.

Each arm's tables are of the same people, so that which figures change, from what to what, whose decisions are listed
and how many more were gained than lost follow exactly. How many were gained *and* lost, and how wide an interval is, is
known within bounds; a new run makes them again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from audit import stats
from audit.cube import Ints, Margin
from audit.documents.evidence import Evidence
from audit.documents.mitigation import ARMS, Change, Flip, Mitigation

CLOSE = 1e-9
Group = tuple[tuple[str, ...], tuple[str, ...]]
"""Attributes, and values of them."""


def change_pairs(
    mitigation: Mitigation,
    evidence: Evidence,
    margins: Sequence[Margin],
    figures: Mapping[str, tuple[Any, Any]],
) -> Iterator[tuple[str, Any, Any]]:
    """Before, matched and after of each change are figures of the arms, and each that both models have is told, the
    worst first; its sign, its clearness and the least width of its interval follow. margins: the candidate's."""
    from debias.paired import figures_of, is_worse, worst_first

    known: dict[str, dict[Any, Any]] = {name: {} for name in ARMS}
    for name, (rates, gaps) in figures.items():
        known[name] = {(r.metric, r.attribute, r.group, "rate"): r.value for r in rates}
        known[name] |= {(g.metric, g.attribute, None, g.kind): g.value for g in gaps}
    due = figures_of(margins, dict(evidence.settings.reference), evidence.settings.floor)
    keys = [_key(c) for c in mitigation.changes]
    before, after = (known.get(name, {}) for name in ("original", "candidate"))
    lacking = {key for key in due if before.get(key) is not None and after.get(key) is not None} - set(keys)
    yield "how many changes are left out", len(lacking), 0
    yield "how many changes are told twice", len(keys) - len(set(keys)), 0
    for number, c in enumerate(mitigation.changes, 1):
        for field, place in (("before", "original"), ("matched", "matched"), ("after", "candidate")):
            yield f"change {number}, {field}", getattr(c, field), known[place].get(_key(c))
        yield f"change {number}, delta", c.delta, c.after - c.before
        yield f"change {number}, worse", c.worse, is_worse(c.metric, c.kind, c.delta)
        yield from _interval(f"change {number}", c, due.get(_key(c)))
    yield (
        "that what got worse stands first",
        list(mitigation.changes) == sorted(mitigation.changes, key=worst_first),
        True,
    )


def _key(change: Change) -> tuple[Any, ...]:
    return change.metric, change.attribute, change.group, change.kind


def _interval(where: str, c: Change, people: float | None) -> Iterator[tuple[str, Any, Any]]:
    """The interval of a change reaches as far down as up, to 1 at most, and no less than the rule of three."""
    from debias.paired import at_least

    if c.low is None or c.high is None or people is None:
        yield f"{where}, its interval", None, "known"
        return
    yield f"{where}, clear", c.clear, c.low > 0 or c.high < 0
    half = max(c.delta - c.low, c.high - c.delta)
    ends = max(-1.0, c.delta - half), min(1.0, c.delta + half)
    right = math.isclose(c.low, ends[0], abs_tol=CLOSE) and math.isclose(c.high, ends[1], abs_tol=CLOSE)
    wide = half >= float(at_least(np.array([people]))[0]) - CLOSE or ends == (-1.0, 1.0)
    yield f"{where}, its interval", right and wide and c.low <= c.delta <= c.high, True


def flip_pairs(
    flips: Sequence[Flip], original: Sequence[Margin], candidate: Sequence[Margin]
) -> Iterator[tuple[str, Any, Any]]:
    """Whose decisions changed: of every group that is shown and has people, in order; as many more gained than lost as
    the tables say; a group's parts together no more than itself; and the test that follows from the two counts."""
    keys = [(f.attribute, f.group) for f in flips]
    before = {(m.attribute, g): n for m in original for g, n in zip(m.groups, m.n, strict=True)}
    shown = {
        (m.attribute, m.groups[i]): (m, m.n[i]) for m in candidate for i in np.flatnonzero(~m.withheld & (m.rows > 0))
    }
    yield "how many groups the flips leave out", len(shown.keys() - set(keys)), 0
    yield "how many groups the flips tell twice", len(keys) - len(set(keys)), 0
    tests = []
    for number, (key, f) in enumerate(zip(keys, flips, strict=True), 1):
        where = f"flips {number}"
        margin, after = shown.get(key, (None, None))
        yield f"{where}, people", f.rows, None if after is None else int(after.sum())
        yield f"{where}, counts", _possible(f, before.get(key), after, margin), True
        tests.append(_mcnemar(f) if _is_row_a_person(margin) else f.p_value)
        yield f"{where}, p_value", f.p_value, tests[-1]
        yield f"{where}, the chance of it", f.p_value is not None and 0 < f.p_value <= 1, True
    adjusted = stats.holm(np.array(tests, dtype=float)) if tests else ()
    for number, (f, p) in enumerate(zip(flips, adjusted, strict=True), 1):
        yield f"flips {number}, p_adjusted", f.p_adjusted, float(p)
    yield "the order of the flips", keys == [(f.attribute, f.group) for f in _ordered(flips, candidate)], True
    yield "how many groups have other flips than their parts", _parted(flips, candidate), 0


def _ordered(flips: Sequence[Flip], candidate: Sequence[Margin]) -> list[Flip]:
    """As debias.compare lists them: table by table, the most affected by share first."""
    place = {m.attribute: i for i, m in enumerate(candidate)}
    return sorted(
        flips,
        key=lambda f: (place.get(f.attribute, -1), -(f.to_favourable + f.to_unfavourable) / max(f.rows, 1), f.group),
    )


def _possible(f: Flip, before: Ints | None, after: Ints | None, margin: Margin | None) -> bool:
    """Whether so many can have gained and lost: of those with one outcome (the rows of the tables, (3, 2)) no more gain
    than were refused before and are not after."""
    if before is None or after is None or margin is None:
        return False
    good = 1 if margin.meaning.favourable_is_positive else 0
    net = after[:, good] - before[:, good]
    most = int(np.minimum(before[:, 1 - good], after[:, good]).sum())
    least = int(np.maximum(net, 0).sum())
    return f.to_favourable - f.to_unfavourable == int(net.sum()) and least <= f.to_favourable <= most


def _is_row_a_person(margin: Margin | None) -> bool:
    """Where people stand in several rows the test is of people who gained or lost as a whole: no count tells them."""
    return margin is None or bool((margin.people == margin.rows).all())


def _mcnemar(f: Flip) -> float:
    """Two-sided at one half: by symmetry twice the smaller tail."""
    from scipy.special import bdtr

    moved = f.to_favourable + f.to_unfavourable
    less = min(f.to_favourable, f.to_unfavourable)
    return stats.above_nought(min(1.0, 2 * float(bdtr(less, moved, 0.5)))) if moved else 1.0


def _parted(flips: Sequence[Flip], candidate: Sequence[Margin]) -> int:
    """Groups whose flips less those of the groups in them are not such as the people in withheld groups can have."""
    counts = {(f.attribute, f.group): np.array([f.rows, f.to_favourable, f.to_unfavourable]) for f in flips}
    wrong = 0
    for margin in candidate:
        for axis in range(len(margin.attribute)):
            left = _less(counts, margin, axis)
            wrong += sum(
                bool(gains < 0 or losses < 0 or gains + losses > rows) for rows, gains, losses in left.values()
            )
    return wrong


def _less(counts: Mapping[Group, Ints], margin: Margin, axis: int) -> dict[Group, Ints]:
    """Of each group without the attribute at `axis`: rows, gains and losses less those of its parts that are shown."""
    rest = (*margin.attribute[:axis], *margin.attribute[axis + 1 :])
    left = {key: n.copy() for key, n in counts.items() if key[0] == rest}
    for group in margin.groups:
        key, mine = (rest, (*group[:axis], *group[axis + 1 :])), counts.get((margin.attribute, group))
        if key in left and mine is not None:
            left[key] -= mine
    return left
