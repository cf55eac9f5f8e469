"""The words of a drawing, with what their names stand for: two drawings can be compared whatever the names are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from reports.verify.pages.fonts import Font, Fonts, said
from reports.verify.pages.unsure import Unsure

ALLOWED = bytes([9, 10, 13, 32, *(i for i in range(33, 127) if chr(i) not in "%(){}")])
_FORM = {"/Type", "/Subtype", "/BBox", "/Resources", "/Group", "/Length", "/Filter"}


def tokens(data: bytes) -> list[bytes]:
    """The words of a stream. Raises Unsure where one could hide something (a comment, a string, an odd space)."""
    if data.translate(None, ALLOWED):
        raise Unsure("a page holds signs that Assay does not write")
    return data.split()


@dataclass(slots=True)
class Resolved:
    """Operators with what their names stand for, so that two pictures can be compared whatever the names are."""

    resources: Any
    fonts: Fonts
    depth: int = 0

    def of(self, words: list[bytes]) -> Iterator[object]:
        font: Font | None = None
        for place, word in enumerate(words):
            following = words[place + 1] if place + 1 < len(words) else b""
            if word[:1] == b"[":
                array = self._array(word, font, following)
                yield array
            elif word[:1] != b"/":
                yield _plain(word)
            elif place + 2 < len(words) and words[place + 2] == b"Tf":
                font = self.fonts.of(self.resources.Font[word.decode()])
                yield font.name
            else:
                yield self._named(word.decode(), following)

    def _array(self, word: bytes, font: Font | None, following: bytes) -> object:
        if following != b"TJ":
            return word
        if font is None:
            raise Unsure("text without a font")
        return said(word, font)[0]

    def _named(self, name: str, following: bytes) -> object:
        if following == b"gs":
            entry = self.resources.ExtGState[name]
            return tuple(sorted((str(k), float(v)) for k, v in entry.items()))
        if following == b"Do":
            return self._inner(self.resources.XObject[name], "/Form", _FORM)
        if following == b"cs":
            if name != "/Pattern":
                raise Unsure("a colour of another kind")
            return name
        if following == b"scn":
            kind = _FORM | {"/PatternType", "/PaintType", "/TilingType", "/XStep", "/YStep", "/Matrix"}
            return self._inner(self.resources.Pattern[name], None, kind)
        raise Unsure(f"{name} before {following!r}")

    def _inner(self, stream: Any, subtype: str | None, keys: set[str]) -> object:
        if self.depth > 3 or set(stream.keys()) - keys or stream.get("/Subtype") != subtype:
            raise Unsure("a drawing of another kind")
        if "/Resources" in stream:
            same_colours(stream.Resources)
        within = Resolved(stream.get("/Resources"), self.fonts, self.depth + 1)
        fixed = ("/BBox", "/XStep", "/YStep", "/PatternType", "/PaintType", "/TilingType")
        facts = tuple(_value(stream.get(k)) for k in fixed)
        # A pattern's matrix holds its place on the page; only its scale belongs to the picture.
        scale = tuple(float(v) for v in stream.Matrix)[:4] if "/Matrix" in stream else ()
        return (facts, scale, _group(stream.get("/Group")), *within.of(tokens(stream.read_bytes())))


def _plain(word: bytes) -> object:
    try:
        return float(word)
    except ValueError:
        return word


def _value(entry: Any) -> object:
    if entry is None:
        return None
    try:
        return tuple(float(v) for v in entry)
    except TypeError:
        return float(entry)


def _group(entry: Any) -> object:
    return None if entry is None else tuple(sorted((str(k), str(v)) for k, v in entry.items() if k != "/CS"))


def same_colours(resources: Any) -> None:
    """A /DefaultRGB would make every colour another."""
    if any(str(name).startswith("/Default") for name in resources.get("/ColorSpace", {})):
        raise Unsure("colours mean something else on a page")
