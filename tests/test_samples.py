"""The samples that ship: what they hold, that they are what their README says, and that the script makes them."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

SAMPLES = Path(__file__).resolve().parents[1] / "sample_data"
TYPES = [
    "functools.partial",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.utils.validation.check_array",
]


@functools.cache
def model(path: Path) -> Any:
    import skops.io

    assert set(skops.io.get_untrusted_types(file=path)) <= set(TYPES)
    return skops.io.load(path, trusted=TYPES)


@functools.cache
def probabilities(name: str, table: str) -> Any:
    """Of the rows of a table that ships, by the model that ships."""
    return model(SAMPLES / name).predict_proba(pd.read_parquet(SAMPLES / table))


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("assay_samples", SAMPLES / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """The samples made again, in a process of its own."""
    out = tmp_path_factory.mktemp("samples")
    command = [sys.executable, str(SAMPLES / "make.py"), "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return out, {line.split()[1]: line.split()[0] for line in done.stdout.splitlines()}


def test_files_are_what_the_readme_says() -> None:
    named = dict(re.findall(r"^([0-9a-f]{64})  (\S+)$", (SAMPLES / "README.md").read_text(), flags=re.MULTILINE))
    files = {
        path.relative_to(SAMPLES).as_posix() for path in SAMPLES.rglob("*") if path.suffix in (".parquet", ".skops")
    }
    assert set(named.values()) == files
    for digest, name in named.items():
        assert hashlib.sha256((SAMPLES / name).read_bytes()).hexdigest() == digest, name


def test_adult_known_figures() -> None:
    frame = pd.read_parquet(SAMPLES / "adult.parquet")
    positive = frame["income"] == ">50K"
    assert len(frame) == 48_842
    assert round(positive.mean(), 4) == 0.2393
    assert round(positive[frame["sex"] == "Female"].mean(), 3) == 0.109
    assert round(positive[frame["sex"] == "Male"].mean(), 3) == 0.304
    assert frame["split"].value_counts().to_dict() == {"train": 32_561, "test": 16_281}


def test_german_known_figures() -> None:
    frame = pd.read_parquet(SAMPLES / "german_credit_split.parquet")
    assert frame["credit_risk"].value_counts().to_dict() == {1: 700, 2: 300}
    assert frame["split"].value_counts().to_dict() == {"train": 600, "test": 400}
    assert frame["sex"].value_counts().to_dict() == {"male": 690, "female": 310}
    assert set(frame.loc[frame["sex"] == "female", "status_sex"]) == {"A92"}


def test_made_twice_byte_for_byte(made: tuple[Path, dict[str, str]], script: ModuleType, tmp_path: Path) -> None:
    out, digests = made
    assert script.make(tmp_path) == digests
    for name in digests:
        assert (tmp_path / name).read_bytes() == (out / name).read_bytes()


def test_committed_models_decide_as_the_script_makes_them(made: tuple[Path, dict[str, str]]) -> None:
    """Decisions, not bytes: another Python brings another numpy, whose last digits may differ."""
    out, _ = made
    for name, table in (("adult.skops", "adult.parquet"), ("german_credit.skops", "german_credit_split.parquet")):
        frame = pd.read_parquet(SAMPLES / table)
        ours, again = model(SAMPLES / name), model(out / name)
        np.testing.assert_array_equal(ours.predict(frame), again.predict(frame))
        np.testing.assert_allclose(probabilities(name, table), again.predict_proba(frame), rtol=1e-6)
    pd.testing.assert_frame_equal(
        pd.read_parquet(SAMPLES / "german_credit_split.parquet"), pd.read_parquet(out / "german_credit_split.parquet")
    )


def test_decided_column_is_the_models_decision() -> None:
    adult = pd.read_parquet(SAMPLES / "adult.parquet")
    test = adult[adult["split"] == "test"].reset_index(drop=True)
    decided = pd.read_parquet(SAMPLES / "adult_decided.parquet")
    assert decided["decided"].tolist() == model(SAMPLES / "adult.skops").predict(test).tolist()
    assert ((decided["p"] >= 0.5) == (decided["decided"] == ">50K")).all()
    assert (decided["income"] == test["income"]).all()


def test_adult_model_is_worth_auditing_and_learned_from_train_only() -> None:
    from sklearn.metrics import roc_auc_score

    frame = pd.read_parquet(SAMPLES / "adult.parquet")
    boosted = model(SAMPLES / "adult.skops")
    assert list(boosted.classes_) == ["<=50K", ">50K"]
    assert {"sex", "race"} <= set(boosted.feature_names_in_)
    assert not {"income", "fnlwgt", "split"} & set(boosted.feature_names_in_)
    scores = probabilities("adult.skops", "adult.parquet")[:, 1]
    auc = {
        part: roc_auc_score(frame.loc[mine, "income"] == ">50K", scores[mine])
        for part in ("train", "test")
        if len(mine := np.flatnonzero(frame["split"] == part))
    }
    assert auc["test"] > 0.92
    assert auc["train"] > auc["test"]


def test_adult_model_takes_unseen_and_missing_values_and_any_column_order() -> None:
    frame = pd.read_parquet(SAMPLES / "adult.parquet").head(5)
    boosted = model(SAMPLES / "adult.skops")
    before = frame.copy(deep=True)
    plain = boosted.predict_proba(frame)
    np.testing.assert_array_equal(boosted.predict_proba(frame[frame.columns[::-1]]), plain)
    np.testing.assert_array_equal(boosted.predict_proba(frame.astype(object)), plain)
    odd = frame.copy()
    odd.loc[odd.index[0], "workclass"] = "Never heard of"
    odd.loc[odd.index[1], "occupation"] = None
    odd["age"] = odd["age"].astype(float)
    odd.loc[odd.index[2], "age"] = np.nan
    out = boosted.predict_proba(odd)
    assert np.isfinite(out).all()
    np.testing.assert_array_equal(out[3:], plain[3:])
    pd.testing.assert_frame_equal(frame, before)


def test_german_model_sees_no_sex() -> None:
    logistic = model(SAMPLES / "german_credit.skops")
    assert list(logistic.classes_) == [1, 2]
    assert not {"sex", "status_sex", "split", "credit_risk"} & set(logistic.feature_names_in_)


@pytest.mark.parametrize("name", ["adult", "adult_decisions", "german_credit"])
def test_case_names_columns_and_files_that_exist(name: str) -> None:
    document = tomllib.loads((SAMPLES / f"{name}.toml").read_text())
    data = document["data"]
    frame = pd.read_parquet(SAMPLES / data["path"])
    named = [data["label"], *data["sensitive"], *data.get("features", []), *data.get("exclude", [])]
    assert set(named) <= set(frame.columns)
    values = set(frame[data["label"]].astype(str))
    assert len(values) == 2
    assert {data["positive"], data["favourable"]} <= values
    if "path" in document["model"]:
        wanted = set(model(SAMPLES / document["model"]["path"]).feature_names_in_)
        roles = {data["label"], data["split"]}
        features = data.get("features") or [c for c in frame.columns if c not in roles | set(data["exclude"])]
        assert wanted == set(features)
    else:
        assert set(frame[document["model"]["decision"]]) == values


@pytest.mark.parametrize("name", ["adult", "adult_decisions", "german_credit"])
def test_case_loads(name: str) -> None:
    from audit.load import load_case

    case = load_case(SAMPLES / f"{name}.toml")
    assert case.purpose
    assert case.data.path == SAMPLES / tomllib.loads((SAMPLES / f"{name}.toml").read_text())["data"]["path"]
