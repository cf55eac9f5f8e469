"""Figures that need more than the cube's products over people: as if all rows of one person were alike.

Areas, averages of scores and tables of several classes have no sums over people in the cube. There each group's squared
weights are raised until Kish's effective number of its rows is that of its people, (sum n)^2 / sum n^2 over people:
the least that rows of like people can be worth, so that intervals are rather too long than too short.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from audit.cube import Margin

_ALL = np.ones((3, 2), dtype=bool)


def as_people(margin: Margin) -> Margin:
    """The margin itself where nobody stands in several rows of a group."""
    clusters = margin.clusters
    if clusters is None or (margin.people == margin.rows).all():
        return margin
    if not clusters.counted:
        return margin  # done already
    rows = margin.w2.sum(axis=(1, 2))
    factor = np.divide(clusters.within(_ALL, _ALL), rows, out=np.ones_like(rows), where=rows > 0)
    factor = np.where(margin.people == margin.rows, 1.0, np.maximum(factor, 1.0))

    def raised(a: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        out: npt.NDArray[np.float64] = a * factor.reshape(-1, *(1,) * (a.ndim - 1))
        return out

    scores, beside = margin.scores, margin.beside
    more: Any = beside
    return replace(
        margin,
        w2=raised(margin.w2),
        weighted=True,
        scores=None if scores is None else replace(scores, w2=raised(scores.w2)),
        beside=None if beside is None else more.with_squares(raised),
        clusters=clusters.people_only(factor),
    )


def worth(margin: Margin) -> npt.NDArray[np.float64]:
    """(G,) how many like people each group's rows are worth, of its rows: 1 where nobody stands in several.

    For counts of rows without weights. With weights the products are of weights, and it is people over rows.
    """
    rows = margin.rows.astype(np.float64)
    clusters = margin.clusters
    if clusters is None:
        return np.ones(len(rows))
    number = margin.people.astype(np.float64)
    if clusters.counted and not margin.weighted:
        squares = clusters.within(_ALL, _ALL)
        number = np.divide(rows**2, squares, out=rows.copy(), where=squares > 0)
    share = np.divide(number, rows, out=np.ones_like(rows), where=rows > 0)
    return np.where(margin.people == margin.rows, 1.0, np.minimum(share, 1.0))
