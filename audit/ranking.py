"""Who stands at the top when people are ranked by score: shares of the top k, and exposure.

Exposure of rank r is 1 / log2(1 + r) (Singh & Joachims 2018). People with the same score share the exposure of their
ranks, and a cut that falls among them takes the same part of each. "Top" is the end that is good for the person: the
lowest scores where the favourable value is not the positive one. Where scores are binned a bin counts as a tie, and
`between` says what the figure could be whatever the order within it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from audit import stats
from audit.alike import worth
from audit.cube import Floats, Margin
from audit.values import UNKNOWN

TOP = (0.01, 0.05, 0.1, 0.2, 0.5)
SUMMED = 1_000_000
"""Ranks whose exposures are added one by one; beyond them the sum is an integral (to 1e-12)."""


def ranking(margins: Sequence[Margin], alpha: float = 0.05) -> list[dict[str, Any]]:
    """One record for each group of each set of attributes with scores. Counts are of people, not of weights."""
    return [r for m in margins if m.attribute and m.scores is not None for r in _records(m, alpha)]


def _records(margin: Margin, alpha: float) -> list[dict[str, Any]]:
    assert margin.scores is not None
    use = np.array([UNKNOWN not in g for g in margin.groups], dtype=bool) & ~margin.withheld
    n = margin.scores.n.sum(axis=1).astype(np.float64) * use[:, None]
    tie = margin.scores.at == margin.scores.top
    if margin.meaning.favourable_is_positive:
        n, tie = n[:, ::-1], tie[::-1]
    ahead = np.concatenate([[0.0], np.cumsum(n.sum(axis=0))])
    total = float(ahead[-1])
    if total == 0:
        return []
    each = np.diff(exposure_up_to(ahead))
    tied = np.diff(ahead)
    highest, lowest = 1 / np.log2(2 + ahead[:-1]), 1 / np.log2(1 + np.maximum(ahead[1:], 1))
    per_person = np.divide(each, tied, out=np.zeros_like(each), where=tied > 0)
    everyone = float(each.sum() / total)
    part_of_people = float((worth(margin) * margin.rows)[use].sum() / max(margin.rows[use].sum(), 1))
    out = []
    for g in np.flatnonzero(use).tolist():
        people = float(n[g].sum())
        top = []
        for share in TOP:
            places = share * total
            part = np.divide(np.clip(places - ahead[:-1], 0, tied), tied, out=np.zeros_like(tied), where=tied > 0)
            inside = float((n[g] * part).sum())
            taken = part * tied
            least, most = np.maximum(n[g] - (tied - taken), 0), np.minimum(n[g], taken)
            ends = [float(np.where(tie, n[g] * part, end).sum()) for end in (least, most)]
            low, high = stats.wilson(np.array([inside * part_of_people]), np.array([places * part_of_people]), alpha)
            top.append(
                {
                    "top": share,
                    "places": places,
                    "people": inside,
                    "between": None if ends[0] == ends[1] else ends,
                    "share": inside / places,
                    "low": float(low[0]),
                    "high": float(high[0]),
                    "ratio": inside / places / (people / total) if people else None,
                }
            )
        mean = float((n[g] * per_person).sum() / people) if people else None
        apart = float((n[g] * np.where(tie, 0.0, highest - lowest)).sum() / people) if people else 0.0
        out.append(
            {
                "attribute": list(margin.attribute),
                "group": list(margin.groups[g]),
                "people": int(people),
                "share": people / total,
                "exposure": mean,
                "exposure_off_by": apart,
                "exposure_ratio": None if mean is None else mean / everyone,
                "top": top,
                "exact": margin.scores.exact,
            }
        )
    return out


def exposure_up_to(ranks: Floats) -> Floats:
    """The sum of 1 / log2(1 + r) over r = 1 .. rank, for each rank."""
    from scipy.special import expi

    few = int(min(SUMMED, ranks.max(initial=0)))
    summed = np.concatenate([[0.0], np.cumsum(1 / np.log2(1 + np.arange(1, few + 1)))])
    out = summed[np.minimum(ranks, few).astype(np.int64)]
    far = ranks > few
    if far.any():
        # Midpoint rule: the sum of f(r) over a+1..b is the integral of f from a + 1/2 to b + 1/2.
        start = expi(np.log(few + 1.5))
        out[far] += np.log(2) * (expi(np.log(ranks[far] + 1.5)) - start)
    return np.asarray(out, dtype=np.float64)
