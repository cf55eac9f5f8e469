"""Smoothed rates of intersections: nearer to the truth for small groups, and with intervals that hold."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cli
from audit.smooth import RIDGE, design, main_effects, smooth, variances

GROUPS = [(s, r, a) for s in "fm" for r in "abcd" for a in ("<25", "25-39", "40-59", ">=60")]


def drawn(rng: np.random.Generator, spread: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Main effects, some interaction of this spread, and groups of 3 to 300 people: (truth, x, n)."""
    columns = design(GROUPS)
    effects = rng.normal(0, 0.6, columns.shape[1])
    truth = 1 / (1 + np.exp(-(columns @ effects + rng.normal(0, spread, len(GROUPS)))))
    n = np.exp(rng.uniform(np.log(3), np.log(300), len(GROUPS))).astype(int)
    return truth, rng.binomial(n, truth), n


@pytest.mark.parametrize("spread", [0.0, 0.3, 0.8])
def test_nearer_to_the_truth_than_the_count(spread: float) -> None:
    raw, shrunk, held, small = [], [], [], []
    for seed in range(100):
        truth, x, n = drawn(np.random.default_rng(seed), spread)
        fit = smooth(x, n, design(GROUPS))
        few = n < 40
        raw.append(np.mean((x / n - truth)[few] ** 2))
        shrunk.append(np.mean((fit.value - truth)[few] ** 2))
        inside = (fit.low <= truth) & (truth <= fit.high)
        held.append(inside.mean())
        small.append(inside[few].mean())
    ratio = np.sqrt(np.mean(shrunk) / np.mean(raw))
    assert ratio < {0.0: 0.55, 0.3: 0.65, 0.8: 0.85}[spread]
    assert np.mean(held) > 0.93
    assert np.mean(small) > 0.93


def test_main_effects_are_those_of_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression

    _, x, n = drawn(np.random.default_rng(1), 0.3)
    columns = design(GROUPS)
    beta, _ = main_effects(x.astype(float), n.astype(float), columns)
    rows = np.repeat(columns[:, 1:], 2, axis=0)
    y = np.tile([1, 0], len(GROUPS))
    weight = np.stack([x, n - x], axis=1).ravel()
    reference = LogisticRegression(C=1 / RIDGE, tol=1e-10, max_iter=5000).fit(rows, y, sample_weight=weight)
    assert beta[0] == pytest.approx(reference.intercept_[0], abs=1e-4)
    assert beta[1:] == pytest.approx(reference.coef_[0], abs=1e-4)


def test_variances_are_the_diagonal_of_the_whole_product() -> None:
    columns = design(GROUPS)
    root = np.random.default_rng(2).normal(size=(columns.shape[1], columns.shape[1]))
    covariance = root @ root.T
    expected = np.diag(columns @ covariance @ columns.T)
    assert variances(np.nonzero(columns)[1].reshape(len(columns), -1), covariance) == pytest.approx(expected)


def test_many_people_keep_their_own_rate_and_few_borrow() -> None:
    groups = [(a, b) for a in "xyz" for b in "uvw"]
    rng = np.random.default_rng(3)
    n = np.array([100_000, 3, *[200] * 7])
    x = rng.binomial(n, rng.uniform(0.2, 0.6, 9))
    fit = smooth(x, n, design(groups))
    assert fit.value[0] == pytest.approx(x[0] / n[0], abs=0.002)
    assert fit.borrowed[1] > 0.5 > 0.01 > fit.borrowed[0]


def test_a_level_without_any_yes_is_finite() -> None:
    groups = [(a, b) for a in "xy" for b in "uv"]
    fit = smooth(np.array([0, 0, 5, 9]), np.array([10, 2, 10, 20]), design(groups))
    assert ((fit.low >= 0) & (fit.low < fit.value) & (fit.value < fit.high) & (fit.high <= 1)).all()


def test_through_the_command(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    n = 1500
    frame = pd.DataFrame({"sex": rng.choice(["f", "m"], n), "race": rng.choice(list("abc"), n, p=[0.7, 0.27, 0.03])})
    frame["out"], frame["dec"] = rng.integers(0, 2, n), rng.integers(0, 2, n)
    frame.to_csv(tmp_path / "d.csv", index=False)
    (tmp_path / "case.toml").write_text(
        '[case]\nname = "n"\npurpose = "p"\n[data]\npath = "d.csv"\nlabel = "out"\npositive = "1"\n'
        'sensitive = ["sex", "race"]\n[model]\ndecision = "dec"\n'
    )
    assert cli.main(["audit", str(tmp_path / "case.toml"), "--out", str(tmp_path / "out"), "--draws", "50"]) == 0
    evidence = json.loads((tmp_path / "out" / "evidence.json").read_text())
    mine = [s for s in evidence["smoothed"] if s["metric"] == "selection_rate"]
    assert {tuple(s["group"]) for s in mine} == {(a, b) for a in "fm" for b in "abc"}
    for s in mine:
        rows = frame[(frame["sex"] == s["group"][0]) & (frame["race"] == s["group"][1])]
        assert (s["denominator"], s["numerator"]) == (len(rows), int(rows["dec"].sum()))
        assert s["low"] < s["value"] < s["high"]
    assert not any("smoothed" in json.dumps(n) for n in evidence["norms"])
