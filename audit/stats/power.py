"""What an audit can see: the power of the test of two rates, the smallest gap it finds, and how many people that takes.

The test of two proportions with the pooled variance where groups are alike and the rates' own variances at a gap
(Fleiss, Levin & Paik 2003, section 4.2; statsmodels' power_proportions_2indep). Sizes are effective ones: independent
people.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

Floats = npt.NDArray[np.float64]
Numbers = npt.ArrayLike
STEPS = 50
MOST_PEOPLE = 10**9


def power_of(rate: Numbers, other: Numbers, n: Numbers, m: Numbers, alpha: Numbers = 0.05) -> Floats:
    """How often a two-sided test at `alpha` tells `rate` among n people from `other` among m; arrays broadcast."""
    p, q, n, m = (np.asarray(v, dtype=np.float64) for v in (rate, other, n, m))
    pooled = (n * p + m * q) / (n + m)
    alike = np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    apart = np.sqrt(p * (1 - p) / n + q * (1 - q) / m)
    z = ndtri(1 - np.asarray(alpha) / 2)
    d = np.abs(p - q)
    with np.errstate(divide="ignore", invalid="ignore"):
        power: Floats = ndtr((d - z * alike) / apart) + ndtr((-d - z * alike) / apart)
    # Both rates at 0 or 1: nothing varies, and what is apart is seen.
    return np.where(apart > 0, power, np.where(d > 0, 1.0, alpha))


def smallest_gap(other: Numbers, n: Numbers, m: Numbers, alpha: Numbers = 0.05, power: float = 0.8) -> Floats:
    """The smallest gap to a group of m people with the rate `other` that is seen among n people with this power.

    Up or down, whichever needs the wider gap; where one way has no room (a rate of .05 cannot fall by .1), the other
    way. NaN where no gap at all would be seen so often, or nobody is counted.
    """
    q, n, m = np.broadcast_arrays(*(np.asarray(v, dtype=np.float64) for v in (other, n, m)))
    counted = (n > 0) & (m > 0)
    n, m = np.where(counted, n, 1.0), np.where(counted, m, 1.0)
    # Down and up at once, (2, ...).
    sign, room = np.stack([np.full_like(q, -1.0), np.ones_like(q)]), np.stack([q, 1 - q])
    reach = power_of(q + sign * room, q, n, m, alpha) >= power
    low, high = np.zeros_like(room), room.copy()
    for _ in range(STEPS):
        middle = (low + high) / 2
        enough = power_of(q + sign * middle, q, n, m, alpha) >= power
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    ways = np.where(reach & (room > 0), high, np.nan)
    return np.where(counted, np.fmax(ways[0], ways[1]), np.nan)


def people_needed(
    rate: float, gap: float, shares: Numbers, alpha: float = 0.05, power: float = 0.8
) -> npt.NDArray[np.int64] | None:
    """The fewest people per group (G,), in these shares, so that a gap between any two groups is seen so often.

    The level is alpha over the number of pairs (Bonferroni). One group has `rate`, the other rate - gap or rate + gap,
    whichever takes more people of those that are rates. None where more than MOST_PEOPLE are needed.
    """
    part = np.asarray(shares, dtype=np.float64)
    part = part / part.sum()
    i, j = np.triu_indices(len(part), 1)
    level = alpha / len(i)
    others = [v for v in (rate - gap, rate + gap) if -1e-12 <= v <= 1 + 1e-12]

    def groups(total: int) -> npt.NDArray[np.int64]:
        sizes: npt.NDArray[np.int64] = np.maximum(np.ceil(part * total - 1e-9), 1).astype(np.int64)
        return sizes

    def enough(total: int) -> bool:
        n = groups(total).astype(np.float64)
        return all(
            bool((power_of(np.clip(v, 0, 1), rate, n[a], n[b], level) >= power).all())
            for v in others
            for a, b in ((i, j), (j, i))
        )

    most = 2
    while not enough(most):
        most *= 2
        if most > MOST_PEOPLE:
            return None
    low = most // 2
    while most - low > 1:
        middle = (low + most) // 2
        low, most = (low, middle) if enough(middle) else (middle, most)
    return groups(most)
