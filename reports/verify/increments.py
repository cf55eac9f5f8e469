"""The file as it lies in its bytes: revision after revision, each one its objects, their table and an end.

A viewer finds objects by the table and never looks at what stands between them; a viewer that repairs a file does. So
every byte has to belong: each revision is a run of whole objects, all of them in that revision's table and nothing else
in it, then the table itself (a cross-reference stream), `startxref` and `%%EOF`. That is how qpdf and pyHanko write.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from reports.verify.result import Broken

HEAD = re.compile(rb"%PDF-1\.7\n%[\x80-\xff]{4}\n")
_SPACE = re.compile(rb"[ \r\n\t]*")
_OBJECT = re.compile(rb"(\d{1,8}) (\d{1,5}) obj\b")
_END = re.compile(rb"startxref\r?\n(\d{1,10})\r?\n%%EOF\r?\n?")
_TOKEN = re.compile(
    rb"[ \r\n\t]*(?:(<<|\[)|(>>|\])|(endobj|stream)\b|"
    rb"(?:/[^\s()<>\[\]{}/%]*|\((?:[^()\\]|\\.)*\)|<[0-9A-Fa-f]*>|[+-]?[0-9.]+|true\b|false\b|null\b|R\b))",
    re.DOTALL,
)
_REFERENCE = re.compile(rb"\b\d+ \d+ R\b")
TABLE_KEYS = {"/Type", "/W", "/Index", "/Size", "/Prev", "/Root", "/Info", "/ID", "/Filter", "/Length", "/DecodeParms"}
MOST_TABLE = 64_000_000


@dataclass(frozen=True, slots=True)
class Revision:
    """One revision: bytes [start, end) of the file, numbers of the objects that it writes, the table's place."""

    start: int
    end: int
    objects: frozenset[int]
    table: int


def revisions_of(data: bytes) -> tuple[Revision, ...]:
    """Every revision of the file, in order, each byte accounted for. Raises Broken."""
    head = HEAD.match(data)
    if head is None:
        raise Broken("the file does not begin as Assay writes it", expected="%PDF-1.7 and four bytes that are no text")
    revisions: list[Revision] = []
    at = head.end()
    while at < len(data):
        revisions.append(_revision(data, 0 if not revisions else at, at, revisions[-1].table if revisions else None))
        at = revisions[-1].end
    return tuple(revisions)


def _revision(data: bytes, start: int, at: int, before: int | None) -> Revision:
    places: dict[int, int] = {}
    last = -1
    while True:
        at = _skip(data, at)
        if (begun := _OBJECT.match(data, at)) is None:
            break
        number = int(begun[1])
        if begun[2] != b"0" or number in places:
            raise Broken("an object of the file is written twice, or as a later generation", got=f"object {number}")
        places[number], last = at, number
        at = _object_end(data, begun.end(), number)[1]
    end = _END.match(data, at)
    if end is None:
        raise Broken("bytes of the file belong to no object", got=f"byte {at:,}", expected="objects and their table")
    if not places or int(end[1]) != places[last]:
        raise Broken("a revision of the file does not end with its table", got=f"startxref {int(end[1])}")
    _check_table(data, places, last, before)
    return Revision(start, end.end(), frozenset(places), places[last])


def _skip(data: bytes, at: int) -> int:
    space = _SPACE.match(data, at)
    return space.end() if space else at


def _object_end(data: bytes, at: int, number: int) -> tuple[bytes, int, bytes]:
    """(the object's value without its stream, the place behind `endobj`, the stream's bytes). Raises Broken."""
    start, depth = at, 0
    while (token := _TOKEN.match(data, at)) is not None:
        at = token.end()
        if token[1]:
            depth += 1
        elif token[2]:
            depth -= 1
        elif token[3]:
            value = data[start : token.start(3)]
            if depth != 0:
                break
            if token[3] == b"endobj":
                return value, at, b""
            return value, *_stream_end(data, at, value, number)
    raise Broken("an object of the file cannot be read", got=f"object {number}", expected="values as Assay writes them")


def _stream_end(data: bytes, at: int, value: bytes, number: int) -> tuple[int, bytes]:
    length = _parsed(value, number).get("/Length")
    line = re.compile(rb"\r?\n").match(data, at)
    if type(length) is not int or length < 0 or line is None:
        raise Broken("a stream of the file does not state its length", got=f"object {number}")
    at = line.end() + length
    closed = re.compile(rb"\r?\n?endstream\s+endobj\b").match(data, at)
    if closed is None:
        raise Broken("a stream of the file is longer or shorter than it says", got=f"object {number}")
    return closed.end(), data[line.end() : at]


