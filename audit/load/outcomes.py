"""Can these columns be outcomes, decisions or scores? One refusal for each way they cannot."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.case import Case
from audit.classes.table import MOST_CLASSES
from audit.errors import CaseError, DataError, nearest
from audit.load.toml import write
from audit.load.values import coded, decision_names, listed, numbers_of
from audit.numbers import brief, many
from audit.sentences import ADD_THRESHOLD, NEVER_DECIDED, OUTCOME_COLUMN

Mask = npt.NDArray[np.bool_]
LEAST, MOST = 1e-70, 1e70
"""The largest of some numbers lies between: their fourth powers are then above 0 or finite."""


def label(case: Case, frame: pd.DataFrame) -> None:
    data = case.data
    if data.label is None:
        return
    if data.task == "regression":
        _check_outcomes(frame[data.label], f"the label {data.label!r}")
        return
    names = coded(frame[data.label])[1]
    positive, label = str(data.positive), data.label
    if len(names) > MOST_CLASSES:
        number = pd.api.types.is_numeric_dtype(frame[label]) and len(names) > 10
        cut = f"make a column that says whether {label} is at or above a number you choose, and name it as the label"
        merge = f"put values together in a new column, such as {positive!r} and 'not {positive}', or leave rows out"
        raise DataError(
            f"the label {label!r} has {many(len(names), 'different value')}",
            got=listed(names),
            expected=f"two outcomes, or up to {MOST_CLASSES} classes",
            todo=f'{cut}; or say task = "regression" under [data] where a number is predicted' if number else merge,
        )
    if not names:
        raise _one_outcome(case, frame)
    if len(names) > 1:
        _sides(case, names, f"the label {label!r}")


_YES = frozenset("1 true yes y".split())
_NO = frozenset("0 false no n".split())


def one_spelling(case: Case, frame: pd.DataFrame, people: npt.NDArray[np.int64] | None = None) -> None:
    """Refuse an outcome or a decision that is written in several ways: yes and YES, true and 1. Raises DataError.

    Counted apart, one of them would be taken for the other side.
    """
    if case.data.task == "regression":
        return
    decided = case.model.column if case.model.kind == "decision" else None
    for column in dict.fromkeys(c for c in (case.data.label, decided) if c is not None):
        codes, names = coded(frame[column])
        if len(names) > 2 * MOST_CLASSES:
            continue
        words = {name: " ".join(name.split()).casefold() for name in names}
        if set(words.values()) <= _YES | _NO:
            words = {name: "yes" if word in _YES else "no" for name, word in words.items()}
        spellings: dict[str, list[str]] = {}
        for name in names:
            spellings.setdefault(words[name], []).append(name)
        twice = [same for same in spellings.values() if len(same) > 1]
        if twice:
            each = np.ones(len(codes), dtype=np.int64) if people is None else people
            rows = {n: int(each[codes == i].sum()) for i, n in enumerate(names)}
            raise DataError(
                f"the column {column!r} writes one value in several ways",
                got="; ".join(" and ".join(f"{n!r} in {many(rows[n], 'row')}" for n in same) for same in twice),
                expected="one spelling for each value",
                todo=f"write them alike, for example all as {max(twice[0], key=lambda n: rows[n])!r}",
            )


def two_outcomes(case: Case, frame: pd.DataFrame) -> None:
    """For what learns from outcomes, or judges by them. Raises DataError where every known outcome is the same."""
    if case.data.label is not None and len(coded(frame[case.data.label])[1]) < 2:
        raise _one_outcome(case, frame)


def _one_outcome(case: Case, frame: pd.DataFrame) -> DataError:
    label = str(case.data.label)
    names = coded(frame[label])[1]
    return DataError(
        f"the label {label!r} has {'one value only' if names else 'no values'}",
        got=f"{listed(names)} in {many(frame[label].count(), 'row')}, {frame[label].isna().sum():,} empty",
        expected="two outcomes",
        todo=OUTCOME_COLUMN,
    )


def _check_outcomes(column: pd.Series, where: str) -> None:
    """Refuse an outcome that is no number, and a column of none; an empty one is unknown. Raises DataError."""
    numbers, strange = numbers_of(column)
    if pd.api.types.is_bool_dtype(column):
        strange = len(column)
    endless = int(np.isinf(numbers).sum())
    if strange or endless:
        shown = [v for v, n in zip(column, numbers, strict=True) if not np.isfinite(n) and not pd.isna(v)]
        raise DataError(
            f"{where} has values that are no finite numbers, and the task is a regression",
            got=f"{strange + endless:,} of {many(len(numbers), 'row')}: "
            f"{listed([str(v) for v in dict.fromkeys(shown)])}",
            expected="a number, or nothing, in every row",
            todo='correct them, or remove task = "regression" where the label is a class',
        )
    if np.isnan(numbers).all():
        raise DataError(
            f"{where} has no values",
            got=f"0 of {many(len(numbers), 'row')} with a number",
            expected="numbers",
            todo=OUTCOME_COLUMN,
        )
    extreme(str(column.name), float(np.nanmin(numbers)), float(np.nanmax(numbers)))


def _sides(case: Case, names: Sequence[str], where: str) -> None:
    """`positive` and `favourable` against the values there are. Raises CaseError."""
    positive = str(case.data.positive)
    favourable = str(case.data.favourable or positive)
    other = f"not {positive}"
    for role, value in (("positive", positive), ("favourable", favourable)):
        if value not in names and not (role == "favourable" and len(names) > 2 and value == other):
            raise CaseError(
                f"`{role}` is not a value of {where}",
                got=repr(value),
                expected=" or ".join(repr(n) for n in names[:12]) + (" ..." if len(names) > 12 else ""),
                todo=f"write it exactly as in the table; {nearest(value, names)}",
            )
    if len(names) > 2 and favourable not in (positive, other):
        raise CaseError(
            f"{where} has {many(len(names), 'value')}, and `favourable` is neither `positive` nor the rest together",
            got=f"positive = {positive!r}, favourable = {favourable!r}",
            expected=f"favourable = {positive!r} or {other!r}",
            todo=f"name {favourable!r} as `positive` where that is the good decision, or write favourable = {other!r}",
        )


def decision(case: Case, frame: pd.DataFrame, audit: Mask) -> None:
    name = str(case.model.column)
    codes, names = coded(frame.loc[audit, name])
    if (codes < 0).any():
        first = int(frame.index[audit][np.flatnonzero(codes < 0)[0]]) + 1
        raise DataError(
            f"the decision column {name!r} has empty values",
            got=f"{int((codes < 0).sum()):,} of {many(len(codes), 'measured row')} without a decision; the first "
            f"is row {first:,}",
            expected="a decision in every row",
            todo=NEVER_DECIDED,
        )
    if len(names) > MOST_CLASSES:
        raise DataError(
            f"the decision column {name!r} has {many(len(names), 'different value')}",
            got=listed(names),
            expected=f"two decisions, or up to {MOST_CLASSES} classes",
            todo=f"put values together in a new column; if they are scores, say score = {write(name)} under [model] in "
            "place of `decision`, with a `threshold`",
        )
    if case.data.label is not None:
        allowed = decision_names(coded(frame[case.data.label])[1], names, case.data.positive, case.data.favourable)
        strange = [n for n in names if n not in allowed]
        if strange:
            raise DataError(
                f"the decision column {name!r} has values that the label {case.data.label!r} does not have",
                got=f"{listed(strange)} in {_count(codes, names, strange):,} of {many(len(codes), 'measured row')}",
                expected=" or ".join(repr(n) for n in allowed),
                todo="say which decision goes with which outcome; add for example this line under [model]: "
                + classes_line(case, names, allowed),
            )
        return
    if len(names) > 1:
        _sides(case, names, f"the decision column {name!r}")


def classes_line(case: Case, decided: Sequence[str], outcomes: Sequence[str]) -> str:
    """The line that says which decision goes with which outcome: good with good, where that is plain."""
    from audit.load.sign import sign_of

    good = str(case.data.favourable or case.data.positive)
    rest = [o for o in outcomes if o != good] or [good]
    sign = sign_of(str(case.model.column), decided) if len(decided) == 2 else None
    best = sign.favourable if sign is not None else None
    if sign is not None and best is None:
        best = sign.positive
    first = best if best in decided else decided[0]
    pairs = {first: good} | {d: rest[min(i, len(rest) - 1)] for i, d in enumerate(d for d in decided if d != first)}
    return f"classes = {write(pairs)}"


def _count(codes: npt.NDArray[np.int64], names: Sequence[str], some: Sequence[str]) -> int:
    return int(np.isin(codes, [i for i, n in enumerate(names) if n in some]).sum())


def extreme(name: str, low: float, high: float) -> None:
    """Raises DataError where squares of these numbers cannot be told from 0 or are infinite."""
    largest = max(abs(low), abs(high))
    if largest and not LEAST < largest < MOST:
        raise DataError(
            f"the column {name!r} has numbers too {'small' if largest < 1 else 'large'} to compute with",
            got=f"from {brief(low)} to {brief(high)}",
            expected=f"a largest one between {brief(LEAST)} and {brief(MOST)}",
            todo="multiply or divide all of them by one number",
        )


def score(case: Case, column: pd.Series) -> None:
    name = str(column.name)
    numbers, strange = numbers_of(column)
    bad = ~np.isfinite(numbers)
    if bad.any():
        places = ", ".join(str(int(column.index[i]) + 1) for i in np.flatnonzero(bad)[:5])
        raise DataError(
            f"the score column {name!r} has values that are no finite numbers",
            got=f"{int(bad.sum()):,} of {many(len(numbers), 'measured row')}, {strange:,} of them text; rows {places}",
            expected="a finite number in every row",
            todo="fill them in, or leave out the rows that were never scored",
        )
    if len(numbers):
        extreme(name, float(numbers.min()), float(numbers.max()))
    outside = (numbers < 0) | (numbers > 1)
    if outside.any() and not case.model.threshold_given and case.data.task == "classification":
        raise DataError(
            f"the score column {name!r} has scores outside 0 to 1 and the case gives no threshold",
            got=f"{int(outside.sum()):,} of {many(len(numbers), 'row')}, from {brief(numbers.min())} to "
            f"{brief(numbers.max())}",
            expected="probabilities from 0 to 1, or a threshold",
            todo=ADD_THRESHOLD,
        )
