"""The [recourse] table of a case file: what a person could change. The format is docs/case-file.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from audit.case import DataSpec, Recourse
from audit.errors import CaseError, nearest
from audit.load.toml import Reader
from audit.load.written import RecourseSection


def from_section(section: RecourseSection) -> Recourse:
    """The table's content. Raises CaseError for a column that is not actionable, or that is changed in two ways."""
    actionable = section.actionable
    for where in ("ranges", "direction"):
        for column in getattr(section, where):
            if column not in actionable:
                raise _unknown(where, column, actionable, "`actionable`")
    texts = {c: tuple(dict.fromkeys(v)) for c, v in section.ranges.items() if isinstance(v[0], str)}
    for column, direction in section.direction.items():
        if column in texts:
            raise CaseError(
                f"{column!r} in [recourse] has a direction and a list of texts",
                got=f"direction = {direction!r}",
                expected="a direction for a column of numbers only",
                todo="remove one of the two",
            )
    _check_together(section)
    ranges = {c: (float(v[0]), float(v[1])) for c, v in section.ranges.items() if c not in texts}
    return Recourse(actionable, ranges, texts, section.direction, section.together)


def to_table(spec: Recourse) -> dict[str, Any]:
    """What `read` reads back, without what is empty."""
    ranges = {c: list(r) for c, r in spec.ranges.items()} | {c: list(v) for c, v in spec.values.items()}
    table: dict[str, Any] = {
        "actionable": spec.actionable,
        "ranges": {c: ranges[c] for c in spec.actionable if c in ranges},
        "direction": dict(spec.direction),
        "together": [list(t) for t in spec.together],
    }
    return {k: v for k, v in table.items() if v}


def check(spec: Recourse, data: DataSpec) -> None:
    """Refuse columns that a person cannot change, or that the model may not see. Raises CaseError."""
    never = {
        "the label": (data.label,),
        "the id": (data.id,),
        "the weight": (data.weight,),
        "the split": (data.split,),
        "sensitive": data.sensitive,
        "excluded": data.exclude,
    }
    for column in spec.actionable:
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


def _check_together(section: RecourseSection) -> None:
    at = Reader({"together": [list(t) for t in section.together]}, "[recourse]", CaseError)
    taken: set[str] = set()
    for column in (c for columns in section.together for c in columns):
        if column not in section.actionable:
            raise _unknown("together", column, section.actionable, "`actionable`")
        if column in taken:
            raise at.wrong("together", f"each column once; {column!r} stands twice")
        taken.add(column)
