"""Small counts in what was counted on rows: withheld before a file leaves the machine, and enough beside them.

A count of some but fewer than `floor` people (or of all but so few) is left out. Since totals are published, it could
be had by subtraction: so the next smallest counts of the same total go too, until those withheld hold at least `floor`
people and are at least two.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

Record = dict[str, Any]


def thin(quality: Record, floor: int) -> Record:
    """The `quality` entry of evidence.json as it may leave the machine; the argument is left alone."""
    out = dict(quality)
    if out.get("missing"):
        out["missing"] = _missing(out["missing"], floor)
    if out.get("duplicates", {}).get("measured"):
        out["duplicates"] = _duplicates(out["duplicates"], floor)
    if out.get("periods"):
        periods = out["periods"]
        out["periods"] = periods | {"periods": _withhold(periods["periods"], "favourable", "known", floor, ("value",))}
    return out


def _missing(found: Record, floor: int) -> Record:
    columns = [_alone(_alone(c, "missing", floor), "written", floor) for c in found["columns"]]
    parts = _parts(found["by_group"], lambda r: (tuple(r["attribute"]), r["column"]))
    by_group = [r for part in parts for r in _withhold(part, "missing", "rows", floor, ("value", "low", "high"))]
    hidden = {(tuple(r["attribute"]), r["column"]) for r in by_group if r["missing"] is None}
    gaps = [g for g in found["gaps"] if (tuple(g["attribute"]), g["column"]) not in hidden]
    return found | {"columns": columns, "by_group": by_group, "gaps": gaps}


def _duplicates(found: Record, floor: int) -> Record:
    out = dict(found)
    for name in ("repeated", "alike", "learned_from", "contradicted"):
        out = _alone(out, name, floor)
    by_group: list[Record] = []
    for part in _parts(found["by_group"], lambda r: tuple(r["attribute"])):
        for name in ("repeated", "learned_from", "contradicted"):
            part = _withhold(part, name, "rows", floor, ())
        by_group += part
    return out | {"by_group": by_group}


def _alone(record: Record, name: str, floor: int) -> Record:
    value = record[name]
    return record if value is None or not 0 < value < floor else record | {name: None}


def _parts(records: Sequence[Record], key: Any) -> list[list[Record]]:
    """Records of one total each, in the order in which they came."""
    out: dict[Any, list[Record]] = {}
    for r in records:
        out.setdefault(key(r), []).append(r)
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
