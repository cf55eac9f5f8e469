"""What a page draws: its signs, rectangles, lines and pictures, with their places.

The reader knows only what Assay's own pages use. Everything else (turned or hidden text, transparency, an unknown
operator, a comment) raises Unsure: whoever calls it then looks at the page in another way. So what it returns is what
a viewer shows. Places are in CSS pixels (1/96 inch) from the upper left corner, y of a text at its baseline.
ISO 32000-2:2020, 8.2 (operators), 9.4 (text).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from reports.verify.pages.fonts import Font, Fonts, said
from reports.verify.pages.geometry import Box, Colour, Matrix, common, inside, joined, rectangle
from reports.verify.pages.resolved import Resolved, same_colours, tokens
from reports.verify.pages.unsure import Unsure

HAIR = 1e-3
_PAGE = {
    "/Type", "/Parent", "/Resources", "/MediaBox", "/BleedBox", "/TrimBox", "/Contents", "/StructParents", "/Tabs",
    "/Annots",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Run:
    """Signs set in one go. order: the how-manieth thing that the page draws."""

    text: str
    x0: float
    x1: float
    y: float
    size: float
    font: str
    colour: Colour
    mark: int
    order: int


@dataclass(frozen=True, slots=True)
class Paint:
    """A filled rectangle, or a line as the rectangle that it covers."""

    box: Box
    colour: Colour
    order: int


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing: its frame, and what it draws with names resolved, places from its own corner."""

    box: Box
    does: tuple[object, ...]
    mark: int
    order: int


@dataclass(frozen=True, slots=True)
class Page:
    width: float
    height: float
    runs: tuple[Run, ...]
    paints: tuple[Paint, ...]
    pictures: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class _State:
    matrix: Matrix = (1.0, 1.0, 0.0, 0.0)
    clip: Box | None = None
    fill: Colour = (0.0, 0.0, 0.0)
    stroke: Colour = (0.0, 0.0, 0.0)
    wide: float = 1.0


def read_pages(document: Any) -> tuple[Page, ...]:
    """Every page of an open pikepdf document. Raises Unsure."""
    fonts = Fonts()
    return tuple(_page(page, number, fonts) for number, page in enumerate(document.pages, 1))


def _page(page: Any, number: int, fonts: Fonts) -> Page:
    try:
        if extra := set(page.obj.keys()) - _PAGE:
            raise Unsure(f"page {number} has {sorted(extra)}")
        _inherits_nothing(page.obj.Parent)
        if extra := set(page.Contents.keys()) - {"/Length", "/Filter"}:
            raise Unsure(f"the drawing of page {number} has {sorted(extra)}")
        left, low, width, height = (float(v) for v in page.obj.MediaBox)
        if (left, low) != (0, 0):
            raise Unsure(f"page {number} does not begin at its corner")
        for name in ("/BleedBox", "/TrimBox"):
            if name in page.obj and [float(v) for v in page.obj[name]] != [0, 0, width, height]:
                raise Unsure(f"page {number} is cut")
        reader = _Reader(page.obj.Resources, fonts, height)
        reader.read(page.Contents.read_bytes())
    except Unsure:
        raise
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RuntimeError, ArithmeticError) as error:
        raise Unsure(f"page {number} cannot be read: {type(error).__name__} {error}"[:200]) from error
    return Page(width / 0.75, height / 0.75, tuple(reader.runs), tuple(reader.paints), tuple(reader.pictures))


def _inherits_nothing(node: Any) -> None:
    """A page takes its rotation or its box from the tree above it, where it has none of its own."""
    for _ in range(20):
        if extra := set(node.keys()) - {"/Type", "/Kids", "/Count", "/Parent"}:
            raise Unsure(f"pages inherit {sorted(extra)}")
        if "/Parent" not in node:
            return
        node = node.Parent
    raise Unsure("the tree of pages has no root")


