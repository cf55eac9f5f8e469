"""Whether the groups' average scores, or their areas under the curve, could be alike: p-values by permutation.

The statistic is the largest studentised distance of two groups (with more than MANY groups, Cochran's sum of squares),
each group's variance blended with the pooled one at the weight of one person, so that a handful of equal scores does
not look certain. Permuting studentised distances is exact where people could be exchanged between the groups, and right
in large groups where averages (or areas) are alike and the distributions are not (Janssen 1997; Chung & Romano 2013;
Pauly, Asendorf & Konietschke 2016 for areas). For averages people are permuted over the groups; for areas (in
audit.stats.permute_areas) within each outcome.

With more people than ROWS a small group's people are drawn from all (which differs little from drawing without putting
back), and an average over more than LARGE people is normal. An area is then the sum of two averages (Hoeffding 1948),
except in groups small enough to be drawn whole.

Draws stop when STOP of them reach the observed value: p = STOP / draws (Besag & Clifford 1991), else (reached + 1) /
(draws + 1). Where fewer than TAIL of all draws reach it, they cannot resolve the tail, and a bound for the pair
furthest apart, times the number of pairs, is taken where smaller: Chernoff's, which drawing without putting back keeps
(Hoeffding 1963, theorem 4; 5.7 for areas), or the normal tail with the largest factor that skewness allows (Petrov
1975).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import combinations

import numpy as np
import numpy.typing as npt
from scipy.special import log_ndtr

from audit.stats.exact import LEAST
from audit.stats.kept import kept

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

CHUNK = 100
STOP = 50
TAIL = 10
MANY = 40
ROWS = 1500
LARGE = 400
ENOUGH = 30
"""With weights and fewer effective people than this in a group, no bound is known beyond what is drawn."""


@kept
def means_p(
    at: Floats, n: Floats, *, seed: int, draws: int = 2000, reference: int | None = None,
    weights: tuple[Floats, Floats, Floats] | None = None,
) -> float:  # fmt: skip
    """The p-value of equal averages. at (S,) scores; n (G, S) people per score, not whole where they are effective.

    weights: rows, sums of weights and of squared weights, each (G, S). Rows are then permuted with their weights (each
    group's brought to an average of 1), and the variance is the linearised one.
    """
    order = canonical(at, n)
    ref = None if reference is None else int(np.flatnonzero(order == reference)[0])
    n = n[order]
    rows, w, w2 = (n, n, n) if weights is None else (v[order].astype(np.float64) for v in weights)
    size = rows.sum(axis=1)
    scale = size / w.sum(axis=1)
    w, w2 = w * scale[:, None], w2 * scale[:, None] ** 2
    pool = w.sum(axis=0)
    at = at - np.sum(pool * at) / pool.sum()
    spread = float(np.sum(pool * at**2) / pool.sum())
    if spread <= 0:
        return 1.0
    mean = w @ at / size
    off = np.maximum(w2 @ at**2 - 2 * mean * (w2 @ at) + mean**2 * w2.sum(axis=1), 0.0)
    variance = (off + spread * w2.sum(axis=1) / size) / size**2
    seen = statistic(mean[:, None], variance[:, None], ref)
    kind, heavy, count = (at, np.ones(len(at)), rows.sum(axis=0)) if weights is None else kinds(at, rows, w, w2)
    whole = bool((rows == np.rint(rows)).all())
    draw = _Means(kind, heavy, count, size, spread, np.random.default_rng(seed), whole)
    p, reached = sequential(draw.chunk, float(seen[0]), ref, draws)
    if reached < TAIL and len(size) <= MANY:
        i, j = widest(mean, variance, ref)
        known = weights is None or min(n[i].sum(), n[j].sum()) >= ENOUGH
        bound = _tail_of_means(at, n[i], n[j]) if known else 1.0
        p = min(p, pairs_of(len(size), ref) * bound)
    return min(1.0, max(p, LEAST))


def kinds(at: Floats, rows: Floats, w: Floats, w2: Floats) -> tuple[Floats, Floats, Floats]:
    """Kinds of rows from what is known of each group's rows of one score: score, weight and number, each (K,).

    Where several rows stand together, two weights with their average and square: as far under it as over, or, where
    that would be under 0, of some rows nothing.
    """
    some = rows > 0
    x, n = np.broadcast_to(at, rows.shape)[some], rows[some]
    average = w[some] / n
    square = np.divide(w2[some] / n, average**2, out=np.ones_like(n), where=average > 0)
    off = np.sqrt(np.clip(square - 1, 0.0, None))
    even = off <= 1
    heavy = np.where(even, np.ceil(n / 2), np.maximum(np.rint(n / np.maximum(square, 1.0)), 1.0))
    over, under = np.where(even, 1 + off, square) * average, np.where(even, 1 - off, 0.0) * average
    alike = (off < 1e-9) | (n < 2)
    over, heavy = np.where(alike, average, over), np.where(alike, n, heavy)
    left = np.flatnonzero(n - heavy > 0)
    joined = [np.concatenate(v) for v in ((x, x[left]), (over, under[left]), (heavy, (n - heavy)[left]))]
    return joined[0], joined[1], joined[2]


def canonical(at: Floats, *counts: Floats) -> Whole:
    """One order, so that groups renamed meet the same draws."""
    sizes = [n.sum(axis=1) for n in counts]
    return np.lexsort((*(n @ at**2 for n in counts), *(n @ at for n in counts), *sizes))


def statistic(value: Floats, variance: Floats, ref: int | None) -> Floats:
    """(D,) of value and variance (G, D)."""
    groups = len(value)
    variance = np.maximum(variance, 1e-300)
    if groups > MANY and ref is None:
        weight = 1 / variance
        centre = (weight * value).sum(axis=0) / weight.sum(axis=0)
        return np.asarray((weight * (value - centre) ** 2).sum(axis=0))
    largest = np.zeros(value.shape[1])
    for i, j in combinations(range(groups), 2):
        if ref is None or ref in (i, j):
            np.maximum(largest, (value[i] - value[j]) ** 2 / (variance[i] + variance[j]), out=largest)
    return largest


def sequential(
    chunk: Callable[[int], tuple[Floats, Floats]], seen: float, ref: int | None, draws: int
) -> tuple[float, int]:
    reached = done = 0
    while done < draws:
        size = min(CHUNK, draws - done)
        hit = statistic(*chunk(size), ref) >= seen * (1 - 1e-9)
        if reached + hit.sum() >= STOP:
            last = int(np.flatnonzero(hit)[STOP - reached - 1])
            return STOP / (done + last + 1), STOP
        reached += int(hit.sum())
        done += size
    return (reached + 1) / (draws + 1), reached


def slices(sizes: Whole) -> Iterator[slice]:
    start = 0
    for size in sizes.tolist():
        yield slice(start, start + size)
        start += size


class _Means:
    """Averages and blended variances of groups made by chance, (G, draws) a chunk.

    at, weight, count (K,): of each kind of row.
    """

    def __init__(
        self, at: Floats, weight: Floats, count: Floats, size: Floats, spread: float, rng: np.random.Generator,
        whole: bool,
    ) -> None:  # fmt: skip
        self.at, self.weight, self.size, self.spread, self.rng = at, weight, size, spread, rng
        self.pool = Pool(count)
        self.one = float(np.sum(count * (weight * at) ** 2) / count.sum())
        self.equal = bool((weight == 1).all())
        self.people = None
        if whole and count.sum() <= ROWS:
            self.people = np.repeat(np.arange(len(at)), np.rint(count).astype(np.int64))

    def chunk(self, draws: int) -> tuple[Floats, Floats]:
        sizes = np.maximum(np.rint(self.size), 1).astype(np.int64)
        mean, variance = np.empty((2, len(sizes), draws))
        if self.people is not None:
            rows = self.rng.permuted(np.broadcast_to(self.people, (draws, len(self.people))), axis=1)
            for g, part in enumerate(slices(sizes)):
                mean[g], variance[g] = self._of(rows[:, part], sizes[g])
            return mean, variance
        for g, size in enumerate(sizes.tolist()):
            if size > LARGE:
                mean[g] = self.rng.standard_normal(draws) * math.sqrt(self.one / size)
                variance[g] = self.one / size
            else:
                mean[g], variance[g] = self._of(self.pool.drawn((draws, size), self.rng), size)
        return mean, variance

    def _of(self, rows: Whole, size: int) -> tuple[Floats, Floats]:
        """rows (draws, size): which kind each row is of."""
        x = self.at[rows]
        if self.equal:
            mean = x.mean(axis=1)
            off = np.einsum("ij,ij->i", x, x) - size * mean**2
            return mean, (np.maximum(off, 0) + self.spread) / size**2
        w = self.weight[rows]
        whole = np.maximum(w.sum(axis=1), 1e-300)
        mean = np.einsum("ij,ij->i", w, x) / whole
        off = np.einsum("ij,ij->i", w * w, (x - mean[:, None]) ** 2)
        return mean, (off + self.spread * np.einsum("ij,ij->i", w, w) / size) / whole**2


class Pool:
    """Places of scores to draw from by their pooled distribution: np.searchsorted(cut, asked, "right") for numbers in
    [0, 1), by a guide table (Chen & Asau 1974) that answers at once wherever a cell of it holds no cut."""

    def __init__(self, count: Floats) -> None:
        self.cut = np.cumsum(count) / count.sum()
        # A power of two, so that a number's cell is computed without rounding.
        self.cells = 1 << min(max((16 * len(self.cut)).bit_length(), 8), 16)
        at = self.cut * self.cells
        least, most = (
            np.cumsum(np.bincount(np.minimum(ends, self.cells).astype(np.int64), minlength=self.cells + 1)[:-1])
            for ends in (np.ceil(at), np.floor(at))
        )
        self.last = len(self.cut) - 1
        self.place: Whole = np.where(least == most, np.minimum(least, self.last), -1)

    def places(self, asked: Floats) -> Whole:
        at: Whole = self.place.take((asked * self.cells).astype(np.int64))
        flat = at.reshape(-1)
        unsure = np.flatnonzero(flat < 0)
        indices = np.searchsorted(self.cut, asked.reshape(-1)[unsure], side="right")
        flat[unsure] = np.minimum(indices, self.last)
        return at

    def drawn(self, shape: tuple[int, int], rng: np.random.Generator) -> Whole:
        return self.places(rng.random(shape))


def pairs_of(groups: int, ref: int | None) -> int:
    return groups * (groups - 1) // 2 if ref is None else groups - 1


def widest(value: Floats, variance: Floats, ref: int | None) -> tuple[int, int]:
    pairs = [(i, j) for i, j in combinations(range(len(value)), 2) if ref is None or ref in (i, j)]
    return max(pairs, key=lambda p: float((value[p[0]] - value[p[1]]) ** 2 / (variance[p[0]] + variance[p[1]])))


def _tail_of_means(at: Floats, a: Floats, b: Floats) -> float:
    """A bound for the two-sided permutation p-value of one pair; a, b (S,) people per score."""
    if a.sum() > b.sum():
        a, b = b, a
    both, size = a + b, float(a.sum())
    share = both / both.sum()
    x = at - np.sum(share * at)
    spread = float(np.sum(share * x**2))
    if spread <= 0:
        return 1.0
    x /= math.sqrt(spread)
    away = float(np.sum(a * x) / size)
    if away < 0:
        x, away = -x, -away
    steps = away * np.geomspace(0.05, 20, 60)
    peak = x.max()
    # The logarithm of the moments' generating function, without overflow.
    log_mgf = np.log(np.exp(steps[:, None] * (x - peak)[None, :]) @ share) + steps * peak
    chernoff = math.log(2) + float(np.min(size * (log_mgf - steps * away)))
    z = away * math.sqrt(size) * math.sqrt((both.sum() - 1) / max(both.sum() - size, 1))
    skew = abs(float(np.sum(share * x**3)))
    return min(1.0, math.exp(max(min(chernoff, 0.0), -690.0)), normal_tail(z, skew, size))


def normal_tail(z: float, skew: float, size: float) -> float:
    """Two-sided, times the factor exp(skew z^3 / (3 sqrt n)) by which skewness can lengthen a tail."""
    log = math.log(2) + float(log_ndtr(-z)) + skew * z**3 / (3 * math.sqrt(size))
    return min(1.0, math.exp(max(min(log, 0.0), -690.0)))
