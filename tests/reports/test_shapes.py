"""Pages whose text says one thing and whose drawing says another, certified by the auditor: the reader's extraction is
deceived, the verifier is not."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pikepdf
import pytest
from fontTools.ttLib import TTFont

from reports.sign import certify
from reports.verify import verify
from reports.verify.printed import words_of
from tests.reports import kit
from tests.reports.conftest import Reports
from tests.reports.pki import Pki


def redrawn(draft: bytes, change: Callable[[pikepdf.Pdf], None]) -> bytes:
    """The draft with something changed and packed anew, so that it does not come out byte for byte."""
    with pikepdf.open(io.BytesIO(draft)) as pdf:
        change(pdf)
        out = io.BytesIO()
        pdf.save(out, deterministic_id=True, force_version="1.7", recompress_flate=True)
    return out.getvalue()


def found(pdf: bytes, pki: Pki) -> Any:
    signed = certify(pdf, pki.auditor, field="Auditor", reason="x").pdf
    result = verify(signed, printer=kit.page)
    return next(c for c in result.checks if c.name == "printed pages")


def font_with(pdf: pikepdf.Pdf, text: str) -> Any:
    """The Type0 font that draws the table, and the code of a sign in it."""
    for font in pdf.objects:
        if (
            isinstance(font, pikepdf.Dictionary)
            and font.get("/Subtype") == "/Type0"
            and "Bold" not in str(font.BaseFont)
        ):
            lines = font.ToUnicode.read_bytes().decode().splitlines()
            code = next((w for w in lines if w.endswith(f"> <{ord(text):04x}>")), None)
            if code is not None:
                return font, code[1:5]
    raise AssertionError(text)


def test_another_packing_of_the_same_pages_passes(small: Reports, pki: Pki) -> None:
    check = found(redrawn(small.draft, lambda pdf: None), pki)
    assert check.status == "ok"
    assert "each page's drawing is the same, operator by operator" in check.detail
    assert "signs drawn as they should be" in check.detail


def test_a_font_that_says_another_figure_than_it_draws(small: Reports, pki: Pki) -> None:
    """Figures exchanged on the page and in ToUnicode: extracted, the words are right; drawn, 4 stands for 5."""

    def change(pdf: pikepdf.Pdf) -> None:
        font, four = font_with(pdf, "4")
        _, five = font_with(pdf, "5")
        table = font.ToUnicode.read_bytes()
        swapped = table.replace(b"<%s> <0034>" % four.encode(), b"<%s> <XX>" % four.encode())
        swapped = swapped.replace(b"<%s> <0035>" % five.encode(), b"<%s> <0034>" % five.encode())
        font.ToUnicode = pdf.make_stream(swapped.replace(b"<XX>", b"<0035>"))
        a, b = bytes.fromhex(four), bytes.fromhex(five)
        for page in pdf.pages:
            drawn = []
            for operands, operator in pikepdf.parse_content_stream(page):
                if str(operator) == "TJ":
                    parts = [exchanged(p, a, b) if isinstance(p, pikepdf.String) else p for p in operands[0]]
                    operands = [pikepdf.Array(parts)]
                drawn.append((operands, operator))
            page.Contents = pdf.make_stream(pikepdf.unparse_content_stream(drawn))

    forged = redrawn(small.draft, change)
    assert [w.text for w in words_of(forged)] == [w.text for w in words_of(small.draft)]
    check = found(forged, pki)
    assert check.status == "failed"
    assert check.detail == "a font in the file draws another sign than it says"


def exchanged(part: pikepdf.String, a: bytes, b: bytes) -> pikepdf.String:
    data = bytes(part)
    codes = [data[i : i + 2] for i in range(0, len(data), 2)]
    return pikepdf.String(b"".join(b if c == a else a if c == b else c for c in codes))


def test_a_font_program_with_two_figures_exchanged(small: Reports, pki: Pki) -> None:
    """The page and ToUnicode untouched; inside the font, 4 and 5 have each other's outline."""

    def change(pdf: pikepdf.Pdf) -> None:
        font, four = font_with(pdf, "4")
        _, five = font_with(pdf, "5")
        descriptor = font.DescendantFonts[0].FontDescriptor
        with TTFont(io.BytesIO(descriptor.FontFile2.read_bytes())) as ttf:
            order, glyf = ttf.getGlyphOrder(), ttf["glyf"]
            a, b = order[int(four, 16)], order[int(five, 16)]
            glyf[a], glyf[b] = glyf[b], glyf[a]
            out = io.BytesIO()
            ttf.save(out)
        descriptor.FontFile2 = pdf.make_stream(out.getvalue(), Length1=len(out.getvalue()))

    check = found(redrawn(small.draft, change), pki)
    assert check.status == "failed"
    assert check.detail == "a font in the file draws another sign than it says"


def test_a_font_under_a_name_of_its_own(small: Reports, pki: Pki) -> None:
    """Renamed, a font would escape the comparison with the report's own."""

    def change(pdf: pikepdf.Pdf) -> None:
        font, _ = font_with(pdf, "4")
        font.BaseFont = pikepdf.Name("/ABCDEF+Other-Sans")

    check = found(redrawn(small.draft, change), pki)
    assert check.status == "failed"
    assert check.detail == "the pages are set in another font than the report's"


@pytest.mark.parametrize("key, value", [("/Encoding", "/Identity-V"), ("/Subtype", "/Type3")])
def test_a_font_of_another_kind(key: str, value: str, small: Reports, pki: Pki) -> None:
    def change(pdf: pikepdf.Pdf) -> None:
        font, _ = font_with(pdf, "4")
        font[key] = pikepdf.Name(value)

    check = found(redrawn(small.draft, change), pki)
    assert check.status == "failed"