class _Reader:
    """One stream of operators, strictly."""

    def __init__(self, resources: Any, fonts: Fonts, height: float) -> None:
        self.resources, self.fonts, self.height = resources, fonts, height
        self.runs: list[Run] = []
        self.paints: list[Paint] = []
        self.pictures: list[Picture] = []
        self.state = _State()
        self.stack: list[_State] = []
        self.marks: list[tuple[str, int]] = []
        self.path: list[Box] = []
        self.points: list[tuple[float, float]] = []
        self.clipping = False
        self.at: tuple[float, float] | None = None
        self.font: tuple[Font, float] | None = None
        self.in_text = False
        self.order = 0
        same_colours(resources)
        self.named_fonts = {name: fonts.of(font) for name, font in resources.get("/Font", {}).items()}
        self.opaque = {name for name, entry in resources.get("/ExtGState", {}).items() if _opaque(entry)}

    def read(self, data: bytes) -> None:
        words = iter(tokens(data))
        held: list[bytes] = []
        for word in words:
            if word not in _OPERATORS:
                held.append(word)
                continue
            if word == b"BDC" and held[0] == b"/Figure":
                self._figure(held, words)
            else:
                _OPERATORS[word](self, held)
            held = []
        if held or self.stack or self.marks or self.in_text:
            raise Unsure("a page ends within something")

    def _place(self, x: float, y: float) -> tuple[float, float]:
        a, d, e, f = self.state.matrix
        return (a * x + e) / 0.75, (self.height - (d * y + f)) / 0.75

    def _box(self, x: float, y: float, w: float, h: float) -> Box:
        (x0, y0), (x1, y1) = self._place(x, y), self._place(x + w, y + h)
        return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)

    def _next(self) -> int:
        self.order += 1
        return self.order

    # Graphics state

    def q(self, held: list[bytes]) -> None:
        _count(held, 0)
        self.stack.append(self.state)

    def Q(self, held: list[bytes]) -> None:
        _count(held, 0)
        self.state = self.stack.pop()

    def cm(self, held: list[bytes]) -> None:
        self.state = replace(self.state, matrix=joined(_matrix(held), self.state.matrix))

    def gs(self, held: list[bytes]) -> None:
        _count(held, 1)
        if held[0].decode() not in self.opaque:
            raise Unsure("something is drawn transparent")

    def rg(self, held: list[bytes]) -> None:
        self.state = replace(self.state, fill=_colour(held))

    def RG(self, held: list[bytes]) -> None:
        self.state = replace(self.state, stroke=_colour(held))

    def w(self, held: list[bytes]) -> None:
        (wide,) = _numbers(held, 1)
        if wide < 0:
            raise Unsure("a line of no width")
        self.state = replace(self.state, wide=wide)

    # Paths

    def re(self, held: list[bytes]) -> None:
        self.path.append(self._box(*_numbers(held, 4)))

    def m(self, held: list[bytes]) -> None:
        self.points.append(self._place(*_numbers(held, 2)))

    def W(self, held: list[bytes]) -> None:
        _count(held, 0)
        self.clipping = True

    def n(self, held: list[bytes]) -> None:
        _count(held, 0)
        if not self.clipping:
            raise Unsure("a path for nothing")
        boxes = self.path + ([rectangle(self.points)] if self.points else [])
        if len(boxes) != 1:
            raise Unsure("a clip that is no rectangle")
        self.state = replace(self.state, clip=common(boxes[0], self.state.clip))
        self._forget()

    def f(self, held: list[bytes]) -> None:
        self._filled(held, self.path)

    def f_odd(self, held: list[bytes]) -> None:
        """A border: what lies between two rectangles, one within the other."""
        if len(self.path) != 2:
            raise Unsure("a border of another kind")
        inner, outer = sorted(self.path, key=lambda b: (b[2] - b[0]) * (b[3] - b[1]))
        if not inside(inner, outer, HAIR):
            raise Unsure("a border of another kind")
        (a, b, c, d), (p, q, r, s) = inner, outer
        self._filled(held, [(p, q, r, b), (p, d, r, s), (p, b, a, d), (c, b, r, d)])

    def _filled(self, held: list[bytes], boxes: list[Box]) -> None:
        _count(held, 0)
        if self.points or self.clipping:
            raise Unsure("a shape that is no rectangle")
        for box in boxes:
            shown = common(box, self.state.clip)
            if shown[2] - shown[0] > HAIR and shown[3] - shown[1] > HAIR:
                self.paints.append(Paint(shown, self.state.fill, self._next()))
        self._forget()

    def S(self, held: list[bytes]) -> None:
        _count(held, 0)
        if self.path or self.clipping or len(self.points) != 2:
            raise Unsure("a line of another kind")
        (x0, y0), (x1, y1) = self.points
        if min(abs(x0 - x1), abs(y0 - y1)) > HAIR:
            raise Unsure("a line that is neither level nor upright")
        a, d, _, _ = self.state.matrix
        half = self.state.wide * max(abs(a), abs(d)) / 0.75 / 2
        across = abs(y0 - y1) <= HAIR
        dx, dy = (0.0, half) if across else (half, 0.0)
        box = (min(x0, x1) - dx, min(y0, y1) - dy, max(x0, x1) + dx, max(y0, y1) + dy)
        self.paints.append(Paint(common(box, self.state.clip), self.state.stroke, self._next()))
        self._forget()

    def _forget(self) -> None:
        self.path, self.points, self.clipping = [], [], False

    # Marks

    def BMC(self, held: list[bytes]) -> None:
        _count(held, 1)
        if held[0] != b"/Artifact":
            raise Unsure("a mark of another kind")
        self.marks.append(("/Artifact", -1))

    def BDC(self, held: list[bytes]) -> None:
        self.marks.append(_mark(held))

    def EMC(self, held: list[bytes]) -> None:
        _count(held, 0)
        self.marks.pop()

    # Text

    def BT(self, held: list[bytes]) -> None:
        _count(held, 0)
        self.in_text, self.at = True, None

    def ET(self, held: list[bytes]) -> None:
        _count(held, 0)
        self.in_text = False

    def Tm(self, held: list[bytes]) -> None:
        if held[:4] != [b"1", b"0", b"0", b"-1"]:
            raise Unsure("text is turned or stretched")
        x, y = _numbers(held[4:], 2)
        self.at = (x, y)

    def Tf(self, held: list[bytes]) -> None:
        _count(held, 2)
        self.font = (self.named_fonts[held[0].decode()], float(held[1]))

    def Tr(self, held: list[bytes]) -> None:
        if held != [b"0"]:
            raise Unsure("text is drawn in another mode")

    def TJ(self, held: list[bytes]) -> None:
        _count(held, 1)
        if not self.in_text or self.at is None or self.font is None:
            raise Unsure("text without a place or a font")
        a, d, _, _ = self.state.matrix
        if not (a > 0 and d < 0 and abs(a + d) < 1e-6):
            raise Unsure("text is stretched")
        font, size = self.font
        text, wide = said(held[0], font)
        x, y = self._place(*self.at)
        self.at = None
        scale = size * a / 0.75
        if len(self.marks) != 1 or self.marks[0][0] != "/Span":
            raise Unsure("text that no mark holds")
        run = Run(
            text, x, x + wide * scale / 1000, y, scale, font.name, self.state.fill, self.marks[0][1], self._next()
        )
        if (c := self.state.clip) is not None and not inside((run.x0, y - 0.72 * scale, run.x1, y), c, 0.5):
            raise Unsure(f"“{text[:40]}” is cut off")
        self.runs.append(run)

    # Pictures

    def _figure(self, held: list[bytes], words: Iterator[bytes]) -> None:
        """Everything up to the mark's end, with names resolved. It must lie in a clip, which is its frame."""
        _, mark = _mark(held)
        if self.marks or self.in_text or self.state.clip is None:
            raise Unsure("a picture without a frame")
        inner: list[bytes] = []
        for word in words:
            if word == b"EMC":
                break
            if word in (b"BDC", b"BMC"):
                raise Unsure("a mark within a picture")
            inner.append(word)
        else:
            raise Unsure("a picture without an end")
        box = self.state.clip
        does = list(Resolved(self.resources, self.fonts).of(inner))
        # q, gs, then the shift to the corner: its place is the frame's.
        a, d, _, _ = self.state.matrix
        x, y = self._place(float(inner[7]), float(inner[8]))
        if inner[0] != b"q" or inner[2] != b"gs" or inner[3:7] != [b"1", b"0", b"0", b"1"] or inner[9] != b"cm":
            raise Unsure("a picture begins otherwise")
        if abs(x - box[0]) > 0.02 or abs(y - box[1]) > 0.02 or abs(a - 0.75) > 1e-9 or abs(d + 0.75) > 1e-9:
            raise Unsure("a picture stands beside its frame")
        self.pictures.append(Picture(box, tuple(does[:3] + does[9:]), mark, self._next()))


