"""The widest gap of averages or areas from each group's own limits, as audit.stats.gap has it of rates.

A pair's limits are put together from the two groups' own (MOVER: Zou & Donner 2008, Donner & Zou 2012), so that they
follow skewed scores, small groups and areas near 1 as the groups' do. The simultaneous critical value comes from draws.
What is said of the two groups named is theirs: limits of every pair at once, and the test of these two alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from audit.numbers import brief
from audit.stats.gap import MANY, GapResult, ends, falls_short, two_step
from audit.stats.intervals import two_sided
from audit.stats.widest import widest

Floats = npt.NDArray[np.float64]
Limits = Callable[[float], tuple[Floats, Floats]]


def limits_gap(
    values: Floats,
    errors: Floats,
    limits: Limits,
    *,
    p_value: Callable[[list[int], int | None], float],
    kind: str = "difference",
    seed: int = 0,
    draws: int = 2000,
    alpha: float = 0.05,
    reference: int | None = None,
    what: str,
    how: str,
) -> GapResult:
    """The widest gap of values (G,) with standard errors (G,) and limits(alpha) -> low, high (G,); NaN takes no part.

    p_value: of the groups that take part, by their indexes and the reference's place among them; asked again of the two
    groups that are named alone. how: whose limits and which test, in words.
    """
    usable = np.isfinite(values) & np.isfinite(errors)
    left_out = tuple(int(g) for g in np.flatnonzero(~usable))
    over = "all pairs of groups" if reference is None else "all groups against the reference"
    sign = "lowest / highest" if kind == "ratio" else "highest - lowest"
    method = f"{sign} of {what} over {over}; {brief(100 * (1 - alpha))} % simultaneous {how}, seed {seed}"

    def none(reason: str) -> GapResult:
        return GapResult(None, None, None, None, None, None, None, method, False, reason, left_out)

    groups = np.flatnonzero(usable)
    if len(groups) < 2 or (reference is not None and reference not in groups):
        return none(f"fewer than two groups have {what} with a known error")
    ref = None if reference is None else int(np.flatnonzero(groups == reference)[0])
    v = values[groups]
    if kind == "ratio" and (v <= 0).any():
        return none(f"a ratio needs {what} above 0 in every group")

    def own(alpha: float) -> tuple[Floats, Floats]:
        low, high = limits(alpha)
        return low[groups], high[groups]

    i, j = np.nonzero(~np.eye(len(groups), dtype=bool))
    if ref is not None:
        i, j = i[(i == ref) | (j == ref)], j[(i == ref) | (j == ref)]
    pairs = np.array([i[i < j], j[i < j]])
    _, z = ends(pairs.shape[1], alpha)
    critical, every = z, two_sided(alpha)
    if len(v) > MANY:
        critical = every = two_sided(alpha / pairs.shape[1])
    elif pairs.shape[1] > 1:
        critical, every = _critical(v, errors[groups], own, pairs, ref, seed, draws, alpha)
    (l1, u1), (l2, u2), (l3, u3) = (own(_level(c)) for c in (critical, z, every))
    d = v[i] - v[j]
    k = int((v[j] / v[i]).argmin() if kind == "ratio" else d.argmax())
    a, b = i[k], j[k]
    two = groups[[a, b]].tolist()
    p = p_value(groups.tolist(), ref)
    named: dict[str, Any] = {"pair_p": p if pairs.shape[1] == 1 else p_value(two, None), "pairs": pairs.shape[1]}
    if kind == "ratio":
        # Of i over j, both ends below 1 where i is the lower one.
        low = float(ratio_of(v[i], l2[i], u2[i], v[j], l2[j], u2[j])[0].min())
        high = float(ratio_of(v[i], l1[i], u1[i], v[j], l1[j], u1[j])[1].min())
        value = float(v[b] / v[a])
        low, high = min(low, value), max(min(high, 1.0), value)
        near, far = (float(e) for e in ratio_of(v[b], l3[b], u3[b], v[a], l3[a], u3[a]))
    else:
        low = float((d - np.hypot(v[i] - l1[i], u1[j] - v[j])).max())
        high = float((d + np.hypot(u2[i] - v[i], v[j] - l2[j])).max())
        value = float(d[k])
        low, high = min(max(low, 0.0), value), max(high, value)
        near = value - float(np.hypot(v[a] - l3[a], u3[b] - v[b]))
        far = value + float(np.hypot(u3[a] - v[a], v[b] - l3[b]))
    named |= {"pair_low": near, "pair_high": far}
    return GapResult(value, low, high, p, two[0], two[1], 0, method, True, None, left_out, **named)


def _level(z: float) -> float:
    """The two-sided alpha of a critical value."""
    return float(2 * ndtr(-z))


def _critical(
    v: Floats, errors: Floats, own: Limits, pairs: npt.NDArray[np.int64], ref: int | None, seed: int, draws: int,
    alpha: float,
) -> tuple[float, float]:  # fmt: skip
    """Of the low end of the widest gap, and of both ends of every pair at once."""
    scale = np.maximum(errors, max(float(errors.max()), 1e-300) * 1e-9)
    off = np.random.default_rng(seed).standard_normal((draws, len(v)))
    # The largest first, so that groups renamed meet the same draws.
    place = np.empty(len(v), dtype=np.int64)
    place[np.lexsort((v, scale))] = np.arange(len(v))
    off = np.ascontiguousarray((off[:, place] * scale).T)

    def short(critical: float) -> Floats:
        low, high = own(_level(critical))
        reach = np.hypot((v - low)[:, None], (high - v)[None, :])
        return falls_short(v[:, None] - v[None, :] - reach, pairs)

    variance = np.ascontiguousarray(np.broadcast_to((scale**2)[:, None], off.shape))
    largest = widest(off, variance, pairs, 1 - alpha)
    low_end = two_step(off, variance, pairs, short if ref is None else None, alpha, largest=largest)
    return low_end, two_step(off, variance, pairs, None, alpha, largest=largest) if ref is None else low_end


def ratio_of(p1: Floats, l1: Floats, u1: Floats, p2: Floats, l2: Floats, u2: Floats) -> tuple[Floats, Floats]:
    """MOVER-R limits of p1 / p2, both above 0, from each one's own; the upper one is infinite where l2 is 0 or less."""
    l1, l2 = np.maximum(l1, 0.0), np.maximum(l2, 0.0)
    product = p1 * p2
    with np.errstate(divide="ignore", invalid="ignore"):
        below, above = u2 * (2 * p2 - u2), l2 * (2 * p2 - l2)
        low = (product - np.sqrt(np.maximum(product**2 - l1 * (2 * p1 - l1) * below, 0))) / below
        high = (product + np.sqrt(np.maximum(product**2 - u1 * (2 * p1 - u1) * above, 0))) / above
        low = np.where((below > 0) & np.isfinite(low), low, l1 / u2)
        high = np.where(l2 > 0, high, np.inf)
    return np.maximum(low, 0.0), high
