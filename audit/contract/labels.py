"""Outcomes that look wrong: a work list for people, never an error rate of a group.

Confident learning (Northcutt, Jiang & Chuang 2021): a row is flagged where its out-of-fold score is at least the
average of the other class's own scores, and higher than that of its own class. How many of a group are flagged follows
how ambiguous the group is, and not how wrong its labels are (measured: planted 3.3 % of women and 2.0 % of men, flagged
2.8 and 5.9). A rate by group comes from a random sample that people label again; `sample_size` says how many.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

NOT_A_RATE = (
    "This is a list of rows to look at. Shares of flags are not error rates, least of all by group: a group whose "
    "outcomes are harder to tell is flagged more."
)


def confident(score: npt.NDArray[np.float64], label: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Which rows (n,) are flagged. score (n,): of the positive class, by models that did not learn from the row."""
    probability = np.column_stack([1 - score, score])
    threshold = np.array([probability[label == k, k].mean() if (label == k).any() else 1.1 for k in (0, 1)])
    sure = np.where(probability >= threshold, probability, -1.0)
    best = sure.argmax(axis=1)
    return np.asarray((sure.max(axis=1) > 0) & (best != label))


def sample_size(half_width: float, expected: float = 0.05, alpha: float = 0.05) -> int:
    """How many random rows of a group people must label again for a Wilson interval of this half width, at a share of
    wrong labels of `expected`. Found by search, since the Wilson interval is no simple square root."""
    z = NormalDist().inv_cdf(1 - alpha / 2)

    def half(n: int) -> float:
        return z / (1 + z * z / n) * math.sqrt(expected * (1 - expected) / n + z * z / (4 * n * n))

    low, high = 1, 2
    while half(high) > half_width:
        low, high = high, high * 2
    while low < high:
        middle = (low + high) // 2
        if half(middle) <= half_width:
            high = middle
        else:
            low = middle + 1
    return low
