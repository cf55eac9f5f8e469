"""The original's decisions, and a candidate fitted by one method. Foreign estimators only ever run in their sandbox."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from audit.cube import Floats, Ints
from audit.decide import decide
from audit.errors import InputError, ModelError
from debias.learner import WORDS, own_learner
from debias.methods import Method, resample, reweigh
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

    def decide(self, rows: Ints) -> Ints:
        """Decisions (len(rows),), 1 is positive."""
        found: Ints = self.positive[rows]
        assert (found >= 0).all(), "the candidate decides validation and test rows only"
        return found

    def score_of(self, rows: Ints) -> Floats | None:
        """Scores (len(rows),) or None."""
        return None if self.score is None else self.score[rows]


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
    return Original(positive, score, facts.threshold, known, ())


def fit_candidate(
    task: Task,
    original: Original,
    method: Method,
    constraint: str,
    tolerance: float,
    attributes: tuple[str, ...],
    seed: int,
    allow: Sequence[str] = (),
) -> Candidate:
    """Fit by the method named in the table. Raises ModelError where the fitted model cannot be used."""
    if method.name in ("reweighing", "resampling"):
        return _by_weights(task, original, method, attributes, seed, allow)
    raise InputError(f"the method {method.name} has no fit", todo="choose another method")


def joint_of(task: Task, attributes: tuple[str, ...]) -> tuple[Ints, list[tuple[str, ...]]]:
    """The joint group of every row over these attributes, (n,), and the groups' names."""
    axes = [task.case.data.sensitive.index(a) for a in attributes]
    found, joint = np.unique(task.codes[:, axes], axis=0, return_inverse=True)
    names = [tuple(task.levels[a][c] for a, c in zip(axes, code, strict=True)) for code in found.tolist()]
    return joint.reshape(-1).astype(np.int64), names


def _by_weights(
    task: Task, original: Original, method: Method, attributes: tuple[str, ...], seed: int, allow: Sequence[str]
) -> Candidate:
    fit = task.splits.train
    joint, names = joint_of(task, attributes)
    done = reweigh(joint[fit], task.label[fit], task.weight_of(fit))
    notes = []
    if done.one_sided:
        shown = ", ".join(" / ".join(names[g]) for g in done.one_sided[:8])
        notes.append(f"Only one outcome in the training rows of {shown}: no weights can change their share.")
    weighted = method.name == "reweighing"
    content: bytes | None = None
    learner = ""
    threshold = 0.5
    if task.case.model.kind == "path":
        drawn = fit[resample(done.weight, seed)]
        try:
            refitted = refit(task, fit if weighted else drawn, done.weight if weighted else None, seed, allow)
            if refitted.ignored:
                notes.append(
                    f"The estimator does not use weights ({refitted.weights}), so the training rows were drawn with "
                    "these weights instead."
                )
                weighted = False
                refitted = refit(task, drawn, None, seed, allow)
            content = refitted.content
            learner = f"a fresh copy of the audited {original.facts['estimator']}"
            threshold = task.case.model.threshold
        except ModelError as error:
            notes.append(f"The original model could not be fitted again ({error.problem}); {WORDS} was fitted instead.")
    else:
        notes.append(f"The case brings {task.case.model.kind}s but no model to fit again: {WORDS} was fitted.")
    if content is None:
        content, learner = fit_own(task, fit, done.weight if weighted else None, done.weight, seed), WORDS
    score = scores_of(task, content)
    return Candidate(
        method,
        SKOPS,
        "skops",
        content,
        learner,
        positive=decided(score, threshold),
        score=score,
        threshold=threshold,
        parameters={
            "weights_used": "sample_weight" if weighted else "resampling",
            "weight_smallest": done.smallest,
            "weight_largest": done.largest,
            "effective_n": done.effective_n,
            "cells": len(names) * 2,
        },
        notes=tuple(notes),
    )


def decided(score: Floats, threshold: float) -> Ints:
    """1 where score >= threshold, 0 below, -1 where there is no score."""
    out: Ints = np.where(np.isnan(score), -1, score >= threshold).astype(np.int64)
    return out


def fit_own(task: Task, fit: Ints, weight: Floats | None, wanted: Floats, seed: int) -> bytes:
    """Assay's own learner on rows `fit`, weighted, or drawn by `wanted` where weight is None; as skops bytes."""
    from audit.models.write import skops_bytes

    rows = fit if weight is not None else fit[resample(wanted, seed)]
    model = own_learner(task.part(rows), seed)
    labels = labels_of(task, rows)
    model.fit(task.part(rows), labels, **({} if weight is None else {"model__sample_weight": weight}))
    return skops_bytes(model)


def labels_of(task: Task, rows: Ints) -> Any:
    """Labels of these rows as text, (len(rows),)."""
    names = np.array([task.meaning.negative, task.meaning.positive], dtype=object)
    return names[task.label[rows]]


@dataclass(frozen=True, slots=True)
class Refitted:
    """A fresh copy of the original estimator, fitted; ignored: it takes no weights, or they made no difference."""

    content: bytes
    weights: str
    ignored: bool


def refit(task: Task, rows: Ints, weight: Floats | None, seed: int, allow: Sequence[str]) -> Refitted:
    """Clone the original estimator in its sandbox and fit it on `rows`. Raises ModelError."""
    from audit.models import Worker

    path = task.case.model.path
    assert path is not None
    arrays: dict[str, Any] = {"labels": labels_of(task, rows), "seed": np.array(seed)}
    if weight is not None:
        arrays["sample_weight"] = weight
    with Worker(path, allow=tuple(allow)) as worker:
        found = worker.call("refit", task.part(rows), **arrays)
    ignored = weight is not None and (int(found["weights_used"]) == 0 or int(found["weights_effect"]) == 0)
    return Refitted(np.asarray(found["model"]).tobytes(), str(found["weights"]), ignored)


def scores_of(task: Task, content: bytes) -> Floats:
    """Scores of the positive value by a saved model, asked as an audit asks; NaN outside validation and test."""
    from audit.models import Worker

    rows = np.concatenate([task.splits.validation, task.splits.test])
    score = np.full(len(task.frame), np.nan)
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / SKOPS
        path.write_bytes(content)
        with Worker(path) as worker:
            score[rows] = worker.scores(task.part(rows), str(task.case.data.positive))
    return score
