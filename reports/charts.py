"""Charts as SVG, drawn by hand so that the same figures give the same bytes on every machine.

Series are told apart by shape as well as colour (Okabe & Ito 2008), legible in black and white. Text is real text, and
each row says its value, its interval and its count, so that nothing has to be read off an axis.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from reports.glyphs import printable, right_to_left
from reports.words import MINUS, bracket, number, told_apart

PALETTE = ("#0072b2", "#d55e00", "#009e73")
INK, GREY, FAINT, BAND = "#16212b", "#51606c", "#d5dde3", "#f3f6f8"
WIDTH, LABEL, RIGHT = 680, 180, 176
ROW, LINE = 26, 15
FONT = "DejaVu Sans"
LONGEST, MOST = 27, 50

Scale = Callable[[float], float]
"""From a value to a place across the page."""


@dataclass(frozen=True, slots=True)
class Dot:
    """One value with its interval in the row `row`; None is written out as not estimable. `count`: people behind it."""

    row: str
    value: float | None
    low: float | None
    high: float | None
    series: int = 0
    count: str = ""


def dots(
    values: Sequence[Dot],
    *,
    series: Sequence[str] = ("",),
    mark: float | None = None,
    marked: str = "",
    percent: bool = True,
) -> str:
    """Dots with intervals, one row a group; `mark` draws a dotted line named `marked`, such as everyone's rate."""
    rows = list(dict.fromkeys(v.row for v in values))
    lines = max(len(series), 1)
    step = ROW if lines == 1 else LINE * lines + 12
    head = 20 if lines > 1 or (mark is not None and marked) else 4
    bottom = head + step * len(rows)
    low = min([v.low for v in values if v.low is not None] + [0.0])
    top = max([v.high for v in values if v.high is not None] + ([mark] if mark is not None else []) + [1e-9])
    low, top, ticks = scale_of(low, top)

    def x(value: float) -> float:
        return LABEL + (value - low) / (top - low) * (WIDTH - LABEL - RIGHT)

    out = [open_svg(bottom + 22)]
    for r in range(0, len(rows), 2):
        out.append(f'<rect x="0" y="{head + step * r}" width="{WIDTH}" height="{step}" fill="{BAND}"/>')
    out += _grid(ticks, x, head, bottom, percent)
    if mark is not None:
        at = x(mark)
        out.append(
            f'<line x1="{at:.1f}" y1="{head - 4}" x2="{at:.1f}" y2="{bottom}" stroke="{INK}" stroke-width="1.1" '
            'stroke-dasharray="1.5 2.5"/>'
        )
        if marked:
            anchor = "end" if at > WIDTH - RIGHT - 70 else "middle"
            out.append(text_at(at, head - 8, marked, 9, anchor, GREY))
    for s, name in enumerate(series if lines > 1 else ()):
        at = LABEL + s * 165.0
        out += [_shape(s, at + 5, 9), text_at(at + 15, 12.5, name, 9.5)]
    for r, (row, label) in enumerate(zip(rows, told_apart(rows, MOST), strict=True)):
        middle = head + step * (r + 0.5)
        out += _label(label, middle, r + 1)
        for v in (v for v in values if v.row == row):
            out += _dot(v, middle + LINE * (v.series - (lines - 1) / 2), x, percent)
    return "".join([*out, "</svg>"])


def bars(
    names: Sequence[str], values: Sequence[float], errors: Sequence[tuple[float, float]] = (), *, percent: bool = False
) -> str:
    """Horizontal bars from zero; values below it are hatched and point left. `percent`: the values are points."""
    low = min([*values, *(a for a, _ in errors), 0.0])
    high = max([*values, *(b for _, b in errors), 1e-9])
    low, high, ticks = scale_of(low, high)
    bottom = 4 + ROW * len(names)

    def x(value: float) -> float:
        return LABEL + (value - low) / (high - low) * (WIDTH - LABEL - RIGHT)

    out = [
        open_svg(bottom + 22),
        '<defs><pattern id="h" width="5" height="5" patternUnits="userSpaceOnUse"><rect width="5" height="5" '
        f'fill="#fff"/><path d="M0 5L5 0" stroke="{PALETTE[1]}" stroke-width="1.4"/></pattern></defs>',
        *_grid(ticks, x, 4, bottom, percent, unit=""),
    ]
    for i, (name, value) in enumerate(zip(told_apart(names, MOST), values, strict=True)):
        middle = 4 + ROW * (i + 0.5)
        a, b = sorted((x(0.0), x(value)))
        fill = f'"{PALETTE[0]}"' if value >= 0 else f'"url(#h)" stroke="{PALETTE[1]}"'
        out.append(f'<rect x="{a:.1f}" y="{middle - 7}" width="{max(b - a, 0.6):.1f}" height="14" fill={fill}/>')
        text = number(100 * value, 1) if percent else number(value, 4)
        if errors:
            e, f = errors[i]
            out.append(_whisker(x(e), x(f), middle, INK, 1.2))
            text += " " + (bracket(e, f) if percent else f"[{number(e, 4)}, {number(f, 4)}]")
        out += _label(name, middle, i + 1)
        out.append(text_at(WIDTH - RIGHT + 14, middle + 3.5, text, 9.2))
    out.append(f'<line x1="{x(0.0):.1f}" y1="4" x2="{x(0.0):.1f}" y2="{bottom}" stroke="{GREY}"/>')
    return "".join([*out, "</svg>"])


