"""Text of strangers on a terminal: names come from data files, models and received reports.

A control character there could colour, erase or overwrite what Assay says (ECMA-48), and a sign that turns the
direction of writing can make words read otherwise (Unicode TR 36). Each shows as U+FFFD.
"""

from __future__ import annotations

import re
import unicodedata

SIGN = "\N{REPLACEMENT CHARACTER}"
_JOINERS = "\u200c\u200d"
"""Words in Persian and the scripts of India, and joined emoji, are written with them; a terminal does nothing."""


def printable(text: str, *, lines: bool = True) -> str:
    """`text` without characters that a terminal obeys. lines: line breaks and tabs stay; a name inside a sentence has
    none, so that it cannot begin a line of its own."""
    stay = _JOINERS + ("\n\t" if lines else "")
    return "".join(c if c.isprintable() or c in stay or unicodedata.category(c) == "Zs" else SIGN for c in text)


def first_line(error: BaseException, length: int = 300) -> str:
    """What a library's error says first; its type's name where it says nothing."""
    lines = (line.strip() for line in str(error).splitlines())
    return next((line for line in lines if line), type(error).__name__)[:length]


def one_line(text: object, length: int = 300) -> str:
    """A foreign message as one printable line of bounded length."""
    plain = "".join(c if c.isprintable() else " " for c in str(text)[: 4 * length])
    plain = re.sub(r"\s+", " ", plain).strip()
    return plain if len(plain) <= length else plain[: length - 1] + "…"
