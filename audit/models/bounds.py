"""What compiled code will follow without looking, checked before the first prediction.

scikit-learn's compiled parts believe the state that they are given (scikit-learn#34558): child and feature indices of
trees, the index of neighbours, the sizes of a support vector machine's arrays. A file of trusted types only could so
make them read or write foreign memory. Two ways are used here, and no third:

- state that can be made again is made again from its data, and the file's own is thrown away (KDTree, BallTree,
  BSpline, sparse matrices);
- state that cannot is checked against the sizes that the code will assume (trees, support vector machines, neighbours).

What depends on the rows too is checked at the door to the compiled code, by guards.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from audit.errors import ModelError
from audit.sentences import DAMAGED


def check_bounds(estimator: Any) -> None:
    """Raises ModelError for state that points outside itself. Walks everything the estimator holds; what is made
    again is put in its place."""
    seen: set[int] = set()
    waiting: list[tuple[Any, Any]] = [(estimator, None)]
    while waiting:
        thing, owner = waiting.pop()
        if id(thing) in seen or isinstance(thing, (str, bytes, int, float, bool, type(None), type)):
            continue
        seen.add(id(thing))
        names = [f"{t.__module__}.{t.__name__}" for t in type(thing).__mro__]
        for name in names:
            if name in _OWNED:
                _OWNED[name](thing, owner)
        waiting.extend((item, owner) for item in _held(thing))
        inner = getattr(thing, "__dict__", None)
        if isinstance(inner, dict) and _kind(thing) not in _AGAIN:
            _make_again(inner, inner.items())
            _check_state(thing, names, inner)
            waiting.extend((item, thing) for item in inner.values())
        if callable(thing) and hasattr(thing, "args") and hasattr(thing, "keywords"):  # functools.partial
            waiting.extend([(thing.args, owner), (thing.keywords, owner), (thing.func, owner)])


def _held(thing: Any) -> list[Any]:
    """What a container holds; what is made again is put in its place, and refused where it cannot be put."""
    if isinstance(thing, dict):
        _make_again(thing, thing.items())
        return [item for pair in thing.items() for item in pair]
    if isinstance(thing, list):
        _make_again(thing, enumerate(thing))
        return thing
    if isinstance(thing, (tuple, set, frozenset)) or (isinstance(thing, np.ndarray) and thing.dtype == object):
        items = thing.ravel().tolist() if isinstance(thing, np.ndarray) else list(thing)
        if any(_kind(item) in _AGAIN for item in items):
            raise _refusal(_kind(thing))
        return items
    return []


def _check_state(thing: Any, names: Sequence[str], inner: dict[str, Any]) -> None:
    for name in names:
        if name in _CHECKS and not _safely(_CHECKS[name], thing, inner):
            raise _refusal(type(thing).__name__, _TREES if "hist_gradient" in name else _ARRAYS)


def _make_again(container: Any, items: Any) -> None:
    for key, item in list(items):
        if _kind(item) in _AGAIN:
            container[key] = _again(item)


def _kind(thing: Any) -> str:
    return f"{type(thing).__module__}.{type(thing).__name__}"


_TREES = "a tree of the model points outside itself"
_ARRAYS = "the model's arrays point outside themselves"


def _refusal(what: str, problem: str = _ARRAYS) -> ModelError:
    return ModelError(
        problem,
        got=f"a {what} whose state does not fit its size or the number of features",
        expected="state as scikit-learn writes it",
        todo=DAMAGED,
    )


def _safely(check: Callable[[Any, dict[str, Any]], bool], thing: Any, inner: dict[str, Any]) -> bool:
    """False, too, where what is to be looked at is missing or of another kind."""
    try:
        return bool(check(thing, inner))
    except (AttributeError, KeyError, TypeError, ValueError, IndexError, OverflowError):
        return False


def whole(value: Any) -> int:
    """`value` as an int. Raises TypeError for what is no integer: 3.0 and "3" are none."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{type(value).__name__} is no integer")
    return int(value)


# -- made again ------------------------------------------------------------------------------------------------------


