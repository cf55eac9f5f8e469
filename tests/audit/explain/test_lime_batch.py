"""Batched LIME against lime itself, its generator reset before each row."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

from audit.explain import lime_moments
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


def test_pairs_add_up_to_the_moments_of_dense_products(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where no neighbour has the row's category, or any of its categories."""
    rng = np.random.default_rng(1)
    near, far = rng.integers(0, 20, (500, 12)), rng.normal(size=500)
    drawn, root = lime_moments.Neighbours(near, 25), np.linspace(0.1, 0.9, 13)
    for own in (near[3], np.where(np.arange(12) < 3, -1, near[5]), np.full(12, 25), np.full(12, -1)):
        both = np.full((2, 14, 14), np.nan)
        for fixed, out in zip((1e9, -1e9), both, strict=True):
            monkeypatch.setattr(lime_moments, "FIXED", fixed)
            drawn.moments(own, root, far, out)
        same = np.column_stack([np.ones(500), near == own, far])
        weight = root[(near == own).sum(axis=1)] ** 2
        np.testing.assert_allclose(both, np.stack([same.T @ (same * weight[:, None])] * 2), rtol=0, atol=1e-11)


@pytest.mark.parametrize("fixed", [100_000, 0])
@pytest.mark.parametrize("selection", ["forward_selection", "none"])
def test_columns_of_many_categories_are_as_in_lime(selection: str, fixed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """By dense products, and by the pairs of columns that neighbours share with the row, which are few."""
    seen: list[int] = []
    kept = lime_moments._sparse
    monkeypatch.setattr(lime_moments, "FIXED", fixed)
    monkeypatch.setattr(lime_moments, "_sparse", lambda *a: (seen.append(1), kept(*a))[1])
    rng = np.random.default_rng(3)
    reference, rows = (rng.integers(0, 25, (n, 30)).astype(float) for n in (2000, 5))
    names = [f"c{k}" for k in range(30)]

    def answers(values: np.ndarray) -> np.ndarray:
        return np.asarray((values[:, :6] > 11).sum(axis=1) / 6.0 + 0.01 * values[:, 7])

    from lime.lime_tabular import LimeTabularExplainer

    explainer = LimeTabularExplainer(
        reference, mode="regression", feature_names=names, categorical_features=list(range(30)), random_state=0,
        feature_selection=selection,
    )  # fmt: skip
    got = lime_batch(
        lambda frame: answers(frame.to_numpy(dtype=np.float64)), pd.DataFrame(rows, columns=names),
        pd.DataFrame(reference, columns=names), categorical=names, samples=1000, seed=0, num_features=5,
        selection=selection,
    )  # fmt: skip
    assert len(seen) == (0 if fixed else len(rows))
    for i, row in enumerate(rows):
        explainer.random_state.seed(0)
        theirs = explainer.explain_instance(row, answers, num_samples=1000, num_features=5)
        expected = dict(theirs.local_exp[1])
        if selection == "none":  # lime then tells the largest five of all
            assert all(got.weights[i, j] == pytest.approx(w, abs=1e-10) for j, w in expected.items())
        else:
            assert {j: pytest.approx(w, abs=1e-10) for j, w in expected.items()} == {
                j: got.weights[i, j] for j in np.flatnonzero(got.chosen[i])
            }
        assert got.r2[i] == pytest.approx(theirs.score, abs=1e-10)
        assert got.local[i] == pytest.approx(theirs.local_pred[0], abs=1e-10)


@pytest.mark.parametrize("selection", ["forward_selection", "highest_weights", "none"])
def test_equal_to_lime_by_each_selection(selection: str) -> None:
    reference, rows = table(500, seed=2), table(6, seed=9)
    theirs = by_lime(reference, rows, 3, 800, num_features=4, selection=selection)
    got = ours(reference, rows, num_features=4, samples=800, seed=3, selection=selection)
    for i, explanation in enumerate(theirs):
        assert {j: pytest.approx(w, abs=1e-10) for j, w in explanation.local_exp[1]} == {
            j: got.weights[i, j] for j in np.flatnonzero(got.chosen[i])
        }


def people(rows: int, seed: int = 0) -> pd.DataFrame:
    """Text, truth values, categories, whole numbers and gaps, as a data frame."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age": rng.integers(18, 80, rows),
            "pay": np.where(rng.random(rows) < 0.2, np.nan, rng.normal(30, 10, rows)),
            "job": rng.choice(["clerk", "nurse", "smith"], rows),
            "home": rng.choice(["own", None], rows, p=[0.7, 0.3]),
            "member": rng.random(rows) < 0.5,
            "level": pd.Categorical(rng.choice(["low", "high"], rows)),
        }
    )
    return frame


def mixed(frame: pd.DataFrame) -> np.ndarray:
    z = 0.03 * (frame.age - 45) + (frame.job == "nurse") - 1.2 * frame.home.isna() + 0.5 * frame.member.astype(float)
    z = z.astype(float) + frame.pay.fillna(10.0) * 0.02 + 0.3 * (frame.level.astype(str) == "high")
    return np.asarray(1 / (1 + np.exp(-z)), dtype=np.float64)


def test_text_truth_values_categories_and_gaps() -> None:
    reference, rows = people(600), people(40, seed=3)
    got = lime_batch(mixed, rows, reference, samples=2000, selection="none")
    assert np.isfinite(got.weights).all()
    gone = int(np.flatnonzero(rows.home.isna())[0])
    there = int(np.flatnonzero(rows.home.notna())[0])
    home = got.features.index("home")
    assert got.weights[gone, home] < -0.1
    assert got.weights[there, home] > 0.1
    assert got.rules(gone)[home] == "home is missing"
    assert got.rules(there)[home] == "home = own"
    unpaid = int(np.flatnonzero(rows.pay.isna())[0])
    assert got.rules(unpaid)[got.features.index("pay")] == "pay is missing"
    assert "age" in got.rules(0)[0]


def test_a_category_that_was_never_seen_is_unlike_every_neighbour() -> None:
    reference, rows = people(300), people(2, seed=3)
    rows["job"] = ["pilot", "nurse"]
    got = lime_batch(mixed, rows, reference, samples=1000, selection="none")
    assert got.codes[0, 2] == -1
    assert got.rules(0)[2] == "job is new"
    assert np.isfinite(got.weights).all()


def test_order_and_batch_size_change_nothing() -> None:
    reference, rows = people(400), people(150, seed=4)
    whole = lime_batch(mixed, rows, reference, samples=800, num_features=3)
    turned = lime_batch(mixed, rows.iloc[::-1], reference, samples=800, num_features=3)
    np.testing.assert_array_equal(whole.weights, turned.weights[::-1])
    np.testing.assert_array_equal(whole.r2, turned.r2[::-1])
    for row in (0, 77, 149):
        single = lime_batch(mixed, rows.iloc[[row]], reference, samples=800, num_features=3)
        np.testing.assert_array_equal(whole.weights[row], single.weights[0])


def test_one_call_for_all_rows() -> None:
    asked = []

    def predict(frame: pd.DataFrame) -> np.ndarray:
        asked.append(len(frame))
        return mixed(frame)

    lime_batch(predict, people(70, seed=1), people(200), samples=500)
    assert asked == [499 + 70]


def test_a_constant_model_and_a_constant_column() -> None:
    reference, rows = people(200), people(5, seed=1)
    reference["same"] = rows["same"] = 1.0
    for keep in (3, 7):
        got = lime_batch(lambda f: np.full(len(f), 0.3), rows, reference, samples=300, num_features=keep)
        np.testing.assert_allclose(got.weights, 0.0, atol=1e-12)
        np.testing.assert_allclose(got.intercept, 0.3, atol=1e-12)
    got = lime_batch(mixed, rows, reference, samples=300, num_features=7)
    place = got.features.index("same")
    assert not got.varies[:, place].any()
    np.testing.assert_allclose(got.weights[:, place], 0.0, atol=1e-12)
    assert got.varies[:, 0].all()


def test_seeds_and_stability() -> None:
    reference, rows = people(400), people(10, seed=4)
    runs = [lime_batch(mixed, rows, reference, samples=400, seed=s, selection="none") for s in range(4)]
    assert (runs[0].weights != runs[1].weights).any()
    same, spread = stability(runs, top=3)
    assert ((same > 0.3) & (same <= 1.0)).all()
    assert (spread > 0).all()
    assert (stability([runs[0], runs[0]], top=3)[0] == 1.0).all()
    again = lime_batch(mixed, rows, reference, samples=400, seed=2, selection="none")
    np.testing.assert_array_equal(again.weights, runs[2].weights)


def test_inputs_are_left_alone_and_no_rows_are_fine() -> None:
    reference, rows = people(100), people(4, seed=1)
    before = reference.copy(), rows.copy()
    lime_batch(mixed, rows, reference, samples=200)
    pd.testing.assert_frame_equal(reference, before[0])
    pd.testing.assert_frame_equal(rows, before[1])
    assert lime_batch(mixed, rows.iloc[:0], reference, samples=200).weights.shape == (0, 6)
