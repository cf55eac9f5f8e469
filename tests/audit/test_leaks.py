"""Features that give the label away are named before anything is measured; strong honest ones are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

import cli
from audit.load import load_case, load_rows
from audit.quality.leaks import GIVES_AWAY, leaks, leaks_of

N = 2000


def people(seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, N)
    return pd.DataFrame({"y": y, "honest": y + rng.normal(0, 1.2, N), "noise": rng.normal(size=N)})


FLIPPED = np.random.default_rng(1).random(N) < 0.01
LEAKS = {
    "copy": lambda y: y,
    "words": lambda y: pd.Series(np.where(y == 1, "paid", "open")),
    "turned": lambda y: 1 - y,
    "nearly": lambda y: np.where(FLIPPED, 1 - y, y),
    "days": lambda y: np.where(y == 1, np.random.default_rng(2).integers(1, 900, N), 0),
    "missing": lambda y: pd.Series(np.random.default_rng(3).normal(size=N)).where(y == 1),
    "many texts": lambda y: pd.Series([f"{'ab'[v]}{i % 90}" for i, v in enumerate(y)]),
}


@pytest.mark.parametrize("name", LEAKS)
def test_a_leak_is_named(name: str) -> None:
    frame = people()
    frame["x"] = LEAKS[name](frame["y"].to_numpy())
    result = leaks(frame, ("honest", "x", "noise"), "y", "1")
    assert [leak.column for leak in result] == ["x"]
    assert result[0].auc >= GIVES_AWAY
    assert "known before the decision" in result[0].sentence


@pytest.mark.parametrize("name", ["copy", "words", "turned"])
def test_a_copy_is_called_one(name: str) -> None:
    frame = people()
    frame["x"] = LEAKS[name](frame["y"].to_numpy())
    assert "says the same as the label" in leaks(frame, ("x",), "y", "1")[0].sentence


def test_ids_and_noise_find_nothing() -> None:
    rng = np.random.default_rng(5)
    for seed in range(10):
        frame = people(seed).assign(id=np.arange(N), text=[f"t{i}" for i in range(N)], town=rng.integers(0, 900, N))
        assert leaks(frame, tuple(frame.columns[1:]), "y", "1") == ()


def test_the_auc_is_that_of_scikit_learn() -> None:
    frame = people().assign(x=lambda f: np.where(FLIPPED, 1 - f["y"], f["y"]))
    reference = min(roc_auc_score(frame["y"][h], frame["x"][h]) for h in _halves())
    assert leaks(frame, ("x",), "y", "1")[0].auc == pytest.approx(reference, abs=1e-12)


def _halves() -> list[np.ndarray]:
    half = np.random.default_rng(0).permutation(N) % 2
    return [half == 0, half == 1]


def test_few_rows_or_one_outcome_say_nothing() -> None:
    frame = people().assign(x=lambda f: f["y"])
    assert leaks(frame.iloc[:20], ("x",), "y", "1") == ()
    assert leaks(frame[frame["y"] == 1], ("x",), "y", "1") == ()


@pytest.mark.parametrize("case", ["adult.toml", "german_credit.toml"])
def test_the_samples_have_no_leak(sample_data: Path, case: str) -> None:
    read = load_case(sample_data / case)
    rows = load_rows(read, everything=True)
    assert leaks_of(read, rows.frame[rows.audit], rows.features) == ()


def test_the_audit_names_it_first(tmp_path: Path, sample_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Through the commands: a model that reads a copy of its label under another name."""
    from sklearn.linear_model import LogisticRegression
    from skops.io import dump

    frame = people().assign(closed=lambda f: 7 - 3 * f["y"], sex=["f", "m"] * (N // 2))
    frame.to_csv(tmp_path / "d.csv", index=False)
    model = LogisticRegression().fit(frame[["honest", "closed"]], frame["y"])
    dump(model, tmp_path / "m.skops")
    (tmp_path / "case.toml").write_text(
        '[case]\nname = "n"\npurpose = "p"\n[data]\npath = "d.csv"\nlabel = "y"\npositive = "1"\n'
        'sensitive = ["sex"]\nfeatures = ["honest", "closed"]\n[model]\npath = "m.skops"\n'
    )
    assert cli.main(["check", str(tmp_path / "case.toml")]) == 0
    assert "Leak: The feature 'closed' says the same as the label" in capsys.readouterr().out
    assert cli.main(["audit", str(tmp_path / "case.toml"), "--out", str(tmp_path / "out"), "--draws", "50"]) == 0
    output = capsys.readouterr()
    assert "The feature 'closed' says the same as the label" in output.err
    assert "The feature 'closed' says the same as the label" in output.out
