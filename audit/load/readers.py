"""How each kind of table file is read (kinds.py), and which kind a file is, by its first bytes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from audit.case import ReadSpec
from audit.errors import DataError, nearest
from audit.load import columnar, delimited, heading, workbook
from audit.load.delimited import PLAIN
from audit.load.digest import unreadable
from audit.load.infer import infer
from audit.load.kinds import KINDS, TableKind, in_words
from audit.numbers import many
from audit.printable import first_line

Select = Sequence[str] | Callable[[tuple[str, ...]], Sequence[str]] | None
"""Which columns to read: these, those that a function chooses from all names, or all."""
Parts = tuple[pa.Table, tuple[str, ...], tuple[str, ...]]
"""The table, the names of all its columns, and what to say about it."""

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


_JSON = re.compile(rb"\s*(\[\s*)?[{\[]\s*(\"|\Z)")


@dataclass(frozen=True, slots=True, eq=False)
class ReadOptions:
    """How a table is read, and what is kept of it: `audit.load.tables.read_noted` says what each is."""

    read: ReadSpec = PLAIN
    named: Select = ()
    lost: list[tuple[int, str]] | None = None
    opened: dict[Path, delimited.Text] | None = None
    packed: Callable[[str], bool] | None = None


@dataclass(frozen=True, slots=True)
class Reader:
    """One way to read. names: of a file's columns; table: of files of one kind."""

    names: Callable[[Path, ReadSpec], tuple[str, ...]]
    table: Callable[[Sequence[Path], Select, ReadOptions], Parts]


def reader_of(kind: str) -> Reader:
    """What reads files of this kind."""
    reader: Any = globals()[KINDS[kind].reader]
    assert isinstance(reader, Reader)
    return reader


def kind_of(file: Path) -> str:
    """The name of a row of KINDS, by the first bytes. Raises DataError for what is none."""
    try:
        with file.open("rb") as stream:
            head = stream.read(64)
    except OSError as error:
        raise unreadable(file, error) from error
    for kind in KINDS.values():
        if kind.begins and head.startswith(kind.begins):
            return kind.name
    for magic, what in _FOREIGN:
        if head.startswith(magic) or (magic.startswith(b"<") and head.lower().startswith(magic.lower())):
            raise _foreign(file, what, "export the table as CSV UTF-8 or Parquet")
    if _JSON.match(head):
        raise _foreign(
            file, "JSON", 'write it as CSV, for example by pandas.read_json(...).to_csv("table.csv", index=False)'
        )
    name = file.name.lower()
    for kind in KINDS.values():
        if head and kind.strict and name.endswith(kind.endings):
            raise _misnamed(file, kind, head)
    return next(kind.name for kind in KINDS.values() if not kind.begins)


def _misnamed(file: Path, kind: TableKind, head: bytes) -> DataError:
    return DataError(
        f"{file.name!r} is named as {kind.words} and is not",
        got=f"a file that begins with {head[:4]!r}",
        expected=f"a {kind.words} file",
        todo="give it the ending of what it is, or export it again",
    )


def _foreign(file: Path, got: str, todo: str) -> DataError:
    return DataError(
        f"{file.name!r} is no table that Assay reads",
        got=got,
        expected=in_words(),
        todo=todo,
    )


def chosen(names: tuple[str, ...], columns: Select) -> tuple[str, ...]:
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


def _sheets(files: Sequence[Path], columns: Select, asked: ReadOptions) -> Parts:
    """The sheets of workbooks: cells become text and are typed as a CSV's are."""
    first: tuple[str, ...] = ()
    wanted: tuple[str, ...] = ()
    parts: list[pa.Table] = []
    notes: list[str] = []
    for file in files:
        sheet, names, remarks = workbook.texts(file, asked.read)
        notes += remarks
        if not parts:
            first, wanted = names, chosen(names, columns)
        else:
            same_columns(file, files[0], names, first)
        parts.append(sheet.select(list(wanted)))
    typed, said_too = infer(pa.concat_tables(parts), ",", _names(asked.named, first))
    return typed, first, (*notes, *said_too)


def _delimited(files: Sequence[Path], columns: Select, asked: ReadOptions) -> Parts:
    opened, names = asked.opened, asked.named
    header: tuple[str, ...] = ()
    wanted: tuple[str, ...] = ()
    parts: list[pa.Table] = []
    notes: list[str] = []
    delimiter = ","
    for file in files:
        text = None if opened is None else opened.get(file)
        text = text or delimited.open_text(file, gz=kind_of(file) == "csv.gz", read=asked.read)
        if opened is not None:
            opened[file] = text
        text = replace(text, lost=asked.lost)
        notes += (*text.notes, *heading.twins_note(file.name, text.twins))
        if not parts:
            header, delimiter = text.header, text.delimiter
            named = tuple(n for n in header if n.strip())
            wanted = chosen(named, columns)
        else:
            same_columns(file, files[0], text.header, header)
        blank = [n for n in text.header if not n.strip()]
        if len(blank) > 1:
            raise delimited.nameless(file.name, [i + 1 for i, n in enumerate(text.header) if not n.strip()])
        table = delimited.texts_of(text, [*wanted, *blank], guess=len(files) == 1, named=_names(names, named))
        if blank:
            notes += _nameless(file, text.header, table.column(blank[0]))
            table = table.select(list(wanted))
        parts.append(table)
    named = tuple(n for n in header if n.strip())
    if sum(heading.is_number(n) for n in named) > len(named) / 3:
        notes.append(
            f"The first line of {files[0].name} was read as column names ({', '.join(named[:3])}, ...): if it is a "
            "row of data, say header = false under [data], or add a header above it."
        )
    typed, remarks = infer(pa.concat_tables(parts), delimiter, _names(names, named))
    return typed, named, (*notes, *remarks)


def _nameless(file: Path, header: Sequence[str], column: pa.ChunkedArray) -> list[str]:
    """A column without a name may only number the rows, or come of a delimiter at the end of each line."""
    place = next(i for i, n in enumerate(header) if not n.strip())
    if column.null_count == len(column):
        return []
    values = [str(v) for v in column.to_pylist()]
    for start in (0, 1):
        if values == [str(i) for i in range(start, start + len(values))]:
            return [f"The first column of {file.name} has no name and only numbers the rows; it was left out."]
    raise delimited.nameless(file.name, [place + 1])


def _columnar(
    names_in: Callable[[Path], tuple[str, ...]], read: Callable[[Path, Sequence[str]], pa.Table], files: Sequence[Path],
    columns: Select, asked: ReadOptions,
) -> Parts:  # fmt: skip
    packed = asked.packed if len(files) == 1 else None
    names = names_in(files[0])
    for file in files[1:]:
        same_columns(file, files[0], names_in(file), names)
    wanted = chosen(names, columns)
    parts, notes = [], []
    left: set[str] = set()
    for file in files:
        table, dropped, remarks = columnar.plain_columns(file.name, read(file, wanted), packed)
        left |= set(dropped)
        parts.append(table)
        notes += [n for n in remarks if n not in notes]
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


def _text_names(file: Path, read: ReadSpec) -> tuple[str, ...]:
    return delimited.open_text(file, gz=kind_of(file) == "csv.gz", read=read).header


TEXT = Reader(_text_names, _delimited)
PARQUET = Reader(
    lambda file, _: columnar.parquet_names(file), partial(_columnar, columnar.parquet_names, columnar.read_parquet)
)
FEATHER = Reader(
    lambda file, _: columnar.feather_names(file), partial(_columnar, columnar.feather_names, columnar.read_feather)
)
SHEETS = Reader(workbook.names, _sheets)
