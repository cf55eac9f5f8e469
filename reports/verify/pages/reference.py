"""The report's own font, DejaVu Sans, from the copy that comes with matplotlib: what each sign looks like.

The words of a page are what its fonts say; what they draw is compared with this copy, outline by outline.
Debian's copy, which the pages are printed with, is a little newer; the signs of the reports are the same in both.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from reports.verify.pages.fonts import says_of
from reports.verify.pages.unsure import Unsure
from reports.verify.shapes import fonts_of

Advance = Callable[[str], float]
"""How far a sign moves on, in sizes."""
FILES = {"DejaVu-Sans": "DejaVuSans.ttf", "DejaVu-Sans-Bold": "DejaVuSans-Bold.ttf"}
LIGATURES = {"ff": 0xFB00, "fi": 0xFB01, "fl": 0xFB02, "ffi": 0xFB03, "ffl": 0xFB04}
NOTHING = "\uffff"


@lru_cache(maxsize=2)
def reference(name: str) -> Any:
    """The font as fontTools reads it. Raises Unsure where there is none."""
    from fontTools.ttLib import TTFont

    spec = find_spec("matplotlib")
    if name not in FILES or spec is None or spec.origin is None:
        raise Unsure(f"no font here to compare {name} with")
    path = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / FILES[name]
    if not path.is_file():
        raise Unsure(f"no font here to compare {name} with")
    return TTFont(io.BytesIO(path.read_bytes()), lazy=True)


def advance(sign: str) -> float:
    """In the plain font. Raises Unsure for a sign that it lacks."""
    font = reference("DejaVu-Sans")
    return float(font["hmtx"].metrics[_name(font, sign)][0] / font["head"].unitsPerEm)


def check_signs(document: Any) -> int:
    """How many signs of the pages' fonts were compared with the copy. Raises Unsure where one draws another outline."""
    compared = 0
    for font in fonts_of(document):
        compared += _compared(font)
    return compared


def _compared(font: Any) -> int:
    from fontTools.ttLib import TTFont

    name = str(font.BaseFont).lstrip("/").partition("+")[2]
    right = reference(name)
    data = font.DescendantFonts[0].FontDescriptor.FontFile2.read_bytes()
    if str(font.DescendantFonts[0].get("/CIDToGIDMap", "")) != "/Identity":
        raise Unsure("a font whose codes are not its signs")
    compared = 0
    with TTFont(io.BytesIO(data), lazy=True) as mine:
        order = mine.getGlyphOrder()
        for code, said in says_of(font).items():
            if said == NOTHING:  # drawn, it would not be what any text says
                continue
            if _outline(mine, order[int(code, 16)]) != _outline(right, _name(right, said)):
                raise Unsure(f"{name} draws another sign than it says for “{said}”")
            compared += 1
    return compared


def _name(font: Any, said: str) -> str:
    point = LIGATURES.get(said, ord(said) if len(said) == 1 else -1)
    found: str | None = font.getBestCmap().get(point)
    if found is None:
        raise Unsure(f"no sign here to compare “{said}” with")
    return found


def _outline(font: Any, name: str) -> tuple[object, ...]:
    from fontTools.pens.recordingPen import DecomposingRecordingPen

    glyphs = font.getGlyphSet()
    pen = DecomposingRecordingPen(glyphs)
    glyphs[name].draw(pen)
    return font["head"].unitsPerEm, glyphs[name].width, tuple(pen.value)
