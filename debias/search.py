"""Constrained boosting and gaps inside a team's own model search: a scikit-learn estimator and a scorer.

    search = GridSearchCV(
        ConstrainedBoosting(sensitive=("sex",)),
        {"tolerance": [0.02, 0.05, 0.1]},
        scoring={"accuracy": "accuracy", "gap": GapScorer(("sex",))},
        refit="gap",
    )

X is a table that holds the sensitive columns; or they come beside it, as scikit-learn's metadata:

    with sklearn.config_context(enable_metadata_routing=True):
        model = ConstrainedBoosting().set_fit_request(sensitive_features=True)
        scorer = make_scorer(gap_bound, greater_is_better=False).set_score_request(sensitive_features=True)
        GridSearchCV(model, {"tolerance": [0.02, 0.1]}, scoring=scorer).fit(X, y, sensitive_features=groups)

The estimator learns with them and, unless they are named in `features`, does not decide by them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, column_or_1d, validate_data

from audit import stats
from audit.cube import Ints
from audit.errors import DataError
from audit.metrics import EQUAL_OPPORTUNITY, EQUALIZED_ODDS
from audit.numbers import many
from debias.learner import boosted_learner, encoder
from debias.methods.boost import BoostSettings, boost, bounds_of
from debias.methods.method import DEMOGRAPHIC_PARITY


class TableError(DataError, ValueError):
    """What was handed to the estimator cannot be used; a ValueError too, which scikit-learn's searches expect."""


def _joint(x: pd.DataFrame, columns: Sequence[str]) -> Ints:
    missing = [c for c in columns if c not in x.columns]
    if missing:
        raise TableError(
            "a sensitive column is missing",
            got=", ".join(map(str, x.columns[:12])),
            expected=", ".join(columns),
            todo="hand over a table that has it, or the groups as `sensitive_features`",
        )
    codes = x.groupby(list(columns), dropna=False, sort=True, observed=True).ngroup()
    return np.asarray(codes, dtype=np.int64)


def _groups(sensitive_features: Any, rows: int) -> pd.DataFrame:
    """Groups handed over beside the table, as one; a column each. Raises TableError where the lengths differ."""
    groups = pd.DataFrame(sensitive_features).reset_index(drop=True)
    groups.columns = pd.Index([str(c) for c in groups.columns])
    if len(groups) != rows:
        raise TableError("sensitive_features are of other rows", got=len(groups), expected=f"{rows}, as many as X has")
    return groups


