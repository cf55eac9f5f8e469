"""Tables from files: CSV, CSV.gz, Parquet, Feather; a glob is one data set. The files are only ever read.

frame = read_table(Path("adult.parquet"), columns=["sex", "income"])
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import pyarrow as pa

from audit.case import ReadSpec
from audit.errors import DataError, nearest
from audit.load import columnar, delimited, heading, lake_reader, lakes, workbook
from audit.load.delimited import PLAIN
from audit.load.digest import files_of, unreadable
from audit.load.infer import infer
from audit.numbers import many
from audit.printable import first_line

Select = Sequence[str] | Callable[[tuple[str, ...]], Sequence[str]] | None
"""Which columns to read: these, those that a function chooses from all names, or all."""

_TEXT = (".csv", ".tsv", ".txt", ".tab", ".data")
_MAGIC = (
    (b"PAR1", "parquet"),
    (b"ARROW1", "feather"),
    (b"\x1f\x8b", "csv.gz"),
    (b"PK\x03\x04", "workbook"),
    (b"\xd0\xcf\x11\xe0", "workbook"),
)
_FOREIGN = (
    (b"FEA1", "Feather of the first version, which its makers have given up"),
    (b"%PDF", "a PDF"),
    (b"SQLite format 3", "an SQLite database"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x80", "a pickle or another binary file"),
    (b"<!DOCTYPE", "a web page"),
    (b"<html", "a web page"),
    (b"{\\rtf", "a text document"),
    (b"RDX", "a file of R"),
    (b"$FL2", "a file of SPSS"),
    (b"<stata_dta>", "a file of Stata"),
    (b"Obj\x01", "an Avro file"),
    (b"ORC", "an ORC file"),
)
_JSON = re.compile(rb"\s*(\[\s*)?[{\[]\s*(\"|\Z)")


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A table as read: the frame (rows numbered from 0), the names of all its columns, and what to say about it."""

    frame: pd.DataFrame
    columns: tuple[str, ...]
    notes: tuple[str, ...] = ()


def read_table(path: Path, columns: Sequence[str] | None = None, read: ReadSpec = PLAIN) -> pd.DataFrame:
    """The table at `path`, or these columns of it in this order. Raises DataError where it cannot be used."""
    return read_noted(path, columns, read).frame


def columns_of(path: Path, read: ReadSpec = PLAIN) -> tuple[str, ...]:
    """The names of the columns at `path`, without reading the rows. Raises DataError."""
    if lakes.lake_of(Path(path)) is not None:
        return lake_reader.names_in(Path(path))
    file = files_of(path)[0]
    kind = kind_of(file)
    if kind == "parquet":
        return columnar.parquet_names(file)
    if kind == "feather":
        return columnar.feather_names(file)
    if kind == "workbook":
        return workbook.names(file, read)
    return delimited.open_text(file, gz=kind == "csv.gz", read=read).header


def read_noted(
    path: Path,
    columns: Select = None,
    read: ReadSpec = PLAIN,
    *,
    named: Select = (),
    lost: list[tuple[int, str]] | None = None,
    opened: dict[Path, delimited.Text] | None = None,
    packed: Callable[[str], bool] | None = None,
) -> Table:
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
    if len({k.removesuffix(".gz") for k in kinds}) > 1:
        raise DataError(
            f"the files of {Path(path).name!r} are of different kinds",
            got=" and ".join(sorted(kinds)),
            expected="one kind",
            todo="write a pattern that matches one kind, such as *.parquet",
        )
    try:
        if kinds <= {"csv", "csv.gz"}:
            table, names, notes = _delimited(files, columns, read, named, lost, opened)
        elif kinds == {"workbook"}:
            table, names, notes = _sheets(files, columns, read, named)
        else:
            table, names, notes = _columnar(files, columns, kinds.pop(), packed if len(files) == 1 else None)
        frame = table.to_pandas(ignore_metadata=True)
        del table
        pa.default_memory_pool().release_unused()  # of a wide file half a gigabyte, which nobody asks for again
    except OSError as error:
        raise unreadable(files[0], error) from error
    except pa.ArrowException as error:
        raise columnar.broken(files[0], "a table", error) from error
    return Table(frame, names, notes)


