"""Assay's own learner, for cases whose model cannot be fitted again or that bring decisions only."""

from __future__ import annotations

from typing import Any

import pandas as pd

MAX_CATEGORIES = 200
WORDS = "gradient boosting (scikit-learn HistGradientBoostingClassifier, 100 trees, categories as they are)"


def encoder(frame: pd.DataFrame) -> tuple[Any, int]:
    """A transformer that puts categories first, as numbers, and the count of them.

    A category that training did not have becomes missing; of more than 200, the rarest share one.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.preprocessing import OrdinalEncoder

    categories = [c for c in frame.columns if frame[c].dtype.kind not in "biuf"]
    encode = OrdinalEncoder(
        handle_unknown="use_encoded_value",
        unknown_value=float("nan"),
        encoded_missing_value=float("nan"),
        max_categories=MAX_CATEGORIES,
    )
    return ColumnTransformer(
        [("categories", encode, categories)], remainder="passthrough", verbose_feature_names_out=False
    ), len(categories)


def own_learner(frame: pd.DataFrame, seed: int) -> Any:
    """An unfitted pipeline for the columns of `frame`; its last step, "model", takes sample_weight."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import Pipeline

    prepare, categories = encoder(frame)
    model = HistGradientBoostingClassifier(
        categorical_features=list(range(categories)), early_stopping=False, random_state=seed
    )
    return Pipeline([("prepare", prepare), ("model", model)])
