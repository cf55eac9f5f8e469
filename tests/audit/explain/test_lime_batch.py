"""Batched LIME against lime itself, its generator reset before each row."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

from audit.explain.lime_batch import Lime, lime_batch, stability

NAMES = ["age", "hours", "gain", "job", "home", "debt", "years", "region"]
CATEGORIES = [3, 4, 7]


def table(rows: int, seed: int = 0) -> np.ndarray:
    """Five numbers (one nearly always 0) and three coded categories."""
    rng = np.random.default_rng(seed)
    gain = np.where(rng.random(rows) < 0.9, 0.0, rng.exponential(1000, rows))
    return np.column_stack(
        [
            rng.normal(40, 12, rows), rng.integers(1, 80, rows), gain, rng.integers(0, 6, rows),
            rng.integers(0, 2, rows), rng.gamma(2, 3, rows), rng.integers(0, 12, rows), rng.integers(0, 3, rows),
        ]
    )  # fmt: skip


def model(values: np.ndarray) -> np.ndarray:
    """Not linear, with interactions and a jump."""
    z = 0.05 * (values[:, 0] - 40) + 0.8 * (values[:, 3] == 2) - 0.6 * (values[:, 7] == 1) * (values[:, 4] == 0)
    z = z + 1.5 * (values[:, 2] > 500) + 0.02 * values[:, 1] - 0.05 * values[:, 5] * (values[:, 6] > 5) - 0.8
    return 1 / (1 + np.exp(-z))


def predict(frame: pd.DataFrame) -> np.ndarray:
    return model(frame.to_numpy(dtype=np.float64))


def by_lime(reference: np.ndarray, rows: np.ndarray, seed: int, samples: int, **options: Any) -> list[Any]:
    """What lime says of each row (label 1), its generator reset before each."""
    from lime.lime_tabular import LimeTabularExplainer

    explainer = LimeTabularExplainer(
        reference, feature_names=NAMES, categorical_features=CATEGORIES, random_state=seed,
        feature_selection=options.pop("selection", "auto"),
    )  # fmt: skip

    def both(values: np.ndarray) -> np.ndarray:
        p = model(values)
        return np.column_stack([1 - p, p])

    out = []
    for row in rows:
        explainer.random_state.seed(seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            out.append(explainer.explain_instance(row, both, num_samples=samples, **options))
    return out


def ours(reference: np.ndarray, rows: np.ndarray, **options: Any) -> Lime:
    names = [NAMES[j] for j in CATEGORIES]
    return lime_batch(
        predict, pd.DataFrame(rows, columns=NAMES), pd.DataFrame(reference, columns=NAMES), categorical=names, **options
    )


@pytest.mark.parametrize("num_features", [1, 3, 6, 7, 8, 10])
@pytest.mark.parametrize("seed", [0, 11])
def test_equal_to_lime(num_features: int, seed: int) -> None:
    reference, rows = table(800), table(12, seed=5)
    theirs = by_lime(reference, rows, seed, 1000, num_features=num_features)
    got = ours(reference, rows, num_features=num_features, samples=1000, seed=seed)
    for i, explanation in enumerate(theirs):
        expected = np.zeros(len(NAMES))
        for j, weight in explanation.local_exp[1]:
            expected[j] = weight
        assert set(np.flatnonzero(got.chosen[i])) == {j for j, _ in explanation.local_exp[1]}
        np.testing.assert_allclose(got.weights[i], expected, atol=1e-10, rtol=0)
        np.testing.assert_allclose(got.intercept[i], explanation.intercept[1], atol=1e-10, rtol=0)
        np.testing.assert_allclose(got.r2[i], explanation.score, atol=1e-10, rtol=0)
        np.testing.assert_allclose(got.local[i], explanation.local_pred[0], atol=1e-10, rtol=0)
        assert got.score[i] == pytest.approx(explanation.predict_proba[1], abs=1e-12)


@pytest.mark.parametrize("selection", ["forward_selection", "highest_weights", "none"])
def test_equal_to_lime_by_each_selection(selection: str) -> None:
    reference, rows = table(500, seed=2), table(6, seed=9)
    theirs = by_lime(reference, rows, 3, 800, num_features=4, selection=selection)
    got = ours(reference, rows, num_features=4, samples=800, seed=3, selection=selection)
    for i, explanation in enumerate(theirs):
        assert {j: pytest.approx(w, abs=1e-10) for j, w in explanation.local_exp[1]} == {
            j: got.weights[i, j] for j in np.flatnonzero(got.chosen[i])
        }
