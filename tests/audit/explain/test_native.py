"""The libraries' own attributions, in the columns that people know, and the additivity gate."""

from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from audit.explain.kinds import gate
from audit.explain.native import attributions
from audit.explain.native_pairs import interactions
from audit.explain.outputs import Rule
from audit.explain.owners import NoMapError, owners
from audit.explain.router import explain, native_attributions

# The libraries' own warnings; in the worker they are silenced.
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::PendingDeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning"
)


def people(rows: int = 400, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": rng.integers(18, 80, rows).astype(float),
            "job": rng.choice(["clerk", "nurse", "smith"], rows),
            "pay": rng.normal(30, 10, rows),
            "home": rng.choice(["own", "rent"], rows),
        }
    )


def answers(frame: pd.DataFrame) -> np.ndarray:
    z = 0.05 * (frame.age - 45) + (frame.job == "nurse") * frame.pay * 0.03 - (frame.home == "rent") * 0.7
    return np.where(z > z.median(), "yes", "no")


def pipeline(last: Any, encoder: Any = None, target: Any = None) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    frame = people()
    encode = ColumnTransformer(
        [
            ("text", encoder or OneHotEncoder(sparse_output=False), ["job", "home"]),
            ("numbers", StandardScaler(), ["pay", "age"]),
        ]
    )
    return Pipeline([("encode", encode), ("model", last)]).fit(frame, answers(frame) if target is None else target)


class Loaded(SimpleNamespace):
    """What an operation gets in the worker: estimator, facts, prepare, class_index."""

    def __init__(self, estimator: Any) -> None:
        classes = tuple(str(c) for c in getattr(estimator, "classes_", ()))
        super().__init__(estimator=estimator, facts=SimpleNamespace(classes=classes))

    def prepare(self, frame: pd.DataFrame) -> pd.DataFrame:
        return frame

    def class_index(self, positive: str) -> int:
        return self.facts.classes.index(positive)

    def scores(self, frame: pd.DataFrame, positive: str = "yes") -> np.ndarray:
        if not self.facts.classes:
            return np.asarray(self.estimator.predict(frame), dtype=np.float64)
        return np.asarray(self.estimator.predict_proba(frame)[:, self.class_index(positive)], dtype=np.float64)


def ask(model: Loaded, output: str, positive: str = "yes", rows: int = 50) -> dict[str, Any]:
    arrays = {
        "rows": np.array(rows),
        "positive": np.array(positive, dtype=object),
        "output": np.array(output, dtype=object),
    }
    return attributions(model, people(rows + 150, seed=1), arrays)


def boosted(**options: Any) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(max_iter=20, **options)


def lightgbm() -> Any:
    import lightgbm

    return lightgbm.LGBMClassifier(n_estimators=20, verbose=-1, n_jobs=1)


def logistic() -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression()


def xgboost() -> Any:
    import xgboost

    return xgboost.XGBClassifier(n_estimators=20, n_jobs=1)


MAKERS = {"linear": logistic, "tree": boosted, "lightgbm": lightgbm, "xgboost": xgboost}


@pytest.mark.parametrize("family", MAKERS)
@pytest.mark.parametrize("positive", [1, 0])
def test_log_odds_add_up_in_each_library_for_each_class(family: str, positive: int) -> None:
    # XGBoost wants 0 and 1 for labels.
    target = (answers(people()) == "yes").astype(int) if family == "xgboost" else None
    model = Loaded(pipeline(MAKERS[family](), target=target))
    name = model.facts.classes[positive]
    result = ask(model, "log-odds", name)
    rows = people(200, seed=1).iloc[:50]
    tolerance = 5e-4 if family == "xgboost" else 1e-6
    assert str(result["family"]) == family
    assert result["values"].shape == (50, 4)
    assert gate(result["values"], result["base"], result["total"], tolerance).passed
    p = model.scores(rows, name)
    np.testing.assert_allclose(result["total"], np.log(p / (1 - p)), atol=1e-4)


