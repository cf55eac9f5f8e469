"""What the signs and the drawings look like here: one sheet with each sign and each drawing, set once.

The words of a page are what its fonts say; what they draw is compared with this sheet, sign by sign. Each drawing is
compared operator by operator, numbers to a fiftieth of a pixel.
"""

from __future__ import annotations

import html
import io
import math
from collections.abc import Iterable, Sequence

from reports.render import picture_of
from reports.verify.pages.drawn import Picture, read_pages
from reports.verify.pages.unsure import Unsure

NEAR = 0.02
LIGATURES = "ff fi fl ffi ffl ft st"


def sheet(signs: Iterable[str], drawings: Sequence[str]) -> bytes:
    """A PDF with the signs in plain and in bold, and each drawing on a page of its own."""
    import weasyprint

    from reports.pdf import collector_paused, written

    text = html.escape(" ".join(sorted(set("".join(signs)) - set(" \n")))) + " " + LIGATURES
    pictures = "".join(f'<p><img alt="drawing" src="{picture_of(svg)}"></p>' for svg in drawings)
    page = (
        '<html lang="en"><style>@page { size: 210mm 297mm; margin: 20mm } html { font: 9pt "DejaVu Sans" } '
        "body, p { margin: 0 } p { break-after: page } img { width: 170mm; max-width: 100% }</style>"
        f"<p>{text} <b>{text}</b></p>{pictures}</html>"
    )
    with collector_paused():
        document = weasyprint.HTML(string=page).render(pdf_variant="pdf/a-3a")
        return written(document, pdf_variant="pdf/a-3a", pdf_identifier=b"sheet", uncompressed_pdf=True)


def drawings_of(pdf: bytes) -> list[Picture]:
    import pikepdf

    with pikepdf.open(io.BytesIO(pdf)) as document:
        return [picture for page in read_pages(document) for picture in page.pictures]


def check_drawings(mine: Sequence[Picture], right: Sequence[Picture]) -> None:
    """Raises Unsure where a drawing is another."""
    if len(mine) != len(right):
        raise Unsure("another number of drawings")
    for number, (a, b) in enumerate(zip(mine, right, strict=True), 1):
        size = [abs((x.box[2] - x.box[0], x.box[3] - x.box[1])[i]) for x in (a, b) for i in (0, 1)]
        if abs(size[0] - size[2]) > 1 or abs(size[1] - size[3]) > 1 or not alike(a.does, b.does):
            raise Unsure(f"drawing {number} is another")


def alike(a: object, b: object) -> bool:
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(alike(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, abs_tol=NEAR)
    return a == b