def _mark(held: list[bytes]) -> tuple[str, int]:
    if len(held) != 3 or held[1] != b"<</MCID" or held[0] not in (b"/Span", b"/Figure", b"/Link"):
        raise Unsure("a mark of another kind")
    number = held[2].removesuffix(b">>")
    if not number.isdigit():
        raise Unsure("a mark without a number")
    return ("/Figure" if held[0] == b"/Figure" else "/Span"), int(number)


def _opaque(entry: Any) -> bool:
    return all(k in ("/ca", "/CA", "/Type") and (k == "/Type" or float(v) == 1) for k, v in entry.items())


def _count(held: list[bytes], number: int) -> None:
    if len(held) != number:
        raise Unsure("an operator with other operands")


def _numbers(held: list[bytes], number: int) -> tuple[float, ...]:
    _count(held, number)
    return tuple(float(v) for v in held)


def _colour(held: list[bytes]) -> Colour:
    colour = _numbers(held, 3)
    if not all(0 <= part <= 1 for part in colour):
        raise Unsure("a colour that is none")
    return colour


def _matrix(held: list[bytes]) -> Matrix:
    a, b, c, d, e, f = _numbers(held, 6)
    if b or c:
        raise Unsure("something is turned")
    return a, d, e, f


def _unknown(reader: _Reader, held: list[bytes]) -> NoReturn:
    raise Unsure("an operator that Assay does not write on a page")