def _parsed(value: bytes, number: int) -> Any:
    """A dictionary's direct values; what it refers to is not followed, and stands as the name /Reference."""
    import pikepdf

    try:
        parsed = pikepdf.Object.parse(_REFERENCE.sub(b" /Reference ", value))
    except Exception as error:  # qpdf's errors have several types
        raise Broken("an object of the file cannot be read", got=f"object {number}") from error
    if not isinstance(parsed, pikepdf.Dictionary):
        raise Broken("a stream of the file has no dictionary", got=f"object {number}")
    return parsed


def _check_table(data: bytes, places: dict[int, int], number: int, before: int | None) -> None:
    """The table lists the revision's objects where they stand, and no others. Raises Broken."""
    begun = _OBJECT.match(data, places[number])
    assert begun is not None
    value, _, stream = _object_end(data, begun.end(), number)
    table = _parsed(value, number)
    if table.get("/Type") != "/XRef" or set(table.keys()) - TABLE_KEYS:
        raise Broken("a revision of the file does not end with its table", got=f"object {number}")
    if table.get("/Prev") != before:
        raise Broken("a table of the file does not continue the one before", expected=before)
    listed: dict[int, int] = {}
    packed: set[int] = set()
    for item, kind, second in _entries(table, stream):
        if item in listed or item in packed:
            raise Broken("a table of the file lists an object twice", got=f"object {item}")
        if kind == 1:
            listed[item] = second
        elif kind == 2 and before is None and second in places:
            packed.add(item)
        elif kind != 0 or item != 0:
            raise Broken("a table of the file lists an object that is not there", got=f"object {item}")
    if listed != places:
        wrong = sorted(dict(listed.items() ^ places.items()))
        raise Broken("a table of the file does not list the objects that stand there", got=f"object {wrong[0]}")


def _entries(table: Any, stream: bytes) -> list[tuple[int, int, int]]:
    """(number, kind, offset or object stream) of a cross-reference stream (ISO 32000-1, 7.5.8). Raises Broken."""
    widths = [int(w) for w in table.get("/W", [])]
    if len(widths) != 3 or not all(0 <= w <= 8 for w in widths) or not sum(widths):
        raise Broken("a table of the file cannot be read", got=f"/W {widths}")
    row = sum(widths)
    content = _inflated(table, stream, row)
    index = [int(i) for i in table.get("/Index", [0, int(table.get("/Size", 0))])]
    numbers = [n for first, count in zip(index[::2], index[1::2], strict=False) for n in range(first, first + count)]
    if len(numbers) * row != len(content):
        raise Broken(
            "a table of the file has another length than it says", got=len(content), expected=len(numbers) * row
        )
    rows = np.frombuffer(content, dtype=np.uint8).reshape(-1, row).astype(np.uint64)
    of_bytes = [256 ** np.arange(width - 1, -1, -1, dtype=np.uint64) for width in widths]
    kinds = rows[:, : widths[0]] @ of_bytes[0] if widths[0] else np.ones(len(rows), dtype=np.uint64)
    seconds = rows[:, widths[0] : widths[0] + widths[1]] @ of_bytes[1]
    return list(zip(numbers, kinds.tolist(), seconds.tolist(), strict=True))


def _inflated(table: Any, stream: bytes, row: int) -> bytes:
    if table.get("/Filter") != "/FlateDecode":
        raise Broken("a table of the file is packed in another way than Assay packs it", got="another filter")
    try:
        inflate = zlib.decompressobj()
        content = inflate.decompress(stream, MOST_TABLE)
    except zlib.error as error:
        raise Broken("a table of the file cannot be unpacked", got=type(error).__name__) from error
    if not inflate.eof or inflate.unused_data:
        raise Broken("a table of the file is larger than it says")
    parameters = table.get("/DecodeParms")
    if parameters is None:
        return content
    if dict(parameters) != {"/Columns": row, "/Predictor": 12}:
        raise Broken("a table of the file is packed in another way than Assay packs it", got="other parameters")
    lines = np.frombuffer(content[: len(content) // (row + 1) * (row + 1)], dtype=np.uint8).reshape(-1, row + 1)
    if lines.size != len(content) or (lines[:, 0] != 2).any():  # PNG's filter "up" in every row, as qpdf writes it
        raise Broken("a table of the file is packed in another way than Assay packs it", got="another filter of rows")
    return np.cumsum(lines[:, 1:], axis=0, dtype=np.uint8).tobytes()
