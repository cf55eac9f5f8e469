"""The widest of many pairs in each of many draws, without looking at what cannot be it. Every number is that of looking
at all pairs of all draws, to the last bit.

With z a group's deviation over its standard error, |a - b| / sqrt(va + vb) is at most sqrt(up^2 + down^2) with up the
largest z above 0 and down the largest below (Cauchy-Schwarz). A quantile near the end needs the largest draws alone, so
draws are looked at in the order of that bound until no further one can be among them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

BLOCK = 1 << 14
"""Numbers looked at in one go: they stay in the processor's cache."""
SLACK = 1e-9
"""Of a bound, for rounding."""
LEAST_JOINED = 100
"""What a correlation may take of a variance: all but so many parts."""


def spread(a: Floats, b: Floats, r: Floats | float) -> Floats:
    """The variance of a difference; never under a hundredth of what it would be of two independent ones."""
    variance: Floats = np.maximum(a + b - 2 * r * np.sqrt(a * b), (a + b) / LEAST_JOINED)
    return variance


def widest(
    off: Floats, variance: Floats, pairs: Whole, above: float, away: Floats | None = None, joint: Floats | None = None
) -> Floats:
    """Of each draw the largest (|off_i - off_j| - away) / sqrt(variance_i + variance_j) over the `pairs` (2, P).

    off, variance (G, draws); away (P,), not below 0; joint (G, G) correlations. A number (draws,) each where it is
    among the share 1 - above of the largest, so that quantiles from `above` on are right; else that or -inf.
    """
    many = off.shape[1]
    if pairs.shape[1] * many <= BLOCK or joint is not None or not (variance > 0).all():
        return _each(off, variance, pairs, away, joint)
    z = off / np.sqrt(variance)
    bound = np.hypot(np.maximum(z.max(axis=0), 0), np.maximum(-z.min(axis=0), 0)) * (1 + SLACK) + SLACK
    order = np.argsort(-bound, kind="stable")
    wanted = many - int(np.floor((many - 1) * above)) + 1
    out = np.full(many, -np.inf)
    usual, at, size = pairs, 0, max(2 * wanted, 64)
    mine = away
    least = np.sqrt(variance.max(axis=1)[pairs].sum(axis=0))
    while at < many:
        chosen = order[at : at + size]
        out[chosen] = _each(off[:, chosen], variance[:, chosen], usual, mine, None)
        at += size
        if at >= many:
            break
        reached = float(np.partition(out, many - wanted)[many - wanted])
        left = float(bound[order[at]])
        if left < reached:
            break
        if away is not None:
            near = left - away / least + SLACK >= reached
            usual, mine = pairs[:, near], away[near]
            if not near.any():
                break
    return out


def _each(off: Floats, variance: Floats, pairs: Whole, away: Floats | None, joint: Floats | None) -> Floats:
    """All pairs of all draws, so many draws at a time as the cache holds."""
    i, j = pairs
    r = None if joint is None else joint[i, j][:, None]
    out = np.empty(off.shape[1])
    step = max(1, BLOCK // max(len(i), 1))
    for start in range(0, len(out), step):
        here = slice(start, start + step)
        mine, its = off[:, here], variance[:, here]
        far = mine[i]
        far -= mine[j]
        np.abs(far, out=far)
        if away is not None:
            far -= away[:, None]
        both = its[i]
        if r is None:
            both += its[j]
        else:
            both = spread(both, its[j], r)
        np.sqrt(both, out=both)
        far /= both
        far.max(axis=0, out=out[here])
    return out


def beyond(star: Floats, whole: Whole, rate: float, pairs: Whole, scale: Floats, observed: float) -> tuple[int, int]:
    """Of draws (G, draws): how many have a pair with |a - b| * scale above `observed`, and how many one just there.

    scale (P,): 1 / sqrt(1 / n_i + 1 / n_j); rate: what all groups share, from which the bound takes deviations.
    """
    i, j = pairs
    factor = np.zeros((len(whole), len(whole)))
    factor[i, j] = factor[j, i] = scale
    far = (star - rate) * np.sqrt(whole)[:, None]
    top, bottom = far.argmax(axis=0), far.argmin(axis=0)
    each = np.arange(star.shape[1])
    up, down = np.maximum(far[top, each], 0), np.maximum(-far[bottom, each], 0)
    # The two ends are one pair: where they are beyond, so is the widest.
    sure = np.abs(star[top, each] - star[bottom, each]) * factor[top, bottom] > observed + 1e-9
    ask = np.flatnonzero(~sure & (up**2 + down**2 >= observed**2 - 1e-6))
    above, level = int(sure.sum()), 0
    reach = np.maximum(up, down) ** 2
    for draw in ask.tolist() if len(i) > BLOCK else ():
        here = np.flatnonzero(far[:, draw] ** 2 >= observed**2 - reach[draw] - 1e-6)
        share = star[here, draw]
        largest = float((np.abs(share[:, None] - share) * factor[np.ix_(here, here)]).max())
        above += int(largest > observed + 1e-9)
        level += int(abs(largest - observed) <= 1e-9)
    step = max(1, BLOCK // max(len(i), 1))
    for start in range(0, len(ask) if len(i) <= BLOCK else 0, step):
        mine = star[:, ask[start : start + step]]
        apart = mine[i]
        apart -= mine[j]
        np.abs(apart, out=apart)
        apart *= scale[:, None]
        largest_of = apart.max(axis=0)
        above += int(np.sum(largest_of > observed + 1e-9))
        level += int(np.sum(np.abs(largest_of - observed) <= 1e-9))
    return above, level
