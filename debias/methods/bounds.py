"""Which groups a constraint binds, on which rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audit.metrics import EQUAL_OPPORTUNITY, EQUALIZED_ODDS

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
LEAST = 50
"""A group with fewer training rows under a constraint is left out of it: its rate is mostly chance."""


@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """One partition of the rows whose rates may differ by at most the tolerance.

    group (n,) is the number of each row's group, -1 for rows that do not count (another label, or a group too small).
    """

    name: str
    group: Ints
    groups: int


def bounds_of(
    constraint: str,
    partitions: Sequence[tuple[str, Ints]],
    label: Ints,
    merit: int,
    learn: npt.NDArray[np.bool_],
    least: int = LEAST,
) -> tuple[list[Bound], list[tuple[str, int, int]]]:
    """The bounds that a constraint means, and (name, group, rows) of each group too small to take part.

    partitions: (name, group (n,)) for each attribute or intersection; merit is the label (0 or 1) that deserves the
    favourable decision: equal opportunity bounds the rate among those, equalized odds among each label. learn (n,)
    marks the rows that sizes are counted on.
    """
    among: list[tuple[str, npt.NDArray[np.bool_]]] = [("", np.ones(len(label), dtype=bool))]
    if constraint == EQUAL_OPPORTUNITY:
        among = [("", label == merit)]
    elif constraint == EQUALIZED_ODDS:
        among = [(" among positives", label == 1), (" among negatives", label == 0)]
    bounds, small = [], []
    for name, group in partitions:
        for words, rows in among:
            size = np.bincount(group[rows & learn], minlength=int(group.max()) + 1)
            place = np.full(len(size), -1, dtype=np.int64)
            large = np.flatnonzero(size >= least)
            place[large] = np.arange(len(large))
            small += [(name + words, int(g), int(size[g])) for g in np.flatnonzero(size < least)]
            if len(large) >= 2:
                bounds.append(Bound(name + words, np.where(rows, place[group], -1), len(large)))
    return bounds, small


def gap_of(bounds: Sequence[Bound], positive: Floats, weight: Floats) -> float:
    """The largest gap over all bounds of decisions positive (n,)."""
    rates = []
    for bound in bounds:
        group, size = bound.group + 1, bound.groups + 1
        total: Floats = np.bincount(group, weight, minlength=size)[1:].astype(np.float64)
        hit: Floats = np.bincount(group, weight * positive, minlength=size)[1:].astype(np.float64)
        rates.append(share_of(hit, total))
    known = [r[np.isfinite(r)] for r in rates]
    return max((float(r.max() - r.min()) for r in known if len(r)), default=0.0)


def share_of(hit: Floats, total: Floats) -> Floats:
    """hit / total, NaN where a group has no rows."""
    out: Floats = np.divide(hit, total, out=np.full(len(total), np.nan), where=total > 0)
    return out
