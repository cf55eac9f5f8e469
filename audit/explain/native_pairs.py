"""SHAP interaction values of tree models (Lundberg et al. 2020), made in the worker's process on the loaded object.

Served as the operation "native_interactions" of `audit.models.ops`: XGBoost's pred_interactions, shap.TreeExplainer for
LightGBM, HistGradientBoosting and shallow forests, path dependent. In the model's own output: log-odds of boosted
classifiers, probability of forests. What TreeSHAP cannot do right is refused, as in native.py, and so is a table of
values that does not add up to the model's output on every row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from audit.explain import native, tree_read
from audit.explain.kinds import TOLERANCES, Floats, RefusedError, gate
from audit.explain.native_trees import tree_total
from audit.explain.owners import NoMapError
from audit.models.arrays import arrays_in
from audit.numbers import many

SHALLOW = 12
"""The depth up to which trees are given to shap: its time grows with leaves x depth^2, 400 ms a row in deep forests."""
WORK = 3e8
"""Leaves x depth^2 x rows x columns up to which shap is asked: some seconds."""
NATIVE_WORK = 1e9
"""The same of XGBoost's own: five seconds. It goes through all trees twice for each column."""


@dataclass(frozen=True, slots=True)
class _PositiveClass:
    positive: str


def interactions(model: Any, frame: pd.DataFrame, arrays: dict[str, Any]) -> dict[str, Any]:
    """Interaction values of the rows of `frame`: {"values" (n, M, M), "method", "output"}, or {"refused": why}.

    arrays: "positive" (text, the class explained). The halves of a pair stand in both of its cells.
    """
    try:
        return _interactions(model, frame, arrays_in(_PositiveClass, arrays).positive)
    except RefusedError as refusal:
        return {"refused": np.array(str(refusal), dtype=object)}
    except NoMapError as step:
        why = f"its step {step} mixes columns, so encoded columns cannot be summed back to the columns people know"
        return {"refused": np.array(why, dtype=object)}


def _interactions(model: Any, frame: pd.DataFrame, positive: str) -> dict[str, Any]:
    opened = native.opened(model, frame.shape[1], positive)
    if not native.is_trees(opened) or opened.name in native.BOOSTED - native.HIST:
        linear = hasattr(opened.last, "coef_")
        raise RefusedError(
            f"{opened.name} is not made of trees" if linear else f"shap is not asked for {opened.name}'s"
        )
    opened = native.with_rows(model, opened, frame)
    family = opened.top if opened.top in ("xgboost", "lightgbm") else "tree"
    if family == "xgboost":
        values, base, total = _xgboost(opened.last, opened.encoded)
    elif family == "lightgbm":
        values, base, total = _lightgbm(opened.last, opened.encoded)
    else:
        values, base, total = _sklearn(opened.last, opened.name, opened.encoded, opened.index)
    if values.shape[1] != len(opened.own):
        raise NoMapError(opened.name)
    if not gate(values.reshape(len(values), -1), base, total, TOLERANCES[family]).passed:
        raise RefusedError("its interaction values do not add up to what it answers")
    width = frame.shape[1]
    into = np.zeros((values.shape[1], width))
    into[np.arange(len(opened.own)), opened.own] = 1.0
    summed = np.einsum("nab,ai,bj->nij", values, into, into, optimize=True)
    return {
        "values": opened.sign * summed,
        "method": np.array("TreeSHAP interaction values (path dependent)", dtype=object),
        "output": np.array(opened.output, dtype=object),
    }


def _xgboost(last: Any, encoded: Any) -> tuple[Floats, Floats, Floats]:
    import xgboost

    booster = last.get_booster() if hasattr(last, "get_booster") else last
    data = encoded if isinstance(encoded, xgboost.DMatrix) else xgboost.DMatrix(encoded, enable_categorical=True)
    trees = tree_read.of_xgboost(booster)
    sizes = [(int((t.left < 0).sum()), tree_read.depth_of(t)) for t in trees]
    _affordable(sizes, (data.num_row(), data.num_col()), NATIVE_WORK)
    values = np.asarray(booster.predict(data, pred_interactions=True), dtype=np.float64)
    if values.ndim != 3:
        raise RefusedError("it decides between more than two classes")
    total = np.asarray(booster.predict(data, output_margin=True), dtype=np.float64)
    return values[:, :-1, :-1], values[:, -1, -1], total


def _lightgbm(last: Any, encoded: Any) -> tuple[Floats, Floats, Floats]:
    booster = getattr(last, "booster_", last)
    trees = booster.trees_to_dataframe()
    if (trees.decision_type == "==").any():
        raise RefusedError("shap's interaction values do not know its native categories")
    sizes = [(int(t.split_feature.isna().sum()), int(t.node_depth.max())) for _, t in trees.groupby("tree_index")]
    _affordable(sizes, encoded.shape, WORK)
    import shap

    explainer = shap.TreeExplainer(booster, feature_perturbation="tree_path_dependent")
    values = np.asarray(explainer.shap_interaction_values(encoded), dtype=np.float64)
    if values.ndim != 3:
        raise RefusedError("it decides between more than two classes")
    total = np.asarray(booster.predict(encoded, raw_score=True), dtype=np.float64)
    return values, _base(explainer, len(values), None), total


def _sklearn(last: Any, name: str, encoded: Any, index: int | None) -> tuple[Floats, Floats, Floats]:
    rows = np.asarray(encoded.toarray() if hasattr(encoded, "toarray") else encoded, dtype=np.float64)
    _affordable(_tree_sizes(last, name), rows.shape, WORK)
    import shap

    explainer = shap.TreeExplainer(last, feature_perturbation="tree_path_dependent")
    values = np.asarray(explainer.shap_interaction_values(rows), dtype=np.float64)
    if values.ndim == 4:
        assert index is not None
        values = values[:, :, :, index]
    return values, _base(explainer, len(rows), index), tree_total(last, rows, index)


def _tree_sizes(last: Any, name: str) -> list[tuple[int, int]]:
    """(leaves, depth) of each tree. Raises RefusedError for what shap cannot do right, or not in time."""
    if name in native.HIST:
        if np.any(np.asarray(getattr(last, "is_categorical_", None) is not None and last.is_categorical_)):
            raise RefusedError("shap's interaction values do not know its native categories")
        return [(p.get_n_leaf_nodes(), p.get_max_depth()) for round_ in last._predictors for p in round_]
    trees = [e.tree_ for e in last.estimators_] if hasattr(last, "estimators_") else [last.tree_]
    sizes = [(int(t.n_leaves), int(t.max_depth)) for t in trees]
    deepest = max(d for _, d in sizes)
    if deepest > SHALLOW:
        raise RefusedError(f"its trees are up to {deepest} deep, for which shap's interaction values take too long")
    return sizes


def _affordable(sizes: list[tuple[int, int]], shape: tuple[int, int], most: float) -> None:
    rows, columns = shape
    if sum(leaves * depth**2 for leaves, depth in sizes) * rows * columns > most:
        raise RefusedError(f"interaction values of {many(len(sizes), 'tree')} would take too long")


def _base(explainer: Any, count: int, index: int | None) -> Floats:
    base = np.asarray(explainer.expected_value, dtype=np.float64).reshape(-1)
    return np.full(count, float(base[index if index is not None and len(base) > 1 else -1]))
