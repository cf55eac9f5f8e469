"""Has a feature changed? Tests for whether, sizes for how much, corrected within a batch and over batches.

    found = drifted(reference, frame, groups, alpha=spend(alpha, j), people=50)
    found = compared(reference, summary, alpha=spend(alpha, j), people=50)      # from what summaries.py kept

Kolmogorov-Smirnov for numbers and an exact test of counts for categories, per feature over everyone and within each
group. Both are tests of two samples: the reference is one, with an error of its own. In bins the Kolmogorov-Smirnov
statistic is at most what it is on the values, so that the test errs on the quiet side; with every value its own bin
they are the same. Benjamini-Hochberg within a batch; over batches the j-th one spends 6 alpha / (pi^2 j^2), which sums
to alpha, so that a long quiet feed does not raise an alarm by its length. Drift is a reason to look and never to
retrain: most of it harms nobody.

Why not chi-square for categories: so far in the tail its law is wrong by a multiple where few people are expected in a
cell, and a column for "values the reference never had" is empty on one side by its very choice. Here values are put
together by how often they occur on both sides together, which says nothing about either. Given these totals the batch's
counts are hypergeometric, value by value in the order of their totals, each given those before; so the exact p-values
of the values combine by Fisher's method (1932), the smallest by Bonferroni; the test's is twice the smaller of both.

Sizes: PSI and Jensen-Shannon divergence (base 2) over about twenty bins and one of missing values, Kullback-Leibler
divergence by `kl`, Wasserstein distance in the reference's standard deviations.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.stats import above_nought, benjamini_hochberg
from audit.watch.summaries import (
    EVERYONE,
    MISSING,
    NEW,
    Feature,
    Floats,
    Groups,
    Part,
    Summary,
    reference_of,
    summarise,
)

__all__ = [
    "EVERYONE", "MISSING", "NEW", "Drift", "compared", "drifted", "js", "kl", "psi", "reference_of", "spend",
    "summarise",
]  # fmt: skip

FISHER = "Fisher"
"""How the exact test of counts is called: of two shares it is Fisher's."""
RARE = 5
"""Values of which fewer people are expected in the smaller sample are put together."""
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
    reference: Mapping[str, Feature], frame: pd.DataFrame, groups: Groups, *, alpha: float, people: int = 50
) -> tuple[Drift, ...]:
    """Every feature of every group with at least `people` rows on both sides; `shifted` where q <= alpha."""
    return compared(reference, summarise(reference, frame, groups), alpha=alpha, people=people)


def compared(
    reference: Mapping[str, Feature], summary: Summary, *, alpha: float, people: int = 50
) -> tuple[Drift, ...]:
    """The same from the summary of a batch or of a window."""
    drifts = []
    for feature, kept in reference.items():
        for name, part in kept.parts.items():
            now = summary.get(feature, {}).get(name)
            if now is None or now.n < people or part.n < people:
                continue
            figures = _of_numbers(kept.edges, part, now) if kept.numeric else _of_categories(kept, part, now)
            drifts.append(Drift(feature, name, *figures))
    if not drifts:
        return ()
    q = benjamini_hochberg(np.array([d.p for d in drifts]))
    return tuple(replace(d, q=float(v), shifted=bool(v <= alpha)) for d, v in zip(drifts, q, strict=True))


_Figures = tuple[str, float, float, float, float, float | None, int, tuple[str, ...]]


def _of_numbers(edges: Sequence[float], part: Part, now: Part) -> _Figures:
    from scipy.special import kolmogorov

    a, b = (np.asarray(v.bins, dtype=np.float64) for v in (part, now))
    n, m = a.sum(), b.sum()
    shares = _shares_p(part.missing, part.n, now.missing, now.n)
    absent = [float(part.missing), float(now.missing)]
    if n < 2 or m < 2:
        counts = [np.array([v.sum(), gone]) for v, gone in zip((a, b), absent, strict=True)]
        used = counts[0] + counts[1] > 0
        wide = [v[used] for v in counts]
        return FISHER, shares, 0.0, psi(*wide), js(*wide), None, now.n, ()
    apart = np.cumsum(a) / n - np.cumsum(b) / m
    p = above_nought(kolmogorov(float(np.abs(apart).max()) * math.sqrt(n * m / (n + m))))
    if now.missing or part.missing:
        p = min(1.0, 2 * min(p, shares))
    mean, other = _finite(part.total) / n, _finite(now.total) / m
    spread = math.sqrt(max(_finite(part.squares) / n - mean**2, 0.0))
    distance = None
    if spread > 1e-9 * (abs(mean) + 1e-300):
        # Between two edges everyone is at the lower one; beyond the edges only the means can tell.
        moved = float((np.abs(apart[1:-1]) * np.diff(edges)).sum())
        distance = max(moved, abs(mean - other)) / spread
    coarse = np.minimum((BINS * (np.cumsum(a) - a / 2) / n).astype(np.int64), BINS - 1)
    # Those without a value are a bin of their own: a column that empties has moved.
    few = [np.append(np.bincount(coarse, v, minlength=BINS), gone) for v, gone in zip((a, b), absent, strict=True)]
    used = few[0] + few[1] > 0
    wide = [v[used] for v in few]
    return "Kolmogorov-Smirnov", p, 0.0, psi(*wide), js(*wide), distance, now.n, ()


