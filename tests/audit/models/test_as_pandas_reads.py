"""A model that learned from what pandas reads decides in Assay as it does there, missing values among the rest."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import cli
from audit.models.write import skops_bytes

N = 200
CASE = """
[case]
name = "People"
purpose = "Who gets a loan"
[data]
path = "{}"
label = "out"
positive = "yes"
sensitive = ["sex"]
features = ["pay", "own"]
[model]
path = "model.skops"
"""
Write = Callable[[pd.DataFrame, Path], Any]


def csv(words: dict[bool | None, str]) -> Write:
    return lambda frame, path: frame.assign(own=[words[v] for v in frame.own]).to_csv(path, index=False)


def people(seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    own = rng.choice(np.array([True, False, None], dtype=object), N)
    pay = rng.normal(size=N).round(3)
    worth = pay + np.array([{True: -2, False: 0, None: 2}[v] for v in own])
    out = np.where(worth + rng.normal(size=N) > 0, "yes", "no")
    return pd.DataFrame({"pay": pay, "own": own, "sex": rng.choice(["f", "m"], N), "out": out})


WRITERS: dict[str, tuple[str, Write, Callable[..., pd.DataFrame]]] = {
    "empty": ("t.csv", csv({True: "True", False: "False", None: ""}), pd.read_csv),
    "of R": ("t.csv", csv({True: "TRUE", False: "FALSE", None: "NA"}), pd.read_csv),
    "nullable": (
        "t.parquet",
        lambda frame, path: frame.astype({"own": "boolean"}).to_parquet(path),
        pd.read_parquet,
    ),
    "nullable, feather": (
        "t.feather",
        lambda frame, path: frame.astype({"own": "boolean"}).to_feather(path),
        pd.read_feather,
    ),
    "objects": ("t.parquet", lambda frame, path: frame.to_parquet(path), pd.read_parquet),
}


@pytest.mark.parametrize("impute", [False, True])
@pytest.mark.parametrize("kind", WRITERS)
def test_true_false_and_missing(kind: str, impute: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name, write, read = WRITERS[kind]
    write(people(), tmp_path / name)
    frame = read(tmp_path / name)
    if kind == "objects" and impute:
        return  # the imputer takes None for a value
    steps = [SimpleImputer(strategy="most_frequent")] if impute else []
    encode = make_column_transformer(
        (make_pipeline(*steps, OneHotEncoder(handle_unknown="ignore")), ["own"]), remainder="passthrough"
    )
    model = make_pipeline(encode, LogisticRegression()).fit(frame[["pay", "own"]], frame.out)
    evidence = audited(model, name, tmp_path, capsys)
    decided = model.predict(frame[["pay", "own"]]) == "yes"
    counted = {c["group"][0]: c["tp"] + c["fp"] for c in evidence["counts"] if c["attribute"] == ["sex"]}
    assert counted == {g: int(decided[frame.sex == g].sum()) for g in "fm"}
    assert any("holds true and false" in n for n in evidence["notes"]) == (kind == "of R")


def audited(model: Any, name: str, folder: Path, capsys: pytest.CaptureFixture[str], more: str = "") -> dict[str, Any]:
    (folder / "model.skops").write_bytes(model if isinstance(model, bytes) else skops_bytes(model))
    (folder / "case.toml").write_text(CASE.format(name) + more)
    assert cli.main(["audit", str(folder / "case.toml"), "--out", str(folder / "run")]) == 0
    capsys.readouterr()
    evidence: dict[str, Any] = json.loads((folder / "run" / "evidence.json").read_bytes())
    return evidence


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_words_that_other_programs_read_as_missing_are_said(
    ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = people()
    frame["own"] = ["NA" if v is None else "rents" if v else "owns" for v in frame.own]
    getattr(frame, f"to_{ending}")(tmp_path / f"t.{ending}", index=False)
    encode = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["own"]), remainder="passthrough")
    model = make_pipeline(encode, LogisticRegression()).fit(frame[["pay", "own"]], frame.out)
    notes = [n for n in audited(model, f"t.{ending}", tmp_path, capsys)["notes"] if "read that as missing" in n]
    if ending == "parquet":  # there pandas reads a word as a word
        assert notes == []
        return
    assert notes == [
        f"Column 'own': {(frame.own == 'NA').sum()} values written as 'NA' reach the model as text. R and pandas read "
        "that as missing: if the model learned from what they read, leave it empty."
    ]


@pytest.mark.parametrize("wrapped", [True, False])
def test_ordered_categories_of_lightgbm(wrapped: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its trees see them as numbers; the file lists their texts, and not whose they are."""
    from lightgbm import LGBMClassifier

    frame = people().drop(columns="own")
    rng = np.random.default_rng(1)
    frame["own"] = pd.Categorical(rng.choice(["low", "some", "much"], N), ["low", "some", "much"], ordered=True)
    frame["out"] = np.where(frame.own.cat.codes + frame.pay > 1, "yes", "no")
    frame.to_csv(tmp_path / "t.csv", index=False)
    model = LGBMClassifier(n_estimators=5, min_child_samples=5, n_jobs=1, verbose=-1)
    model.fit(frame[["pay", "own"]], frame.out)
    content = model if wrapped else model.booster_.model_to_string().encode()
    more = "" if wrapped else 'classes = { 0 = "no", 1 = "yes" }\n'
    evidence = audited(content, "t.csv", tmp_path, capsys, more)
    decided = model.predict(frame[["pay", "own"]]) == "yes"
    counted = {c["group"][0]: c["tp"] + c["fp"] for c in evidence["counts"] if c["attribute"] == ["sex"]}
    assert counted == {g: int(decided[frame.sex == g].sum()) for g in "fm"}
    assert 0 < decided.sum() < N
