"""Counts per score: each distinct score where they are few, else bins by rank, which one outlier does not empty.

A bin holds about a thousandth of the people, whatever their scores are. A score that many share, and the one or two in
the middle of all people, are bins of their own: so that ties stay ties and the median is exact. Bins also end at each
tenth of 0..1 (calibration) and at each hundredth of the range (so that a bin's middle is near everyone in it).

Within a bin the order of people is lost, which moves an area under the curve by at most half the pairs that fall
together (`area_bounds`). Where rows are at hand the exact areas are kept beside the counts (`exact_areas`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from audit.errors import DataError

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

EXACT_SCORES = 1024
"""Up to so many distinct scores are counted one by one."""
RANKS = 1000
PARTS = 10
"""Equal bins over 0..1 of the calibration error (Naeini, Cooper & Hauskrecht 2015)."""
CELLS = 100
"""No bin is wider than the range over this."""

WEIGHT_STEPS = 2**34
"""The largest weight as a whole number."""

Areas = Mapping[tuple[str, ...], Floats]


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Counts per score. `at` and `top` (S,) are the lowest and the highest score of each bin; one and the same where
    exact, when each score has a place of its own.

    n, w, w2 have shape (..., 3, S); total (..., 3) and parts (..., 3, PARTS) are the weighted sums of scores, of all
    and of each tenth of 0..1, so that averages are exact even where scores are binned. area (G,), of a list of groups
    alone: the exact area under the curve where rows were at hand, NaN or None where not.
    """

    at: Floats
    top: Floats
    exact: bool
    n: Ints
    w: Floats
    w2: Floats
    total: Floats
    parts: Floats | None = None
    area: Floats | None = None

    @property
    def middle(self) -> Floats:
        """The value that stands for each bin."""
        return self.at if self.exact else self.at + (self.top - self.at) / 2

    @property
    def probabilities(self) -> bool:
        """Whether all scores lie within 0..1."""
        return bool(self.at.size) and bool(self.at[0] >= 0 and self.top[-1] <= 1)

    def mapped(self, change: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]) -> Scores:
        """The same scores with every array of groups changed alike."""
        n, w, w2, total = (change(a) for a in (self.n, self.w, self.w2, self.total))
        parts = None if self.parts is None else change(self.parts)
        area = None if self.area is None else change(self.area)
        return Scores(self.at, self.top, self.exact, n, w, w2, total, parts, area)


def part_of(score: Floats) -> Ints:
    """Which tenth of 0..1 each score lies in."""
    return np.clip(np.floor(score * PARTS), 0, PARTS - 1).astype(np.int64)


