"""What small groups withheld leaves to see: groups under the floor that are shown all the same, or that follow by
subtraction from what is shown (audit/suppress.py makes the tables; here they are read as a stranger reads them)."""

from __future__ import annotations

from collections.abc import Container, Sequence

import numpy as np

from audit.cube import Margin


def given_away(margins: Sequence[Margin], floor: int) -> int:
    """How many groups have some people, and fewer than `floor`, and are shown; and how many lines of a table give such
    a number away, as their total less the groups that are shown."""
    small = sum(int(((m.people > 0) & (m.people < floor) & ~m.withheld).sum()) for m in margins if m.attribute)
    tables = {(m.attribute, m.meaning): m for m in margins}
    gone = _in_no_table(margins)
    for margin in margins:
        if len(margin.attribute) > 1 and margin.withheld.any() and bool((margin.people == margin.rows).all()):
            for axis in range(len(margin.attribute)):
                rest = _without(margin.attribute, axis)
                if (whole := tables.get((rest, margin.meaning))) is not None:
                    small += _count_disclosed(margin, whole, axis, floor, gone)
    return small


def _in_no_table(margins: Sequence[Margin]) -> set[tuple[str, str]]:
    """(attribute, value) of which nobody is counted anywhere: those shown are all there are."""
    everyone = {m.meaning: int(m.people.sum()) for m in margins if not m.attribute}
    return {
        (m.attribute[0], g[0])
        for m in margins
        if len(m.attribute) == 1 and int(m.people.sum()) == everyone.get(m.meaning)
        for g, hidden in zip(m.groups, m.withheld, strict=True)
        if hidden
    }


def _without(names: tuple[str, ...], axis: int) -> tuple[str, ...]:
    return (*names[:axis], *names[axis + 1 :])


def _count_disclosed(margin: Margin, whole: Margin, axis: int, floor: int, gone: Container[tuple[str, str]]) -> int:
    """Of how many lines along `axis` the people less those shown are those of one withheld group, or fewer than the
    floor: several withheld groups of so few are as good as one. In a line where nobody is shown the group is the line.
    """
    place = {group: i for i, group in enumerate(whole.groups)}
    at = np.array([place.get(_without(g, axis), -1) for g in margin.groups])
    known = at >= 0
    counted = [not any(pair in gone for pair in zip(margin.attribute, g, strict=True)) for g in margin.groups]
    shown, hidden = (
        np.bincount(at[known], values[known], minlength=len(place)).astype(np.int64)
        for values in (margin.people, margin.withheld & np.array(counted))
    )
    left = whole.people - shown
    disclosed = ~whole.withheld & (shown > 0) & (left > 0) & ((hidden == 1) | (left < floor))
    return int(disclosed.sum())
