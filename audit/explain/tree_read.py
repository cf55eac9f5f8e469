"""Trees of scikit-learn, LightGBM and XGBoost as plain arrays, with one rule of where a value goes.

A number goes left where it is <= the node's threshold; a missing one where the node says. A category goes by whether
the node lists its code. Read are: scikit-learn's trees, forests, ExtraTrees, GradientBoosting and HistGradientBoosting
(with its own categories); LightGBM's and XGBoost's boosters (with theirs). What is read is not believed for that:
native_trees.py holds it against the library's own answers to people, and to rows between them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from audit.explain.kinds import Bools, Floats, Ints, RefusedError

LINED = "its leaves hold lines in place of numbers"
TINY = 1e-35
"""LightGBM's zero: what is nearer to 0 counts as missing where zeros do."""


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


def depth_of(tree: Tree) -> int:
    """The most nodes on a way from the root to a leaf, without the leaf."""
    level, depth = np.zeros(1, dtype=np.int64), 0
    while len(inside := level[tree.left[level] >= 0]):
        level, depth = np.concatenate([tree.left[inside], tree.right[inside]]), depth + 1
    return depth


def of_sklearn(tree: Any, value: Floats) -> Tree:
    """A scikit-learn `tree_`, with what its nodes add."""
    gone = getattr(tree, "missing_go_to_left", None)
    return Tree(
        _ints(tree.children_left), _ints(tree.children_right), _ints(tree.feature), _floats(tree.threshold),
        np.zeros(tree.node_count, dtype=bool) if gone is None else np.asarray(gone).astype(bool), value,
    )  # fmt: skip


def of_forest(last: Any, index: int | None, mean: bool = True) -> list[Tree]:
    """A tree, a forest or ExtraTrees: each tree's part of their mean, or its whole. Raises RefusedError for several
    outputs."""
    members = [e.tree_ for e in last.estimators_] if hasattr(last, "estimators_") else [last.tree_]
    out = []
    for tree in members:
        if tree.value.shape[1] != 1:
            raise RefusedError("it has several outputs")
        value = _floats(tree.value[:, 0, :])
        share = value[:, 0] if index is None else value[:, index] / value.sum(axis=1)
        out.append(of_sklearn(tree, share / len(members) if mean else share))
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
        nodes = predictor.nodes.view(np.recarray)
        leaf = nodes.is_leaf.astype(bool)
        listed = {}
        for at in np.flatnonzero(nodes.is_categorical.astype(bool) & ~leaf).tolist():
            words = np.asarray(predictor.raw_left_cat_bitsets[int(nodes.bitset_idx[at])], dtype="<u4")
            listed[at] = (np.flatnonzero(np.unpackbits(words.view(np.uint8), bitorder="little")), True)
        out.append(
            Tree(
                np.where(leaf, -1, _ints(nodes.left)), np.where(leaf, -1, _ints(nodes.right)),
                _ints(nodes.feature_idx), _floats(nodes.num_threshold), nodes.missing_go_to_left.astype(bool),
                _floats(nodes.value), None, listed,
            )
        )  # fmt: skip
    return out


class _Node(msgspec.Struct, frozen=True):
    """A node of LightGBM's JSON: a leaf where `split_feature` is not there."""

    leaf_value: float = 0.0
    leaf_coeff: Any = None
    split_feature: int | None = None
    decision_type: str = ""
    threshold: float | str = 0.0
    default_left: bool = False
    missing_type: str = ""
    left_child: _Node | None = None
    right_child: _Node | None = None


class _Rooted(msgspec.Struct, frozen=True):
    tree_structure: _Node


class _Lightgbm(msgspec.Struct, frozen=True):
    tree_info: list[_Rooted]
    average_output: bool = False


def of_lightgbm(booster: Any) -> list[Tree]:
    """A LightGBM booster in its raw score. Raises RefusedError for leaves that are lines."""
    dump = msgspec.convert(booster.dump_model(), _Lightgbm)
    scale = 1.0 / max(len(dump.tree_info), 1) if dump.average_output else 1.0
    return [_of_lightgbm(tree.tree_structure, scale) for tree in dump.tree_info]


