"""Attributes made of 0/1 columns: is_black, is_hispanic and is_asian together say one thing of a person."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import numpy as np
import pandas as pd

from audit.case import Case, DataSpec
from audit.errors import DataError
from audit.load.grounds import LEADING
from audit.load.sign import normalize_text
from audit.load.values import coded, with_columns
from audit.numbers import are, many

NONE, SEVERAL = "none of these", "several of these"
_SIDES = {"0": 0, "1": 1, "False": 0, "True": 1, "false": 0, "true": 1}


def file_columns(data: DataSpec, sensitive: Iterable[str]) -> tuple[str, ...]:
    """The columns of the file that these sensitive attributes are read from."""
    out: list[str] = []
    for name in sensitive:
        out += data.indicators.get(name, (name,))
    return tuple(dict.fromkeys(out))


def named_columns(case: Case, features: Collection[str]) -> frozenset[str]:
    """The columns whose values are names of groups or of people, so that 007 and 7 are two.

    Not those that become bands, nor those that a model which is asked sees: it learned from numbers.
    """
    data = case.data
    names = {n for n in data.sensitive if n not in data.bins and n not in data.indicators}
    names |= {n for n in (data.id, data.cluster) if n is not None}
    return frozenset(names.difference(features) if case.model.is_asked else names)


def with_indicators(data: DataSpec, frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The frame with a column for each attribute of `indicators`, and notes.

    A person's group is the one column that says 1; "none of these" where all say 0, "several of these" where more than
    one says 1, unknown where one is missing and none says 1. Raises DataError for other values than 0 and 1.
    """
    notes: list[str] = []
    for name, columns in data.indicators.items():
        if any(c not in frame.columns for c in columns):
            continue
        sides = np.stack([_side(frame[c], name) for c in columns], axis=1)
        total = (sides == 1).sum(axis=1)
        groups = np.array([*names_of(columns), NONE, SEVERAL], dtype=object)
        place = np.where(total == 1, (sides == 1).argmax(axis=1), np.where(total == 0, len(columns), len(columns) + 1))
        values = pd.Series(groups[place], index=frame.index, dtype="str")
        values = values.mask((total == 0) & (sides < 0).any(axis=1))
        frame = with_columns(frame, {name: values})
        several = int((total > 1).sum())
        if several:
            notes.append(
                f"{many(several, 'row')} {are(several, 'says', 'say')} 1 in more than one of {', '.join(columns)}; "
                f"{are(several, 'it is a group of its own', 'they are a group of their own')}."
            )
    return frame, notes


def names_of(columns: Sequence[str]) -> list[str]:
    """What each column's group is called: is_black is "black"; the column's own name where two would be alike."""
    short = [" ".join(w for w in normalize_text(c).split() if w not in LEADING) or c for c in columns]
    return short if len(set(short)) == len(short) else list(columns)


def _side(column: pd.Series, attribute: str) -> np.ndarray:
    codes, names = coded(column)
    strange = [n for n in names if n not in _SIDES]
    if strange:
        raise DataError(
            f"the column {str(column.name)!r}, an indicator of {attribute!r}, has values other than 0 and 1",
            got=", ".join(repr(n) for n in strange[:5]),
            expected="0 or 1 (or true or false) in every row",
            todo="correct them, or take it out of `indicators`",
        )
    return np.array([*(_SIDES[n] for n in names), -1])[codes]
