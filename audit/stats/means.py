"""Averages and areas: an interval each, and the widest gap of many groups in the spirit of audit.stats.gap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.stats import chi2

from audit.stats.gap import GapResult, ends, falls_short, two_step
from audit.stats.intervals import two_sided, wilson

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]


def mean_interval(mean: npt.ArrayLike, error: npt.ArrayLike, alpha: float = 0.05) -> tuple[Floats, Floats]:
    """Normal limits of an average with standard error `error`."""
    mean, half = (
        np.asarray(mean, dtype=np.float64),
        two_sided(alpha) * np.asarray(error, dtype=np.float64),
    )
    return mean - half, mean + half


def mean_gap(
    means: npt.ArrayLike,
    errors: npt.ArrayLike,
    *,
    kind: str = "difference",
    seed: int = 0,
    draws: int = 2000,
    alpha: float = 0.05,
    reference: int | None = None,
    what: str = "averages",
) -> GapResult:
    """The widest gap of independent averages (G,) with standard errors (G,); NaN takes no part.

    low: the largest simultaneous lower limit over pairs (critical value from normal draws); high: the largest of the
    pairs' own upper limits; p-value: chi-square test of homogeneity (Cochran 1954). A ratio needs averages above 0.
    """
    means, errors = np.asarray(means, dtype=np.float64), np.asarray(errors, dtype=np.float64)
    usable = np.isfinite(means) & np.isfinite(errors) & (errors > 0)
    left_out = tuple(int(g) for g in np.flatnonzero(~usable))
    over = "all pairs of groups" if reference is None else "all groups against the reference"
    sign = "lowest / highest" if kind == "ratio" else "highest - lowest"
    method = (
        f"{sign} of {what} over {over}; {100 * (1 - alpha):g} % simultaneous normal interval from {draws} draws, "
        f"seed {seed}; chi-square p-value"
    )

    def none(reason: str) -> GapResult:
        return GapResult(None, None, None, None, None, None, None, method, False, reason, left_out)

    groups = np.flatnonzero(usable)
    if len(groups) < 2 or (reference is not None and reference not in groups):
        return none(f"fewer than two groups have {what} with a known error")
    m, se = means[groups], errors[groups]
    if kind == "ratio":
        if (m <= 0).any():
            return none(f"a ratio needs {what} above 0 in every group")
        m, se = np.log(m), se / m
    i, j = np.array(_ordered(len(groups), None if reference is None else int(np.flatnonzero(groups == reference)[0]))).T
    error = np.hypot(se[i], se[j])
    rng = np.random.default_rng(seed)
    _, z = ends(len(i) // 2, alpha)
    critical = z if len(i) == 2 else _critical(m, se, i, j, reference is None, rng, draws, alpha)
    d = m[i] - m[j]
    k = int(d.argmax())
    low, high = max(0.0, float((d - critical * error).max())), float((d + z * error).max())
    weight = 1 / se**2
    p = float(chi2.sf(np.sum(weight * (m - np.sum(weight * m) / weight.sum()) ** 2), len(groups) - 1))
    highest, lowest = int(groups[i[k]]), int(groups[j[k]])
    if kind == "ratio":
        return GapResult(
            float(np.exp(-d[k])), float(np.exp(-high)), float(np.exp(-low)), p, highest, lowest, 0, method, True, None,
            left_out,
        )  # fmt: skip
    return GapResult(float(d[k]), min(low, float(d[k])), high, p, highest, lowest, 0, method, True, None, left_out)


def _critical(
    m: Floats, se: Floats, i: Whole, j: Whole, all_pairs: bool, rng: np.random.Generator, draws: int, alpha: float
) -> float:
    """The two steps of audit.stats.gap with normal draws at the known errors."""
    once = i < j
    pairs = np.array([i[once], j[once]])
    off = rng.standard_normal((draws, len(m))) * se

    def short(critical: float) -> Floats:
        return falls_short(m[:, None] - m[None, :] - critical * np.hypot(se[:, None], se[None, :]), pairs)

    return two_step(off, np.broadcast_to(se**2, off.shape), pairs, short if all_pairs else None, alpha)


def _ordered(groups: int, ref: int | None) -> Sequence[tuple[int, int]]:
    return [(a, b) for a in range(groups) for b in range(groups) if a != b and (ref is None or ref in (a, b))]


def area_under_curve(positives: npt.ArrayLike, negatives: npt.ArrayLike) -> tuple[float, float]:
    """ROC area and its standard error from counts per score, lowest score first, each (S,); ties count one half.

    DeLong, DeLong & Clarke-Pearson (1988) on grouped scores. NaN where a side is empty; the error is NaN where a side
    has one person.
    """
    p, n = np.asarray(positives, dtype=np.float64), np.asarray(negatives, dtype=np.float64)
    m, k = p.sum(), n.sum()
    if m <= 0 or k <= 0:
        return float("nan"), float("nan")
    below = (np.cumsum(n) - n + n / 2) / k
    above = (m - np.cumsum(p) + p / 2) / m
    area = float(np.sum(p * below) / m)
    if m <= 1 or k <= 1:
        return area, float("nan")
    s10 = np.sum(p * (below - area) ** 2) / (m - 1)
    s01 = np.sum(n * (above - area) ** 2) / (k - 1)
    return area, float(np.sqrt(s10 / m + s01 / k))


def area_interval(
    positives: npt.ArrayLike, negatives: npt.ArrayLike, alpha: float = 0.05
) -> tuple[float, float, float, float]:
    """ROC area, its lower and upper limit, and a standard error that is never 0; counts as in area_under_curve.

    area +- z DeLong errors holds the truth far too seldom near 1 and in small groups: a perfect area of five people a
    side would have the "interval" 1 to 1. Here DeLong's variance is blended, with the weight of one person of the
    smaller side, with the largest variance that an area allows, area (1 - area) / smaller side (Birnbaum & Klose 1957),
    and the limits are Wilson's on the number of people that this variance stands for. An area of exactly 0 or 1 stands
    for the people of the smaller side, and its error is that of Agresti & Coull (1998). docs/coverage.md has the
    figures. NaN where DeLong has none.
    """
    area, error = area_under_curve(positives, negatives)
    if not np.isfinite(error):
        return area, float("nan"), float("nan"), float("nan")
    smaller = float(np.minimum(np.sum(positives), np.sum(negatives)))
    if 1e-9 < area < 1 - 1e-9:
        variance = (error**2 * (smaller - 1) + area * (1 - area) / smaller) / smaller
        low, high = wilson(area * area * (1 - area) / variance, area * (1 - area) / variance, alpha)
    else:
        low, high = wilson(area * smaller, smaller, alpha)
        centre = (area * smaller + 2) / (smaller + 4)
        variance = centre * (1 - centre) / (smaller + 4)
    return area, float(np.minimum(low, area)), float(np.maximum(high, area)), float(np.sqrt(variance))
