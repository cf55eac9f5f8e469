"""A gap over the batches of a loop, with its confidence sequence and its limit, as SVG."""

from __future__ import annotations

from collections.abc import Sequence

from reports.charts import GREY, INK, WIDTH, open_svg, text_at

_LEFT, _RIGHT, _HIGH = 56, 90, 150


def sequence(points: Sequence[tuple[int, float, float, float]], limit: float) -> str:
    """A gap after each batch with its confidence sequence: (batch, value, low, high), and the limit."""
    first, last = points[0][0], points[-1][0]
    low = min(0.0, *(p[2] for p in points))
    top = max(limit, *(p[3] for p in points)) or 1.0

    def x(number: int) -> float:
        return _LEFT + (number - first) / max(last - first, 1) * (WIDTH - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return 10 + (top - value) / (top - low) * _HIGH

    band = [f"{x(p[0]):.1f},{y(p[3]):.1f}" for p in points] + [f"{x(p[0]):.1f},{y(p[2]):.1f}" for p in points[::-1]]
    line = " ".join(f"{x(p[0]):.1f},{y(p[1]):.1f}" for p in points)
    end = WIDTH - _RIGHT
    out = [
        open_svg(_HIGH + 44),
        f'<polygon points="{" ".join(band)}" fill="#d5dde3" stroke="{GREY}" stroke-width="0.5"/>',
        f'<polyline points="{line}" fill="none" stroke="{INK}" stroke-width="1.8"/>',
        f'<line x1="{_LEFT}" y1="{y(limit):.1f}" x2="{end}" y2="{y(limit):.1f}" stroke="{INK}" stroke-width="1.2" '
        'stroke-dasharray="5 3"/>',
        text_at(end + 6, y(limit) + 4, f"limit {limit:g}", 11),
        text_at(_LEFT - 6, y(top) + 4, f"{top:.2f}", 11, "end"),
        text_at(_LEFT - 6, y(low) + 4, f"{low:.2f}", 11, "end"),
        text_at(_LEFT, _HIGH + 30, f"batch {first}", 11),
        text_at(end, _HIGH + 30, f"batch {last}", 11, "end"),
    ]
    return "".join(out) + "</svg>"
