"""Can this table fill the roles of this case? One refusal for each way it cannot."""

from __future__ import annotations

from collections.abc import Sequence

from audit.case import Case
from audit.errors import CaseError, nearest


def columns(case: Case, main: Sequence[str], side: Sequence[str]) -> None:
    """Refuse a role whose column is in neither table. Raises CaseError."""
    data = case.data
    roles: list[tuple[str, str | None]] = [
        ("label", data.label), (case.model.kind, case.model.column), ("id", data.id), ("weight", data.weight),
        ("time", data.time), ("split", data.split),
    ]  # fmt: skip
    roles += [("features", f) for f in data.features or ()] + [("exclude", e) for e in data.exclude]
    wanted = [(r, c, tuple(main)) for r, c in roles if c is not None]
    wanted += [("sensitive", c, (*main, *side)) for c in data.sensitive]
    for role, column, known in wanted:
        if column not in known:
            raise CaseError(
                f"the table has no column {column!r}, which the case names as `{role}`",
                got=f"{len(known)} columns",
                expected=f"a column {column!r}",
                todo=nearest(column, known),
            )


def features_of(case: Case, columns: Sequence[str]) -> tuple[str, ...]:
    """The columns the model may see, in the table's order unless the case lists them."""
    data = case.data
    if data.features is not None:
        return data.features
    out = {data.label, data.weight, data.id, data.time, data.split, case.model.column, *data.exclude}
    return tuple(c for c in columns if c not in out)
