"""What the kinds of check compute of a table in memory; kinds.py says which is which.

A function of rows gives which rows are looked at and which of them fail; a function of a figure gives one value.
Missing values fail `missing_at_most` alone; the others look at the rows that have a value, as Great Expectations does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.contract.records import Parameters
from audit.load.values import coded, name_of

Mask = npt.NDArray[np.bool_]
Rows = tuple[Mask, Mask]
"""Which rows are looked at, and which of them fail; (n,) each."""


class Cannot(Exception):
    """The check cannot be made on this table; the text says why."""


class CodedTable:
    """A frame whose columns are coded once, however many checks ask.

    counts (n,): how many rows of a large file each row of `frame` stands for (one, where it is None); then the rows are
    in no order.
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        names: Sequence[str] | None = None,
        counts: npt.NDArray[np.int64] | None = None,
    ) -> None:
        self.frame, self.counts = frame, counts
        self.names = [str(c) for c in (frame.columns if names is None else names)]
        self._coded: dict[str, tuple[npt.NDArray[np.int64], tuple[str, ...]]] = {}
        self._numbers: dict[str, npt.NDArray[np.float64]] = {}

    def __len__(self) -> int:
        return len(self.frame) if self.counts is None else int(self.counts.sum())

    @property
    def every(self) -> Mask:
        return np.ones(len(self.frame), dtype=bool)

    def count(self, rows: Mask) -> int:
        """How many rows of the file these are."""
        return int(rows.sum()) if self.counts is None else int(self.counts[rows].sum())

    def series(self, column: str) -> pd.Series:
        if column not in self.frame.columns:
            raise Cannot(f"the column {column!r} is missing")
        return self.frame[column]

    def known(self, column: str) -> Mask:
        return np.asarray(self.series(column).notna().to_numpy(dtype=bool))

    def coded(self, column: str) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
        if column not in self._coded:
            self._coded[column] = coded(self.series(column))
        return self._coded[column]

    def numbers(self, column: str) -> npt.NDArray[np.float64]:
        """Values as numbers, dates as days since 1970; NaN where there is none."""
        if column not in self._numbers:
            series = self.series(column)
            if pd.api.types.is_datetime64_any_dtype(series):
                days = pd.to_datetime(series, utc=True).astype("int64").to_numpy(dtype=np.float64) / 86_400e9
                if series.dt.unit != "ns":
                    days = (
                        pd.to_datetime(series, utc=True).dt.as_unit("ns").astype("int64").to_numpy(dtype=np.float64)
                        / 86_400e9
                    )
                self._numbers[column] = np.where(series.isna().to_numpy(), np.nan, days)
            else:
                values = pd.to_numeric(series, errors="coerce")
                self._numbers[column] = values.to_numpy(dtype=np.float64, na_value=np.nan)
        return self._numbers[column]

    def by_value(self, column: str, good: Callable[[Sequence[str]], Sequence[bool]]) -> Rows:
        """A question about each different value once."""
        codes, names = self.coded(column)
        bad = ~np.array([*good(names), True], dtype=bool)
        return codes >= 0, bad[codes] & (codes >= 0)


def limits(parameters: Parameters) -> tuple[float, float]:
    """The least and the most that are allowed; a date is days since 1970."""

    def number(value: Any, other: float) -> float:
        if value is None:
            return other
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
        try:
            return float(value)
        except (TypeError, ValueError):
            at = pd.Timestamp(str(value))
            at = at.tz_localize("UTC") if at.tzinfo is None else at
            return float(at.value) / 86_400e9

    return number(parameters.min, -math.inf), number(parameters.max, math.inf)


def within(value: Any, parameters: Parameters) -> Mask:
    """Whether numbers lie between the limits, which count as inside unless they are said to be strict."""
    low, high = limits(parameters)
    value = np.asarray(value, dtype=np.float64)
    over = value > low if parameters.strict_min else value >= low
    under = value < high if parameters.strict_max else value <= high
    return np.asarray(over & under)


def missing(t: CodedTable, columns: Sequence[str], parameters: Parameters) -> Rows:
    return t.every, ~t.known(columns[0])


def empty(t: CodedTable, columns: Sequence[str], parameters: Parameters) -> Rows:
    return t.every, t.known(columns[0])


def among(t: CodedTable, columns: Sequence[str], parameters: Parameters) -> Rows:
    allowed = {name_of(v) for v in parameters.values}
    return t.by_value(columns[0], lambda names: [n in allowed for n in names])


def not_among(t: CodedTable, columns: Sequence[str], parameters: Parameters) -> Rows:
    never = {name_of(v) for v in parameters.values}
    return t.by_value(columns[0], lambda names: [n not in never for n in names])


def between(t: CodedTable, columns: Sequence[str], parameters: Parameters) -> Rows:
    known = t.known(columns[0])
    # A text that is no number is not between two numbers.
    return known, known & ~within(t.numbers(columns[0]), parameters)


def length(t: CodedTable, columns: Sequence[str], parameters: Parameters) -> Rows:
    return t.by_value(columns[0], lambda names: within([len(n) for n in names], parameters).tolist() if names else [])


