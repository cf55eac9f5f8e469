"""A candidate by group thresholds: the audited model's scores, and a threshold for each group."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from audit.errors import InputError
from audit.files import canonical
from audit.findings import name_of
from audit.metrics import EQUAL_OPPORTUNITY
from audit.models.thresholds_model import SCHEMA, adjusted
from audit.numbers import brief, fixed
from debias.candidate import Candidate, Request, decided, joint_of
from debias.held import apart_of
from debias.methods.thresholds import LEAST, group_thresholds
from debias.task import Task

FILE = "mitigated.json"
ENDPOINT = "endpoint_score"
"""The column that the file reads, where the audited model is an endpoint: its scores of the positive value."""


def by_thresholds(asked: Request) -> Candidate:
    """Thresholds over the joint groups of `attributes`, chosen on validation rows. Raises InputError without scores.

    The file holds the audited model whole, and the candidate's scores are those that the file answers with.
    """
    task, original, attributes, tolerance = asked.task, asked.original, asked.attributes, asked.tolerance
    if task.case.model.python is not None:
        raise InputError(
            "group thresholds hold the audited model in their own file, and this one loads in its own environment only",
            got=f"load = {task.case.model.load!r}",
            expected="a model in a format that runs no code",
            todo="convert it (`assay convert`), or choose reweighing or resampling, which fit it again there",
        )
    if original.score is None or original.threshold is None:
        raise InputError(
            "group thresholds need scores, and one number that cuts them into the model's decisions",
            got="decisions only" if original.score is None else "decisions that no cut of the scores gives",
            expected="a model, or a column of scores",
            todo="name a `score` column in the case file, or choose another method",
        )
    joint, names = joint_of(task, attributes)
    choose = task.splits.validation
    label = task.label[choose]
    among = np.ones(len(choose), dtype=bool)
    if asked.constraint == EQUAL_OPPORTUNITY:
        among = label == (1 if task.meaning.favourable_is_positive else 0)
    done = group_thresholds(
        original.score[choose],
        label,
        joint[choose],
        len(names),
        among,
        tolerance,
        original.threshold,
        task.weight_of(choose),
    )
    notes = [
        "The candidate is the audited model with the thresholds in mitigated.json; a group that is not named there is "
        f"decided by the original threshold, {brief(original.threshold)}. Its scores are the model's, moved so "
        "that each group's threshold lies at that number."
    ]
    if task.case.model.endpoint is not None:
        notes.append(
            f"The model stays where it is served: mitigated.json reads its scores from a column {ENDPOINT!r}, and "
            "holds the thresholds alone."
        )
    if done.defaulted:
        shown = ", ".join(name_of(names[g]) for g in done.defaulted[:8])
        notes.append(f"Fewer than {LEAST} validation rows, so left with the original threshold: {shown}.")
    if np.isnan(done.gap):
        notes.append(
            "No two groups have enough validation rows for the gap to be estimated there: nothing was aimed at."
        )
    elif not done.met:
        notes.append(
            f"The tolerance of {brief(tolerance)} was not reached on validation: the smallest gap was "
            f"{fixed(done.gap, 3)}."
        )
    rows = np.concatenate([choose, task.splits.test])
    known = original.score[rows]
    # By what the scores are, not by the format: a column of scores says nothing of itself.
    probability = bool(((known >= 0) & (known <= 1)).all() and 0 <= original.threshold <= 1)
    score = np.full(len(task.frame), np.nan)
    score[rows] = adjusted(known, done.threshold[joint[rows]], original.threshold, probability)
    positive = decided(score, original.threshold)
    document = {
        "schema": SCHEMA,
        "notice": asked.method.notice,
        "model": original.facts,
        "base": _base(task),
        "features": list(task.features),
        "positive": str(task.case.data.positive),
        "classes": dict(original.words),
        "link": task.case.model.link,
        "probability": probability,
        "bins": {a: list(task.case.data.bins[a]) for a in attributes if task.case.data.bins.get(a)},
        "attributes": list(attributes),
        "default": original.threshold,
        "thresholds": [
            {"group": list(name), "threshold": float(t)} for name, t in zip(names, done.threshold, strict=True)
        ],
    }
    return Candidate(
        asked.method,
        FILE,
        "group-thresholds",
        canonical(document, compact=True),
        "the audited model, unchanged",
        positive=positive,
        score=score,
        threshold=None,
        parameters={"gap_on_validation": None if np.isnan(done.gap) else done.gap},
        notes=tuple(notes),
        apart=apart_of(names, attributes, set(done.defaulted), f"fewer than {LEAST} validation rows"),
    )


def _base(task: Task) -> dict[str, Any]:
    """The audited model, or the column of its scores, as the file holds it."""
    from audit.evidence import sha256
    from audit.models.files import describe_bytes, read_bytes

    model = task.case.model
    if model.path is None:
        column = ENDPOINT if model.endpoint is not None else model.column
        return {"format": None, "sha256": None, "content": None, "column": column}
    content = read_bytes(model.path)
    return {
        "format": describe_bytes(model.path, content).format,
        "sha256": sha256(content),
        "content": base64.b64encode(content).decode("ascii"),
        "column": None,
    }
