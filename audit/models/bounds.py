"""The node indices of trees, checked before the first prediction.

scikit-learn follows the child and feature indices of a tree without bounds checks (scikit-learn#34558), so a crafted
file can make it read foreign memory. Children must stand after their parent (every builder of scikit-learn writes them
so; it also rules out loops), and features must exist.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from audit.errors import ModelError


def check_bounds(estimator: Any) -> None:
    """Raises ModelError for a tree whose indices point outside. Walks everything the estimator holds."""
    seen: set[int] = set()
    waiting: list[tuple[Any, int | None]] = [(estimator, None)]
    while waiting:
        thing, columns = waiting.pop()
        if id(thing) in seen or isinstance(thing, (str, bytes, int, float, bool, type(None), type)):
            continue
        seen.add(id(thing))
        kind = f"{type(thing).__module__}.{type(thing).__name__}"
        if kind == "sklearn.tree._tree.Tree":
            _tree(thing, columns)
        elif kind == "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor":
            _predictor(thing, columns)
        elif isinstance(thing, np.ndarray):
            if thing.dtype == object:
                waiting.extend((item, columns) for item in thing.ravel().tolist())
        elif isinstance(thing, dict):
            waiting.extend((item, columns) for item in thing.values())
        elif isinstance(thing, (list, tuple, set, frozenset)):
            waiting.extend((item, columns) for item in thing)
        else:
            inner = getattr(thing, "__dict__", None)
            if isinstance(inner, dict):
                own = inner.get("_n_features", inner.get("n_features_in_"))
                waiting.extend((item, own if isinstance(own, int) else columns) for item in inner.values())


def _tree(tree: Any, columns: int | None) -> None:
    left, right = np.asarray(tree.children_left), np.asarray(tree.children_right)
    feature = np.asarray(tree.feature)
    count, here = len(left), np.arange(len(left))
    inner = left != -1
    limit = int(tree.n_features) if columns is None else min(int(tree.n_features), columns)
    good = (
        np.array_equal(inner, right != -1)
        and bool(((left > here) & (left < count) & (right > here) & (right < count))[inner].all())
        and bool(((feature >= 0) & (feature < limit))[inner].all())
        and count > 0
    )
    _refuse_unless(good, "Tree")


def _predictor(predictor: Any, columns: int | None) -> None:
    nodes = predictor.nodes
    here = np.arange(len(nodes))
    inner = nodes["is_leaf"] == 0
    left, right = nodes["left"].astype(np.int64), nodes["right"].astype(np.int64)
    feature, bits = nodes["feature_idx"].astype(np.int64), nodes["bitset_idx"].astype(np.int64)
    sets = min(len(predictor.raw_left_cat_bitsets), len(predictor.binned_left_cat_bitsets))
    categorical = inner & (nodes["is_categorical"] == 1)
    good = (
        len(nodes) > 0
        and bool(((left > here) & (left < len(nodes)) & (right > here) & (right < len(nodes)))[inner].all())
        and bool((feature >= 0)[inner].all())
        and (columns is None or bool((feature < columns)[inner].all()))
        and bool((bits < sets)[categorical].all())
    )
    _refuse_unless(good, "TreePredictor")


def _refuse_unless(good: bool, what: str) -> None:
    if not good:
        raise ModelError(
            "a tree of the model points outside itself",
            got=f"a {what} whose node indices do not fit its size or the number of features",
            expected="trees as scikit-learn writes them",
            todo="get the file from its source again; it was damaged or made to break the program that reads it",
        )
