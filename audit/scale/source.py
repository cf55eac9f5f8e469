"""A data file as DuckDB sees it, and whether it is large."""

from __future__ import annotations

import codecs
import glob
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from audit.case import Case, ReadSpec
from audit.errors import DataError
from audit.load import delimited
from audit.load.columnar import parquet_names, parquet_places
from audit.load.digest import files_of
from audit.load.lakes import NAMES, lake_of
from audit.load.readers import kind_of, same_columns
from audit.printable import first_line

LARGE_ROWS = 3_000_000
"""From here on the database counts. Of CSV as estimated from its first lines."""
LARGE_VALUES = 60_000_000
"""Rows times columns: half a gigabyte as numbers, before anything is made of them."""
LARGE_BYTES = 300_000_000
"""Of CSV, unpacked."""
SAFE = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "preserve_insertion_order": "false",
}
OWN_HANDLES = Path("/proc/self/fd")
NUMBERED, PLACE = "file_row_number", "place"
"""DuckDB's own name of a row's number in a Parquet file, and ours of its place among all rows."""
HEAD = STEP = 1 << 20
AT_ONCE = 1 << 10
BUFFER = 8_000_000
MOST_READ = 1 << 30
"""Bytes of CSV, unpacked, that are read in memory where DuckDB cannot read them."""


@dataclass(frozen=True, slots=True)
class Source:
    """Files of one kind. delimiter: of CSV, else "".

    places: for each file, where each of `columns` stands in it. The database takes names that differ only in capitals
    for one, and answers with the first: so columns are taken by their places, under names of our own.
    """

    files: tuple[Path, ...]
    kind: str
    columns: tuple[str, ...]
    places: tuple[tuple[int, ...], ...]
    delimiter: str = ""
    copy: Path | None = None
    """Of CSV files: their text in one of Parquet, the columns that are asked of under their names c0, c1 ..."""
    together: bool = False
    """Whether equal rows are one in the copy, with how many they are as `n`."""

    @property
    def sql(self) -> str:
        """The rows as a table in SQL, its columns called c0, c1 ... in the order of `columns`.

        Every CSV column is text, so that types are decided by our own rules.
        """
        return f"({' UNION ALL '.join(self.parts)})"

    @property
    def parts(self) -> list[str]:
        """The rows of each file, in SQL."""
        if self.copy is not None and self.together:
            # As many rows again as there were, in two steps: a list of all that are alike may be too long.
            some = f'SELECT *, unnest(range(0, n, {AT_ONCE})) AS "from" FROM {_parquet(self.copy)}'
            each = f'SELECT *, unnest(range(least({AT_ONCE}, n - "from"))) AS "at" FROM ({some})'
            return [f'SELECT * EXCLUDE (n, "from", "at") FROM ({each})']
        if self.copy is not None:
            return [f"SELECT * FROM {_parquet(self.copy)}"]
        parts = []
        for file, places in zip(self.files, self.places, strict=True):
            chosen = ", ".join(f"f{at} AS c{i}" for i, at in enumerate(places))
            parts.append(f"SELECT {chosen} FROM {self._file(file, max(places) + 1)}")
        return parts

    def numbered(self, columns: Sequence[str], before: Sequence[int]) -> str:
        """These columns of the rows of Parquet files, and each row's place among all. before: rows before each file."""
        own, tables = [self.columns.index(c) for c in columns], []
        for file, places, first in zip(self.files, self.places, before, strict=True):
            chosen = "".join(f"f{places[i]} AS c{i}, " for i in own)
            names = ", ".join(f"f{i}" for i in range(max(places) + 1))
            table = f"{_parquet(file, f', {NUMBERED} = true')} AS t({names})"
            tables.append(f"SELECT {chosen}{NUMBERED} + {first} AS {PLACE} FROM {table}")
        return f"({' UNION ALL '.join(tables)})"

    def _file(self, file: Path, width: int) -> str:
        own = [f"f{i}" for i in range(width)]
        if self.kind == "parquet":
            return f"{_parquet(file)} AS t({', '.join(own)})"
        texts = "{" + ", ".join(f"{c}: 'VARCHAR'" for c in own) + "}"
        return (
            f"read_csv([{literal(str(file))}], auto_detect = false, columns = {texts}, header = true, "
            f"delim = {literal(self.delimiter)}, quote = '\"', escape = '\"', nullstr = '', strict_mode = true, "
            f"hive_partitioning = false, buffer_size = {BUFFER})"
        )

    def column(self, name: str) -> str:
        """What a column is called in `sql`."""
        return f"c{self.columns.index(name)}"


