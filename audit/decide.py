"""Decisions for rows: from a model in a process of its own, from a column of scores, or from a column of decisions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from audit.case import Case
from audit.classes.code import decided_by_scores, decided_in_column, refuse_threshold
from audit.code import Decisions, code_decisions
from audit.errors import DataError
from audit.models.loaded import DECISION, class_index

if TYPE_CHECKING:
    from audit.models import Worker


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What is known of the model for the record: the `model` entry of evidence.json."""

    kind: str
    sha256: str | None
    format: str | None
    estimator: str | None
    isolation: tuple[str, ...]
    column: str | None
    threshold: float | None
    reads: tuple[str, ...] = ()
    """Sensitive columns that the model takes although they are not among the features of the case."""


def decide(
    case: Case,
    frame: pd.DataFrame,
    features: Sequence[str],
    *,
    allow: Sequence[str] = (),
    also: Callable[[Sequence[str]], pd.DataFrame | None] | None = None,
    classes: tuple[str, ...] = (),
) -> tuple[Decisions, ModelFacts]:
    """Decide every row of `frame`, and after them those of `also(columns that the model is given)` where a model is
    asked; positive where score >= threshold. classes: those of a label with more than two values (`classes_of`); then
    the class with the highest score is decided, and positive says whether it is the positive one.

    Raises ModelError where the model fails, DataError where a column of scores or decisions cannot be used.
    """
    model = case.model
    if model.kind == "decision":
        positive = code_decisions(case, frame)
        several = decided_in_column(case, frame, classes) if classes else None
        return Decisions(positive, None, f"column {model.column}", several), ModelFacts(
            "decision", None, None, None, (), model.column, None
        )
    if model.kind == "score":
        score = score_column(frame, str(model.column))
        facts = ModelFacts("score", None, None, None, (), model.column, model.threshold)
        return Decisions((score >= model.threshold).astype(np.int64), score, f"column {model.column}"), facts
    from audit.models import Worker

    assert model.path is not None
    with Worker(model.path, allow=tuple(allow)) as worker:
        # A model that says it takes a sensitive column is given it: one that mitigates by it can be audited too.
        reads = tuple(
            c for c in case.data.sensitive if c in (worker.info.features or ()) and c not in features and c in frame
        )
        given = [*features, *reads]
        asked = frame[given]
        more = None if also is None else also(given)
        if more is not None:
            asked = pd.concat([asked, more[given]], ignore_index=True)
        info = worker.info
        if classes:
            return _among(case, frame, classes, worker, asked, reads)
        score = worker.scores(asked, str(case.data.positive))
    facts = ModelFacts("path", info.sha256, info.format, info.estimator, info.isolation, None, model.threshold, reads)
    return Decisions((score >= model.threshold).astype(np.int64), score, f"model {model.path.name}"), facts


def _among(
    case: Case, frame: pd.DataFrame, classes: tuple[str, ...], worker: Worker, asked: pd.DataFrame,
    reads: tuple[str, ...],
) -> tuple[Decisions, ModelFacts]:  # fmt: skip
    """Several classes: the highest score decides."""
    refuse_threshold(case)
    info, table = worker.info, worker.class_scores(asked)
    positive = class_index(info.classes, str(case.data.positive))
    several = decided_by_scores(case, frame, classes, info.classes, table)
    facts = ModelFacts("path", info.sha256, info.format, info.estimator, info.isolation, None, None, reads)
    decided = (table.argmax(axis=1) == positive).astype(np.int64)
    score = None if info.output == DECISION else table[:, positive]
    return Decisions(decided, score, f"model {Path(str(case.model.path)).name}", several), facts


def reads_note(facts: ModelFacts) -> tuple[str, ...]:
    """What must be said where the model reads a sensitive column at the decision that the case does not give it."""
    if not facts.reads:
        return ()
    return (
        f"The model reads the sensitive value of a person ({', '.join(facts.reads)}) at the moment of the decision. In "
        "many settings that is unlawful disparate treatment, whatever it does to the gap; ask counsel before use.",
    )


def score_column(frame: pd.DataFrame, column: str) -> np.ndarray:
    """Scores as floats. Raises DataError on text and on missing values."""
    values = pd.to_numeric(frame[column], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    bad = ~np.isfinite(values)
    if bad.any():
        raise DataError(
            f"the score column {column!r} has values that are not numbers",
            got=f"{int(bad.sum())} of {len(values)} rows, the first in row {int(np.flatnonzero(bad)[0]) + 1}",
            expected="a finite number in every row",
            todo="fill in or remove these rows; a person without a score was not scored",
        )
    return values
