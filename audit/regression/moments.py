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
from audit.numbers import brief

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Arrays = npt.NDArray[Any]

SUMS = ("prediction", "prediction^2", "outcome", "outcome^2", "residual", "|residual|", "residual^2", "residual^4")
"""The weighted sums, in this order; the first two over everyone, the others over people whose outcome is known.
Prediction and outcome stand for their distance from the centre."""
P, P2, Y, Y2, R, A, R2, R4 = range(len(SUMS))
RANKS = 400
"""A bin holds about this part of the people."""
GAPS = 200
"""So many of the widest empty stretches between two predictions have edges at both ends."""
NEAR = 1e-4
"""How near to a prediction such an edge stands, in parts of the stretch."""
MOST_EDGES = 20_000


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
    def widths(self) -> Floats:
        """(B,) of each bin."""
        return np.diff(self.edges)

    @property
    def width(self) -> float:
        """Of the widest bin that anybody is in; of all bins where nobody is in one."""
        some = self.hist_n.reshape(-1, len(self.edges) - 1).any(axis=0)
        return float(self.widths[some].max() if some.any() else self.widths.max())

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
                expected=f"{len(self.edges)} edges from {brief(self.edges[0])} to {brief(self.edges[-1])}",
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
        if edges.ndim != 1 or not 3 <= len(edges) <= MOST_EDGES or not (np.diff(edges) > 0).all():
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


def edges_of(predicted: Floats, further: Floats | None = None) -> Floats:
    """Edges by rank, at both ends of the widest gaps, and above each of `further`: none of them is a prediction.

    So one outlier empties no bin, and is alone in its own.
    """
    at, people = np.unique(predicted, return_counts=True)
    before = np.cumsum(people) - people
    rank = before * RANKS // people.sum()
    cut = np.flatnonzero((rank[1:] != rank[:-1]) | (people[1:] * RANKS > people.sum())) + 1
    if further is not None:
        cut = np.union1d(cut, np.searchsorted(at, further, side="right"))
        cut = cut[cut < len(at)]
    wide = np.argsort(-np.diff(at), kind="stable")[:GAPS] + 1 if len(at) > 1 else np.zeros(0, dtype=np.int64)
    edges = [_between(at[cut - 1], at[cut]), _between(at[wide - 1], at[wide], NEAR)]
    edges.append(-_between(-at[wide], -at[wide - 1], NEAR))
    largest = float(np.abs(at).max())
    room = max((at[-1] - at[0]) * NEAR, largest * 1e-9) if at[-1] > at[0] else largest * 1e-3 or 1.0
    ends = [_between(at[:1] - room, at[:1]), -_between(-at[-1:] - room, -at[-1:])]
    ends.append(ends[1] + room)
    return np.unique(np.concatenate([*edges, *ends]))


def _between(below: Floats, above: Floats, near: float = 1.0) -> Floats:
    """The number of fewest digits between `below` and `above`, within a part `near` of the stretch from the latter; it
    is `above` itself only where no number lies between.
    """
    out = np.full(len(above), np.nan)
    span = above - below
    for digits in range(-16, 18):
        unit = 10.0**digits
        candidate = np.floor(above * unit) / unit
        candidate = np.where(candidate >= above, (np.ceil(above * unit) - 1) / unit, candidate)
        fits = np.isnan(out) & (candidate > below) & (candidate < above) & (above - candidate <= near * span)
        out = np.where(fits, candidate, out)
    middle = above - span * min(near, 0.5)
    out = np.where(np.isnan(out), np.where((middle > below) & (middle <= above), middle, above), out)
    return np.asarray(out, dtype=np.float64)
