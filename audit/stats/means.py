"""Averages: an interval each, and the widest gap of many groups in the spirit of audit.stats.gap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc, fdtrc, stdtrit

from audit.stats.adjust import above_nought
from audit.stats.gap import GapResult
from audit.stats.intervals import two_sided
from audit.stats.score_gap import limits_gap

Floats = npt.NDArray[np.float64]


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

    weighted: the number of people is already less than by the variance (`audit.stats.fewer_free`).
    """

    mean: Floats
    variance: Floats
    skew: Floats
    size: Floats
    least: float
    most: float
    weighted: bool = False

    @property
    def errors(self) -> Floats:
        """Standard errors (G,); NaN for one person or none."""
        few = self.size <= 1
        return np.sqrt(np.where(few, np.nan, self.variance) / np.where(few, 1.0, self.size - 1))

    def limits(self, alpha: float) -> tuple[Floats, Floats]:
        """Limits (G,) each: Hall's (1992) transformation of Student's t, which follows a skewed distribution.

        The skewness of a sample is too small where a rare large score was not met, so the limits are the wider of two:
        at the sample's own skewness, and at that corrected for its bias (Bobee & Robitaille 1975, Water Resources
        Research 11(6), of Pearson's third type). Without that, limits of log-normal scores hold 92 of 100. With weights
        the fewer people leave room enough, and the second is not taken.

        Where all scores of a group are one and the same, their spread is not seen: at most 1 - (alpha / 2)^(1/n) of the
        people it stands for have another score, which lies within those of all groups. NaN where `errors` is.
        """
        size = np.where(self.size > 1, self.size, np.nan)
        quantile = stdtrit(size - 1, 1 - alpha / 2)
        error = self.errors * np.sqrt(size)

        def end(skew: Floats, q: Floats) -> Floats:
            skew = np.where(np.abs(skew) < 1e-6, 1e-6, skew)
            bent: Floats = (np.cbrt(1 + skew * (q / np.sqrt(size) - skew / (6 * size))) - 1) * 3 / skew
            return self.mean - error * bent

        seen = np.where(size > 2.5, self.skew * np.sqrt(size * (size - 1)) / np.maximum(size - 2, 0.5), 0.0)
        lifted = (1 + 6.51 / size + 20.2 / size**2 + (1.48 / size + 6.77 / size**2) * self.skew**2) * np.abs(self.skew)
        # From sqrt(n) on, the transformation no longer widens with the skewness.
        lifted = np.sign(self.skew) * np.maximum(np.minimum(lifted, np.sqrt(size)), np.abs(seen))
        lifted = seen if self.weighted else lifted
        ends = (
            np.minimum(end(seen, quantile), end(lifted, quantile)),
            np.maximum(end(seen, -quantile), end(lifted, -quantile)),
        )
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
    sizes: npt.ArrayLike | None = None,
) -> GapResult:
    """The widest gap of independent averages (G,) with standard errors (G,); NaN, and an error of 0, take no part.

    sizes (G,): people, effective where there are weights, from whom each error was estimated; then limits are Student's
    and the p-value is of Welch's (1951) test, as small groups need. Without sizes the errors are taken as known: normal
    limits and the chi-square test of homogeneity (Cochran 1954). A ratio needs averages above 0.
    """
    means, errors = np.asarray(means, dtype=np.float64), np.asarray(errors, dtype=np.float64)
    n = np.full(len(means), np.inf) if sizes is None else np.asarray(sizes, dtype=np.float64)
    usable = np.isfinite(means) & np.isfinite(errors) & (errors > 0) & (n > 1)

    def limits(alpha: float) -> tuple[Floats, Floats]:
        quantile = np.full(len(n), two_sided(alpha)) if sizes is None else stdtrit(n - 1, 1 - alpha / 2)
        return means - quantile * errors, means + quantile * errors

    def p_value(groups: list[int], _: int | None) -> float:
        return _alike(means[groups], errors[groups], n[groups])

    law, test = ("normal", "chi-square") if sizes is None else ("Student", "Welch")
    how = f"{law} interval from {draws} draws; {test} p-value"
    with np.errstate(invalid="ignore"):
        return limits_gap(
            means, np.where(usable, errors, np.nan), limits, p_value=p_value, kind=kind, seed=seed, draws=draws,
            alpha=alpha, reference=reference, what=what, how=how,
        )  # fmt: skip


def _alike(means: Floats, errors: Floats, sizes: Floats) -> float:
    """Welch's test of equal averages; Cochran's where sizes are endless."""
    groups, weight = len(means), 1 / errors**2
    share = weight / weight.sum()
    apart = float(np.sum(weight * (means - np.sum(share * means)) ** 2))
    lost = float(np.sum((1 - share) ** 2 / (sizes - 1)))
    if lost == 0:
        return above_nought(chdtrc(groups - 1, apart))
    by = 1 + 2 * (groups - 2) / (groups**2 - 1) * lost
    return above_nought(fdtrc(groups - 1, (groups**2 - 1) / (3 * lost), apart / (groups - 1) / by))