def _of_lake(path: Path, columns: Select) -> Table:
    """The live rows of a table of Delta Lake or Apache Iceberg."""
    names = lake_reader.names_in(path)
    table, left, notes = columnar.plain(path.name, lake_reader.read(path, _chosen(names, columns)))
    return Table(table.to_pandas(ignore_metadata=True), tuple(n for n in names if n not in left), notes)


def kind_of(file: Path) -> str:
    """ "csv", "csv.gz", "parquet", "feather" or "workbook", by the first bytes. Raises DataError for others."""
    try:
        with file.open("rb") as stream:
            head = stream.read(64)
    except OSError as error:
        raise unreadable(file, error) from error
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    for magic, what in _FOREIGN:
        if head.startswith(magic) or (magic.startswith(b"<") and head.lower().startswith(magic.lower())):
            raise _foreign(file, what, "export the table as CSV UTF-8 or Parquet")
    if _JSON.match(head):
        raise _foreign(
            file, "JSON", 'write it as CSV, for example by pandas.read_json(...).to_csv("table.csv", index=False)'
        )
    name = file.name.lower()
    if head and name.endswith((".parquet", ".pq", ".feather", ".arrow", ".gz")):
        what = "gzip" if name.endswith(".gz") else "Feather" if name.endswith((".feather", ".arrow")) else "Parquet"
        raise DataError(
            f"{file.name!r} is named as {what} and is not",
            got=f"a file that begins with {head[:4]!r}",
            expected=f"a {what} file",
            todo="give it the ending of what it is, or export it again",
        )
    return "csv"


def _foreign(file: Path, got: str, todo: str) -> DataError:
    return DataError(
        f"{file.name!r} is no table that Assay reads",
        got=got,
        expected="CSV, CSV.gz, Parquet, Feather, or a workbook (.xlsx, .xls, .ods)",
        todo=todo,
    )


def _chosen(names: tuple[str, ...], columns: Select) -> tuple[str, ...]:
    wanted = names if columns is None else tuple(columns(names) if callable(columns) else columns)
    for column in wanted:
        if column not in names:
            raise DataError(
                f"the table has no column {column!r}",
                got=many(len(names), "column"),
                expected=f"a column {column!r}",
                todo=nearest(column, names),
            )
    return wanted


def _names(named: Select, columns: tuple[str, ...]) -> frozenset[str]:
    if named is None:
        return frozenset(columns)
    return frozenset(named(columns) if callable(named) else named)


def same_columns(file: Path, first: Path, names: Sequence[str], expected: Sequence[str]) -> None:
    """Raises DataError where a file has other columns than the first."""
    if set(names) != set(expected):
        more, less = sorted(set(names) - set(expected)), sorted(set(expected) - set(names))
        parts = [f"without {', '.join(less[:5])}"] if less else []
        parts += [f"with {', '.join(more[:5])}"] if more else []
        raise DataError(
            f"{file.name!r} has other columns than {first.name!r}",
            got=f"{file.name} {' and '.join(parts)}",
            expected="the same columns in every file of the data set",
            todo="correct the pattern, or export the files alike",
        )


