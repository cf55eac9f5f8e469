"""What set-up needs to know of a table, without the table: read a few columns at a time, so that memory stays small.

seen = glance(path)               # in this process
seen = elsewhere(glance, path)    # in one of its own (audit/elsewhere.py): what it took goes with it
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from audit.load.delimited import Text
from audit.load.propose import ROWS, Roles, propose_roles
from audit.load.readers import Select
from audit.load.tables import read_noted
from audit.load.values import names_of

HEAD, MOST_VALUES, MANY = 20, 50, 10
SMALL_BYTES = 16 << 20
"""A file of this size is read at once."""
COLUMNS = 6
"""Of a larger one so many columns are read at a time."""
FIRST = 1000
"""So many rows tell of most columns that they hold many values, or one of them twice."""


@dataclass(frozen=True, slots=True)
class Column:
    """values: names of its values, at most MOST_VALUES; numbers: so many different ones that it may be one to predict;
    idle: one value or none; repeats: a value stands in several rows."""

    values: tuple[str, ...]
    numbers: bool
    idle: bool
    repeats: bool


@dataclass(frozen=True, slots=True, eq=False)
class Glance:
    """rows and columns of the table, its first rows, what each column is and may be for, and notes of the reading."""

    rows: int
    columns: dict[str, Column]
    head: pd.DataFrame
    roles: Roles
    notes: tuple[str, ...]

    def values(self, column: str | None) -> list[str]:
        """Names of a column's values; none for a column that is not there."""
        entry = self.columns.get(column or "")
        return [] if entry is None else list(entry.values)


def glance(path: Path) -> Glance:
    """Look at the table at `path`. Raises DataError where it cannot be used."""
    path = Path(path)
    if path.stat().st_size <= SMALL_BYTES:
        table = read_noted(path)
        return _seen([table.frame], table.notes)
    names: tuple[str, ...] = ()
    notes: dict[str, None] = {}
    parts: list[pd.DataFrame] = []
    columns: dict[str, Column] = {}
    opened: dict[Path, Text] = {}
    rows, head, start = 0, pd.DataFrame(), 0
    while start == 0 or start < len(names):
        some: Select = names[start : start + COLUMNS] if names else lambda all_of_them: all_of_them[:COLUMNS]
        table = read_noted(path, some, opened=opened)
        names = names or table.columns
        notes |= dict.fromkeys(table.notes)
        columns |= {str(c): _column(table.frame[c]) for c in table.frame}
        rows = len(table.frame)
        parts.append(table.frame.iloc[:: max(1, -(-rows // ROWS))].reset_index(drop=True))
        head = table.frame.head(HEAD).copy() if start == 0 else head.join(table.frame.head(HEAD))
        start += COLUMNS
        del table  # before the next is read
    return Glance(rows, columns, head, propose_roles(pd.concat(parts, axis=1)), tuple(notes))


def _seen(frames: list[pd.DataFrame], notes: tuple[str, ...]) -> Glance:
    (frame,) = frames
    columns = {str(c): _column(frame[c]) for c in frame}
    return Glance(len(frame), columns, frame.head(HEAD).copy(), propose_roles(frame), notes)


def _column(values: pd.Series) -> Column:
    known = values.dropna()
    different = known.iloc[:FIRST].unique()
    if len(different) <= MOST_VALUES:
        different = known.unique()
    number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    return Column(
        tuple(sorted(set(names_of(different[:MOST_VALUES])))),
        bool(number and len(different) > MANY),
        len(different) <= 1,
        _repeats(known),
    )


def _repeats(known: pd.Series) -> bool:
    """Whether a value stands in several rows: most columns tell by their first rows."""
    return any(known.iloc[:rows].duplicated().any() for rows in (FIRST, 20 * FIRST, len(known)))


def can_be_read(case: Path) -> None:
    """Read what an audit of this case file needs. Raises what it would raise."""
    from audit.load import load_case, load_rows

    load_rows(load_case(case))