class ConstrainedBoosting(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Constrained boosting of two classes; see debias.methods.boost.

    sensitive: columns of X whose groups, and intersections, are bound; features: columns to decide by (None: all but
    the sensitive ones); favourable: the class that is good for a person (None: the one that sorts last). X is a table,
    or an array of numbers with the groups handed to `fit` as sensitive_features. Without either nothing is bound.
    """

    def __init__(
        self,
        sensitive: Sequence[str] = (),
        features: Sequence[str] | None = None,
        constraint: str = DEMOGRAPHIC_PARITY,
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

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = tags.input_tags.string = True
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None, sensitive_features: Any = None) -> ConstrainedBoosting:
        """Learn from X (n, columns) and y (n,) of two classes. A fifth of the rows chooses how many trees are kept.

        sensitive_features (n,) or (n, attributes): groups beside the table, bound with those of `sensitive`.
        """
        X = self._table(X, y, reset=True)
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        self.classes_, label = np.unique(y, return_inverse=True)
        if len(self.classes_) != 2:
            class_count = many(len(self.classes_), "class")
            raise TableError("Only binary classification is supported", got=class_count, expected="two classes")
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, X, dtype=np.float64)
        if weight is not None and len(np.unique(label[weight > 0])) < 2:
            raise TableError("only one class has weight", got="1 class", expected="rows of two classes with weight")
        hidden = set(self.sensitive)
        self.columns_ = [c for c in X.columns if c not in hidden] if self.features is None else list(self.features)
        favourable = self.classes_[1] if self.favourable is None else self.favourable
        learn = np.random.default_rng(self.random_state).permutation(len(label)) % 5 != 0
        if len(np.unique(label[learn])) < 2:
            learn[:] = True
        table = X[self.columns_]
        prepare, categories = encoder(table)
        prepare.fit(table[learn])
        x = np.asarray(prepare.transform(table), dtype=np.float64)
        bounds, _ = bounds_of(
            self.constraint,
            self._parts(X, sensitive_features),
            label,
            int(favourable == self.classes_[1]),
            learn,
        )
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
        return self

    def _parts(self, X: pd.DataFrame, sensitive_features: Any) -> list[tuple[str, Ints]]:
        """Each attribute's groups, and those of all together."""
        table = X
        names = list(self.sensitive)
        if sensitive_features is not None:
            beside = _groups(sensitive_features, len(X)).add_prefix("sensitive feature ")
            table = pd.concat([X.reset_index(drop=True), beside], axis=1)
            names += list(beside.columns)
        parts = [(str(c), _joint(table, [c])) for c in names]
        if len(parts) > 1:
            parts.append((" and ".join(map(str, names)), _joint(table, names)))
        return parts

    def _table(self, X: Any, y: Any = None, *, reset: bool) -> pd.DataFrame:
        """X as a table: as it is where it is one, else checked numbers. Raises what scikit-learn raises."""
        if isinstance(X, pd.DataFrame):
            # The sensitive columns need not be there when people are decided.
            missing = [] if reset else [str(c) for c in self.columns_ if c not in X.columns]
            if missing:
                shown = ", ".join(map(str, X.columns[:12]))
                raise TableError("a column is missing", got=shown, expected=", ".join(missing))
            if reset:
                self.n_features_in_ = X.shape[1]
                self.feature_names_in_ = np.asarray(X.columns, dtype=object)
            return X
        more = {"dtype": "numeric", "ensure_all_finite": "allow-nan"}
        checked = (
            validate_data(self, X, reset=reset, **more)
            if y is None
            else validate_data(self, X, y, reset=reset, **more)[0]
        )
        return pd.DataFrame(checked)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities (n, 2) in the order of classes_."""
        check_is_fitted(self)
        probabilities: np.ndarray = self.pipeline_.predict_proba(self._table(X, reset=False)[self.columns_])
        return probabilities

    def predict(self, X: Any) -> np.ndarray:
        """The class of each row: the last where its probability is at least one half."""
        check_is_fitted(self)
        y_pred: np.ndarray = self.classes_[(self.predict_proba(X)[:, 1] >= 0.5).astype(np.int64)]
        return y_pred


def gap_bound(
    y_true: Any,
    y_pred: Any,
    *,
    sensitive_features: Any,
    favourable: Any = None,
    constraint: str = DEMOGRAPHIC_PARITY,
    least: int = 10,
    alpha: float = 0.05,
) -> float:
    """The upper bound of the largest gap between groups in decisions y_pred (n,), 0 to 1: lower is better.

    sensitive_features (n,) or (n, attributes): the groups, attributes taken together. favourable: the class that is
    good for a person (None: the one that sorts last). constraint: demographic_parity (of everyone), equal_opportunity
    (of those whose y_true is favourable) or equalized_odds (of either outcome, the larger). least: groups of fewer
    rows are passed over. The upper end of the simultaneous interval of audit.stats.largest_gap, so that a search is
    not rewarded for a gap that is small by chance. Raises TableError where no two groups can be compared.
    """
    decided, truth = np.asarray(y_pred), None if y_true is None else np.asarray(y_true)
    beside = _groups(sensitive_features, len(decided))
    group = _joint(beside, list(beside.columns))
    known = np.unique(decided if truth is None else np.concatenate([truth, decided]))
    good = known[-1] if favourable is None else favourable
    if constraint not in (DEMOGRAPHIC_PARITY, EQUAL_OPPORTUNITY, EQUALIZED_ODDS):
        known_names = "demographic_parity, equal_opportunity, equalized_odds"
        raise TableError("there is no such constraint", got=constraint, expected=known_names)
    among = [np.ones(len(decided), dtype=bool)]
    if constraint != DEMOGRAPHIC_PARITY:
        if truth is None:
            raise TableError("this constraint needs outcomes", got="no y", expected=f"y, to score {constraint}")
        among = [truth == good, truth != good][: 1 if constraint == EQUAL_OPPORTUNITY else 2]
    large = np.bincount(group) >= least
    strata = []
    for rows in among:
        n = np.bincount(group[rows], minlength=len(large)).astype(np.float64)
        hit = np.bincount(group[rows], decided[rows] == good, minlength=len(large)).astype(np.float64)
        strata.append((hit[large], n[large]))
    gap = stats.largest_gap(strata, kind="difference", seed=0, draws=500, alpha=alpha, reference=None)
    if gap.high is None:
        raise TableError("the gap cannot be scored", got=gap.reason or "", todo="check the groups of the fold")
    return float(gap.high)


@dataclass(frozen=True)
class GapScorer:
    """Minus gap_bound with the groups taken from X: higher is better, 0 the best. A scikit-learn scorer.

    sensitive: columns of X, taken together; the rest as in gap_bound.
    """

    sensitive: tuple[str, ...]
    favourable: Any = None
    least: int = 10
    alpha: float = 0.05
    constraint: str = DEMOGRAPHIC_PARITY

    def __call__(self, estimator: Any, X: pd.DataFrame, y: Any = None) -> float:
        _joint(X, self.sensitive)
        return -gap_bound(
            y,
            estimator.predict(X),
            sensitive_features=X[list(self.sensitive)],
            favourable=estimator.classes_[-1] if self.favourable is None else self.favourable,
            constraint=self.constraint,
            least=self.least,
            alpha=self.alpha,
        )
