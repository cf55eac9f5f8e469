"""A person's values changed by hand, and the model asked again: does the decision turn?

What-If Tool (Wexler et al., 2020) does the same. It says what this model answers to these values, and nothing of why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from audit.case import Case
from audit.classes.code import classes_of
from audit.code import code_label
from audit.decide import decide
from audit.errors import InputError
from audit.load.rows import Rows


@dataclass(frozen=True, slots=True)
class Turned:
    """decision: what is decided, in the label's words, before and after. favourable: whether it is the good one for the
    person. score: of the positive value, None where the model gives none. changed: column -> its values as asked."""

    decision: tuple[str, str]
    favourable: tuple[bool, bool]
    score: tuple[float | None, float | None]
    changed: Mapping[str, tuple[Any, Any]]

    @property
    def turns(self) -> bool:
        return self.decision[0] != self.decision[1]


def ask_again(case: Case, rows: Rows, row: int, values: Mapping[str, Any], *, allow: Sequence[str] = ()) -> Turned:
    """Ask the case's model about audited row `row` (from 0) as it is, and with `values` in place of its own.

    Raises InputError for a row, column or value that cannot be, and what `decide` raises.
    """
    frame = rows.frame[rows.audit].reset_index(drop=True)
    if not 0 <= row < len(frame):
        raise InputError(
            "there is no such row", got=str(row), expected=f"0 to {len(frame) - 1:,}", todo="choose one of these"
        )
    if unseen := sorted(set(values) - set(rows.features)):
        raise InputError(
            "the model does not see this column", got=", ".join(unseen), expected="a column that it reads",
            todo="change another: what the model does not see cannot turn its decision",
        )  # fmt: skip
    asked = frame.iloc[[row, row]].reset_index(drop=True)
    changed = {}
    for column, value in values.items():
        before = asked.at[0, column]
        asked[column] = _with(asked[column], value, column)
        changed[column] = (before, asked.at[1, column])
    classes = classes_of(case, rows.frame)
    decisions, _ = decide(case, frame, rows.features, allow=allow, classes=classes, only=asked)
    meaning = code_label(case, frame)[1]
    if decisions.classes is not None:
        words = [decisions.classes.names[decisions.classes.decided[n]] for n in (0, 1)]
        good = [w == case.data.favourable for w in words]
    else:
        words = [meaning.positive if decisions.positive[n] else meaning.negative for n in (0, 1)]
        good = [w == meaning.favourable for w in words]
    score = [None if decisions.score is None else float(decisions.score[n]) for n in (0, 1)]
    return Turned((words[0], words[1]), (good[0], good[1]), (score[0], score[1]), changed)


def _with(column: pd.Series, value: Any, name: str) -> pd.Series:
    """The two values of a column, the second replaced, in the column's own type."""
    if pd.api.types.is_bool_dtype(column):
        second: Any = value if isinstance(value, bool) else str(value).lower() in ("true", "1", "yes")
    elif pd.api.types.is_numeric_dtype(column):
        try:
            second = float(value)
        except (TypeError, ValueError):
            raise InputError(
                f"{name} is a number", got=repr(value)[:60], expected="a number", todo="write one"
            ) from None
        if pd.api.types.is_integer_dtype(column) and not float(second).is_integer():
            column = column.astype(np.float64)
    else:
        second = str(value)
    if isinstance(column.dtype, pd.CategoricalDtype) and second not in column.cat.categories:
        column = column.cat.add_categories([second])
    out = pd.Series([column.iloc[0], second], name=column.name)
    return out.astype(column.dtype)
