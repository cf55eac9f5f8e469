"""A candidate by fairlearn's CorrelationRemover: features without what the sensitive columns foretell of them.

The removal is linear and happens at every decision, so the saved pipeline takes the sensitive columns as inputs.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from debias.candidate import SKOPS, Candidate, Request, decided, joint_of, outcomes_of, scores_of
from debias.held import apart_of
from debias.learner import MAX_CATEGORIES, empty_columns, one_thread

THRESHOLD = 0.5


def by_removing(asked: Request) -> Candidate:
    """Fit the pipeline of `remover` on the training rows. The sensitive columns named leave the features."""
    from audit.models.write import skops_bytes

    task, attributes = asked.task, asked.attributes
    fit = task.splits.train
    empty = empty_columns(task.part(fit))
    columns = [*attributes, *(f for f in task.features if f not in attributes and f not in empty)]
    model = remover(task.frame[columns].iloc[fit], attributes, asked.seed)
    weight = task.weight_of(fit)
    frame = task.frame[columns]
    with one_thread():
        model.fit(
            frame.iloc[fit], outcomes_of(task, fit), **({} if weight is None else {"model__sample_weight": weight})
        )
    content = skops_bytes(model)
    joint, names = joint_of(task, attributes)
    score = scores_of(task, content, also=attributes, own=model)
    notes = [
        f"The model takes {' and '.join(attributes)} at every decision, to take out of the other features what "
        "they foretell. A value that training did not have is adjusted as if it were none of those known.",
        "Only linear dependence is taken out: trees can find what is left, so the gap need not close.",
    ]
    if weight is not None:
        notes.append("The removal itself takes no survey weights; the model after it does.")
    return Candidate(
        asked.method,
        SKOPS,
        "skops",
        content,
        "correlation remover, then gradient boosting (scikit-learn), in place of the audited model",
        positive=decided(score, THRESHOLD),
        score=score,
        threshold=THRESHOLD,
        parameters={"alpha": 1.0, "sensitive_inputs": list(attributes)},
        notes=tuple(notes),
        apart=apart_of(
            names, attributes, set(range(len(names))).difference(joint[fit].tolist()), "nobody in the training rows"
        ),
    )


def remover(frame: pd.DataFrame, attributes: tuple[str, ...], seed: int) -> Any:
    """An unfitted pipeline over the columns of `frame`, the sensitive ones first. Numbers stay numbers, text one-hot.

    Missing numbers take the median: the removal is a regression, which needs a value in every place.
    """
    from fairlearn.preprocessing import CorrelationRemover
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder

    def number(column: str) -> bool:
        return frame[column].dtype.kind in "biuf"

    def steps(part: str, columns: list[str]) -> list[tuple[str, Any, list[str]]]:
        one = OneHotEncoder(handle_unknown="ignore", max_categories=MAX_CATEGORIES, sparse_output=False)
        texts, numbers = [c for c in columns if not number(c)], [c for c in columns if number(c)]
        both = [(f"{part} categories", one, texts), (f"{part} numbers", SimpleImputer(strategy="median"), numbers)]
        return [step for step in both if step[2]]

    others = [c for c in frame.columns if c not in attributes]
    prepare = ColumnTransformer(steps("sensitive", list(attributes)) + steps("other", others))
    known = prepare.fit(frame).output_indices_
    width = max(known[name].stop for name in known if name.startswith("sensitive"))
    return Pipeline(
        [
            ("prepare", prepare),
            ("remove", CorrelationRemover(sensitive_feature_ids=list(range(width)))),
            ("model", HistGradientBoostingClassifier(early_stopping=False, random_state=seed)),
        ]
    )
