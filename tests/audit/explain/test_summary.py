"""Importance with intervals, and fidelity by group."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from audit.explain.kinds import Additivity, Attributions
from audit.explain.lime_batch import lime_batch
from audit.explain.outputs import Rule, transform
from audit.explain.sampled import explain_people, explain_sampled
from audit.explain.summary import fidelity, importance, rounded

PLAIN = {"value": transform("value", Rule(0.5))}


def numbers(rows: int, seed: int) -> pd.DataFrame:
    return pd.DataFrame(np.random.default_rng(seed).normal(size=(rows, 4)), columns=list("abcd"))


def model(f: pd.DataFrame) -> np.ndarray:
    return np.asarray(f.a * f.b + 2 * (f.c > 1) * f.b + 0.3 * f.a, dtype=np.float64)


def test_exact_values_by_hand() -> None:
    values = np.array([[1.0, 0.0], [-3.0, 0.0]])
    result = Attributions("m", "value", ("x", "y"), values, np.zeros(2), Additivity(0.0, 1e-6, True, 2))
    first, second = importance(result, np.arange(2))
    assert (first.feature, first.mean_abs) == ("x", 2.0)
    # Of 1 and 3: standard deviation sqrt(2), standard error 1.
    assert (first.low, first.high) == (
        pytest.approx(2 - 1.959964, abs=1e-5),
        pytest.approx(2 + 1.959964, abs=1e-5),
    )
    assert (second.mean_abs, second.low, second.high) == (0.0, 0.0, 0.0)
    weighted = importance(result, np.arange(2), np.array([3.0, 1.0]))
    assert weighted[0].mean_abs == pytest.approx(1.5)


def test_noise_does_not_make_features_important() -> None:
    """The plain mean of noisy sizes is too large; the middle is nearer, and the interval holds the truth."""
    rows, back = numbers(400, 0), numbers(80, 1)
    truth = np.abs(explain_people(model, rows, back, PLAIN, rounds=4).outputs["value"].values).mean(axis=0)
    inside, plain, middle = 0, np.zeros(4), np.zeros(4)
    for seed in range(10):
        explanation = explain_sampled(model, rows, back, PLAIN, draws=4, seed=seed).outputs["value"]
        mapping = {e.feature: e for e in importance(explanation, np.arange(400))}
        assert mapping["d"].mean_abs == pytest.approx(0.0, abs=1e-12)
        plain += np.abs(explanation.values).mean(axis=0) / 10
        middle += np.array([mapping[f].mean_abs for f in "abcd"]) / 10
        inside += sum(mapping[f].low <= t <= mapping[f].high for f, t in zip("abc", truth, strict=False))
    assert (plain[:3] > truth[:3]).all()
    assert np.abs(middle - truth)[:3].sum() < 0.5 * (plain - truth)[:3].sum()
    assert inside == 30


def test_a_worse_fit_for_one_group_is_seen() -> None:
    """In one group the outcome follows a line, in the other it jumps about."""
    rng = np.random.default_rng(0)
    frame = numbers(300, 0)
    frame["wild"] = rng.random(300) < 0.5

    def predict(f: pd.DataFrame) -> np.ndarray:
        return np.asarray(
            np.where(f.wild.astype(bool), np.sin(9 * f.a) * np.sin(7 * f.b), 0.3 * (f.a > 0)), dtype=np.float64
        )

    result = lime_batch(predict, frame, frame, samples=800, selection="none")
    wild = np.flatnonzero(frame.wild)
    calm = np.flatnonzero(~frame.wild)
    of = {e["group"][0]: e for e in fidelity(result, {"wild": wild, "calm": calm})}
    assert of["wild"]["error_low"] > of["calm"]["error_high"]
    assert of["wild"]["rows"] == len(wild)
    assert of["calm"]["r2_low"] <= of["calm"]["r2"] <= of["calm"]["r2_high"]


def test_numbers_are_written_the_same_everywhere() -> None:
    assert rounded(0.1 + 0.2) == 0.3
    assert rounded(np.float64(1) / 3) == 0.333333333333
