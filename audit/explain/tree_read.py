"""Trees of scikit-learn, LightGBM and XGBoost as plain arrays, with one rule of where a value goes.

A number goes left where it is <= the node's threshold; a missing one where the node says. A category goes by whether
the node lists its code. Read are: scikit-learn's trees, forests, ExtraTrees, GradientBoosting and HistGradientBoosting
(with its own categories); LightGBM's and XGBoost's boosters (with theirs). What is read is not believed for that:
native_trees.py holds it against the library's own answers to people, and to rows between them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from audit.explain.kinds import Bools, Floats, Ints, RefusedError

LINED = "its leaves hold lines in place of numbers"
TINY = 1e-35
"""LightGBM's nought: what is nearer to 0 counts as missing where zeros do."""


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """One tree of N nodes; node 0 is the root.

    left, right (N,): the children, -1 at a leaf. feature (N,), threshold (N,): x <= threshold goes left. missing_left
    (N,): a missing value goes left. value (N,): what a leaf adds. zero_missing (N,): 0 counts as missing.
    listed: of a node of categories: (codes, whether the codes listed go left).
    """

    left: Ints
    right: Ints
    feature: Ints
    threshold: Floats
    missing_left: Bools
    value: Floats
    zero_missing: Bools | None = None
    listed: Mapping[int, tuple[npt.NDArray[Any], bool]] = field(default_factory=dict)

    def goes_left(self, node: int, x: Floats) -> Bools:
        """(n,): whether rows with these values of the node's feature go left."""
        if node in self.listed:
            codes, named_left = self.listed[node]
            left: Bools = np.isin(np.trunc(x), codes) == named_left
        else:
            left = x <= self.threshold[node]
        if self.missing_left[node] or node in self.listed:
            left = np.where(np.isnan(x), self.missing_left[node], left)  # NaN <= t is no: right without this
        if self.zero_missing is not None and self.zero_missing[node]:
            left = np.where(np.abs(x) <= TINY, self.missing_left[node], left)
        return left


def of_sklearn(tree: Any, value: Floats) -> Tree:
    """A scikit-learn `tree_`, with what its nodes add."""
    gone = getattr(tree, "missing_go_to_left", None)
    return Tree(
        _ints(tree.children_left), _ints(tree.children_right), _ints(tree.feature), _floats(tree.threshold),
        np.zeros(tree.node_count, dtype=bool) if gone is None else np.asarray(gone).astype(bool), value,
    )  # fmt: skip


def of_forest(last: Any, index: int | None) -> list[Tree]:
    """A tree, a forest or ExtraTrees: the mean of its trees. Raises RefusedError for several outputs."""
    members = [e.tree_ for e in last.estimators_] if hasattr(last, "estimators_") else [last.tree_]
    out = []
    for tree in members:
        if tree.value.shape[1] != 1:
            raise RefusedError("it has several outputs")
        value = _floats(tree.value[:, 0, :])
        share = value[:, 0] if index is None else value[:, index] / value.sum(axis=1)
        out.append(of_sklearn(tree, share / len(members)))
    return out


def of_gradient_boosting(last: Any) -> list[Tree]:
    """GradientBoosting in log-odds, or in its value. What it starts from is left to the caller."""
    # With the exponential loss the probability is the logistic function of twice the sum.
    scale = float(last.learning_rate) * (2.0 if last.loss == "exponential" else 1.0)
    return [of_sklearn(e.tree_, _floats(e.tree_.value[:, 0, 0]) * scale) for e in last.estimators_[:, 0]]


def of_hist(last: Any) -> list[Tree]:
    """HistGradientBoosting, over the columns that its own preprocessing makes."""
    out = []
    for (predictor,) in last._predictors:
        nodes = predictor.nodes
        leaf = nodes["is_leaf"].astype(bool)
        listed = {}
        for at in np.flatnonzero(nodes["is_categorical"].astype(bool) & ~leaf).tolist():
            words = np.asarray(predictor.raw_left_cat_bitsets[int(nodes["bitset_idx"][at])], dtype="<u4")
            listed[at] = (np.flatnonzero(np.unpackbits(words.view(np.uint8), bitorder="little")), True)
        out.append(
            Tree(
                np.where(leaf, -1, _ints(nodes["left"])), np.where(leaf, -1, _ints(nodes["right"])),
                _ints(nodes["feature_idx"]), _floats(nodes["num_threshold"]),
                nodes["missing_go_to_left"].astype(bool), _floats(nodes["value"]), None, listed,
            )
        )  # fmt: skip
    return out


