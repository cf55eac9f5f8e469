"""Features that give the label away: read alone, they rank people by their outcome almost without error.

    for leak in leaks(frame, features, label): leak.sentence

A column that is filled in only after the outcome (days in jail, amount recovered) is the usual cause. What is known
after the decision cannot help to make it, so a model that reads it is judged on something it will never have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.case import Case
from audit.load.values import coded
from audit.numbers import fixed, many
from audit.quality.codes import levels_of

GIVES_AWAY = 0.98
"""AUC of one column alone, cross-fitted; natural predictors of the samples stay under .87."""
BANDS = 64
FEWEST = 30


@dataclass(frozen=True, slots=True)
class Leak:
    """auc: of the outcome from this column alone, fitted on one half of the rows and read on the other. rows: of it."""

    column: str
    auc: float
    rows: int
    copy: bool

    @property
    def sentence(self) -> str:
        """What a person should ask about the column."""
        what = (
            "says the same as the label in every row"
            if self.copy
            else f"alone tells the outcome of {many(self.rows, 'row')} almost without error (AUC {fixed(self.auc, 3)})"
        )
        return (
            f"The feature {self.column!r} {what}: is it known before the decision? Where it is not, put it into "
            "`exclude` and learn the model again; its errors here say nothing of later people."
        )


def leaks_of(case: Case, frame: pd.DataFrame, features: Sequence[str]) -> tuple[Leak, ...]:
    """The leaks among the features that the case's model reads; none where no model reads them or no label is known."""
    data = case.data
    if not case.model.is_asked or data.label is None or data.task != "classification":
        return ()
    return leaks(frame, features, data.label, str(data.positive))


def leaks(frame: pd.DataFrame, features: Sequence[str], label: str, positive: str) -> tuple[Leak, ...]:
    """The features of `frame` that give `label == positive` away, worst first; rows without a label are left out.

    Each column is read as codes (numbers in 64 bands by rank, a missing value as one of its own). The share of
    positives of each code is learnt on rows of one half and ranks the rows of the other, so that a column of many
    different values finds nothing by remembering them.
    """
    codes, names = coded(frame[label])
    known = codes >= 0
    if positive not in names:
        return ()
    y = (codes == names.index(positive))[known].astype(np.int64)
    rows = len(y)
    if rows < FEWEST or not 0 < y.sum() < rows:
        return ()
    half = np.random.default_rng(0).permutation(rows) % 2
    result = []
    for feature in features:
        if feature == label or feature not in frame.columns:
            continue
        column = frame[feature] if rows == len(frame) else frame[feature][known]
        levels = levels_of(column, bands=BANDS, most=200)
        if levels is None or len(levels.names) < 2:
            continue
        auc = _cross_fitted(levels.codes, len(levels.names), y, half)
        if auc >= GIVES_AWAY:
            result.append(Leak(feature, auc, rows, _same(levels.codes, y)))
    return tuple(sorted(result, key=lambda leak: (-leak.auc, leak.column)))


def _cross_fitted(codes: npt.NDArray[np.int64], count: int, y: npt.NDArray[np.int64], half: np.ndarray) -> float:
    """The smaller of the two halves' AUCs, each ranked by shares learnt on the other. All follows from how many rows
    of either half have each code and outcome."""
    table = np.bincount((half * count + codes) * 2 + y, minlength=4 * count).reshape(2, count, 2)
    out = []
    for learn, read in (table, table[::-1]):
        n = learn.sum(axis=1)
        share = (learn[:, 1] + learn[:, 1].sum() / max(n.sum(), 1)) / (n + 1)
        _, place = np.unique(share, return_inverse=True)
        by_share = np.zeros((place.max() + 1, 2))
        np.add.at(by_share, place, read)
        out.append(_auc(by_share))
    return min(out)


def _auc(counts: npt.NDArray[np.float64]) -> float:
    """P(a positive's score is higher) + half of P(equal), from (negatives, positives) (S, 2) by rising score; 0 where
    there is no pair."""
    negatives, positives = counts.sum(axis=0)
    if not positives or not negatives:
        return 0.0
    people = counts.sum(axis=1)
    rank = np.cumsum(people) - (people - 1) / 2
    return float(((rank * counts[:, 1]).sum() - positives * (positives + 1) / 2) / (positives * negatives))


def _same(codes: npt.NDArray[np.int64], y: npt.NDArray[np.int64]) -> bool:
    kinds = len(np.unique(codes))
    return kinds == 2 and len(np.unique(codes * 2 + y)) == 2
