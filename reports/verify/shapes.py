"""What the fonts in a file really draw: a font may say “1” to whoever extracts text, and draw a 9.

Where the pages did not come out byte for byte, their words are compared, and words are what a font's ToUnicode table
says. So every sign's outline is compared with the outline of the same sign in the pages made again.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator
from typing import Any

from reports.verify.result import Broken

_LINE = re.compile(r"^<([0-9a-fA-F]{4})> <((?:[0-9a-fA-F]{4})+)>$", re.MULTILINE)
Shapes = dict[str, dict[str, set[str]]]
"""Font family -> what it says -> digests of the outlines that are drawn for it."""


def check_shapes(mine: bytes, again: bytes) -> str:
    """The signs of the certified file against those of the pages made again. Raises Broken where one is another.

    A family that was not needed here may hold only signs that the fonts here lack: the report's own font draws
    figures, and no other.
    """
    here, there = shapes_of(again), shapes_of(mine)
    known = {text for family in here.values() for text in family}
    compared = 0
    for name, family in there.items():
        for text, outlines in family.items():
            if name not in here:
                if text in known or any(c.isascii() and c.isalnum() for c in text):
                    raise Broken(
                        "the pages are set in another font than the report's", got=name, expected=", ".join(here)
                    )
                continue
            right = here[name].get(text)
            if right is None or not outlines <= right:
                raise Broken(
                    "a font in the file draws another sign than it says",
                    got=f"{name}: an outline that is not “{text}”",
                    expected=f"“{text}” as {name} draws it",
                    todo="do not rely on the printed figures; read the embedded evidence.json",
                )
            compared += 1
    return f"{compared:,} signs drawn as they should be"


def shapes_of(pdf: bytes) -> Shapes:
    """The outlines behind every code that a page's font maps to text. Raises Broken for a font that cannot be read."""
    import pikepdf

    out: Shapes = {}
    with pikepdf.open(io.BytesIO(pdf)) as document:
        for font in fonts_of(document):
            try:
                _add(out, font)
            except Broken:
                raise
            except Exception as error:  # fontTools raises many kinds on broken fonts
                raise Broken(
                    "a font in the file cannot be read", got=f"{type(error).__name__}: {error}"[:200]
                ) from error
    return out


def fonts_of(document: Any) -> Iterator[Any]:
    """Every font that a page, or a form drawn on it, may use; those of signature stamps are not the pages'."""
    seen: set[tuple[int, int]] = set()
    left = [page.obj.get("/Resources") for page in document.pages]
    while left:
        resources = left.pop()
        if resources is None or (resources.is_indirect and resources.objgen in seen):
            continue
        seen.add(resources.objgen)
        for font in resources.get("/Font", {}).values():
            if font.objgen not in seen or not font.is_indirect:
                seen.add(font.objgen)
                yield font
        left += [form.get("/Resources") for form in resources.get("/XObject", {}).values()]


def _add(out: Shapes, font: Any) -> None:
    from fontTools.pens.recordingPen import DecomposingRecordingPen
    from fontTools.ttLib import TTFont

    below = font.DescendantFonts[0] if font.Subtype == "/Type0" else None
    if below is None or font.Encoding != "/Identity-H" or str(below.get("/CIDToGIDMap", "/Identity")) != "/Identity":
        raise Broken("a font in the file is of a kind that Assay does not write", got=str(font.get("/Subtype")))
    descriptor = below.FontDescriptor
    program = descriptor.get("/FontFile2", descriptor.get("/FontFile3"))
    family = out.setdefault(str(font.BaseFont).lstrip("/").partition("+")[2] or str(font.BaseFont), {})
    with TTFont(io.BytesIO(program.read_bytes())) as ttf:
        glyphs, order, size = ttf.getGlyphSet(), ttf.getGlyphOrder(), ttf["head"].unitsPerEm
        for code, text in _LINE.findall(font.ToUnicode.read_bytes().decode("ascii")):
            pen = DecomposingRecordingPen(glyphs)
            name = order[int(code, 16)]
            glyphs[name].draw(pen)
            drawn = repr((size, glyphs[name].width, pen.value)).encode()
            said = bytes.fromhex(text).decode("utf-16-be")
            family.setdefault(said, set()).add(hashlib.sha256(drawn).hexdigest())
