"""CSV and its relatives: bytes to a table of texts. Types come later, in `infer`.

Encodings: UTF-8 with or without a mark, UTF-16 (by its mark, or by its zero bytes), else Windows-1252, which is said.
Delimiters: comma, semicolon, tab, bar, whichever splits the file's beginning most evenly.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import zlib
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv

from audit.case import ReadSpec
from audit.errors import DataError
from audit.load import heading, limits
from audit.load.digest import unreadable
from audit.numbers import are, many
from audit.printable import first_line
from audit.sentences import FEWER_VALUES

PLAIN = ReadSpec()
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_SAMPLE = 256 * 1024
_EXCEL_HINT = re.compile(rb"sep=([,;\t|])\r?\n")
_BLANK = re.compile(rb"\s*[\r\n]")
_WHOLE = re.compile(r"-?(0|[1-9]\d{0,14})")
_POINT = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d*)?([eE][+-]?\d+)?")
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, eq=False)
class Text:
    """A delimited file as UTF-8 bytes: its delimiter, its header, and what was noticed.

    content begins with the names to read by; twins: name -> what the further columns of that name are read as. lost:
    where line number and text of rows of another length go; None where such a row is refused.
    """

    name: str
    content: bytes
    delimiter: str
    header: tuple[str, ...]
    notes: tuple[str, ...]
    twins: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    lost: list[tuple[int, str]] | None = None

    @property
    def read_as(self) -> tuple[str, ...]:
        """The names of all columns as they are read, twins among them, in the order of the file."""
        return tuple(_records(_sample(self.content), self.delimiter, 1)[0]) if self.twins else self.header


def open_text(file: Path, *, gz: bool, read: ReadSpec = PLAIN) -> Text:
    """Read, decode and look at the header of `file`. Raises DataError where it is no table of at least two columns.

    Title lines above the column names are left out, and so is a header that stands again inside: both are said.
    """
    try:
        content = _gunzip(file) if gz else _bytes(file)
    except OSError as error:
        raise unreadable(file, error) from error
    content, note = _utf8(file.name, content)
    if not content[:_SAMPLE].strip() and not content.strip():
        raise _empty(file.name, content)
    if b"\n" not in content and b"\r" not in content:
        content += b"\n"  # a header alone is still a line
    hint = _EXCEL_HINT.match(content[:16])
    if hint:
        content = content[hint.end() :]
    delimiter = hint.group(1).decode() if hint else _delimiter(_sample(content))
    notes = [] if note is None else [note]
    content, remarks = heading.without_titles(file.name, content, delimiter, read.skip_lines)
    notes += remarks
    content = content.lstrip(b"\r\n")  # what comes below takes the first line for the names
    content, again = heading.with_names(file.name, content, delimiter, read.header)
    notes += again
    if read.header is None:
        content, again = heading.without_repeats(file.name, content, delimiter)
        notes += again
    header = tuple(_records(_sample(content), delimiter, 1)[0])
    _check_header(file.name, header)
    content, header, twins = heading.told_apart(content, header, delimiter)
    return Text(file.name, content, delimiter, header, tuple(notes), twins)


def _empty(name: str, content: bytes) -> DataError:
    return DataError(
        f"the file {name!r} is empty",
        got="no text at all" if not content else "only spaces and line ends",
        expected="a header line with column names, and rows",
        todo="export the table again",
    )


def header_of(name: str, head: bytes) -> tuple[tuple[str, ...], str]:
    """The column names and the delimiter, from the beginning of a file that is read as it stands: UTF-8, names in its
    first line, each a name of its own. Raises DataError."""
    head = head.removeprefix(codecs.BOM_UTF8)
    if not head.strip():
        raise _empty(name, head)
    if otherwise := _not_as_it_stands(head):
        raise DataError(
            f"{name!r} is not read as it stands",
            got=otherwise,
            expected="UTF-8, with the column names in the first line",
            todo="take `engine` out (it is then read in memory), or "
            + ("save it again as CSV UTF-8" if otherwise == "UTF-16" else "take that line out"),
        )
    no_zero_byte(name, head)
    sample = _sample(head)
    delimiter = _delimiter(sample)
    header = tuple(_records(sample, delimiter, 1)[0])
    _check_header(name, header)
    check_duplicates(name, header)
    if blank := [i + 1 for i, n in enumerate(header) if not n.strip()]:
        raise nameless(name, blank)
    if not head.partition(b"\n")[2].strip() and b"\r" not in head.strip():
        raise _no_rows(name, header)
    return header, delimiter


def _not_as_it_stands(head: bytes) -> str:
    """What has to be mended above the column names before they are the first line; "" where they are."""
    if _utf16(head) is not None:
        return "UTF-16"
    if _EXCEL_HINT.match(head[:16]):
        return "a line that names the delimiter above the column names"
    # A database takes a blank line for the names, and then the names for a person.
    return "a blank line above the column names" if _BLANK.match(head) else ""


def _no_rows(name: str, header: Sequence[str]) -> DataError:
    return DataError(
        f"the file {name!r} has a header and no rows",
        got=f"{many(len(header), 'column name')}, 0 rows",
        expected="at least one row",
        todo="export the table again, with its rows",
    )


def no_zero_byte(name: str, content: bytes, start: int = 0) -> None:
    """Raises DataError where there is one: this is no text, and readers cut a value there or take it into a name.
    start: how many bytes of the file come before."""
    if (place := content.find(b"\0")) >= 0:
        raise DataError(
            f"{name!r} is no text",
            got=f"zero bytes, the first at byte {start + place:,}",
            expected="a CSV file in UTF-8 or UTF-16, or a Parquet or Feather file with that ending",
            todo="export the table as CSV UTF-8 or Parquet",
        )


def texts_of(
    text: Text, columns: Sequence[str] | None = None, *, guess: bool = False, named: Container[str] = ()
) -> pa.Table:
    """The rows of `text` as columns of texts, empty ones null. Raises DataError on rows of another length.

    `guess`: columns whose first rows are plain numbers come as numbers, where all their rows are; faster. Not those
    that are `named`, since a later row may have zeros in front.
    """
    wanted = None if columns is None else [*columns, *(t for c in columns for t in text.twins.get(c, ()))]
    if text.content.count(b'"') % 2:
        return heading.one_of_twins(text.name, text.twins, _odd_quotes(text, wanted))
    # Columns of one name are compared as they are written: of two, one may be read as numbers and the other not.
    twins = {*text.twins, *(t for others in text.twins.values() for t in others)}
    if guess and (types := {n: t for n, t in _plain_numbers(text).items() if n not in named and n not in twins}):
        try:
            return heading.one_of_twins(text.name, text.twins, _read(text, wanted, types))
        except pa.ArrowInvalid:
            pass  # a later row is no number after all
    return heading.one_of_twins(text.name, text.twins, _as_text(text, wanted))


def _odd_quotes(text: Text, columns: Sequence[str] | None) -> pa.Table:
    """A mark that opens and never closes swallows the rest of the file into one value: the last row tells."""
    table = _as_text(text, None)
    for name in text.header:
        last = table.column(name)[-1].as_py() or ""
        if "\n" in last or "\r" in last:
            raise DataError(
                f"a quotation mark in {text.name!r} is never closed",
                got=f"a value of {name!r} that runs over {many(len(last.splitlines()), 'line')} to the end of the "
                f"file: {_shortened(last.splitlines()[0])!r} ...",
                expected="quotation marks in pairs",
                todo="close it, or remove it",
            )
    return table if columns is None else table.select(list(columns))


def _as_text(text: Text, columns: Sequence[str] | None) -> pa.Table:
    try:
        return _read(text, columns, {})
    except pa.ArrowInvalid as error:
        raise DataError(
            f"the file {text.name!r} cannot be read as a table",
            got=first_line(error),
            expected=f"rows of {many(len(text.header), 'value')} between {DELIMITERS[text.delimiter]}s",
            todo="look for a quotation mark that is never closed, and export the table again",
        ) from error


def _read(text: Text, columns: Sequence[str] | None, types: dict[str, pa.DataType]) -> pa.Table:
    bad: list[pa_csv.InvalidRow] = []

    def note_bad(row: pa_csv.InvalidRow) -> str:
        bad.append(row)
        return "skip"

    def read(threads: bool) -> pa.Table:
        return pa_csv.read_csv(
            pa.BufferReader(text.content),
            read_options=pa_csv.ReadOptions(
                use_threads=threads, block_size=min(max(8 << 20, 4 * len(text.header) * 64), 1 << 30)
            ),
            parse_options=pa_csv.ParseOptions(
                delimiter=text.delimiter,
                newlines_in_values=b'"' in text.content,
                invalid_row_handler=note_bad,
            ),
            convert_options=pa_csv.ConvertOptions(
                column_types={name: types.get(name, pa.string()) for name in text.read_as},
                include_columns=None if columns is None else list(columns),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        )

    table = read(True)
    if bad:
        bad.clear()
        read(False)  # one thread knows the line numbers
    if text.lost is not None and table.num_rows:
        text.lost[:] = [(r.number or 0, r.text) for r in bad]
    elif bad:
        lines = ", ".join(str(r.number) for r in bad[:5] if r.number is not None)
        raise DataError(
            f"rows of {text.name!r} ({len(bad):,} of them) have another number of values than the header",
            got=f"{many(bad[0].actual_columns, 'value')} in line {lines}" + (" and others" if len(bad) > 5 else ""),
            expected=f"{many(len(text.header), 'value')} in every row",
            todo="correct these lines; a text that holds the delimiter needs quotation marks around it",
        )
    if table.num_rows == 0:
        raise _no_rows(text.name, text.header)
    return table


def _plain_numbers(text: Text) -> dict[str, pa.DataType]:
    records = _records(_sample(text.content), text.delimiter, 100)[1:]
    out = {}
    for place, name in enumerate(text.read_as):
        values = {r[place] for r in records if len(r) > place} - {""}
        if values and all(_WHOLE.fullmatch(v) for v in values):
            out[name] = pa.int64()
        elif values and all(_POINT.fullmatch(v) for v in values):
            out[name] = pa.float64()
    return out


def _bytes(file: Path) -> bytes:
    size = file.stat().st_size
    if size > limits.MAX_BYTES:
        raise too_large(file.name, size)
    return file.read_bytes()


def too_large(name: str, size: int) -> DataError:
    """The refusal for more bytes than a reader takes."""
    return DataError(
        f"{name!r} is too large",
        got=f"{many(size, 'byte')} once unpacked, or more",
        expected=f"at most {limits.MAX_BYTES:,} bytes",
        todo=FEWER_VALUES,
    )


def _gunzip(file: Path) -> bytes:
    """The unpacked bytes, stopped early where they grow out of proportion."""
    packed = unpacked = 0
    parts: list[bytes] = []
    unzip = zlib.decompressobj(wbits=31)
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            packed += len(chunk)
            while chunk:
                try:
                    part = unzip.decompress(chunk, _CHUNK * 16)
                except zlib.error as error:
                    raise broken_gz(file, str(error)) from error
                parts.append(part)
                unpacked += len(part)
                if unpacked > limits.MAX_BYTES:
                    raise too_large(file.name, unpacked)
                if unpacked > limits.RATIO_FROM and unpacked > packed * limits.MAX_RATIO:
                    raise DataError(
                        f"{file.name!r} unpacks to far more than a table would",
                        got=f"{many(unpacked, 'byte')} and counting, out of {packed:,}",
                        expected=f"at most {limits.MAX_RATIO} bytes for each byte",
                        todo="if the file is yours and right, unpack it and name the CSV itself",
                    )
                chunk = unzip.unconsumed_tail
                if unzip.eof and not chunk:
                    chunk = unzip.unused_data  # gzip files may follow one another
                    if chunk:
                        unzip = zlib.decompressobj(wbits=31)
    if not unzip.eof:
        raise broken_gz(file, "it ends in the middle")
    return b"".join(parts)


def broken_gz(file: Path, got: str) -> DataError:
    """The refusal for a packed file that cannot be unpacked."""
    return DataError(
        f"{file.name!r} cannot be unpacked",
        got=got,
        expected="a whole gzip file",
        todo="download or export it again; it may have been cut off",
    )


def _utf8(name: str, content: bytes) -> tuple[bytes, str | None]:
    """The same text in UTF-8 without a mark, and a note where the encoding was a guess."""
    if content.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise DataError(
            f"{name!r} is in UTF-32",
            got="a UTF-32 mark at its beginning",
            expected="UTF-8 or UTF-16",
            todo="save it again as CSV UTF-8",
        )
    if content.startswith(codecs.BOM_UTF8):
        content = content[3:]
    wide = _utf16(content)
    if wide is not None:
        try:
            text = content.decode(wide).lstrip("\ufeff").encode()
        except UnicodeError as error:
            raise DataError(
                f"{name!r} looks like UTF-16 but is broken",
                got=str(error),
                expected="whole UTF-16 or UTF-8 text",
                todo="save it again as CSV UTF-8",
            ) from error
        no_zero_byte(name, text)
        return text, None
    no_zero_byte(name, content)
    if content.isascii():
        return content, None
    try:
        content.decode()
    except UnicodeDecodeError as error:
        return _western(name, content, error)
    return content, None


def _utf16(content: bytes) -> str | None:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    head = content[:4096]
    odd, even = head[1::2].count(0), head[0::2].count(0)
    if len(head) >= 4 and max(odd, even) > len(head) * 0.3 and min(odd, even) < len(head) * 0.05:
        return "utf-16-le" if odd > even else "utf-16-be"
    return None


def _western(name: str, content: bytes, error: UnicodeDecodeError) -> tuple[bytes, str]:
    loose = content.decode(errors="replace")
    broken = loose.count("\ufffd")
    sound = sum(1 for char in loose if ord(char) > 127) - broken
    if sound > broken:
        raise DataError(
            f"{name!r} is in UTF-8, but with broken bytes",
            got=f"{many(broken, 'byte')} that {are(broken)} no text, the first at byte {error.start:,}",
            expected="UTF-8 throughout",
            todo="save it again as CSV UTF-8; two encodings may have been mixed",
        )
    try:
        text, called = content.decode("cp1252"), "Windows-1252"
    except UnicodeDecodeError:
        text, called = content.decode("latin-1"), "Latin-1"
    return text.encode(), (
        f"{name} is not in UTF-8 and was read as {called} (Western European): look at names with accents; if they are "
        "wrong, save the file as CSV UTF-8."
    )


def _sample(content: bytes) -> str:
    """The beginning of the text, whole lines only."""
    head = content[:_SAMPLE]
    if len(content) > _SAMPLE:
        cut = max(head.rfind(b"\n"), head.rfind(b"\r"))
        while cut < 0 and len(head) < len(content):
            # one line longer than the sample: a table of very many columns
            head = content[: len(head) * 8]
            cut = max(head.find(b"\n"), head.find(b"\r"))
        head = head[:cut] if cut > 0 else head
    return head.decode(errors="ignore")


def _records(sample: str, delimiter: str, most: int) -> list[list[str]]:
    csv.field_size_limit(1 << 24)
    out: list[list[str]] = []
    try:
        for record in csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter):
            if record:
                out.append(record)
            if len(out) >= most:
                break
    except csv.Error:
        pass
    return out or [[]]


def _delimiter(sample: str) -> str:
    """The delimiter under which most rows are as wide as the header; the most values where two are alike."""
    best, best_mark = ",", (0.0, 1)
    for titled in (False, True):
        for delimiter in DELIMITERS:
            records = _records(sample, delimiter, 200)
            width = len(records[0])
            if titled:  # lines above the names: the rows say how wide the table is
                width = Counter(len(r) for r in records).most_common(1)[0][0]
            if width < 2:
                continue
            like = sum(len(r) == width for r in records[1:])
            mark = (like / max(1, len(records) - 1), width)
            if mark > best_mark or best_mark[1] < 2:
                best, best_mark = delimiter, mark
        if best_mark[1] >= 2:
            break
    return best


def _check_header(name: str, header: Sequence[str]) -> None:
    if len(header) < 2:
        raise DataError(
            f"{name!r} has one column only; its delimiter may be unusual",
            got=f"the first line {_shortened(header[0] if header else '')!r}",
            expected="two columns or more between commas, semicolons, tabs or bars",
            todo="export the table with commas between the values, and without a title above the column names",
        )
    if len(header) > limits.MAX_COLUMNS:
        raise too_wide(name, len(header))


def too_wide(name: str, count: int) -> DataError:
    """The refusal for more columns than a person could give roles to."""
    return DataError(
        f"{name!r} has too many columns",
        got=many(count, "column"),
        expected=f"at most {limits.MAX_COLUMNS:,}",
        todo="keep the label, the sensitive columns and those that the model reads",
    )


def check_duplicates(name: str, header: Sequence[str]) -> None:
    """Refuse a column name that stands twice. Raises DataError."""
    twice = [c for c, n in Counter(header).items() if n > 1 and c.strip()]
    if twice:
        places = [str(i + 1) for i, c in enumerate(header) if c == twice[0]]
        raise DataError(
            f"{name!r} has more than one column of the same name",
            got=f"{twice[0]!r} in columns {', '.join(places)}" + (f", and {len(twice) - 1} more" if twice[1:] else ""),
            expected="a different name for each column",
            todo="rename or remove the columns that are there twice",
        )


def nameless(name: str, places: Sequence[int]) -> DataError:
    """The refusal for columns without a name."""
    return DataError(
        f"{name!r} has a column without a name",
        got=f"an empty name for column {', '.join(str(p) for p in places[:5])}",
        expected="a name for each column",
        todo="name it, or remove it if it only numbers the rows",
    )


def _shortened(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."
