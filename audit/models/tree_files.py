"""LightGBM's text and XGBoost's JSON or UBJSON, checked before the library reads them.

Both libraries follow child, feature and class indices without bounds checks (a wild one ends the process or reads
foreign memory; measured with LightGBM 4.7 and XGBoost 3.2). A tree is believed when its children name every other node
exactly once, its features exist, and its arrays have the lengths that its counts say.
"""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any

import numpy as np

from audit.errors import ModelError
from audit.models import ubjson
from audit.models.lightgbm_model import unix
from audit.numbers import many
from audit.sentences import DAMAGED

_MOST_FEATURES = 10**6
_PARSED = re.compile(rb"^Tree=(\d+)\n", re.MULTILINE)


def _refuse(what: str) -> ModelError:
    return ModelError(
        "a tree of the model points outside itself",
        got=what,
        expected="trees as the library writes them",
        todo=DAMAGED,
    )


def _once(left: np.ndarray, right: np.ndarray, here: np.ndarray, count: int) -> bool:
    """Whether the children of the inner nodes `here` are in 1..count-1, each named once: then the root's are a tree."""
    children = np.concatenate([left[here], right[here]])
    return bool(((children > 0) & (children < count)).all()) and len(np.unique(children)) == len(children)


# -- LightGBM --------------------------------------------------------------------------------------------------------


def check_lightgbm(content: bytes) -> None:
    """`content`: the text. Raises ModelError where a tree points outside itself."""
    content = unix(content)
    starts = list(_PARSED.finditer(content))
    header = _pairs(content[: starts[0].start()] if starts else content, "the head")
    most = _count(header, "max_feature_idx", "the head")
    each = _count(header, "num_tree_per_iteration", "the head") if "num_tree_per_iteration" in header else 1
    classes = _count(header, "num_class", "the head") if "num_class" in header else 1
    names = header.get("feature_names", "").split(" ")
    infos = header.get("feature_infos", "").split(" ")
    end = content.find(b"\nend of trees")
    stops = [*(m.start() for m in starts[1:]), end + 1]
    if end < 0 or not 0 <= most < _MOST_FEATURES or len(names) != most + 1 or len(infos) not in (1, most + 1):
        raise _refuse("a head whose counts do not fit its names")
    if [int(m[1]) for m in starts] != list(range(len(starts))) or not 1 <= each <= max(len(starts), 1):
        raise _refuse(f"{many(len(starts), 'tree')}, {each} of them an iteration")
    if classes not in (1, each) or len(starts) % each:
        raise _refuse(f"{many(classes, 'class')} and {many(each, 'tree')} an iteration")
    if "tree_sizes" in header:
        # LightGBM jumps by these; somewhere else there might be a tree that nobody has looked at.
        sizes = header["tree_sizes"].split()
        if sizes != [str(stop - m.start()) for m, stop in zip(starts, stops, strict=True)]:
            raise _refuse("sizes of trees that lead elsewhere")
    for number, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        _lightgbm_tree(_pairs(content[start.end() : stop], f"tree {number}"), number, most)


