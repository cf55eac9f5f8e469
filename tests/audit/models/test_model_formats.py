"""Each format gives what its own library gives, whatever the types of the columns."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
import skops.io
import xgboost
from skl2onnx import to_onnx
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from audit.errors import ModelError
from audit.models import Worker, describe
from audit.models.lightgbm_model import LightgbmModel
from audit.models.onnx_model import OnnxModel
from audit.models.refit import refit
from audit.models.xgboost_model import XgboostModel


@pytest.fixture(scope="module")
def people() -> pd.DataFrame:
    """Numbers with gaps, text, whole numbers that are codes, truth values; categories as a data frame has them."""
    rng = np.random.default_rng(11)
    n = 600
    frame = pd.DataFrame(
        {
            "age in years": rng.normal(40, 12, n),
            "work": pd.Categorical(rng.choice(["public", "private", "self"], n)),
            "code": pd.Categorical(rng.integers(1, 5, n)),
            "native": rng.random(n) < 0.5,
        }
    )
    frame.loc[::17, "age in years"] = np.nan
    return frame


@pytest.fixture(scope="module")
def plain(people: pd.DataFrame) -> pd.DataFrame:
    """The same people as a CSV gives them: no categories."""
    return people.assign(work=people["work"].astype(str), code=people["code"].astype(int))


@pytest.fixture(scope="module")
def truth(people: pd.DataFrame) -> np.ndarray:
    rng = np.random.default_rng(12)
    signal = people["age in years"].fillna(30).to_numpy() / 12 + (people["work"] == "self") + 0.5 * people["native"]
    return (signal + rng.normal(size=len(people)) > 4).to_numpy().astype(int)


def test_lightgbm_text_equals_the_library(
    people: pd.DataFrame, plain: pd.DataFrame, truth: np.ndarray, tmp_path: Path
) -> None:
    model = lightgbm.LGBMClassifier(n_estimators=15, num_leaves=7, min_child_samples=5, verbose=-1, n_jobs=1).fit(
        people, truth
    )
    path = tmp_path / "model.anything"
    model.booster_.save_model(path)
    assert describe(path).format == "lightgbm"
    expected = model.predict_proba(people)[:, 1]
    with Worker(path) as worker:
        assert np.array_equal(worker.scores(plain.assign(more=1), "1"), expected)
        assert np.array_equal(worker.scores(people, "1"), expected)
        # One person alone has one category; it must be the same one.
        assert np.array_equal(worker.scores(plain.iloc[[5]], "1"), expected[[5]])
        assert worker.info.features == ("age_in_years", "work", "code", "native")
        assert np.array_equal(worker.scores(plain, "0"), 1 - expected)
        assert (worker.info.classes, worker.info.named) == (("0", "1"), False)
        with pytest.raises(ModelError, match="no class of the name"):
            worker.scores(plain, ">50K")
        with pytest.raises(ModelError) as caught:
            worker.call("refit", plain, labels=np.array(["0"] * len(plain)))
        assert caught.value.problem == "a model in the format lightgbm cannot be trained again"


def test_lightgbm_refuses_text_where_training_had_numbers(people: pd.DataFrame, truth: np.ndarray) -> None:
    model = lightgbm.LGBMClassifier(n_estimators=2, verbose=-1, n_jobs=1).fit(people[["age in years"]], truth)
    loaded = LightgbmModel(model.booster_.model_to_string().encode())
    with pytest.raises(ModelError, match="takes numbers") as caught:
        loaded.scores(pd.DataFrame({"age in years": ["old"] * 3}), "1")
    assert "'age_in_years'" in caught.value.got


def test_lightgbm_objectives(people: pd.DataFrame) -> None:
    x = people[["age in years"]]
    rng = np.random.default_rng(5)
    many = rng.integers(0, 3, len(x))
    model = lightgbm.LGBMClassifier(n_estimators=3, verbose=-1, n_jobs=1).fit(x, many)
    loaded = LightgbmModel(model.booster_.model_to_string().encode())
    assert loaded.facts.classes == ("0", "1", "2")
    assert np.array_equal(loaded.scores(x, "2"), model.predict_proba(x)[:, 2])
    with pytest.raises(ModelError, match="no class of the name"):
        loaded.scores(x, "good")
    value = lightgbm.LGBMRegressor(n_estimators=3, verbose=-1, n_jobs=1).fit(x, many)
    loaded = LightgbmModel(value.booster_.model_to_string().encode())
    assert (loaded.facts.task, loaded.facts.output) == ("regression", "value")
    assert np.array_equal(loaded.scores(x, "-"), value.predict(x))
    rank = lightgbm.LGBMRanker(n_estimators=2, verbose=-1, n_jobs=1).fit(x, many, group=[len(x)])
    loaded = LightgbmModel(rank.booster_.model_to_string().encode())
    assert (loaded.facts.task, loaded.facts.output) == ("regression", "value")
    assert np.array_equal(loaded.scores(x, "-"), rank.predict(x))
    own = re.sub(r"^objective=.*\n", "", model.booster_.model_to_string(), flags=re.MULTILINE)
    with pytest.raises(ModelError, match="no score of a class") as caught:
        LightgbmModel(own.encode())
    assert "a function of your own" in caught.value.got


@pytest.mark.parametrize("suffix", ["json", "ubj"])
def test_xgboost_equals_the_library(
    suffix: str, people: pd.DataFrame, plain: pd.DataFrame, truth: np.ndarray, tmp_path: Path
) -> None:
    model = xgboost.XGBClassifier(n_estimators=8, enable_categorical=True, n_jobs=1).fit(people, truth)
    path = tmp_path / f"model.{suffix}"
    model.save_model(path)
    assert describe(path).format == "xgboost"
    expected = model.predict_proba(people)[:, 1].astype(np.float64)
    loaded = XgboostModel(path.read_bytes())
    assert np.array_equal(loaded.scores(plain, "1"), expected)
    assert np.array_equal(loaded.scores(plain.iloc[[5]], "1"), expected[[5]])
    assert loaded.facts.features == tuple(people.columns)
    # A category that training never saw is missing, not the first one.
    missing = loaded.scores(plain.iloc[[5]].assign(work=None), "1")
    assert np.array_equal(loaded.scores(plain.iloc[[5]].assign(work="unheard of"), "1"), missing)
    with pytest.raises(ModelError, match="cannot be trained again"):
        refit(loaded, plain, {"labels": truth.astype(str)})


def test_xgboost_in_a_worker_and_its_other_objectives(people: pd.DataFrame, truth: np.ndarray, tmp_path: Path) -> None:
    x = people[["age in years"]].fillna(40)
    model = xgboost.XGBClassifier(n_estimators=4, n_jobs=1).fit(x, truth)
    model.save_model(tmp_path / "m.json")
    with Worker(tmp_path / "m.json") as worker:
        assert np.array_equal(worker.scores(x, "1"), model.predict_proba(x)[:, 1].astype(np.float64))
    many = np.arange(len(x)) % 3
    soft = xgboost.XGBClassifier(n_estimators=2, n_jobs=1).fit(x, many)
    soft.save_model(tmp_path / "m.json")
    loaded = XgboostModel((tmp_path / "m.json").read_bytes())
    assert np.array_equal(loaded.scores(x, "2"), soft.predict_proba(x)[:, 2].astype(np.float64))
    value = xgboost.XGBRegressor(n_estimators=2, n_jobs=1).fit(x, many)
    value.save_model(tmp_path / "m.json")
    loaded = XgboostModel((tmp_path / "m.json").read_bytes())
    assert loaded.facts.output == "value"
    assert np.array_equal(loaded.scores(x, "-"), value.predict(x).astype(np.float64))


@pytest.mark.parametrize("zipmap", [True, False])
@pytest.mark.parametrize("labels", ["text", "numbers"])
def test_onnx_probabilities_with_and_without_zipmap(zipmap: bool, labels: str, people: pd.DataFrame) -> None:
    x = people[["age in years"]].fillna(40).assign(b=people["native"]).to_numpy(dtype=np.float32)
    rng = np.random.default_rng(1)
    y = np.where(x[:, 0] + 9 * rng.normal(size=len(x)) > 40, 2, 1)
    target = np.where(y == 2, "good", "bad") if labels == "text" else y
    model = LogisticRegression().fit(x, target)
    content = to_onnx(model, x[:1], options={id(model): {"zipmap": zipmap}}).SerializeToString()
    loaded = OnnxModel(content)
    assert loaded.facts.classes == (("bad", "good") if labels == "text" else ("1", "2"))
    frame = pd.DataFrame(x, columns=["a", "b"])
    for column, name in enumerate(loaded.facts.classes):
        expected = model.predict_proba(x)[:, column]
        # float32 inside the graph
        assert np.allclose(loaded.scores(frame, name), expected, atol=1e-6)
    assert loaded.facts.features is None
    assert loaded.facts.columns == 2


def test_onnx_with_an_input_per_column_in_a_worker(tmp_path: Path, plain: pd.DataFrame, truth: np.ndarray) -> None:
    frame = plain[["age in years", "work"]].rename(columns={"age in years": "age"}).fillna({"age": 40.0})
    frame["age"] = frame["age"].astype(np.float32)
    model = make_pipeline(
        make_column_transformer((StandardScaler(), ["age"]), (OneHotEncoder(handle_unknown="ignore"), ["work"])),
        RandomForestClassifier(10, max_depth=4, random_state=0),
    ).fit(frame, np.where(truth == 1, "yes", "no"))
    path = tmp_path / "columns.onnx"
    path.write_bytes(to_onnx(model, frame.head(1), options={"zipmap": False}).SerializeToString())
    assert describe(path).format == "onnx"
    with Worker(path) as worker:
        assert worker.info.features == ("age", "work")
        assert np.allclose(worker.scores(frame[["work", "age"]], "yes"), model.predict_proba(frame)[:, 1], atol=1e-5)


def test_onnx_regression_gives_its_value() -> None:
    x = np.array([[0.0], [1.0], [2.0]], dtype=np.float32)
    content = to_onnx(LinearRegression().fit(x, [1.0, 3.0, 5.0]), x[:1]).SerializeToString()
    loaded = OnnxModel(content)
    assert loaded.facts.task == "regression"
    assert loaded.scores(pd.DataFrame(x, columns=["a"]), "-").tolist() == pytest.approx([1, 3, 5], abs=1e-5)


def test_histogram_boosting_with_categories_equals_the_library(
    people: pd.DataFrame, plain: pd.DataFrame, truth: np.ndarray, tmp_path: Path
) -> None:
    names = np.where(truth == 1, ">50K", "<=50K")
    model = HistGradientBoostingClassifier(max_iter=15, categorical_features="from_dtype", random_state=0)
    with threadpool_limits(1):
        model.fit(people, names)
    path = tmp_path / "hgb.skops"
    skops.io.dump(model, path)
    assert describe(path).unknown_types == ()
    expected = model.predict_proba(people)[:, 1]
    with Worker(path) as worker:
        assert np.array_equal(worker.scores(people, ">50K"), expected)
        # Text, as a CSV brings it, means the same to the model.
        assert np.array_equal(worker.scores(plain, ">50K"), expected)
        assert np.array_equal(worker.scores(people.iloc[[5]], ">50K"), expected[[5]])


@pytest.mark.parametrize(("package", "line"), [("xgboost", "pip install xgboost-cpu"), ("onnxruntime", "pip install")])
def test_a_missing_library_is_named_with_the_line_that_installs_it(
    package: str, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    make: Any = XgboostModel if package == "xgboost" else OnnxModel
    with pytest.raises(ModelError, match=f"needs {package}") as caught:
        make(b"")
    assert line in caught.value.todo


def test_a_category_of_another_type_is_refused(people: pd.DataFrame, plain: pd.DataFrame, truth: np.ndarray) -> None:
    model = lightgbm.LGBMClassifier(n_estimators=5, min_child_samples=5, verbose=-1, n_jobs=1).fit(people, truth)
    loaded = LightgbmModel(model.booster_.model_to_string().encode())
    with pytest.raises(ModelError, match="another type than in training") as caught:
        loaded.scores(plain.assign(code=plain["code"].astype(str)), "1")
    assert "'code'" in caught.value.got
    assert caught.value.expected == "values such as 1"
    # Whole numbers beside a gap arrive as 1.0, which is 1.
    floats = plain.assign(code=plain["code"].astype(float))
    assert np.array_equal(loaded.scores(floats, "1"), loaded.scores(plain, "1"))
