"""Interventional TreeSHAP of each kind of tree, against the enumeration of coalitions and against shap itself."""

from __future__ import annotations

from itertools import combinations
from math import factorial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from audit.explain import native_trees, tree_read
from audit.explain.kinds import LOG_ODDS, PROBABILITY, VALUE
from audit.explain.native import attributions
from audit.explain.native_trees import METHOD

# The libraries' own warnings; in the worker they are silenced.
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::PendingDeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning"
)
ROWS, BACK = 2, 14


def table(rows: int = 300, seed: int = 0) -> pd.DataFrame:
    """Numbers (one with missing values, one with many zeros), a text and a category."""
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 80, rows).astype(float)
    age[rng.random(rows) < 0.2] = np.nan
    home = pd.Categorical(rng.choice(["own", "rent", "none"], rows), categories=["none", "own", "rent"])
    return pd.DataFrame(
        {
            "age": age,
            "job": rng.choice(["clerk", "nurse", "smith", "miner"], rows),
            "pay": rng.normal(30, 10, rows),
            "home": home,
            "debt": np.maximum(0.0, rng.normal(0, 2, rows)).round(1),
        }
    )


def worth(frame: pd.DataFrame) -> np.ndarray:
    z = 0.06 * frame.age.fillna(60) - 0.1 * frame.pay * (frame.job == "nurse") + (frame.home == "rent") * frame.debt
    return np.asarray(z + frame.debt * (frame.age.isna()), dtype=np.float64)


class Loaded(SimpleNamespace):
    """What an operation gets in the worker; `typed` makes of a frame what the library takes."""

    def __init__(self, estimator: Any, typed: Any = None) -> None:
        classes = tuple(str(c) for c in getattr(estimator, "classes_", ()))
        super().__init__(estimator=estimator, facts=SimpleNamespace(classes=classes), prepare=typed or (lambda f: f))

    def class_index(self, positive: str) -> int:
        return self.facts.classes.index(positive)


def encoded(last: Any, target: np.ndarray) -> Any:
    """A pipeline that codes text as one-hot columns and puts them after the numbers."""
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder

    one_hot = OneHotEncoder(sparse_output=False, handle_unknown="ignore")
    encode = ColumnTransformer([("n", "passthrough", ["debt", "age", "pay"]), ("t", one_hot, ["job", "home"])])
    return Pipeline([("encode", encode), ("model", last)]).fit(table(), target)


def categories(frame: pd.DataFrame) -> pd.DataFrame:
    jobs = pd.CategoricalDtype(["clerk", "miner", "nurse", "smith"])
    return frame.assign(job=frame.job.astype(jobs))


def sklearn(name: str, **options: Any) -> Any:
    import sklearn.ensemble
    import sklearn.tree

    kind = getattr(sklearn.ensemble, name, None) or getattr(sklearn.tree, name)
    return kind(random_state=0, **options)


def booster(library: str, name: str, **options: Any) -> Any:
    import lightgbm
    import xgboost

    more = {"verbose": -1, "min_child_samples": 5} if library == "lightgbm" else {"max_depth": 4}
    return getattr({"lightgbm": lightgbm, "xgboost": xgboost}[library], name)(n_jobs=1, **more, **options)