def _pairs(content: bytes, where: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for line in content.decode("utf-8", "replace").split("\n"):
        name, equals, value = line.partition("=")
        if equals:
            if name in pairs:
                raise _refuse(f"{where}: {name[:40]!r} is said twice")
            pairs[name] = value.rstrip("\r")
    return pairs


def _count(pairs: dict[str, str], name: str, where: str) -> int:
    text = pairs.get(name, "")
    if not re.fullmatch(r"\d{1,9}", text):
        raise _refuse(f"{where}: {name}={text[:40]!r}, which is no count")
    return int(text)


def _integers(pairs: dict[str, str], name: str, length: int | None, where: str) -> np.ndarray:
    try:
        integers = np.array(pairs.get(name, "").split(), dtype=np.int64)
    except (ValueError, OverflowError):
        raise _refuse(f"{where}: {name} is no list of integers") from None
    if length is not None and len(integers) != length:
        raise _refuse(f"{where}: {len(integers)} of {name} where there should be {length}")
    return integers


def _lightgbm_tree(pairs: dict[str, str], number: int, most: int) -> None:
    where = f"tree {number}"
    leaves, categorical = _count(pairs, "num_leaves", where), _count(pairs, "num_cat", where)
    inner = leaves - 1
    if leaves < 1 or len(pairs.get("leaf_value", "").split()) != leaves:
        raise _refuse(f"{where}: the number of its leaves is not {leaves}")
    for name in ("leaf_weight", "leaf_count", "split_gain", "threshold", "internal_value", "internal_weight"):
        wanted = leaves if name.startswith("leaf") else inner
        if len(pairs.get(name, "").split()) not in ({wanted} if name == "threshold" else {0, wanted}):
            raise _refuse(f"{where}: {name} has another length than {wanted}")
    feature = _integers(pairs, "split_feature", inner, where)
    kinds = _integers(pairs, "decision_type", inner, where)
    children = np.concatenate([_integers(pairs, name, inner, where) for name in ("left_child", "right_child")])
    # Inner nodes are 1..inner-1 (0 is the root), leaves are ~0..~(leaves-1): together all of them, each once.
    if not np.array_equal(np.sort(children), np.concatenate([np.arange(-leaves, 0), np.arange(1, inner)])) and inner:
        raise _refuse(f"{where}: its children do not name every node once")
    if not bool(((feature >= 0) & (feature <= most)).all()) or not bool(((kinds >= 0) & (kinds < 16)).all()):
        raise _refuse(f"{where}: a feature or a kind of split that does not exist")
    if categorical:
        _lightgbm_categories(pairs, categorical, kinds, where)
    elif bool((kinds & 1).any()):
        raise _refuse(f"{where}: a split by category without categories")
    if pairs.get("is_linear", "0") != "0":
        sizes = _integers(pairs, "num_features", leaves, where)
        used = _integers(pairs, "leaf_features", int(sizes.sum()), where)
        fits = (
            len(pairs.get("leaf_coeff", "").split()) == len(used) and len(pairs.get("leaf_const", "").split()) == leaves
        )
        if not fits or bool((sizes < 0).any()) or not bool(((used >= 0) & (used <= most)).all()):
            raise _refuse(f"{where}: the linear models of its leaves do not fit")


def _lightgbm_categories(pairs: dict[str, str], count: int, kinds: np.ndarray, where: str) -> None:
    bounds = _integers(pairs, "cat_boundaries", count + 1, where)
    words = _integers(pairs, "cat_threshold", None, where)
    rising = bounds[0] == 0 and bool((np.diff(bounds) >= 0).all()) and bounds[-1] == len(words)
    try:
        chosen = np.array(pairs["threshold"].split(), dtype=np.float64)[(kinds & 1).astype(bool)]
    except ValueError:
        raise _refuse(f"{where}: thresholds that are no numbers") from None
    if not rising or not bool(((chosen >= 0) & (chosen < count)).all()):
        raise _refuse(f"{where}: its categories lie outside their list")


# -- XGBoost ---------------------------------------------------------------------------------------------------------


def check_xgboost(content: bytes | bytearray) -> None:
    """`content`: a model as JSON or UBJSON, or what XGBoost keeps of a Booster in memory. Raises ModelError."""
    try:
        text = re.match(rb'\s*\{\s*["}]', content)
        model = json.loads(content) if text else ubjson.loads(bytes(content))
        learner = model.get("Model", model)["learner"]
        facts, booster = learner["learner_model_param"], learner["gradient_booster"]
        features, groups = _xgboost_counts(facts)
        weights = booster.get("weight_drop")
        booster = booster.get("gbtree", booster)
        if booster["name"] == "gblinear":
            if len(booster["model"]["weights"]) != (features + 1) * groups:
                raise _refuse("another number of weights than of features")
            return
        trees = booster["model"]["trees"]
        _xgboost_forest(booster["model"], len(trees), groups, weights)
        _xgboost_names(booster["model"].get("cats"), features)
        for number, tree in enumerate(trees):
            _xgboost_tree(tree, number, features)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError, IndexError) as error:
        raise _refuse(f"a file that is not built as XGBoost's are ({type(error).__name__})") from error


def _xgboost_counts(facts: dict[str, Any]) -> tuple[int, int]:
    features = int(facts["num_feature"])
    classes, targets = int(facts["num_class"]), int(facts.get("num_target", 1))
    if not 0 < features < _MOST_FEATURES or not 0 <= classes < 10**5 or not 0 <= targets < 10**5:
        raise _refuse(f"{many(features, 'feature')}, {many(classes, 'class')}, {targets} targets")
    return features, max(classes, targets, 1)


def _whole(values: Any, length: int | None = None) -> np.ndarray:
    integers = np.asarray(values)
    if (
        integers.ndim != 1
        or (len(integers) and integers.dtype.kind not in "iu")
        or (length not in (None, len(integers)))
    ):
        raise ValueError("a list of integers of another length")
    return integers.astype(np.int64)


