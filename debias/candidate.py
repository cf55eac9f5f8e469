"""The decisions of the original and of a candidate, on the rows that are to choose and to report on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from audit.asked import USUAL, answer, bind, labels_of, open_model, rule_of
from audit.cube import Floats, Ints
from audit.decide import decide
from audit.passing import passing
from debias.held import Apart
from debias.learner import one_thread
from debias.methods.method import Method
from debias.task import Task

SKOPS = "mitigated.skops"


@dataclass(frozen=True, slots=True, eq=False)
class Original:
    """The decisions under audit on validation and test rows; other rows hold -1 (positive) or NaN (score)."""

    positive: Ints
    score: Floats | None
    threshold: float | None
    facts: dict[str, Any]
    notes: tuple[str, ...]
    words: Mapping[str, str] = field(default_factory=dict)
    """The model's classes in the label's words, where the case gives them."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A fitted candidate: its file, and its decisions and scores on validation and test rows (else -1 and NaN).

    score is None where there is none; threshold is None where groups have thresholds of their own.
    """

    method: Method
    file: str
    format: str
    content: bytes
    learner: str
    positive: Ints
    score: Floats | None
    threshold: float | None
    parameters: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    apart: tuple[Apart, ...] = ()
    """Groups that it does not hold to its aim."""

    def decide(self, rows: Ints) -> Ints:
        """Decisions (len(rows),), 1 is positive."""
        decisions: Ints = self.positive[rows]
        assert (decisions >= 0).all(), "the candidate decides validation and test rows only"
        return decisions

    def score_of(self, rows: Ints) -> Floats | None:
        """Scores (len(rows),) or None."""
        return None if self.score is None else self.score[rows]


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """What a method is asked for: a candidate within `tolerance` of `constraint`, by these sensitive attributes.

    hyper: the method's own parameters (None: as they stand): those of BoostSettings; `strength` of the weights, 0 to 1.
    loss_from: under bounded loss the error that the original starts from, else None.
    """

    task: Task
    original: Original
    method: Method
    constraint: str
    tolerance: float
    attributes: tuple[str, ...]
    seed: int
    allow: tuple[str, ...] = ()
    hyper: Mapping[str, float] | None = None
    loss_from: float | None = None


def open_original(task: Task, allow: Sequence[str] = ()) -> Original:
    """Ask the audited model, or read its column, for validation and test rows. Raises ModelError and DataError."""
    rows = np.concatenate([task.splits.validation, task.splits.test])
    decisions, facts = decide(task.case, task.frame.iloc[rows], task.features, allow=allow)
    positive = np.full(len(task.frame), -1, dtype=np.int64)
    positive[rows] = decisions.positive
    score = None
    if decisions.score is not None:
        score = np.full(len(task.frame), np.nan)
        score[rows] = decisions.score
    known = {
        "kind": facts.kind,
        "sha256": facts.sha256,
        "format": facts.format,
        "estimator": facts.estimator,
        "column": facts.column,
        "threshold": facts.threshold,
    }
    return Original(positive, score, facts.threshold, known, facts.notes, facts.classes)


def error_of(task: Task, original: Original) -> float:
    """The share that the original decides wrongly, of everyone in the validation rows: what it starts from."""
    rows = task.splits.validation
    wrong = original.positive[rows] != task.label[rows]
    return float(np.average(wrong, weights=task.weight_of(rows)))


def decided(score: Floats, threshold: float) -> Ints:
    """1 where score >= threshold, 0 below, -1 where there is no score."""
    out: Ints = np.where(np.isnan(score), -1, score >= threshold).astype(np.int64)
    return out


def outcomes_of(task: Task, rows: Ints) -> Any:
    """Labels of these rows as text, (len(rows),)."""
    names = np.array([task.meaning.negative, task.meaning.positive], dtype=object)
    return names[task.label[rows]]


def joint_of(task: Task, attributes: tuple[str, ...]) -> tuple[Ints, list[tuple[str, ...]]]:
    """The joint group of every row over these attributes, (n,), and the groups' names."""
    axes = [task.case.data.sensitive.index(a) for a in attributes]
    unique_codes, joint = np.unique(task.codes[:, axes], axis=0, return_inverse=True)
    names = [tuple(task.levels[a][c] for a, c in zip(axes, code, strict=True)) for code in unique_codes.tolist()]
    return joint.reshape(-1).astype(np.int64), names


def scores_of(
    task: Task,
    content: bytes,
    allow: Sequence[str] = (),
    also: Sequence[str] = (),
    file: str = SKOPS,
    own: Any = None,
) -> Floats:
    """Scores of the positive value by a saved model, asked as an audit asks; NaN outside validation and test."""
    return answers_of(task, content, allow, also, file, own)[1]


def answers_of(
    task: Task,
    content: bytes,
    allow: Sequence[str] = (),
    also: Sequence[str] = (),
    file: str = SKOPS,
    own: Any = None,
    *,
    again: bool = False,
) -> tuple[Ints, Floats, float | None]:
    """Decisions, scores of the positive value and the number that cuts them alike (`Answered.cut`), by a saved model,
    asked as an audit asks; -1 and NaN outside validation and test.

    again: the audited estimator fitted again, whose classes and threshold are those of the case; else a model of
    Assay's own, which decides itself and has the label's words. also: sensitive columns that the model takes beside the
    features. own: the fitted model where it is Assay's own: the trials of a search ask it directly.
    """
    rows = np.concatenate([task.splits.validation, task.splits.test])
    score, positive = np.full(len(task.frame), np.nan), np.full(len(task.frame), -1, dtype=np.int64)
    frame = task.part(rows) if not also else task.frame[list(dict.fromkeys([*task.features, *also]))].iloc[rows]
    if own is not None and task.trial:
        column = list(own.classes_).index(task.meaning.positive)
        with one_thread():
            score[rows] = own.predict_proba(frame[list(getattr(own, "feature_names_in_", frame.columns))])[:, column]
        return decided(score, USUAL), score, USUAL
    with passing() as place:
        path = place / file
        path.write_bytes(content)
        with open_model(task.case.model, allow, path, made_here=True) as worker:
            bind(task.case, worker, task.frame.iloc[rows], list(frame.columns))
            rule = rule_of(task.case, worker.info, labels_of(task.case, task.frame), candidate=not again)
            answered = answer(worker, rule, frame)
    positive[rows], score[rows] = answered.positive, np.nan if answered.score is None else answered.score
    return positive, score, answered.cut
