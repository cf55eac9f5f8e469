"""Fonts as a viewer takes them: what each code says, and how far it moves on.

What a code says is the file's own word; `reports.verify.shapes` compares it with the outline that is drawn. Here the
advances are compared with the signs', and everything but outlines is refused. ISO 32000-2:2020, 9.7.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reports.verify.pages.unsure import Unsure

MOST_KERN = 300.0
"""Thousandths of the size; more would pull signs apart or over each other. “Y.” has 202, two figures have none."""
FIGURES = frozenset("0123456789.,%−+")
_FORM = re.compile(rb"\[(?:<(?:[0-9a-f]{4})*>(?:-?[0-9.]+)?)*\]")
_PARTS = re.compile(rb"<([0-9a-f]*)>(-?[0-9.]*)")
_TABLES = {
    "GlyphOrder", "head", "hhea", "maxp", "OS/2", "hmtx", "cmap", "loca", "glyf", "name", "post", "gasp", "GDEF",
    "MATH", "GPOS", "GSUB", "BASE", "kern",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Font:
    """What each code says and how far it moves on, in thousandths of the size."""

    name: str
    says: Mapping[bytes, str]
    wide: Mapping[bytes, float]


@dataclass(slots=True)
class Fonts:
    """Fonts already read, by object."""

    known: dict[tuple[int, int], Font] = field(default_factory=dict)

    def of(self, font: Any) -> Font:
        if not font.is_indirect:
            raise Unsure("a font stands in a page's own resources")
        if font.objgen not in self.known:
            self.known[font.objgen] = _font(font)
        return self.known[font.objgen]


_SAYS = re.compile(r"^<([0-9a-f]{4})> <((?:[0-9a-f]{4})+)>$", re.MULTILINE)


def _font(font: Any) -> Font:
    """Signs and advances as a viewer takes them: /ToUnicode is checked against the outlines elsewhere, /W here."""
    below = font.DescendantFonts[0]
    if font.Subtype != "/Type0" or font.Encoding != "/Identity-H" or "/DW" in below or "/W2" in below:
        raise Unsure("a font of another kind")
    says = says_of(font)
    wide: dict[bytes, float] = {}
    items = list(below.W)
    while items:
        first, values, *items = items
        for i, value in enumerate(values):  # `first last width` has no list here: TypeError, so unsure
            wide[b"%04x" % (int(first) + i)] = float(value)
    name = str(font.BaseFont).lstrip("/").partition("+")[2]
    _advances(below, wide)
    return Font(name, says, wide)


def says_of(font: Any) -> dict[bytes, str]:
    """Each code that the font's ToUnicode table names, with its text."""
    lines = _SAYS.findall(font.ToUnicode.read_bytes().decode("ascii"))
    return {code.encode(): bytes.fromhex(text).decode("utf-16-be") for code, text in lines}


def _advances(below: Any, wide: Mapping[bytes, float]) -> None:
    """The advances that a viewer uses are those of the signs, and nothing but outlines draws them.

    Colour layers, bitmaps, or instructions that move points could draw another sign than its outline.
    """
    import io

    from fontTools.ttLib import TTFont

    if {"/FontFile", "/FontFile3"} & set(below.FontDescriptor.keys()) or "/F" in below.FontDescriptor.FontFile2:
        raise Unsure("a font comes in two forms")
    with TTFont(io.BytesIO(below.FontDescriptor.FontFile2.read_bytes()), lazy=True) as ttf:
        if extra := set(ttf.keys()) - _TABLES:
            raise Unsure(f"a font holds {sorted(extra)}")
        size, order, sizes, glyphs = ttf["head"].unitsPerEm, ttf.getGlyphOrder(), ttf["hmtx"].metrics, ttf["glyf"]
        for code, value in wide.items():
            name = order[int(code, 16)]
            if abs(sizes[name][0] * 1000 / size - value) > 1:
                raise Unsure(f"a sign is {value:g} wide and says that it is another width")
            if (program := getattr(glyphs[name], "program", None)) is not None and program.getBytecode():
                raise Unsure("a font moves the points of its signs")


def said(array: bytes, font: Font) -> tuple[str, float]:
    """What a TJ array says and how far it reaches, in thousandths. Raises Unsure."""
    if _FORM.fullmatch(array) is None:
        raise Unsure("text of another form")
    text: list[str] = []
    wide = 0.0
    # Most signs follow each other without a correction: `<0041>0<0042>` is `<00410042>`.
    last = 0.0
    for codes, kern in _PARTS.findall(array.replace(b">0<", b"")):
        for i in range(0, len(codes), 4):
            code = codes[i : i + 4]
            sign = font.says[code]
            if last and text and sign[:1] in FIGURES and text[-1][-1:] in FIGURES:
                raise Unsure("figures are pulled apart or together")
            last = 0.0
            text.append(sign)
            wide += font.wide[code]
        if kern:
            last += float(kern)
            wide -= float(kern)
            if abs(last) > MOST_KERN:
                raise Unsure("signs are pulled apart")
    return "".join(text), wide
