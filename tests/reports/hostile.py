"""PDF files written by hand and certified with a valid key, whatever is in them: bombs, cycles, lies.

certified({...})                 # object number -> its bytes; 1 to 5 are the least that a signed file needs
certified({...}, later={...})    # a second revision, signed too
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import zlib
from collections.abc import Mapping

from reports.keys import SigningKey

CATALOG, PAGES, PAGE, FIELD, SIGNATURE, SECOND_FIELD, SECOND = 1, 2, 3, 4, 5, 6, 7
FREE = 10
"""Numbers from here on are free for what a bomb is made of."""
ROOM = 9000
MDP = b"/Reference [<</Type/SigRef/TransformMethod/DocMDP/TransformParams<</Type/TransformParams/P 2/V/1.2>>>>]"


def stream(data: bytes, entries: bytes = b"", packed: int = 1) -> bytes:
    """A stream object, deflated `packed` times."""
    for _ in range(packed):
        data = zlib.compress(data, 9)
    filters = b"/Filter[" + b"/FlateDecode " * packed + b"]" if packed else b""
    return b"<<%s%s/Length %d>>\nstream\n%s\nendstream" % (entries, filters, len(data), data)


def bomb(size: int, entries: bytes = b"", layers: int = 1) -> bytes:
    """A stream of `size` zeros without ever holding or packing them all: after a full flush a block packs the same."""
    packer = zlib.compressobj(1)
    first, second = (packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH) for _ in "12")
    end, checksum = packer.flush()[:-4], size % 65521 << 16 | 1  # Adler-32 of zeros
    data = first + second * (size // 2**20 - 1) + end + checksum.to_bytes(4, "big")
    for _ in range(layers - 1):
        data = zlib.compress(data, 9)
    filters = b"/Filter[" + b"/FlateDecode " * layers + b"]"
    return b"<<%s%s/Length %d>>\nstream\n%s\nendstream" % (entries, filters, len(data), data)


def sig_dict(extra: bytes = b"") -> bytes:
    # The byte range stands behind the container, as pyHanko writes it.
    return (
        b"<</Type/Sig/Filter/Adobe.PPKLite/SubFilter/ETSI.CAdES.detached/Contents <" + b"0" * ROOM + b">"
        b"/ByteRange [0 0000000000 0000000000 0000000000]" + extra + b"/M(D:20261128080000+00'00')>>"
    )


def field(name: str, value: int) -> bytes:
    return b"<</FT/Sig/T(%s)/V %d 0 R/Type/Annot/Subtype/Widget/Rect[0 0 0 0]/F 132/P %d 0 R>>" % (
        name.encode(), value, PAGE,
    )  # fmt: skip


def least(catalog: bytes = b"", fields: bytes = b"4 0 R") -> dict[int, bytes]:
    """The objects of a one-page file with a certification."""
    return {
        CATALOG: b"<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[%s]/SigFlags 3>>/Perms<</DocMDP 5 0 R>>%s>>"
        % (fields, catalog),
        PAGES: b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        PAGE: b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]/Resources<<>>/Annots[4 0 R]>>",
        FIELD: field("Auditor", SIGNATURE),
        SIGNATURE: sig_dict(MDP),
    }


def written(objects: Mapping[int, bytes], at: int = 0, previous: int | None = None, trailer: bytes = b"") -> bytes:
    """The objects, a table and a trailer, to stand at offset `at` of the file."""
    out = bytearray(b"" if at else b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
    places = {}
    for number, body in objects.items():
        places[number] = at + len(out)
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = at + len(out)
    out += b"xref\n"
    if not at:
        out += b"0 1\n0000000000 65535 f \n"
    for first, run in _runs(sorted(places)):
        out += b"%d %d\n" % (first, len(run)) + b"".join(b"%010d 00000 n \n" % places[n] for n in run)
    size = max(objects, default=0) + 1
    before = b"" if previous is None else b"/Prev %d" % previous
    out += b"trailer\n<</Size %d/Root 1 0 R%s%s>>\nstartxref\n%d\n%%%%EOF\n" % (size, before, trailer, table)
    return bytes(out)


def _runs(numbers: list[int]) -> list[tuple[int, list[int]]]:
    runs: list[tuple[int, list[int]]] = []
    for n in numbers:
        if runs and n == runs[-1][0] + len(runs[-1][1]):
            runs[-1][1].append(n)
        else:
            runs.append((n, [n]))
    return runs


def sealed(pdf: bytes, key: SigningKey) -> bytes:
    """The last empty container in `pdf` filled: a valid signature over everything but itself."""
    from pyhanko.sign.signers.pdf_cms import PdfCMSSignedAttributes

    from reports.sign import _signer

    items = list(re.finditer(rb"/Contents <(0{%d})>" % ROOM, pdf))[-1]
    start, stop = items.start(1) - 1, items.end(1) + 1
    lengths = b"/ByteRange [0 %010d %010d %010d]" % (start, stop, len(pdf) - stop)
    place = pdf.index(b"/ByteRange [0 0000000000", stop)
    pdf = pdf[:place] + lengths + pdf[place + len(lengths) :]
    digest = hashlib.sha256(pdf[:start] + pdf[stop:]).digest()
    built = asyncio.run(
        _signer(key).async_sign(
            digest, "sha256", use_pades=True, signed_attr_settings=PdfCMSSignedAttributes(signing_time=None)
        )
    )
    content = built.dump().hex().upper().encode().ljust(ROOM, b"0")
    return pdf[: start + 1] + content + pdf[stop - 1 :]


def certified(objects: Mapping[int, bytes], key: SigningKey, trailer: bytes = b"") -> bytes:
    """One revision, certified."""
    return sealed(written(objects, trailer=trailer), key)


def extended(pdf: bytes, objects: Mapping[int, bytes], key: SigningKey, trailer: bytes = b"") -> bytes:
    """One more revision, signed; `objects` hold the signature."""
    previous = int(pdf[pdf.rindex(b"startxref\n") + 10 :].split(b"\n")[0])
    return sealed(pdf + written(objects, len(pdf), previous, trailer), key)
