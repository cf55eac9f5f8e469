"""The visible face of a signature: a small page that WeasyPrint makes, so that its fonts keep PDF/A and PDF/UA.

pyHanko's own text stamps write glyph widths that break both standards.
"""

from __future__ import annotations

import datetime as dt
import html
import io
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from reports import typesetter
from reports.pdf import written

if TYPE_CHECKING:
    from cryptography import x509
    from pyhanko.pdf_utils.content import PdfContent
    from pyhanko.stamp import StaticStampStyle

FONT = '"DejaVu Sans", "Liberation Sans", sans-serif'
LONGEST = 160


CERTIFIED = "Certified by"
DECIDED = {"approve": "Approved by", "reject": "Rejected by"}
"""How the face of a member's decision begins."""


def face_lines(heading: str, certificate: x509.Certificate, reason: str, moment: dt.datetime) -> tuple[str, ...]:
    """What the face of a signature says. All of it follows from what is signed: the verifier makes it again.

    moment : the signature's own /M, with a time zone.
    """
    from reports.signing_key import common_name, fingerprint, issuer_name

    alone = certificate.subject == certificate.issuer
    vouched = "self-signed" if alone else f"issued by {issuer_name(certificate)}"
    return (
        f"{heading} {common_name(certificate)}",
        f"{moment.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC (signer's clock)",
        f"Certificate {fingerprint(certificate)[:16]}, {vouched}",
        reason,
    )


def stamp_style(lines: Sequence[str], width: float, height: float) -> StaticStampStyle:
    """A stamp of `width` x `height` points with one paragraph a line, the first in bold; long lines are cut."""
    from pyhanko.pdf_utils import layout
    from pyhanko.stamp import StaticStampStyle

    return StaticStampStyle(
        background=_page_content(_stamp_page(tuple(lines), width, height)),
        border_width=0,
        background_opacity=1.0,
        background_layout=layout.SimpleBoxLayoutRule(
            x_align=layout.AxisAlignment.ALIGN_MIN,
            y_align=layout.AxisAlignment.ALIGN_MAX,
            margins=layout.Margins(0, 0, 0, 0),
        ),
    )


def face_file(lines: Sequence[str], width: float, height: float) -> bytes:
    """A PDF with one page, and on it one field with the face that these lines give."""
    from pyhanko.pdf_utils import generic
    from pyhanko.pdf_utils import writer as pdf_writer
    from pyhanko.pdf_utils.generic import pdf_name
    from pyhanko.pdf_utils.layout import BoxConstraints

    writer: Any = pdf_writer.PdfFileWriter()  # type: ignore[no-untyped-call]
    empty = writer.add_object(generic.StreamObject(stream_data=b""))
    page: Any = pdf_writer.PageObject(contents=empty, media_box=(0, 0, width, height))  # type: ignore[no-untyped-call]
    kind = {pdf_name("/Type"): pdf_name("/Annot"), pdf_name("/Subtype"): pdf_name("/Widget")}
    field = generic.DictionaryObject(kind)  # type: ignore[no-untyped-call]
    box = BoxConstraints(width=width, height=height)
    stamp_style(lines, width, height).create_stamp(writer, box, {}).apply_appearance(field)
    page[pdf_name("/Annots")] = generic.ArrayObject([writer.add_object(field)])
    writer.insert_page(page)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


@lru_cache(maxsize=16)
def _stamp_page(lines: tuple[str, ...], width: float, height: float) -> bytes:
    typesetter.load()
    import weasyprint

    shown = [line if len(line) <= LONGEST else line[: LONGEST - 1] + "\u2026" for line in lines]
    size = max(4.5, min(8.0, height / (1.35 * max(3, len(shown) + 1))))
    body = "".join(f"<p>{html.escape(line)}</p>" for line in shown)
    page = (
        f"<html lang=en><style>@page{{size:{width}pt {height}pt;margin:0}}"
        f"body{{font:{size}pt/1.25 {FONT};margin:2pt 4pt;overflow:hidden;height:{height - 4}pt}}"
        f"p{{margin:0}} p:first-child{{font-weight:bold}}</style><body>{body}"
    )
    document = weasyprint.HTML(string=page, url_fetcher=_no_fetch).render(pdf_variant="pdf/a-3b")
    return written(document, pdf_variant="pdf/a-3b")


def _no_fetch(url: str) -> dict[str, object]:
    raise ValueError(f"a stamp asks for nothing: {url[:80]!r}")


def _page_content(data: bytes) -> PdfContent:
    from pyhanko.pdf_utils.content import PdfContent
    from pyhanko.pdf_utils.layout import BoxConstraints
    from pyhanko.pdf_utils.reader import PdfFileReader

    class Page(PdfContent):
        """The first page of `data` as a form XObject, under a name that is the same every time."""

        def render(self) -> bytes:
            form = self._ensure_writer.import_page_as_xobject(PdfFileReader(io.BytesIO(data)), page_ix=0)
            self.resources.xobject["/Stamp"] = form
            x1, y1, x2, y2 = form.get_object()["/BBox"]
            self.box = BoxConstraints(width=abs(x1 - x2), height=abs(y1 - y2))
            return b"/Stamp Do"

    return Page()
