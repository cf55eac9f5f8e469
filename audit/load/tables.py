"""Tables from files of any kind that is read (kinds.py); a glob is one data set. The files are only ever read.

frame = read_table(Path("adult.parquet"), columns=["sex", "income"])
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa

from audit.case import ReadSpec
from audit.errors import DataError
from audit.load import columnar, delimited, lake_reader, lakes
from audit.load.delimited import PLAIN
from audit.load.digest import files_of, unreadable
from audit.load.kinds import KINDS
from audit.load.readers import ReadOptions, Select, chosen, kind_of, reader_of

AT_ONCE = 64
"""Columns of Arrow that become columns of pandas before their memory is given back."""


@dataclass(frozen=True, slots=True, eq=False)
class ReadTable:
    """A table as read: the frame (rows numbered from 0), the names of all its columns, and what to say about it.

    as_text: whether all values stood in the file as text."""

    frame: pd.DataFrame
    columns: tuple[str, ...]
    notes: tuple[str, ...] = ()
    as_text: bool = False


def read_table(path: Path, columns: Sequence[str] | None = None, read: ReadSpec = PLAIN) -> pd.DataFrame:
    """The table at `path`, or these columns of it in this order. Raises DataError where it cannot be used."""
    return read_noted(path, columns, read).frame


def columns_of(path: Path, read: ReadSpec = PLAIN) -> tuple[str, ...]:
    """The names of the columns at `path`, without reading the rows. Raises DataError."""
    if lakes.lake_of(Path(path)) is not None:
        return lake_reader.names_in(Path(path))
    file = files_of(path)[0]
    return reader_of(kind_of(file)).names(file, read)


def read_noted(
    path: Path,
    columns: Select = None,
    read: ReadSpec = PLAIN,
    *,
    named: Select = (),
    lost: list[tuple[int, str]] | None = None,
    opened: dict[Path, delimited.Text] | None = None,
    packed: Callable[[str], bool] | None = None,
) -> ReadTable:
    """The table at `path`, with what was noticed while reading. Raises DataError where it cannot be used.

    named: the columns of a CSV or a workbook whose values are names of groups or people (`infer`). lost: takes the line
    and the text of each row of a CSV that has another number of values than the header; without it such a table is
    refused. opened: keeps the text of each CSV for who reads other columns of it next. packed: which columns of text
    may come as categories instead, where the file has few texts in them.

    Texts come as pandas `str`, whole numbers as int64 (float64 where some are missing), numbers as float64, true/false
    as bool, dates of Parquet and Feather as datetime64. What counts as missing in a CSV: `infer`.
    """
    if lakes.lake_of(Path(path)) is not None:
        return _of_lake(Path(path), columns)
    files = files_of(path)
    kinds = {kind_of(file) for file in files}
    if len({KINDS[k].like for k in kinds}) > 1:
        raise DataError(
            f"the files of {Path(path).name!r} are of different kinds",
            got=" and ".join(sorted(kinds)),
            expected="one kind",
            todo="write a pattern that matches one kind, such as *.parquet",
        )
    try:
        asked = ReadOptions(read, named, lost, opened, packed)
        table, names, notes = reader_of(kinds.pop()).table(files, columns, asked)
        as_text, held = columnar.is_of_text(table), [table]
        del table
        frame = _frame(held)
    except OSError as error:
        raise unreadable(files[0], error) from error
    except pa.ArrowException as error:
        raise columnar.broken(files[0], "a table", error) from error
    return ReadTable(frame, names, notes, as_text)


def _frame(held: list[pa.Table]) -> pd.DataFrame:
    """The table that is taken out of `held`, some columns at a time, each given back once it is copied: of a wide file
    half a gigabyte, which nobody asks for again."""
    table, pool = held.pop(), pa.default_memory_pool()
    parts: list[pd.DataFrame] = []
    while table.num_columns > AT_ONCE:
        part, table = (table.select(table.column_names[k]) for k in (slice(AT_ONCE), slice(AT_ONCE, None)))
        parts.append(columnar.frame_of(part))
        del part
        pool.release_unused()
    parts.append(columnar.frame_of(table))
    del table
    pool.release_unused()
    return parts[0] if len(parts) == 1 else pd.concat(parts, axis=1)


def _of_lake(path: Path, columns: Select) -> ReadTable:
    """The live rows of a table of Delta Lake or Apache Iceberg."""
    names = lake_reader.names_in(path)
    table, left, notes = columnar.plain_columns(path.name, lake_reader.read(path, chosen(names, columns)))
    return ReadTable(columnar.frame_of(table), tuple(n for n in names if n not in left), notes)
