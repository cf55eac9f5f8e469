"""Drawings: what the page draws against what its SVG says, shape by shape, without drawing it again.

Both sides become a list of shapes and texts, in order. Only the few kinds of element that Assay's charts are made of
are known (reports/charts.py, reports/chart_front.py, reports/sections/history.py); anything else raises Unsure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

from reports.verify.pages.drawn import Picture
from reports.verify.pages.reference import Advance
from reports.verify.pages.unsure import Unsure

NEAR = 0.02
"""Units of the drawing, for shapes; texts are placed by rounded widths."""
TEXT_NEAR = 0.15
CIRCLE = (0.55, 0.57)
"""How far the control points of a quarter circle lie from its ends, in radii."""
_PATH = re.compile(r"([MmLlHhVvZz])|(-?\d*\.?\d+)")
_HATCH = "url(#h)"


@dataclass(frozen=True, slots=True)
class Shape:
    """path: (operator, numbers). fill, stroke: a colour, None, or "hatch"."""

    path: tuple[tuple[str, tuple[float, ...]], ...]
    fill: tuple[float, ...] | str | None
    stroke: tuple[float, ...] | None
    wide: float
    dash: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Text:
    """letters: each sign that is drawn, with where it begins."""

    letters: tuple[tuple[str, float], ...]
    y: float
    size: float
    colour: tuple[float, ...]

    @property
    def words(self) -> str:
        return "".join(c for c, _ in self.letters)


Thing = Shape | Text


def check_drawing(picture: Picture, svg: str, advance: Advance) -> None:
    """Raises Unsure where the page does not draw what the SVG says. advance: the widths of the report's font."""
    root = _parsed(svg)
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    right = said(svg, advance)
    scale, mine, hatches = _drawn(picture)
    box = picture.box
    if abs(box[2] - box[0] - scale * width) > 0.5 or abs(box[3] - box[1] - scale * height) > 0.5:
        raise Unsure("a drawing of another size")
    _same(mine, right)
    hatched = [list(_said(p, {}, advance)) for p in root.iter() if _name(p) == "pattern"]
    for hatch in hatches:
        if len(hatched) != 1:
            raise Unsure("a drawing is hatched otherwise")
        _same(hatch, hatched[0])


def _same(mine: Sequence[Thing], right: Sequence[Thing]) -> None:
    for number, (a, b) in enumerate(zip(mine, right, strict=False), 1):
        if not _alike(a, b):
            what = f"“{b.words}”" if isinstance(b, Text) else f"shape {number}"
            raise Unsure(f"a drawing shows something else than {what}")
    if len(mine) != len(right):
        raise Unsure("a drawing shows another number of things")


def _alike(a: Thing, b: Thing) -> bool:
    if isinstance(a, Text) and isinstance(b, Text):
        return (
            a.words == b.words
            and all(abs(x - y) < TEXT_NEAR for (_, x), (_, y) in zip(a.letters, b.letters, strict=True))
            and abs(a.y - b.y) < NEAR
            and abs(a.size - b.size) < NEAR
            and _near(a.colour, b.colour)
        )
    if isinstance(a, Shape) and isinstance(b, Shape):
        # What has no inside may be filled with anything.
        open_line = b.fill is None and all(op in "ml" for op, _ in b.path) and len(b.path) <= 2
        return (
            len(a.path) == len(b.path)
            and all(_step(p, q) for p, q in zip(a.path, b.path, strict=True))
            and (open_line or _paint(a.fill, b.fill))
            and _paint(a.stroke, b.stroke)
            and (b.stroke is None or abs(a.wide - b.wide) < NEAR)
            and _near(a.dash, b.dash)
        )
    return False


def _step(a: tuple[str, tuple[float, ...]], b: tuple[str, tuple[float, ...]]) -> bool:
    near = 0.1 if a[0] == "c" else NEAR
    return a[0] == b[0] and _near(a[1], b[1], near)


