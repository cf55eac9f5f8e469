"""Columns as small integers: categories as they are, numbers in bands of equal size. For proxies and for slices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from audit.lazy import pandas as pd
from audit.load.values import coded
from audit.numbers import brief

Ints = npt.NDArray[np.int64]

MISSING = "(missing)"
OTHER = "(other)"


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """The groups of one sensitive attribute: codes (n,) index `levels`."""

    attribute: str
    codes: Ints
    levels: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Levels:
    """One column: codes (n,) index `names`."""

    column: str
    codes: Ints
    names: tuple[str, ...]


def levels_of(column: pd.Series, bands: int = 16, most: int = 30) -> Levels | None:
    """At most `bands` bands of a number or `most` values of a category, rarer ones together; None for one like an id.

    A text column of which more than half of the values are different says who a person is, and nothing of a kind.
    """
    name = str(column.name)
    numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    if numeric or pd.api.types.is_datetime64_any_dtype(column):
        return _bands(name, column, bands, numeric)
    codes, names = coded(column)
    if len(names) > max(most, len(column) / 2):
        return None
    if len(names) > most:
        count = np.bincount(codes[codes >= 0], minlength=len(names))
        kept = np.lexsort((np.arange(len(names)), -count))[: most - 1]
        place = np.full(len(names) + 1, len(kept), dtype=np.int64)
        place[kept] = np.arange(len(kept))
        place[-1] = -1
        codes, names = place[codes], (*(names[k] for k in kept), OTHER)
    return _with_missing(name, codes, names)


def _bands(name: str, column: pd.Series, bands: int, numeric: bool) -> Levels | None:
    values = (column if numeric else column.astype("int64")).to_numpy(dtype=np.float64, na_value=np.nan)
    known = np.isfinite(values)
    ordered = np.sort(values[known]) + 0.0  # -0 and 0 are one number
    if not len(ordered):
        return None
    uniques = ordered[np.append(True, ordered[1:] != ordered[:-1])]
    if len(uniques) <= bands:
        names = tuple(brief(v) for v in uniques)
        codes = np.searchsorted(uniques, values).astype(np.int64)
    else:
        # Quantiles by the inverted distribution function (Hyndman & Fan 1996, their first).
        at = np.ceil(len(ordered) * (np.arange(1, bands) / bands) - 1).astype(np.int64)
        edges = np.unique(ordered[at])
        passed = np.zeros(len(values), dtype=np.int16)
        for edge in edges:  # few: a search for each value takes four times as long
            passed += values >= edge
        codes = passed.astype(np.int64)
        inner = [f"{brief(a)} to <{brief(b)}" for a, b in pairwise(edges)]
        names = (f"<{brief(edges[0])}", *inner, f">={brief(edges[-1])}")
    codes[~known] = -1
    return _with_missing(name, codes, names)


def _with_missing(name: str, codes: Ints, names: Sequence[str]) -> Levels:
    if (codes < 0).any():
        return Levels(name, np.where(codes < 0, len(names), codes), (*names, MISSING))
    return Levels(name, codes, tuple(names))
