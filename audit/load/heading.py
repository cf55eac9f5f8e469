"""What stands above the rows of a delimited file: title lines, no names at all, names that stand twice or come again.

Each is mended by one rule that is said in a note, or refused with the line, column, value and count.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from audit.errors import DataError
from audit.numbers import are, many

MOST_TITLES = 20
_TWIN = "\x1f"
_LINE = re.compile(rb"\r\n|\n|\r")


def without_titles(name: str, content: bytes, delimiter: str, skip: int | None) -> tuple[bytes, list[str]]:
    """`content` from the line of column names on, and a note where lines above it were left out.

    skip: how many lines; None to find them: lines at most half as wide as most rows, above a header as wide as
    the rows. Raises DataError where `skip` leaves nothing.
    """
    if skip is None:
        skip = _titles(content, delimiter)
    if not skip:
        return content, []
    ends = [m.end() for _, m in zip(range(skip), _LINE.finditer(content), strict=False)]
    if len(ends) < skip or not content[ends[-1] :].strip():
        raise DataError(
            f"{name!r} has no more than {skip} lines",
            got=f"{many(len(ends), 'line')} to leave out, and nothing below them",
            expected=f"column names in line {skip + 1}, and rows below",
            todo="correct `skip_lines` in the case file",
        )
    head = content[: ends[-1]].decode(errors="replace").strip()
    shown = head.splitlines()[0][:60] if head else ""
    what = "The first line" if skip == 1 else f"The first {skip} lines"
    above = f" ({shown!r}{' ...' if skip > 1 else ''})" if shown else ""
    return content[ends[-1] :], [f"{what} of {name} above the column names{above} {are(skip, 'was', 'were')} left out."]


def _titles(content: bytes, delimiter: str) -> int:
    """How many lines stand above the names; 0 where that is not plain."""
    head = content[: 1 << 16].decode(errors="ignore")
    lines = _LINE.split(head.encode())[:200]
    rows = [_cells(line.decode(errors="ignore"), delimiter) for line in lines]
    widths = Counter(len(r) for r in rows if len(r) > 1)
    if not widths:
        return 0
    width, count = widths.most_common(1)[0]
    for place, row in enumerate(rows[: MOST_TITLES + 1]):
        filled = [c for c in row if c.strip()]
        if len(row) == width and len(filled) == width and not any(is_number(c) for c in filled):
            return place if count >= 2 else 0
        if len(filled) > max(1, width // 2):
            return 0
    return 0


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader(io.StringIO(line, newline=""), delimiter=delimiter), [])
    except csv.Error:
        return []


def is_number(text: str) -> bool:
    """Whether Python reads it as a float."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def with_names(
    name: str, content: bytes, delimiter: str, header: Sequence[str] | bool | None
) -> tuple[bytes, list[str]]:
    """`content` with a header above its first row, where the case says that the file has none."""
    if header is None or header is True:
        return content, []
    end = _LINE.search(content)
    first = _cells(content[: end.start() if end else len(content)].decode(errors="ignore"), delimiter)
    names = [f"column_{i + 1}" for i in range(len(first))] if header is False else list(header)
    if len(names) != len(first):
        raise DataError(
            f"the case names {many(len(names), 'column')} of {name!r}, which has {len(first)}",
            got=f"the first row {', '.join(repr(c) for c in first[:5])} ...",
            expected=f"{many(len(first), 'name')} in `header`",
            todo="name every column, in the order of the file",
        )
    notes = [f"{name} has no header; its columns are called {names[0]} to {names[-1]}."] if not header else []
    return _line(names, delimiter) + content, notes


def _line(names: Sequence[str], delimiter: str) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, lineterminator="\n").writerow(names)
    return out.getvalue().encode()


