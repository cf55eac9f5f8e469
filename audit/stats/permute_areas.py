"""Whether the groups' areas under the curve could be alike: p-values by permuting people within each outcome.

As audit.stats.permute has it of averages (Pauly, Asendorf & Konietschke 2016). With weights, rows move with their
weights, and the variance is the linearised one of audit.stats.areas.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audit.stats.exact import LEAST
from audit.stats.kept import kept
from audit.stats.permute import (
    ENOUGH,
    LARGE,
    MANY,
    ROWS,
    TAIL,
    Pool,
    canonical,
    kinds,
    normal_tail,
    pairs_of,
    sequential,
    slices,
    statistic,
    widest,
)

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Side = tuple[Floats, Floats, Floats]
"""Rows, sums of weights and of squared weights of one outcome, each (G, S)."""


@kept
def areas_p(p: Floats, n: Floats, *, seed: int, draws: int = 2000, reference: int | None = None) -> float:
    """The p-value of equal areas. p, n (G, S): people with and without the positive outcome per score, lowest first.

    Each group needs two of each.
    """
    order = canonical(np.arange(p.shape[1], dtype=np.float64), p, n)
    ref = None if reference is None else int(np.flatnonzero(order == reference)[0])
    p, n = p[order], n[order]
    m, k = p.sum(axis=1), n.sum(axis=1)
    area, variance = areas_and_variances(p, n)
    seen = statistic(area[:, None], variance[:, None], ref)
    whole = bool((p == np.rint(p)).all() and (n == np.rint(n)).all())
    draw = _Areas(p.sum(axis=0), n.sum(axis=0), m, k, np.random.default_rng(seed), whole)
    value, reached = sequential(draw.chunk, float(seen[0]), ref, draws)
    if reached < TAIL and len(m) <= MANY:
        i, j = widest(area, variance, ref)
        a, b = (float(min(m[g], k[g])) for g in (i, j))
        apart = abs(float(area[i] - area[j]))
        tail = normal_tail(apart / math.sqrt(variance[i] + variance[j]), 2.0, min(a, b))
        # The distance shared out between two areas away from what is expected of them (Hoeffding 1963, 5.7).
        far = math.log(4) - 2 * (apart * math.sqrt(a * b) / (math.sqrt(a) + math.sqrt(b))) ** 2
        value = min(value, pairs_of(len(m), ref) * min(tail, math.exp(max(far, -690.0))))
    return min(1.0, max(value, LEAST))


def areas_and_variances(p: Floats, n: Floats) -> tuple[Floats, Floats]:
    """(G,) areas and their blended variances from counts per score (G, S)."""
    m, k = p.sum(axis=-1, keepdims=True), n.sum(axis=-1, keepdims=True)
    below = (np.cumsum(n, axis=-1) - n / 2) / k
    above = (m - np.cumsum(p, axis=-1) + p / 2) / m
    area = (p * below).sum(axis=-1, keepdims=True) / m
    of_p = (p * (below - area) ** 2).sum(axis=-1) / (m[..., 0] - 1) / m[..., 0]
    of_n = (n * (above - area) ** 2).sum(axis=-1) / (k[..., 0] - 1) / k[..., 0]
    return area[..., 0], blended(area[..., 0], of_p + of_n, np.minimum(m, k)[..., 0])


def blended(area: npt.ArrayLike, variance: npt.ArrayLike, smaller: npt.ArrayLike) -> Floats:
    """DeLong's variance with the largest that an area allows, area (1 - area) / smaller side (Birnbaum & Klose 1957),
    at the weight of one person of that side; at areas of 0 and 1, and beyond where draws are normal, Agresti & Coull's.
    """
    area, variance, smaller = (np.asarray(v, dtype=np.float64) for v in (area, variance, smaller))
    centre = (np.clip(area, 0, 1) * smaller + 2) / (smaller + 4)
    edge = centre * (1 - centre) / (smaller + 4)
    inside = (area > 1e-9) & (area < 1 - 1e-9)
    mixed = (variance * (smaller - 1) + area * (1 - area) / smaller) / smaller
    return np.where(inside, mixed, edge)


class _Areas:
    """Areas and blended variances of groups made by chance within each outcome, (G, draws) a chunk."""

    def __init__(self, p: Floats, n: Floats, m: Floats, k: Floats, rng: np.random.Generator, whole: bool) -> None:
        self.sizes = [np.maximum(np.rint(s), 2).astype(np.int64) for s in (m, k)]
        self.rng, self.levels = rng, len(p)
        self.pools = [Pool(s) for s in (p, n)]
        self.rows = None
        if whole and p.sum() + n.sum() <= ROWS:
            self.rows = [np.repeat(np.arange(self.levels), s.astype(np.int64)) for s in (p, n)]
        else:
            below, above = (np.cumsum(n) - n / 2) / n.sum(), 1 - (np.cumsum(p) - p / 2) / p.sum()
            self.area = float(np.sum(p * below) / p.sum())
            self.ranks = [below - self.area, above - self.area]
            self.spread = [float(np.sum(s * r**2) / s.sum()) for s, r in zip((p, n), self.ranks, strict=True)]

    def chunk(self, draws: int) -> tuple[Floats, Floats]:
        m, k = self.sizes
        area, variance = np.empty((2, len(m), draws))
        if self.rows is not None:
            sides = [self.rng.permuted(np.broadcast_to(r, (draws, len(r))), axis=1) for r in self.rows]
            for g, (a, b) in enumerate(zip(slices(m), slices(k), strict=True)):
                area[g], variance[g] = self._whole(sides[0][:, a], sides[1][:, b])
            return area, variance
        for g in range(len(m)):
            if m[g] + k[g] <= LARGE:
                both = [c.drawn((draws, int(s[g])), self.rng) for c, s in zip(self.pools, self.sizes, strict=True)]
                area[g], variance[g] = self._whole(*both)
                continue
            parts = [self._part(side, int(self.sizes[side][g]), draws) for side in (0, 1)]
            area[g] = self.area + parts[0][0] + parts[1][0]
            variance[g] = blended(area[g], parts[0][1] + parts[1][1], np.float64(min(m[g], k[g])))
        return area, variance

    def _part(self, side: int, size: int, draws: int) -> tuple[Floats, Floats]:
        """What the people of one outcome add to the area, and its variance."""
        if size > LARGE:
            variance = self.spread[side] / size
            return self.rng.standard_normal(draws) * math.sqrt(variance), np.full(draws, variance)
        rows = self.ranks[side].take(self.pools[side].drawn((draws, size), self.rng))
        return rows.mean(axis=1), rows.var(axis=1, ddof=1) / size

    def _whole(self, p: Whole, n: Whole) -> tuple[Floats, Floats]:
        """Areas and DeLong's variances of score places p (draws, m) and n (draws, k)."""
        draws, m = p.shape
        k = n.shape[1]
        key = np.empty((draws, m + k), dtype=np.int32)
        key[:, :m], key[:, m:] = p, n
        key *= 2
        key[:, m:] += 1
        key.sort(axis=1)
        under, level, rows = _ties(key, k)
        of_p, of_n = (
            _moments(2 * under[1] + level[1], level[0], rows),
            _moments(2 * under[0] + level[0], level[1], rows),
        )
        area = of_p[0] / (2 * k * m)
        spread = [(x * s - a**2) / (4 * y**2 * (x - 1) * x**2) for x, y, (a, s) in ((m, k, of_p), (k, m, of_n))]
        return area, blended(area, spread[0] + spread[1], np.float64(min(m, k)))


