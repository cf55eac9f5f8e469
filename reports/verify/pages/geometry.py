"""Boxes and scales. Nothing on a page of Assay's is turned."""

from __future__ import annotations

from itertools import pairwise

from reports.verify.pages.unsure import Unsure

Colour = tuple[float, ...]
Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 with x0 <= x1 and y0 <= y1."""
Matrix = tuple[float, float, float, float]
"""Scale and shift of x and y: x' = a x + e, y' = d y + f. Nothing on a page is turned."""


def joined(inner: Matrix, outer: Matrix) -> Matrix:
    a, d, e, f = inner
    A, D, E, F = outer
    return a * A, d * D, e * A + E, f * D + F


def inside(box: Box, frame: Box, spare: float) -> bool:
    return (
        box[0] >= frame[0] - spare
        and box[1] >= frame[1] - spare
        and box[2] <= frame[2] + spare
        and box[3] <= frame[3] + spare
    )


def rectangle(points: list[tuple[float, float]]) -> Box:
    """Four corners in turn. Raises Unsure for any other shape."""
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    box = (min(xs), min(ys), max(xs), max(ys))
    corners = {(x, y) for x in (box[0], box[2]) for y in (box[1], box[3])}
    turns = pairwise(points)
    if len(points) != 4 or set(points) != corners or any((a[0] == b[0]) == (a[1] == b[1]) for a, b in turns):
        raise Unsure("a clip that is no rectangle")
    return box


def common(box: Box, clip: Box | None) -> Box:
    if clip is None:
        return box
    return max(box[0], clip[0]), max(box[1], clip[1]), min(box[2], clip[2]), min(box[3], clip[3])