def _filled(last: Any, target: np.ndarray, sparse: bool = False) -> Any:
    """For what takes no missing values."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder

    encode = ColumnTransformer(
        [("n", SimpleImputer(), ["age", "pay", "debt"]), ("t", OneHotEncoder(sparse_output=sparse), ["job", "home"])],
        sparse_threshold=1.0 if sparse else 0.0,
    )
    return Pipeline([("encode", encode), ("model", last)]).fit(table(), target)


def _native(last: Any, target: np.ndarray) -> Any:
    return last.fit(categories(table()), target)


KINDS: dict[str, tuple[Any, Any, str]] = {
    "tree": (lambda: sklearn("DecisionTreeClassifier", max_depth=5), encoded, PROBABILITY),
    "forest": (lambda: sklearn("RandomForestClassifier", n_estimators=8, max_depth=6), encoded, PROBABILITY),
    "forest, sparse": (
        lambda: sklearn("RandomForestClassifier", n_estimators=3, class_weight="balanced"),
        lambda last, y: _filled(last, y, sparse=True), PROBABILITY,
    ),
    "extra trees": (lambda: sklearn("ExtraTreesClassifier", n_estimators=8), encoded, PROBABILITY),
    "forest, value": (lambda: sklearn("RandomForestRegressor", n_estimators=8), encoded, VALUE),
    "tree, value": (lambda: sklearn("DecisionTreeRegressor", max_depth=6), encoded, VALUE),
    "boosting": (lambda: sklearn("GradientBoostingClassifier", n_estimators=15), _filled, LOG_ODDS),
    "boosting, exponential": (
        lambda: sklearn("GradientBoostingClassifier", n_estimators=15, loss="exponential"), _filled, LOG_ODDS,
    ),
    "boosting, value": (lambda: sklearn("GradientBoostingRegressor", n_estimators=15), _filled, VALUE),
    "hist": (lambda: sklearn("HistGradientBoostingClassifier", max_iter=15), encoded, LOG_ODDS),
    "hist, value": (lambda: sklearn("HistGradientBoostingRegressor", max_iter=15), encoded, VALUE),
    "hist, own categories": (lambda: sklearn("HistGradientBoostingClassifier", max_iter=15), _native, LOG_ODDS),
    "lightgbm": (lambda: booster("lightgbm", "LGBMClassifier", n_estimators=15), encoded, LOG_ODDS),
    "lightgbm, own categories": (
        lambda: booster("lightgbm", "LGBMClassifier", n_estimators=15, min_data_per_group=1, cat_smooth=1), _native,
        LOG_ODDS,
    ),
    "lightgbm, zeros are missing": (
        lambda: booster("lightgbm", "LGBMClassifier", n_estimators=15, zero_as_missing=True), encoded, LOG_ODDS,
    ),
    "lightgbm, no missing": (
        lambda: booster("lightgbm", "LGBMClassifier", n_estimators=15, use_missing=False), encoded, LOG_ODDS,
    ),
    "lightgbm, forest": (
        lambda: booster("lightgbm", "LGBMRegressor", n_estimators=9, boosting_type="rf", bagging_fraction=0.6,
                        bagging_freq=1), encoded, VALUE,
    ),
    "xgboost": (lambda: booster("xgboost", "XGBClassifier", n_estimators=15), encoded, LOG_ODDS),
    "xgboost, own categories": (
        lambda: booster("xgboost", "XGBClassifier", n_estimators=15, enable_categorical=True), _native, LOG_ODDS,
    ),
    "xgboost, dart": (
        lambda: booster("xgboost", "XGBRegressor", n_estimators=9, booster="dart", rate_drop=0.3), encoded, VALUE,
    ),
}  # fmt: skip


def made(kind: str) -> tuple[Loaded, str]:
    maker, fit, output = KINDS[kind]
    z = worth(table())
    target = z if output == VALUE else (z > np.median(z)).astype(int)
    typed = categories if fit is _native else None
    return Loaded(fit(maker(), target), typed), output


def asked(model: Loaded, frame: pd.DataFrame, rows: int, output: str, positive: str = "1") -> dict[str, Any]:
    arrays = {"positive": np.array(positive, dtype=object), "output": np.array(output, dtype=object)}
    return attributions(model, frame, {"rows": np.array(rows), **arrays})


def answers(model: Loaded, frame: pd.DataFrame, output: str) -> np.ndarray:
    rows = model.prepare(frame)
    if output == VALUE:
        return np.asarray(model.estimator.predict(rows), dtype=np.float64)
    p = np.asarray(model.estimator.predict_proba(rows)[:, 1], dtype=np.float64)
    return p if output == PROBABILITY else np.log(p) - np.log1p(-p)


def enumerated(model: Loaded, row: pd.DataFrame, back: pd.DataFrame, output: str) -> np.ndarray:
    """Shapley's formula over all coalitions of the columns that people know."""
    names = list(row.columns)
    sets = [s for r in range(len(names) + 1) for s in combinations(names, r)]
    hybrids = pd.concat([back.assign(**{c: row[c].iloc[0] for c in s}).astype(row.dtypes) for s in sets])
    means = answers(model, hybrids.reset_index(drop=True), output).reshape(len(sets), len(back)).mean(axis=1)
    game = dict(zip(sets, means, strict=True))
    out = np.zeros(len(names))
    for s in sets:
        for j, name in enumerate(names):
            if name not in s:
                joined = tuple(c for c in names if c in (*s, name))
                weight = factorial(len(s)) * factorial(len(names) - len(s) - 1) / factorial(len(names))
                out[j] += weight * (game[joined] - game[s])
    return out


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_tree_equals_the_enumeration_of_coalitions(kind: str) -> None:
    """With missing values, categories and one-hot columns: a column of the data is one player."""
    model, output = made(kind)
    frame = table(ROWS + BACK, seed=1)
    result = asked(model, frame, ROWS, output)
    assert "refused" not in result, result["refused"]
    assert str(result["method"]) == METHOD
    back = frame.iloc[ROWS:]
    single = kind.startswith("xgboost")
    for i in range(ROWS):
        wanted = enumerated(model, frame.iloc[[i]], back, output)
        np.testing.assert_allclose(result["values"][i], wanted, atol=2e-5 if single else 1e-8)
    assert np.abs(result["values"]).max() > 0.01
    total = result["base"] + result["values"].sum(axis=1)
    np.testing.assert_allclose(total, answers(model, frame.iloc[:ROWS], output), atol=2e-5 if single else 1e-6)
    np.testing.assert_allclose(result["base"], answers(model, back, output).mean(), atol=2e-5 if single else 1e-6)
    if output != VALUE:  # the other class: what is for one is against the other
        other = asked(model, frame, ROWS, output, positive="0")
        np.testing.assert_allclose(other["values"], -result["values"], atol=1e-12)


