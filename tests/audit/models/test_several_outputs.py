"""A model that decides several things at once, or nothing: which output is the decision is asked, never chosen."""

from __future__ import annotations

import json
import pickle
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.cluster import KMeans
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.neighbors import KNeighborsClassifier

import cli
from tests.audit.models.test_models_decide import CASE, counted
from tests.audit.models.zoo.people import NUMBERS, people


def two(frame: pd.DataFrame) -> np.ndarray:
    return np.column_stack([frame.bits, frame.age > 50]).astype(int)


def fitted(model: Any) -> Callable[[Path, pd.DataFrame], str]:
    def make(folder: Path, frame: pd.DataFrame) -> str:
        skops.io.dump(model.fit(frame[NUMBERS], two(frame)), folder / "m.skops")
        return "m.skops"

    return make


def sigmoids(folder: Path, frame: pd.DataFrame) -> str:
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        [helper.make_node("Gemm", ["x", "w", "b"], ["z"]), helper.make_node("Sigmoid", ["z"], ["p"])], "two",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 3])],
        [helper.make_tensor_value_info("p", TensorProto.FLOAT, [None, 2])],
        [numpy_helper.from_array(np.full((3, 2), 0.1, np.float32), "w"),
         numpy_helper.from_array(np.array([-3, -5], np.float32), "b")],
    )  # fmt: skip
    built = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    (folder / "m.onnx").write_bytes(built.SerializeToString())
    return "m.onnx"


LEARN = {"max_iter": 500}
MAKERS = {
    "several outputs": fitted(MultiOutputClassifier(LogisticRegression(**LEARN))),
    "a chain": fitted(ClassifierChain(LogisticRegression(**LEARN))),
    "one against the rest": fitted(OneVsRestClassifier(LogisticRegression(**LEARN))),
    "ridge": fitted(RidgeClassifier()),
    "neighbours": fitted(KNeighborsClassifier()),
    "a regression": fitted(LinearRegression()),
    "sigmoids of a network": sigmoids,
}


def audited(folder: Path, model: str) -> int:
    text = CASE.format(label="bits", positive='"1"', features=json.dumps(NUMBERS), path="m")
    (folder / "case.toml").write_text(text.replace('path = "m"', model))
    return cli.main(["audit", str(folder / "case.toml"), "--out", str(folder / "out"), "--draws", "20"])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", MAKERS)
def test_which_output_decides_is_asked(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame = people()
    frame.to_csv(tmp_path / "people.csv", index=False)
    assert audited(tmp_path, f'path = "{MAKERS[name](tmp_path, frame)}"') == 2
    errors = capsys.readouterr().err
    assert "decides several things at once" in errors
    assert '`decision = "COLUMN"`' in errors


@pytest.mark.filterwarnings("ignore")
def test_the_advice_leads_to_an_audit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In an environment of its own too, where the first output was once taken for the decision."""
    frame = people()
    model = MultiOutputClassifier(LogisticRegression(**LEARN)).fit(frame[NUMBERS], two(frame))
    del model.classes_  # as an estimator that does not list them
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(model))
    frame.to_csv(tmp_path / "people.csv", index=False)
    lines = f'path = "m.pkl"\npython = "{sys.executable}"\nload = "pickle"'
    assert audited(tmp_path, lines) == 2
    consent = re.search(r'`(consent = "sha256:[0-9a-f]{64}")`', capsys.readouterr().err)
    assert consent is not None
    assert audited(tmp_path, f"{lines}\n{consent[1]}") == 2
    assert "decides several things at once. Got: 2 answers a row" in " ".join(capsys.readouterr().err.split())
    decided = model.predict(frame[NUMBERS])[:, 0]
    frame.assign(decided=decided).to_csv(tmp_path / "people.csv", index=False)
    assert audited(tmp_path, 'decision = "decided"') == 0
    assert sum(counted(json.loads((tmp_path / "out" / "evidence.json").read_bytes()))[:2]) == decided.sum()


@pytest.mark.filterwarnings("ignore")
def test_groups_of_its_own_making_are_no_decision(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame = people()
    skops.io.dump(KMeans(2, n_init=1, random_state=0).fit(frame[NUMBERS]), tmp_path / "m.skops")
    frame.to_csv(tmp_path / "people.csv", index=False)
    assert audited(tmp_path, 'path = "m.skops"') == 2
    assert "sorts rows into groups of its own making, and decides nothing" in capsys.readouterr().err
