"""What a method learns from: the rows of a case as numbers, and which of them are for what."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from audit.case import Case
from audit.classes.served import refuse_regression, threshold_note
from audit.code import code_clusters, code_label, group_codes
from audit.cube import POSITIVE, UNLABELLED, Floats, Ints, Meaning
from audit.errors import CaseError, DataError
from audit.findings import name_of
from audit.numbers import are, many
from audit.suppress import FLOOR
from debias.learner import empty_columns
from debias.splits import Splits, share_of, split_rows

if TYPE_CHECKING:
    from audit.load import Rows


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """Rows of the whole table. label (n,) is 0, 1 or 2 (unknown); codes (n, A) and levels name the groups.

    joint (n,) numbers the groups of all sensitive columns together, groups[j] their names. weight (n,) or None. trial:
    one of many candidates of a search, so that a model of Assay's own making is asked in this process.
    """

    case: Case
    frame: pd.DataFrame
    features: tuple[str, ...]
    label: Ints
    codes: Ints
    levels: tuple[tuple[str, ...], ...]
    joint: Ints
    groups: tuple[tuple[str, ...], ...]
    weight: Floats | None
    meaning: Meaning
    splits: Splits
    sha256: str
    notes: tuple[str, ...]
    trial: bool = False

    def part(self, rows: Ints) -> pd.DataFrame:
        """The features of these rows."""
        return self.frame[list(self.features)].iloc[rows]

    def weight_of(self, rows: Ints) -> Floats | None:
        """The survey weights of these rows, or None."""
        return None if self.weight is None else self.weight[rows]


def halved(task: Task, seed: int) -> tuple[Task, Ints]:
    """The task with one half of its validation rows, evenly of every group and outcome, and the other half's rows.

    A method chooses on the first half (how many trees, which thresholds); a search judges it on the second.
    """
    rows = task.splits.validation
    half = share_of(rows, task.joint * 3 + task.label, 0.5, seed + 2)
    if min(len(half), len(rows) - len(half)) < 10:
        raise DataError(
            "there are too few rows to choose on",
            got=many(len(rows), "validation row"),
            expected="at least 20: a half for the methods, a half to judge them",
            todo="bring more rows, or check `split` and `train` in the case file",
        )
    return replace(task, splits=replace(task.splits, validation=half)), np.setdiff1d(rows, half)


def _one_sided(label: Ints, codes: Ints, levels: tuple[tuple[str, ...], ...], meaning: Meaning) -> list[str]:
    """A note on the groups whose training rows all have one outcome: a gap among people with the other is not held.

    Groups under the floor are not named: the outcome of each of so few people would be told.
    """
    notes = []
    for outcome, name in ((0, meaning.negative), (1, meaning.positive)):
        groups = []
        for axis, names in enumerate(levels):
            people = np.bincount(codes[:, axis], minlength=len(names))
            same = np.bincount(codes[label == outcome, axis], minlength=len(names))
            groups += [
                f"{names[g]} ({many(people[g], 'row')})" for g in np.flatnonzero((people >= FLOOR) & (people == same))
            ]
        if groups:
            shown = ", ".join(groups[:8]) + (" and others" if len(groups) > 8 else "")
            notes.append(
                f"Every training row is {name!r} in {shown}: nothing was learned there about people with the other "
                "outcome, and no gap among them was held."
            )
    return notes


def task_of(case: Case, rows: Rows, seed: int) -> Task:
    """Roles, groups and splits of a loaded case. Raises CaseError without labels or groups, DataError on bad rows."""
    data = case.data
    refuse_regression(case, "mitigated: every method moves decisions")
    if data.label is None:
        raise CaseError(
            "there is no outcome column to learn from",
            got="a case without `label`",
            expected="the column with the true outcome",
            todo="name it as `label` in the case file; without outcomes decisions can be audited but not mitigated",
        )
    if not data.sensitive:
        raise CaseError(
            "there is no sensitive column",
            expected="at least one column in `sensitive`",
            todo="name the columns whose groups are to be compared",
        )
    frame = rows.frame
    label, meaning = code_label(case, frame)
    coded = [group_codes(frame[a], data.bins.get(a)) for a in data.sensitive]
    codes = np.column_stack([c for c, _ in coded]).astype(np.int64)
    levels = tuple(names for _, names in coded)
    unique_codes, joint = np.unique(codes, axis=0, return_inverse=True)
    joint = joint.reshape(-1).astype(np.int64)
    groups = tuple(tuple(levels[a][c] for a, c in enumerate(code)) for code in unique_codes.tolist())
    splits = split_rows(
        rows.train, rows.audit, joint * 3 + label, label != UNLABELLED, seed, code_clusters(case, frame)
    )
    notes = [*rows.notes, *threshold_note(case, frame)]
    fit = splits.train
    if len(np.unique(label[fit])) < 2:
        only = meaning.positive if (label[fit] == POSITIVE).all() else meaning.negative
        raise DataError(
            "the training rows have one outcome only",
            got=f"{many(len(fit), 'row')}, all {only!r}",
            expected="rows of both outcomes to learn from",
            todo="check `label`, `positive` and the split",
        )
    if empty := [f for f in empty_columns(frame.iloc[fit]) if f in rows.features]:
        shown = ", ".join(repr(f) for f in empty[:8])
        notes.append(f"No row to learn from has a value of {shown}: Assay's own learner leaves that out.")
    if splits.own:
        notes.append(
            "The case has no split: rows were divided by seed into those to learn from, to choose on and to report on. "
            "The original model may have learned from rows that are reported on, which flatters it."
        )
    unlabelled = int((label == UNLABELLED).sum())
    if unlabelled:
        notes.append(
            f"{many(unlabelled, 'row')} {are(unlabelled, 'has', 'have')} no known outcome; nothing was "
            f"learned from {are(unlabelled, 'it', 'them')}."
        )
    absent = [g for j, g in enumerate(groups) if (joint[splits.test] == j).any() and not (joint[fit] == j).any()]
    if absent:
        shown = ", ".join(name_of(g) for g in absent[:8]) + (" and others" if len(absent) > 8 else "")
        notes.append(f"Not in the training rows, so that nothing was learned about them: {shown}.")
    notes += _one_sided(label[fit], codes[fit], levels, meaning)
    both = sorted(set(data.sensitive) & set(rows.features))
    if both:
        notes.append(
            f"The model reads the sensitive column{'s' if len(both) > 1 else ''} {', '.join(both)} as a feature, "
            "before and after; name them in `exclude` to leave them out."
        )
    weight = None if data.weight is None else frame[data.weight].to_numpy(dtype=np.float64)
    return Task(
        case=case,
        frame=frame,
        features=tuple(rows.features),
        label=label,
        codes=codes,
        levels=levels,
        joint=joint,
        groups=groups,
        weight=weight,
        meaning=meaning,
        splits=splits,
        sha256=rows.sha256,
        notes=tuple(notes),
    )
