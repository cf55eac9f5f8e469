"""Which features stand in for a sensitive attribute: association, without a model.

A model that never saw the attribute can still carry it. For text and truth values the association is Cramer's V with
Bergsma's (2013) bias correction; for numbers it is the correlation ratio eta with the correction of Kelley (1935): both
0 (none) to 1 (the feature tells the group).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.explain.neighbours import is_category

NOTABLE = 0.1


@dataclass(frozen=True, slots=True)
class Association:
    """How strongly a feature goes with the groups of an attribute."""

    feature: str
    measure: str
    value: float


def associations(frame: pd.DataFrame, groups: npt.NDArray[np.str_]) -> tuple[Association, ...]:
    """One for each column of `frame` (N, M), strongest first. groups: (N,) names."""
    codes, names = pd.factorize(groups)
    result = []
    for column in frame.columns:
        if is_category(frame[column]):
            result.append(Association(str(column), "Cramer's V", _cramer(frame[column], codes, len(names))))
        else:
            result.append(Association(str(column), "correlation ratio", _eta(frame[column], codes, len(names))))
    return tuple(sorted(result, key=lambda a: (-a.value, a.feature)))


def _cramer(column: pd.Series, codes: npt.NDArray[np.int64], groups: int) -> float:
    own = pd.factorize(column, use_na_sentinel=False)[0]
    levels = int(own.max(initial=-1)) + 1
    n = len(codes)
    if levels < 2 or groups < 2 or n < 2:
        return 0.0
    table = np.bincount(own * groups + codes, minlength=levels * groups).reshape(levels, groups).astype(np.float64)
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0, keepdims=True) / n
    phi2 = float(((table - expected) ** 2 / np.where(expected > 0, expected, 1.0)).sum()) / n
    phi2 = max(0.0, phi2 - (levels - 1) * (groups - 1) / (n - 1))
    rows, columns = levels - (levels - 1) ** 2 / (n - 1), groups - (groups - 1) ** 2 / (n - 1)
    least = min(rows, columns) - 1
    return float(min(1.0, np.sqrt(phi2 / least))) if least > 0 else 0.0


def _eta(column: pd.Series, codes: npt.NDArray[np.int64], groups: int) -> float:
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    known = np.isfinite(values)
    values, own = values[known], codes[known]
    n = len(values)
    used = np.bincount(own, minlength=groups)
    k = int((used > 0).sum())
    if n <= k or k < 2:
        return 0.0
    centred = values - values.mean()
    total = float((centred**2).sum())
    if total <= 0:
        return 0.0
    mean = np.bincount(own, weights=centred, minlength=groups) / np.maximum(used, 1)
    between = float((used * mean**2).sum())
    corrected = 1 - (1 - between / total) * (n - 1) / (n - k)
    return float(np.sqrt(max(0.0, min(1.0, corrected))))
