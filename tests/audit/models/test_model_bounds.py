"""Files of trusted types only, made to break the compiled code that reads them: each is refused in one message.

The file goes through a real worker, as any does: what is not refused shows as a crash of its process.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
import skops.io
import xgboost
from scipy import sparse
from sklearn import cluster, ensemble, neighbors, svm, tree
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import DistanceMetric
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, SplineTransformer

from audit.errors import ModelError
from audit.models import Worker, ubjson
from audit.models.files import describe_bytes
from audit.models.tree_files import check_lightgbm, check_xgboost
from audit.sandbox.call import Enclosed

CODE = Path(__file__).parent / "code"
WILD = 10**8


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    return pd.DataFrame(rng.normal(size=(120, 3)), columns=["a", "b", "c"])


def target(rows: pd.DataFrame) -> np.ndarray:
    return (rows["a"] + rows["b"] > 0).to_numpy().astype(int)


def state(thing: Any, at: int, change: Callable[[Any], Any]) -> None:
    items = list(thing.__getstate__())
    items[at] = change(items[at])
    thing.__setstate__(tuple(items))


def first(value: Any) -> Callable[[Any], Any]:
    def change(array: Any) -> Any:
        array = np.array(array)
        array.flat[0] = value
        return array

    return change


def field(name: str, value: Any) -> Callable[[Any], Any]:
    def change(array: Any) -> Any:
        array = np.array(array)
        array[name][0] = value
        return array

    return change


def neighbours(algorithm: str, at: int, change: Callable[[Any], Any]) -> Callable[[pd.DataFrame], Any]:
    def build(rows: pd.DataFrame) -> Any:
        model = neighbors.KNeighborsClassifier(algorithm=algorithm, leaf_size=5).fit(rows, target(rows))
        state(model._tree, at, change)
        return model

    return build


def changed(make: Callable[[], Any], **attributes: Callable[[Any], Any]) -> Callable[[pd.DataFrame], Any]:
    def build(rows: pd.DataFrame) -> Any:
        model = make().fit(rows, target(rows))
        for name, change in attributes.items():
            place = model.__dict__
            place[name] = change(place.get(name))
        return model

    return build


def narrow(array: Any) -> Any:
    return np.ascontiguousarray(array[:, :1])


def single(rows: pd.DataFrame, change: Callable[[Any], None]) -> Any:
    model = tree.DecisionTreeClassifier(random_state=0).fit(rows, target(rows))
    change(model)
    return model


def boosting_of_other_width(rows: pd.DataFrame) -> Any:
    model = ensemble.GradientBoostingClassifier(n_estimators=3).fit(rows, target(rows))
    model.estimators_ = np.repeat(model.estimators_, 20, axis=1)
    return model


def boosting_of_narrow_rows(rows: pd.DataFrame) -> Any:
    wide = pd.concat([rows] * 400, axis=1).set_axis([f"c{i}" for i in range(1200)], axis=1)
    model = ensemble.GradientBoostingClassifier(n_estimators=3).fit(rows, target(rows))
    other = ensemble.GradientBoostingClassifier(n_estimators=3).fit(wide, target(rows))
    model.estimators_ = other.estimators_
    return model


def histogram(change: Callable[[Any], None]) -> Callable[[pd.DataFrame], Any]:
    def build(rows: pd.DataFrame) -> Any:
        coded = rows.assign(c=(rows["c"] * 3).round() % 7)
        settings = {"max_iter": 2, "min_samples_leaf": 4, "categorical_features": [2]}
        model = ensemble.HistGradientBoostingClassifier(**settings).fit(coded, (coded["c"] % 2).astype(int))
        change(model)
        return model

    return build


def short_bits(model: Any) -> None:
    for step in model._predictors:
        step[0].raw_left_cat_bitsets = narrow(step[0].raw_left_cat_bitsets)


def no_categories(model: Any) -> None:
    model._bin_mapper.is_categorical_ = np.zeros(3, dtype=np.uint8)


def wild_matrix(rows: pd.DataFrame) -> Any:
    model = svm.SVC().fit(sparse.csr_array(rows.to_numpy()), target(rows))
    model.n_features_in_ = 3
    model.support_vectors_.indices[0] = WILD
    return model


def one_hot(rows: pd.DataFrame) -> Any:
    coded = rows.round().astype(int).astype(str)
    model = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression()).fit(coded, target(rows))
    model[0]._n_features_outs = [1, 1, 1]
    model[1].coef_ = np.ones((1, 3))
    model[1].n_features_in_ = 3
    return model


def words(rows: pd.DataFrame) -> Any:
    encoder = DictVectorizer().fit(rows.to_dict("records"))
    encoder.vocabulary_ = dict.fromkeys(encoder.vocabulary_, WILD)
    return make_pipeline(encoder, LogisticRegression().fit(rows.to_numpy(), target(rows)))


def curve(rows: pd.DataFrame) -> Any:
    model = make_pipeline(SplineTransformer(), LogisticRegression(max_iter=500)).fit(rows, target(rows))
    model[0].bsplines_[0].__dict__["_c"] = np.zeros((1, 7))
    for name in ("c", "_c"):
        if name in model[0].bsplines_[0].__dict__:
            model[0].bsplines_[0].__dict__[name] = np.zeros((1, 7))
    return model


def centres(rows: pd.DataFrame) -> Any:
    inner = cluster.KMeans(3, n_init=1).fit(rows)
    inner.cluster_centers_ = np.zeros((3, 500_000))
    model = ensemble.VotingClassifier([("a", LogisticRegression(max_iter=500))]).fit(rows, target(rows))
    model.estimators_ = [inner]  # no clustering is asked by itself, and a voter may hold one
    return model


def kept_distance(rows: pd.DataFrame) -> Any:
    model = neighbors.KNeighborsClassifier(algorithm="brute").fit(rows, target(rows))
    model.effective_metric_ = DistanceMetric.get_metric("minkowski", p=3, w=np.ones(1))
    return model


def index_in_a_tuple(rows: pd.DataFrame) -> Any:
    model = neighbors.KNeighborsClassifier(algorithm="kd_tree").fit(rows, target(rows))
    model.kept = (model._tree,)
    return model


CRAFTED: dict[str, Callable[[pd.DataFrame], Any]] = {
    "kd tree: a row that is not there": neighbours("kd_tree", 1, first(WILD)),
    "kd tree: a negative row": neighbours("kd_tree", 1, first(-WILD)),
    "kd tree: a row twice": neighbours("kd_tree", 1, lambda a: np.zeros_like(a)),
    "kd tree: a node that ends outside": neighbours("kd_tree", 2, field("idx_end", WILD)),
    "kd tree: a node that starts outside": neighbours("kd_tree", 2, field("idx_start", -WILD)),
    "kd tree: nodes missing": neighbours("kd_tree", 2, lambda a: a[:2].copy()),
    "kd tree: bounds missing": neighbours("kd_tree", 3, lambda a: a[:, :1].copy()),
    "kd tree: fewer rows": neighbours("kd_tree", 0, lambda a: a[:2].copy()),
    "kd tree: no rows": neighbours("kd_tree", 0, lambda a: a[:0].copy()),
    "ball tree: a row that is not there": neighbours("ball_tree", 1, first(WILD)),
    "ball tree: nodes missing": neighbours("ball_tree", 2, lambda a: a[:2].copy()),
    "ball tree: bounds missing": neighbours("ball_tree", 3, lambda a: a[:, :1].copy()),
    "an index in a tuple": index_in_a_tuple,
    "neighbours: a label that is none": changed(
        lambda: neighbors.KNeighborsClassifier(algorithm="brute"), _y=lambda y: np.full(len(y), WILD)
    ),
    "neighbours: fewer labels": changed(lambda: neighbors.KNeighborsClassifier(algorithm="brute"), _y=lambda y: y[:3]),
    "neighbours: fewer rows": changed(
        lambda: neighbors.KNeighborsClassifier(algorithm="brute"), _fit_X=lambda x: np.ascontiguousarray(x[:2])
    ),
    "neighbours: narrower rows": changed(lambda: neighbors.KNeighborsClassifier(algorithm="brute"), _fit_X=narrow),
    "a distance outside an index": kept_distance,
    "tree: no number of features": lambda rows: single(rows, lambda m: m.__dict__.pop("n_features_in_")),
    "tree: a number that is none": lambda rows: single(rows, lambda m: m.__dict__.update(n_features_in_=3.0)),
    "tree: another number": lambda rows: single(rows, lambda m: m.__dict__.update(n_features_in_=2)),
    "tree: kept elsewhere": lambda rows: single(rows, lambda m: m.__dict__.update(other=copy.deepcopy(m.tree_))),
    "boosting: more trees than outputs": boosting_of_other_width,
    "boosting: wider trees than rows": boosting_of_narrow_rows,
    "histogram: bits missing": histogram(short_bits),
    "histogram: categories missing": histogram(no_categories),
    "machine: vectors missing": changed(svm.SVC, support_vectors_=lambda v: v[:2].copy()),
    "machine: narrower vectors": changed(svm.SVC, support_vectors_=narrow),
    "machine: counts too high": changed(svm.SVC, _n_support=lambda n: np.array([WILD, 1], dtype=np.int32)),
    "machine: counts that cancel": changed(
        svm.SVC, _n_support=lambda n: np.array([n.sum() + WILD, -WILD], dtype=np.int32)
    ),
    "machine: constants missing": changed(svm.SVC, _intercept_=lambda a: a[:0].copy()),
    "machine: fewer weights": changed(svm.SVC, _dual_coef_=lambda a: a[:, :1].copy()),
    "machine for values: vectors missing": changed(svm.SVR, support_vectors_=lambda v: v[:2].copy()),
    "a sparse matrix with a wild column": wild_matrix,
    "one-hot: more columns than told": one_hot,
    "words at wild places": words,
    "a curve with fewer coefficients": curve,
    "centres wider than the rows": centres,
}


@pytest.fixture(scope="module")
def child() -> Iterator[Callable[[bytes, Any, bool], np.ndarray]]:
    """A process that loads a file and scores rows; a fresh one after each crash."""
    held: list[Enclosed] = []

    def score(content: bytes, rows: Any, text: bool) -> np.ndarray:
        if not held or held[0]._child is None or held[0]._child.ended:
            held[:] = [Enclosed("crafted:score", code=(str(CODE),), error=ModelError).__enter__()]
        _, arrays = held[0].call(
            {"text": text}, model=np.frombuffer(content, np.uint8), rows=np.asarray(rows, dtype=np.float64)
        )
        return arrays["scores"]

    yield score
    held[0].__exit__(None, None, None)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", list(CRAFTED))
def test_crafted_files_are_refused(name: str, rows: pd.DataFrame, child: Any) -> None:
    content = skops.io.dumps(CRAFTED[name](rows))
    # None of them needs anyone's consent: the types are trusted, and only what they hold is wrong.
    assert describe_bytes(Path("m"), content).unknown_types == ()
    with pytest.raises(ModelError) as caught:
        child(content, rows, "one-hot" in name)
    assert re.search("point(s)? outside", caught.value.problem), caught.value.message
    assert "from its source again" in caught.value.todo


SOUND: dict[str, Callable[[], Any]] = {
    "kd tree": lambda: neighbors.KNeighborsClassifier(algorithm="kd_tree", leaf_size=3, weights="distance"),
    "ball tree": lambda: neighbors.KNeighborsClassifier(algorithm="ball_tree", metric="minkowski", p=3),
    "brute": lambda: neighbors.KNeighborsClassifier(algorithm="brute"),
    "radius": lambda: neighbors.RadiusNeighborsClassifier(50.0),
    "nu": lambda: svm.NuSVC(nu=0.3),
    "splines": lambda: make_pipeline(SplineTransformer(extrapolation="periodic"), LogisticRegression(max_iter=500)),
    "clusters": lambda: make_pipeline(cluster.KMeans(3, n_init=1), LogisticRegression()),
    "bisected": lambda: make_pipeline(cluster.BisectingKMeans(3), LogisticRegression()),
    "three classes": lambda: ensemble.GradientBoostingClassifier(n_estimators=3),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", list(SOUND))
def test_sound_files_of_the_same_kinds_score_as_before(name: str, rows: pd.DataFrame, child: Any) -> None:
    wanted = target(rows) + (2 * (rows["c"] > 1) if name == "three classes" else 0)
    model = SOUND[name]().fit(rows, wanted)
    expected = model.predict_proba(rows)[:, 1] if hasattr(model, "predict_proba") else model.predict(rows)
    assert np.array_equal(child(skops.io.dumps(model), rows, False), np.asarray(expected, dtype=float))


def test_a_crafted_file_is_refused_by_a_worker_too(rows: pd.DataFrame, tmp_path: Path) -> None:
    skops.io.dump(CRAFTED["kd tree: a row that is not there"](rows), tmp_path / "m.skops")
    with Worker(tmp_path / "m.skops") as worker, pytest.raises(ModelError, match="point outside themselves"):
        worker.scores(rows, "1")


# -- LightGBM's text and XGBoost's JSON ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def people(rows: pd.DataFrame) -> pd.DataFrame:
    rng = np.random.default_rng(6)
    kinds = pd.Categorical(rng.choice(list("uvwxyz"), len(rows)))
    return rows.assign(k=kinds, q=pd.Categorical(rng.choice([3, 5, 9], len(rows))))


def outcome(people: pd.DataFrame) -> np.ndarray:
    return ((people["k"] == "x") | (people["q"] == 3) | (people["a"] > 1)).to_numpy().astype(int)


@pytest.fixture(scope="module")
def text(people: pd.DataFrame) -> str:
    settings = {"n_estimators": 2, "num_leaves": 6, "min_child_samples": 5, "cat_smooth": 1, "min_data_per_group": 5}
    model = lightgbm.LGBMClassifier(**settings, verbose=-1, n_jobs=1).fit(people, outcome(people))
    result = str(model.booster_.model_to_string())
    assert "cat_boundaries=" in result
    return re.sub(r"^tree_sizes=.*\n", "", result, flags=re.MULTILINE)


def replaced(text: str, name: str, value: Callable[[list[str]], list[str]]) -> str:
    match = re.search(rf"^{name}=(.*)$", text, re.MULTILINE)
    assert match is not None
    return text[: match.start(1)] + " ".join(value(match[1].split(" "))) + text[match.end(1) :]


LIGHTGBM: dict[str, tuple[str, Callable[[list[str]], list[str]]]] = {
    "a child that is not there": ("left_child", lambda v: [str(WILD), *v[1:]]),
    "a leaf that is not there": ("left_child", lambda v: [str(-WILD), *v[1:]]),
    "a loop": ("left_child", lambda v: ["0", *v[1:]]),
    "a child twice": ("left_child", lambda v: [v[1], *v[1:]]),
    "a feature that is not there": ("split_feature", lambda v: [str(WILD), *v[1:]]),
    "a negative feature": ("split_feature", lambda v: ["-5", *v[1:]]),
    "more leaves than values": ("num_leaves", lambda v: ["99999"]),
    "leaves that are no number": ("num_leaves", lambda v: ["x"]),
    "thresholds missing": ("threshold", lambda v: v[:1]),
    "values missing": ("leaf_value", lambda v: v[:1]),
    "more classes than trees": ("num_class", lambda v: ["1000"]),
    "more trees an iteration than trees": ("num_tree_per_iteration", lambda v: ["1000"]),
    "categories outside their list": ("cat_boundaries", lambda v: ["0", str(WILD), *v[2:]]),
    "more categories than bounds": ("num_cat", lambda v: ["9999"]),
    "fewer features than names": ("max_feature_idx", lambda v: ["0"]),
    "more features than names": ("max_feature_idx", lambda v: [str(WILD)]),
}


@pytest.mark.parametrize("name", list(LIGHTGBM))
def test_lightgbm_text_that_points_outside_is_refused(name: str, text: str) -> None:
    key, change = LIGHTGBM[name]
    where = text.index("cat_boundaries=") if key == "cat_boundaries" else 0
    with pytest.raises(ModelError, match="points outside itself"):
        check_lightgbm((text[:where] + replaced(text[where:], key, change)).encode())


def test_lightgbm_trees_that_nobody_would_look_at_are_refused(text: str) -> None:
    """LightGBM jumps to its trees by the sizes in the head, and takes the last of what is said twice."""
    starts = [m.start() for m in re.finditer("^Tree=", text, re.MULTILINE)]
    head = text[: starts[0]].rstrip("\n")
    with pytest.raises(ModelError, match="sizes of trees"):
        check_lightgbm(f"{head}\ntree_sizes=5 90\n\n{text[starts[0] :]}".encode())
    with pytest.raises(ModelError, match="said twice"):
        check_lightgbm(replaced(text, "num_cat", lambda v: ["0\nnum_cat=0"]).encode())
    check_lightgbm(text.encode())


XGBOOST: dict[str, Callable[[dict[str, Any], dict[str, Any]], Any]] = {
    "a child that is not there": lambda t, m: t["left_children"].__setitem__(0, WILD),
    "a negative child": lambda t, m: t["left_children"].__setitem__(0, -5),
    "a loop": lambda t, m: t["left_children"].__setitem__(0, 0),
    "a child twice": lambda t, m: t["left_children"].__setitem__(0, t["right_children"][0]),
    "a parent that is none": lambda t, m: t["parents"].__setitem__(1, WILD),
    "a feature that is not there": lambda t, m: t["split_indices"].__setitem__(0, WILD),
    "a class that is not there": lambda t, m: m["gradient_booster"]["model"]["tree_info"].__setitem__(0, WILD),
    "conditions missing": lambda t, m: t.__setitem__("split_conditions", [1.0]),
    "weights missing": lambda t, m: t.__setitem__("base_weights", []),
    "more nodes than it has": lambda t, m: t["tree_param"].__setitem__("num_nodes", "1000000"),
    "leaves of many values": lambda t, m: t["tree_param"].__setitem__("size_leaf_vector", "1000"),
    "a split by category without one": lambda t, m: t.update(
        categories_nodes=[], categories_segments=[], categories_sizes=[], split_type=[1] * len(t["split_type"])
    ),
    "categories outside their list": lambda t, m: t.__setitem__(
        "categories_sizes", [WILD] * len(t["categories_nodes"])
    ),
    "categories before their list": lambda t, m: t.__setitem__(
        "categories_segments", [-1] * len(t["categories_nodes"])
    ),
    "a category beyond any": lambda t, m: t.__setitem__("categories", [2**30] * len(t["categories"])),
    "more classes than trees": lambda t, m: m["learner_model_param"].__setitem__("num_class", "50000"),
    "too many features": lambda t, m: m["learner_model_param"].__setitem__("num_feature", "1000000000"),
    "iterations outside": lambda t, m: m["gradient_booster"]["model"].__setitem__("iteration_indptr", [0, 5, WILD]),
    "names outside their text": lambda t, m: m["gradient_booster"]["model"]["cats"]["enc"][3].__setitem__(
        "offsets", [0, WILD]
    ),
    "names in no order": lambda t, m: m["gradient_booster"]["model"]["cats"].__setitem__("sorted_idx", [WILD]),
    "no trees at all": lambda t, m: m["gradient_booster"]["model"].pop("trees"),
    "numbers as text": lambda t, m: t.__setitem__("left_children", ["1"] * len(t["left_children"])),
}


@pytest.fixture(scope="module")
def boosted(people: pd.DataFrame) -> Any:
    settings = {"n_estimators": 2, "max_depth": 3, "enable_categorical": True, "n_jobs": 1}
    return xgboost.XGBClassifier(**settings).fit(people, outcome(people)).get_booster()


@pytest.mark.parametrize("name", list(XGBOOST))
def test_xgboost_files_that_point_outside_are_refused(name: str, boosted: Any) -> None:
    model = json.loads(bytes(boosted.save_raw("json")))
    check_xgboost(json.dumps(model).encode())
    tree_of = model["learner"]["gradient_booster"]["model"]["trees"][0]
    assert tree_of["categories_nodes"]
    XGBOOST[name](tree_of, model["learner"])
    with pytest.raises(ModelError, match="points outside itself"):
        check_xgboost(json.dumps(model).encode())


def test_xgboosts_three_ways_of_writing_are_read_alike(boosted: Any) -> None:
    as_json = json.loads(bytes(boosted.save_raw("json")))

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: plain(v) for k, v in value.items()}
        if isinstance(value, (list, np.ndarray)):
            return [plain(v) for v in value]
        return round(float(value), 4) if isinstance(value, (float, int, np.number)) else value

    assert plain(ubjson.loads(bytes(boosted.save_raw("ubj")))) == plain(as_json)
    check_xgboost(boosted.__getstate__()["handle"])


@pytest.mark.parametrize(
    "content", [b"", b"{", b"{}", b"[", b"{i\x01aS", b"{U\xff", b"[$i#L\x7f" + b"\xff" * 7, b"{" * 5000]
)
def test_bytes_that_are_neither_json_nor_ubjson_are_refused(content: bytes) -> None:
    with pytest.raises(ModelError, match="points outside itself"):
        check_xgboost(content)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"booster": "dart"},
        {"booster": "gblinear"},
        {"tree_method": "exact", "gamma": 1.0, "max_depth": 8},
        {"num_parallel_tree": 3},
        {"n_estimators": 0},
    ],
)
def test_sound_xgboost_models_pass(settings: dict[str, Any], rows: pd.DataFrame) -> None:
    for wanted in (target(rows), target(rows) + (rows["c"] > 0.5).to_numpy()):
        booster = xgboost.XGBClassifier(**{"n_estimators": 3, "n_jobs": 1} | settings).fit(rows, wanted).get_booster()
        for form in ("json", "ubj"):
            check_xgboost(bytes(booster.save_raw(form)))


@pytest.mark.parametrize(
    "settings", [{}, {"boosting_type": "dart"}, {"linear_tree": True}, {"num_leaves": 2}, {"min_child_samples": 10**4}]
)
def test_sound_lightgbm_models_pass(settings: dict[str, Any], rows: pd.DataFrame) -> None:
    for wanted in (target(rows), target(rows) + (rows["c"] > 0.5).to_numpy()):
        model = lightgbm.LGBMClassifier(**{"n_estimators": 3, "verbose": -1, "n_jobs": 1} | settings)
        check_lightgbm(model.fit(rows, wanted).booster_.model_to_string().encode())


def test_crafted_files_are_refused_wherever_the_library_would_read_them(
    rows: pd.DataFrame, people: pd.DataFrame, text: str, boosted: Any, child: Any, tmp_path: Path
) -> None:
    (tmp_path / "m.txt").write_text(replaced(text, *LIGHTGBM["a child that is not there"]))
    model = json.loads(bytes(boosted.save_raw("json")))
    XGBOOST["categories outside their list"](model["learner"]["gradient_booster"]["model"]["trees"][0], {})
    (tmp_path / "m.json").write_text(json.dumps(model))
    for name in ("m.txt", "m.json"):
        with Worker(tmp_path / name) as worker, pytest.raises(ModelError, match="points outside itself"):
            worker.scores(people, "1")
    # The same inside scikit-learn's wrappers, in a skops file.
    wrapped = lightgbm.LGBMClassifier(n_estimators=2, verbose=-1, n_jobs=1).fit(rows, target(rows))
    state = wrapped.booster_.__getstate__()
    state["_handle"] = state.pop("handle", None) or state["_handle"]
    with pytest.MonkeyPatch.context() as patch:
        crafted = {**state, "_handle": None, "handle": replaced(str(state["_handle"]), "left_child", lambda v: ["9"])}
        patch.setattr(lightgbm.basic.Booster, "__getstate__", lambda self: {k: v for k, v in crafted.items() if v})
        content = skops.io.dumps(wrapped)
    with pytest.raises(ModelError, match="points outside itself"):
        child(content, rows, False)
