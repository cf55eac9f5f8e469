"""Workbooks (.xlsx, .xls, .ods) by calamine: one sheet becomes a table of texts, typed later as a CSV is.

Cells keep the value that the workbook stores: a formula's last result, a date as year-month-day, a number in full.
"""

from __future__ import annotations

import datetime as dt
import zipfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from audit.case import ReadSpec
from audit.errors import DataError
from audit.load import limits
from audit.load.kinds import in_words
from audit.numbers import are, many
from audit.printable import first_line

MOST_TITLES = 20


def names(file: Path, read: ReadSpec) -> tuple[str, ...]:
    """The column names of the sheet. Raises DataError."""
    return texts(file, read)[1]


def texts(file: Path, read: ReadSpec) -> tuple[pa.Table, tuple[str, ...], list[str]]:
    """The sheet as columns of texts, their names, and what to say of it. Raises DataError where there is no table."""
    rows, notes = _rows(file, read)
    rows = [r for r in rows if any(c != "" for c in r)]
    start = _titles(rows) if read.skip_lines is None else read.skip_lines
    if start:
        notes.append(
            f"{are(start, 'The first row', f'The first {start} rows')} of {file.name} above the column "
            f"names {are(start, 'was', 'were')} left out."
        )
    rows = rows[start:]
    if not rows:
        raise _no_table(file, "no filled cell")
    width = max(len(r) for r in rows)
    rows = [[*r, *[""] * (width - len(r))] for r in rows]
    if read.header is False:
        header = [f"column_{i + 1}" for i in range(width)]
    elif isinstance(read.header, tuple):
        header = list(read.header)
    else:
        header, rows = [_text(c) for c in rows[0]], rows[1:]
    if len(header) != width:
        raise _no_table(file, f"{many(width, 'column')}, and {many(len(header), 'name')} in `header`")
    filled = [i for i in range(width) if header[i].strip() or any(r[i] != "" for r in rows)]
    again = [i for i, r in enumerate(rows) if [_text(c) for c in r] == header]
    if again:
        notes.append(
            f"{many(len(again), 'row')} of {file.name} {are(len(again), 'repeats', 'repeat')} the column "
            f"names and {are(len(again), 'was', 'were')} left out."
        )
        rows = [r for i, r in enumerate(rows) if i not in set(again)]
    if len(filled) < 2 or not rows:
        raise _no_table(file, f"{many(len(filled), 'column')} and {many(len(rows), 'row')}")
    blank = [i + 1 for i in filled if not header[i].strip()]
    if blank:
        raise DataError(
            f"{file.name!r} has a column without a name",
            got=f"an empty name for column {', '.join(str(b) for b in blank[:5])}",
            expected="a name for each column",
            todo="name it in the workbook, or remove it",
        )
    columns = {i: [_text(r[i]) or None for r in rows] for i in filled}
    return _table(file, [(header[i], columns[i]) for i in filled], notes)


def _table(
    file: Path, columns: Sequence[tuple[str, list[str | None]]], notes: list[str]
) -> tuple[pa.Table, tuple[str, ...], list[str]]:
    once: dict[str, list[str | None]] = {}
    for name, values in columns:
        if name not in once:
            once[name] = values
            continue
        differ = [i for i, (a, b) in enumerate(zip(once[name], values, strict=True)) if a != b]
        if differ:
            row = differ[0]
            raise DataError(
                f"{file.name!r} has more than one column called {name!r}, and they differ",
                got=f"{many(len(differ), 'row')}; the first is row {row + 1:,}: {once[name][row]!r} and "
                f"{values[row]!r}",
                expected="a different name for each column",
                todo="rename or remove the one that is not meant",
            )
        notes.append(f"{file.name} has more than one column called {name!r} that say the same; one was kept.")
    table = pa.table({n: pa.array(v, pa.string()) for n, v in once.items()})
    return table, tuple(once), notes


