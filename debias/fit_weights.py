"""A candidate by weights. Foreign estimators are fitted in their sandbox only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from audit.asked import bind, open_model, own_format
from audit.cube import Floats, Ints
from audit.documents import record_in
from audit.documents.base import Model
from audit.errors import ModelError
from audit.findings import name_of
from audit.models.arrays import arrays_in
from debias.candidate import SKOPS, Candidate, Request, answers_of, joint_of, outcomes_of
from debias.held import apart_of
from debias.learner import WORDS, one_thread, own_learner
from debias.methods.weights import Reweighed, resample, reweigh
from debias.task import Task


def by_weights(asked: Request, *, weighted: bool) -> Candidate:
    """Reweighing (`weighted`) or resampling over the joint groups, and the original estimator fitted again.

    hyper: `strength` goes from the weights as they were (0) to those that make outcome and group independent (1).
    Where the estimator cannot be fitted again, Assay's own learner; where it ignores weights, rows drawn by them; both
    are said.
    """
    from audit.models.write import skops_bytes

    task, original, seed, allow = asked.task, asked.original, asked.seed, asked.allow
    strength = (asked.hyper or {}).get("strength", 1.0)
    fit = task.splits.train
    joint, names = joint_of(task, asked.attributes)
    done = _partly(reweigh(joint[fit], task.label[fit], task.weight_of(fit)), task.weight_of(fit), strength)
    notes = []
    if done.one_sided:
        shown = ", ".join(name_of(names[g]) for g in done.one_sided[:8])
        notes.append(f"Only one outcome in the training rows of {shown}: no weights can change their share.")
    content: bytes | None = None
    learner = ""
    again = False
    if task.case.model.kind == "path":
        drawn = fit[resample(done.weight, seed)]
        try:
            refitted = refit(
                task, fit if weighted else drawn, done.weight if weighted else None, seed, allow, original.words
            )
            if refitted.ignored:
                notes.append(
                    f"The estimator does not use weights ({refitted.weights}), so the training rows were drawn with "
                    "these weights instead."
                )
                weighted = False
                refitted = refit(task, drawn, None, seed, allow, original.words)
            content = refitted.content
            learner = f"a fresh copy of the audited {record_in(Model, original.facts, 'model').estimator}"
            again = True
        except ModelError as error:
            notes.append(f"The original model could not be fitted again ({error.problem}); {WORDS} was fitted instead.")
    else:
        brings = "answers of an endpoint" if task.case.model.kind == "endpoint" else f"{task.case.model.kind}s"
        notes.append(f"The case brings {brings} but no model to fit again: {WORDS} was fitted.")
    own = None
    if content is None:
        own, learner = fit_own(task, fit, done.weight if weighted else None, done.weight, seed), WORDS
        content = skops_bytes(own)
    form = (own_format(task.case.model) if again else None) or "skops"
    file = SKOPS if form == "skops" else f"mitigated.{form}"
    positive, score, threshold = answers_of(task, content, allow, file=file, own=own, again=again)
    return Candidate(
        asked.method,
        file,
        form,
        content,
        learner,
        positive=positive,
        score=score,
        threshold=threshold,
        parameters={
            "weights_used": "sample_weight" if weighted else "resampling",
            "strength": strength,
            "weight_smallest": done.smallest,
            "weight_largest": done.largest,
            "effective_n": done.effective_n,
            "cells": len(names) * 2,
        },
        notes=tuple(notes),
        apart=apart_of(
            names, asked.attributes, {*done.one_sided, *set(range(len(names))).difference(joint[fit].tolist())},
            "only one outcome in the training rows",
        ),
    )  # fmt: skip


def _partly(done: Reweighed, before: Floats | None, strength: float) -> Reweighed:
    """Weights between those before (strength 0) and those of reweighing (1); the sum stays."""
    if strength == 1:
        return done
    start = np.ones(len(done.weight)) if before is None else before
    weight = (1 - strength) * start + strength * done.weight
    return replace(
        done,
        weight=weight,
        smallest=1 + strength * (done.smallest - 1),
        largest=1 + strength * (done.largest - 1),
        effective_n=float(weight.sum() ** 2 / (weight**2).sum()),
    )


def fit_own(task: Task, fit: Ints, weight: Floats | None, wanted: Floats, seed: int) -> Any:
    """Assay's own learner on rows `fit`, weighted, or drawn by `wanted` where weight is None."""
    rows = fit if weight is not None else fit[resample(wanted, seed)]
    model = own_learner(task.part(rows), seed)
    labels = outcomes_of(task, rows)
    with one_thread():
        model.fit(task.part(rows), labels, **({} if weight is None else {"model__sample_weight": weight}))
    return model


@dataclass(frozen=True, slots=True)
class Refitted:
    """A fresh copy of the original estimator, fitted; ignored: it takes no weights, or they made no difference."""

    content: bytes
    weights: str
    ignored: bool


@dataclass(frozen=True, slots=True)
class Fitted:
    """What the operation `refit` answers (audit/models/refit.py)."""

    model: bytes
    weights: str
    weights_used: int
    weights_effect: int


def refit(
    task: Task,
    rows: Ints,
    weight: Floats | None,
    seed: int,
    allow: Sequence[str],
    words: Mapping[str, str] | None = None,
) -> Refitted:
    """Clone the original estimator in its sandbox and fit it on `rows`. words: its classes in the label's words.

    Raises ModelError.
    """
    if own_format(task.case.model) is None:
        raise ModelError(
            f"a model that {task.case.model.load} loads is not written again by it",
            expected="a model loaded with joblib, pickle, cloudpickle or mlflow",
        )
    own = {word: name for name, word in (words or {}).items()}
    labels = [own.get(word, word) for word in outcomes_of(task, rows)]
    arrays: dict[str, Any] = {"labels": np.array(labels, dtype=object), "seed": np.array(seed)}
    arrays |= {} if weight is None else {"sample_weight": weight}
    with open_model(task.case.model, allow) as worker:
        bind(task.case, worker, task.frame.iloc[rows], task.features)
        reply = worker.call("refit", task.part(rows), **arrays)
    fitted = arrays_in(Fitted, reply)
    ignored = weight is not None and 0 in (fitted.weights_used, fitted.weights_effect)
    return Refitted(fitted.model, fitted.weights, ignored)