def _xgboost_forest(model: dict[str, Any], count: int, groups: int, weights: Any) -> None:
    groups_of = _whole(model["tree_info"], count)
    if not bool(((groups_of >= 0) & (groups_of < groups)).all()) or groups > (count or groups):
        raise _refuse("a tree of a class that does not exist")
    steps = _whole(model["iteration_indptr"]) if "iteration_indptr" in model else np.array([0, count])
    if steps[0] != 0 or steps[-1] != count or bool((np.diff(steps) < 0).any()):
        raise _refuse("iterations that lie outside the list of trees")
    if int(model["gbtree_model_param"].get("num_trees", count)) != count:
        raise _refuse("another number of trees than it says")
    if weights is not None and len(weights) != count:
        raise _refuse("another number of weights than of trees")


def _xgboost_tree(tree: dict[str, Any], number: int, features: int) -> None:
    count = int(tree["tree_param"]["num_nodes"])
    left, right = _whole(tree["left_children"], count), _whole(tree["right_children"], count)
    parents, split = _whole(tree["parents"], count), _whole(tree["split_indices"], count)
    kinds = _whole(tree.get("split_type", [0] * count), count)
    for name in ("split_conditions", "default_left", "base_weights", "loss_changes", "sum_hessian"):
        if name in tree and len(tree[name]) != count:
            raise _refuse(f"tree {number}: {name} has another length than {count}")
    if int(tree["tree_param"].get("size_leaf_vector", 1)) > 1 or int(tree["tree_param"]["num_feature"]) > features:
        raise _refuse(f"tree {number}: leaves of several values, or features that do not exist")
    inner = np.flatnonzero(left != -1)
    fits = count > 0 and np.array_equal(left != -1, right != -1) and _once(left, right, inner, count)
    if not fits or not (np.array_equal(parents[left[inner]], inner) and np.array_equal(parents[right[inner]], inner)):
        raise _refuse(f"tree {number}: its children do not name every node once")
    if not bool(((split[inner] >= 0) & (split[inner] < features)).all()) or not bool(
        ((kinds == 0) | (kinds == 1)).all()
    ):
        raise _refuse(f"tree {number}: a feature that does not exist")
    _xgboost_categories(tree, number, inner[kinds[inner] == 1], count)


def _xgboost_categories(tree: dict[str, Any], number: int, wanted: np.ndarray, count: int) -> None:
    nodes = _whole(tree.get("categories_nodes", []))
    starts = _whole(tree.get("categories_segments", []), len(nodes))
    sizes = _whole(tree.get("categories_sizes", []), len(nodes))
    values = _whole(tree.get("categories", []))
    good = (
        bool(((nodes >= 0) & (nodes < count)).all())
        and bool((np.diff(nodes) > 0).all())
        and bool(np.isin(wanted, nodes).all())
        and bool(((starts >= 0) & (sizes >= 0) & (starts <= len(values)) & (starts + sizes <= len(values))).all())
        and bool(((values >= 0) & (values < 2**24)).all())
    )
    if not good:
        raise _refuse(f"tree {number}: its categories lie outside their list")


def _xgboost_names(cats: Any, features: int) -> None:
    """The names of categories that training saw, by which XGBoost codes a data frame's anew."""
    if not cats:
        return
    segments, order = _whole(cats["feature_segments"]), _whole(cats["sorted_idx"])
    sizes = []
    for column in cats["enc"]:
        if "offsets" in column:
            offsets = _whole(column["offsets"])
            letters = len(column["values"])
            if len(offsets) and (offsets[0] != 0 or bool((np.diff(offsets) < 0).any()) or offsets[-1] != letters):
                raise _refuse("names of categories that lie outside their text")
            sizes.append(max(len(offsets) - 1, 0))
        else:
            sizes.append(len(column["values"]))
    if not sizes and not len(segments) and not len(order):
        return
    wanted = np.concatenate([[0], np.cumsum(np.array(sizes, dtype=np.int64))])
    if len(sizes) != features or not np.array_equal(segments, wanted) or len(order) != wanted[-1]:
        raise _refuse("names of categories that do not fit the features")
    for start, stop in pairwise(wanted):
        if not np.array_equal(np.sort(order[start:stop]), np.arange(stop - start)):
            raise _refuse("an order of categories that is none")
