"""Which groups a method holds to its aim, and what was reached between them; the others are stated apart.

A method can do nothing for a group that it saw too few people of. Whether the aim was met is judged between the groups
that it does hold; the gap of all groups stands beside it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from audit.cube import Margin
from audit.documents.mitigation import Aim
from audit.evidence import pick
from audit.findings import name_of, percent
from audit.gaps import Settings
from audit.measure import gaps_of
from audit.metrics import METRICS, metrics_for
from audit.numbers import fixed, points
from audit.values import UNKNOWN, Gap

MOST_NAMED = 6


@dataclass(frozen=True, slots=True)
class Apart:
    """A group of one sensitive column that the method does not hold to its aim, and why not."""

    attribute: tuple[str, ...]
    group: tuple[str, ...]
    why: str


def apart_of(
    names: Sequence[tuple[str, ...]], attributes: Sequence[str], loose: Collection[int], why: str
) -> tuple[Apart, ...]:
    """The values of single columns of which no joint group is held. names (G,): joint groups; loose: those not held."""
    apart = []
    for place, attribute in enumerate(attributes):
        for value in sorted({name[place] for name in names} - {UNKNOWN}):
            if all(g in loose for g, name in enumerate(names) if name[place] == value):
                apart.append(Apart((attribute,), (value,), why))
    return tuple(apart)


def held_gaps(
    margins: Iterable[Margin], apart: Iterable[tuple[Sequence[str], Sequence[str]]], metric: str, settings: Settings
) -> list[Gap]:
    """The difference in `metric` between the groups that are held, for each column with some that are not.

    apart: (attribute, group) of each that is not held.
    """
    out: list[Gap] = []
    named: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
    for attribute, group in apart:
        named.setdefault(tuple(attribute), set()).add(tuple(group))
    for margin in margins:
        if loose := named.get(margin.attribute):
            hidden = margin.withheld | np.array([g in loose for g in margin.groups], dtype=bool)
            gaps = gaps_of(replace(margin, withheld=hidden), metrics_for(margin.meaning), settings)
            gap = pick([g for _, g in gaps], metric=metric, kind="difference", attribute=margin.attribute)
            out += [] if gap is None else [gap]
    return out


def limits(gap: Gap) -> dict[str, Any]:
    """A gap as `by` and `held` of mitigation.json have it."""
    return {"attribute": list(gap.attribute), "value": gap.value, "low": gap.low, "high": gap.high}


def judged_on(by: Iterable[Gap], held: Iterable[Gap]) -> list[Gap]:
    """The gaps of single columns that the aim is judged on: between held groups where some are not."""
    instead = {g.attribute: g for g in held}
    return [instead.get(g.attribute, g) for g in by if len(g.attribute) == 1]


def aim_words(aim: Aim) -> str:
    """What was aimed at, what was reached on the test rows, and which groups are stated apart."""
    if aim.bound is not None:
        what = f"no group's error above {percent(aim.bound)}"
        reached = None if aim.largest_error is None else percent(aim.largest_error)
    else:
        row = METRICS.get(aim.metric)
        name = aim.metric.replace("_", " ") if row is None else row.name.replace("_", " ")
        what = f"a gap in {name} of at most {points(aim.tolerance)}"
        reached = None if aim.reached is None else points(aim.reached)
    whom = " between the groups that the method holds" if aim.apart else ""
    if reached is None:
        out = f"The aim was {what}. Whether it was met cannot be said: no two groups could be compared{whom}."
    else:
        met = "met" if aim.met else "not met"
        out = f"The aim was {what}. Reached on the test rows{whom}: {reached}, so it was {met}."
    if not aim.apart:
        return out
    out += f" Not held, so stated apart: {named_apart(aim)}."
    named = {a.attribute for a in aim.apart}
    with_them = [
        f"{' and '.join(g.attribute)}: "
        + ("not estimable" if g.value is None else f"{points(g.value)}{_span(g.low, g.high)}")
        for g in aim.by
        if g.attribute in named
    ]
    return out + (f" The gap with them, by {'; by '.join(with_them)}." if with_them and aim.bound is None else "")


def named_apart(aim: Aim) -> str:
    """Other by race (fewer than 50 training rows); ..."""
    shown = [f"{name_of(a.group)} by {' and '.join(a.attribute)} ({a.why})" for a in aim.apart[:MOST_NAMED]]
    more = f" and {len(aim.apart) - MOST_NAMED} more" if len(aim.apart) > MOST_NAMED else ""
    return f"{'; '.join(shown)}{more}"


def _span(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f" [{fixed(100 * low, 1)}, {fixed(100 * high, 1)}]"
