"""The pages read as a viewer shows them, without setting them again.

    words = check_pages(certified, document)

Setting the pages of a report again takes seconds, and gives the same bytes only with the same versions of the programs
that set them. So pages are read first: what they draw, where, and what a screen reader is told. That is compared with
what the Document says. The reading knows only what Assay writes. Whatever else it meets, it raises Unsure, and the
caller sets the pages again: never is a page refused here, and never taken where something was not understood.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from reports.blocks import Document, Signatures
from reports.render import running
from reports.verify.pages.chart import check_drawing
from reports.verify.pages.drawn import read_pages
from reports.verify.pages.expected import expected
from reports.verify.pages.geometry import Box
from reports.verify.pages.placed import place
from reports.verify.pages.reference import advance, check_signs
from reports.verify.pages.tagged import check_annotations, check_colours, check_outline, check_tags
from reports.verify.pages.unsure import NotCovered, Unsure
from reports.verify.result import Broken

__all__ = ["NotCovered", "Unsure", "check_pages"]


def check_pages(pdf: bytes, document: Document) -> str:
    """What was compared, in words. Raises Unsure where the pages have to be looked at in another way."""
    import pikepdf

    try:
        items = expected(document)
        signers = [
            s for section in document.sections for b in section.blocks if isinstance(b, Signatures) for s in b.signers
        ]
        with pikepdf.open(io.BytesIO(pdf)) as file:
            pages = read_pages(file)
            placed = place(pages, items, dict(_frames(file)), running(document.case), document.number)
            check_tags(file, placed, signers)
            check_outline(file, placed)
            check_annotations(file, signers)
            check_colours(file)
            for _, picture, image in placed.pictures:
                check_drawing(picture, image.svg, advance)
            signs = check_signs(file)
    except Broken as error:
        raise Unsure(error.problem) from error
    except (pikepdf.PdfError, AttributeError, KeyError, TypeError, ValueError, IndexError, RecursionError) as error:
        raise Unsure(f"{type(error).__name__}: {error}"[:200]) from error
    rows = len(placed.spots)
    return (
        f"{placed.words:,} words in {rows:,} places on {len(pages)} pages read as they are drawn: what the evidence "
        f"gives, each in its place; {len(placed.pictures)} drawings, shape by shape; {signs:,} signs of the fonts"
    )


def _frames(file: Any) -> Iterator[tuple[str, tuple[int, Box]]]:
    """The signature fields by name: page from 0, and box in pixels from the upper left corner."""
    for at, page in enumerate(file.pages):
        height = float(page.obj.MediaBox[3])
        for entry in page.obj.get("/Annots", ()):
            if entry.Subtype == "/Widget":
                x0, y0, x1, y1 = (float(v) for v in entry.Rect)
                left, right = sorted((x0 / 0.75, x1 / 0.75))
                upper, lower = sorted(((height - y0) / 0.75, (height - y1) / 0.75))
                yield str(entry.T), (at, (left, upper, right, lower))
