"""The [recourse] table of a case file: what a person could change. The format is docs/case-file.md."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from audit.case import DataSpec, Recourse
from audit.errors import CaseError, nearest
from audit.load.toml import Reader

KEYS = ("actionable", "ranges", "direction", "together")
DIRECTIONS = ("increase", "decrease")


def read(at: Reader) -> Recourse:
    """The table's content. Raises CaseError for an unknown key or name, or a range that is none."""
    at.allow(*KEYS)
    actionable = at.texts("actionable", required=True) or ()
    if not actionable:
        raise at.wrong("actionable", "at least one column; without any, remove [recourse]")
    ranges, values = _ranges(at, actionable)
    return Recourse(actionable, ranges, values, _direction(at, actionable, values), _together(at, actionable))


def to_table(given: Recourse) -> dict[str, Any]:
    """What `read` reads back, without what is empty."""
    ranges = {c: list(r) for c, r in given.ranges.items()} | {c: list(v) for c, v in given.values.items()}
    table: dict[str, Any] = {
        "actionable": given.actionable,
        "ranges": {c: ranges[c] for c in given.actionable if c in ranges},
        "direction": dict(given.direction),
        "together": [list(t) for t in given.together],
    }
    return {k: v for k, v in table.items() if v}


def check(given: Recourse, data: DataSpec) -> None:
    """Refuse columns that a person cannot change, or that the model may not see. Raises CaseError."""
    never = {
        "the label": (data.label,),
        "the id": (data.id,),
        "the weight": (data.weight,),
        "the split": (data.split,),
        "sensitive": data.sensitive,
        "excluded": data.exclude,
    }
    for column in given.actionable:
        role = next((r for r, columns in never.items() if column in columns), None)
        if role is not None:
            raise CaseError(
                f"the column {column!r} cannot be actionable",
                got=f"it is {role}",
                expected="a feature of the model that a person can change",
                todo="remove it from `actionable` in [recourse]",
            )
        if data.features is not None and column not in data.features:
            raise _unknown("actionable", column, data.features, "`features`")


def _unknown(where: str, column: str, known: Sequence[str], of: str) -> CaseError:
    return CaseError(
        f"`{where}` in [recourse] names {column!r}, which is not in {of}",
        got=repr(column),
        expected="one of " + ", ".join(repr(k) for k in known[:12]),
        todo=nearest(column, known),
    )


def _ranges(at: Reader, actionable: Sequence[str]) -> tuple[dict[str, tuple[float, float]], dict[str, tuple[str, ...]]]:
    ranges: dict[str, tuple[float, float]] = {}
    values: dict[str, tuple[str, ...]] = {}
    for column, given in at.section("ranges").items():
        if column not in actionable:
            raise _unknown("ranges", column, actionable, "`actionable`")
        if isinstance(given, list) and given and all(isinstance(v, str) and v for v in given):
            values[column] = tuple(dict.fromkeys(given))
        elif (
            isinstance(given, list)
            and len(given) == 2
            and all(isinstance(v, (int, float)) and not isinstance(v, bool) and math.isfinite(v) for v in given)
            and given[0] <= given[1]
        ):
            ranges[column] = (float(given[0]), float(given[1]))
        else:
            raise CaseError(
                f"the range of {column!r} in [recourse] cannot be used",
                got=repr(given),
                expected="two numbers, the smaller first, or a list of texts that a person can change to",
                todo=f"write for example ranges = {{ {column} = [20, 60] }}",
            )
    return ranges, values


def _direction(at: Reader, actionable: Sequence[str], values: dict[str, tuple[str, ...]]) -> dict[str, str]:
    inner = Reader(at.section("direction"), "`direction` in [recourse]", CaseError)
    out = {}
    for column in inner.table:
        if column not in actionable:
            raise _unknown("direction", column, actionable, "`actionable`")
        out[column] = inner.choice(column, DIRECTIONS)
        if column in values:
            raise CaseError(
                f"{column!r} in [recourse] has a direction and a list of texts",
                got=f"direction = {out[column]!r}",
                expected="a direction for a column of numbers only",
                todo="remove one of the two",
            )
    return out


def _together(at: Reader, actionable: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    given = at.table.get("together", [])
    good = isinstance(given, list) and all(
        isinstance(t, list) and len(t) > 1 and all(isinstance(c, str) for c in t) for t in given
    )
    if not good:
        raise at.wrong("together", 'lists of two columns or more, such as [["education", "education-num"]]')
    taken: set[str] = set()
    for columns in given:
        for column in columns:
            if column not in actionable:
                raise _unknown("together", column, actionable, "`actionable`")
            if column in taken:
                raise at.wrong("together", f"each column once; {column!r} stands twice")
            taken.add(column)
    return tuple(tuple(t) for t in given)