def _paint(a: tuple[float, ...] | str | None, b: tuple[float, ...] | str | None) -> bool:
    return _near(a, b) if isinstance(a, tuple) and isinstance(b, tuple) else a == b


def _near(a: Sequence[float], b: Sequence[float], near: float = NEAR) -> bool:
    return len(a) == len(b) and all(abs(x - y) < near for x, y in zip(a, b, strict=True))


# --- what the SVG says ---


def said(svg: str, advance: Advance) -> list[Thing]:
    """What the SVG says, in order. Raises Unsure for an element that Assay's charts do not have."""
    return list(_said(_parsed(svg), {}, advance))


def _parsed(svg: str) -> ElementTree.Element:
    try:
        return ElementTree.fromstring(svg)
    except ElementTree.ParseError as error:
        raise Unsure(f"a drawing that cannot be read: {error}") from error


def _name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _said(parent: ElementTree.Element, inherited: Mapping[str, str], advance: Advance) -> Iterator[Thing]:
    for element in parent:
        name, has = _name(element), {**inherited, **element.attrib}
        if name == "defs":
            continue
        if name == "g":
            yield from _said(element, has, advance)
        elif name == "text":
            yield _text(element, has, advance)
        elif name in _SHAPES:
            yield _shape(_SHAPES[name](has), has)
        else:
            raise Unsure(f"a drawing holds <{name}>")


def _text(element: ElementTree.Element, has: Mapping[str, str], advance: Advance) -> Text:
    text, size = element.text or "", float(has["font-size"])
    if set(has) - {"x", "y", "font-size", "text-anchor", "fill", "font-family"}:
        raise Unsure("text of another kind in a drawing")
    steps = [advance(c) * size for c in text]
    start = {"start": 0.0, "middle": 0.5, "end": 1.0}[has.get("text-anchor", "start")]
    x = float(has["x"]) - start * sum(steps)
    places = [x + sum(steps[:i]) for i in range(len(text))]
    letters = tuple((c, at) for c, at in zip(text, places, strict=True) if c != " ")
    return Text(letters, float(has["y"]), size, _colour(has["fill"]))


def _shape(path: list[tuple[str, tuple[float, ...]]], has: Mapping[str, str]) -> Shape:
    fill, stroke = has.get("fill", "#000"), has.get("stroke", "none")
    if extra := set(has) & {"opacity", "fill-opacity", "stroke-opacity", "transform", "style", "class", "clip-path"}:
        raise Unsure(f"a drawing with {sorted(extra)}")
    empty = len(path) == 2 and all(op in "ml" for op, _ in path)
    return Shape(
        tuple(path),
        None if fill == "none" or empty else "hatch" if fill == _HATCH else _colour(fill),
        None if stroke == "none" else _colour(stroke),
        float(has.get("stroke-width", 1)),
        tuple(float(v) for v in has["stroke-dasharray"].split()) if "stroke-dasharray" in has else (),
    )


def _rect(has: Mapping[str, str]) -> list[tuple[str, tuple[float, ...]]]:
    if "rx" in has:
        raise Unsure("a drawing with round corners")
    return [("re", (float(has.get("x", 0)), float(has.get("y", 0)), float(has["width"]), float(has["height"])))]


def _line(has: Mapping[str, str]) -> list[tuple[str, tuple[float, ...]]]:
    return [("m", (float(has["x1"]), float(has["y1"]))), ("l", (float(has["x2"]), float(has["y2"])))]


def _circle(has: Mapping[str, str]) -> list[tuple[str, tuple[float, ...]]]:
    x, y, r = (float(has[k]) for k in ("cx", "cy", "r"))
    k = r * 0.5641895835477563  # 1 / sqrt(pi): the quarter circle of the right area
    ends = [(1, 0), (0, 1), (-1, 0), (0, -1), (1, 0)]
    out: list[tuple[str, tuple[float, ...]]] = [("m", (x + r, y))]
    for (a, b), (c, d) in pairwise(ends):
        one, other = (x + r * a - k * b, y + r * b + k * a), (x + r * c + k * d, y + r * d - k * c)
        out.append(("c", (*one, *other, x + r * c, y + r * d)))
    return [*out, ("h", ())]


