"""Small counts in what was counted on rows: withheld before a file leaves the machine, and enough beside them.

A count of some but fewer than `floor` people (or of all but so few) is left out. Since totals are published, it could
be had by subtraction: so the next smallest counts of the same total go too, until those withheld hold at least `floor`
people and are at least two.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from audit.documents import record_in
from audit.documents.base import Names
from audit.documents.base import Record as Struct

Record = dict[str, Any]
NAME = "evidence.json"


class _Missing(Struct, frozen=True):
    columns: list[Record]
    by_group: list[Record]
    gaps: list[Record]


class _ByGroup(Struct, frozen=True):
    by_group: list[Record]


class _Periods(Struct, frozen=True):
    periods: list[Record]


class _Place(Struct, frozen=True):
    """Of which attribute, and of which column where it is of one, a line is."""

    attribute: Names
    column: str = ""


def _place_of(record: Record) -> _Place:
    return record_in(_Place, record, NAME)


def thin_missing(entry: Record, floor: int) -> Record:
    """The entry `missing` of `quality` as it may leave; the argument is left alone."""
    if not entry:
        return entry
    record = record_in(_Missing, entry, NAME)
    columns = [_alone(_alone(c, "missing", floor), "written", floor) for c in record.columns]
    parts = _parts(record.by_group)
    by_group = [r for part in parts for r in _withhold(part, "missing", "rows", floor, ("value", "low", "high"))]
    hidden = {_place_of(r) for r in by_group if r.get("missing") is None}
    gaps = [g for g in record.gaps if _place_of(g) not in hidden]
    return entry | {"columns": columns, "by_group": by_group, "gaps": gaps}


def thin_periods(entry: Record | None, floor: int) -> Record | None:
    """The entry `periods`, likewise."""
    if not entry:
        return entry
    lines = record_in(_Periods, entry, NAME).periods
    return entry | {"periods": _withhold(lines, "favourable", "known", floor, ("value",))}


def thin_duplicates(entry: Record, floor: int) -> Record:
    """The entry `duplicates`, likewise."""
    if not (entry or {}).get("measured"):
        return entry
    out = dict(entry)
    for name in ("repeated", "alike", "learned_from", "contradicted"):
        out = _alone(out, name, floor)
    by_group: list[Record] = []
    for part in _parts(record_in(_ByGroup, entry, NAME).by_group):
        for name in ("repeated", "learned_from", "contradicted"):
            part = _withhold(part, name, "rows", floor, ())
        by_group += part
    return out | {"by_group": by_group}


def _alone(record: Record, name: str, floor: int) -> Record:
    value = record[name]
    return record if value is None or not 0 < value < floor else record | {name: None}


def _parts(records: Sequence[Record]) -> list[list[Record]]:
    """Records of one total each, in the order in which they came."""
    out: dict[_Place, list[Record]] = {}
    for r in records:
        out.setdefault(_place_of(r), []).append(r)
    return list(out.values())


def _withhold(records: Sequence[Record], count: str, of: str, floor: int, with_it: Iterable[str]) -> list[Record]:
    """Records of one total without their small counts, and without what would give those away."""
    sides = [(r[count], r[of] - r[count]) if r[count] is not None else (0, 0) for r in records]
    hidden = {i for i, pair in enumerate(sides) if any(0 < n < floor for n in pair)}
    if hidden:
        for i in sorted(set(range(len(records))) - hidden, key=lambda i: (min(sides[i]), i)):
            held = [sum(sides[j][s] for j in hidden) for s in (0, 1)]
            if len(hidden) > 1 and all(n == 0 or n >= floor for n in held):
                break
            hidden.add(i)
    gone = dict.fromkeys((count, *with_it))
    return [r | gone if i in hidden else r for i, r in enumerate(records)]