def _parquet(file: Path, more: str = "") -> str:
    return f"read_parquet([{literal(str(file))}], hive_partitioning = false{more})"


def nameless(folder: Path, copies: ExitStack, name: str) -> Path:
    """Where to write a copy of rows: a file that has lost its name already, where the system still opens it (Linux)."""
    if not OWN_HANDLES.is_dir():
        return folder / name
    return OWN_HANDLES / str(copies.enter_context(tempfile.TemporaryFile(dir=folder)).fileno())


def unpacked(files: Sequence[Path]) -> int:
    """About how many bytes CSV files have, unpacked."""
    return sum(_begun(f)[1] for f in files)


def literal(text: str) -> str:
    """A text in SQL."""
    return "'" + text.replace("'", "''") + "'"


def is_large(case: Case) -> bool:
    """Whether `count` should be asked: decisions or scores in a column of a file too large to be read at ease."""
    if case.model.kind not in ("decision", "score") or case.data.sensitive_path is not None:
        return False
    if (
        case.data.indicators
        or case.data.read != ReadSpec()
        or case.model.classes
        or case.data.stages
        or case.data.legitimate
        or case.data.proxy
    ):
        return False  # the reader of tables knows these; DuckDB does not
    if lake_of(case.data.path) is not None:
        return False  # its own package says which rows are live
    files = files_of(case.data.path)
    if any(glob.has_magic(str(f)) for f in files):
        return False  # DuckDB would read the name as a pattern
    kinds = {kind_of(f) for f in files}
    if kinds == {"parquet"}:
        import pyarrow.parquet as pq

        try:
            metadata = [pq.read_metadata(f) for f in files]
        except (OSError, ValueError):
            return False  # the reader of tables says what is wrong with it
        return _many(sum(m.num_rows for m in metadata), max(m.num_columns for m in metadata))
    if kinds <= {"csv", "csv.gz"}:
        size, rows, columns = 0, 0.0, 0
        for file in files:
            head, whole = _begun(file)
            lines = head.count(b"\n")
            size += whole
            rows += whole * lines / len(head) if head else 0
            first = head[: head.find(b"\n")]
            columns = max(columns, 1 + max(first.count(d) for d in (b",", b";", b"\t", b"|")))
        return (size >= LARGE_BYTES or _many(rows, columns)) and all(_as_it_stands(f) for f in files)
    return False


def _many(rows: float, columns: int) -> bool:
    return rows >= LARGE_ROWS or rows * columns >= LARGE_VALUES


def _begun(file: Path) -> tuple[bytes, int]:
    """The beginning of a CSV, and about how many bytes the whole of it has, unpacked as the beginning is."""
    size = file.stat().st_size
    if kind_of(file) != "csv.gz":
        return head_of(file), size
    try:
        with file.open("rb") as packed:
            opened = zlib.decompressobj(zlib.MAX_WBITS | 16)
            taken = packed.read(HEAD)
            head = opened.decompress(taken, HEAD)
            used = len(taken) - len(opened.unconsumed_tail)
    except zlib.error:
        return b"", 0  # the reader of tables says what is wrong with it
    return head, int(size * len(head) / used) if used else 0


def _as_it_stands(file: Path) -> bool:
    """Whether the beginning of a CSV is what DuckDB reads as we do: UTF-8, and column names in the first line, each a
    name of its own. Of others the reader of tables knows more, or says what is wrong."""
    head = head_of(file)
    try:
        delimited.header_of(file.name, head)
        head.decode()
    except UnicodeDecodeError as error:
        return error.start > len(head) - 4  # a letter cut in two by the end of the sample
    except DataError:
        return False
    return True


class Uncounted(DataError):
    """DuckDB cannot count a file that the reader of tables reads."""