def _points(has: Mapping[str, str]) -> list[tuple[str, tuple[float, ...]]]:
    numbers = [float(v) for v in re.split(r"[\s,]+", has["points"].strip())]
    return [("l" if i else "m", (numbers[i], numbers[i + 1])) for i in range(0, len(numbers), 2)]


def _path(has: Mapping[str, str]) -> list[tuple[str, tuple[float, ...]]]:
    """SVG 2, 9.3, for M, L, H, V and Z in both cases."""
    out: list[tuple[str, tuple[float, ...]]] = []
    x = y = left = up = 0.0
    found = [m.groups() for m in _PATH.finditer(has["d"])]
    command = ""
    while found:
        letter, _ = found[0]
        if letter is not None:
            command = letter
            found.pop(0)
        kind = command.upper()
        if kind == "Z":
            out.append(("h", ()))
            x, y = left, up
            continue
        values = [float(found.pop(0)[1]) for _ in range(1 if kind in "HV" else 2)]
        relative = command.islower()
        if kind == "H":
            x = values[0] + (x if relative else 0)
        elif kind == "V":
            y = values[0] + (y if relative else 0)
        else:
            x, y = values[0] + (x if relative else 0), values[1] + (y if relative else 0)
        if kind == "M":
            left, up = x, y
            command = "l" if relative else "L"
        out.append(("m" if kind == "M" else "l", (x, y)))
    return out


_SHAPES: dict[str, Any] = {
    "rect": _rect,
    "line": _line,
    "circle": _circle,
    "path": _path,
    "polyline": _points,
    "polygon": lambda has: [*_points(has), ("h", ())],
}


def _colour(text: str) -> tuple[float, ...]:
    digits = text.removeprefix("#")
    if len(digits) == 3:
        digits = "".join(c + c for c in digits)
    if len(digits) != 6:
        raise Unsure(f"a colour of another kind: {text}")
    return tuple(int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4))


# --- what the page draws ---


@dataclass(slots=True)
class _Pen:
    fill: tuple[float, ...] | str | None = None
    stroke: tuple[float, ...] | None = None
    wide: float = 1.0
    dash: tuple[float, ...] = ()
    path: list[tuple[str, tuple[float, ...]]] = field(default_factory=list)


def _drawn(picture: Picture) -> tuple[float, list[Thing], list[list[Thing]]]:
    """The scale, what is drawn in order, and what each hatching draws."""
    ops = _operations(picture.does)
    head = [next(ops, ("", ())) for _ in range(7)]
    if [op for op, _ in head] != ["q", "gs", "cm", "q", "q", "cm", "cm"] or head[5][1] != (1, 0, 0, 1, 0, 0):
        raise Unsure("a drawing begins otherwise")
    a, b, c, d, e, f = (_number(v) for v in head[6][1])
    if (b, c, e, f) != (0, 0, 0, 0) or abs(a - d) > 1e-6 or a <= 0:
        raise Unsure("a drawing is stretched")
    hatches: list[list[Thing]] = []
    return a, _things(list(ops), 3, hatches), hatches


def _operations(words: Sequence[object]) -> Iterator[tuple[str, tuple[object, ...]]]:
    held: list[object] = []
    for word in words:
        if isinstance(word, bytes) and not word.startswith(b"[") and not word.endswith(b"]"):
            yield word.decode(), tuple(held)
            held = []
        else:
            held.append(word)
    if held:
        raise Unsure("a drawing ends within something")


