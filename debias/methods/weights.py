"""Reweighing and resampling (Kamiran & Calders 2012): outcome and group made independent in the training data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audit.errors import DataError
from audit.numbers import many

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Reweighed:
    """weight (n,): one a row, of the same sum as before. one_sided: codes of groups that have one outcome only.

    Their share of outcomes cannot be moved by any weight. effective_n is Kish's (sum w)^2 / sum w^2.
    """

    weight: Floats
    one_sided: tuple[int, ...]
    smallest: float
    largest: float
    effective_n: float


def reweigh(group: Ints, label: Ints, weight: Floats | None = None) -> Reweighed:
    """w = P(group) P(label) / P(group, label) for each row, times its survey weight; the sum of weights is kept.

    group, label (n,) are integer codes of any number of groups (intersections too) and outcomes. Afterwards every
    group that has all outcomes has the same weighted share of each. Raises DataError where there is one outcome only.
    """
    n = len(label)
    before = np.ones(n) if weight is None else np.asarray(weight, dtype=np.float64)
    groups, g = np.unique(group, return_inverse=True)
    labels, y = np.unique(label, return_inverse=True)
    if len(labels) < 2:
        raise DataError(
            "the training rows have one outcome only",
            got=f"{many(n, 'row')}, all with the same label",
            expected="rows of both outcomes to learn from",
            todo="check the label column and the split",
        )
    shape = (len(groups), len(labels))
    cell = np.bincount(g * shape[1] + y, before, minlength=shape[0] * shape[1]).reshape(shape)
    total = cell.sum()
    expected = cell.sum(axis=1, keepdims=True) * cell.sum(axis=0, keepdims=True) / total
    factor = np.divide(expected, cell, out=np.zeros(shape), where=cell > 0)
    # An empty cell takes its share with it; the rest is scaled so that the sum stays.
    factor *= total / (factor * cell).sum()
    after = before * factor[g, y]
    used = factor[cell > 0]
    return Reweighed(
        weight=after,
        one_sided=tuple(int(v) for v in groups[(cell > 0).sum(axis=1) < len(labels)]),
        smallest=float(used.min()),
        largest=float(used.max()),
        effective_n=float(after.sum() ** 2 / (after**2).sum()),
    )


def resample(weight: Floats, seed: int) -> Ints:
    """Row numbers (n,), each drawn as often as its weight asks, to within one: systematic sampling (Madow 1949).

    For estimators that take no weights. The spread is smaller than that of independent draws; the same seed gives
    the same rows.
    """
    n = len(weight)
    rng = np.random.default_rng(seed)
    # Shuffled first, so that rows that lie side by side in the file are not drawn in step.
    order = rng.permutation(n)
    at = np.cumsum(weight[order]) / weight.sum()
    points = (np.arange(n) + rng.random()) / n
    places = np.minimum(np.searchsorted(at, points, side="right"), n - 1)
    rows: Ints = np.sort(order[places]).astype(np.int64)
    return rows
