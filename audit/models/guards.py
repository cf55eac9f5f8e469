"""Doors to compiled code that believes what it is given: checked there, where the rows are known too.

Put in place inside the model's process, before a file is built. Each replaces a name that scikit-learn's or SciPy's
Python code calls through, looks at sizes and indices, and then calls what was there.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from audit.errors import ModelError
from audit.models.tree_files import check_lightgbm, check_xgboost
from audit.sentences import DAMAGED


def put_up(modules: set[str]) -> None:
    """Guard what a file with types of `modules` can reach. May be called more than once."""
    for name, attribute, guard in _DOORS:
        if any(module.startswith(name.rpartition(".")[0]) for module in modules) or name in sys.modules:
            _replace(importlib.import_module(name), attribute, guard)


def _replace(module: Any, attribute: str, guard: Callable[..., None]) -> None:
    *path, last = attribute.split(".")
    place = functools.reduce(getattr, path, module)
    original = getattr(place, last)
    if hasattr(original, "_guarded"):
        return

    @functools.wraps(original)
    def guarded(*arguments: Any, **named: Any) -> Any:
        guard(*arguments, **named)
        return original(*arguments, **named)

    guarded._guarded = True  # type: ignore[attr-defined]
    setattr(place, last, guarded)


def _require(good: Any, what: str) -> None:
    if not bool(good):
        raise ModelError(
            "the model's arrays point outside themselves",
            got=f"{what} that does not fit the rows it is given",
            expected="sizes as its library writes them",
            todo=DAMAGED,
        )


def _sparse(matrix: Any, *_: Any, **__: Any) -> None:
    """Indices of a sparse matrix lie inside its shape, and its rows inside its list of indices."""
    many, few = (matrix.shape[0], matrix.shape[1]) if matrix.format == "csr" else matrix.shape[::-1]
    ends, places = np.asarray(matrix.indptr), np.asarray(matrix.indices)
    good = len(ends) == many + 1 and ends[0] == 0 and len(places) <= len(matrix.data) + len(places)
    good = good and ends[-1] <= min(len(places), len(matrix.data)) and not bool((np.diff(ends) < 0).any())
    used = places[: int(ends[-1])] if good else places
    _require(good and (not len(used) or (used.min() >= 0 and used.max() < few)), "a sparse matrix")


def _stages(estimators: Any, rows: Any, *arguments: Any) -> None:
    """predict_stages(estimators, X, scale, out), predict_stage(estimators, stage, X, scale, out)."""
    table, out = rows, arguments[-1]
    if isinstance(rows, (int, np.integer)):  # while it is fitted, what comes after this stage is not there yet
        table, estimators = arguments[0], estimators[: rows + 1]
    width = max((tree.tree_.n_features for tree in estimators.ravel()), default=0)
    good = estimators.ndim == 2 and out.ndim == 2 and out.shape == (table.shape[0], estimators.shape[1])
    _require(good and table.shape[1] >= width, "a boosted ensemble")


def _predictor(self: Any, X: Any, known_cat_bitsets: Any, f_idx_map: Any, *_: Any, **__: Any) -> None:
    nodes = self.nodes[self.nodes["is_leaf"] == 0]
    used = nodes["feature_idx"].astype(np.int64)
    categorical = used[nodes["is_categorical"] == 1]
    good = not len(used) or used.max() < min(X.shape[1], len(f_idx_map))
    if good and len(categorical):
        known = known_cat_bitsets
        good = known.ndim == 2 and known.shape[1] == 8 and np.asarray(f_idx_map)[categorical].max() < len(known)
    _require(good, "a tree")


def _centres(rows: Any, weight: Any, centres: Any, *_: Any, **__: Any) -> None:
    good = centres.ndim == 2 and len(centres) > 0 and centres.shape[1] == rows.shape[1] and len(weight) == rows.shape[0]
    _require(good, "a set of cluster centres")


def _lightgbm(booster: Any, state: dict[str, Any]) -> None:
    text = state.get("_handle", state.get("handle"))
    _require(isinstance(text, str), "a LightGBM model without its text")
    check_lightgbm(str(text).encode())


def _xgboost(booster: Any, state: dict[str, Any]) -> None:
    _require(isinstance(state.get("handle"), (bytes, bytearray)), "an XGBoost model without its trees")
    check_xgboost(state["handle"])


_DOORS: tuple[tuple[str, str, Callable[..., None]], ...] = (
    ("sklearn.ensemble._gb", "predict_stages", _stages),
    ("sklearn.ensemble._gb", "predict_stage", _stages),
    ("sklearn.ensemble._hist_gradient_boosting.predictor", "TreePredictor.predict", _predictor),
    ("sklearn.cluster._kmeans", "lloyd_iter_chunked_dense", _centres),
    ("sklearn.cluster._kmeans", "lloyd_iter_chunked_sparse", _centres),
    ("scipy.sparse._compressed", "_cs_matrix.check_format", _sparse),
    ("lightgbm.basic", "Booster.__setstate__", _lightgbm),
    ("xgboost.core", "Booster.__setstate__", _xgboost),
)
