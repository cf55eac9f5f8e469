"""Attributions that a model's own library gives, made in the worker's process on the loaded object.

Served as the operation "native_attributions" of `audit.models.ops`. Which model gets what:

    linear, logistic        closed form over the whole background (shap's LinearExplainer cuts it to 100 rows)
    LightGBM, XGBoost       pred_contrib, pred_contribs (TreeSHAP, path dependent; Lundberg 2020)
    HistGradientBoosting    shap.TreeExplainer, path dependent; with native categories refused: it would be wrong
    forests, trees          shap.TreeExplainer where they are shallow; refused where it would take minutes

A refusal is an answer, not an error: {"refused": why}. The caller then uses the permutation method.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from audit.explain.kinds import LOG_ODDS, PROBABILITY, VALUE, Floats, Ints
from audit.explain.owners import NoMapError, owners, summed
from audit.models.arrays import arrays_in
from audit.numbers import many

SHALLOW = 12
"""The depth up to which trees are given to shap: its time grows with leaves x depth^2, 400 ms a row in deep forests."""
WORK = 4e9
"""Leaves x depth^2 x rows up to which shap is asked (some tens of seconds)."""


class RefusedError(Exception):
    """Why the model's own attributions are not used, as a clause."""


@dataclass(frozen=True, slots=True)
class _Asked:
    rows: int
    positive: str
    output: str


def attributions(model: Any, frame: pd.DataFrame, arrays: dict[str, Any]) -> dict[str, Any]:
    """Attributions of the first arrays["rows"] rows of `frame`; the others are the background.

    arrays: "rows"; "positive" (text, the class explained); "output" (text, what is wanted: "log-odds", "probability",
    "value"). Returns {"values" (n, M), "base" (n,), "total" (n,) the output as the library itself computes it,
    "method", "family", "output"}, or {"refused": why}.
    """
    asked = arrays_in(_Asked, arrays)
    try:
        return _attributions(model, frame, asked.rows, asked.positive, asked.output)
    except RefusedError as refusal:
        return {"refused": np.array(str(refusal), dtype=object)}
    except NoMapError as step:
        why = f"its step {step} mixes columns, so encoded columns cannot be summed back to the columns people know"
        return {"refused": np.array(why, dtype=object)}


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """A pipeline taken apart: its last step, the rows as that step sees them, and whose columns they are.

    own (columns,): the column of the data that each encoded column is made of. index: the place of the class explained,
    None for a regression. sign: -1 where the library's output is of the other class. output: what it is.
    """

    last: Any
    name: str
    top: str
    encoded: Any
    own: Ints
    index: int | None
    sign: float
    output: str


def opened(model: Any, frame: pd.DataFrame, positive: str) -> Opened:
    """The loaded model taken apart over `frame`. Raises RefusedError and NoMapError."""
    encoded: Any = model.prepare(frame)
    last = model.estimator
    own = np.arange(frame.shape[1], dtype=np.int64)
    while type(last).__name__ == "Pipeline":
        for _, step in last.steps[:-1]:
            own = own[owners(step, len(own))]
            encoded = encoded if step in (None, "passthrough") else step.transform(encoded)
        last = last.steps[-1][1]
    classes = [str(c) for c in model.facts.classes]
    index = model.class_index(positive) if classes else None
    if index is not None and len(classes) > 2:
        raise RefusedError("it decides between more than two classes")
    name, top = type(last).__name__, type(last).__module__.split(".")[0]
    output = _gives(name, top, index)
    return Opened(last, name, top, encoded, own, index, -1.0 if index == 0 and output == LOG_ODDS else 1.0, output)


