"""Dependence by hand; interactions by hand, against the trees' libraries, and refused where TreeSHAP would be wrong."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from audit.explain.dependence import MISSING, OTHERS, dependence
from audit.explain.interactions import friedman, from_trees
from audit.explain.kinds import Additivity, Attributions
from audit.explain.native_pairs import interactions

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::PendingDeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning"
)


def shares(values: np.ndarray, names: tuple[str, ...]) -> Attributions:
    return Attributions("m", "o", names, values, np.zeros(len(values)), Additivity(0.0, 1e-6, True, len(values)))


def test_dependence_by_hand() -> None:
    frame = pd.DataFrame({"x": np.repeat([1.0, 2.0, np.nan], 20), "g": ["a"] * 45 + ["b"] * 12 + ["c", "d", "e"]})
    values = np.column_stack([np.repeat([0.5, -1.0, 3.0], 20), np.arange(60.0)])
    x, g = dependence(shares(values, ("x", "g")), frame, np.arange(60), ("x", "g"))
    assert [(p["value"], p["mean"], p["rows"]) for p in x["parts"]] == [
        ("1", 0.5, 20),
        ("2", -1.0, 20),
        (MISSING, 3.0, 20),
    ]
    assert [(p["value"], p["rows"]) for p in g["parts"]] == [("a", 45), ("b", 12)]
    assert g["left_out"] == 3  # three people with values of their own: together fewer than ten
    assert g["parts"][0]["mean"] == pytest.approx(np.arange(45).mean())
    error = np.arange(45.0).std(ddof=1) / np.sqrt(45)
    assert g["parts"][0]["high"] == pytest.approx(22 + 1.959963984540054 * error)


def test_rare_levels_join_and_weights_count() -> None:
    frame = pd.DataFrame({"g": ["a"] * 20 + ["b"] * 6 + ["c"] * 6})
    values = np.r_[np.tile([0.0, 1.0], 10), np.ones(12)][:, None]
    weight = np.r_[np.tile([1.0, 3.0], 10), np.ones(12)]
    (g,) = dependence(shares(values, ("g",)), frame, np.arange(32), ("g",), weight)
    assert [(p["value"], p["rows"]) for p in g["parts"]] == [("a", 20), (OTHERS, 12)]
    assert g["parts"][0]["mean"] == pytest.approx(0.75)


def test_bins_hold_everybody_once() -> None:
    rng = np.random.default_rng(0)
    x = np.r_[np.full(300, 40.0), rng.normal(40, 10, 700)]
    (d,) = dependence(shares(x[:, None], ("x",)), pd.DataFrame({"x": x}), np.arange(1000), ("x",))
    assert sum(p["rows"] for p in d["parts"]) + d["left_out"] == 1000
    assert all(a["to"] < b["from"] for a, b in zip(d["parts"], d["parts"][1:], strict=False))
    assert all(p["from"] <= p["mean"] <= p["to"] for p in d["parts"])


def square(n: int = 24) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(rng.normal(size=(n, 3)), columns=["a", "b", "c"])


def test_an_additive_model_has_no_interaction() -> None:
    result = friedman(lambda f: (2 * f.a + f.b**3 - f.c).to_numpy(), square(), ["a", "b", "c"])
    assert [p["strength"] for p in result] == [0.0, 0.0, 0.0]
    assert [p["h"] for p in result] == [0.0, 0.0, 0.0]


def test_a_product_by_hand() -> None:
    """a b + c: partial dependences on a, b are a E[b], b E[a]; what is left is (a - E a)(b - E b), centred."""
    rows = square()
    result = friedman(lambda f: (f.a * f.b + f.c).to_numpy(), rows, ["a", "b", "c"])
    assert result[0]["features"] == ["a", "b"]
    product = (rows.a - rows.a.mean()) * (rows.b - rows.b.mean())
    expected = np.sqrt(((product - product.mean()) ** 2).mean())
    assert result[0]["strength"] == pytest.approx(expected)
    whole = rows.a * rows.b
    assert result[0]["h"] == pytest.approx(expected / np.sqrt(((whole - whole.mean()) ** 2).mean()))
    assert [p["strength"] for p in result[1:]] == [0.0, 0.0]


def test_halves_of_a_pair_are_added() -> None:
    values = np.zeros((2, 3, 3))
    values[0, 0, 1] = values[0, 1, 0] = 0.5
    values[1, 0, 1] = values[1, 1, 0] = -1.0
    result = from_trees(values, ["a", "b", "c"], ["a", "b", "c"])
    assert result[0] == {"features": ["a", "b"], "strength": 1.5, "h": None}


class Loaded(SimpleNamespace):
    def __init__(self, estimator: Any) -> None:
        classes = tuple(str(c) for c in getattr(estimator, "classes_", ()))
        super().__init__(estimator=estimator, facts=SimpleNamespace(classes=classes))

    def prepare(self, frame: pd.DataFrame) -> pd.DataFrame:
        return frame

    def class_index(self, positive: str) -> int:
        return self.facts.classes.index(positive)


def table(n: int = 400) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.normal(size=(n, 4)), columns=list("abcd"))
    return frame, np.where(frame.a * frame.b + 0.1 * rng.normal(size=n) > 0, "yes", "no")


def made(name: str) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

    if name == "lightgbm":
        import lightgbm

        return lightgbm.LGBMClassifier(n_estimators=40, verbose=-1, n_jobs=1)
    if name == "xgboost":
        import xgboost

        return xgboost.XGBClassifier(n_estimators=40, n_jobs=1)
    if name == "forest":
        return RandomForestClassifier(20, max_depth=6, random_state=0)
    return HistGradientBoostingClassifier(max_iter=40)


@pytest.mark.parametrize("name", ["lightgbm", "forest", "boosted"])
@pytest.mark.parametrize("positive", ["yes", "no"])
def test_trees_name_the_pair_and_add_up(name: str, positive: str) -> None:
    frame, label = table()
    model = made(name).fit(frame, label)
    rows = frame.iloc[:30]
    result = interactions(Loaded(model), rows, {"positive": np.array(positive, dtype=object)})
    assert "refused" not in result, result
    values = result["values"]
    assert values.shape == (30, 4, 4)
    np.testing.assert_allclose(values, values.transpose(0, 2, 1), atol=1e-6)
    assert from_trees(values, list("abcd"), list("abcd"))[0]["features"] == ["a", "b"]
    # Sums over everything differ between rows as the model's output does.
    p = model.predict_proba(rows)[:, list(model.classes_).index(positive)]
    total = p if name == "forest" else np.log(p / (1 - p))
    assert str(result["output"]) == ("probability" if name == "forest" else "log-odds")
    off = total - values.sum(axis=(1, 2))
    np.testing.assert_allclose(off, off[0], atol=1e-6)


def test_a_pipeline_is_summed_back_to_the_columns_people_know() -> None:
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder

    frame, _ = table()
    frame["job"] = np.random.default_rng(2).choice(["x", "y", "z"], len(frame))
    noise = 0.5 * np.random.default_rng(3).normal(size=len(frame))
    label = np.where((frame.job == "x") * 3 * frame.a + noise > 0, "yes", "no")
    encode = ColumnTransformer(
        [("t", OneHotEncoder(sparse_output=False), ["job"]), ("n", "passthrough", ["a", "b", "c", "d"])]
    )
    model = Pipeline([("e", encode), ("m", HistGradientBoostingClassifier(max_iter=40))]).fit(frame, label)
    result = interactions(Loaded(model), frame.iloc[:30], {"positive": np.array("yes", dtype=object)})
    names = list(frame.columns)
    assert result["values"].shape == (30, 5, 5)
    assert set(from_trees(result["values"], names, names)[0]["features"]) == {"a", "job"}


def test_what_treeshap_gets_wrong_is_refused() -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression

    frame, label = table()
    frame["d"] = (frame.d > 0).astype(int)
    ask = {"positive": np.array("yes", dtype=object)}
    native = HistGradientBoostingClassifier(max_iter=5, categorical_features=[3]).fit(frame, label)
    assert "native categories" in str(interactions(Loaded(native), frame, ask)["refused"])
    linear = LogisticRegression().fit(frame, label)
    assert "not made of trees" in str(interactions(Loaded(linear), frame, ask)["refused"])
    import lightgbm

    coded = lightgbm.LGBMClassifier(n_estimators=10, verbose=-1, n_jobs=1).fit(frame, label, categorical_feature=["d"])
    assert interactions(Loaded(coded), frame.iloc[:20], ask).keys() & {"refused", "values"}


@pytest.mark.parametrize(("name", "bound"), [("boosted", "WORK"), ("xgboost", "NATIVE_WORK")])
def test_work_that_would_take_too_long_is_refused(name: str, bound: str, monkeypatch: pytest.MonkeyPatch) -> None:
    frame, label = table()
    y, positive = (label == "yes").astype(int), np.array("1", dtype=object)
    model = Loaded(made(name).fit(frame, y))
    assert "refused" not in interactions(model, frame.iloc[:20], {"positive": positive})
    monkeypatch.setattr(f"audit.explain.native_pairs.{bound}", 10.0)
    assert "too long" in str(interactions(model, frame.iloc[:20], {"positive": positive})["refused"])


def test_values_that_do_not_add_up_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audit.explain.native_pairs.tree_total", lambda *a: np.zeros(20))
    frame, label = table()
    model = Loaded(made("boosted").fit(frame, label))
    result = interactions(model, frame.iloc[:20], {"positive": np.array("yes", dtype=object)})
    assert "do not add up" in str(result["refused"])