def starts_of(at: Floats, people: Ints) -> npt.NDArray[np.bool_]:
    """(V,) which of the distinct scores, lowest first, begin a bin. audit/scale/rank.py says the same in SQL."""
    before = np.cumsum(people) - people
    total = int(people.sum())
    rank = before * RANKS // total
    shared = people * RANKS > total
    # The one or two people in the middle: those of (0-based) ranks (total - 1) // 2 and total // 2.
    middle = (before <= total // 2) & (before + people > (total - 1) // 2)
    alone = shared | middle
    low, span = at[0] / 2, at[-1] / 2 - at[0] / 2
    cell = np.floor((at / 2 - low) / span * CELLS) if span > 0 else np.zeros(len(at))
    new = np.ones(len(at), dtype=bool)
    new[1:] = (rank[1:] != rank[:-1]) | alone[1:] | alone[:-1] | (cell[1:] != cell[:-1])
    if at[0] >= 0 and at[-1] <= 1:
        part = part_of(at)
        new[1:] |= part[1:] != part[:-1]
    return new


def bins_of(score: Floats) -> tuple[Floats, Floats, Ints, bool]:
    """at, top (S,), the place of each of the rows, and whether every score has a place of its own."""
    score = score + 0.0  # there is one zero
    at, place, people = np.unique(score, return_inverse=True, return_counts=True)
    if len(at) <= EXACT_SCORES:
        return at, at, place.astype(np.int64), True
    at, top, bin_of = _binned(at, people)
    return at, top, bin_of[place], False


def _binned(at: Floats, people: Ints) -> tuple[Floats, Floats, Ints]:
    new = starts_of(at, people)
    first = np.flatnonzero(new)
    last = np.append(first[1:], len(at)) - 1
    return at[first], at[last], np.cumsum(new) - 1


def add(a: Scores | None, b: Scores | None) -> Scores | None:
    """The scores of two batches. Raises DataError where both are binned, at other scores."""
    if a is None or b is None:
        return None
    if a.exact and b.exact:
        values = np.union1d(a.at, b.at)
        a, b = _spread(_with_parts(a), values), _spread(_with_parts(b), values)
        if len(values) <= EXACT_SCORES:
            return _sum(a, b, values, values, True)
        people = (a.n + b.n).reshape(-1, len(values)).sum(axis=0)
        at, top, place = _binned(values, people)
        return _sum(_gather(a, place, len(at)), _gather(b, place, len(at)), at, top, False)
    fine, coarse = (a, b) if a.exact else (b, a)
    if not fine.exact and not (np.array_equal(a.at, b.at)):
        raise DataError(
            "two batches cannot be added",
            got="scores binned at other values",
            expected="scores counted in the same bins in every batch",
            todo="count both batches together",
        )
    if not fine.exact:
        return _sum(a, b, a.at, np.maximum(a.top, b.top), False)
    at = coarse.at.copy()
    at[0] = min(at[0], fine.at[0])
    place = np.clip(np.searchsorted(at, fine.at, side="right") - 1, 0, len(at) - 1)
    top = coarse.top.copy()
    np.maximum.at(top, place, fine.at)
    return _sum(_gather(_with_parts(fine), place, len(at)), coarse, at, top, False)


def _spread(s: Scores, values: Floats) -> Scores:
    return _gather(s, np.searchsorted(values, s.at), len(values))


def _gather(s: Scores, place: Ints, length: int) -> Scores:
    """The counts moved to other places."""

    def moved(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        out = np.zeros((*values.shape[:-1], length), dtype=values.dtype)
        np.add.at(out, (..., place), values)  # type: ignore[arg-type]
        return out

    # at and top are the caller's to set.
    return Scores(s.at, s.top, False, moved(s.n), moved(s.w), moved(s.w2), s.total, s.parts)


def _with_parts(s: Scores) -> Scores:
    parts = np.zeros((*s.w.shape[:-1], PARTS))
    np.add.at(parts, (..., part_of(s.at)), s.w * s.at)  # type: ignore[arg-type]
    return Scores(s.at, s.top, s.exact, s.n, s.w, s.w2, s.total, parts)


def _sum(a: Scores, b: Scores, at: Floats, top: Floats, exact: bool) -> Scores:
    parts = None
    if not exact and at[0] >= 0 and top[-1] <= 1 and a.parts is not None and b.parts is not None:
        parts = a.parts + b.parts
    return Scores(at, top, exact, a.n + b.n, a.w + b.w, a.w2 + b.w2, a.total + b.total, parts)


def area_bounds(scores: Scores, g: int) -> tuple[float, float]:
    """Between what values the area under the curve of group `g` lies, whatever the order within the bins."""
    p, n = scores.w[g, 1], scores.w[g, 0]
    pairs = p.sum() * n.sum()
    if pairs <= 0:
        return float("nan"), float("nan")
    half = float(np.sum(p * (np.cumsum(n) - n / 2)) / pairs)
    blur = float(np.sum((p * n)[scores.top > scores.at]) / pairs / 2)
    return max(half - blur, 0.0), min(half + blur, 1.0)


def exact_areas(group: npt.NDArray[Any], groups: int, label: Ints, rank: Ints, weight: Floats | None) -> Floats:
    """(groups,) the area under the curve of each group from its rows; NaN where a side is empty.

    group, rank (n,) of each row, rank rising with the score and equal where scores are; label (n,) 0, 1 or 2 (unknown).
    rows must stand in the order of rank.
    """
    known = label < 2
    if not known.all():
        group, label, rank = group[known], label[known], rank[known]
        weight = None if weight is None else weight[known]
    if not len(group):
        return np.full(groups, np.nan)
    order = np.argsort(group, kind="stable")
    group, rank, side = group[order], rank[order], label[order] == 1
    new = np.ones(len(group), dtype=bool)
    new[1:] = (group[1:] != group[:-1]) | (rank[1:] != rank[:-1])
    first = np.flatnonzero(new)
    # Weights as whole numbers: what is counted up and taken off again leaves nothing behind.
    w = np.ones(len(group), dtype=np.int64)
    if weight is not None and weight.max() > 0:
        w = np.rint(weight[order] * (WEIGHT_STEPS / weight.max())).astype(np.int64)
    p, n = np.add.reduceat(np.where(side, w, 0), first), np.add.reduceat(np.where(side, 0, w), first)
    of, so_far = group[first], np.cumsum(n)
    start = np.flatnonzero(np.append(True, of[1:] != of[:-1]))
    before = np.repeat((so_far - n)[start], np.diff(np.append(start, len(of))))
    positives, negatives = np.bincount(of, p, minlength=groups), np.bincount(of, n, minlength=groups)
    won = np.bincount(of, p * (so_far - before - n / 2), minlength=groups)
    pairs = positives * negatives
    area: Floats = np.divide(won, pairs, out=np.full(groups, np.nan), where=pairs > 0)
    return area


def blurred(at: Floats, top: Floats, people: Ints, floor: int = 10) -> tuple[Floats, Floats]:
    """Ends of the same bins that are no person's score: the roundest numbers that keep the bins apart.

    A score that `floor` people share stays what it is.
    """
    inside = bool(at[0] >= 0 and top[-1] <= 1)
    shared = (at == top) & (people >= floor)
    unit = 10.0 ** -_digits(top[-1] - at[0])
    first = 0.0 if inside else (np.ceil(at[0] / unit) - 1) * unit
    last = 1.0 if inside else (np.floor(top[-1] / unit) + 1) * unit
    below = np.append(-np.inf, top[:-1])
    cut = np.where(shared, at, np.nan)
    cut[0] = at[0] if shared[0] else first
    # From tenths where scores are probabilities: a bin must not leave its tenth.
    for digits in range(1 if inside else -18, 18):
        round_ = np.floor(at * 10.0**digits) / 10.0**digits
        cut = np.where(np.isnan(cut) & (round_ > below) & (round_ < at), round_, cut)
    middle = np.where(np.isfinite(below), below, at) / 2 + at / 2
    cut = np.where(np.isnan(cut), np.where(middle > below, middle, at), cut)
    ends = np.append(np.nextafter(cut[1:], -np.inf), last)
    return cut, np.where(shared, at, np.maximum(ends, cut))


def _digits(span: float) -> int:
    """Decimals at which numbers over `span` differ in their first digit."""
    return 0 if span <= 0 else int(-np.floor(np.log10(span)))
