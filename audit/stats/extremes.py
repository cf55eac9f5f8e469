"""Of many groups, the pairs among which the widest gap and its limits must be: the rest cannot reach what these do.

The limits of a pair are put together from those of its two groups (Newcombe, MOVER-R). Since (a + b) / sqrt(2) <=
hypot(a, b) <= a + b, each has a bound that is one term of the one group and one of the other, and a group whose term
falls short of a pair that was looked at, even beside the best other group, is in no pair that counts.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from audit.stats.intervals import difference_limits, ratio_limits, score_limits

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Wanted = tuple[tuple[Floats, Floats, Callable[[Whole, Whole], Floats]], ...]
"""Terms of the first and of the second group whose difference (ratio) bounds a value of both, and that value."""

FROM = 60
"""Groups from which on pairs are chosen; below, all of them are as fast."""
SLACK = 1e-9
HALF = np.sqrt(0.5)


def of_differences(p: Floats, n: Floats, critical: float, z: float) -> tuple[Whole, Whole]:
    """Pairs (i, j) that hold the largest p_i - p_j, its largest lower limit at `critical` and upper limit at `z`."""
    low, high = score_limits(p, n, critical)
    wide_low, wide_high = score_limits(p, n, z)
    i, j = np.zeros(len(p), dtype=bool), np.zeros(len(p), dtype=bool)
    wanted: Wanted = (
        (
            p - HALF * (p - low),
            p + HALF * (high - p),
            lambda a, b: difference_limits(p[a], n[a], p[b], n[b], critical)[0],
        ),
        (wide_high, wide_low, lambda a, b: difference_limits(p[a], n[a], p[b], n[b], z)[1]),
        (p, p, lambda a, b: p[a] - p[b]),
    )  # fmt: skip
    for mine, its, value in wanted:
        reached = float(value(*_ends(-mine, its)).max()) - SLACK
        i |= mine - its.min() >= reached
        j |= mine.max() - its >= reached
    return _pairs(i, j)


def of_ratios(p: Floats, n: Floats, critical: float, z: float) -> tuple[Whole, Whole]:
    """Pairs (i, j), p_j above 0, that hold the least p_i / p_j, its least lower limit at `z` and upper one at
    `critical`."""
    some = np.flatnonzero(p > 0)
    wide_low, wide_high = score_limits(p, n, z)
    low, high = score_limits(p, n, critical)
    i, j = np.zeros(len(p), dtype=bool), np.zeros(len(p), dtype=bool)
    wanted: Wanted = (
        (wide_low, wide_high, lambda a, b: ratio_limits(p[a], n[a], p[b], n[b], z)[0]),
        (p + HALF * (high - p), p - HALF * (p - low), lambda a, b: ratio_limits(p[a], n[a], p[b], n[b], critical)[1]),
        (p, p, lambda a, b: p[a] / p[b]),
    )  # fmt: skip
    for mine, its, value in wanted:
        first, second = _ends(mine, np.where(p > 0, -its, np.inf))
        use = p[second] > 0
        first, second = first[use], second[use]
        ratios = value(first, second)
        if ratios.min() == 0:  # nothing is less
            least = int(ratios.argmin())
            i[first[least]] = j[second[least]] = True
            if mine is not p:
                continue
        reached = float(ratios.min()) * (1 + SLACK) + 1e-11
        i |= mine <= reached * its[some].max()
        j[some] |= mine.min() <= reached * its[some]
    first, second = _pairs(i, j)
    use = p[second] > 0
    return first[use], second[use]


def _ends(first: Floats, second: Floats) -> tuple[Whole, Whole]:
    """Pairs of the groups with the two least of `first` and the two least of `second`, none with itself."""
    i, j = np.meshgrid(np.argsort(first, kind="stable")[:2], np.argsort(second, kind="stable")[:2], indexing="ij")
    other = i != j
    return i[other], j[other]


def _pairs(first: Mask, second: Mask) -> tuple[Whole, Whole]:
    """All pairs of one of the first and one of the second, in the order of all pairs, then of these turned round."""
    i, j = (a.ravel() for a in np.meshgrid(np.flatnonzero(first), np.flatnonzero(second), indexing="ij"))
    i, j = i[i != j], j[i != j]
    order = np.lexsort((np.maximum(i, j), np.minimum(i, j), i > j))
    return i[order], j[order]
