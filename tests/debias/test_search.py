"""Constrained boosting as a scikit-learn estimator and the gap as a scorer, in GridSearchCV and in an Optuna study."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_validate

from audit.errors import DataError
from debias.search import ConstrainedBoosting, GapScorer


def people(n: int = 3000, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    sex = rng.choice(["f", "m"], n)
    merit = rng.normal(size=n)
    proxy = (sex == "m") + rng.normal(scale=0.6, size=n)
    good = merit + 1.1 * (sex == "m") + rng.normal(scale=0.7, size=n) > 0.7
    town = rng.choice(["north", "south"], n)
    return pd.DataFrame({"merit": merit, "proxy": proxy, "town": town, "sex": sex}), np.where(good, "yes", "no")


def test_grid_search_chooses_by_the_upper_bound_of_the_gap() -> None:
    x, y = people()
    search = GridSearchCV(
        ConstrainedBoosting(sensitive=("sex",), trees=40, leaves=8),
        {"tolerance": [0.02, 1.0]},
        scoring={"accuracy": "accuracy", "gap": GapScorer(("sex",))},
        refit="gap",
        cv=3,
    ).fit(x, y)
    assert search.best_params_ == {"tolerance": 0.02}
    gaps, accuracy = (search.cv_results_[f"mean_test_{name}"] for name in ("gap", "accuracy"))
    assert gaps[0] > gaps[1] + 0.1
    assert accuracy[0] < accuracy[1]
    assert search.predict(x.drop(columns="sex")).shape == (len(x),)


def test_an_optuna_study_finds_a_front() -> None:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    x, y = people(1500)

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        model = ConstrainedBoosting(
            sensitive=("sex",), trees=20, leaves=8, tolerance=trial.suggest_float("tolerance", 0.01, 0.4, log=True)
        )
        found = cross_validate(model, x, y, cv=2, scoring={"accuracy": "accuracy", "gap": GapScorer(("sex",))})
        return 1 - found["test_accuracy"].mean(), -found["test_gap"].mean()

    study = optuna.create_study(directions=["minimize", "minimize"], sampler=optuna.samplers.RandomSampler(seed=1))
    study.optimize(objective, n_trials=8)
    front = sorted(t.values for t in study.best_trials)
    assert len(front) >= 2
    assert [gap for _, gap in front] == sorted((gap for _, gap in front), reverse=True)


def test_the_scorer_takes_any_classifier_and_any_side() -> None:
    x, y = people()
    model = LogisticRegression().fit(x[["merit", "proxy"]], y)

    class Narrow:
        classes_ = model.classes_

        def predict(self, table: pd.DataFrame) -> np.ndarray:
            return model.predict(table[["merit", "proxy"]])

    decided = pd.Series(Narrow().predict(x) == "yes").groupby(x["sex"].to_numpy()).mean()
    scores = [GapScorer(("sex",), favourable=side)(Narrow(), x) for side in ("yes", "no")]
    # The bound lies beyond the gap itself, and which side is good does not move it by much.
    assert -scores[0] > abs(decided["f"] - decided["m"])
    assert scores[0] == pytest.approx(scores[1], abs=0.01)


def test_classes_survive_and_the_group_is_not_read() -> None:
    x, y = people(1000)
    model = ConstrainedBoosting(sensitive=("sex",), trees=10).fit(x, y)
    swapped = x.assign(sex=np.where(x["sex"] == "f", "m", "f"))
    assert np.array_equal(model.predict_proba(x), model.predict_proba(swapped))
    assert set(model.predict(x)) == {"yes", "no"}
    assert (model.predict(x) == y).mean() > 0.7
    assert clone(model).get_params() == model.get_params()


def test_bad_input() -> None:
    x, y = people(300)
    with pytest.raises(NotFittedError):
        ConstrainedBoosting(sensitive=("sex",)).predict(x)
    with pytest.raises(DataError, match="sensitive column is missing"):
        ConstrainedBoosting(sensitive=("gender",)).fit(x, y)
    with pytest.raises(DataError, match="two classes"):
        ConstrainedBoosting(sensitive=("sex",)).fit(x, np.arange(300) % 3)
