"""How unevenly errors and benefits fall on single people, and how much of it lies between groups.

Speicher et al. 2018: a person's benefit is decision - outcome + 1, with 1 for the favourable value: 0 for those who are
refused what they merit, 2 for those who are given what they do not. Generalized entropy with alpha 2 (half the squared
coefficient of variation) and the Theil index (alpha 1), each split exactly into a part between groups and one within.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from audit.cube import Floats, Margin
from audit.numbers import many
from audit.values import UNKNOWN

BENEFITS = np.array([0.0, 1.0, 2.0])


def inequality(margins: Sequence[Margin]) -> list[dict[str, Any]]:
    """Per set of attributes; () has no part between groups. People of unknown group or outcome take no part."""
    return [_record(m) for m in margins if m.meaning.labelled]


def benefits(margin: Margin) -> Floats:
    """(G, 3): weight of people with benefit 0, 1 and 2."""
    good = 1 if margin.meaning.favourable_is_positive else 0
    w = margin.w[:, :2]
    return np.stack([w[:, good, 1 - good], w[:, 0, 0] + w[:, 1, 1], w[:, 1 - good, good]], axis=1)


def generalized_entropy(weights: Floats, values: Floats, alpha: float) -> float:
    """Of `values` (K,) held by `weights` (K,) people. NaN where all values are 0. alpha 1 is the Theil index."""
    n = weights.sum()
    mean = float((weights * values).sum() / n) if n > 0 else 0.0
    if mean <= 0:
        return float("nan")
    r = values / mean
    if alpha == 1:
        return float((weights * r * np.log(np.where(r > 0, r, 1.0))).sum() / n)
    return float((weights * (r**alpha - 1)).sum() / (n * alpha * (alpha - 1)))


def _record(margin: Margin) -> dict[str, Any]:
    use = np.array([UNKNOWN not in g for g in margin.groups], dtype=bool) & ~margin.withheld
    table = benefits(margin)[use]
    people = table.sum(axis=1)
    whole = table.sum(axis=0)
    out: dict[str, Any] = {"attribute": list(margin.attribute), "estimable": False, "reason": None, "benefit": None}
    if people.sum() <= 0 or whole[1:].sum() <= 0:
        counted = (
            (f"0 of {many(int(margin.rows.sum()), 'person')} have a known outcome")
            if people.sum() <= 0
            else "no benefit"
        )
        return out | {"reason": counted, "generalized_entropy": None, "theil": None, "between": None}
    means = np.divide((table * BENEFITS).sum(axis=1), people, out=np.zeros(len(people)), where=people > 0)
    indices = {name: generalized_entropy(whole, BENEFITS, a) for name, a in (("generalized_entropy", 2), ("theil", 1))}
    between = {name: generalized_entropy(people, means, a) for name, a in (("generalized_entropy", 2), ("theil", 1))}
    return out | {
        "estimable": True,
        "benefit": float((whole * BENEFITS).sum() / whole.sum()),
        **indices,
        "between": between if margin.attribute else None,
    }
