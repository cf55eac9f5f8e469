"""What is kept of predictions and residuals per group: sums and a histogram. Additive; no value of a single person.

A residual is prediction - outcome: above 0 the model said too much. Sums of predictions and of outcomes are taken from
a fixed centre, so that large numbers do not cancel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from audit.errors import DataError

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Arrays = npt.NDArray[Any]

SUMS = ("prediction", "prediction^2", "outcome", "outcome^2", "residual", "|residual|", "residual^2", "residual^4")
"""The weighted sums, in this order; the first two over everyone, the others over people whose outcome is known.
Prediction and outcome stand for their distance from the centre."""
P, P2, Y, Y2, R, A, R2, R4 = range(len(SUMS))
BINS = 400
"""At most so many bins of the histogram."""


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """n, w, w2 (..., 2): everyone with a prediction, and of these those whose outcome is known. sums (..., 8), as SUMS.

    edges (B + 1,): of the histogram's bins, closed on the left; hist_n, hist_w, hist_w2 (..., B).
    """

    centre: float
    edges: Floats
    n: Ints
    w: Floats
    w2: Floats
    sums: Floats
    hist_n: Ints
    hist_w: Floats
    hist_w2: Floats

    @property
    def width(self) -> float:
        """Of a bin."""
        return float(self.edges[1] - self.edges[0])

    def mapped(self, change: Callable[[Arrays], Arrays]) -> Moments:
        """The same with every array of counts changed alike."""
        arrays = (self.n, self.w, self.w2, self.sums, self.hist_n, self.hist_w, self.hist_w2)
        return Moments(self.centre, self.edges, *(change(a) for a in arrays))

    def with_squares(self, change: Callable[[Arrays], Arrays]) -> Moments:
        """The same with other squared weights."""
        return replace(self, w2=change(self.w2), hist_w2=change(self.hist_w2))

    def plus(self, other: Any) -> Moments:
        """The sum. Raises DataError where the edges are others."""
        if not isinstance(other, Moments) or not np.array_equal(self.edges, other.edges) or self.centre != other.centre:
            raise DataError(
                "two batches cannot be added",
                got="predictions counted between other edges, or none",
                expected=f"edges from {self.edges[0]:g} to {self.edges[-1]:g}, {self.width:g} apart",
                todo="count both batches between the same edges",
            )
        return Moments(
            self.centre, self.edges, self.n + other.n, self.w + other.w, self.w2 + other.w2, self.sums + other.sums,
            self.hist_n + other.hist_n, self.hist_w + other.hist_w, self.hist_w2 + other.hist_w2,
        )  # fmt: skip

    def to_json(self, weighted: bool) -> dict[str, Any]:
        """Of a list of groups; the histogram sparse: [group, bin, people] and the sums of weights."""
        cells: list[list[float | int]] = []
        for g, b in np.argwhere(self.hist_n > 0).tolist():
            more = [float(self.hist_w[g, b]), float(self.hist_w2[g, b])] if weighted else []
            cells.append([g, b, int(self.hist_n[g, b]), *more])
        return {
            "residual": "prediction - outcome",
            "centre": self.centre,
            "edges": self.edges.tolist(),
            "sums": list(SUMS),
            "people": self.n.tolist(),
            "weights": self.w.tolist() if weighted else None,
            "squares": self.w2.tolist() if weighted else None,
            "values": self.sums.tolist(),
            "cells": cells,
        }

    @staticmethod
    def from_json(entry: dict[str, Any], groups: int, weighted: bool) -> Moments:
        """What `to_json` wrote. Raises KeyError, IndexError, TypeError, ValueError on a damaged entry."""
        edges = np.asarray(entry["edges"], dtype=np.float64)
        if edges.ndim != 1 or not 3 <= len(edges) <= 2 * BINS or not (np.diff(edges) > 0).all():
            raise ValueError("edges")
        n = np.asarray(entry["people"], dtype=np.int64).reshape(groups, 2)
        w = np.asarray(entry["weights"] if weighted else n, dtype=np.float64).reshape(groups, 2)
        w2 = np.asarray(entry["squares"] if weighted else n, dtype=np.float64).reshape(groups, 2)
        sums = np.asarray(entry["values"], dtype=np.float64).reshape(groups, len(SUMS))
        hist = np.zeros((3, groups, len(edges) - 1))
        for cell in entry["cells"]:
            g, b, count = cell[:3]
            if min(g, b, count) < 0:
                raise ValueError(f"cell {cell}")
            hist[:, g, b] = (count, *(cell[3:5] if weighted else (count, count)))
        return Moments(
            float(entry["centre"]), edges, n, w, w2, sums, hist[0].astype(np.int64), hist[1], hist[2]
        )  # fmt: skip


def even_edges(low: float, high: float, most: int = BINS) -> Floats:
    """Edges at round numbers over low..high, at most `most` bins, each 1, 2 or 5 times a power of ten wide."""
    largest = max(abs(low), abs(high))
    span = high - low
    if span <= largest * 1e-6:  # all but the same: bins that numbers of this size can tell apart
        span = largest * 1e-3
    span = max(span, 1e-300) if largest > 0 else 1.0
    least = span / (most - 2)
    power = 10.0 ** np.floor(np.log10(least))
    step = next(float(m * power) for m in (1, 2, 5, 10, 20) if m * power >= least)
    first, last = np.floor(low / step), np.floor(high / step) + 1
    while first * step > low:
        first -= 1
    while last * step < high:
        last += 1
    last = max(last, first + 2)
    return np.asarray(np.arange(first, last + 1) * step, dtype=np.float64)