def look_through(source: Source) -> int | None:
    """Of CSV, of the whole of it, what DuckDB passes over and the reader of tables does not. Raises DataError as that
    does where there are zero bytes, and Uncounted where a line repeats the column names: it would be a row.

    Raises DataError too where a line is longer than what DuckDB reads at once: it leaves out the last line of a file
    without a word, and refuses others.

    Returns how many lines there are below the names; None where a line may end without a line feed.
    """
    lines, whole = 0, True
    for file in source.files if source.kind == "csv" else ():
        head, done, tail = head_of(file), 0, b""
        again = b"\n" + head[: head.find(b"\n") + 1].removeprefix(codecs.BOM_UTF8).lower()
        returns, last, begun = 0, b"", 0
        with stream_of(file) as stream:
            while chunk := stream.read(STEP):
                delimited.no_zero_byte(file.name, chunk, done)
                ends = [p for end in (b"\n", b"\r") for p in (chunk.find(end), chunk.rfind(end)) if p >= 0]
                if begun + min(ends, default=len(chunk)) > BUFFER:
                    raise _too_long(source, file, done - begun)
                begun = len(chunk) - max(ends) - 1 if ends else begun + len(chunk)
                if len(again) > 1 and (place := (tail + chunk).lower().find(again)) >= 0:
                    raise _repeated(source, file, done - len(tail) + place)
                done, tail = done + len(chunk), chunk[1 - len(again) :]
                lines += int(np.count_nonzero(np.frombuffer(chunk, np.uint8) == ord("\n")))
                if last == b"\r" or b"\r" in chunk:
                    returns += chunk.count(b"\r") - (last + chunk).count(b"\r\n")
                last = chunk[-1:]
        lines -= last == b"\n"  # the names' own, where no last line goes without
        whole = whole and returns == 0
    return lines if whole else None


def _too_long(source: Source, file: Path, place: int) -> DataError:
    read = read_otherwise(source)
    return (Uncounted if read else DataError)(
        f"{file.name!r} has a line too long to be counted",
        got=f"more than {BUFFER:,} bytes, from byte {place:,} on",
        expected="a shorter line for each row",
        todo="look for line ends that are missing" + (", or take `engine` out" if read else ""),
    )


def _repeated(source: Source, file: Path, place: int) -> DataError:
    read = unpacked(source.files) <= MOST_READ
    return (Uncounted if read else DataError)(
        f"{file.name!r} repeats its column names",
        got=f"once more, after byte {place:,}",
        expected="them in the first line alone",
        todo="take that line out" + (", or take `engine` out: it is then left out as the file is read" if read else ""),
    )


def read_otherwise(source: Source) -> bool:
    """Whether the reader of tables reads what DuckDB could not. False for CSV beyond MOST_READ, which is not tried;
    raises DataError where it refuses it too, in its words."""
    if source.kind != "csv" or unpacked(source.files) > MOST_READ:
        return False
    for file in source.files:
        delimited.texts_of(delimited.open_text(file, gz=kind_of(file) == "csv.gz"))
    return True


def head_of(file: Path) -> bytes:
    with stream_of(file) as stream:
        return bytes(stream.read(HEAD))


@contextmanager
def stream_of(file: Path) -> Iterator[Any]:
    """The bytes of a CSV, unpacked. Raises DataError where it cannot be."""
    import gzip

    try:
        with gzip.open(file, "rb") if kind_of(file) == "csv.gz" else file.open("rb") as stream:
            yield stream
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        got = "it ends in the middle" if isinstance(error, EOFError) else first_line(error)
        raise delimited.broken_gz(file, got) from error


def source_of(case: Case) -> Source:
    """The source of a case's data. Raises DataError where its files are of several kinds, or have other columns."""
    if (lake := lake_of(case.data.path)) is not None:
        raise DataError(
            f"a table of {NAMES[lake]} cannot be counted by DuckDB here",
            got=f"{case.data.path.name!r}",
            expected="Parquet, or CSV",
            todo="take `engine` out (it is read in memory), or let Spark count it",
        )
    files = files_of(case.data.path)
    kinds = {kind_of(f).removesuffix(".gz") for f in files}
    if len(kinds) > 1 or not kinds <= {"parquet", "csv"}:
        raise DataError(
            "these files cannot be counted by the database",
            got=" and ".join(sorted(kinds)),
            expected="Parquet, or CSV",
            todo="export the data as Parquet",
        )
    kind = kinds.pop()
    headers = [parquet_names(f) if kind == "parquet" else _header(f)[0] for f in files]
    stand = [
        parquet_places(f) if kind == "parquet" else {c: i for i, c in enumerate(header)}
        for f, header in zip(files, headers, strict=True)
    ]
    for file, header in zip(files[1:], headers[1:], strict=True):
        same_columns(file, files[0], header, headers[0])
    places = tuple(tuple(at[c] for c in headers[0]) for at in stand)
    return Source(files, kind, headers[0], places, "" if kind == "parquet" else _header(files[0])[1])


def _header(file: Path) -> tuple[tuple[str, ...], str]:
    return delimited.header_of(file.name, head_of(file))