def _finite(total: float | None) -> float:
    return math.inf if total is None else total


def _of_categories(kept: Feature, part: Part, now: Part) -> _Figures:
    known = list(part.counts)
    ever = kept.everyone.counts
    others = [k for k in now.counts if k not in part.counts]
    strange = sorted(k for k in others if k not in ever)
    a = np.array([*part.counts.values(), *(0 for _ in others)], dtype=np.float64)
    b = np.array([now.counts.get(k, 0) for k in (*known, *others)], dtype=np.float64)
    total = a + b
    # Rare values together, so that many of them do not drown what the others say. What summaries.py put together as new
    # is one of these: it was chosen because the reference has none of it.
    rare = total * min(a.sum(), b.sum()) / total.sum() < RARE
    rare |= np.array([k == NEW for k in (*known, *others)])
    order = np.lexsort((np.array([*known, *others])[~rare], -total[~rare]))
    p = counts_p(*(np.append(v[~rare][order], v[rare].sum()) for v in (a, b)))
    # Sizes with all that this group never had as one.
    a, b = (np.append(v[: len(known)], v[len(known) :].sum()) for v in (a, b))
    used = a + b > 0
    return FISHER, p, 0.0, psi(a[used], b[used]), js(a, b), None, now.n, tuple(strange[:5])


def counts_p(a: Floats, b: Floats) -> float:
    """Do two lists of counts (k,) come from the same shares? p <= alpha with a chance of at most alpha, however few.

    Values and their order may be chosen by a + b only.
    """
    from scipy.special import chdtrc

    total = a + b
    a, b, total = (v[total > 0] for v in (a, b, total))
    if len(total) < 2 or a.sum() == 0 or b.sum() == 0:
        return 1.0
    left, drawn = (np.cumsum(v[::-1])[::-1][:-1] for v in (total, b))
    logs = _hypergeometric_log_p(b[:-1], total[:-1], drawn, left)
    if len(logs) == 1:
        return above_nought(np.exp(logs[0]))
    combined = float(chdtrc(2 * len(logs), -2 * logs.sum()))
    smallest = len(logs) * float(np.exp(logs.min()))
    return above_nought(min(1.0, 2 * min(combined, smallest)))


def _hypergeometric_log_p(x: Floats, good: Floats, drawn: Floats, total: Floats) -> Floats:
    """Log of the two-sided p-value of x among `drawn` of `total` people of whom `good` are: twice the smaller tail.

    A tail is at most its first term / (1 - ratio of the second to the first), since the ratios fall: never too small,
    and in the tails nearly exact.
    """
    from scipy.special import gammaln

    def choose(n: Floats, k: Floats) -> Floats:
        out: Floats = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
        return out

    bad = total - good
    first = choose(good, x) + choose(bad, drawn - x) - choose(total, drawn)
    up = (good - x) * (drawn - x) / ((x + 1) * (bad - drawn + x + 1))
    down = x * (bad - drawn + x) / ((good - x + 1) * (drawn - x + 1))
    tails = [first - np.log1p(-np.minimum(r, 1 - 1e-12)) for r in (up, down)]
    out: Floats = np.minimum(0.0, math.log(2) + np.minimum(*tails))
    return out


def _shares_p(x1: int, n1: int, x2: int, n2: int) -> float:
    """Whether two shares, x1 of n1 and x2 of n2, are the same (Fisher's exact test)."""
    return counts_p(np.array([n1 - x1, x1], dtype=np.float64), np.array([n2 - x2, x2], dtype=np.float64))


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