def of_lightgbm(booster: Any) -> list[Tree]:
    """A LightGBM booster in its raw score. Raises RefusedError for leaves that are lines."""
    told = booster.dump_model()
    trees = [t["tree_structure"] for t in told["tree_info"]]
    scale = 1.0 / len(trees) if told.get("average_output") and trees else 1.0
    return [_of_lightgbm(root, scale) for root in trees]


def _of_lightgbm(root: Mapping[str, Any], scale: float) -> Tree:
    nodes: list[dict[str, Any]] = []
    listed = {}
    waiting: list[tuple[Mapping[str, Any], int, str]] = [(root, -1, "")]
    while waiting:
        told, parent, side = waiting.pop()
        at = len(nodes)
        if parent >= 0:
            nodes[parent][side] = at
        if "split_feature" not in told:
            if "leaf_coeff" in told:
                raise RefusedError(LINED)
            nodes.append({"value": float(told["leaf_value"]) * scale})
            continue
        kind, gone = told["decision_type"], told["missing_type"]
        node = {"feature": int(told["split_feature"]), "missing": bool(told["default_left"])}
        if kind == "==":
            listed[at] = (np.array([int(c) for c in str(told["threshold"]).split("||")]), True)
            node["missing"] = False
        elif kind == "<=":
            node["threshold"] = float(told["threshold"])
            if gone == "None":  # a missing value is taken for 0
                node["missing"] = node["threshold"] >= 0.0
            node["zero"] = gone == "Zero"
        else:
            raise RefusedError(f"it decides by {kind!r}")
        nodes.append(node)
        waiting += [(told["right_child"], at, "right"), (told["left_child"], at, "left")]

    def column(name: str, otherwise: Any) -> npt.NDArray[Any]:
        return np.array([n.get(name, otherwise) for n in nodes])

    return Tree(
        column("left", -1), column("right", -1), column("feature", 0), _floats(column("threshold", 0.0)),
        column("missing", False), _floats(column("value", 0.0)), column("zero", False), listed,
    )  # fmt: skip


def of_xgboost(booster: Any) -> list[Tree]:
    """An XGBoost booster in its margin. Raises RefusedError for what is not made of trees."""
    told = json.loads(bytes(booster.save_raw("json")))["learner"]["gradient_booster"]
    weights = told.get("weight_drop")
    told = told.get("gbtree", told) if told["name"] == "dart" else told
    if "model" not in told or "trees" not in told["model"]:
        raise RefusedError("it is not made of trees")
    trees = told["model"]["trees"]
    scales = [1.0] * len(trees) if weights is None else [float(w) for w in weights]
    return [_of_xgboost(tree, scale) for tree, scale in zip(trees, scales, strict=True)]


def _of_xgboost(told: Mapping[str, Any], scale: float) -> Tree:
    left, right = _ints(told["left_children"]), _ints(told["right_children"])
    split = np.asarray(told["split_conditions"], dtype=np.float32)
    if int(told["tree_param"].get("size_leaf_vector", 1)) > 1:
        raise RefusedError("it has several outputs")
    codes = _ints(told["categories"])
    listed = {
        int(node): (codes[start : start + size], False)
        for node, start, size in zip(
            told["categories_nodes"], told["categories_segments"], told["categories_sizes"], strict=True
        )
    }
    # x < t of single precision is x <= the number before t.
    before = np.nextafter(split, np.float32(-np.inf)).astype(np.float64)
    gone = np.asarray(told["default_left"]).astype(bool)
    value = np.where(left < 0, split.astype(np.float64) * scale, 0.0)
    return Tree(left, right, _ints(told["split_indices"]), before, gone, value, None, listed)


READERS: dict[str, Callable[[Any, int | None], list[Tree]]] = {
    "lightgbm": lambda last, _: of_lightgbm(last),
    "xgboost": lambda last, _: of_xgboost(last),
    "hist": lambda last, _: of_hist(last),
    "boosting": lambda last, _: of_gradient_boosting(last),
    "forest": of_forest,
}


def _ints(values: Any) -> Ints:
    return np.asarray(values).astype(np.int64)


def _floats(values: Any) -> Floats:
    return np.asarray(values, dtype=np.float64)