def _ties(key: npt.NDArray[np.int32], k: int) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats], Whole]:
    """Of keys (D, m + k) in order, 2 place for one side and 2 place + 1 for the other, of whom there are k: for each
    place of each draw how many of either side lie under it, and level with it (T,); where each draw begins in these."""
    draws, size = key.shape
    new = np.ones((draws, size), dtype=bool)
    np.not_equal(key[:, 1:] >> 1, key[:, :-1] >> 1, out=new[:, 1:])
    at = np.flatnonzero(new)
    rows = np.searchsorted(at, np.arange(draws) * size)
    upto = np.empty(key.size + 1, dtype=np.int32)
    upto[0] = 0
    np.cumsum(key.ravel() & 1, dtype=np.int32, out=upto[1:])
    ends = np.empty((2, len(at) + 1))
    ends[0, :-1], ends[0, -1] = at, key.size
    ends[1, :-1], ends[1, -1] = upto.take(at), upto[-1]
    many, level = ends[:, 1:] - ends[:, :-1]
    draw = at // size
    under = ends[1, :-1] - draw * k
    return (at - draw * size - under, under), (many - level, level), rows


def _moments(rank: Floats, often: Floats, rows: Whole) -> tuple[Floats, Floats]:
    """Sums of ranks and of their squares (D,); whole numbers, so exact."""
    once = rank * often
    return np.add.reduceat(once, rows), np.add.reduceat(once * rank, rows)


