"""Constrained boosting as a scikit-learn estimator and the gap as a scorer, in GridSearchCV and in an Optuna study."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import make_scorer
from sklearn.model_selection import GridSearchCV, cross_validate

from audit import stats
from audit.errors import DataError
from debias.search import ConstrainedBoosting, GapScorer, gap_bound


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
        result = cross_validate(model, x, y, cv=2, scoring={"accuracy": "accuracy", "gap": GapScorer(("sex",))})
        return 1 - result["test_accuracy"].mean(), -result["test_gap"].mean()

    study = optuna.create_study(directions=["minimize", "minimize"], sampler=optuna.samplers.RandomSampler(seed=1))
    study.optimize(objective, n_trials=6)
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


def test_scikit_learns_own_checks() -> None:
    """All that apply; leaves of one row, since the checks' tables have a few dozen."""
    from sklearn.utils.estimator_checks import check_estimator

    split = "a fifth of the rows is set aside by number, so that a repeated row is not a weight of two"
    done = check_estimator(
        ConstrainedBoosting(least_in_leaf=1, trees=4, leaves=4),
        expected_failed_checks={"check_sample_weight_equivalence_on_dense_data": split},
        on_skip=None,
    )
    count = Counter(d["status"] for d in done)
    assert count["failed"] == 0
    assert count["passed"] >= 55
    assert [d["check_name"] for d in done if d["status"] == "xfail"] == [
        "check_sample_weight_equivalence_on_dense_data"
    ]


def test_groups_beside_the_table_are_routed_through_a_grid_search() -> None:
    """Metadata routing gives what columns in the table give, fold by fold."""
    x, y = people(1500)
    grid = {"tolerance": [0.02, 1.0]}
    small = {"trees": 20, "leaves": 8}
    inside = GridSearchCV(
        ConstrainedBoosting(sensitive=("sex",), **small), grid, scoring=GapScorer(("sex",)), cv=2
    ).fit(x, y)
    with config_context(enable_metadata_routing=True):
        model = ConstrainedBoosting(**small).set_fit_request(sensitive_features=True)
        scorer = make_scorer(gap_bound, greater_is_better=False).set_score_request(sensitive_features=True)
        beside = GridSearchCV(model, grid, scoring=scorer, cv=2)
        beside.fit(x.drop(columns="sex"), y, sensitive_features=x["sex"].to_numpy())
    assert beside.best_params_ == inside.best_params_ == {"tolerance": 0.02}
    assert beside.cv_results_["mean_test_score"] == pytest.approx(inside.cv_results_["mean_test_score"], abs=1e-12)
    assert np.array_equal(beside.predict(x.drop(columns="sex")), inside.predict(x))


def test_several_attributes_beside_an_array_bind_their_intersection() -> None:
    x, y = people(2000)
    groups = x[["sex", "town"]]
    numbers = x[["merit", "proxy"]].to_numpy()
    bound = ConstrainedBoosting(trees=40, tolerance=0.03).fit(numbers, y, sensitive_features=groups)
    free = ConstrainedBoosting(trees=40, tolerance=0.03).fit(numbers, y)

    def widest(model: ConstrainedBoosting) -> float:
        rate = pd.Series(model.predict(numbers) == "yes").groupby([x["sex"], x["town"]]).mean()
        return float(rate.max() - rate.min())

    assert widest(bound) < 0.1 < widest(free)
    assert bound.n_features_in_ == 2


def test_the_bound_by_hand_and_its_three_constraints() -> None:
    """a: 30 of 60 decided yes, b: 12 of 60. Among those with the outcome yes 20 of 30 and 10 of 30."""
    group = np.repeat(["a", "b"], 60)
    truth = np.tile(np.repeat(["yes", "no"], 30), 2)
    decided = np.array(["yes"] * 20 + ["no"] * 10 + ["yes"] * 10 + ["no"] * 20 + ["yes"] * 10 + ["no"] * 20
                       + ["yes"] * 2 + ["no"] * 28)  # fmt: skip
    mapping = {c: gap_bound(truth, decided, sensitive_features=group, constraint=c)
            for c in ("demographic_parity", "equal_opportunity", "equalized_odds")}  # fmt: skip
    assert mapping["demographic_parity"] == pytest.approx(float(stats.newcombe(30, 60, 12, 60)[1]))
    assert mapping["equal_opportunity"] == pytest.approx(float(stats.newcombe(20, 30, 10, 30)[1]))
    # The larger of two gaps is one of them, so its upper limit needs no correction (audit.stats.gap).
    assert mapping["equalized_odds"] == mapping["equal_opportunity"]
    with pytest.raises(ValueError, match="no such constraint"):
        gap_bound(truth, decided, sensitive_features=group, constraint="parity")
    with pytest.raises(ValueError, match="needs outcomes"):
        gap_bound(None, decided, sensitive_features=group, constraint="equalized_odds")
    with pytest.raises(ValueError, match="of other rows"):
        gap_bound(truth, decided, sensitive_features=group[1:])
    with pytest.raises(ValueError, match="cannot be scored"):
        gap_bound(truth, decided, sensitive_features=np.repeat("a", 120))


def test_the_examples_in_the_documentation_run() -> None:
    text = (Path(__file__).parents[2] / "docs" / "mitigation.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text.split("## In your own model search")[1], re.S)
    x, y = people(600)
    names: dict[str, Any] = {"X": x, "y": y}
    for block in blocks:
        # The same with few trees, for time.
        exec(block.replace("ConstrainedBoosting(", "ConstrainedBoosting(trees=4, "), names)
    assert names["search"].best_params_["tolerance"] in (0.02, 0.05, 0.1)
    assert names["beside"].best_params_["tolerance"] in (0.02, 0.1)
    assert names["front"]


def test_bad_input() -> None:
    x, y = people(300)
    with pytest.raises(NotFittedError):
        ConstrainedBoosting(sensitive=("sex",)).predict(x)
    with pytest.raises(DataError, match="sensitive column is missing"):
        ConstrainedBoosting(sensitive=("gender",)).fit(x, y)
    with pytest.raises(DataError, match="two classes"):
        ConstrainedBoosting(sensitive=("sex",)).fit(x, np.arange(300) % 3)
    with pytest.raises(ValueError, match="a column is missing"):
        ConstrainedBoosting(sensitive=("sex",), trees=3).fit(x, y).predict(x.drop(columns="merit"))
    with pytest.raises(ValueError, match="of other rows"):
        ConstrainedBoosting(trees=3).fit(x, y, sensitive_features=x["sex"][1:])