def without_repeats(name: str, content: bytes, delimiter: str) -> tuple[bytes, list[str]]:
    """`content` without later lines that repeat the header: exports put one after the other.

    Capitals, spaces and quotation marks make no difference: a name would be counted as a value.
    """
    end = _LINE.search(content)
    names = _alike(content[: end.start()] if end else content, delimiter)
    if end is None or not any(names):
        return content, []
    # The first name at the beginning of a line, in plain letters: few lines are looked at more closely.
    first = names[0].encode()
    begins = re.compile(rb"(?<=[\r\n])[ \t\"]*" + (re.escape(first) if first.isascii() else b"") + rb"[^\r\n]*")
    low, kept, places, at = content.lower(), [], [], 0
    for match in begins.finditer(low, end.start()) if not first.isascii() or low.find(first, end.end()) >= 0 else ():
        if _alike(content[match.start() : match.end()], delimiter) != names:
            continue
        after = _LINE.match(content, match.end())
        kept.append(content[at : match.start()])
        places.append(1 + len(_LINE.findall(content[: match.start()])))
        at = after.end() if after else match.end()
    if not places:
        return content, []
    shown = ", ".join(f"{p:,}" for p in places[:5]) + (f" and {len(places) - 5:,} more" if len(places) > 5 else "")
    lines = f"Line {shown} of {name} repeats" if len(places) == 1 else f"Lines {shown} of {name} repeat"
    return b"".join([*kept, content[at:]]), [f"{lines} the column names and {are(len(places))} left out."]


def _alike(line: bytes, delimiter: str) -> list[str]:
    return [" ".join(c.split()).casefold() for c in _cells(line.decode(errors="ignore"), delimiter)]


def told_apart(
    content: bytes, header: tuple[str, ...], delimiter: str
) -> tuple[bytes, tuple[str, ...], Mapping[str, tuple[str, ...]]]:
    """Columns of one name get names of their own to be read by: (content, each name once, name -> its twins)."""
    counts = Counter(c for c in header if c.strip())
    if all(n == 1 for n in counts.values()):
        return content, header, {}
    seen: Counter[str] = Counter()
    names: list[str] = []
    twins: dict[str, tuple[str, ...]] = {}
    for column in header:
        seen[column] += 1
        again = column.strip() and seen[column] > 1
        names.append(f"{column}{_TWIN}{seen[column]}" if again else column)
        if again:
            twins[column] = (*twins.get(column, ()), names[-1])
    end = _LINE.search(content)
    rest = content[end.end() :] if end else b""
    return _line(names, delimiter) + rest, tuple(n for n in names if _TWIN not in n), twins


def one_of_twins(name: str, twins: Mapping[str, tuple[str, ...]], table: pa.Table) -> pa.Table:
    """One column of each name, where the others of that name say the same in every row. Raises DataError."""
    for column, others in twins.items():
        if column not in table.column_names:
            continue
        for other in others:
            same = pc.fill_null(pc.equal(table.column(column), table.column(other)), False)
            empty = pc.and_(pc.is_null(table.column(column)), pc.is_null(table.column(other)))
            differ = pc.invert(pc.or_(same, empty))
            if (count := pc.sum(differ).as_py() or 0) > 0:
                row = pc.index(differ, True).as_py()
                raise different_twins(name, column, count, row, table.column(column)[row], table.column(other)[row])
        table = table.drop_columns(list(others))
    return table


def different_twins(name: str, column: str, count: int, row: int, one: pa.Scalar, other: pa.Scalar) -> DataError:
    """The refusal for two columns of one name that do not say the same."""
    return DataError(
        f"{name!r} has more than one column called {column!r}, and they differ",
        got=f"{many(count, 'row')}; the first is row {row + 1:,}: {str(one.as_py())[:40]!r} and "
        f"{str(other.as_py())[:40]!r}",
        expected="a different name for each column",
        todo="rename or remove the one that is not meant",
    )


def twins_note(name: str, twins: Mapping[str, tuple[str, ...]]) -> list[str]:
    """What is said of columns that stand twice and are alike."""
    return [
        f"{name} has {many(len(others) + 1, 'column')} called {column!r} that say the same; one was kept."
        for column, others in twins.items()
    ]
