"""A gap between groups as a scikit-learn scorer, for cross-validation and searches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from audit.cube import Meaning
from audit.errors import InputError, nearest
from audit.metrics import SELECTION_RATE, metrics_for


def fairness_scorer(
    metric: str = SELECTION_RATE,
    *,
    sensitive: Any,
    favourable: object = 1,
    kind: str = "difference",
    least: int = 10,
) -> Callable[[Any, Any, Any], float]:
    """A scorer `(estimator, X, y) -> float` that is greater where the gap between groups is smaller.

    Parameters
    ----------
    metric : str
        A rate, for example "selection_rate", "true_positive_rate", "accuracy".
    sensitive : Any
        The name of a column of X, or a Series by row label (cross-validation passes parts of X, and only an index says
        which).
    favourable : object
        The decision that is good for a person; the rate is about it.
    kind : str
        "difference" scores minus (highest - lowest), 0 at best; "ratio" scores lowest / highest, 1 at best.
    least : int
        Groups with fewer people in the rate's denominator are left out; with fewer than two left the score is NaN,
        which is no 0 (scikit-learn then warns, or takes `error_score`).

    Returns
    -------
    Callable[[Any, Any, Any], float]
        For `scoring=` of scikit-learn.

    Raises
    ------
    AssayError
        InputError for a metric or kind that is not known, and, when it scores, for groups that cannot be joined.
    """
    table = {m.name: m for m in metrics_for(Meaning("favourable", "other", "favourable"))}
    if metric not in table:
        raise InputError(f"the metric {metric!r} is not known", got=metric, expected=", ".join(table),
                         todo=nearest(metric, table))  # fmt: skip
    if kind not in ("difference", "ratio"):
        raise InputError("the kind of gap is not known", got=kind, expected="difference or ratio", todo="name one")
    row = table[metric]

    def score(estimator: Any, X: Any, y: Any) -> float:
        groups = _groups(sensitive, X)
        decided = np.asarray(estimator.predict(X)) == favourable
        good = np.asarray(y) == favourable
        values = []
        for group in pd.unique(groups[~pd.isna(groups)]):
            mine = groups == group
            cells = np.zeros((3, 2), dtype=np.int64)
            np.add.at(cells, (good[mine].astype(int), decided[mine].astype(int)), 1)
            among = int(cells[row.denominator].sum())
            if among >= least:
                values.append(int(cells[row.numerator].sum()) / among)
        if len(values) < 2:
            return float("nan")
        low, high = min(values), max(values)
        if kind == "ratio":
            return low / high if high else float("nan")
        return low - high

    return score


def _groups(sensitive: Any, X: Any) -> np.ndarray:
    if isinstance(sensitive, str):
        return np.asarray(X[sensitive], dtype=object)
    if isinstance(sensitive, (pd.Series, Mapping)):
        values = pd.Series(sensitive)
        if not hasattr(X, "index"):
            raise InputError("the groups cannot be joined to these rows", got="X without an index",
                             expected="a pandas frame", todo="pass X as a frame")  # fmt: skip
        return values.reindex(X.index).to_numpy(dtype=object)
    raise InputError(
        "`sensitive` names no groups",
        got=type(sensitive).__name__,
        expected="the name of a column of X, or a Series by row label",
        todo="pass one of them",
    )