def test_the_two_classes_have_opposite_signs() -> None:
    model = Loaded(pipeline(boosted()))
    np.testing.assert_allclose(ask(model, "log-odds", "yes")["values"], -ask(model, "log-odds", "no")["values"])


def test_linear_models_use_the_whole_background_and_sum_one_hot_columns() -> None:
    """In closed form: weight x (value - mean over all 150), summed over the columns of one category."""
    fitted = pipeline(logistic())
    result = ask(Loaded(fitted), "log-odds")
    encoded = fitted[0].transform(people(200, seed=1))
    parts = (encoded[:50] - encoded[50:].mean(axis=0)) * fitted[1].coef_[0]
    expected = np.column_stack([parts[:, 6], parts[:, :3].sum(axis=1), parts[:, 5], parts[:, 3:5].sum(axis=1)])
    np.testing.assert_allclose(result["values"], expected, atol=1e-12)


def test_a_linear_regression_explains_its_value() -> None:
    from sklearn.linear_model import Ridge

    model = Loaded(pipeline(Ridge(), target=people().age * 2 + 1))
    result = attributions(
        model,
        people(100, seed=2),
        {"rows": np.array(10), "positive": np.array("x", dtype=object), "output": np.array("value", dtype=object)},
    )
    assert gate(result["values"], result["base"], model.scores(people(100, seed=2).iloc[:10]), 1e-6).passed
    assert np.abs(result["values"][:, 0]).sum() > 10 * np.abs(result["values"][:, 1:]).sum()


def test_another_output_is_refused_with_its_name() -> None:
    assert "of the log-odds, and the probability" in str(ask(Loaded(pipeline(logistic())), "probability")["refused"])


def test_rows_are_not_encoded_for_what_is_refused_by_its_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """One-hot encoding takes longest of all. The reason is the same as ever, that of the steps before that of the
    output."""
    from sklearn.compose import ColumnTransformer
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    line = pipeline(LogisticRegression())
    mixing = make_pipeline(line[0], PCA(2), LogisticRegression()).fit(people(), answers(people()))
    monkeypatch.setattr(ColumnTransformer, "transform", lambda *a: 1 / 0)
    asked = {"rows": 5, "positive": "yes", "output": "probability"}
    arrays = {name: np.asarray(value) for name, value in asked.items()}
    refusal = str(attributions(Loaded(line), people(20), dict(arrays))["refused"])
    assert refusal == "its own attributions are of the log-odds, and the probability is to be explained"
    assert "step PCA mixes columns" in str(attributions(Loaded(mixing), people(20), dict(arrays))["refused"])
    pairs = str(interactions(Loaded(line), people(20), {"positive": np.asarray("yes")})["refused"])
    assert pairs == "LogisticRegression is not made of trees"


def test_steps_that_mix_columns_are_refused() -> None:
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    frame = people()[["age", "pay"]]
    fitted = make_pipeline(StandardScaler(), PCA(2), logistic()).fit(frame, answers(people()))
    arrays = {
        "rows": np.array(5),
        "positive": np.array("yes", dtype=object),
        "output": np.array("log-odds", dtype=object),
    }
    assert "PCA" in str(attributions(Loaded(fitted), frame, arrays)["refused"])