def _of_lightgbm(root: _Node, scale: float) -> Tree:
    nodes: list[_Node] = []
    below: list[list[int]] = []
    waiting: list[tuple[_Node, int]] = [(root, -1)]
    while waiting:
        node, parent = waiting.pop()
        if parent >= 0:
            below[parent].append(len(nodes))
        if node.leaf_coeff is not None:
            raise RefusedError(LINED)
        if node.left_child is not None and node.right_child is not None:
            if node.decision_type not in ("<=", "=="):
                raise RefusedError(f"it decides by {node.decision_type!r}")
            waiting += [(node.right_child, len(nodes)), (node.left_child, len(nodes))]
        nodes.append(node)
        below.append([])
    numbers = [n.decision_type == "<=" for n in nodes]
    threshold = np.array([float(n.threshold) if m else 0.0 for n, m in zip(nodes, numbers, strict=True)])
    listed = {
        at: (np.array([int(c) for c in str(n.threshold).split("||")]), True)
        for at, n in enumerate(nodes) if n.decision_type == "=="
    }  # fmt: skip
    # Where there is no missing value one is taken for 0; of categories it goes right.
    gone = np.array([n.default_left if n.missing_type != "None" else threshold[k] >= 0.0 for k, n in enumerate(nodes)])
    left, right = np.array([two or [-1, -1] for two in below]).T
    return Tree(
        left, right, np.array([n.split_feature or 0 for n in nodes]), threshold, gone & numbers,
        np.array([n.leaf_value * scale for n in nodes]), np.array([n.missing_type == "Zero" for n in nodes]) & numbers,
        listed,
    )  # fmt: skip


class _Sizes(msgspec.Struct, frozen=True):
    size_leaf_vector: str = "1"


class _Grown(msgspec.Struct, frozen=True):
    """A tree of XGBoost's JSON: a leaf's value stands among the conditions."""

    left_children: list[int]
    right_children: list[int]
    split_indices: list[int]
    split_conditions: list[float]
    default_left: list[int]
    categories: list[int]
    categories_nodes: list[int]
    categories_segments: list[int]
    categories_sizes: list[int]
    tree_param: _Sizes


class _Forest(msgspec.Struct, frozen=True):
    trees: list[_Grown]


class _Boosted(msgspec.Struct, frozen=True):
    """gbtree has `model`; dart has another one in it, and what each of its trees weighs."""

    model: _Forest | None = None
    gbtree: _Boosted | None = None
    weight_drop: list[float] | None = None


class _Learner(msgspec.Struct, frozen=True):
    gradient_booster: _Boosted


class _Xgboost(msgspec.Struct, frozen=True):
    learner: _Learner


def of_xgboost(booster: Any) -> list[Tree]:
    """An XGBoost booster in its margin. Raises RefusedError for what is not made of trees."""
    try:
        boosted = msgspec.json.decode(bytes(booster.save_raw("json")), type=_Xgboost).learner.gradient_booster
    except msgspec.ValidationError as error:
        raise RefusedError("it is not made of trees as they are known here") from error
    inner = boosted if boosted.gbtree is None else boosted.gbtree
    if inner.model is None:
        raise RefusedError("it is not made of trees")
    trees = inner.model.trees
    scales = boosted.weight_drop if boosted.weight_drop is not None else [1.0] * len(trees)
    return [_of_xgboost(tree, scale) for tree, scale in zip(trees, scales, strict=True)]


def _of_xgboost(tree: _Grown, scale: float) -> Tree:
    left, right = _ints(tree.left_children), _ints(tree.right_children)
    split = np.asarray(tree.split_conditions, dtype=np.float32)
    if int(tree.tree_param.size_leaf_vector) > 1:
        raise RefusedError("it has several outputs")
    codes = _ints(tree.categories)
    segments = zip(tree.categories_nodes, tree.categories_segments, tree.categories_sizes, strict=True)
    listed = {node: (codes[start : start + size], False) for node, start, size in segments}
    # x < t of single precision is x <= the number before t.
    before = np.nextafter(split, np.float32(-np.inf)).astype(np.float64)
    value = np.where(left < 0, split.astype(np.float64) * scale, 0.0)
    gone = np.asarray(tree.default_left).astype(bool)
    return Tree(left, right, _ints(tree.split_indices), before, gone, value, None, listed)


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
