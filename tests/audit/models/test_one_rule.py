"""Explaining, mitigating and watching decide as the audit does: a model with a threshold of its own keeps it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier

import cli
from audit.asked import cut_of
from audit.explain import run_explain
from audit.explain.prepare import Settings
from audit.load import load_case
from tests.audit.models.zoo.people import NUMBERS, loans, people

CASE = loans(NUMBERS, 'split = "part"\ntrain = "learn"\naudit = "measure"\ntime = "when"\n')
CASE += 'path = "m.skops"\n[watch]\nbatch = 120\n'


@pytest.fixture
def made(tmp_path: Path) -> tuple[Path, pd.DataFrame, np.ndarray]:
    """The case, its rows, and what the model decides: twice as many positive as one half would."""
    frame = people()
    frame["part"] = np.where(np.arange(len(frame)) % 2 == 0, "learn", "measure")
    frame["when"] = np.arange(len(frame))
    model = FixedThresholdClassifier(LogisticRegression(max_iter=500), threshold=0.2)
    model.fit(frame[NUMBERS], frame["bits"])
    skops.io.dump(model, tmp_path / "m.skops")
    frame.to_csv(tmp_path / "people.csv", index=False)
    (tmp_path / "case.toml").write_text(CASE)
    decided = model.predict(frame[NUMBERS]) == 1
    assert decided.sum() > 1.5 * (model.predict_proba(frame[NUMBERS])[:, 1] >= 0.5).sum()
    return tmp_path / "case.toml", frame, decided


def run(command: str, case: Path, *more: str) -> Path:
    out = case.parent / command
    assert cli.main([command, str(case), "--out", str(out), *more]) == 0
    return out


def everyone(rates: list[dict[str, Any]]) -> tuple[float, float]:
    rate = next(r for r in rates if r["metric"] == "selection_rate" and not r["attribute"])
    return rate["numerator"], rate["denominator"]


def test_mitigation_compares_with_what_the_model_decides(made: tuple[Path, pd.DataFrame, np.ndarray]) -> None:
    case, frame, decided = made
    document = json.loads((run("mitigate", case, "--method", "reweighing") / "mitigation.json").read_bytes())
    measured = (frame["part"] == "measure").to_numpy()
    selected, people_there = everyone(document["arms"]["original"]["rates"])
    assert people_there == measured.sum()
    assert selected == decided[measured].sum()


def test_an_explanation_is_of_what_the_model_decides(made: tuple[Path, pd.DataFrame, np.ndarray]) -> None:
    case, frame, decided = made
    few = Settings(
        rows=40, least=10, background=20, draws=2, rounds=1, samples=100, seeds=1, fidelity_rows=10, hiding_rows=20,
        interaction_rows=5, friedman_rows=5,
    )  # fmt: skip
    document = run_explain(load_case(case), case.parent / "explain", people=range(0, 40, 3), settings=few)
    measured = np.flatnonzero((frame["part"] == "measure").to_numpy())
    assert {p["decision"] for p in document["people"]} == {"0", "1"}
    for person in document["people"]:
        assert person["decision"] == str(int(decided[measured[person["row"]]]))


def test_the_loop_serves_what_the_model_decides(made: tuple[Path, pd.DataFrame, np.ndarray]) -> None:
    from debias.loop.serve import Servers
    from debias.loop.store import Store

    case, frame, decided = made
    out = run("watch", case)
    store = Store(out)
    running = store.served(json.loads((out / "running.json").read_bytes())["model"])
    with Servers(load_case(case), store) as servers:
        result = servers.decide(running, frame, NUMBERS)
    assert np.array_equal(result.positive == 1, decided)


@pytest.mark.parametrize(
    ("score", "positive", "cut"),
    [
        ([0.2, 0.6], [0, 1], 0.5),
        ([0.2, 0.3], [0, 1], 0.25),
        ([0.7, 0.6], [0, 1], None),
        ([0.2, 0.3], [1, 1], 0.2),
        ([0.5, 0.5], [0, 1], None),
        ([0.5, 0.7], [0, 1], 0.6),
    ],
)
def test_the_number_that_cuts_as_the_model_decides(score: list[float], positive: list[int], cut: float | None) -> None:
    result = cut_of(np.array(score), np.array(positive))
    assert result == (None if cut is None else pytest.approx(cut))
    if result is not None:
        assert ((np.array(score) >= result) == np.array(positive)).all()
