"""Whether each text can be seen: nothing crosses it, covers it, or makes it too faint to read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from reports.verify.pages.drawn import Page
from reports.verify.pages.geometry import Box, Colour
from reports.verify.pages.unsure import Unsure

Boxes = npt.NDArray[np.float64]
"""(boxes, 4): x0, y0, x1, y1."""

SMALLEST = 9.0
CONTRAST = 3.0
"""WCAG 2.2, 1.4.11, for the least visible text of a cover; body text has more than 7."""
SPARE = 0.5


def nothing_across(page: Page, at: int, frames: Sequence[Box]) -> None:
    """Each text shows: nothing crosses it or lies over it, and what lies under it leaves it legible."""
    where = f"page {at + 1}"
    if not page.runs:
        return
    runs = page.runs
    if small := next((r for r in runs if r.size < SMALLEST), None):
        raise Unsure(f"{where}: “{small.text[:40]}” is set too small")
    text = np.array([(r.x0, r.y - 0.5 * r.size, r.x1, r.y) for r in runs])
    if (
        (text[:, 0] < 10).any()
        or (text[:, 2] > page.width - 10).any()
        or (text[:, 1] < 10).any()
        or (text[:, 3] > page.height - 10).any()
    ):
        raise Unsure(f"{where}: text at the edge of the page")
    met = _meet(text, text)
    np.fill_diagonal(met, False)
    if met.any():
        one, other = np.argwhere(met)[0]
        raise Unsure(f"{where}: “{runs[one].text[:30]}” and “{runs[other].text[:30]}” lie over each other")
    whole = [p.box for p in page.pictures] + list(frames)
    if whole:
        boxes = np.array(whole)
        others = _meet(boxes, boxes)
        np.fill_diagonal(others, False)
        painted = np.array([p.box for p in page.paints]) if page.paints else np.empty((0, 4))
        if _meet(boxes, text).any() or others.any() or _meet(boxes, painted).any():
            raise Unsure(f"{where}: something lies over a picture or a signature's box")
        if (boxes[:, 0] < 0).any() or (boxes[:, 2] > page.width).any() or (boxes[:, 3] > page.height).any():
            raise Unsure(f"{where}: a picture leaves the page")
    under: list[Colour | None] = _under(page, text, where) if page.paints else [None] * len(runs)
    for run, colour in zip(runs, under, strict=True):
        if contrast(run.colour, colour or (1.0, 1.0, 1.0)) < CONTRAST:
            raise Unsure(f"{where}: “{run.text[:40]}” is too pale to read")


def _under(page: Page, text: Boxes, where: str) -> list[Colour | None]:
    """The colour below each text, None for paper."""
    boxes = np.array([p.box for p in page.paints])
    met = _meet(text, boxes)
    covers = (
        (boxes[None, :, 0] <= text[:, None, 0] + SPARE)
        & (boxes[None, :, 1] <= text[:, None, 1] + SPARE)
        & (boxes[None, :, 2] >= text[:, None, 2] - SPARE)
        & (boxes[None, :, 3] >= text[:, None, 3] - SPARE)
    )
    later = np.array([p.order for p in page.paints])[None, :] > np.array([r.order for r in page.runs])[:, None]
    if (bad := met & (~covers | later)).any():
        i = int(np.argwhere(bad)[0][0])
        raise Unsure(f"{where}: something is drawn across “{page.runs[i].text[:40]}”")
    found: list[Colour | None] = []
    for row in met:
        hits = np.flatnonzero(row)
        if not len(hits):
            found.append(None)
            continue
        found.append(page.paints[int(hits[-1])].colour)  # in the order of painting
    return found


def _meet(a: Boxes, b: Boxes, spare: float = 0.3) -> npt.NDArray[np.bool_]:
    """Which boxes of `a` (rows) lie over which of `b` (columns)."""
    x, y = a[:, None, :], b[None, :, :]
    return (np.minimum(x[..., 2], y[..., 2]) - np.maximum(x[..., 0], y[..., 0]) > spare) & (
        np.minimum(x[..., 3], y[..., 3]) - np.maximum(x[..., 1], y[..., 1]) > min(spare, 0.05)
    )


def contrast(a: Colour, b: Colour) -> float:
    """WCAG 2.2's contrast ratio of two sRGB colours, 1 to 21."""
    light, dark = sorted((_luminance(a), _luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: Colour) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
