"""Candidates by fairlearn's reductions, made deterministic: one person gets one answer."""

from __future__ import annotations

from typing import Any

import numpy as np

from debias.candidate import SKOPS, Candidate, decided, joint_of, scores_of
from debias.learner import encoder
from debias.methods import Method
from debias.task import Task

THRESHOLD = 0.5
GRID = 25
RUNS = 50
LEAST_SHARE = 1e-4


def by_reduction(
    task: Task, method: Method, constraint: str, tolerance: float, attributes: tuple[str, ...], seed: int
) -> Candidate:
    """Exponentiated gradient or grid search over the joint groups, with LightGBM as the learner inside.

    The randomised answer of exponentiated gradient is replaced by the mean of its members' probabilities, weighted as
    it draws them: a fixed score for a fixed person. What is measured is that fixed model.
    """
    from sklearn.pipeline import Pipeline

    from audit.models.write import skops_bytes

    fit = task.splits.train
    prepare, categories = encoder(task.part(fit))
    x = np.asarray(prepare.fit_transform(task.part(fit)), dtype=np.float64)
    label = task.label[fit]
    joint = joint_of(task, attributes)[0][fit]
    model, members = reduced(method.name, constraint, tolerance, x, label, joint, categories, seed, task)
    content = skops_bytes(Pipeline([("prepare", prepare), ("model", model)]))
    score = scores_of(task, content)
    notes = []
    if task.weight is not None:
        notes.append(
            "fairlearn's reductions take no survey weights: the model was fitted without them, and measured with."
        )
    if method.name == "exponentiated_gradient":
        notes.append(
            f"Exponentiated gradient decides at random among {members} models; here their probabilities are averaged "
            "with the same weights instead, so that one person gets one answer."
        )
    return Candidate(
        method,
        SKOPS,
        "skops",
        content,
        "gradient boosting (LightGBM) inside fairlearn's reduction, in place of the audited model",
        positive=decided(score, THRESHOLD),
        score=score,
        threshold=THRESHOLD,
        parameters={"members": members},
        notes=tuple(notes),
    )


def reduced(
    name: str,
    constraint: str,
    tolerance: float,
    x: np.ndarray,
    label: np.ndarray,
    group: np.ndarray,
    categories: int,
    seed: int,
    task: Task,
) -> tuple[Any, int]:
    """A fitted scikit-learn classifier over encoded columns x (n, F), its classes named as in the case; its members."""
    import lightgbm as lgb
    from fairlearn import reductions

    merit = 1 if task.meaning.favourable_is_positive else 0
    moment = {
        "demographic_parity": reductions.DemographicParity,
        "equal_opportunity": reductions.TruePositiveRateParity if merit else reductions.FalsePositiveRateParity,
        "equalized_odds": reductions.EqualizedOdds,
    }[constraint]
    learner = lgb.LGBMClassifier(random_state=seed, deterministic=True, force_row_wise=True, n_jobs=1, verbosity=-1)
    # Category columns come first; their numbers are whole.
    learner.set_params(categorical_feature=list(range(categories)))
    if name == "grid_search":
        search = reductions.GridSearch(learner, moment(difference_bound=tolerance), grid_size=GRID)
        search.fit(x, label, sensitive_features=group)
        members = [search.predictors_[search.best_idx_]]
        shares = np.ones(1)
    else:
        gradient = reductions.ExponentiatedGradient(
            learner, moment(difference_bound=tolerance), max_iter=RUNS, eps=tolerance
        )
        gradient.fit(x, label, sensitive_features=group)
        weights = gradient.weights_
        kept = [i for i in weights.index if weights[i] > LEAST_SHARE]
        members = [gradient.predictors_[i] for i in kept]
        shares = np.array([weights[i] for i in kept])
    return _mean_of(members, shares / shares.sum(), (task.meaning.negative, task.meaning.positive)), len(members)


def _mean_of(members: list[Any], shares: np.ndarray, names: tuple[str, str]) -> Any:
    """scikit-learn's VotingClassifier over fitted members that predict 0 and 1, with its classes named."""
    from sklearn.ensemble import VotingClassifier
    from sklearn.preprocessing import LabelEncoder

    raise NotImplementedError(members, shares, names, VotingClassifier, LabelEncoder)