def _things(ops: list[tuple[str, tuple[object, ...]]], closing: int, hatches: list[list[Thing]]) -> list[Thing]:
    """Groups `q ... Q`, each one shape or one text, then `closing` times Q."""
    out: list[Thing] = []
    at = 0
    while at < len(ops) - closing:
        depth, end = 0, at
        while True:
            if end >= len(ops):
                raise Unsure("a drawing ends within something")
            depth += {"q": 1, "Q": -1}.get(ops[end][0], 0)
            end += 1
            if depth == 0:
                break
            if depth < 0:
                raise Unsure("a drawing ends before it begins")
        group = ops[at + 1 : end - 1]
        if group and group[0][0] == "q":
            out += _text_group(group)
        else:
            out.append(_shape_group(group, hatches))
        at = end
    if [op for op, _ in ops[at:]] != ["Q"] * closing:
        raise Unsure("a drawing goes on")
    return out


def _text_group(group: list[tuple[str, tuple[object, ...]]]) -> list[Thing]:
    """`q cm Do Q`: a text in a form of its own; `q ... Q`: one that begins at its place; or nothing, if it is empty."""
    names = [op for op, _ in group]
    if names[1:2] == ["gs"] and names[-1] == "Q":
        return [_spelled(group[1:-1], 0.0, None)]
    if names == ["q", "Q"] or names == ["q", "cm", "Q"]:
        return []
    if names != ["q", "cm", "Do", "Q"]:
        raise Unsure(f"a drawing holds something of another kind: {' '.join(names)[:60]}")
    a, b, c, d, dx, dy = (_number(v) for v in group[1][1])
    if (a, b, c, d, dy) != (1, 0, 0, 1, 0):
        raise Unsure("text in a drawing is turned")
    facts, words = _parts(group[2][1])
    return [_spelled(list(_operations(words)), dx, facts[0])]


def _parts(held: tuple[object, ...]) -> tuple[tuple[Any, ...], Sequence[object]]:
    """The facts of a form or pattern, and its words (reports.verify.pages.resolved)."""
    (form,) = held
    if not isinstance(form, tuple) or len(form) < 3:
        raise Unsure("a drawing holds something of another kind")
    return form[0], form[3:]


def _spelled(ops: list[tuple[str, tuple[object, ...]]], dx: float, box: Any) -> Text:
    letters: list[tuple[str, float]] = []
    at: tuple[float, float] | None = None
    lines: set[float] = set()
    colour: tuple[float, ...] = ()
    size = 0.0
    for op, held in ops:
        if op == "rg":
            colour = tuple(_number(v) for v in held)
        elif op == "Tf":
            if held[0] != "DejaVu-Sans" or (size and size != held[1]):
                raise Unsure("another font in a drawing")
            size = _number(held[1])
        elif op == "Tm":
            a, b, c, d, x, y = (_number(v) for v in held)
            if (a, b, c, d) != (1, 0, 0, -1):
                raise Unsure("text in a drawing is turned")
            at = (x, y)
        elif op == "TJ":
            (said,) = held
            if at is None or not isinstance(said, str) or len(said) != 1:
                raise Unsure("text in a drawing without a place")
            if box is not None and not (
                box[0] <= at[0] <= box[2] and box[1] <= at[1] - 0.72 * size and at[1] <= box[3]
            ):
                raise Unsure("text in a drawing is cut off")
            letters.append((said, at[0] + dx))
            lines.add(at[1])
            at = None
        elif op == "Tr":
            if held != (0.0,):
                raise Unsure("text in a drawing is hidden")
        elif op == "gs":
            _opaque(held)
        elif op not in ("q", "Q", "d", "J", "j", "M", "BT", "ET"):
            raise Unsure(f"text in a drawing with {op}")
    if len(lines) != 1 or not size:
        raise Unsure("text in a drawing goes up and down")
    return Text(tuple(letters), lines.pop(), size, colour)


