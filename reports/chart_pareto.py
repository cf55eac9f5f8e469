"""The front of a search as SVG: wrong decisions against the upper bound of the gap, kinds told apart by shape."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from reports.charts import FAINT, GREY, INK, PALETTE, WIDTH, open_svg, scale_of, text_at
from reports.words import MINUS

LEFT, RIGHT, TOP, HEIGHT = 66, 24, 30, 240
KINDS = ("on the front, by number", "original", "original, threshold moved", "other candidates")


@dataclass(frozen=True, slots=True)
class Point:
    """One way of deciding. kind is a place in KINDS; shares from 0 to 1; name stands beside it."""

    kind: int
    gap_low: float
    gap_high: float
    loss: float
    loss_low: float
    loss_high: float
    name: str = ""
    picked: bool = False


@dataclass(frozen=True, slots=True)
class _Axes:
    """The range of each axis and its ticks, (from, to, ticks): gaps across, losses up."""

    gaps: tuple[float, float, Sequence[float]]
    losses: tuple[float, float, Sequence[float]]

    @property
    def floor(self) -> int:
        return TOP + HEIGHT

    def x(self, gap: float) -> float:
        low, high, _ = self.gaps
        return LEFT + (gap - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def y(self, loss: float) -> float:
        bottom, top, _ = self.losses
        return TOP + (top - loss) / (top - bottom) * HEIGHT


def front(points: Sequence[Point], *, across: str) -> str:
    """Marks at (upper bound of the gap, wrong decisions); on the front and for the original with both intervals.

    The picked candidate is ringed. across names the axis of gaps.
    """
    losses = [p.loss for p in points] + [v for p in points if p.kind < 2 for v in (p.loss_low, p.loss_high)]
    axes = _Axes(
        scale_of(0.0, max(p.gap_high for p in points)),
        scale_of(min(losses), max(max(losses), min(losses) + 1e-6)),
    )
    out = [open_svg(axes.floor + 42), *_grid(axes, across), *_legend({p.kind for p in points})]
    for p in sorted(points, key=lambda p: -p.kind):
        out += _marked(p, axes)
    for p in points:
        if p.name:
            out += _point_label(p, axes)
    return "".join([*out, "</svg>"])


def _grid(axes: _Axes, across: str) -> list[str]:
    out = []
    for tick in axes.gaps[2]:
        at = axes.x(tick)
        out.append(f'<line x1="{at:.1f}" y1="{TOP}" x2="{at:.1f}" y2="{axes.floor}" stroke="{FAINT}"/>')
        out.append(text_at(at, axes.floor + 15, f"{100 * tick:g}".replace("-", MINUS), 9, "middle", GREY))
    for level in axes.losses[2]:
        at = axes.y(level)
        out.append(f'<line x1="{LEFT}" y1="{at:.1f}" x2="{WIDTH - RIGHT}" y2="{at:.1f}" stroke="{FAINT}"/>')
        out.append(text_at(LEFT - 8, at + 3.2, f"{100 * level:g} %", 9, "end", GREY))
    out.append(text_at((LEFT + WIDTH - RIGHT) / 2, axes.floor + 33, across, 9.5, "middle", GREY))
    return out


def _legend(kinds: Collection[int]) -> list[str]:
    out = []
    at = float(LEFT)
    for kind, words in enumerate(KINDS):
        if kind in kinds:
            out += [*_mark(kind, at + 6, 12), text_at(at + 17, 15.5, words, 9.5)]
            at += 40 + 5.3 * len(words)
    return out


def _marked(p: Point, axes: _Axes) -> list[str]:
    x, y = axes.x(p.gap_high), axes.y(p.loss)
    out = [_spans(p, axes)] if p.kind < 2 else []
    out += _mark(p.kind, x, y)
    if p.picked:
        out.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="9" fill="none" stroke="{INK}" stroke-width="1.4"/>')
    return out


def _point_label(p: Point, axes: _Axes) -> list[str]:
    """On white, so that no mark behind it makes the number illegible."""
    a, b = axes.x(p.gap_high) + 7, axes.y(p.loss) - 7
    return [
        f'<rect x="{a:.1f}" y="{b - 8:.1f}" width="{2 + 6.4 * len(p.name):.1f}" height="10" fill="#fff"/>',
        text_at(a + 1, b, p.name, 9.8),
    ]


def _spans(p: Point, axes: _Axes) -> str:
    colour = PALETTE[0] if p.kind == 0 else INK
    a, b, c = axes.x(p.gap_low), axes.x(p.gap_high), axes.y(p.loss)
    d, e = axes.y(p.loss_high), axes.y(p.loss_low)
    return (
        f'<path d="M{a:.1f} {c - 3:.1f}v6M{a:.1f} {c:.1f}H{b:.1f}M{b - 3:.1f} {d:.1f}h6M{b:.1f} {d:.1f}V{e:.1f}'
        f'M{b - 3:.1f} {e:.1f}h6" stroke="{colour}" stroke-width="0.9" fill="none"/>'
    )


def _mark(kind: int, x: float, y: float) -> list[str]:
    """Filled circle, filled square, open diamond, small cross."""
    if kind == 0:
        return [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.6" fill="{PALETTE[0]}"/>']
    if kind == 1:
        return [f'<rect x="{x - 4.6:.1f}" y="{y - 4.6:.1f}" width="9.2" height="9.2" fill="{INK}"/>']
    if kind == 2:
        return [
            f'<path d="M{x:.1f} {y - 5.4:.1f}l5.4 5.4l-5.4 5.4l-5.4 -5.4z" fill="#fff" stroke="{PALETTE[1]}" '
            'stroke-width="1.5"/>'
        ]
    return [
        f'<path d="M{x - 2.8:.1f} {y - 2.8:.1f}l5.6 5.6m0 -5.6l-5.6 5.6" stroke="{GREY}" stroke-width="1" fill="none"/>'
    ]
