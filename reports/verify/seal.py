"""The cheap checks on bytes, before anything is parsed: the ends of the file, the last signature's digest, the
containers.

They cost a millisecond, so that whatever changes a byte is caught before a parser sees it.
"""

from __future__ import annotations

import hashlib
import re

from audit.numbers import are, many
from reports.signature import Container, Span
from reports.verify.container import hex_contents, open_container
from reports.verify.result import Broken

MOST_BYTES = 100_000_000
_RANGE = re.compile(rb"/ByteRange\s*\[\s*(\d{1,10})\s+(\d{1,10})\s+(\d{1,10})\s+(\d{1,10})\s*\]")
_END = re.compile(rb"\nstartxref\r?\n\d{1,10}\r?\n%%EOF(?:\r\n|\n|\r)?\Z")
_HEAD = re.compile(rb"%PDF-[12]\.\d[\r\n]")


def check_file(data: bytes) -> str:
    """Whether it is a whole PDF at all. Raises Broken."""
    if not data:
        raise Broken("the file is empty", expected="a PDF made by `assay report`")
    if not _HEAD.match(data):
        raise Broken(
            "the file is not a PDF", got=_kind(data), expected="%PDF-1.7", todo="choose the report that was signed"
        )
    return f"{many(len(data), 'byte')}, {data[:8].decode('ascii')}"


def _kind(data: bytes) -> str:
    if data.startswith(b"PK\x03\x04"):
        return "a ZIP file"
    return "other first bytes"


def spans(data: bytes) -> tuple[Span, ...]:
    """Every byte range in the file that has the only form a signature may have, by its end."""
    ranges = set()
    for match in _RANGE.finditer(data):
        first, start, stop, rest = (int(n) for n in match.groups())
        if first == 0 and 0 < start < stop and stop + rest <= len(data) and match.start() >= stop:
            ranges.add(Span(start, stop, stop + rest))
    return tuple(sorted(ranges, key=lambda s: s.end))


def container_of(data: bytes, span: Span) -> Container:
    """The container of a signature, its own cryptography checked. Raises Broken."""
    der = hex_contents(data[span.start : span.stop])
    try:
        return open_container(der, "signature")
    except Broken as broken:
        # An archive timestamp is a token in place of a signature.
        try:
            return open_container(der, "timestamp")
        except Broken:
            raise broken from None


def check_digest(data: bytes, span: Span, container: Container) -> None:
    """The bytes that the signature covers have the digest that was signed. Raises Broken."""
    view = memoryview(data)
    digest = hashlib.new(container.digest_name)
    digest.update(view[: span.start])
    digest.update(view[span.stop : span.end])
    if digest.digest() != container.digest:
        raise Broken(
            "the file was changed after it was signed",
            got=f"{container.digest_name} {digest.hexdigest()[:16]}\u2026",
            expected=f"{container.digest.hex()[:16]}\u2026, as signed",
        )


def check_seal(data: bytes) -> tuple[Span, Container]:
    """The last signature, and that it covers every byte of the file but its own container. Raises Broken."""
    ranges = spans(data)
    if not ranges:
        raise Broken(
            "the file has no signature",
            got="no /ByteRange that starts at 0",
            expected="a report certified by its auditor",
            todo="an unsigned draft cannot be verified; ask for the signed report",
        )
    last = ranges[-1]
    if last.end != len(data):
        raise Broken(
            f"{many(len(data) - last.end, 'byte')} {are(len(data) - last.end, 'stands', 'stand')} after the last "
            "signature, and nobody signed them",
            got=f"{many(len(data), 'byte')}",
            expected=f"{many(last.end, 'byte')}, all of them signed",
        )
    if not _END.search(data[-64:]):
        raise Broken("the file does not end as a PDF does", got="other last bytes", expected="%%EOF")
    container = container_of(data, last)
    check_digest(data, last, container)
    return last, container
