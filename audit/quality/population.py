"""Who is in the data against a reference population that the case names (census shares)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from audit import stats
from audit.cube import Floats, Margin
from audit.dataset import LABEL_DIFFERENCE, distances
from audit.values import UNKNOWN


def population_tables(
    margins: Sequence[Margin], shares: Mapping[str, Mapping[str, float]], alpha: float = 0.05
) -> list[dict[str, Any]]:
    """Per attribute with shares: each group's share of the data beside its share of the population.

    People whose group is unknown, or is not in the reference, are counted apart and take no part in the shares.
    p_value: chi-squared test of fit (Pearson 1900) on people, or on Kish's effective number where there are weights;
    None where an expected count is under 5.
    """
    by_name = {m.attribute[0]: m for m in margins if len(m.attribute) == 1}
    return [_table(by_name[a], dict(wanted), alpha) for a, wanted in shares.items() if a in by_name]


def _table(margin: Margin, wanted: dict[str, float], alpha: float) -> dict[str, Any]:
    from scipy.special import chdtrc

    total = sum(wanted.values())
    place = {g[0]: i for i, g in enumerate(margin.groups)}
    people = margin.people.astype(np.float64)
    weight = margin.w.sum(axis=(1, 2))
    squares = margin.w2.sum(axis=(1, 2))
    names = list(wanted)
    index = [place.get(n, -1) for n in names]
    hidden = any(i >= 0 and margin.withheld[i] for i in index)
    w = np.array([weight[i] if i >= 0 else 0.0 for i in index])
    n = np.array([people[i] if i >= 0 else 0.0 for i in index])
    sum_squares = sum(squares[i] for i in index if i >= 0)
    effective = float(w.sum() ** 2 / sum_squares) if sum_squares > 0 else 0.0
    expected = np.array([wanted[k] / total for k in names])
    out: dict[str, Any] = {
        "attribute": list(margin.attribute),
        "people": int(n.sum()),
        "unknown": int(people[place[UNKNOWN]]) if UNKNOWN in place else 0,
        "not_in_reference": {
            g[0]: int(people[i])
            for i, g in enumerate(margin.groups)
            if g[0] not in wanted and g[0] != UNKNOWN and not margin.withheld[i]
        },
    }
    if w.sum() <= 0 or hidden:
        reason = "a group is withheld" if hidden else "0 people in the groups of the reference"
        return out | {"estimable": False, "reason": reason, "groups": [], "distances": {}, "p_value": None}
    share = w / w.sum()
    low, high = stats.wilson(share * effective, np.full(len(w), effective), alpha)
    out |= {
        "groups": [
            {
                "group": [name],
                "people": int(n[i]),
                "share": float(share[i]),
                "low": float(low[i]),
                "high": float(high[i]),
                "population": float(expected[i]),
                "difference": float(share[i] - expected[i]),
                "ratio": float(share[i] / expected[i]) if expected[i] > 0 else None,
            }
            for i, name in enumerate(names)
        ]
    }
    cells = expected > 0
    statistic = float((effective * (share[cells] - expected[cells]) ** 2 / expected[cells]).sum())
    enough = bool((effective * expected[cells] >= 5).all()) and cells.sum() > 1
    return out | {
        "estimable": True,
        "reason": None,
        "distances": _distances(share, expected),
        "p_value": stats.above_nought(chdtrc(cells.sum() - 1, statistic)) if enough else None,
    }


def _distances(data: Floats, population: Floats) -> dict[str, float]:
    """Between the two distributions over groups; KL(data || population)."""
    return {name: value for name, value in distances(data, population).items() if name != LABEL_DIFFERENCE}
