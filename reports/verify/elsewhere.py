"""What decides how another viewer shows a page that PDFium shows the same: operators, colour profiles, fonts.

For files that were set with other versions, where bytes cannot be compared and pages are looked at with one engine
(`reports.verify.looks`). Viewers differ in what they make of wrong operands, of numbers written oddly, of operators
that nobody knows, of a profile and of what a font's program holds beside its outlines. So drawings keep to a grammar,
each profile is one of those that are embedded here, and each sign's outline is the one of the font here.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from reports.verify.reading import opened

_NUMBER = rb"[+-]?(?:\d{1,6}(?:\.\d{0,12})?|\.\d{1,12})"
_NAME = rb"/[A-Za-z0-9._+-]{1,60}"
_N = rb"(?:" + _NUMBER + rb"\s+)"
_DRAWN = rb"\[(?:\s*(?:<[0-9a-fA-F]*\s?>|" + _NUMBER + rb"))*\s*\]\s*"
_DASHES = rb"\[(?:\s*" + _NUMBER + rb")*\s*\]\s*"


def _grammar() -> re.Pattern[bytes]:
    """Each operator that our pages are drawn with, and its operands (ISO 32000-1, annex A). Colours are RGB and grey:
    every viewer has its own way from CMYK."""
    arity = {
        0: rb"q|Q|BT|ET|h|S|s|f\*?|B\*?|b\*?|n|W\*?|EMC", 1: rb"w|M|g|G", 2: rb"m|l", 3: rb"rg|RG", 4: rb"re|v|y",
        6: rb"c|cm|Tm",
    }  # fmt: skip
    forms = [_N + rb"{%d}(?:%s)" % (count, names) for count, names in arity.items()]
    forms += [
        rb"[012]\s+(?:J|j)", rb"0\s+Tr", _DASHES + _NUMBER + rb"\s+d", rb"/Pattern\s+(?:cs|CS)",
        _NAME + rb"\s+(?:gs|Do|scn|SCN)",
        _NAME + rb"\s+" + _NUMBER + rb"\s+Tf", _DRAWN + rb"TJ", rb"/[A-Za-z0-9]{1,20}\s+BMC",
        rb"/[A-Za-z0-9]{1,20}\s*<<\s*/MCID\s+\d{1,7}\s*>>\s*BDC",
    ]  # fmt: skip
    return re.compile(rb"\s*(?:" + rb"|".join(forms) + rb")(?=\s|\Z)")


_OPERATOR = _grammar()
_TABLES = {
    "GDEF", "GPOS", "GSUB", "MATH", "OS/2", "cmap", "gasp", "glyf", "head", "hhea", "hmtx", "loca", "maxp", "name",
    "post", "kern", "CFF ", "DSIG", "FFTM", "vhea", "vmtx", "VORG", "BASE", "GlyphOrder",
}  # fmt: skip
"""Of a font's program. None holds pictures, colours, instances or instructions: by these an outline depends on size."""


def shown_otherwise(mine: bytes, right: bytes) -> list[str]:
    """What of `mine` another viewer may show otherwise than the one that looked; empty where nothing."""
    with opened(mine) as a, opened(right) as b:
        out = [] if all(_is_plain(data) for data in _drawings(a)) else ["operators"]
        if not _profiles(a) <= _profiles(b):
            out.append("colour profiles")
        known, used = _outlines(b), _outlines(a)
        if used is None or known is None or any(known.get(sign) != outline for sign, outline in used.items()):
            out.append("fonts")
    return out


def _drawings(pdf: Any) -> Iterator[bytes]:
    import pikepdf

    for page in pdf.pages:
        yield bytes(page.Contents.read_bytes())
    for obj in pdf.objects:
        if isinstance(obj, pikepdf.Stream) and obj.get("/Type") in ("/XObject", "/Pattern"):
            yield bytes(obj.read_bytes())


def _is_plain(data: bytes) -> bool:
    """Whether a drawing is operators with their operands, one after the other, and saves as often as it restores."""
    at, depth = 0, 0
    while at < len(data) and (match := _OPERATOR.match(data, at)) is not None:
        at = match.end()
        last = data[at - 1 : at] if data[at - 2 : at - 1].isspace() or at == 1 else b""
        depth += (last == b"q") - (last == b"Q")
        if depth < 0:
            return False
    return depth == 0 and not data[at:].strip()


def _profiles(pdf: Any) -> set[bytes]:
    import pikepdf

    return {
        hashlib.sha256(bytes(obj.read_bytes())).digest()
        for obj in pdf.objects
        if isinstance(obj, pikepdf.Stream) and "/N" in obj and obj.get("/Type") is None
    }


def _outlines(pdf: Any) -> dict[tuple[str, int], bytes] | None:
    """(font without the letters of its subset, sign) -> digest of its outline and advance; None where one cannot be
    read, is not embedded, or holds more than outlines."""
    import pikepdf

    out: dict[tuple[str, int], bytes] = {}
    for font in pdf.objects:
        if not isinstance(font, pikepdf.Dictionary) or font.get("/Subtype") not in ("/CIDFontType2", "/CIDFontType0"):
            continue
        described: Any = font.get("/FontDescriptor", {})
        program = described.get("/FontFile2", described.get("/FontFile3"))
        if program is None:
            return None
        name = str(font.BaseFont).rpartition("+")[2]
        outlines = _signs(bytes(program.read_bytes()))
        if outlines is None or any(out.setdefault((name, n), d) != d for n, d in outlines.items()):
            return None
    return out


@lru_cache(maxsize=32)  # both files of a comparison mostly hold the same programs
def _signs(program: bytes) -> dict[int, bytes] | None:
    from fontTools.pens.recordingPen import DecomposingRecordingPen
    from fontTools.ttLib import TTFont

    try:
        with TTFont(io.BytesIO(program), lazy=False) as font:
            if set(font.keys()) - _TABLES:
                return None
            drawn, out = font.getGlyphSet(), {}
            for number, name in enumerate(font.getGlyphOrder()):
                pen = DecomposingRecordingPen(drawn)
                drawn[name].draw(pen)
                if pen.value:
                    out[number] = hashlib.sha256(repr((pen.value, drawn[name].width)).encode()).digest()
            return out
    except Exception:  # fontTools raises many kinds on a program that is none
        return None
