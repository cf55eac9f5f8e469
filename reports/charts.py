"""Charts as SVG, drawn by hand so that the same figures give the same bytes on every machine.

Groups are told apart by shape as well as colour (Okabe & Ito 2008), legible in black and white. Text is real text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

PALETTE = ("#0072b2", "#d55e00", "#009e73")
INK, GREY, FAINT = "#1b1f24", "#5a6570", "#d9dee2"
WIDTH, LABEL, RIGHT = 640, 190, 90
ROW = 24
FONT = "DejaVu Sans"


@dataclass(frozen=True, slots=True)
class Dot:
    """One value with its interval in the row `row`; None is written out as not estimable."""

    row: str
    value: float | None
    low: float | None
    high: float | None
    series: int = 0


def dots(
    values: Sequence[Dot], *, series: Sequence[str] = ("",), mark: float | None = None, percent: bool = True
) -> str:
    """Dots with intervals, one row a group; `mark` draws a dotted line, such as everyone's rate."""
    rows = list(dict.fromkeys(v.row for v in values))
    lines = max(len(series), 1)
    step = ROW if lines == 1 else 13 * lines + 8
    legend = 22 if lines > 1 else 0
    height = legend + step * len(rows) + 34
    low = min([v.low for v in values if v.low is not None] + [0.0])
    top = max([v.high for v in values if v.high is not None] + ([mark] if mark is not None else []) + [1e-9])
    low, top, ticks = _scale(low, top)

    def x(value: float) -> float:
        return LABEL + (value - low) / (top - low) * (WIDTH - LABEL - RIGHT)

    out = [_open(height)]
    for s, name in enumerate(series if lines > 1 else ()):
        at = LABEL + s * 150
        out += [_shape(s, at, 10), _text(at + 10, 14, name, 10)]
    bottom = legend + step * len(rows)
    for tick in ticks:
        out.append(f'<line x1="{x(tick):.1f}" y1="{legend}" x2="{x(tick):.1f}" y2="{bottom}" stroke="{FAINT}"/>')
        out.append(_text(x(tick), bottom + 16, _tick(tick, percent), 9.5, "middle", GREY))
    if mark is not None:
        out.append(
            f'<line x1="{x(mark):.1f}" y1="{legend}" x2="{x(mark):.1f}" y2="{bottom}" stroke="{GREY}" '
            'stroke-dasharray="2 3"/>'
        )
    for r, row in enumerate(rows):
        middle = legend + step * r + step / 2
        out.append(_text(LABEL - 10, middle + 4, _cut(row), 10.5, "end"))
        for v in (v for v in values if v.row == row):
            y = middle + 13 * (v.series - (lines - 1) / 2)
            if v.value is None:
                out.append(_text(LABEL + 4, y + 4, "not estimable", 9.5, "start", GREY))
                continue
            colour = PALETTE[v.series % len(PALETTE)]
            if v.low is not None and v.high is not None:
                out.append(
                    f'<path d="M{x(v.low):.1f} {y - 4:.1f}v8M{x(v.low):.1f} {y:.1f}H{x(v.high):.1f}m0 -4v8" '
                    f'stroke="{colour}" stroke-width="1.6" fill="none"/>'
                )
            out.append(_shape(v.series, x(v.value), y))
            out.append(_text(WIDTH - RIGHT + 10, y + 4, _value(v.value, percent), 10.5, "start"))
    return "".join([*out, "</svg>"])


def bars(names: Sequence[str], values: Sequence[float], errors: Sequence[tuple[float, float]] = ()) -> str:
    """Horizontal bars from nought; values below it are hatched and point left."""
    height = ROW * len(names) + 30
    low = min([*values, *(a for a, _ in errors), 0.0])
    high = max([*values, *(b for _, b in errors), 1e-9])
    low, high, ticks = _scale(low, high)

    def x(value: float) -> float:
        return LABEL + (value - low) / (high - low) * (WIDTH - LABEL - RIGHT)

    out = [_open(height)]
    out.append(
        f'<defs><pattern id="h" width="5" height="5" patternUnits="userSpaceOnUse"><rect width="5" height="5" '
        f'fill="#fff"/><path d="M0 5L5 0" stroke="{PALETTE[1]}" stroke-width="1.4"/></pattern></defs>'
    )
    bottom = ROW * len(names)
    for tick in ticks:
        out.append(f'<line x1="{x(tick):.1f}" y1="0" x2="{x(tick):.1f}" y2="{bottom}" stroke="{FAINT}"/>')
        out.append(_text(x(tick), bottom + 16, f"{tick:g}", 9.5, "middle", GREY))
    for i, (name, value) in enumerate(zip(names, values, strict=True)):
        top = ROW * i + 5
        a, b = sorted((x(0.0), x(value)))
        fill = f'"{PALETTE[0]}"' if value >= 0 else f'"url(#h)" stroke="{PALETTE[1]}"'
        out.append(f'<rect x="{a:.1f}" y="{top}" width="{max(b - a, 0.6):.1f}" height="{ROW - 10}" fill={fill}/>')
        if errors:
            e, f = errors[i]
            out.append(f'<path d="M{x(e):.1f} {top + 7}H{x(f):.1f}" stroke="{INK}" stroke-width="1.2" fill="none"/>')
        out.append(_text(LABEL - 10, top + 11, _cut(name), 10.5, "end"))
        out.append(_text(WIDTH - RIGHT + 10, top + 11, f"{value:.4f}", 10.5, "start"))
    out.append(f'<line x1="{x(0.0):.1f}" y1="0" x2="{x(0.0):.1f}" y2="{bottom}" stroke="{GREY}"/>')
    return "".join([*out, "</svg>"])


def _scale(low: float, high: float) -> tuple[float, float, list[float]]:
    """Round limits and four to six ticks."""
    span = high - low
    unit = 10.0 ** int(f"{span:e}".split("e")[1])
    step = next(m * unit for m in (0.1, 0.2, 0.25, 0.5, 1.0, 2.0) if span / (m * unit) <= 5.5)
    first = int(low // step)
    last = int(-(-high // step))
    ticks = [round(i * step, 10) for i in range(first, last + 1)]
    return ticks[0], ticks[-1], ticks


def _tick(value: float, percent: bool) -> str:
    return f"{100 * value:g} %" if percent else f"{value:g}"


def _value(value: float, percent: bool) -> str:
    return f"{100 * value:.1f} %" if percent else f"{value:.3f}"


def _cut(text: str) -> str:
    return text if len(text) <= 30 else text[:29] + "…"


def _open(height: float) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" '
        f'height="{height:g}" font-family="{FONT}">'
    )


def _text(x: float, y: float, text: str, size: float, anchor: str = "start", colour: str = INK) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" text-anchor="{anchor}" fill="{colour}">'
        f"{escape(text)}</text>"
    )


def _shape(series: int, x: float, y: float) -> str:
    colour = PALETTE[series % len(PALETTE)]
    if series % 3 == 0:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.6" fill="{colour}"/>'
    if series % 3 == 1:
        return f'<rect x="{x - 4.2:.1f}" y="{y - 4.2:.1f}" width="8.4" height="8.4" fill="{colour}"/>'
    return f'<path d="M{x:.1f} {y - 5.6:.1f}l5.6 5.6l-5.6 5.6l-5.6 -5.6z" fill="{colour}"/>'
