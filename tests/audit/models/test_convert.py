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
        result = worker.answer(pd.read_csv(tmp_path / "people.csv")[NUMBERS], "approved").decided
        assert worker.info.classes == ("approved", "denied")
    assert result is not None
    assert [worker.info.classes[i] for i in result] == model.predict(frame[NUMBERS]).tolist()
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
    assert "assay convert: skl2onnx " in capsys.readouterr().err
    assert convert(tmp_path, "m.txt", consent) == 2
    assert "ends in .skops or .onnx" in capsys.readouterr().err


def test_another_file_than_consented_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from sklearn.linear_model import LogisticRegression

    frame = people()
    saved(tmp_path, LogisticRegression(max_iter=500).fit(frame[NUMBERS], frame["bits"]))
    assert convert(tmp_path, "m.skops", f"sha256:{'0' * 64}") == 2
    assert "is not what was consented to" in capsys.readouterr().err
    assert not (tmp_path / "m.skops").exists()


def kinds(folder: Path) -> dict[str, Path]:
    """A file of each format that opens without running code, all of NUMBERS."""
    import lightgbm
    import skops.io
    import xgboost
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    frame = people()
    x, y = frame[NUMBERS], frame["words"]
    models = {
        "logistic": make_pipeline(StandardScaler(), LogisticRegression()),
        "forest": RandomForestClassifier(20, random_state=0, n_jobs=1),
        "histogram": HistGradientBoostingClassifier(max_iter=10, random_state=0),
        "network": make_pipeline(
            StandardScaler(), MLPClassifier((8,), max_iter=30, tol=1.0, n_iter_no_change=2, random_state=0)
        ),
    }
    seen = {}
    for name, model in models.items():
        seen[name] = folder / f"{name}.skops"
        skops.io.dump(model.fit(x, y), seen[name])
    bits = (y == y.iloc[0]).astype(int)
    seen["lightgbm"], seen["xgboost"] = folder / "l.txt", folder / "x.json"
    lightgbm.LGBMClassifier(n_estimators=10, verbose=-1, n_jobs=1).fit(x, bits).booster_.save_model(seen["lightgbm"])
    xgboost.XGBClassifier(n_estimators=10, n_jobs=1).fit(x, bits).save_model(seen["xgboost"])
    frame.to_csv(folder / "people.csv", index=False)
    return seen


def test_every_format_that_is_read_is_written_as_onnx_and_answers_alike(tmp_path: Path, capsys) -> None:
    import numpy as np

    from audit.models import Worker

    rows = pd.read_csv((kinds_of := kinds(tmp_path))["logistic"].parent / "people.csv")[NUMBERS]
    for name, path in kinds_of.items():
        out = tmp_path / f"{name}.onnx"
        command = [
            "convert",
            str(path),
            "--out",
            str(out),
            "--data",
            str(tmp_path / "people.csv"),
            "--features",
            *NUMBERS,
        ]
        assert cli.main(command) == 0, (name, capsys.readouterr().err)
        scores = []
        for file in (path, out):
            with Worker(file) as worker:
                result = worker.answer(rows, worker.info.classes[1])
                scores.append((result.score, result.decided))
        assert np.abs(scores[0][0] - scores[1][0]).max() <= 1e-5, name
        np.testing.assert_array_equal(scores[0][1], scores[1][1], err_msg=name)
    assert (
        cli.main(["convert", str(path), "--out", str(tmp_path / "a.skops"), "--data", str(tmp_path / "people.csv")])
        == 2
    )
    assert "opens without running code as it is" in capsys.readouterr().err


def test_what_onnx_cannot_say_is_refused_with_the_reason(tmp_path: Path, capsys) -> None:
    import lightgbm

    frame = people()
    words = frame[NUMBERS[:2]].assign(town=pd.Categorical(["a", "b"] * (len(frame) // 2) + ["a"] * (len(frame) % 2)))
    model = lightgbm.LGBMClassifier(n_estimators=3, verbose=-1, n_jobs=1).fit(words, frame["bits"])
    model.booster_.save_model(tmp_path / "l.txt")
    words.to_csv(tmp_path / "people.csv", index=False)
    command = [
        "convert",
        str(tmp_path / "l.txt"),
        "--out",
        str(tmp_path / "l.onnx"),
        "--data",
        str(tmp_path / "people.csv"),
    ]
    assert cli.main(command) == 2
    assert "columns of words, which the library itself encodes: town" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.onnx*"))
