"""Tables from files: CSV, CSV.gz, Parquet, Feather."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from audit.load.digest import files_of


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A table as read: the frame (rows numbered from 0), the names of all its columns, and what to say about it."""

    frame: pd.DataFrame
    columns: tuple[str, ...]
    notes: tuple[str, ...] = ()


def read_table(path: Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """The table at `path`. See `read_noted`."""
    return read_noted(path, columns).frame


def read_noted(path: Path, columns: Sequence[str] | None = None) -> Table:
    """The table at `path`, with what was noticed while reading."""
    files = files_of(path)
    parts = []
    for file in files:
        if file.suffix in (".parquet", ".pq"):
            parts.append(pd.read_parquet(file))
        elif file.suffix == ".feather":
            parts.append(pd.read_feather(file))
        else:
            parts.append(pd.read_csv(file))
    frame = pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]
    names = tuple(str(c) for c in frame.columns)
    return Table(frame if columns is None else frame[list(columns)], names)


def columns_of(path: Path) -> tuple[str, ...]:
    """The names of the columns of the table at `path`."""
    return read_noted(path).columns