def test_three_classes_and_unknown_models_are_refused() -> None:
    from sklearn.svm import SVC

    three = Loaded(pipeline(logistic(), target=np.tile(["no", "yes", "perhaps", "no"], 100)))
    assert "two classes" in str(ask(three, "log-odds")["refused"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other = Loaded(pipeline(SVC()))
    assert "SVC" in str(ask(other, "probability")["refused"])


def test_owners_of_encoded_columns() -> None:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, PolynomialFeatures

    frame = people()
    step = ColumnTransformer(
        [
            ("a", make_pipeline(SimpleImputer(), MinMaxScaler()), [2]),
            ("b", OneHotEncoder(drop="first", min_frequency=0.4), ["job", "home"]),
            ("gone", "drop", ["age"]),
        ],
        remainder="passthrough",
        sparse_threshold=0,
    ).fit(frame)
    assert step.transform(frame).shape[1] == len(owners(step, 4))
    assert owners(step, 4)[0] == 2
    assert set(owners(step, 4).tolist()) == {2, 3}
    # Every job is rare here: with the first level dropped, nothing of it is left.
    kept = ColumnTransformer([("n", MinMaxScaler(), ["pay"])], remainder="passthrough").fit(frame)
    assert owners(kept, 4).tolist() == [2, 0, 1, 3]
    with pytest.raises(NoMapError, match="PolynomialFeatures"):
        owners(PolynomialFeatures().fit(frame[["age", "pay"]]), 2)
    gaps = pd.DataFrame({"x": [1.0, np.nan, 3.0]})
    with pytest.raises(NoMapError, match="SimpleImputer"):
        owners(SimpleImputer(add_indicator=True).fit(gaps), 1)


def test_a_failed_gate_reroutes_and_says_so() -> None:
    model = Loaded(pipeline(logistic()))
    rows, back = people(30, seed=1), people(120, seed=2)

    def honest(frame: pd.DataFrame, count: int, output: str) -> dict[str, Any]:
        arrays = {
            "rows": np.array(count),
            "positive": np.array("yes", dtype=object),
            "output": np.array(output, dtype=object),
        }
        return attributions(model, frame, arrays)

    def broken(frame: pd.DataFrame, count: int, output: str) -> dict[str, Any]:
        answer = honest(frame, count, output)
        values = answer["values"].copy()
        values[7, 2] += 1e-3
        return answer | {"values": values}

    def another(frame: pd.DataFrame, count: int, output: str) -> dict[str, Any]:
        # Adds up by itself, but not to what the model answers.
        answer = honest(frame, count, output)
        return answer | {"base": answer["base"] + 0.5, "total": answer["total"] + 0.5}

    right = explain(model.scores, rows, back, output="log-odds", rule=Rule(0.5), native=honest).outputs["log-odds"]
    assert right.rerouted is None
    assert right.method == "closed form of the linear model"
    for native in (broken, another):
        explanation = explain(model.scores, rows, back, output="log-odds", rule=Rule(0.5), native=native, few=True)
        built = explanation.outputs["log-odds"]
        assert built.method == "permutation"
        assert built.rerouted is not None
        assert "additivity" in built.rerouted
        assert built.additivity.passed
        np.testing.assert_allclose(built.values, right.values, atol=1e-9)
    explanation, route = native_attributions(broken, rows, back, model.scores(rows), "log-odds")
    assert explanation is None
    assert route.failed is not None
    assert not route.failed.passed


def test_a_model_that_changes_its_mind_fails_the_permutation_gate() -> None:
    rng = np.random.default_rng(0)
    rows, back = people(20), people(30, seed=1)
    explanation = explain(lambda f: rng.random(len(f)), rows, back, output="probability", rule=Rule(0.5))
    assert not explanation.outputs["probability"].additivity.passed


def test_the_gate_refuses_what_is_not_a_number() -> None:
    result = gate(np.array([[np.nan]]), np.zeros(1), np.zeros(1), 1e-6)
    assert not result.passed
    assert result.max_error is None
    assert gate(np.zeros((0, 2)), np.zeros(0), np.zeros(0), 1e-6).passed


def test_decisions_are_never_left_to_a_library() -> None:
    def native(*_: Any) -> dict[str, Any]:
        raise AssertionError("the library was asked")

    explanation = explain(
        Loaded(pipeline(logistic())).scores, people(5), people(20), output="decision", rule=Rule(0.5), native=native
    )
    assert explanation.outputs["decision"].method == "permutation"
