"""What small groups withheld leaves to see: groups under the floor that are shown all the same, or that follow by
subtraction from what is shown (audit/suppress.py makes the tables; here they are read as a stranger reads them)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from audit.cube import Margin

Group = tuple[str, ...]


def given_away(margins: Sequence[Margin], floor: int) -> int:
    """How many groups have some people, and fewer than `floor`, and are shown; and how many lines of a table give such
    a number away, as their total less the groups that are shown."""
    small = sum(int(((m.people > 0) & (m.people < floor) & ~m.withheld).sum()) for m in margins if m.attribute)
    return small + sum(len(_lines_told(m, margins, floor)) for m in margins if len(m.attribute) > 1)


def _lines_told(margin: Margin, margins: Sequence[Margin], floor: int) -> list[Group]:
    """The groups of each table of one attribute less whose people less those shown are of one withheld group, or are
    fewer than the floor. Where people stand in several groups nothing can be subtracted."""
    if bool((margin.people != margin.rows).any()):
        return []
    out: list[Group] = []
    for axis in range(len(margin.attribute)):
        rest = (*margin.attribute[:axis], *margin.attribute[axis + 1 :])
        parent = next((m for m in margins if m.attribute == rest and m.meaning == margin.meaning), None)
        if parent is None:
            continue
        for at, group in enumerate(parent.groups):
            line = [i for i, g in enumerate(margin.groups) if (*g[:axis], *g[axis + 1 :]) == group]
            left = int(parent.people[at]) - int(margin.people[line].sum())
            hidden = sum(bool(margin.withheld[i]) for i in line)
            if not parent.withheld[at] and left > 0 and _one(hidden, left, floor) and _any(margin.people[line]):
                out.append(group)
    return out


def _one(hidden: int, people: int, floor: int) -> bool:
    """Several withheld groups of fewer people than the floor are as good as one."""
    return hidden == 1 or people < floor


def _any(people: Iterable[int]) -> bool:
    """Whether anybody in the line is shown: without, the group is the whole of its line."""
    return any(n > 0 for n in people)
