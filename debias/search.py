"""Constrained boosting and gaps inside a team's own model search: a scikit-learn estimator and a scorer.

    search = GridSearchCV(
        ConstrainedBoosting(sensitive=("sex",)),
        {"tolerance": [0.02, 0.05, 0.1]},
        scoring={"accuracy": "accuracy", "gap": GapScorer(("sex",))},
        refit="gap",
    )

X is a table that holds the sensitive columns. The estimator learns with them and, unless they are named in `features`,
does not decide by them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from audit import stats
from audit.cube import Ints
from audit.errors import DataError
from debias.learner import boosted_learner, encoder
from debias.methods.boost import BoostSettings, boost, bounds_of


def _joint(x: pd.DataFrame, columns: Sequence[str]) -> Ints:
    missing = [c for c in columns if c not in x.columns]
    if missing:
        raise DataError(
            "a sensitive column is missing",
            got=", ".join(map(str, x.columns[:12])),
            expected=", ".join(columns),
            todo="hand over a table that has it",
        )
    codes = x.groupby(list(columns), dropna=False, sort=True, observed=True).ngroup()
    return np.asarray(codes, dtype=np.int64)


class ConstrainedBoosting(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Constrained boosting of two classes; see debias.methods.boost.

    sensitive: columns of X whose groups, and intersections, are bound; features: columns to decide by (None: all but
    the sensitive ones); favourable: the class that is good for a person (None: the one that sorts last).
    """

    def __init__(
        self,
        sensitive: Sequence[str] = (),
        features: Sequence[str] | None = None,
        constraint: str = "demographic_parity",
        tolerance: float = 0.05,
        favourable: Any = None,
        trees: int = 100,
        learning_rate: float = 0.1,
        leaves: int = 31,
        least_in_leaf: int = 20,
        random_state: int = 0,
    ) -> None:
        self.sensitive = sensitive
        self.features = features
        self.constraint = constraint
        self.tolerance = tolerance
        self.favourable = favourable
        self.trees = trees
        self.learning_rate = learning_rate
        self.leaves = leaves
        self.least_in_leaf = least_in_leaf
        self.random_state = random_state

    def fit(self, X: pd.DataFrame, y: Any, sample_weight: Any = None) -> ConstrainedBoosting:
        """Learn from X (n, columns) and y (n,) of two classes. A fifth of the rows chooses how many trees are kept."""
        self.classes_, label = np.unique(np.asarray(y), return_inverse=True)
        if len(self.classes_) != 2:
            raise DataError("constrained boosting takes two classes", got=f"{len(self.classes_)}", expected="2")
        hidden = set(self.sensitive)
        self.columns_ = [c for c in X.columns if c not in hidden] if self.features is None else list(self.features)
        favourable = self.classes_[1] if self.favourable is None else self.favourable
        learn = np.random.default_rng(self.random_state).permutation(len(label)) % 5 != 0
        table = X[self.columns_]
        prepare, categories = encoder(table)
        prepare.fit(table[learn])
        x = np.asarray(prepare.transform(table), dtype=np.float64)
        parts = [(c, _joint(X, [c])) for c in self.sensitive]
        if len(parts) > 1:
            parts.append((" and ".join(self.sensitive), _joint(X, self.sensitive)))
        bounds, _ = bounds_of(self.constraint, parts, label, int(favourable == self.classes_[1]), learn)
        weight = None if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        settings = BoostSettings(self.trees, self.learning_rate, self.leaves, self.least_in_leaf)
        done = boost(
            x,
            label.astype(np.int64),
            weight,
            bounds,
            learn,
            tolerance=self.tolerance,
            categories=categories,
            settings=settings,
            seed=self.random_state,
        )
        self.met_, self.gap_ = done.met, done.gap
        self.pipeline_ = boosted_learner(prepare, done.text, ("0", "1"), x.shape[1])
        self.n_features_in_ = X.shape[1]
        self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        return self

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        """Probabilities (n, 2) in the order of classes_."""
        check_is_fitted(self)
        found: np.ndarray = self.pipeline_.predict_proba(X[self.columns_])
        return found

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        """The class of each row: the last where its probability is at least one half."""
        check_is_fitted(self)
        found: np.ndarray = self.classes_[(self.predict_proba(X)[:, 1] >= 0.5).astype(np.int64)]
        return found


@dataclass(frozen=True)
class GapScorer:
    """Minus the upper bound of the largest gap in the rate of `favourable` decisions: higher is better, 0 the best.

    sensitive: columns of X, taken together; favourable: the class that is good for a person (None: the one that sorts
    last); least: groups of fewer rows are passed over. The bound is simultaneous over all pairs of groups, so that a
    search is not rewarded for a gap that is small by chance.
    """

    sensitive: tuple[str, ...]
    favourable: Any = None
    least: int = 10
    alpha: float = 0.05

    def __call__(self, estimator: Any, X: pd.DataFrame, y: Any = None) -> float:
        decided = np.asarray(estimator.predict(X))
        favourable = estimator.classes_[-1] if self.favourable is None else self.favourable
        group = _joint(X, self.sensitive)
        n = np.bincount(group).astype(np.float64)
        hit = np.bincount(group, decided == favourable).astype(np.float64)
        large = n >= self.least
        found = stats.largest_gap(
            ((hit[large], n[large]),), kind="difference", seed=0, draws=500, alpha=self.alpha, reference=None
        )
        if found.high is None:
            raise DataError("the gap cannot be scored", got=found.reason or "", todo="check the groups of the fold")
        return -float(found.high)
