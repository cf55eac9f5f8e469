"""Rows as small integers: groups, label, decision. The only step between a table and the cube."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.case import Case
from audit.classes.code import class_table
from audit.classes.table import ClassCodes
from audit.cube import UNLABELLED, CodedRows, Floats, Ints, Meaning, order_levels
from audit.errors import DataError, nearest
from audit.load.values import band, coded, decision_names, names_of
from audit.numbers import many
from audit.values import UNKNOWN


@dataclass(frozen=True, slots=True, eq=False)
class Decisions:
    """One decision a row: positive (n,) in 0, 1; score (n,) of the positive value, or None where there is none.

    classes: where the label has several values, the label and the decision of each row among all of them.
    """

    positive: Ints
    score: Floats | None
    source: str
    classes: ClassCodes | None = None


def code_rows(case: Case, frame: pd.DataFrame, decisions: Decisions) -> CodedRows:
    """Code `frame`, whose rows are those of `decisions`. Raises DataError where a role's values cannot be used."""
    codes, levels = [], []
    for attribute in case.data.sensitive:
        column, names = group_codes(frame[attribute], case.data.bins.get(attribute))
        codes.append(column)
        levels.append(names)
    label, meaning = code_label(case, frame)
    several = decisions.classes
    if several is not None:
        meaning = replace(meaning, negative=f"not {meaning.positive}")
    weight = None
    if case.data.weight is not None:
        weight = frame[case.data.weight].to_numpy(dtype=np.float64)
    return CodedRows(
        attributes=case.data.sensitive,
        levels=tuple(levels),
        codes=np.column_stack(codes) if codes else np.zeros((len(frame), 0), dtype=np.int64),
        label=label,
        decision=decisions.positive.astype(np.int64),
        weight=weight,
        score=decisions.score,
        meaning=meaning,
        beside=None if several is None else partial(class_table, several),
        cluster=code_clusters(case, frame),
    )


def code_clusters(case: Case, frame: pd.DataFrame) -> Ints | None:
    """Which person each row is about, from 0; None where the case does not say. Raises DataError on empty values."""
    column = case.data.cluster
    if column is None:
        return None
    codes = pd.factorize(frame[column], use_na_sentinel=True)[0].astype(np.int64)
    if (codes < 0).any():
        raise of_nobody(column, int((codes < 0).sum()), len(codes))
    return codes


def of_nobody(column: str, rows: int, of: int) -> DataError:
    """Of rows whose person is not said."""
    return DataError(
        f"the cluster column {column!r} has empty values",
        got=f"{rows:,} of {many(of, 'row')} of nobody known",
        expected="a person (household, document) in every row",
        todo="fill them in, or leave out `cluster` where each row is a person",
    )


def group_codes(column: pd.Series, edges: Sequence[float] | None = None) -> tuple[Ints, tuple[str, ...]]:
    """The index of each row's group and the groups' names, in order, the unknown group last."""
    if edges:
        codes, names = band(column, edges)
    else:
        codes, uniques = pd.factorize(column, use_na_sentinel=True)
        names = names_of(uniques)
        merged = sorted(set(names))
        if len(merged) < len(names):
            # 1 and 1.0 are one name
            place = np.array([merged.index(n) for n in names])
            codes, names = np.where(codes < 0, -1, place[codes]), tuple(merged)
    known = set(names)
    missing = codes < 0
    levels = order_levels(known | ({UNKNOWN} if missing.any() else set()))
    place = np.array([levels.index(n) for n in names] + [len(levels) - 1], dtype=np.int64)
    return place[codes], levels


def code_label(case: Case, frame: pd.DataFrame) -> tuple[Ints, Meaning]:
    """Labels as 0 (negative), 1 (positive), 2 (unknown), and what the two sides are called."""
    data = case.data
    if data.label is None:
        positive = data.positive or "positive"
        return np.full(len(frame), UNLABELLED, dtype=np.int64), Meaning(
            positive, f"not {positive}", data.favourable or positive, labelled=False
        )
    codes, uniques = pd.factorize(frame[data.label], use_na_sentinel=True)
    names = names_of(uniques)
    positive = str(data.positive)
    others = [n for n in names if n != positive]
    if not others:
        # One outcome only: the other side has the name that the case or the decisions give it.
        favourable = [data.favourable] if data.favourable not in (None, positive) else []
        others = favourable or [n for n in _decided(case, frame) if n != positive]
    negative = others[0] if len(others) == 1 else f"not {positive}"
    table = np.array([1 if n == positive else 0 for n in names] + [UNLABELLED], dtype=np.int64)
    return table[codes], Meaning(positive, negative, data.favourable or positive)


def _decided(case: Case, frame: pd.DataFrame) -> tuple[str, ...]:
    if case.model.kind != "decision" or case.model.column not in frame.columns:
        return ()
    return coded(frame[case.model.column])[1]


def code_decisions(case: Case, frame: pd.DataFrame) -> Ints:
    """A column of decisions as 0 and 1. Raises DataError on a missing decision or one that is no label value."""
    column = str(case.model.column)
    codes, uniques = pd.factorize(frame[column], use_na_sentinel=True)
    names = names_of(uniques)
    if (codes < 0).any():
        raise DataError(
            f"the decision column {column!r} has empty values",
            got=f"{int((codes < 0).sum())} of {many(len(codes), 'row')} without a decision",
            expected="a decision in every row",
            todo="fill them in, or remove the rows that were never decided",
        )
    positive = str(case.data.positive)
    allowed = {positive}
    if case.data.label is not None:
        labels = coded(frame[case.data.label])[1]
        allowed |= set(decision_names(labels, names, case.data.positive, case.data.favourable))
    strange = [n for n in names if n not in allowed]
    if case.data.label is not None and strange:
        raise DataError(
            f"the decision column {column!r} has values that the label {case.data.label!r} does not have",
            got=", ".join(repr(n) for n in strange[:5]),
            expected=" or ".join(repr(n) for n in sorted(allowed)),
            todo=f"write the decisions in the label's own words; {nearest(strange[0], allowed)}",
        )
    if positive not in names and len(names) > 1 and case.data.label is None:
        raise DataError(
            f"the positive value {positive!r} is not among the decisions in {column!r}",
            got=", ".join(repr(n) for n in names[:5]),
            expected=f"{positive!r} among them",
            todo=nearest(positive, names),
        )
    table = np.array([1 if n == positive else 0 for n in names], dtype=np.int64)
    return table[codes]


def groups_per_row(case: Case, frame: pd.DataFrame) -> Mapping[str, npt.NDArray[np.str_]]:
    """The name of each row's group, per sensitive attribute: for rooms that work on rows."""
    out = {}
    for attribute in case.data.sensitive:
        codes, levels = group_codes(frame[attribute], case.data.bins.get(attribute))
        out[attribute] = np.array(levels)[codes]
    return out