def _columnar(
    files: Sequence[Path], columns: Select, kind: str, packed: Callable[[str], bool] | None = None
) -> tuple[pa.Table, tuple[str, ...], tuple[str, ...]]:
    names_in = columnar.parquet_names if kind == "parquet" else columnar.feather_names
    read = columnar.read_parquet if kind == "parquet" else columnar.read_feather
    names = names_in(files[0])
    for file in files[1:]:
        same_columns(file, files[0], names_in(file), names)
    wanted = _chosen(names, columns)
    parts, notes = [], []
    left: set[str] = set()
    for file in files:
        table, dropped, said = columnar.plain(file.name, read(file, wanted), packed)
        left |= set(dropped)
        parts.append(table)
        notes += [n for n in said if n not in notes]
    if columns is not None and left and not callable(columns):
        raise DataError(
            f"the column {sorted(left)[0]!r} holds lists or raw bytes",
            got="values that are no single number or text",
            expected="one value in each row",
            todo="choose another column",
        )
    wanted = tuple(w for w in wanted if w not in left)
    try:
        joined = pa.concat_tables([p.select(list(wanted)) for p in parts], promote_options="permissive")
    except pa.ArrowException as error:
        raise DataError(
            "a column has different types in different files",
            got=first_line(error),
            expected="one type a column",
            todo="export the files alike",
        ) from error
    return joined, tuple(n for n in names if n not in left), tuple(notes)


def _sheets(
    files: Sequence[Path], columns: Select, read: ReadSpec, named: Select
) -> tuple[pa.Table, tuple[str, ...], tuple[str, ...]]:
    """The sheets of workbooks: cells become text and are typed as a CSV's are."""
    first: tuple[str, ...] = ()
    wanted: tuple[str, ...] = ()
    parts: list[pa.Table] = []
    notes: list[str] = []
    for file in files:
        sheet, names, said = workbook.texts(file, read)
        notes += said
        if not parts:
            first, wanted = names, _chosen(names, columns)
        else:
            same_columns(file, files[0], names, first)
        parts.append(sheet.select(list(wanted)))
    typed, said_too = infer(pa.concat_tables(parts), ",", _names(named, first))
    return typed, first, (*notes, *said_too)


def _delimited(
    files: Sequence[Path],
    columns: Select,
    read: ReadSpec,
    names: Select,
    lost: list[tuple[int, str]] | None,
    opened: dict[Path, delimited.Text] | None,
) -> tuple[pa.Table, tuple[str, ...], tuple[str, ...]]:
    header: tuple[str, ...] = ()
    wanted: tuple[str, ...] = ()
    parts: list[pa.Table] = []
    notes: list[str] = []
    delimiter = ","
    for file in files:
        text = None if opened is None else opened.get(file)
        text = text or delimited.open_text(file, gz=kind_of(file) == "csv.gz", read=read)
        if opened is not None:
            opened[file] = text
        text = replace(text, lost=lost)
        notes += (*text.notes, *heading.twins_note(file.name, text.twins))
        if not parts:
            header, delimiter = text.header, text.delimiter
            named = tuple(n for n in header if n.strip())
            wanted = _chosen(named, columns)
        else:
            same_columns(file, files[0], text.header, header)
        blank = [n for n in text.header if not n.strip()]
        if len(blank) > 1:
            raise columnar.nameless(file.name, [i + 1 for i, n in enumerate(text.header) if not n.strip()])
        table = delimited.texts_of(text, [*wanted, *blank], guess=len(files) == 1, named=_names(names, named))
        if blank:
            notes += _nameless(file, text.header, table.column(blank[0]))
            table = table.select(list(wanted))
        parts.append(table)
    named = tuple(n for n in header if n.strip())
    if sum(_is_number(n) for n in named) > len(named) / 3:
        notes.append(
            f"The first line of {files[0].name} was read as column names ({', '.join(named[:3])}, ...): if it is a "
            "row of data, say header = false under [data], or add a line of names above it."
        )
    typed, said = infer(pa.concat_tables(parts), delimiter, _names(names, named))
    return typed, named, (*notes, *said)


def _nameless(file: Path, header: Sequence[str], column: pa.ChunkedArray) -> list[str]:
    """A column without a name may only number the rows, or come of a delimiter at the end of each line."""
    place = next(i for i, n in enumerate(header) if not n.strip())
    if column.null_count == len(column):
        return []
    values = [str(v) for v in column.to_pylist()]
    for start in (0, 1):
        if values == [str(i) for i in range(start, start + len(values))]:
            return [f"The first column of {file.name} has no name and only numbers the rows; it was left out."]
    raise columnar.nameless(file.name, [place + 1])


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
