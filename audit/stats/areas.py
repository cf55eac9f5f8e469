"""The area under the ROC curve from counts per score, and its interval."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from audit.stats.intervals import wilson
from audit.stats.permute_areas import blended

Floats = npt.NDArray[np.float64]


def area_under_curve(
    positives: npt.ArrayLike,
    negatives: npt.ArrayLike,
    squares: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
) -> tuple[float, float]:
    """ROC area and its standard error from counts per score, lowest score first, each (S,); ties count one half.

    DeLong, DeLong & Clarke-Pearson (1988) on grouped scores. With sums of weights for counts, `squares` are the sums of
    squared weights, and the error is that of the linearised area. NaN where a side is empty; the error is NaN where a
    side has one person (effectively, Kish 1965).
    """
    p, n = np.asarray(positives, dtype=np.float64), np.asarray(negatives, dtype=np.float64)
    p2, n2 = (p, n) if squares is None else (np.asarray(s, dtype=np.float64) for s in squares)
    m, k = p.sum(), n.sum()
    if m <= 0 or k <= 0:
        return float("nan"), float("nan")
    below = (np.cumsum(n) - n + n / 2) / k
    above = (m - np.cumsum(p) + p / 2) / m
    area = float(np.sum(p * below) / m)
    people = (m**2 / p2.sum(), k**2 / n2.sum())
    if min(people) <= 1:
        return area, float("nan")
    of_p = np.sum(p2 * (below - area) ** 2) / m**2 * people[0] / (people[0] - 1)
    of_n = np.sum(n2 * (above - area) ** 2) / k**2 * people[1] / (people[1] - 1)
    return area, float(np.sqrt(of_p + of_n))


def area_interval(
    positives: npt.ArrayLike,
    negatives: npt.ArrayLike,
    alpha: float = 0.05,
    squares: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    exact: float | None = None,
) -> tuple[float, float, float, float]:
    """ROC area, its lower and upper limit, and a standard error that is never 0; counts as in area_under_curve.

    exact: the area itself, where the counts are of bins and it is known. area +- z DeLong errors holds the truth far
    too seldom near 1 and in small groups: a perfect area of five people a side would have the "interval" 1 to 1. Here
    DeLong's variance is blended, with the weight of one person of the smaller side, with the largest variance that an
    area allows, area (1 - area) / smaller side (Birnbaum & Klose 1957), and the limits are Wilson's on the number of
    people that this variance stands for. An area of exactly 0 or 1 stands for the people of the smaller side, and its
    error is that of Agresti & Coull (1998). docs/coverage.md has the figures. NaN where DeLong has none.
    """
    area, error = area_under_curve(positives, negatives, squares)
    if exact is not None and np.isfinite(exact):
        area = float(exact)
    if not np.isfinite(error):
        return area, float("nan"), float("nan"), float("nan")
    p2, n2 = (positives, negatives) if squares is None else squares
    smaller = float(min(np.sum(p) ** 2 / np.sum(p2) for p, p2 in ((positives, p2), (negatives, n2))))
    variance = float(blended(np.float64(area), np.float64(error**2), np.float64(smaller)))
    if 1e-9 < area < 1 - 1e-9:
        low, high = wilson(area * area * (1 - area) / variance, area * (1 - area) / variance, alpha)
    else:
        low, high = wilson(area * smaller, smaller, alpha)
    return area, float(np.minimum(low, area)), float(np.maximum(high, area)), float(np.sqrt(variance))
