"""The parsed file, read twice and strictly: by qpdf (pikepdf) without recovery, and by pyHanko in strict mode.

A file that either of them has to repair is refused: two viewers may repair it into two documents.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from audit.errors import InputError
from reports.verify.result import Broken

if TYPE_CHECKING:
    import pikepdf

MOST_ATTACHED = 64_000_000


@contextmanager
def opened(data: bytes) -> Iterator[pikepdf.Pdf]:
    """The file by qpdf, without recovery. Raises Broken where it is damaged, encrypted or needs repair."""
    import pikepdf

    try:
        pdf = pikepdf.open(io.BytesIO(data), attempt_recovery=False, suppress_warnings=True)
    except Exception as error:  # qpdf's errors have several types
        raise Broken("the file cannot be read as a PDF", got=type(error).__name__) from error
    with pdf:
        yield pdf
        if warnings := pdf.get_warnings():
            raise Broken(
                "the file is damaged", got=f"{len(warnings)} places to repair", expected="a file that needs no repair"
            )


def reader_of(data: bytes) -> Any:
    """The file by pyHanko, strictly. Raises Broken."""
    from pyhanko.pdf_utils.reader import PdfFileReader

    try:
        reader = PdfFileReader(io.BytesIO(data), strict=True)
        _ = reader.root["/Pages"]["/Kids"]
        return reader
    except Exception as error:  # pyHanko raises many kinds on broken input
        raise Broken("the file cannot be read as a PDF", got=type(error).__name__) from error


def attached(pdf: pikepdf.Pdf) -> dict[str, bytes]:
    """The embedded files by name, in order. Raises Broken for a name twice, two spellings of a name, or too much."""
    import pikepdf

    files: dict[str, bytes] = {}
    total = 0
    names = pdf.Root.get("/Names", pikepdf.Dictionary())
    tree = names.get("/EmbeddedFiles")
    if tree is None:
        return files
    listed = tree.get("/Names", pikepdf.Array())
    for i in range(0, len(listed), 2):
        name, spec = str(listed[i]), listed[i + 1]
        streams = spec.get("/EF", pikepdf.Dictionary())
        if {str(spec.get(k, name)) for k in ("/F", "/UF")} != {name} or list(streams.keys()) != ["/F"]:
            raise Broken("an embedded file has two names or two contents", got=f"file {len(files) + 1}")
        if name in files:
            raise Broken("two embedded files have one name", got=f"file {len(files) + 1}")
        files[name] = _unpacked(streams["/F"], MOST_ATTACHED - total)
        total += len(files[name])
    return files


def _unpacked(stream: pikepdf.Object, most: int) -> bytes:
    """The bytes of an embedded file, deflated or not (`reports.verify.allowed` takes no other), and at most `most`."""

    raw, packed = bytes(stream.read_raw_bytes()), stream.get("/Filter")
    if packed is None:
        content = raw[: most + 1]
    else:
        work = zlib.decompressobj()
        try:
            content = work.decompress(raw, most + 1)
        except zlib.error as error:
            raise Broken("an embedded file cannot be unpacked", expected="deflate") from error
        if len(content) <= most and not work.eof:
            raise Broken("an embedded file is cut off", expected="a whole one")
    if len(content) > most:
        raise Broken("the embedded files are too large", expected=f"at most {MOST_ATTACHED:,} bytes")
    return content


def attachments_of(data: bytes) -> Mapping[str, bytes]:
    """The embedded files of a PDF by name. Raises InputError where it cannot be read; checks no signature."""
    try:
        with opened(data) as pdf:
            return attached(pdf)
    except Broken as broken:
        raise InputError(
            broken.problem, got=broken.got, expected=broken.expected or "a report made by `assay report`"
        ) from broken