def _ignored(number: int) -> Any:
    """Ends and joins of lines and miters: they change nothing that is measured here."""
    return lambda reader, held: _count(held, number)


_FORBIDDEN = (
    b"b B b* B* BI BX c cs CS d d0 d1 Do DP EI EX F g G h i ID k K MP ri s sc SC scn SCN sh T* Tc Td TD Tj TL Ts"
)
_OPERATORS: dict[bytes, Any] = {
    b"q": _Reader.q, b"Q": _Reader.Q, b"cm": _Reader.cm, b"gs": _Reader.gs, b"rg": _Reader.rg, b"RG": _Reader.RG,
    b"w": _Reader.w, b"re": _Reader.re, b"m": _Reader.m, b"l": _Reader.m, b"W": _Reader.W, b"W*": _Reader.W,
    b"n": _Reader.n, b"f": _Reader.f, b"f*": _Reader.f_odd, b"S": _Reader.S, b"BMC": _Reader.BMC, b"BDC": _Reader.BDC,
    b"EMC": _Reader.EMC, b"BT": _Reader.BT, b"ET": _Reader.ET, b"Tm": _Reader.Tm, b"Tf": _Reader.Tf, b"Tr": _Reader.Tr,
    b"TJ": _Reader.TJ, b"J": _ignored(1), b"j": _ignored(1), b"M": _ignored(1),
    **dict.fromkeys((*_FORBIDDEN.split(), b"Tw", b"Tz", b"v", b"y", b"'", b'"'), _unknown),
}  # fmt: skip
