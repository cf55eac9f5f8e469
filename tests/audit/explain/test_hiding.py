"""The alarm fires on a model that hides (Slack et al. 2020) and is silent on honest ones with correlated proxies."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from audit.explain.hiding import reactions
from audit.explain.sentences import words

Predict = Callable[[pd.DataFrame], np.ndarray]


def people(rows: int, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Marriage, pay and hours go with sex; pay, hours, debt and schooling go with each other."""
    rng = np.random.default_rng(seed)
    sex = rng.integers(0, 2, rows).astype(float)
    common = rng.normal(size=rows)
    frame = pd.DataFrame(
        {
            "sex": sex,
            "married": (rng.random(rows) < 0.3 + 0.5 * sex) * 1.0,
            "pay": common + sex + rng.normal(size=rows) * 0.3,
            "hours": 0.9 * common + 0.8 * sex + rng.normal(size=rows) * 0.2,
            "age": rng.normal(size=rows),
            "debt": 0.8 * common + rng.normal(size=rows) * 0.4,
            "school": 0.7 * common + rng.normal(size=rows) * 0.5,
        }
    )
    z = frame.pay + frame.hours - frame.debt + 0.5 * frame.age
    return frame, (rng.random(rows) < 1 / (1 + np.exp(-z))).astype(int)


FRAME, LABEL = people(1500, 0)
SEEN = [c for c in FRAME.columns if c != "sex"]


def fitted(model: Any, columns: list[str]) -> Predict:
    model.fit(FRAME[columns].to_numpy(), LABEL)
    return lambda f: np.asarray(model.predict_proba(f[columns].to_numpy())[:, 1], dtype=np.float64)


@functools.cache
def honest() -> dict[str, Predict]:
    from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.tree import DecisionTreeClassifier

    every = list(FRAME.columns)
    return {
        "logistic": fitted(LogisticRegression(), every),
        "logistic without sex": fitted(LogisticRegression(), SEEN),
        "sex alone": fitted(LogisticRegression(), ["sex"]),
        "boosting": fitted(HistGradientBoostingClassifier(max_iter=30, random_state=0), every),
        "boosting without sex": fitted(HistGradientBoostingClassifier(max_iter=30, random_state=0), SEEN),
        "forest": fitted(RandomForestClassifier(30, min_samples_leaf=3, random_state=0), every),
        "memorising forest": fitted(RandomForestClassifier(30, random_state=0), every),
        "random trees": fitted(ExtraTreesClassifier(30, min_samples_leaf=3, random_state=0), every),
        "tree": fitted(DecisionTreeClassifier(max_depth=6, random_state=0), every),
        "neighbours": fitted(KNeighborsClassifier(25), every),
        "naive Bayes": fitted(GaussianNB(), every),
    }


@pytest.mark.parametrize("seed", [0, 1])
def test_silent_on_honest_models_with_correlated_proxies(seed: int) -> None:
    models = honest()
    assert len(models) >= 10
    for name, predict in models.items():
        result = reactions(predict, people(800, seed + 5)[0], seed=seed, rows=300)
        assert not any(r.alarm for r in result), name
        assert "No sign" in words(result)


@pytest.mark.parametrize("seed", [0, 1])
def test_fires_on_a_scaffold(seed: int) -> None:
    """It decides by sex for rows that look real and by age for those that do not."""
    from sklearn.ensemble import RandomForestClassifier

    rng = np.random.default_rng(seed)
    real, other = FRAME, FRAME.sample(len(FRAME), random_state=1)
    spliced = pd.DataFrame({c: rng.permutation(FRAME[c].to_numpy()) for c in FRAME.columns})
    hybrid = pd.DataFrame(np.where(rng.random(real.shape) < 0.5, real, other), columns=real.columns)
    guard = RandomForestClassifier(40, random_state=0).fit(
        pd.concat([real, spliced, hybrid]).to_numpy(), np.repeat([1, 0, 0], len(real))
    )

    def scaffold(f: pd.DataFrame) -> np.ndarray:
        looks_real = guard.predict_proba(f.to_numpy())[:, 1] > 0.5
        return np.where(looks_real, 0.1 + 0.8 * f.sex, 0.1 + 0.8 * (f.age > 0))

    result = reactions(scaffold, people(800, seed + 5)[0], seed=seed, rows=300)
    assert next(r for r in result if r.feature == "sex").alarm
    assert words(result).startswith("Alarm: changing sex alone")


def test_text_missing_values_and_a_constant_column() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"job": rng.choice(["a", "b", None], 200), "same": 1.0, "pay": rng.normal(size=200)})
    before = frame.copy()
    asked = []

    def predict(f: pd.DataFrame) -> np.ndarray:
        asked.append(len(f))
        return (f.job == "a").to_numpy() * 0.5 + 0.1 * (f.pay > 0).to_numpy()

    result = reactions(predict, frame, rows=100)
    assert asked == [2 * 100, 2 * 3 * 100]
    assert [r.feature for r in result] == ["job", "same", "pay"]
    assert result[1].real == result[1].spliced == 0.0
    # A third of the values are a; from there one always leaves, from the rest one reaches it half the time.
    assert result[0].real == pytest.approx(0.5 * 2 / 3, abs=0.08)
    assert not any(r.alarm for r in result)
    pd.testing.assert_frame_equal(frame, before)
    assert reactions(predict, frame.iloc[:1]) == ()
