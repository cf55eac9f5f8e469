"""`assay convert`: by the model's own interpreter, with consent, and kept only where both files answer alike."""

from __future__ import annotations

import json
import sys
from hashlib import sha256
from pathlib import Path

import joblib
import pandas as pd
import pytest

import cli
from tests.audit.models.zoo.people import NUMBERS, people


def saved(folder: Path, model: object) -> str:
    joblib.dump(model, folder / "m.joblib")
    people().to_csv(folder / "people.csv", index=False)
    return f"sha256:{sha256((folder / 'm.joblib').read_bytes()).hexdigest()}"


def convert(folder: Path, out: str, consent: str, *more: str) -> int:
    args = ["convert", folder / "m.joblib", "--python", sys.executable, "--load", "joblib", "--out", folder / out]
    return cli.main([*map(str, args), "--data", str(folder / "people.csv"), "--consent", consent, *more])


@pytest.mark.parametrize("out", ["m.skops", "m.onnx"])
def test_a_file_that_runs_no_code_and_decides_alike(out: str, tmp_path: Path) -> None:
    from sklearn.linear_model import LogisticRegression

    from audit.models import Worker, describe

    frame = people()
    model = LogisticRegression(class_weight="balanced", max_iter=500).fit(frame[NUMBERS], frame["words"])
    assert convert(tmp_path, out, saved(tmp_path, model)) == 0
    assert describe(tmp_path / out).format == out.removeprefix("m.")
    with Worker(tmp_path / out) as worker:
        found = worker.answer(pd.read_csv(tmp_path / "people.csv")[NUMBERS], "approved").decided
        assert worker.info.classes == ("approved", "denied")
    assert found is not None
    assert [worker.info.classes[i] for i in found] == model.predict(frame[NUMBERS]).tolist()
    record = json.loads((tmp_path / f"{out}.json").read_bytes())
    assert record["classes"] == ["approved", "denied"]
    assert record["checked"]["rows"] == 100
    assert record["to"]["sha256"] == sha256((tmp_path / out).read_bytes()).hexdigest()
    assert set(record["from"]["versions"]) >= {"python", "numpy", "sklearn"}


def test_what_would_decide_otherwise_is_not_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A threshold of its own: skl2onnx writes it as the probabilities alone, or not at all."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import FixedThresholdClassifier

    frame = people()
    model = FixedThresholdClassifier(LogisticRegression(max_iter=500), threshold=0.2).fit(frame[NUMBERS], frame["bits"])
    consent = saved(tmp_path, model)
    assert convert(tmp_path, "m.onnx", consent) == 2
    assert not list(tmp_path.glob("m.onnx*"))
    assert capsys.readouterr().err.startswith("assay convert: ")
    assert convert(tmp_path, "m.txt", consent) == 2
    assert "ends in .skops or .onnx" in capsys.readouterr().err


def test_another_file_than_consented_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from sklearn.linear_model import LogisticRegression

    frame = people()
    saved(tmp_path, LogisticRegression(max_iter=500).fit(frame[NUMBERS], frame["bits"]))
    assert convert(tmp_path, "m.skops", f"sha256:{'0' * 64}") == 2
    assert "is not what was consented to" in capsys.readouterr().err
    assert not (tmp_path / "m.skops").exists()
