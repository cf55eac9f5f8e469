"""Intervals for one rate, for the difference of two, and for their ratio. All arrays broadcast.

Wilson (1927); Newcombe (1998), hybrid score interval, his method 10; Donner & Zou (2012), MOVER-R.
n may be an effective sample size and need not be whole.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Numbers = npt.ArrayLike
Limited = tuple[Floats, Floats, Floats]
"""Rates with their lower and upper limits."""


def two_sided(alpha: float) -> float:
    """The normal critical value; scipy.stats.norm.ppf gives the same number at some 300 times the cost."""
    return float(ndtri(1 - alpha / 2))


def wilson(x: Numbers, n: Numbers, alpha: float = 0.05) -> tuple[Floats, Floats]:
    """Limits of x / n; NaN where n is 0."""
    x, n = np.asarray(x, dtype=np.float64), np.asarray(n, dtype=np.float64)
    return score_limits(_share(x, n), n, two_sided(alpha))


def _share(x: Numbers, n: Floats) -> Floats:
    """x / n; NaN where n is 0."""
    x = np.asarray(x, dtype=np.float64)
    share: Floats = np.divide(x, n, out=np.full(np.broadcast(x, n).shape, np.nan), where=n > 0)
    return share


def score_limits(share: Floats, n: Floats, z: Floats | float) -> tuple[Floats, Floats]:
    """Wilson's limits at a critical value z."""
    n = np.where(n > 0, n, np.nan)
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(np.maximum(share * (1 - share), 0) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    # At the edges centre and half are equal but for rounding, which must not put the rate outside its interval.
    low = np.where(share == 0, 0.0, np.clip(centre - half, 0, 1))
    high = np.where(share == 1, 1.0, np.clip(centre + half, 0, 1))
    return np.where(np.isnan(share), np.nan, low), np.where(np.isnan(share), np.nan, high)


def newcombe(x1: Numbers, n1: Numbers, x2: Numbers, n2: Numbers, alpha: float = 0.05) -> tuple[Floats, Floats]:
    """Limits of x1 / n1 - x2 / n2; NaN where n1 or n2 is 0."""
    z = two_sided(alpha)
    n1, n2 = np.asarray(n1, dtype=np.float64), np.asarray(n2, dtype=np.float64)
    return difference_limits(_share(x1, n1), n1, _share(x2, n2), n2, z)


def difference_limits(
    p1: Floats, n1: Floats, p2: Floats, n2: Floats, z: float, r: Floats | None = None
) -> tuple[Floats, Floats]:
    """Newcombe's limits of p1 - p2 at a critical value z. r: the correlation of the two (Zou & Donner 2008)."""
    return _difference((p1, *score_limits(p1, n1, z)), (p2, *score_limits(p2, n2, z)), r)


def differences_of(
    p: Floats, n: Floats, i: Whole, j: Whole, z: float, r: Floats | None = None
) -> tuple[Floats, Floats]:
    """`difference_limits` of the pairs i, j (P,) of groups with rates p of n (G,): each group's own limits once."""
    each = (p, *score_limits(p, n, z))
    return _difference(_at(each, i), _at(each, j), r)


def _at(each: Limited, place: Whole) -> Limited:
    p, low, high = each
    return p[place], low[place], high[place]


def _difference(first: Limited, second: Limited, r: Floats | None) -> tuple[Floats, Floats]:
    (p1, l1, u1), (p2, l2, u2) = first, second
    d = p1 - p2
    return d - _apart(p1 - l1, u2 - p2, r), d + _apart(u1 - p1, p2 - l2, r)


def _apart(a: Floats, b: Floats, r: Floats | None) -> Floats:
    """The distance of two estimates from their own distances to their limits."""
    if r is None:
        return np.hypot(a, b)
    distance: Floats = np.sqrt(np.maximum(a**2 - 2 * r * a * b + b**2, 0.0))
    return distance


def ratio_interval(x1: Numbers, n1: Numbers, x2: Numbers, n2: Numbers, alpha: float = 0.05) -> tuple[Floats, Floats]:
    """Limits of (x1 / n1) / (x2 / n2); the upper one is infinite where the lower limit of the denominator is 0.

    NaN where n1 or n2 is 0; a share over a share of 0 has only a lower limit, and 0 over 0 is 0 to infinity: nothing
    is known of it.
    """
    z = two_sided(alpha)
    n1, n2 = np.asarray(n1, dtype=np.float64), np.asarray(n2, dtype=np.float64)
    return ratio_limits(_share(x1, n1), n1, _share(x2, n2), n2, z)


def ratio_limits(
    p1: Floats, n1: Floats, p2: Floats, n2: Floats, z: float, r: Floats | None = None
) -> tuple[Floats, Floats]:
    """MOVER-R limits of p1 / p2 from Wilson's limits of each, at a critical value z. r: the correlation of the two."""
    return _ratio((p1, *score_limits(p1, n1, z)), (p2, *score_limits(p2, n2, z)), r)


def ratios_of(p: Floats, n: Floats, i: Whole, j: Whole, z: float, r: Floats | None = None) -> tuple[Floats, Floats]:
    """`ratio_limits` of the pairs i, j (P,) of groups with rates p of n (G,): each group's own limits once."""
    each = (p, *score_limits(p, n, z))
    return _ratio(_at(each, i), _at(each, j), r)


def _ratio(first: Limited, second: Limited, r: Floats | None) -> tuple[Floats, Floats]:
    (p1, l1, u1), (p2, l2, u2) = first, second
    product = p1 * p2
    below = above = product
    if r is not None:
        below, above = product - r * (p1 - l1) * (u2 - p2), product - r * (u1 - p1) * (p2 - l2)
    with np.errstate(divide="ignore", invalid="ignore"):
        low = (below - np.sqrt(np.maximum(below**2 - l1 * u2 * (2 * p1 - l1) * (2 * p2 - u2), 0))) / (
            u2 * (2 * p2 - u2)
        )
        high = (above + np.sqrt(np.maximum(above**2 - u1 * l2 * (2 * p1 - u1) * (2 * p2 - l2), 0))) / (
            l2 * (2 * p2 - l2)
        )
        # 2 p2 - u2 can be 0 or negative for a small p2; the plain ratio of limits is then wider and always defined.
        low = np.where((2 * p2 - u2 > 0) & np.isfinite(low), low, np.divide(l1, u2))
        high = np.where(l2 > 0, high, np.where(np.isnan(product), np.nan, np.inf))
    return np.maximum(low, 0.0), high