def legend() -> str:
    """How to read a dot with its interval."""
    y = 34
    out = [open_svg(76), _whisker(210, 470, y, PALETTE[0], 1.8), _shape(0, 330, y)]
    for at, text, anchor in ((210, "low end of the interval", "middle"), (470, "high end", "middle")):
        out.append(f'<path d="M{at} {y + 8}v10" stroke="{GREY}" stroke-width="0.8" fill="none"/>')
        out.append(text_at(at, y + 30, text, 9.5, anchor, GREY))
    out.append(f'<path d="M330 {y - 8}v-8" stroke="{GREY}" stroke-width="0.8" fill="none"/>')
    out.append(text_at(330, y - 20, "the measured rate", 9.5, "middle", GREY))
    return "".join([*out, "</svg>"])


def _dot(v: Dot, y: float, x: Scale, percent: bool) -> list[str]:
    if v.value is None:
        return [text_at(LABEL + 4, y + 3.5, "not estimable", 9.2, "start", GREY)]
    out = []
    if v.low is not None and v.high is not None:
        out.append(_whisker(x(v.low), x(v.high), y, PALETTE[v.series % len(PALETTE)], 1.7))
    out.append(_shape(v.series, x(v.value), y))
    text = f"{100 * v.value:.1f} %" if percent else number(v.value)
    text = f"{text} {bracket(v.low, v.high, percent=percent)}".replace("-", MINUS)
    out.append(text_at(WIDTH - RIGHT + 14, y + 3.5, text, 9.2))
    if v.count:
        out.append(text_at(WIDTH - 4, y + 3.5, v.count, 9.2, "end", GREY))
    return out


def _whisker(a: float, b: float, y: float, colour: str, stroke: float) -> str:
    return (
        f'<path d="M{a:.1f} {y - 4:.1f}v8M{a:.1f} {y:.1f}H{b:.1f}m0 -4v8" stroke="{colour}" '
        f'stroke-width="{stroke:g}" fill="none"/>'
    )


def _grid(ticks: Sequence[float], x: Scale, head: float, bottom: float, percent: bool, unit: str = " %") -> list[str]:
    out = []
    for tick in ticks:
        at = x(tick)
        out.append(f'<line x1="{at:.1f}" y1="{head}" x2="{at:.1f}" y2="{bottom}" stroke="{FAINT}"/>')
        text = f"{100 * tick:g}{unit}" if percent else f"{tick:g}"
        out.append(text_at(at, bottom + 15, text.replace("-", MINUS), 9, "middle", GREY))
    return out


def _label(text: str, middle: float, place: int) -> list[str]:
    """The name of a row on one line or two; what does not fit is cut, and stands whole in the table beside.

    WeasyPrint sets the text of a drawing letter by letter, from left to right, without joining them: an Arabic or
    Hebrew name would be spelled backwards, so such a row is named by its place in the table.
    """
    text = f"row {place} of the table" if right_to_left(text) else printable(text)
    lines = [text]
    if len(text) > LONGEST:
        at = max(text.rfind(" ", 0, LONGEST), text.rfind("/ ", 0, LONGEST) + 1, 0) or LONGEST
        rest = text[at:].strip()
        lines = [text[:at].strip(), rest if len(rest) <= LONGEST else rest[: LONGEST - 1] + "…"]
    top = middle + 3.5 - 5.2 * (len(lines) - 1)
    size = 9.8 if len(lines) == 1 else 8.6
    return [text_at(LABEL - 12, top + 10.4 * i, line, size, "end") for i, line in enumerate(lines)]


def scale_of(low: float, high: float) -> tuple[float, float, list[float]]:
    """Round limits around low and high, and four to six ticks."""
    span = high - low
    unit = 10.0 ** int(f"{span:e}".split("e")[1])
    step = next(m * unit for m in (0.1, 0.2, 0.25, 0.5, 1.0, 2.0) if span / (m * unit) <= 5.5)
    first = int(low // step)
    last = int(-(-high // step))
    ticks = [round(i * step, 10) for i in range(first, last + 1)]
    return ticks[0], ticks[-1], ticks


def open_svg(height: float) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" '
        f'height="{height:g}" font-family="{FONT}">'
    )


def text_at(x: float, y: float, text: str, size: float, anchor: str = "start", colour: str = INK) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" text-anchor="{anchor}" fill="{colour}">'
        f"{escape(printable(text))}</text>"
    )


def _shape(series: int, x: float, y: float) -> str:
    colour = PALETTE[series % len(PALETTE)]
    if series % 3 == 0:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.6" fill="{colour}"/>'
    if series % 3 == 1:
        return f'<rect x="{x - 4.2:.1f}" y="{y - 4.2:.1f}" width="8.4" height="8.4" fill="{colour}"/>'
    return f'<path d="M{x:.1f} {y - 5.6:.1f}l5.6 5.6l-5.6 5.6l-5.6 -5.6z" fill="{colour}"/>'
