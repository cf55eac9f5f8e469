"""ONNX of several classes and of numbers: every kind that converts answers alike, and what does not says why."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
import skops.io
import xgboost
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

import cli
from audit.models.lightgbm_model import LightgbmModel
from audit.models.loaded import Loaded
from audit.models.onnx_export import to_onnx
from audit.models.onnx_model import OnnxModel
from audit.models.skops_model import SkopsModel
from audit.models.xgboost_model import XgboostModel

COLUMNS = ["x0", "x1", "x2"]
ROWS = 1500


def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(ROWS, 3)), columns=COLUMNS)
    frame["three"] = np.array(["high", "low", "mid"])[np.digitize(frame.x0 + 0.3 * rng.normal(size=ROWS), [-0.4, 0.5])]
    frame["number"] = 40_000 + 9_000 * frame.x0 - 4_000 * frame.x1.abs() + 500 * rng.normal(size=ROWS)
    frame["count"] = rng.poisson(np.exp(frame.x0.clip(-2, 2)))
    return frame


def skops_of(model: Any, label: str) -> Callable[[Path], Path]:
    def made(folder: Path) -> Path:
        frame = table()
        skops.io.dump(model.fit(frame[COLUMNS], frame[label]), folder / "m.skops")
        return folder / "m.skops"

    return made


def boosted(model: Any, label: str, name: str) -> Callable[[Path], Path]:
    def made(folder: Path) -> Path:
        frame = table()
        y = frame[label].astype("category").cat.codes if label == "three" else frame[label]
        fitted = model.fit(frame[COLUMNS], y)
        (fitted.booster_ if name == "m.txt" else fitted).save_model(folder / name)
        return folder / name

    return made


FEW = {"n_estimators": 10, "n_jobs": 1}
MODELS: dict[str, Callable[[Path], Path]] = {
    "histogram, three classes": skops_of(HistGradientBoostingClassifier(max_iter=10, random_state=0), "three"),
    "histogram, a number": skops_of(HistGradientBoostingRegressor(max_iter=10, random_state=0), "number"),
    "histogram, a count": skops_of(HistGradientBoostingRegressor(loss="poisson", max_iter=10, random_state=0), "count"),
    "logistic, three classes": skops_of(make_pipeline(StandardScaler(), LogisticRegression()), "three"),
    "tree, three classes": skops_of(DecisionTreeClassifier(max_depth=5, random_state=0), "three"),
    "extra trees, three classes": skops_of(ExtraTreesClassifier(10, max_depth=6, random_state=0), "three"),
    "linear, a number": skops_of(LinearRegression(), "number"),
    "forest, a number": skops_of(RandomForestRegressor(10, max_depth=6, random_state=0), "number"),
    "boosting, a number": skops_of(GradientBoostingRegressor(n_estimators=10, random_state=0), "number"),
    "network, a count": skops_of(MLPRegressor(hidden_layer_sizes=(8,), max_iter=20, tol=1, random_state=0), "count"),
    "LightGBM, three classes": boosted(lightgbm.LGBMClassifier(verbose=-1, **FEW), "three", "m.txt"),
    "LightGBM, a number": boosted(lightgbm.LGBMRegressor(verbose=-1, **FEW), "number", "m.txt"),
    "LightGBM, a count": boosted(lightgbm.LGBMRegressor(objective="poisson", verbose=-1, **FEW), "count", "m.txt"),
    "XGBoost, three classes": boosted(xgboost.XGBClassifier(**FEW), "three", "m.json"),
    "XGBoost, a number": boosted(xgboost.XGBRegressor(**FEW), "number", "m.json"),
}


def convert(folder: Path, model: Path) -> int:
    table().to_csv(folder / "people.csv", index=False)
    out, data = str(folder / "out.onnx"), str(folder / "people.csv")
    return cli.main(["convert", str(model), "--out", out, "--data", data, "--features", *COLUMNS])


def loaded(path: Path) -> Loaded:
    kinds = {".skops": lambda c: SkopsModel(c, ()), ".txt": LightgbmModel, ".json": XgboostModel, ".onnx": OnnxModel}
    content: Loaded = kinds[path.suffix](path.read_bytes())
    return content


def said(model: Loaded, rows: pd.DataFrame) -> np.ndarray:
    return model.class_scores(rows) if model.facts.classes else model.scores(rows, "").reshape(-1, 1)


@pytest.mark.parametrize("name", MODELS)
def test_it_answers_alike(name: str, tmp_path: Path) -> None:
    model = loaded(MODELS[name](tmp_path))
    rng = np.random.default_rng(1)
    rows = pd.DataFrame(rng.normal(size=(2000, 3)), columns=COLUMNS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as in the child: a converter's warnings are its own affair
        built = to_onnx(model, rows, {"positive": np.array(model.facts.classes[-1] if model.facts.classes else "")})
    assert str(built["reason"]) == ""
    other = pd.DataFrame(rng.normal(size=(2000, 3)), columns=COLUMNS)
    old, new = said(model, other), said(OnnxModel(built["onnx"].tobytes()), other)
    assert old.shape == new.shape
    unit = 1.0 if model.facts.classes else max(1.0, np.abs(old).max())
    # In double precision throughout, or in single where the converter or the library has no other.
    assert np.abs(old - new).max() <= 1e-5 * unit


@pytest.mark.parametrize(("name", "classes"), [("LightGBM, three classes", 3), ("linear, a number", 0)])
def test_the_command_converts_them(name: str, classes: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = MODELS[name](tmp_path)
    assert convert(tmp_path, model) == 0, capsys.readouterr().err
    record = json.loads((tmp_path / "out.onnx.json").read_bytes())
    assert record["checked"]["largest_difference"] <= record["checked"]["tolerance"] == 1e-5
    assert len(record["classes"]) == classes


@pytest.mark.parametrize(
    ("model", "label", "why"),
    [
        (lightgbm.LGBMClassifier(objective="multiclassova", verbose=-1, **FEW), "three", "multiclassova"),
        (lightgbm.LGBMRegressor(linear_tree=True, verbose=-1, **FEW), "number", "linear leaves"),
        (lightgbm.LGBMRegressor(reg_sqrt=True, verbose=-1, **FEW), "count", "sqrt"),
    ],
)
def test_what_does_not_convert_says_why(model: Any, label: str, why: str, tmp_path: Path) -> None:
    inputs = loaded(boosted(model, label, "m.txt")(tmp_path))
    positive = np.array(inputs.facts.classes[-1] if inputs.facts.classes else "")
    built = to_onnx(inputs, table()[COLUMNS], {"positive": positive})
    assert why in str(built["reason"])
    assert not built["onnx"].size
