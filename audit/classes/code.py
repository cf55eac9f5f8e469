"""From rows to classes: which classes there are, and each row's label and decision among them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from audit.case import Case
from audit.classes.table import ClassCodes, ClassTable
from audit.cube import MAX_CELLS, CodedRows, Ints, cell_counts
from audit.errors import CaseError, DataError, ModelError
from audit.load.values import coded
from audit.models.loaded import same_class
from audit.numbers import brief, many


def classes_of(case: Case, frame: pd.DataFrame) -> tuple[str, ...]:
    """The classes of a case in the order of their names where there are more than two, else ().

    frame: all rows, not only the measured ones. Those of the label; without a label, those of a column of decisions.
    """
    if case.data.task != "classification":
        return ()
    column = case.data.label
    if column is None and case.model.kind == "decision":
        column = case.model.column
    if column is None or column not in frame.columns:
        return ()
    names = coded(frame[column])[1]
    return tuple(sorted(names)) if len(names) > 2 else ()


def class_table(several: ClassCodes, rows: CodedRows, group: Ints, shape: tuple[int, ...]) -> ClassTable:
    """The counts; group (n,) is the place of each row's group. Raises DataError where they would not fit in memory."""
    size = len(several.names)
    cells = int(np.prod(shape, dtype=np.int64)) * (size + 1) * size
    if cells > MAX_CELLS:
        raise DataError(
            "the sensitive columns have too many combinations for so many classes",
            got=f"{many(cells // ((size + 1) * size), 'group')} and {many(size, 'class')}: {many(cells, 'cell')}",
            expected=f"at most {MAX_CELLS:,} cells",
            todo="put values together with `bins`, name fewer sensitive columns, or merge classes",
        )
    cell = (group * (size + 1) + several.label) * size + several.decided
    n, w, w2 = cell_counts(rows, cell, cells)
    full = (*shape, size + 1, size)
    return ClassTable(several.names, n.reshape(full), w.reshape(full), w2.reshape(full))


def class_labels(case: Case, frame: pd.DataFrame, names: Sequence[str]) -> Ints:
    """Each row's label among `names`; len(names) where it is unknown."""
    if case.data.label is None:
        return np.full(len(frame), len(names), dtype=np.int64)
    return placed(frame[case.data.label], names)


def placed(column: pd.Series, names: Sequence[str]) -> Ints:
    """The place of each value's name; len(names) where it is missing."""
    codes, levels = coded(column)
    place = np.array([*(list(names).index(n) for n in levels), len(names)], dtype=np.int64)
    return place[codes]


def decided_in_column(case: Case, frame: pd.DataFrame, names: tuple[str, ...]) -> ClassCodes:
    """A column of decisions, whose values have been checked."""
    return ClassCodes(names, class_labels(case, frame, names), placed(frame[str(case.model.column)], names))


def decided_among(
    case: Case, frame: pd.DataFrame, names: tuple[str, ...], asked: Sequence[str], decided: Ints
) -> ClassCodes:
    """The class that the model decides for each row.

    asked: the model's classes; decided (n or more,): places among them, of the rows of `frame` first. Classes that the
    model knows and the data do not have are added. Raises ModelError where the model knows none of the label's classes,
    CaseError where the case has a threshold.
    """
    refuse_threshold(case)
    known = [same_class(names, c) for c in asked]
    if not any(k is not None for k in known):
        raise ModelError(
            "the model's classes are none of the label's values",
            got=", ".join(repr(c) for c in asked[:12]),
            expected=" or ".join(repr(n) for n in names[:12]),
            todo="say how they are called in the label: classes = { ... } under [model]",
        )
    called = [c if k is None else names[k] for c, k in zip(asked, known, strict=True)]
    every = tuple(sorted({*names, *called}))
    place = np.array([every.index(c) for c in called], dtype=np.int64)
    return ClassCodes(every, class_labels(case, frame, every), place[decided[: len(frame)]])


def refuse_threshold(case: Case) -> None:
    """With several classes the model itself decides. Raises CaseError where the case names a threshold."""
    if case.model.threshold_given:
        raise CaseError(
            "[model] has a threshold, and the label has more than two values",
            got=f"threshold = {brief(case.model.threshold)}",
            expected="no threshold: the model itself decides the class",
            todo=f"remove `threshold`, or make a label that says {case.data.positive!r} or not",
        )