NUMBERS = {
    "RandomForestClassifier": {"n_estimators": 10, "max_depth": 7}, "ExtraTreesRegressor": {"n_estimators": 10},
    "GradientBoostingClassifier": {"n_estimators": 20}, "HistGradientBoostingClassifier": {"max_iter": 20},
    "LGBMClassifier": {"n_estimators": 20}, "XGBClassifier": {"n_estimators": 20},
}  # fmt: skip


@pytest.mark.parametrize("name", NUMBERS)
def test_of_numbers_alone_it_equals_shap(name: str) -> None:
    import shap

    rng = np.random.default_rng(2)
    x = rng.normal(size=(500, 8)).astype(np.float32).astype(np.float64)
    z = x[:, 0] * x[:, 1] + x[:, 2] - (x[:, 3] > 0.4) * x[:, 4]
    frame = pd.DataFrame(x, columns=[f"x{j}" for j in range(8)])
    library = {"LGB": "lightgbm", "XGB": "xgboost"}.get(name[:3])
    last = booster(library, name, **NUMBERS[name]) if library else sklearn(name, **NUMBERS[name])
    output = VALUE if name.endswith("Regressor") else LOG_ODDS if library or "Boosting" in name else PROBABILITY
    last.fit(frame, z if output == VALUE else (z > 0).astype(int))
    result = asked(Loaded(last), frame.iloc[:140], 20, output)
    # Given as a table, shap would cut the background to 100 rows.
    masker = shap.maskers.Independent(x[20:140], max_samples=120)
    explainer = shap.TreeExplainer(last, masker, feature_perturbation="interventional")
    theirs = np.asarray(explainer.shap_values(x[:20], check_additivity=False))
    np.testing.assert_allclose(result["values"], theirs[..., 1] if theirs.ndim == 3 else theirs, atol=2e-6)