@kept
def weighted_areas_p(p: Side, n: Side, *, seed: int, draws: int = 2000, reference: int | None = None) -> float:
    """The p-value of equal areas of weighted rows; p, n: those with and without the positive outcome, lowest first.

    Each group needs two (effectively more than one) of each. A group's weights are brought to an average of 1 on each
    side: a group sampled less is not for that another kind of group.
    """
    order = canonical(np.arange(p[0].shape[1], dtype=np.float64), p[1], n[1])
    ref = None if reference is None else int(np.flatnonzero(order == reference)[0])
    sides = [_Rows.of(*(v[order].astype(np.float64) for v in side)) for side in (p, n)]
    area, variance, people = (np.empty(len(order)) for _ in range(3))
    for g in range(len(order)):
        own = [(s.place[s.group == g], s.weight[s.group == g], s.count[s.group == g]) for s in sides]
        (x, w, m), (y, v, k) = own
        below = _under(x[None], y[None], (v * k)[None])[0]
        above = 1 - _under(y[None], x[None], (w * m)[None])[0]
        a, b = _part(below[None], w[None], m[None]), _part(above[None], v[None], k[None])
        area[g], people[g] = a[0][0], min(a[2][0], b[2][0])
        variance[g] = blended(a[0][0], a[1][0] + b[1][0], people[g])
    seen = statistic(area[:, None], variance[:, None], ref)
    value, reached = sequential(_Weighted(sides, seed).chunk, float(seen[0]), ref, draws)
    if reached < TAIL and len(order) <= MANY:
        i, j = widest(area, variance, ref)
        if min(people[i], people[j]) >= ENOUGH:
            z = abs(float(area[i] - area[j])) / math.sqrt(variance[i] + variance[j])
            value = min(value, pairs_of(len(order), ref) * normal_tail(z, 2.0, float(min(people[i], people[j]))))
    return min(1.0, max(value, LEAST))


@dataclass(frozen=True, slots=True)
class _Rows:
    """Kinds of rows of one outcome: place of the score, weight, how many, and whose group, each (K,); sizes (G,)."""

    place: Whole
    weight: Floats
    count: Floats
    group: Whole
    sizes: Whole

    @staticmethod
    def of(rows: Floats, w: Floats, w2: Floats) -> _Rows:
        rows = np.where(w > 0, rows, 0.0)
        total = w.sum(axis=1)
        scale = np.divide(rows.sum(axis=1), total, out=np.ones(len(w)), where=total > 0)[:, None]
        at = np.arange(rows.shape[1], dtype=np.float64)
        each = [kinds(at, r[None], a[None], b[None]) for r, a, b in zip(rows, w * scale, w2 * scale**2, strict=True)]
        place, weight, count = (np.concatenate([e[i] for e in each]) for i in range(3))
        group = np.repeat(np.arange(len(each)), [len(e[0]) for e in each])
        sizes = np.maximum(np.rint(rows.sum(axis=1)), 1).astype(np.int64)
        # Fractions where several rows are one person's.
        count = np.rint(count) if (rows == np.rint(rows)).all() else count
        return _Rows(place.astype(np.int64), weight, count, group, sizes)


def _under(x: Whole, of: Whole, weight: Floats) -> Floats:
    """For each of x (D, m) the share of `of` (D, k) with its weights (D, k) that lies lower, of equal ones half."""
    draws, k = of.shape
    order = np.argsort(of, axis=1, kind="stable")
    base = np.arange(draws)[:, None]
    levels = int(max(x.max(), of.max())) + 1
    flat = (np.take_along_axis(of, order, 1) + base * levels).ravel()
    upto = np.concatenate([np.zeros((draws, 1)), np.cumsum(np.take_along_axis(weight, order, 1), axis=1)], axis=1)
    asked = (x + base * levels).ravel()
    cumulative = [
        np.take_along_axis(upto, np.searchsorted(flat, asked, how).reshape(x.shape) - base * k, 1)
        for how in ("left", "right")
    ]
    return np.asarray((cumulative[0] + cumulative[1]) / 2 / np.maximum(upto[:, -1:], 1e-300))