def _shape_group(group: list[tuple[str, tuple[object, ...]]], hatches: list[list[Thing]]) -> Shape:
    """Colours, then one path, painted once."""
    pen = _Pen()
    for number, (op, held) in enumerate(group):
        if op in ("f", "S", "B"):
            if number != len(group) - 1 or held:
                raise Unsure("a shape in a drawing goes on")
            path = (
                pen.path[1:]
                if pen.path[:2] and pen.path[0] == ("m", (0.0, 0.0)) and pen.path[1][0] == "m"
                else pen.path
            )
            return Shape(
                tuple(path), pen.fill if op in "fB" else None, pen.stroke if op in "SB" else None, pen.wide, pen.dash
            )
        _OPERATIONS.get(op, _strange)(pen, held, hatches)
    raise Unsure("a shape in a drawing is not painted")


def _strange(pen: _Pen, held: tuple[object, ...], hatches: list[list[Thing]]) -> None:
    raise Unsure("a drawing holds something of another kind")


def _step_of(op: str, count: int) -> Any:
    def add(pen: _Pen, held: tuple[object, ...], hatches: list[list[Thing]]) -> None:
        if len(held) != count:
            raise Unsure("a drawing with other operands")
        pen.path.append((op, tuple(_number(v) for v in held)))

    return add


def _filled(pen: _Pen, held: tuple[object, ...], hatches: list[list[Thing]]) -> None:
    pen.fill = tuple(_number(v) for v in held)


def _stroked(pen: _Pen, held: tuple[object, ...], hatches: list[list[Thing]]) -> None:
    pen.stroke = tuple(_number(v) for v in held)


def _wide(pen: _Pen, held: tuple[object, ...], hatches: list[list[Thing]]) -> None:
    (pen.wide,) = (_number(v) for v in held)


def _dashed(pen: _Pen, held: tuple[object, ...], hatches: list[list[Thing]]) -> None:
    *array, phase = held
    text = b" ".join(v for v in array if isinstance(v, bytes)).strip(b"[]")
    if phase != 0.0:
        raise Unsure("a drawing with another dash")
    pen.dash = tuple(float(v) for v in text.split())


def _hatched(pen: _Pen, held: tuple[object, ...], hatches: list[list[Thing]]) -> None:
    """A pattern: its cell holds one form, which holds what is drawn."""
    facts, words = _parts(held)
    ops = list(_operations(words))
    if [op for op, _ in ops] != ["gs", "Do"] or facts[:3] != ((0.0, 0.0, 5.0, 5.0), 5.0, 5.0):
        raise Unsure("a drawing is hatched otherwise")
    within = list(_operations(_parts(ops[1][1])[1]))
    if [op for op, _ in within[:6]] != ["q", "cm", "re", "W", "n", "cm"] or within[2][1] != (0.0, 0.0, 5.0, 5.0):
        raise Unsure("a drawing is hatched otherwise")
    for _, numbers in (within[1], within[5]):
        if numbers != (1, 0, 0, 1, 0, 0):
            raise Unsure("a drawing is hatched otherwise")
    hatches.append(_things(within[6:], 1, []))
    pen.fill = "hatch"


def _kept(pen: _Pen, held: tuple[object, ...], hatches: list[list[Thing]]) -> None:
    """Ends and joins of lines change nothing that is compared."""


def _clear(pen: _Pen, held: tuple[object, ...], hatches: list[list[Thing]]) -> None:
    _opaque(held)


_OPERATIONS: dict[str, Any] = {
    "gs": _clear, "rg": _filled, "RG": _stroked, "w": _wide, "d": _dashed, "J": _kept, "j": _kept, "M": _kept,
    "cs": _kept, "scn": _hatched, "re": _step_of("re", 4), "m": _step_of("m", 2), "l": _step_of("l", 2),
    "c": _step_of("c", 6), "h": _step_of("h", 0),
}  # fmt: skip


def _opaque(held: tuple[object, ...]) -> None:
    (entry,) = held
    if not isinstance(entry, tuple) or any(key not in ("/ca", "/CA") or value != 1 for key, value in entry):
        raise Unsure("something in a drawing is transparent")


def _number(value: object) -> float:
    if not isinstance(value, float):
        raise Unsure("a drawing with an operand of another kind")
    return value
