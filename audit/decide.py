"""Decisions for rows: from a model in a process of its own, from a column of scores, or from a column of decisions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from audit.asked import Rule, answer, bind, labels_of, open_model, rule_of
from audit.case import Case
from audit.classes.code import decided_among, decided_in_column, refuse_threshold
from audit.code import Decisions, code_decisions, code_label, groups_per_row
from audit.errors import DataError
from audit.models.loaded import DECISION, PROBABILITY, class_index
from audit.numbers import fixed, many
from audit.sentences import UNLAWFUL
from audit.two_rules import Compared

if TYPE_CHECKING:
    from audit.models import ModelInfo, Worker


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
    rule: str | None = None
    """What decides: "predict" (the model itself) or "threshold"; None where no model is asked."""
    link: str | None = None
    classes: Mapping[str, str] = field(default_factory=dict)
    """The model's classes in the label's words, where the case gives them."""
    compared: Compared | None = None
    notes: tuple[str, ...] = ()
    """What the loader and the rule have to say."""
    served: Mapping[str, Any] | None = None
    """Of an endpoint: what was sent where, what the server says of itself, whether it answers alike, and how fast."""


def decide(
    case: Case,
    frame: pd.DataFrame,
    features: Sequence[str],
    *,
    allow: Sequence[str] = (),
    also: Callable[[Sequence[str]], pd.DataFrame | None] | None = None,
    classes: tuple[str, ...] = (),
    only: pd.DataFrame | None = None,
    by: Worker | None = None,
    packed: bool = False,
) -> tuple[Decisions, ModelFacts]:
    """Decide every row of `frame`, and after them those of `also(columns that the model is given)` where a model is
    asked, as `audit.asked` says. classes: those of a label with more than two values (`classes_of`); then positive says
    whether the class that is decided is the positive one. only: rows (of the columns of `frame`) that a model is asked
    for in place of all of `frame`, which still says what labels there are. by: the model, opened already.
    packed: categories in `frame` are texts kept small (`audit.load.Rows`), and the model is asked about the texts.

    Raises ModelError where the model fails, DataError where a column of scores or decisions cannot be used, CaseError
    where a person must say which class is meant or what decides.
    """
    model = case.model
    if model.kind == "decision":
        positive = code_decisions(case, frame)
        several = decided_in_column(case, frame, classes) if classes else None
        return Decisions(positive, None, f"column {model.column}", several), ModelFacts(
            "decision", None, None, None, (), model.column, None, classes=dict(model.classes)
        )
    if model.kind == "score":
        score = score_column(frame, str(model.column))
        facts = ModelFacts("score", None, None, None, (), model.column, model.threshold)
        return Decisions((score >= model.threshold).astype(np.int64), score, f"column {model.column}"), facts
    labels = labels_of(case, frame)
    with open_model(model, allow) if by is None else nullcontext(by) as worker:
        worker.packed = packed
        bind(case, worker, frame, features)
        # A model that says it takes a sensitive column is given it: one that mitigates by it can be audited too.
        reads = tuple(
            c for c in case.data.sensitive if c in (worker.info.features or ()) and c not in features and c in frame
        )
        columns = [*features, *reads]
        rows = frame if only is None else only
        asked = rows[columns]
        more = None if also is None else also(columns)
        if more is not None:
            asked = pd.concat([asked, more[columns]], ignore_index=True)
        rule = rule_of(case, worker.info, classes or labels, help_with=partial(_agrees, case, frame, worker, columns))
        if classes:
            decisions, facts = _among(case, rows, classes, worker, rule, asked, reads)
        else:
            answered = answer(worker, rule, asked, people=len(rows))
            facts = facts_of(case, worker.info, rule, reads, answered.cut, answered.compared, answered.notes)
            decisions = Decisions(answered.positive, answered.score, source_name(case))
        return decisions, facts if only is not None else replace(facts, served=served_of(case, frame, worker))


def served_of(case: Case, frame: pd.DataFrame, worker: Worker) -> Mapping[str, Any] | None:
    """What is known of an endpoint, latency by group among it; None of any other model."""
    from audit.models.served.worker import EndpointWorker

    return worker.served(groups_per_row(case, frame)) if isinstance(worker, EndpointWorker) else None


def source_name(case: Case) -> str:
    """Who decided, in words."""
    path = case.model.path
    return "model at an endpoint" if path is None else f"model {path.name}"


def facts_of(
    case: Case, info: ModelInfo, rule: Rule, reads: tuple[str, ...], cut: float | None,
    compared: Compared | None = None, notes: tuple[str, ...] = (),
) -> ModelFacts:  # fmt: skip
    """The record of a model that was asked."""
    return ModelFacts(
        case.model.kind, info.sha256 or None, info.format, info.estimator, info.isolation, None, cut, reads, rule.kind,
        rule.link, dict(rule.words), compared, (*info.notes, *notes),
    )  # fmt: skip


def _agrees(case: Case, frame: pd.DataFrame, worker: Worker, columns: Sequence[str], name: str) -> str:
    """How often the model's decision for its class `name` goes with the positive label, for a person who must say which
    class is meant. Raises ModelError."""
    known = frame[frame[case.data.label].notna()].iloc[:2000] if case.data.label is not None else frame.iloc[:0]
    if not len(known):
        return f"the rows hold no outcome that could tell about class {name}"
    decided = worker.answer(known[list(columns)], name).decided
    assert decided is not None
    own = decided == class_index(worker.info.classes, name)
    label = code_label(case, known)[0] == 1
    share = 100 * float(np.mean(own == label))
    return f"taking class {name} for {case.data.positive!r}, it agrees with the label in {fixed(share, 0)} % of rows"


def _among(
    case: Case, frame: pd.DataFrame, classes: tuple[str, ...], worker: Worker, rule: Rule, asked: pd.DataFrame,
    reads: tuple[str, ...],
) -> tuple[Decisions, ModelFacts]:  # fmt: skip
    """Several classes: the one that the model itself decides."""
    refuse_threshold(case)
    info, table = worker.info, worker.class_scores(asked)
    own = worker.answer(asked, rule.own).decided
    decided = table.argmax(axis=1) if own is None else own
    names = [rule.word(c) for c in info.classes]
    several = decided_among(case, frame, classes, names, decided)
    notes: tuple[str, ...] = ()
    people = slice(0, len(frame))
    if own is not None and info.output == PROBABILITY and (differ := int((table.argmax(1) != own)[people].sum())):
        notes = (
            f"The class that the model itself decides and the class of its highest score differ for {differ:,} of "
            f"{many(len(frame), 'person')}. Audited is what it itself decides.",
        )
    positive = class_index(info.classes, rule.own)
    score = None if info.output == DECISION else table[:, positive]
    facts = facts_of(case, info, rule, reads, None, None, notes)
    return Decisions((decided == positive).astype(np.int64), score, source_name(case), several), facts


def reads_note(facts: ModelFacts) -> tuple[str, ...]:
    """What must be said where the model reads a sensitive column at the decision that the case does not give it."""
    if not facts.reads:
        return ()
    return (
        f"The model reads the sensitive value of a person ({', '.join(facts.reads)}) at the moment of the decision. "
        f"{UNLAWFUL}",
    )


def score_column(frame: pd.DataFrame, column: str) -> np.ndarray:
    """Scores as floats. Raises DataError on text and on missing values."""
    values = pd.to_numeric(frame[column], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    bad = ~np.isfinite(values)
    if bad.any():
        raise DataError(
            f"the score column {column!r} has values that are not numbers",
            got=f"{int(bad.sum())} of {many(len(values), 'row')}, the first in row {int(np.flatnonzero(bad)[0]) + 1}",
            expected="a finite number in every row",
            todo="fill in or remove these rows; a person without a score was not scored",
        )
    return values