def _part(rank: Floats, weight: Floats, count: Floats | float = 1.0) -> tuple[Floats, Floats, Floats]:
    """Of ranks (D, m) with weights: their average, its linearised variance, and the effective number of rows (D,)."""
    total = np.maximum((count * weight).sum(axis=1), 1e-100)
    mean = (count * weight * rank).sum(axis=1) / total
    squares = count * weight**2
    people = np.maximum(total**2 / np.maximum(squares.sum(axis=1), 1e-300), 1 + 1e-9)
    variance = (squares * (rank - mean[:, None]) ** 2).sum(axis=1) / total**2 * people / (people - 1)
    return mean, variance, people


class _Weighted:
    """As _Areas, of rows with weights."""

    def __init__(self, sides: Sequence[_Rows], seed: int) -> None:
        self.sides, self.rng = sides, np.random.default_rng(seed)
        self.pools = [Pool(s.count) for s in sides]
        self.rows = None
        whole = all((s.count == np.rint(s.count)).all() for s in sides)
        if whole and sum(s.count.sum() for s in sides) <= ROWS:
            self.rows = [np.repeat(np.arange(len(s.count)), s.count.astype(np.int64)) for s in sides]
        x, y = sides
        below = _under(x.place[None], y.place[None], (y.weight * y.count)[None])[0]
        above = 1 - _under(y.place[None], x.place[None], (x.weight * x.count)[None])[0]
        parts = [_part(r[None], s.weight[None], s.count[None]) for r, s in zip((below, above), sides, strict=True)]
        self.area = float(parts[0][0][0])
        self.ranks = [below - self.area, above - self.area]
        # Of one row: the variance, and the effective number.
        self.one = [float(v[1][0] * s.count.sum()) for v, s in zip(parts, sides, strict=True)]
        self.worth = [float(v[2][0] / s.count.sum()) for v, s in zip(parts, sides, strict=True)]

    def chunk(self, draws: int) -> tuple[Floats, Floats]:
        m, k = (s.sizes for s in self.sides)
        area, variance = np.empty((2, len(m), draws))
        if self.rows is not None:
            both = [self.rng.permuted(np.broadcast_to(r, (draws, len(r))), axis=1) for r in self.rows]
            for g, (a, b) in enumerate(zip(slices(m), slices(k), strict=True)):
                area[g], variance[g] = self._whole(both[0][:, a], both[1][:, b])
            return area, variance
        for g in range(len(m)):
            if m[g] + k[g] <= LARGE:
                area[g], variance[g] = self._whole(
                    *(c.drawn((draws, int(s.sizes[g])), self.rng) for c, s in zip(self.pools, self.sides, strict=True))
                )
                continue
            of_p, of_n = (self._linear(side, int(self.sides[side].sizes[g]), draws) for side in (0, 1))
            area[g] = self.area + of_p[0] + of_n[0]
            variance[g] = blended(area[g], of_p[1] + of_n[1], np.minimum(of_p[2], of_n[2]))
        return area, variance

    def _linear(self, side: int, size: int, draws: int) -> tuple[Floats, Floats, Floats]:
        if size > LARGE:
            variance = self.one[side] / size
            off = self.rng.standard_normal(draws) * math.sqrt(variance)
            return off, np.full(draws, variance), np.full(draws, self.worth[side] * size)
        rows = self.pools[side].drawn((draws, size), self.rng)
        return _part(self.ranks[side][rows], self.sides[side].weight[rows])

    def _whole(self, p: Whole, n: Whole) -> tuple[Floats, Floats]:
        """Areas and variances of kinds of rows p (draws, m) and n (draws, k)."""
        (x, w), (y, v) = ((s.place[rows], s.weight[rows]) for s, rows in zip(self.sides, (p, n), strict=True))
        a, b = _part(_under(x, y, v), w), _part(1 - _under(y, x, w), v)
        return a[0], blended(a[0], a[1] + b[1], np.minimum(a[2], b[2]))
