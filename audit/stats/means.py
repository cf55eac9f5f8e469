"""Averages: an interval each, and the widest gap of many groups in the spirit of audit.stats.gap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit
from scipy.stats import chi2

from audit.stats.adjust import above_nought
from audit.stats.gap import GapResult, ends, falls_short, two_step
from audit.stats.intervals import two_sided

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]


def mean_interval(mean: npt.ArrayLike, error: npt.ArrayLike, alpha: float = 0.05) -> tuple[Floats, Floats]:
    """Normal limits of an average with standard error `error`."""
    mean, half = (
        np.asarray(mean, dtype=np.float64),
        two_sided(alpha) * np.asarray(error, dtype=np.float64),
    )
    return mean - half, mean + half


@dataclass(frozen=True, slots=True, eq=False)
class Averages:
    """Averages of groups, each array (G,): the average, the variance and skewness of one person's score (of the sample,
    over n), and the number of people, effective where there are weights. least, most: of all scores.
    """

    mean: Floats
    variance: Floats
    skew: Floats
    size: Floats
    least: float
    most: float

    @property
    def errors(self) -> Floats:
        """Standard errors (G,); NaN for one person or none."""
        few = self.size <= 1
        return np.sqrt(np.where(few, np.nan, self.variance) / np.where(few, 1.0, self.size - 1))

    def limits(self, alpha: float) -> tuple[Floats, Floats]:
        """Limits (G,) each: Hall's (1992) transformation of Student's t, which follows a skewed distribution.

        Where all scores of a group are one and the same, their spread is not seen: at most 1 - (alpha / 2)^(1/n) of the
        people it stands for have another score, which lies within those of all groups. NaN where `errors` is.
        """
        size = np.where(self.size > 1, self.size, np.nan)
        quantile = stdtrit(size - 1, 1 - alpha / 2)
        skew = np.where(size > 2.5, self.skew * np.sqrt(size * (size - 1)) / np.maximum(size - 2, 0.5), 0.0)
        skew = np.where(np.abs(skew) < 1e-6, 1e-6, skew)
        error = self.errors * np.sqrt(size)
        ends = []
        for q in (quantile, -quantile):
            bent = (np.cbrt(1 + skew * (q / np.sqrt(size) - skew / (6 * size))) - 1) * 3 / skew
            ends.append(self.mean - error * bent)
        unseen = 1 - (alpha / 2) ** (1 / size)
        alike = self.variance <= 1e-18 * np.maximum(self.mean**2, 1e-300)
        low = np.where(alike, self.mean - unseen * (self.mean - self.least), np.minimum(ends[0], self.mean))
        high = np.where(alike, self.mean + unseen * (self.most - self.mean), np.maximum(ends[1], self.mean))
        return low, high


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
    p = above_nought(chi2.sf(np.sum(weight * (m - np.sum(weight * m) / weight.sum()) ** 2), len(groups) - 1))
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
