"""Attributions that follow exactly from what a model is made of, made in the worker's process on the loaded object.

Served as the operation "native_attributions" of `audit.models.ops`. Which model gets what:

    linear, logistic        closed form over the whole background (shap's LinearExplainer cuts it to 100 rows)
    trees                   interventional TreeSHAP over the whole background (native_trees.py)

A refusal is an answer, not an error: {"refused": why}. The caller then uses the permutation method.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from audit.explain import native_trees
from audit.explain.kinds import LOG_ODDS, PROBABILITY, VALUE, Floats, Ints, RefusedError
from audit.explain.owners import NoMapError, Opened, owners, summed
from audit.models.arrays import arrays_in


@dataclass(frozen=True, slots=True)
class _ShapRequest:
    rows: int
    positive: str
    output: str


def attributions(model: Any, frame: pd.DataFrame, arrays: dict[str, Any]) -> dict[str, Any]:
    """Attributions of the first arrays["rows"] rows of `frame`; the others are the background.

    arrays: "rows"; "positive" (text, the class explained); "output" (text, what is wanted: "log-odds", "probability",
    "value"). Returns {"values" (n, M), "base" (n,), "total" (n,) the output as the library itself computes it,
    "method", "family", "output"}, or {"refused": why}.
    """
    asked = arrays_in(_ShapRequest, arrays)
    try:
        return _attributions(model, frame, asked.rows, asked.positive, asked.output)
    except RefusedError as refusal:
        return {"refused": np.array(str(refusal), dtype=object)}
    except NoMapError as step:
        why = f"its step {step} mixes columns, so encoded columns cannot be summed back to the columns people know"
        return {"refused": np.array(why, dtype=object)}


def opened(model: Any, columns: int, positive: str) -> Opened:
    """The loaded model taken apart, without rows: to encode them takes longest. Raises RefusedError and NoMapError."""
    last, own = behind_encoders(model, columns)
    classes = [str(c) for c in model.facts.classes]
    index = model.class_index(positive) if classes else None
    if index is not None and len(classes) > 2:
        raise RefusedError("it decides between more than two classes")
    name, top = type(last).__name__, type(last).__module__.split(".")[0]
    output = _gives(name, top, index)
    return Opened(last, name, top, None, own, index, -1.0 if index == 0 and output == LOG_ODDS else 1.0, output)


def with_rows(model: Any, at: Opened, frame: pd.DataFrame) -> Opened:
    """With the rows of `frame` as the last step sees them."""
    return replace(at, encoded=encode(model, frame))


def behind_encoders(model: Any, columns: int) -> tuple[Any, Ints]:
    """The last step of a loaded model, and which of the data's columns each of those that it sees is made of (E,).
    Raises NoMapError."""
    last = model.estimator
    own = np.arange(columns, dtype=np.int64)
    while type(last).__name__ == "Pipeline":
        for _, step in last.steps[:-1]:
            own = own[owners(step, len(own))]
        last = last.steps[-1][1]
    return last, own


def encode(model: Any, frame: pd.DataFrame) -> Any:
    """The rows (n, E) as a loaded model's last step sees them."""
    rows: Any = model.prepare(frame)
    last = model.estimator
    while type(last).__name__ == "Pipeline":
        for _, step in last.steps[:-1]:
            rows = rows if step in (None, "passthrough") else step.transform(rows)
        last = last.steps[-1][1]
    return rows


def _attributions(model: Any, frame: pd.DataFrame, count: int, positive: str, wanted: str) -> dict[str, Any]:
    if count >= len(frame):
        raise RefusedError("there is no background")
    at = opened(model, frame.shape[1], positive)
    if at.output != wanted:
        raise RefusedError(f"its own attributions are of the {at.output}, and the {wanted} is to be explained")
    probes = native_trees.probes(frame, count)
    at = with_rows(model, at, pd.concat([frame, probes.frame()], ignore_index=True))
    if at.top == "sklearn" and hasattr(at.last, "coef_"):
        values, base, total = _linear(at.last, at.encoded, count, len(frame))
        if values.shape[1] != len(at.own):
            raise NoMapError(at.name)
        values = summed(values, at.own, frame.shape[1])
        method, family = "closed form of the linear model", "linear"
    else:
        values, base, total = native_trees.attributions(at, frame.shape[1], count, len(frame), probes)
        method, family = native_trees.METHOD, at.top if at.top in ("lightgbm", "xgboost") else "tree"
    return {
        "values": at.sign * values,
        "base": at.sign * base,
        "total": at.sign * total,
        "method": np.array(method, dtype=object),
        "family": np.array(family, dtype=object),
        "output": np.array(at.output, dtype=object),
    }


_LINEAR_LOG_ODDS = {"LogisticRegression", "LogisticRegressionCV"}
_LINEAR_VALUE = {
    "LinearRegression", "Ridge", "RidgeCV", "Lasso", "LassoCV", "ElasticNet", "ElasticNetCV", "BayesianRidge",
    "HuberRegressor", "LinearSVR", "SGDRegressor", "TheilSenRegressor", "Lars", "LassoLars",
}  # fmt: skip
HIST = {"HistGradientBoostingClassifier", "HistGradientBoostingRegressor"}
BOOSTED = {*HIST, "GradientBoostingClassifier", "GradientBoostingRegressor"}
FORESTS = {
    "RandomForestClassifier", "RandomForestRegressor", "ExtraTreesClassifier", "ExtraTreesRegressor",
    "DecisionTreeClassifier", "DecisionTreeRegressor",
}  # fmt: skip


def is_trees(at: Opened) -> bool:
    """Whether the last step is of a kind whose trees are read."""
    return at.top in ("lightgbm", "xgboost") or at.name in BOOSTED | FORESTS


def _gives(name: str, top: str, index: int | None) -> str:
    """The output that the library's attributions are of. Raises RefusedError for an unknown kind of model."""
    if top in ("lightgbm", "xgboost"):
        return VALUE if index is None else LOG_ODDS
    if top != "sklearn":
        raise RefusedError(f"no library gives attributions for {name}")
    if name in _LINEAR_LOG_ODDS or (name in BOOSTED and index is not None):
        return LOG_ODDS
    if name in _LINEAR_VALUE or (name in BOOSTED and index is None):
        return VALUE
    if name in FORESTS:
        return VALUE if index is None else PROBABILITY
    raise RefusedError(f"there is no exact method for {name}")


def _linear(last: Any, encoded: Any, count: int, known: int) -> tuple[Floats, Floats, Floats]:
    matrix = np.asarray(encoded.toarray() if hasattr(encoded, "toarray") else encoded, dtype=np.float64)
    weights = np.asarray(last.coef_, dtype=np.float64).reshape(-1)
    intercept = float(np.asarray(last.intercept_, dtype=np.float64).reshape(-1)[0])
    rows, center = matrix[:count], matrix[count:known].mean(axis=0)
    base = np.full(count, float(center @ weights) + intercept)
    return (rows - center) * weights, base, rows @ weights + intercept
