"""Candidates by fairlearn's reductions, made deterministic: one person gets one answer."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from audit.metrics import EQUAL_OPPORTUNITY, EQUALIZED_ODDS
from audit.numbers import many
from debias.candidate import SKOPS, Candidate, Request, decided, joint_of, scores_of
from debias.held import apart_of
from debias.learner import encoder
from debias.methods.method import BOUNDED_LOSS, DEMOGRAPHIC_PARITY

THRESHOLD = 0.5
GRID = 25
RUNS = 50
LEAST_SHARE = 1e-4


def by_reduction(asked: Request, *, grid: bool) -> Candidate:
    """Exponentiated gradient, or grid search where `grid`, over the joint groups, with LightGBM as the learner inside.

    The randomised answer of exponentiated gradient is replaced by the mean of its members' probabilities, weighted as
    it draws them: a fixed score for a fixed person. What is measured is that fixed model.
    """
    from sklearn.pipeline import Pipeline

    from audit.models.write import skops_bytes

    task = asked.task
    loss_from, tolerance = asked.loss_from, asked.tolerance
    fit = task.splits.train
    prepare, _ = encoder(task.part(fit))
    x = np.asarray(prepare.fit_transform(task.part(fit)), dtype=np.float64)
    # The saved classifier gives its classes in sorted order: 1 is the one that sorts last.
    ordered = sorted((task.meaning.negative, task.meaning.positive))
    label = task.label[fit] if ordered[1] == task.meaning.positive else 1 - task.label[fit]
    merit = int(ordered[1] == task.meaning.favourable)
    whole_joint, names = joint_of(task, asked.attributes)
    joint = whole_joint[fit]
    members, shares = reduced(
        grid, asked.constraint, asked.tolerance, x, label, joint, merit, asked.seed, asked.loss_from
    )
    model = mean_of(members, shares, ordered)
    whole = Pipeline([("prepare", prepare), ("model", model)])
    content = skops_bytes(whole)
    score = scores_of(task, content, own=whole)
    notes = []
    if task.weight is not None:
        notes.append(
            "fairlearn's reductions take no survey weights: the model was fitted without them, and measured with."
        )
    if not grid:
        notes.append(
            f"Exponentiated gradient decides at random among {many(len(members), 'model')}; here their "
            "probabilities are averaged with the same weights instead, so that one person gets one answer."
        )
    return Candidate(
        asked.method,
        SKOPS,
        "skops",
        content,
        "gradient boosting (LightGBM) inside fairlearn's reduction, in place of the audited model",
        positive=decided(score, THRESHOLD),
        score=score,
        threshold=THRESHOLD,
        parameters={
            "members": len(members),
            "shares": [float(v) for v in shares],
            **({} if loss_from is None else {"loss_from": loss_from, "loss_bound": loss_from + tolerance}),
        },
        notes=tuple(notes),
        apart=apart_of(
            names, asked.attributes, set(range(len(names))).difference(joint.tolist()), "nobody in the training rows"
        ),
    )


def reduced(
    grid: bool,
    constraint: str,
    tolerance: float,
    x: np.ndarray,
    label: np.ndarray,
    group: np.ndarray,
    merit: int,
    seed: int,
    loss_from: float | None = None,
) -> tuple[list[Any], np.ndarray]:
    """Fitted classifiers of 0 and 1 over encoded columns x (n, F), and their shares, which sum to 1.

    For bounded loss every group's error of training rows is held to loss_from + tolerance.
    """
    import lightgbm as lgb
    from fairlearn import reductions

    moment: Any
    if constraint == BOUNDED_LOSS:
        assert loss_from is not None
        moment = reductions.BoundedGroupLoss(reductions.ZeroOneLoss(), upper_bound=loss_from + tolerance)
    else:
        moment = {
            DEMOGRAPHIC_PARITY: reductions.DemographicParity,
            EQUAL_OPPORTUNITY: reductions.TruePositiveRateParity if merit else reductions.FalsePositiveRateParity,
            EQUALIZED_ODDS: reductions.EqualizedOdds,
        }[constraint](difference_bound=tolerance)
    learner = lgb.LGBMClassifier(random_state=seed, deterministic=True, force_row_wise=True, n_jobs=1, verbosity=-1)
    if grid:
        search = reductions.GridSearch(learner, moment, grid_size=GRID)
        with quiet():
            search.fit(x, label, sensitive_features=group)
        return [search.predictors_[search.best_idx_]], np.ones(1)
    gradient = reductions.ExponentiatedGradient(learner, moment, max_iter=RUNS)
    with quiet():
        gradient.fit(x, label, sensitive_features=group)
    weights = gradient.weights_
    kept = [i for i in weights.index if weights[i] > LEAST_SHARE]
    shares = np.array([weights[i] for i in kept], dtype=np.float64)
    return [gradient.predictors_[i] for i in kept], shares / shares.sum()


@contextmanager
def quiet() -> Iterator[None]:
    """Without the warnings that fairlearn 0.15 raises about its own use of pandas and numpy."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning, module="fairlearn")
        warnings.filterwarnings("ignore", category=FutureWarning, module="fairlearn")
        yield


def mean_of(members: list[Any], shares: np.ndarray, names: list[str]) -> Any:
    """scikit-learn's VotingClassifier over fitted members that predict 0 and 1, its classes the sorted `names`."""
    from sklearn.ensemble import VotingClassifier
    from sklearn.preprocessing import LabelEncoder

    named = [(f"member {i}", member) for i, member in enumerate(members)]
    model = VotingClassifier(named, voting="soft", weights=[float(s) for s in shares])
    # Fitted by hand: fit() would fit each member once more, without the multipliers that make them what they are.
    model.le_ = LabelEncoder().fit(np.array(names, dtype=object))
    model.classes_ = model.le_.classes_
    model.estimators_ = list(members)
    return model
