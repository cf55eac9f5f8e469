"""A single person's page is computed by lime itself; ours, for many rows, gives the same."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest

from audit.explain.lime_batch import lime_batch
from audit.explain.lime_single import lime_single
from audit.explain.neighbours import learn


def rows(count: int, seed: int = 0) -> pd.DataFrame:
    """Text with missing values, truth values, numbers of which one is nearly constant."""
    rng = np.random.default_rng(seed)
    job = rng.choice(np.array(["clerk", "nurse", "smith", None], dtype=object), count)
    return pd.DataFrame(
        {
            "age": rng.integers(18, 80, count),
            "job": job,
            "home": rng.random(count) < 0.4,
            "gain": np.where(rng.random(count) < 0.9, 0.0, rng.exponential(9, count)),
            "self": rng.normal(size=count),
        }
    )


def predict(frame: pd.DataFrame) -> np.ndarray:
    z = 0.03 * (frame["age"].to_numpy(float) - 40) + 0.7 * (frame["job"] == "nurse") - 0.5 * frame["job"].isna()
    z = z + 0.4 * frame["home"].to_numpy(bool) * (frame["gain"].to_numpy(float) > 2) + 0.8 * frame["self"].to_numpy()
    return np.asarray(1 / (1 + np.exp(-z)), dtype=float)


def test_the_library_and_the_batch_are_equal() -> None:
    """With one seed after the other: what one has drawn changes nothing of the next."""
    reference, people = rows(400), rows(4, seed=9)
    people.loc[2, "job"] = "pilot"  # whom nobody in the reference resembles
    columns = learn(reference)
    seeds = (0, 5)
    singles, by = lime_single(predict, people, reference, columns, samples=800, seeds=seeds)
    assert by == "lime"
    assert len(singles) == len(seeds)
    for one, seed in zip(singles, seeds, strict=True):
        many = lime_batch(predict, people, columns, samples=800, seed=seed, selection="none")
        for name in ("weights", "intercept", "r2", "local", "score"):
            np.testing.assert_allclose(getattr(one, name), getattr(many, name), atol=1e-9, rtol=0, err_msg=name)
        assert np.array_equal(one.varies, many.varies)
        assert one.rules(2) == many.rules(2)


def test_lime_is_really_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    from lime.lime_tabular import LimeTabularExplainer

    asked: list[Any] = []
    honest = LimeTabularExplainer.explain_instance

    def explain(self: Any, *args: Any, **options: Any) -> Any:
        asked.append(options["num_samples"])
        return honest(self, *args, **options)

    monkeypatch.setattr(LimeTabularExplainer, "explain_instance", explain)
    reference = rows(200)
    lime_single(predict, rows(3, seed=1), reference, learn(reference), samples=200)
    assert asked == [200, 200, 200]


def test_what_lime_draws_is_asked_about_once_for_all_people() -> None:
    reference, sizes = rows(200), []

    def counted(frame: pd.DataFrame) -> np.ndarray:
        sizes.append(len(frame))
        return predict(frame)

    lime_single(counted, rows(3, seed=1), reference, learn(reference), samples=200, seeds=(0, 5))
    assert sizes == [3 + 199] * 2


def test_missing_numbers_are_explained_by_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """lime cannot take them; it is not even imported."""
    monkeypatch.setitem(sys.modules, "lime.lime_tabular", None)
    reference = rows(200)
    reference.loc[3, "self"] = np.nan
    (result,), by = lime_single(
        lambda f: predict(f.fillna({"self": 0.0})), rows(2, seed=1), reference, learn(reference), samples=200
    )
    assert by == "assay"
    assert np.isfinite(result.weights).all()
