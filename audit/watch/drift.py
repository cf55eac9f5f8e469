"""Has a feature changed? Tests for whether, sizes for how much, corrected within a batch and over batches.

    found = drifted(reference, frame, groups, alpha=spend(alpha, j), people=50)
    found = compared(reference, summary, alpha=spend(alpha, j), people=50)      # from what summaries.py kept

Kolmogorov-Smirnov for numbers and chi-square for categories against the reference, per feature over everyone and within
each group. In bins the statistic is at most what it is on the values, so that the test errs on the quiet side; with
every value its own bin they are the same. Benjamini-Hochberg within a batch; over batches the j-th one spends
6 alpha / (pi^2 j^2), which sums to alpha, so that a long quiet feed does not raise an alarm by its length. Drift is a
reason to look and never to retrain: most of it harms nobody.

Sizes: PSI and Jensen-Shannon divergence (base 2) over about twenty bins, Kullback-Leibler divergence by `kl`,
Wasserstein distance in the reference's standard deviations.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.stats import benjamini_hochberg
from audit.watch.summaries import EVERYONE, MISSING, NEW, Floats, Groups, reference_of, summarise

__all__ = [
    "EVERYONE", "MISSING", "NEW", "Drift", "compared", "drifted", "js", "kl", "psi", "reference_of", "spend",
    "summarise",
]  # fmt: skip

BINS = 20
"""Bins of numbers for PSI and the Jensen-Shannon divergence."""


@dataclass(frozen=True, slots=True)
class Drift:
    """One feature of one group in one batch. p is raw, q adjusted within the batch; new: values never seen before."""

    feature: str
    group: str
    test: str
    p: float
    q: float
    psi: float
    js: float
    distance: float | None
    people: int
    new: tuple[str, ...] = ()
    shifted: bool = False


def spend(alpha: float, j: int) -> float:
    """What the j-th of unboundedly many tests may spend, j from 1: sums to alpha."""
    return 6 * alpha / (math.pi**2 * j**2)


def drifted(
    reference: Mapping[str, Any], frame: pd.DataFrame, groups: Groups, *, alpha: float, people: int = 50
) -> tuple[Drift, ...]:
    """Every feature of every group with at least `people` rows on both sides; `shifted` where q <= alpha."""
    return compared(reference, summarise(reference, frame, groups), alpha=alpha, people=people)


def compared(
    reference: Mapping[str, Any], summary: Mapping[str, Any], *, alpha: float, people: int = 50
) -> tuple[Drift, ...]:
    """The same from the summary of a batch or of a window."""
    found = []
    for feature, kept in reference.items():
        for name, part in kept["parts"].items():
            now = summary.get(feature, {}).get(name)
            if now is None or now["n"] < people or part["n"] < people:
                continue
            figures = _of_numbers(kept["edges"], part, now) if kept["numeric"] else _of_categories(kept, part, now)
            found.append(Drift(feature, name, *figures))
    if not found:
        return ()
    q = benjamini_hochberg(np.array([d.p for d in found]))
    return tuple(replace(d, q=float(v), shifted=bool(v <= alpha)) for d, v in zip(found, q, strict=True))


_Figures = tuple[str, float, float, float, float, float | None, int, tuple[str, ...]]


def _of_numbers(edges: Sequence[float], part: Mapping[str, Any], now: Mapping[str, Any]) -> _Figures:
    from scipy.special import kolmogorov

    a, b = (np.asarray(v["bins"], dtype=np.float64) for v in (part, now))
    n, m = a.sum(), b.sum()
    shares = _shares_p(part["missing"], part["n"], now["missing"], now["n"])
    if n < 2 or m < 2:
        return "chi-square", shares, 0.0, 0.0, 0.0, None, now["n"], ()
    apart = np.cumsum(a) / n - np.cumsum(b) / m
    p = float(kolmogorov(float(np.abs(apart).max()) * math.sqrt(n * m / (n + m))))
    if now["missing"] or part["missing"]:
        p = min(1.0, 2 * min(p, shares))
    mean, other = part["total"] / n, now["total"] / m
    spread = math.sqrt(max(part["squares"] / n - mean**2, 0.0))
    distance = None
    if spread > 1e-9 * (abs(mean) + 1e-300):
        # Between two edges everyone is at the lower one; beyond the edges only the means can tell.
        moved = float((np.abs(apart[1:-1]) * np.diff(edges)).sum())
        distance = max(moved, abs(mean - other)) / spread
    coarse = np.minimum((BINS * (np.cumsum(a) - a / 2) / n).astype(np.int64), BINS - 1)
    few = [np.bincount(coarse, v, minlength=BINS) for v in (a, b)]
    used = few[0] + few[1] > 0
    wide = [v[used] for v in few]
    return "Kolmogorov-Smirnov", p, 0.0, psi(*wide), js(*wide), distance, now["n"], ()


def _of_categories(kept: Mapping[str, Any], part: Mapping[str, Any], now: Mapping[str, Any]) -> _Figures:
    from scipy.special import chdtrc

    known = list(part["counts"])
    ever = kept["parts"][EVERYONE]["counts"]
    others = [k for k in now["counts"] if k not in part["counts"]]
    strange = sorted(k for k in others if k not in ever)
    a = np.array([*(part["counts"][k] for k in known), 0], dtype=np.float64)
    b = np.array([*(now["counts"].get(k, 0) for k in known), sum(now["counts"][k] for k in others)], dtype=np.float64)
    # Rare values together, so that the chi-square law holds (Cochran: five expected).
    total = a + b
    rare = total * min(a.sum(), b.sum()) / total.sum() < 5
    table = np.array([np.append(a[~rare], a[rare].sum()), np.append(b[~rare], b[rare].sum())])
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2:
        p = 1.0
    else:
        expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
        p = float(chdtrc(table.shape[1] - 1, ((table - expected) ** 2 / expected).sum()))
    used = total > 0
    return "chi-square", p, 0.0, psi(a[used], b[used]), js(a, b), None, now["n"], tuple(strange[:5])


def _shares_p(x1: int, n1: int, x2: int, n2: int) -> float:
    from scipy.special import chdtrc

    total = x1 + x2
    if total in (0, n1 + n2):
        return 1.0
    p = total / (n1 + n2)
    z2 = (x1 / n1 - x2 / n2) ** 2 / (p * (1 - p) * (1 / n1 + 1 / n2))
    return float(chdtrc(1, z2))


def psi(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """Population stability index of two lists of counts; half a person is added to each bin, so that none is empty."""
    p, q = _filled(a), _filled(b)
    return float(((p - q) * np.log(p / q)).sum())


def kl(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """Kullback-Leibler divergence in bits of `b` (now) from `a` (the reference), half a person added to each bin."""
    p, q = _filled(b), _filled(a)
    return float((p * np.log2(p / q)).sum())


def _filled(counts: npt.ArrayLike) -> Floats:
    p = np.asarray(counts, dtype=np.float64) + 0.5
    out: Floats = p / p.sum()
    return out


def js(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """Jensen-Shannon divergence in bits, 0 to 1."""
    p, q = (np.asarray(v, dtype=np.float64) for v in (a, b))
    p, q = p / p.sum(), q / q.sum()
    m = (p + q) / 2

    def part(u: Floats) -> float:
        use = u > 0
        return float((u[use] * np.log2(u[use] / m[use])).sum())

    return max(0.0, (part(p) + part(q)) / 2)
