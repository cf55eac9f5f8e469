"""Every pair of groups by itself: limits that hold for all pairs at once, an exact p-value each, one adjustment of all.

Intervals: Newcombe's (difference) and MOVER-R (ratio) at the 1 - alpha quantile of the largest studentised |deviation|
over the pairs, in parametric draws at the measured rates (Hothorn, Bretz & Westfall 2008). Two-sided, so that a pair's
interval may hold 0. p: exact permutation mid-p of the two groups alone. Adjustment: Holm (1979) with weights: each
comparison (attribute and rate) has the same share of alpha and divides it among its pairs, so that an attribute with
many groups does not cost one with two.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr, stdtrit

from audit.stats.draws import canonical, largest_of
from audit.stats.exact import LEAST, joined, two_groups
from audit.stats.gap import MANY
from audit.stats.intervals import difference_limits, two_sided

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]


def critical_value(
    x: npt.ArrayLike, n: npt.ArrayLike, pairs: Whole, *, seed: int, draws: int = 2000, alpha: float = 0.05,
    joint: Floats | None = None,
) -> float:  # fmt: skip
    """The critical value for all `pairs` (2, P) of groups with x of n (G,) at once; n above 0, whole or not.

    joint: correlations (G, G) of the groups' rates, where they share people.
    """
    x, n = np.asarray(x, dtype=np.float64), np.asarray(n, dtype=np.float64)
    count = pairs.shape[1]
    if count < 2:
        return two_sided(alpha)
    if len(n) > MANY:
        return two_sided(alpha / count)
    # Who stands in most pairs (a reference) goes before its like.
    order, counts = canonical(x, n, -np.bincount(pairs.ravel(), minlength=len(n)))
    place = np.empty(len(n), dtype=np.int64)
    place[order] = np.arange(len(n))
    met = np.sort(place[pairs], axis=0)
    met = np.ascontiguousarray(met[:, np.lexsort(met[::-1])])
    joint_bytes = b"" if joint is None else np.ascontiguousarray(joint[np.ix_(order, order)]).tobytes()
    largest = largest_of(counts.tobytes(), n[order].tobytes(), met.tobytes(), seed, draws, 1 - alpha, joint_bytes)
    return max(float(np.quantile(largest, 1 - alpha)), two_sided(alpha))


def pair_p(x1: float, n1: float, x2: float, n2: float, r: float = 0.0) -> float:
    """Exact mid-p of two groups (`two_groups`); effective counts are rounded. r: the correlation of their rates."""
    if r:
        k = joined(n1, n2, r)
        x1, n1, x2, n2 = k * x1, k * n1, k * x2, k * n2
    if x1 + x2 > (n1 + n2) / 2:
        # One side, so that rounding does not tell a rate from its complement, nor from the test of all groups.
        x1, x2 = n1 - x1, n2 - x2
    a, b = max(round(n1), 1), max(round(n2), 1)
    return two_groups(min(max(round(x1), 0), a), a, min(max(round(x2), 0), b), b)


def named_rates(
    x: npt.ArrayLike, n: npt.ArrayLike, i: int, j: int, *, seed: int, draws: int = 2000, alpha: float = 0.05
) -> tuple[float, float, float]:
    """Of two of the groups with x of n (G,), named because they are the furthest apart: limits of the difference of
    their rates, and their own p-value, both paid for all pairs of groups.
    """
    x, n = np.asarray(x, dtype=np.float64), np.asarray(n, dtype=np.float64)
    some = np.flatnonzero(n > 0)
    every = some[np.array(np.triu_indices(len(some), 1), dtype=np.int64)]
    place = np.searchsorted(some, every)
    z = critical_value(x[some], n[some], place, seed=seed, draws=draws, alpha=alpha)
    low, high = difference_limits(x[i] / n[i], n[i], x[j] / n[j], n[j], z)
    return float(low), float(high), min(1.0, every.shape[1] * pair_p(x[i], n[i], x[j], n[j]))


def named_averages(
    means: npt.ArrayLike, errors: npt.ArrayLike, sizes: npt.ArrayLike, i: int, j: int, alpha: float = 0.05
) -> tuple[float, float, float]:
    """The same of averages (G,) with standard errors from so many people each; NaN takes no part. Welch's (1947) limits
    and test, by Bonferroni's inequality over all pairs.
    """
    mean, error, size = (np.asarray(v, dtype=np.float64) for v in (means, errors, sizes))
    known = int((np.isfinite(mean) & np.isfinite(error)).sum())
    pairs = known * (known - 1) // 2
    of_i, of_j = error[i] ** 2, error[j] ** 2
    free = (of_i + of_j) ** 2 / (of_i**2 / (size[i] - 1) + of_j**2 / (size[j] - 1))
    both, apart = float(np.sqrt(of_i + of_j)), float(mean[i] - mean[j])
    half = float(stdtrit(free, 1 - alpha / (2 * pairs))) * both
    return apart - half, apart + half, min(1.0, max(2 * pairs * float(stdtr(free, -abs(apart) / both)), LEAST))


def weighted_holm(p: Sequence[float], weight: Sequence[float], beside: float = 0.0) -> Floats:
    """Adjusted p-values in the order given (Holm 1979, section 4: hypotheses with weights).

    beside: the weight of further hypotheses whose p-values are not at hand; they are taken as 1, which only costs.
    """
    values, w = np.asarray(p, dtype=np.float64), np.asarray(weight, dtype=np.float64)
    order = np.argsort(values / w, kind="stable")
    left = np.cumsum(w[order][::-1])[::-1] + beside
    out = np.empty(len(values))
    out[order] = np.minimum(np.maximum.accumulate(left * values[order] / w[order]), 1.0) if len(order) else []
    return out
