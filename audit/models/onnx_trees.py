"""Trees of scikit-learn's histogram gradient boosting and of LightGBM as one ONNX TreeEnsemble (ai.onnx.ml 5).

In double precision, as both libraries compare: in single precision a value beside a threshold falls on the other side.
Categories are kept as sets (BRANCH_MEMBER), missing values as each node sends them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

LEQ, MEMBER = 0, 6


class Unsupported(Exception):
    """What cannot be written as ONNX, in words for mitigation.json."""


@dataclass(slots=True)
class Forest:
    """Trees collected node by node; `target` is the output that a tree adds to."""

    targets: int = 1
    roots: list[int] = field(default_factory=list)
    feature: list[int] = field(default_factory=list)
    mode: list[int] = field(default_factory=list)
    split: list[float] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)
    true: list[tuple[int, bool]] = field(default_factory=list)
    false: list[tuple[int, bool]] = field(default_factory=list)
    members: list[list[float]] = field(default_factory=list)
    weight: list[float] = field(default_factory=list)
    target: list[int] = field(default_factory=list)

    def leaf(self, value: float, target: int) -> tuple[int, bool]:
        """(place, is a leaf)."""
        self.weight.append(float(value))
        self.target.append(target)
        return len(self.weight) - 1, True

    def node(self, feature: int, split: float | list[float], missing_true: bool) -> int:
        """Its place; the two ways out are to be set by `link`."""
        member = isinstance(split, list)
        self.feature.append(feature)
        self.mode.append(MEMBER if member else LEQ)
        self.split.append(0.0 if isinstance(split, list) else float(split))
        self.missing.append(int(missing_true))
        self.members.append(split if isinstance(split, list) else [])
        self.true.append((0, True))
        self.false.append((0, True))
        return len(self.feature) - 1

    def link(self, at: int, true: tuple[int, bool], false: tuple[int, bool]) -> None:
        """Where node `at` leads."""
        self.true[at], self.false[at] = true, false

    def root(self, at: tuple[int, bool]) -> None:
        """A tree ends here. A tree of one leaf is a node whose ways both lead to it."""
        place, is_leaf = at
        if is_leaf:
            node = self.node(0, 0.0, True)
            self.link(node, at, self.leaf(self.weight[place], self.target[place]))
            place = node
        self.roots.append(place)

    def to_node(self, x: str, out: str) -> Any:
        """The ONNX node: x (n, F) double to out (n, targets) double, sums over the trees."""
        from onnx import helper, numpy_helper

        def tensor(values: list[float], kind: Any, name: str) -> Any:
            return numpy_helper.from_array(np.array(values, dtype=kind), name)

        more: dict[str, Any] = {}
        if any(self.members):
            flat: list[float] = []
            for at, mode in enumerate(self.mode):
                if mode == MEMBER:
                    flat += [*self.members[at], float("nan")]
            more["membership_values"] = tensor(flat, np.float64, "members")
        return helper.make_node(
            "TreeEnsemble",
            [x],
            [out],
            domain="ai.onnx.ml",
            aggregate_function=1,
            post_transform=0,
            n_targets=self.targets,
            tree_roots=self.roots,
            nodes_featureids=self.feature,
            nodes_modes=tensor(self.mode, np.uint8, "modes"),  # type: ignore[arg-type]
            nodes_splits=tensor(self.split, np.float64, "splits"),
            nodes_missing_value_tracks_true=self.missing,
            nodes_truenodeids=[t for t, _ in self.true],
            nodes_trueleafs=[int(leaf) for _, leaf in self.true],
            nodes_falsenodeids=[f for f, _ in self.false],
            nodes_falseleafs=[int(leaf) for _, leaf in self.false],
            leaf_targetids=self.target,
            leaf_weights=tensor(self.weight, np.float64, "leaves"),
            **more,
        )


def add_histogram(forest: Forest, model: Any) -> np.ndarray:
    """Histogram gradient boosting: a tree for each output of each stage; returns its baseline, (1, outputs), in
    log-odds, in the logarithm of shares, or in what the loss is of."""
    for stage in model._predictors:
        for target, predictor in enumerate(stage):
            forest.root(_histogram_tree(forest, predictor, target))
    return np.asarray(model._baseline_prediction, dtype=np.float64).reshape(1, -1)


def _histogram_tree(forest: Forest, predictor: Any, target: int) -> tuple[int, bool]:
    nodes, bits = predictor.nodes, predictor.raw_left_cat_bitsets

    def walk(at: int) -> tuple[int, bool]:
        node = nodes[at]
        if node["is_leaf"]:
            return forest.leaf(node["value"], target)
        split: float | list[float] = float(node["num_threshold"])
        if node["is_categorical"]:
            row = bits[node["bitset_idx"]]
            split = [float(c) for c in range(256) if row[c // 32] >> np.uint32(c % 32) & 1]
            # A set may be empty where only missing values go left; onnxruntime wants one value, which none has.
            split = split or [-1.0]
        here = forest.node(int(node["feature_idx"]), split, bool(node["missing_go_to_left"]))
        forest.link(here, walk(int(node["left"])), walk(int(node["right"])))
        return here, False

    return walk(0)


LINKS = {
    "binary": "Sigmoid", "multiclass": "Softmax", "regression": "", "regression_l1": "", "huber": "", "fair": "",
    "quantile": "", "mape": "", "poisson": "Exp", "gamma": "Exp", "tweedie": "Exp",
}  # fmt: skip
"""What LightGBM makes of the sums of its trees, by its objective."""


def link_of(booster: Any) -> tuple[str, int]:
    """What is made of the sums of a Booster's trees ("" for nothing), and how many outputs there are. Raises
    Unsupported."""
    model = booster.dump_model()
    objective, *more = str(model.get("objective", "")).split() or [""]
    if objective not in LINKS or "sqrt" in more or (objective == "binary" and more != ["sigmoid:1"]):
        raise Unsupported(f"LightGBM trees with the objective {model.get('objective')!r}")
    return LINKS[objective], int(model.get("num_tree_per_iteration", 1))


def add_lightgbm(forest: Forest, booster: Any, first: int = 0) -> None:
    """A Booster, its first output at `first`. Raises Unsupported for linear trees, averaged ones, and zeros taken for
    missing values."""
    model = booster.dump_model()
    if model.get("average_output"):
        raise Unsupported("LightGBM trees that are averaged")
    many = int(model.get("num_tree_per_iteration", 1))

    def walk(node: dict[str, Any], target: int) -> tuple[int, bool]:
        if "split_feature" not in node:
            if "leaf_coeff" in node:
                raise Unsupported("LightGBM trees with linear leaves")
            return forest.leaf(node["leaf_value"], target)
        kind, missing = node["decision_type"], node["missing_type"]
        if missing == "Zero":
            raise Unsupported("LightGBM trees that take zero for a missing value")
        split: float | list[float]
        if kind == "==":
            split, lost = [float(c) for c in str(node["threshold"]).split("||")], False
        else:
            split = float(node["threshold"])
            # Where training had no missing value, LightGBM reads one as zero.
            lost = bool(node["default_left"]) if missing == "NaN" else split >= 0
        here = forest.node(int(node["split_feature"]), split, lost)
        forest.link(here, walk(node["left_child"], target), walk(node["right_child"], target))
        return here, False

    for i, tree in enumerate(model["tree_info"]):
        forest.root(walk(tree["tree_structure"], first + i % many))