def _again(item: Any) -> Any:
    """The item, made again from its data. Raises ModelError where that fails."""
    try:
        return _AGAIN[_kind(item)](item)
    except (AttributeError, KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
        raise _refusal(type(item).__name__) from error


def _index(tree: Any) -> Any:
    """A KDTree or BallTree built anew; the file's own must at least be an order of its rows."""
    data, order, nodes, bounds, leaf_size, *_, metric, weight = tree.__getstate__()
    rows = np.ascontiguousarray(data, dtype=np.float64)
    good = (
        np.array_equal(np.sort(order), np.arange(len(rows)))
        and bool((nodes["idx_start"] >= 0).all())
        and bool((nodes["idx_end"] <= len(rows)).all())
        and bounds.shape[1:] == (len(nodes), rows.shape[1])
    )
    built = type(tree)(rows, leaf_size=whole(leaf_size), metric=metric, sample_weight=weight)
    if not good or len(built.__getstate__()[2]) != len(nodes):
        raise ValueError("an index that does not fit its rows")
    return built


def _sparse(matrix: Any) -> Any:
    rebuilt = type(matrix)((matrix.data, matrix.indices, matrix.indptr), shape=matrix.shape)
    rebuilt.check_format(full_check=True)
    return rebuilt


def _curve(curve: Any) -> Any:
    if whole(curve.axis) != 0:
        raise ValueError("a curve along another axis")
    return type(curve)(curve.t, curve.c, whole(curve.k), curve.extrapolate)


_AGAIN: dict[str, Callable[[Any], Any]] = {
    "sklearn.neighbors._kd_tree.KDTree": _index,
    "sklearn.neighbors._ball_tree.BallTree": _index,
    "scipy.interpolate._bsplines.BSpline": _curve,
    **{f"scipy.sparse._{kind}.{kind}_{form}": _sparse for kind in ("csr", "csc") for form in ("matrix", "array")},
}


# -- checked ---------------------------------------------------------------------------------------------------------


def _tree(tree: Any, owner: Any) -> None:
    """Children stand after their parent (every builder writes them so; it also rules out loops), features exist, and
    the tree is a decision tree's own, which compares its rows' width with n_features_in_ before each prediction."""
    left, right = np.asarray(tree.children_left), np.asarray(tree.children_right)
    feature, value = np.asarray(tree.feature), np.asarray(tree.value)
    count, here = len(left), np.arange(len(left))
    inner = left != -1
    held = [f"{t.__module__}.{t.__name__}" for t in type(owner).__mro__]
    good = (
        "sklearn.tree._classes.BaseDecisionTree" in held
        and vars(owner).get("tree_") is tree
        and _safely(lambda o, inside: whole(inside["n_features_in_"]) == tree.n_features, owner, vars(owner))
        and np.array_equal(inner, right != -1)
        and bool(((left > here) & (left < count) & (right > here) & (right < count))[inner].all())
        and bool(((feature >= 0) & (feature < tree.n_features))[inner].all())
        and count > 0
        and value.shape[0] == count
    )
    if not good:
        raise _refusal("Tree", _TREES)


def _predictor(predictor: Any, inner: dict[str, Any]) -> bool:
    nodes = inner["nodes"]
    here = np.arange(len(nodes))
    split = nodes["is_leaf"] == 0
    left, right = nodes["left"].astype(np.int64), nodes["right"].astype(np.int64)
    bits = nodes["bitset_idx"].astype(np.int64)
    sets = [inner["raw_left_cat_bitsets"], inner["binned_left_cat_bitsets"]]
    categorical = split & (nodes["is_categorical"] == 1)
    return (
        nodes.ndim == 1
        and len(nodes) > 0
        and bool(((left > here) & (left < len(nodes)) & (right > here) & (right < len(nodes)))[split].all())
        and bool((nodes["feature_idx"].astype(np.int64) >= 0)[split].all())
        and all(s.ndim == 2 and s.shape[1] == 8 for s in sets)
        and bool((bits < min(len(s) for s in sets))[categorical].all())
    )


def _histogram(model: Any, inner: dict[str, Any]) -> bool:
    if "_predictors" not in inner:
        return True  # not fitted
    trees = [tree for step in inner["_predictors"] for tree in step]
    used = [tree.nodes["feature_idx"][tree.nodes["is_leaf"] == 0] for tree in trees]
    return max((int(u.max()) for u in used if len(u)), default=-1) < whole(inner["n_features_in_"])


def _boosting(model: Any, inner: dict[str, Any]) -> bool:
    """The trees' rows are compared with the ensemble's number of features, and not with each tree's."""
    if "estimators_" not in inner:
        return True  # not fitted
    trees = inner["estimators_"]
    width = whole(inner["n_features_in_"])
    known = "sklearn.tree._classes.DecisionTreeRegressor"
    return trees.ndim == 2 and all(
        f"{type(t).__module__}.{type(t).__name__}" == known and whole(t.n_features_in_) == width for t in trees.ravel()
    )


def _machine(model: Any, inner: dict[str, Any]) -> bool:
    """The sizes that libsvm assumes: of k classes l support vectors, a table of k - 1 by l, k(k - 1)/2 constants."""
    if "support_" not in inner:
        return True  # not fitted
    vectors, duals = inner["support_vectors_"], [inner["dual_coef_"], inner["_dual_coef_"]]
    count = len(inner["support_"])
    kind = type(model)._impl
    classes = len(inner["_n_support"])
    if kind in ("c_svc", "nu_svc"):
        pairs, tables = classes * (classes - 1) // 2, classes - 1
        counted = int(inner["_n_support"].sum()) == count and classes == len(inner["classes_"]) and classes > 1
    else:
        pairs, tables, counted = 1, 1, int(inner["_n_support"][0]) == count
    lengths = {len(inner[name]) for name in ("_probA", "_probB") if name in inner}
    precomputed = inner["kernel"] == "precomputed"
    columns = whole(inner["shape_fit_"][0] if precomputed else inner["n_features_in_"])
    support = np.asarray(inner["support_"])
    return (
        counted
        and bool((np.asarray(inner["_n_support"]) >= 0).all())
        and all(d.shape == (tables, count) for d in duals)
        and all(len(inner[name]) == pairs for name in ("intercept_", "_intercept_"))
        and lengths <= {0, pairs}
        and (precomputed or (vectors.shape == (count, columns) and vectors.ndim == 2))
        and (not precomputed or bool(((support >= 0) & (support < columns)).all()))
    )


def _neighbours(model: Any, inner: dict[str, Any]) -> bool:
    """Labels are counted natively by their index, and rows taken by theirs."""
    if "_fit_X" not in inner:
        return True  # not fitted
    rows, width = inner["_fit_X"].shape
    good = whole(inner["n_samples_fit_"]) == rows and whole(inner["n_features_in_"]) == width
    tree = inner.get("_tree")
    good = good and (tree is None or np.asarray(tree.data).shape == (rows, width))
    if good and "classes_" in inner and "_y" in inner and not inner.get("outputs_2d_"):
        labels = np.asarray(inner["_y"]).ravel()
        good = len(labels) == rows and labels.dtype.kind in "iu"
        good = good and bool(((labels >= 0) & (labels < len(inner["classes_"]))).all())
    return bool(good)


def _vocabulary(model: Any, inner: dict[str, Any]) -> bool:
    """The places of words in a sparse row."""
    if "vocabulary_" not in inner:
        return True
    places = sorted(whole(place) for place in inner["vocabulary_"].values())
    return places == list(range(len(places)))


def _hashing(model: Any, inner: dict[str, Any]) -> bool:
    return whole(inner["n_features"]) > 0  # it divides by this


def _distance(metric: Any, owner: Any) -> None:
    """A distance of its own, outside an index that was made again with it, would be believed as it is."""
    raise _refusal(type(metric).__name__)


_OWNED: dict[str, Callable[[Any, Any], None]] = {
    "sklearn.tree._tree.Tree": _tree,
    "sklearn.metrics._dist_metrics.DistanceMetric": _distance,
}
_CHECKS: dict[str, Callable[[Any, dict[str, Any]], bool]] = {
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor": _predictor,
    "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.BaseHistGradientBoosting": _histogram,
    "sklearn.ensemble._gb.BaseGradientBoosting": _boosting,
    "sklearn.svm._base.BaseLibSVM": _machine,
    "sklearn.neighbors._base.NeighborsBase": _neighbours,
    "sklearn.feature_extraction.text.CountVectorizer": _vocabulary,
    "sklearn.feature_extraction._dict_vectorizer.DictVectorizer": _vocabulary,
    "sklearn.feature_extraction._hash.FeatureHasher": _hashing,
    "sklearn.feature_extraction.text.HashingVectorizer": _hashing,
}