def _rows(file: Path, read: ReadSpec) -> tuple[list[list[Any]], list[str]]:
    from python_calamine import CalamineError, CalamineWorkbook

    _bounded(file)
    try:
        book = CalamineWorkbook.from_path(str(file))
        filled = {n: book.get_sheet_by_name(n) for n in book.sheet_names if n == read.sheet or read.sheet is None}
        tables = {n: s for n, s in filled.items() if s.height > 1 and s.width > 1}
        if read.sheet is not None and read.sheet not in book.sheet_names:
            raise DataError(
                f"{file.name!r} has no sheet {read.sheet!r}",
                got=", ".join(repr(n) for n in book.sheet_names[:10]),
                expected="the name of one of its sheets",
                todo="correct `sheet` under [data]",
            )
        if len(tables) > 1:
            raise DataError(
                f"{file.name!r} has {many(len(tables), 'sheet')} with tables",
                got=", ".join(repr(n) for n in list(tables)[:10]),
                expected="one sheet, or its name in the case",
                todo=f'add sheet = "{next(iter(tables))}" under [data]',
            )
        if not tables:
            raise _no_table(file, "no sheet with two columns and two rows")
        name, sheet = next(iter(tables.items()))
        if sheet.height * sheet.width > limits.MAX_CELLS // 100:
            raise DataError(
                f"the sheet {name!r} of {file.name!r} is too large",
                got=f"{many(sheet.height, 'row')} of {many(sheet.width, 'column')}",
                expected=f"at most {many(limits.MAX_CELLS // 100, 'cell')}",
                todo="export it as CSV UTF-8",
            )
        rows = sheet.to_python(skip_empty_area=True)
    except (CalamineError, OSError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{file.name!r} cannot be read as a workbook",
            got=first_line(error, 200),
            expected="a whole workbook without a password",
            todo="save it again, or export the sheet as CSV UTF-8",
        ) from error
    return rows, [f"Read from the sheet {name!r} of {file.name}."] if len(book.sheet_names) > 1 else []


def _bounded(file: Path) -> None:
    """Look at what the archive unpacks to before anything is unpacked. Raises DataError."""
    try:
        with zipfile.ZipFile(file) as archive:
            size = sum(i.file_size for i in archive.infolist())
            known = {i.filename for i in archive.infolist()} & {"xl/workbook.xml", "xl/workbook.bin", "content.xml"}
    except zipfile.BadZipFile:
        return  # an old workbook is no archive; calamine says what is wrong with anything else
    packed = file.stat().st_size
    if not known:
        raise DataError(
            f"{file.name!r} is no table that Assay reads",
            got="a zip archive that holds no workbook",
            expected=in_words(),
            todo="unpack it and name the table itself",
        )
    if size > limits.MAX_BYTES or (size > limits.RATIO_FROM and size > packed * limits.MAX_RATIO):
        raise DataError(
            f"{file.name!r} unpacks to far more than a workbook would",
            got=f"{many(size, 'byte')} out of {packed:,}",
            expected=f"at most {limits.MAX_RATIO} bytes for each byte, and {limits.MAX_BYTES:,} in all",
            todo="export the sheet as CSV UTF-8",
        )


def _titles(rows: Sequence[Sequence[Any]]) -> int:
    """How many rows stand above the names: rows at most half as full as most."""
    counts = [sum(c != "" for c in r) for r in rows]
    usual = Counter(c for c in counts[:200] if c > 1)
    if not usual:
        return 0
    width = usual.most_common(1)[0][0]
    for place, (row, count) in enumerate(zip(rows[: MOST_TITLES + 1], counts, strict=False)):
        if count > max(1, width // 2):
            text = all(isinstance(c, str) for c in row)
            return place if text else 0
    return 0


def _text(cell: Any) -> str:
    if isinstance(cell, bool):
        return "True" if cell else "False"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 2**53 else repr(cell)
    if isinstance(cell, dt.datetime):
        return cell.date().isoformat() if cell.time() == dt.time() else cell.isoformat()
    if isinstance(cell, (dt.date, dt.time)):
        return cell.isoformat()
    return str(cell)


def _no_table(file: Path, got: str) -> DataError:
    return DataError(
        f"{file.name!r} holds no table",
        got=got,
        expected="a sheet with a line of column names, two columns or more, and rows",
        todo="put the names in one row and the people below it, or export the sheet as CSV UTF-8",
    )
