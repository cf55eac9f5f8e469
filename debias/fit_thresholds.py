"""A candidate by group thresholds: the audited model's scores, and a threshold for each group."""

from __future__ import annotations

import numpy as np

from audit.errors import InputError
from audit.files import canonical
from debias.candidate import Candidate, Original, joint_of
from debias.methods import Method
from debias.methods.thresholds import LEAST, group_thresholds
from debias.task import Task

FILE = "mitigated.json"
SCHEMA = "assay/group-thresholds/1"


def by_thresholds(
    task: Task, original: Original, method: Method, constraint: str, tolerance: float, attributes: tuple[str, ...]
) -> Candidate:
    """Thresholds over the joint groups of `attributes`, chosen on validation rows. Raises InputError without scores."""
    if original.score is None or original.threshold is None:
        raise InputError(
            "group thresholds need scores",
            got="decisions only",
            expected="a model, or a column of scores",
            todo="name a `score` column in the case file, or choose another method",
        )
    joint, names = joint_of(task, attributes)
    choose = task.splits.validation
    label = task.label[choose]
    among = np.ones(len(choose), dtype=bool)
    if constraint == "equal_opportunity":
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
        f"decided by the original threshold, {original.threshold:g}."
    ]
    if done.defaulted:
        shown = ", ".join(" / ".join(names[g]) for g in done.defaulted[:8])
        notes.append(f"Fewer than {LEAST} validation rows, so left with the original threshold: {shown}.")
    if not done.met:
        notes.append(
            f"The tolerance of {tolerance:g} was not reached on validation: the smallest gap was {done.gap:.3f}."
        )
    rows = np.concatenate([choose, task.splits.test])
    positive = np.full(len(task.frame), -1, dtype=np.int64)
    positive[rows] = done.decide(original.score[rows], joint[rows])
    document = {
        "schema": SCHEMA,
        "notice": method.notice,
        "model": original.facts,
        "attributes": list(attributes),
        "default": original.threshold,
        "thresholds": [
            {"group": list(name), "threshold": float(t)} for name, t in zip(names, done.threshold, strict=True)
        ],
    }
    return Candidate(
        method,
        FILE,
        "group-thresholds",
        canonical(document),
        "the audited model, unchanged",
        positive=positive,
        score=original.score,
        threshold=None,
        parameters={"gap_on_validation": None if np.isnan(done.gap) else done.gap},
        notes=tuple(notes),
    )
