"""Assay's own learner, for cases whose model cannot be fitted again or that bring decisions only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pandas as pd

MAX_CATEGORIES = 200
WORDS = "gradient boosting (scikit-learn HistGradientBoostingClassifier, 100 trees, categories as they are)"


@contextmanager
def one_thread() -> Iterator[None]:
    """Fits in here take one thread: the threads of OpenMP wait for each other while other work has the cores.

    More gain little on tables of this size. Nor does the saved file depend on how many cores there are.
    """
    import sklearn.ensemble  # noqa: F401 - its OpenMP has to be there to be told
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield


def encoder(frame: pd.DataFrame) -> tuple[Any, int]:
    """A transformer that puts categories first, as numbers, and the count of them.

    A category that training did not have becomes missing; of more than 200, the rarest share one. A column without any
    value is left out: scikit-learn's binning fails on it.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.preprocessing import OrdinalEncoder

    empty = list(empty_columns(frame))
    categories = [c for c in frame.columns if c not in empty and frame[c].dtype.kind not in "biuf"]
    encode = OrdinalEncoder(
        handle_unknown="use_encoded_value",
        unknown_value=float("nan"),
        encoded_missing_value=float("nan"),
        max_categories=MAX_CATEGORIES,
    )
    return ColumnTransformer(
        [("categories", encode, categories), *([("empty", "drop", empty)] if empty else [])],
        remainder="passthrough",
        verbose_feature_names_out=False,
    ), len(categories)


def empty_columns(frame: pd.DataFrame) -> tuple[str, ...]:
    """The columns that hold no value in any of these rows."""
    return tuple(str(c) for c in frame.columns if frame[c].isna().all())


def own_learner(frame: pd.DataFrame, seed: int) -> Any:
    """An unfitted pipeline for the columns of `frame`; its last step, "model", takes sample_weight."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import Pipeline

    prepare, categories = encoder(frame)
    model = HistGradientBoostingClassifier(
        categorical_features=list(range(categories)), early_stopping=False, random_state=seed
    )
    return Pipeline([("prepare", prepare), ("model", model)])


def boosted_learner(prepare: Any, text: str, classes: tuple[str, str], columns: int) -> Any:
    """A fitted pipeline around trees grown elsewhere: `prepare` (fitted), then LightGBM's own classifier over `text`.

    text is a LightGBM model that predicts the probability of classes[1]. Only types of scikit-learn and LightGBM are in
    it, so that the file loads without Assay.
    """
    import lightgbm as lgb
    import numpy as np
    from sklearn.pipeline import Pipeline

    # The classifier's bookkeeping is made by a fit of one leaf; its trees are then the given ones.
    shell = lgb.LGBMClassifier(n_estimators=1, num_leaves=2, min_child_samples=1, verbosity=-1)
    few = np.zeros((4, columns))
    with one_thread():
        shell.fit(few, np.array([classes[0], classes[1]] * 2, dtype=object))
    shell._Booster = lgb.Booster(model_str=text)
    order = list(shell.classes_)
    if order != list(classes):
        raise ValueError(f"classes must be given in sorted order, got {classes}")
    return Pipeline([("prepare", prepare), ("model", shell)])