def test_what_is_read_wrong_is_refused_and_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tree read otherwise than its library decides, at a node that no explained row need visit: the probes see it."""
    model, output = made("lightgbm")
    frame = table(ROWS + BACK, seed=1)
    right = tree_read.of_lightgbm

    def wrong(booster: Any) -> Any:
        trees = right(booster)
        for tree in trees:
            tree.missing_left[:] = ~tree.missing_left
        return trees

    monkeypatch.setitem(tree_read.READERS, "lightgbm", lambda last, _: wrong(last))
    assert "do not add up" in str(asked(model, frame, ROWS, output)["refused"])


def test_a_column_that_two_columns_go_into_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that says its columns are apart and mixes them: the probes see it."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    frame = table()[["pay", "debt"]]
    fitted = make_pipeline(StandardScaler(), sklearn("DecisionTreeClassifier", max_depth=3)).fit(frame, frame.pay > 30)
    model = Loaded(fitted)
    assert "values" in asked(model, frame, ROWS, PROBABILITY, "True")
    step = fitted[0]
    monkeypatch.setattr(step, "transform", lambda f: np.asarray(f) @ np.array([[1.0, 0.5], [0.0, 1.0]]), raising=False)
    assert "mixes columns" in str(asked(model, frame, ROWS, PROBABILITY, "True")["refused"])


def test_too_deep_too_long_or_without_a_background_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model, output = made("forest")
    frame = table(ROWS + BACK, seed=1)
    assert "no background" in str(asked(model, frame, len(frame), output)["refused"])
    monkeypatch.setattr(native_trees, "MOST_SECONDS", 1e-3)
    assert "too deep, or too many" in str(asked(model, frame, ROWS, output)["refused"])
    monkeypatch.undo()
    rng = np.random.default_rng(0)
    wide = pd.DataFrame(rng.integers(0, 2, size=(20_000, 30)).astype(float), columns=[f"x{j}" for j in range(30)])
    tree = sklearn("DecisionTreeClassifier").fit(wide, rng.integers(0, 2, 20_000))  # more than 16 columns on a way
    result = asked(Loaded(tree), wide.iloc[:40], 10, PROBABILITY)
    assert "too deep" in str(result["refused"])


def test_leaves_that_are_lines_and_boosters_of_lines_are_refused() -> None:
    frame = table()[["pay", "debt"]]
    target = (frame.pay + frame.debt > 31).astype(int)
    lines = booster("lightgbm", "LGBMClassifier", n_estimators=3, linear_tree=True).fit(frame, target)
    assert "lines" in str(asked(Loaded(lines), frame, ROWS, LOG_ODDS)["refused"])
    linear = booster("xgboost", "XGBClassifier", n_estimators=3, booster="gblinear").fit(frame, target)
    assert "not made of trees" in str(asked(Loaded(linear), frame, ROWS, LOG_ODDS)["refused"])


def test_a_tree_that_never_splits_gives_nothing_to_anybody() -> None:
    frame = table()[["pay", "debt"]]
    flat = sklearn("DecisionTreeClassifier", max_depth=1, min_samples_leaf=200).fit(frame, frame.pay > 30)
    result = asked(Loaded(flat), frame, ROWS, PROBABILITY, "True")
    assert not result["values"].any()
    np.testing.assert_allclose(result["base"], result["total"])


def test_early_stopping_leaves_out_the_rounds_after_the_best() -> None:
    frame, rng = table()[["pay", "debt"]], np.random.default_rng(0)
    target = ((frame.pay > 30) ^ (rng.random(len(frame)) < 0.4)).astype(int)
    last = booster("xgboost", "XGBClassifier", n_estimators=60, early_stopping_rounds=3)
    last.fit(frame[:200], target[:200], eval_set=[(frame[200:], target[200:])], verbose=False)
    assert last.best_iteration + 1 < last.get_booster().num_boosted_rounds()
    result = asked(Loaded(last), frame, ROWS, LOG_ODDS)
    np.testing.assert_allclose(result["total"], answers(Loaded(last), frame.iloc[:ROWS], LOG_ODDS), atol=1e-5)


@pytest.mark.parametrize("kind", ["tree", "tree, value", "xgboost"])
def test_the_depth_of_a_tree_is_the_librarys(kind: str) -> None:
    model, _ = made(kind)
    last = model.estimator[-1]
    if kind == "xgboost":
        frame = last.get_booster().trees_to_dataframe()
        trees, wanted = tree_read.of_xgboost(last.get_booster()), []
        for _, nodes in frame.groupby("Tree"):
            depth = {str(nodes.ID.iloc[0]): 0}
            for node in nodes.itertuples():
                depth |= {child: depth[node.ID] + 1 for child in (node.Yes, node.No) if isinstance(child, str)}
            wanted.append(max(depth.values()))
    else:
        trees, wanted = tree_read.of_forest(last, None if kind.endswith("value") else 1), [last.get_depth()]
    assert [tree_read.depth_of(t) for t in trees] == wanted
    assert max(wanted) > 2
