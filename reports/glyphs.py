"""What the report's font can draw. Signs that it cannot are named in words, so that no page holds an empty box.

PDF/A forbids glyphs that are not there, and a fallback font would make the page depend on the machine. Letters of
scripts that DejaVu Sans lacks (Chinese, for example) are left as they are: a machine that has a font for them draws
them. Signs and emoji become their Unicode name in brackets. Text from JSON may hold control characters and halves of
surrogate pairs, which no page can hold.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

SAFE = 0x250
"""Below it, DejaVu Sans draws everything that is not a control character."""


def printable(text: str) -> str:
    """The text as the page can hold it. Equal text gives equal text; what the font can draw stays as it is."""
    if text.isascii() and text.isprintable():
        return text
    return _RIGHT_TO_LEFT.sub(_kept_apart, "".join(c if " " <= c < "\x7f" else _sign(c) for c in text))


def right_to_left(text: str) -> bool:
    """Whether it holds letters that are written from right to left."""
    return _RIGHT_TO_LEFT.search(text) is not None


def _kept_apart(run: re.Match[str]) -> str:
    """Without the mark, a number behind an Arabic or Hebrew name moves to its other side: another sentence."""
    return run.group() + LEFT_TO_RIGHT


LEFT_TO_RIGHT = "\u200e"
_LETTERS = "\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff"
_RIGHT_TO_LEFT = re.compile(f"[{_LETTERS}](?:[ {_LETTERS}]*[{_LETTERS}])?")


@lru_cache(maxsize=4096)
def _sign(c: str) -> str:
    kind = unicodedata.category(c)
    if c in "\n\t\u00ad":
        return c if c == "\n" else " " if c == "\t" else ""
    if kind == "Cs":
        return "\ufffd"
    if kind == "Cc":
        return " "
    if kind == "Cf" or 0xFE00 <= ord(c) <= 0xFE0F:  # joiners and marks of direction draw nothing
        return ""
    if ord(c) < SAFE or kind[0] in "LMN" or ord(c) in drawn():
        return c
    name = unicodedata.name(c, f"U+{ord(c):04X}")
    return f"[{name.lower() if not name.startswith('U+') else name}]"


@lru_cache(maxsize=1)
def drawn() -> frozenset[int]:
    """The characters of DejaVu Sans, from the copy that comes with matplotlib (a little older than Debian's)."""
    from importlib.util import find_spec
    from pathlib import Path

    from fontTools.ttLib import TTFont

    spec = find_spec("matplotlib")
    if spec is None or spec.origin is None:
        return frozenset()
    path = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
    with TTFont(path, lazy=True) as font:
        return frozenset(font.getBestCmap())