def _attributions(model: Any, frame: pd.DataFrame, count: int, positive: str, wanted: str) -> dict[str, Any]:
    at = opened(model, frame, positive)
    if at.output != wanted:
        raise RefusedError(f"its own attributions are of the {at.output}, and the {wanted} is to be explained")
    if at.top == "lightgbm":
        values, base, total = _lightgbm(at.last, at.encoded, count)
        method, family = "TreeSHAP of LightGBM (path dependent)", "lightgbm"
    elif at.top == "xgboost":
        values, base, total = _xgboost(at.last, at.encoded, count)
        method, family = "TreeSHAP of XGBoost (path dependent)", "xgboost"
    elif hasattr(at.last, "coef_"):
        values, base, total = _linear(at.last, at.encoded, count)
        method, family = "closed form of the linear model", "linear"
    else:
        values, base, total = _tree(at.last, at.name, at.encoded, count, at.index)
        method, family = "TreeSHAP (path dependent)", "tree"
    if values.shape[1] != len(at.own):
        raise NoMapError(at.name)
    return {
        "values": at.sign * summed(values, at.own, frame.shape[1]),
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
_BOOSTED = {"HistGradientBoostingClassifier", "HistGradientBoostingRegressor"}
_TREES = {
    "RandomForestClassifier", "RandomForestRegressor", "ExtraTreesClassifier", "ExtraTreesRegressor",
    "DecisionTreeClassifier", "DecisionTreeRegressor",
}  # fmt: skip


def _gives(name: str, top: str, index: int | None) -> str:
    """The output that the library's attributions are of. Raises RefusedError for an unknown kind of model."""
    if top in ("lightgbm", "xgboost"):
        return VALUE if index is None else LOG_ODDS
    if top != "sklearn":
        raise RefusedError(f"no library gives attributions for {name}")
    if name in _LINEAR_LOG_ODDS or (name in _BOOSTED and index is not None):
        return LOG_ODDS
    if name in _LINEAR_VALUE or (name in _BOOSTED and index is None):
        return VALUE
    if name in _TREES:
        return VALUE if index is None else PROBABILITY
    raise RefusedError(f"there is no exact method for {name}")


def _linear(last: Any, encoded: Any, count: int) -> tuple[Floats, Floats, Floats]:
    matrix = np.asarray(encoded.toarray() if hasattr(encoded, "toarray") else encoded, dtype=np.float64)
    weights = np.asarray(last.coef_, dtype=np.float64).reshape(-1)
    intercept = float(np.asarray(last.intercept_, dtype=np.float64).reshape(-1)[0])
    rows, background = matrix[:count], matrix[count:]
    if not len(background):
        raise RefusedError("there is no background")
    center = background.mean(axis=0)
    base = np.full(count, float(center @ weights) + intercept)
    return (rows - center) * weights, base, rows @ weights + intercept


def _lightgbm(last: Any, encoded: Any, count: int) -> tuple[Floats, Floats, Floats]:
    booster = getattr(last, "booster_", last)
    rows = _first(encoded, count)
    raw = np.asarray(booster.predict(rows, raw_score=True), dtype=np.float64)
    found = np.asarray(booster.predict(rows, pred_contrib=True), dtype=np.float64)
    if raw.ndim != 1:
        raise RefusedError("it decides between more than two classes")
    return found[:, :-1], found[:, -1], raw


def _xgboost(last: Any, encoded: Any, count: int) -> tuple[Floats, Floats, Floats]:
    import xgboost

    booster = last.get_booster() if hasattr(last, "get_booster") else last
    rows = _first(encoded, count)
    data = rows if isinstance(rows, xgboost.DMatrix) else xgboost.DMatrix(rows, enable_categorical=True)
    found = np.asarray(booster.predict(data, pred_contribs=True), dtype=np.float64)
    raw = np.asarray(booster.predict(data, output_margin=True), dtype=np.float64)
    if found.ndim != 2:
        raise RefusedError("it decides between more than two classes")
    return found[:count, :-1], found[:count, -1], raw[:count]


def _first(encoded: Any, count: int) -> Any:
    """The first rows of a frame, an array or a sparse matrix; what cannot be cut is cut afterwards."""
    if hasattr(encoded, "iloc"):
        return encoded.iloc[:count]
    return encoded[:count] if hasattr(encoded, "shape") else encoded


def is_tree(name: str) -> bool:
    """Whether a scikit-learn model of this name is made of trees."""
    return name in _BOOSTED or name in _TREES


def tree_sizes(last: Any, name: str) -> list[tuple[int, int]]:
    """(leaves, depth) of each tree. Raises RefusedError for what TreeSHAP cannot do right, or not in time."""
    if name in _BOOSTED:
        if _native_categories(last):
            raise RefusedError(
                "its native categories are not supported by TreeSHAP, which would be wrong without a word"
            )
        return [(p.get_n_leaf_nodes(), p.get_max_depth()) for round_ in last._predictors for p in round_]
    trees = [e.tree_ for e in last.estimators_] if hasattr(last, "estimators_") else [last.tree_]
    sizes = [(int(t.n_leaves), int(t.max_depth)) for t in trees]
    deepest = max(d for _, d in sizes)
    if deepest > SHALLOW:
        raise RefusedError(f"its trees are up to {deepest} deep, for which TreeSHAP takes too long")
    return sizes


def tree_total(last: Any, name: str, rows: Floats, index: int | None) -> Floats:
    """The output that the attributions must add up to, as the library itself computes it."""
    if name in _BOOSTED and index is not None:
        return np.asarray(last.decision_function(rows), dtype=np.float64)
    if index is not None:
        return np.asarray(last.predict_proba(rows), dtype=np.float64)[:, index]
    return np.asarray(last.predict(rows), dtype=np.float64)


def _tree(last: Any, name: str, encoded: Any, count: int, index: int | None) -> tuple[Floats, Floats, Floats]:
    sizes = tree_sizes(last, name)
    if sum(leaves * depth**2 for leaves, depth in sizes) * count > WORK:
        raise RefusedError(f"TreeSHAP would take too long for {many(count, 'row')} of {many(len(sizes), 'tree')}")
    import shap

    rows = np.asarray(encoded[:count] if not hasattr(encoded, "iloc") else encoded.iloc[:count], dtype=np.float64)
    explainer = shap.TreeExplainer(last, feature_perturbation="tree_path_dependent")
    found = np.asarray(explainer.shap_values(rows, check_additivity=False), dtype=np.float64)
    base = np.asarray(explainer.expected_value, dtype=np.float64).reshape(-1)
    if found.ndim == 3:
        assert index is not None
        found, base = found[:, :, index], base[index : index + 1]
    return found, np.full(count, float(base[0])), tree_total(last, name, rows, index)


def _native_categories(last: Any) -> bool:
    marked = getattr(last, "is_categorical_", None)
    return marked is not None and bool(np.any(np.asarray(marked)))
