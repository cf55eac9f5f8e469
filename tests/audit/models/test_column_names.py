"""Columns of any name, and of any content, whatever the model: a frame's own words are no names to trip over."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import cli
from tests.audit.models.zoo.people import people

WORDS = ["self", "frame", "index", "Größe", "x[1]", "a b"]
NUMBERS = ["data", "return", "class", "columns", "收入", "-", "constant", "flag"]
NAMES = [*WORDS, *NUMBERS]


def strange() -> pd.DataFrame:
    """Text in the columns of WORDS, numbers and truth in the others; one constant, one with missing values."""
    frame = people()
    rng = np.random.default_rng(11)
    out = {name: rng.choice(["u", "v", "w"], len(frame)) for name in WORDS}
    out["self"] = frame.job.to_numpy()
    out |= {name: rng.normal(size=len(frame)).round(2) for name in NUMBERS}
    out["data"], out["return"] = frame.pay.to_numpy(), frame.debt.to_numpy()
    out["constant"], out["flag"] = np.ones(len(frame)), rng.random(len(frame)) < 0.5
    return pd.DataFrame(out).assign(sex=frame.sex, bits=frame.bits)


def pipeline(last: Any, encode: Any) -> Any:
    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline

    return make_pipeline(make_column_transformer((encode, WORDS), remainder="passthrough"), last)


def skops_of(make: Callable[[], Any]) -> Callable[[Path, pd.DataFrame], tuple[str, np.ndarray]]:
    def built(folder: Path, frame: pd.DataFrame) -> tuple[str, np.ndarray]:
        import skops.io

        model = make().fit(frame[NAMES], frame["bits"])
        skops.io.dump(model, folder / "m.skops")
        return 'path = "m.skops"', model.predict(frame[NAMES]) == 1

    return built


def sparse_logistic() -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import OneHotEncoder

    return pipeline(LogisticRegression(max_iter=2000), OneHotEncoder(sparse_output=True))


def boosting() -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.preprocessing import OrdinalEncoder

    return pipeline(HistGradientBoostingClassifier(max_iter=4), OrdinalEncoder())


def neighbours() -> Any:
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.preprocessing import OneHotEncoder

    return pipeline(KNeighborsClassifier(), OneHotEncoder(sparse_output=False))


def lightgbm_text(folder: Path, frame: pd.DataFrame) -> tuple[str, np.ndarray]:
    import lightgbm

    named = frame[NAMES].rename(columns={"x[1]": "x"})  # which LightGBM refuses in training
    rows = named.astype({w.replace("[1]", ""): "category" for w in WORDS})
    model = lightgbm.LGBMClassifier(n_estimators=4, min_child_samples=5, verbose=-1, n_jobs=1).fit(rows, frame.bits)
    model.booster_.save_model(folder / "m.txt")
    return 'path = "m.txt"', model.predict(rows) == 1


def xgboost_json(folder: Path, frame: pd.DataFrame) -> tuple[str, np.ndarray]:
    import xgboost

    rows = frame[NAMES].rename(columns={"x[1]": "x"}).astype({w.replace("[1]", ""): "category" for w in WORDS})
    model = xgboost.XGBClassifier(n_estimators=4, n_jobs=1, enable_categorical=True).fit(rows, frame.bits)
    model.save_model(folder / "m.json")
    return 'path = "m.json"', model.predict(rows) == 1


def own_environment(folder: Path, frame: pd.DataFrame) -> tuple[str, np.ndarray]:
    import joblib

    model = sparse_logistic().fit(frame[NAMES], frame["bits"])
    joblib.dump(model, folder / "m.joblib")
    digest = sha256((folder / "m.joblib").read_bytes()).hexdigest()
    lines = f'path = "m.joblib"\npython = "{sys.executable}"\nload = "joblib"\nconsent = "sha256:{digest}"'
    return lines, model.predict(frame[NAMES]) == 1


MODELS = {
    "logistic, sparse": skops_of(sparse_logistic),
    "histogram boosting": skops_of(boosting),
    "neighbours": skops_of(neighbours),
    "LightGBM text": lightgbm_text,
    "XGBoost": xgboost_json,
    "own environment": own_environment,
}
CASE = """
[case]
name = "Names"
purpose = "Who is granted a loan"
[data]
path = "people.csv"
label = "bits"
positive = "1"
sensitive = ["sex"]
exclude = ["sex"]
[model]
"""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", list(MODELS))
def test_columns_of_any_name(name: str, tmp_path: Path) -> None:
    frame = strange()
    lines, decided = MODELS[name](tmp_path, frame)
    if name in ("LightGBM text", "XGBoost"):
        frame = frame.rename(columns={"x[1]": "x"})
    frame.to_csv(tmp_path / "people.csv", index=False)
    (tmp_path / "case.toml").write_text(CASE + lines + "\n")
    assert cli.main(["audit", str(tmp_path / "case.toml"), "--out", str(tmp_path / "out")]) == 0
    counts = json.loads((tmp_path / "out" / "evidence.json").read_bytes())["counts"]
    mine = [c for c in counts if c["attribute"] == ["sex"]]
    truth = frame["bits"].to_numpy() == 1
    assert sum(c["tp"] for c in mine) == int((truth & decided).sum())
    assert sum(c["fp"] for c in mine) == int((~truth & decided).sum())


@pytest.mark.parametrize("method", ["reweighing", "constrained_boosting", "correlation_remover"])
def test_columns_without_a_value_or_with_one_are_no_end_of_mitigation(method: str, tmp_path: Path) -> None:
    frame = people()
    rng = np.random.default_rng(3)
    frame["gave"] = np.where(rng.random(len(frame)) < 0.3, 1 - frame.bits, frame.bits)
    frame = frame[["age", "pay", "job", "sex", "bits", "gave"]]
    frame["self"], frame["gone"], frame["same"], frame["word"] = frame.job, np.nan, 1.5, "x"
    frame.to_csv(tmp_path / "people.csv", index=False)
    (tmp_path / "case.toml").write_text(CASE + 'decision = "gave"\n')
    out = tmp_path / "out"
    assert cli.main(["mitigate", str(tmp_path / "case.toml"), "--method", method, "--out", str(out)]) == 0
    notes = json.loads((out / "mitigation.json").read_bytes())["notes"]
    assert any("'gone'" in n and "leaves that out" in n for n in notes)
