"""Interventional TreeSHAP of a loaded model, held against what the model itself answers before it is believed.

Probes are rows that are part person, part background, as the game makes them. They go through the whole pipeline with
the others. Their encoded columns must be those of the two rows they are made of, or columns are not summed as the game
wants; and the trees as read must differ from the library's own answer to every person, background row and probe by one
and the same number (where boosting starts from). Otherwise the trees are refused, with the reason.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.explain import tree_read, tree_shap
from audit.explain.kinds import TOLERANCES, Floats, Ints, RefusedError
from audit.explain.owners import NoMapError, Opened
from audit.models.hybrids import Base, Hybrids

METHOD = "interventional TreeSHAP, exact over the whole background"
PROBES = 200
MOST_SECONDS = 30.0
"""Estimated processor seconds up to which trees are explained so; else the permutation method is faster."""


def probes(frame: pd.DataFrame, count: int) -> Hybrids:
    """PROBES rows between the first `count` rows and the others, the same at each call."""
    rng = np.random.default_rng(0)
    mask = rng.random((PROBES, frame.shape[1])) < rng.random((PROBES, 1))
    first, second = rng.integers(0, count, PROBES), rng.integers(count, len(frame), PROBES)
    return Hybrids(Base(frame), mask, first, second)


def attributions(at: Opened, width: int, count: int, known: int, hybrids: Hybrids) -> tuple[Floats, Floats, Floats]:
    """(values (count, width), base, total (count,)) of the first `count` rows of `at.encoded`. The rows up to `known`
    are the background, and then come those of `hybrids`. Raises RefusedError, NoMapError."""
    trees, matrix, own, total = seen(at, known, hybrids)
    if tree_shap.seconds(trees, own, known, MOST_SECONDS) > MOST_SECONDS:
        raise RefusedError("its trees are too deep, or too many, for TreeSHAP over the whole background")
    shap_values = tree_shap.values(trees, matrix, own, count, known - count, width)
    start = total - shap_values.total
    middle = float(np.median(start))
    off = np.abs(start - middle) / np.maximum(1.0, np.abs(total))
    tolerance = TOLERANCES[at.top if at.top in TOLERANCES else "tree"]
    if not bool((off <= tolerance).all()):
        raise RefusedError("its trees as they are read here do not add up to what it answers")
    return shap_values.values, np.full(count, float(total[count:known].mean())), total[:count]


def seen(at: Opened, known: int, hybrids: Hybrids) -> tuple[list[tree_read.Tree], Floats, Ints, Floats]:
    """The trees; the matrix (n, E) that they see of `at.encoded`; whose columns (E,) these are; the library's own
    answer (n,). known, hybrids: as of `attributions`. Raises RefusedError, NoMapError."""
    kind, matrix, own, total = _KINDS[kind_of(at)](at)
    if matrix.shape[1] != len(own):
        raise NoMapError(at.name)
    if not _apart(matrix, own, known, hybrids):
        raise NoMapError(f"before {at.name}")
    return tree_read.READERS[kind](booster_of(at.last), at.index), matrix, own, total


def _apart(matrix: Floats, own: Ints, known: int, hybrids: Hybrids) -> bool:
    """Whether each encoded column of a probe is that of the row which the probe has its column of the data from."""
    wanted = np.where(hybrids.mask[:, own], matrix[hybrids.first], matrix[hybrids.second])
    return bool(np.allclose(wanted, matrix[known:], rtol=1e-9, atol=0.0, equal_nan=True))


def kind_of(at: Opened) -> str:
    if at.top in ("lightgbm", "xgboost"):
        return at.top
    return "hist" if at.name.startswith("Hist") else "boosting" if at.name.startswith("Gradient") else "forest"


TreeReading = tuple[str, Floats, Ints, Floats]
"""(kind of trees; the matrix (n, E) that they see; whose columns (E,); the library's own answer (n,))."""


def _of_lightgbm(at: Opened) -> TreeReading:
    booster = booster_of(at.last)
    total = np.asarray(booster.predict(at.encoded, raw_score=True), dtype=np.float64)
    if "average_output" in booster.model_to_string(num_iteration=1).split("\n\n")[0].split("\n"):
        total = total / booster.num_trees()  # a forest's raw score is the sum, and it answers with the mean
    return "lightgbm", _dense(at.encoded), at.own, _one(total)


def _of_xgboost(at: Opened) -> TreeReading:
    import xgboost

    booster, missing = booster_of(at.last), getattr(at.last, "missing", np.nan)
    data = at.encoded
    if not isinstance(data, xgboost.DMatrix):
        data = xgboost.DMatrix(data, enable_categorical=True, missing=missing)
    total = np.asarray(booster.predict(data, output_margin=True), dtype=np.float64)
    stored = data.get_data().tocoo()  # what is not stored is missing
    matrix = np.full((data.num_row(), data.num_col()), np.nan)
    matrix[stored.row, stored.col] = stored.data
    return "xgboost", matrix, at.own, _one(total)


def _of_hist(at: Opened) -> TreeReading:
    matrix = np.asarray(at.last._preprocess_X(at.encoded, reset=False), dtype=np.float64)
    own = at.own
    if getattr(at.last, "_preprocessor", None) is not None:  # it puts the categories first
        first = np.asarray(at.last.is_categorical_, dtype=bool)
        own = np.concatenate([own[first], own[~first]])
    return "hist", matrix, own, tree_total(at.last, at.encoded, at.index)


def _of_boosting(at: Opened) -> TreeReading:
    scale = 2.0 if at.index is not None and at.last.loss == "exponential" else 1.0
    return "boosting", _single(at.encoded), at.own, scale * tree_total(at.last, at.encoded, at.index)


def _of_forest(at: Opened) -> TreeReading:
    return "forest", _single(at.encoded), at.own, tree_total(at.last, at.encoded, at.index)


_KINDS = {
    "lightgbm": _of_lightgbm, "xgboost": _of_xgboost, "hist": _of_hist, "boosting": _of_boosting, "forest": _of_forest,
}  # fmt: skip


def tree_total(last: Any, rows: Any, index: int | None) -> Floats:
    """What the attributions of scikit-learn's trees add up to, as the library itself computes it: log-odds of boosted
    classifiers, probability of forests, a regression's value."""
    if index is None:
        return np.asarray(last.predict(rows), dtype=np.float64)
    if hasattr(last, "decision_function"):
        return np.asarray(last.decision_function(rows), dtype=np.float64)
    return np.asarray(last.predict_proba(rows), dtype=np.float64)[:, index]


def booster_of(last: Any) -> Any:
    """What a wrapper of LightGBM or XGBoost predicts with (where training was stopped early, the rounds up to the
    best); of any other its own object."""
    last = getattr(last, "booster_", last)
    if not hasattr(last, "get_booster"):
        return last
    best = last.get_booster().attr("best_iteration")
    return last.get_booster() if best is None else last.get_booster()[: int(best) + 1]


def _one(total: Floats) -> Floats:
    if total.ndim != 1:
        raise RefusedError("it decides between more than two classes")
    return total


def _single(encoded: Any) -> Floats:
    """scikit-learn's trees see single precision."""
    return _dense(encoded).astype(np.float32).astype(np.float64)


def _dense(encoded: Any) -> Floats:
    """A frame (categories by their codes), an array or a sparse matrix as numbers; missing is NaN."""
    if hasattr(encoded, "toarray"):
        encoded = encoded.toarray()
    if not isinstance(encoded, pd.DataFrame):
        return np.asarray(encoded, dtype=np.float64)
    return np.column_stack([_column(encoded.iloc[:, j]) for j in range(encoded.shape[1])])


def _column(values: pd.Series[Any]) -> npt.NDArray[np.float64]:
    if isinstance(values.dtype, pd.CategoricalDtype):
        codes = values.cat.codes.to_numpy().astype(np.float64)
        return np.where(codes < 0, np.nan, codes)
    return values.to_numpy(dtype=np.float64, na_value=np.nan)
