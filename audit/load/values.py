"""The names of values, and fixed bands of numbers. One name for one value: 2, 2.0 and "2" are all "2"."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from audit.errors import DataError
from audit.lazy import pandas as pd
from audit.numbers import many

Ints = npt.NDArray[np.int64]


def name_of(value: Any) -> str:
    """The name of one value that is not missing: 2.0 is "2", True is "True", midnight is a date."""
    if isinstance(value, str):
        return value
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value))
    if isinstance(value, (float, np.floating)) and np.isfinite(value) and float(value).is_integer():
        return str(int(value))
    if isinstance(value, pd.Timestamp):
        whole_day = value == value.normalize() and value.tzinfo is None
        return value.strftime("%Y-%m-%d") if whole_day else value.isoformat()
    return str(value)


def with_columns(frame: pd.DataFrame, columns: Mapping[str, Any]) -> pd.DataFrame:
    """The frame with these columns set, by name. `DataFrame.assign(**columns)` fails on one called `self`."""
    out = frame.copy(deep=False)
    for name, values in columns.items():
        out[name] = values
    return out


def names_of(values: Iterable[Any]) -> tuple[str, ...]:
    """The name of each value, in the order given."""
    return tuple(name_of(v) for v in values)


def coded(column: pd.Series) -> tuple[Ints, tuple[str, ...]]:
    """The index of each row's name, -1 where missing, and the names, each once, in order of appearance."""
    codes, uniques = pd.factorize(column, use_na_sentinel=True)
    names = names_of(uniques)
    once = tuple(dict.fromkeys(names))
    if len(once) < len(names):
        at = {name: i for i, name in enumerate(once)}
        place = np.array([*(at[n] for n in names), -1], dtype=np.int64)
        return place[codes], once
    return codes.astype(np.int64), names


def decision_names(
    labels: Sequence[str], decided: Sequence[str], positive: str | None, favourable: str | None
) -> tuple[str, ...]:
    """What a decision may be called: as the label's values. Where every outcome is the same, two words in all."""
    known = dict.fromkeys(labels)
    if len(known) < 2:
        known |= dict.fromkeys(str(v) for v in (positive, favourable) if v is not None)
    if len(known) == 1:
        known |= dict.fromkeys([n for n in decided if n not in known][:1])
    return tuple(known)


def band_names(edges: Sequence[float]) -> tuple[str, ...]:
    """The names of the bands between left-closed edges; they follow from the edges alone, never from the data.

    (25, 40, 60) gives "<25", "25-39", "40-59", ">=60"; edges that are not whole give "0.5 to <1.5".
    """
    low, high = _shortest_repr(edges[0]), _shortest_repr(edges[-1])
    whole = all(float(e).is_integer() for e in edges)
    middle = []
    for left, right in pairwise(edges):
        if not whole or left < 0:
            middle.append(f"{_shortest_repr(left)} to <{_shortest_repr(right)}")
        elif right - left == 1:
            middle.append(_shortest_repr(left))
        else:
            middle.append(f"{_shortest_repr(left)}-{_shortest_repr(right - 1)}")
    return (f"<{low}", *middle, f">={high}")


def _shortest_repr(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def band(column: pd.Series, edges: Sequence[float]) -> tuple[Ints, tuple[str, ...]]:
    """The band of each row, -1 where missing, and the names of all bands, also of empty ones.

    Raises DataError where a value is text that is no number.
    """
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    missing = np.isnan(numbers)
    strange = missing & column.notna().to_numpy()
    if strange.any():
        texts = sorted({name_of(v) for v in column[strange].head(1000)})
        raise DataError(
            f"the column {str(column.name)!r} has bins but also values that are not numbers",
            got=f"{int(strange.sum())} of {many(len(numbers), 'row')}, such as {', '.join(repr(v) for v in texts[:5])}",
            expected="a number or nothing in every row",
            todo=f"correct these values, or take {str(column.name)!r} out of `bins`",
        )
    codes = np.searchsorted(np.asarray(edges, dtype=np.float64), numbers, side="right").astype(np.int64)
    codes[missing] = -1
    return codes, band_names(edges)


def listed(names: Sequence[str], most: int = 5) -> str:
    """'a', 'b' and 3 more."""
    shown = ", ".join(repr(n) for n in names[:most])
    return (shown + (f" and {len(names) - most:,} more" if len(names) > most else "")) or "no value at all"


def numbers_of(column: pd.Series) -> tuple[npt.NDArray[np.float64], int]:
    """The column as floats, NaN where there is no number, and how many texts are no numbers."""
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    return numbers, int((np.isnan(numbers) & column.notna().to_numpy()).sum())