def matches(t: CodedTable, columns: Sequence[str], parameters: Parameters) -> Rows:
    return t.by_value(columns[0], lambda names: _regex(names, parameters.pattern))


def not_matches(t: CodedTable, columns: Sequence[str], parameters: Parameters) -> Rows:
    return t.by_value(columns[0], lambda names: [not m for m in _regex(names, parameters.pattern)])


def _regex(names: Sequence[str], pattern: str) -> list[bool]:
    """RE2, whose time grows with the text alone: a pattern from a file cannot hang the check."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not names:
        return []
    try:
        mask = pc.match_substring_regex(pa.array(list(names), type=pa.string()), pattern=f"^(?:{pattern})")
    except pa.ArrowInvalid as error:
        raise Cannot(f"the pattern is not one that RE2 knows ({str(error)[:120]})") from error
    return [bool(v) for v in mask.to_pylist()]


def unique(t: CodedTable, columns: Sequence[str], parameters: Parameters) -> Rows:
    parts = [t.coded(c)[0] for c in columns]
    known = t.every
    for codes in parts:
        known = known & (codes >= 0)
    alike = pd.DataFrame(dict(enumerate(parts))).groupby(list(range(len(parts))), sort=False).ngroup().to_numpy()
    again = np.bincount(alike, t.counts, minlength=1)[alike] > 1
    return known, again & known


def of_type(t: CodedTable, columns: Sequence[str], parameters: Parameters) -> Rows:
    wanted, series = parameters.type, t.series(columns[0])
    known = t.known(columns[0])
    if wanted == "date":
        good = pd.api.types.is_datetime64_any_dtype(series) or pd.to_datetime(
            series.astype("string"), errors="coerce", format="ISO8601", utc=True
        ).notna().to_numpy(dtype=bool)
    elif wanted in ("number", "whole"):
        number = t.numbers(columns[0])
        good = np.isfinite(number) & ((number == np.floor(number)) if wanted == "whole" else True)
    elif wanted == "boolean":
        return t.by_value(columns[0], lambda names: [n in ("True", "False", "0", "1", "true", "false") for n in names])
    else:
        good = np.full(len(t.frame), not pd.api.types.is_numeric_dtype(series) or pd.api.types.is_bool_dtype(series))
    return known, known & ~np.asarray(good)


def above(t: CodedTable, columns: Sequence[str], parameters: Parameters) -> Rows:
    a, b = t.numbers(columns[0]), t.numbers(columns[1])
    known = t.known(columns[0]) & t.known(columns[1])
    good = a >= b if parameters.or_equal else a > b
    return known, known & ~good


def equal(t: CodedTable, columns: Sequence[str], parameters: Parameters) -> Rows:
    (a, a_names), (b, b_names) = t.coded(columns[0]), t.coded(columns[1])
    place = {n: i for i, n in enumerate(b_names)}
    into = np.array([*(place.get(n, -2) for n in a_names), -1], dtype=np.int64)
    known = (a >= 0) & (b >= 0)
    return known, known & (into[a] != b)


def increasing(t: CodedTable, columns: Sequence[str], parameters: Parameters) -> Rows:
    if t.counts is not None:
        raise Cannot("the rows of a file this large come in no order")
    values = t.numbers(columns[0])
    known = np.isfinite(values)
    fails = np.zeros(len(t), dtype=bool)
    at = np.flatnonzero(known)
    step = np.diff(values[at])
    fails[at[1:]] = step <= 0 if parameters.strictly else step < 0
    return known, fails


def exists(t: CodedTable, columns: Sequence[str], parameters: Parameters) -> Any:
    return columns[0] in t.frame.columns


def row_count(t: CodedTable, columns: Sequence[str], parameters: Parameters) -> Any:
    return len(t)


def columns_are(t: CodedTable, columns: Sequence[str], parameters: Parameters) -> Any:
    have, wanted = t.names, list(parameters.names)
    if parameters.in_order:
        return have == wanted
    return set(have) == set(wanted) if parameters.exact else set(wanted) <= set(have)


def distinct(t: CodedTable, columns: Sequence[str], parameters: Parameters) -> Any:
    return len(t.coded(columns[0])[1])


def distinct_share(t: CodedTable, columns: Sequence[str], parameters: Parameters) -> Any:
    known = t.count(t.known(columns[0]))
    return distinct(t, columns, parameters) / known if known else None


def statistic(name: str) -> Callable[[CodedTable, Sequence[str], Parameters], Any]:
    def compute(t: CodedTable, columns: Sequence[str], parameters: Parameters) -> Any:
        t.series(columns[0])
        values = t.numbers(columns[0])
        known = np.isfinite(values)
        values = values[known] if t.counts is None else np.repeat(values[known], t.counts[known])
        if len(values) < (2 if name == "stdev" else 1):
            return None
        functions: dict[str, Callable[[Any], Any]] = {
            "mean": np.mean,
            "median": np.median,
            "sum": np.sum,
            "min": np.min,
            "max": np.max,
            "stdev": lambda v: np.std(v, ddof=1),
        }
        if name == "quantiles":
            return [float(q) for q in np.quantile(values, parameters.at)]
        return float(functions[name](values))

    return compute
