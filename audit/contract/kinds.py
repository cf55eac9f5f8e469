"""The kinds of check: one table. Adding a kind is adding a row.

A kind is about rows (each passes or fails), or about a column or the table as a whole (one figure within limits). Both
give the same record. Missing values fail `missing_at_most` alone; the others look at the rows that have a value, as
Great Expectations does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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


class Table:
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


@dataclass(frozen=True, slots=True)
class Kind:
    """name: the key of contract.toml. columns: how many it takes (-1: two or more). rows or figure: the function.

    words: what is asked, for `{column}` and `{value}`. expectations: how Great Expectations calls it.
    """

    name: str
    columns: int
    words: str
    expectations: tuple[str, ...]
    rows: Callable[[Table, Sequence[str], Parameters], Rows] | None = None
    figure: Callable[[Table, Sequence[str], Parameters], Any] | None = None


def limits(given: Parameters) -> tuple[float, float]:
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

    return number(given.min, -math.inf), number(given.max, math.inf)


def within(value: Any, given: Parameters) -> Mask:
    """Whether numbers lie between the limits, which count as inside unless they are said to be strict."""
    low, high = limits(given)
    value = np.asarray(value, dtype=np.float64)
    over = value > low if given.strict_min else value >= low
    under = value < high if given.strict_max else value <= high
    return np.asarray(over & under)


def _missing(t: Table, columns: Sequence[str], given: Parameters) -> Rows:
    return t.every, ~t.known(columns[0])


def _empty(t: Table, columns: Sequence[str], given: Parameters) -> Rows:
    return t.every, t.known(columns[0])


def _among(t: Table, columns: Sequence[str], given: Parameters) -> Rows:
    allowed = {name_of(v) for v in given.values}
    return t.by_value(columns[0], lambda names: [n in allowed for n in names])


def _not_among(t: Table, columns: Sequence[str], given: Parameters) -> Rows:
    never = {name_of(v) for v in given.values}
    return t.by_value(columns[0], lambda names: [n not in never for n in names])


def _between(t: Table, columns: Sequence[str], given: Parameters) -> Rows:
    known = t.known(columns[0])
    # A text that is no number is not between two numbers.
    return known, known & ~within(t.numbers(columns[0]), given)


def _length(t: Table, columns: Sequence[str], given: Parameters) -> Rows:
    return t.by_value(columns[0], lambda names: within([len(n) for n in names], given).tolist() if names else [])


def _matches(t: Table, columns: Sequence[str], given: Parameters) -> Rows:
    return t.by_value(columns[0], lambda names: _regex(names, given.pattern))


def _not_matches(t: Table, columns: Sequence[str], given: Parameters) -> Rows:
    return t.by_value(columns[0], lambda names: [not m for m in _regex(names, given.pattern)])


def _regex(names: Sequence[str], pattern: str) -> list[bool]:
    """RE2, whose time grows with the text alone: a pattern from a file cannot hang the check."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not names:
        return []
    try:
        found = pc.match_substring_regex(pa.array(list(names), type=pa.string()), pattern=f"^(?:{pattern})")
    except pa.ArrowInvalid as error:
        raise Cannot(f"the pattern is not one that RE2 knows ({str(error)[:120]})") from error
    return [bool(v) for v in found.to_pylist()]


def _unique(t: Table, columns: Sequence[str], given: Parameters) -> Rows:
    parts = [t.coded(c)[0] for c in columns]
    known = t.every
    for codes in parts:
        known = known & (codes >= 0)
    alike = pd.DataFrame(dict(enumerate(parts))).groupby(list(range(len(parts))), sort=False).ngroup().to_numpy()
    again = np.bincount(alike, t.counts, minlength=1)[alike] > 1
    return known, again & known


def _type(t: Table, columns: Sequence[str], given: Parameters) -> Rows:
    wanted, series = given.type, t.series(columns[0])
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


def _above(t: Table, columns: Sequence[str], given: Parameters) -> Rows:
    a, b = t.numbers(columns[0]), t.numbers(columns[1])
    known = t.known(columns[0]) & t.known(columns[1])
    good = a >= b if given.or_equal else a > b
    return known, known & ~good


def _equal(t: Table, columns: Sequence[str], given: Parameters) -> Rows:
    (a, a_names), (b, b_names) = t.coded(columns[0]), t.coded(columns[1])
    place = {n: i for i, n in enumerate(b_names)}
    into = np.array([*(place.get(n, -2) for n in a_names), -1], dtype=np.int64)
    known = (a >= 0) & (b >= 0)
    return known, known & (into[a] != b)


def _increasing(t: Table, columns: Sequence[str], given: Parameters) -> Rows:
    if t.counts is not None:
        raise Cannot("the rows of a file this large come in no order")
    values = t.numbers(columns[0])
    known = np.isfinite(values)
    fails = np.zeros(len(t), dtype=bool)
    at = np.flatnonzero(known)
    step = np.diff(values[at])
    fails[at[1:]] = step <= 0 if given.strictly else step < 0
    return known, fails


def _exists(t: Table, columns: Sequence[str], given: Parameters) -> Any:
    return columns[0] in t.frame.columns


def _rows(t: Table, columns: Sequence[str], given: Parameters) -> Any:
    return len(t)


def _columns_are(t: Table, columns: Sequence[str], given: Parameters) -> Any:
    have, wanted = t.names, list(given.names)
    if given.in_order:
        return have == wanted
    return set(have) == set(wanted) if given.exact else set(wanted) <= set(have)


def _distinct(t: Table, columns: Sequence[str], given: Parameters) -> Any:
    return len(t.coded(columns[0])[1])


def _distinct_share(t: Table, columns: Sequence[str], given: Parameters) -> Any:
    known = t.count(t.known(columns[0]))
    return _distinct(t, columns, given) / known if known else None


def _statistic(name: str) -> Callable[[Table, Sequence[str], Parameters], Any]:
    def found(t: Table, columns: Sequence[str], given: Parameters) -> Any:
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
            return [float(q) for q in np.quantile(values, given.at)]
        return float(functions[name](values))

    return found


KINDS: dict[str, Kind] = {
    k.name: k
    for k in (
        Kind("exists", 1, "{column} is a column", ("expect_column_to_exist",), figure=_exists),
        Kind(
            "type",
            1,
            "{column} holds a {value}",
            ("expect_column_values_to_be_of_type", "expect_column_values_to_be_in_type_list"),
            rows=_type,
        ),
        Kind(
            "among",
            1,
            "{column} is one of the {values} listed",
            ("expect_column_values_to_be_in_set",),
            rows=_among,
        ),
        Kind(
            "not_among",
            1,
            "{column} is none of the {values} listed",
            ("expect_column_values_to_not_be_in_set",),
            rows=_not_among,
        ),
        Kind("between", 1, "{column} lies {value}", ("expect_column_values_to_be_between",), rows=_between),
        Kind("missing_at_most", 1, "{column} is there", ("expect_column_values_to_not_be_null",), rows=_missing),
        Kind("empty", 1, "{column} is empty", ("expect_column_values_to_be_null",), rows=_empty),
        Kind("unique", 1, "{column} is different in every row", ("expect_column_values_to_be_unique",), rows=_unique),
        Kind(
            "unique_together",
            -1,
            "{column} are together different in every row",
            ("expect_compound_columns_to_be_unique",),
            rows=_unique,
        ),
        Kind("matches", 1, "{column} matches the pattern", ("expect_column_values_to_match_regex",), rows=_matches),
        Kind(
            "not_matches",
            1,
            "{column} does not match the pattern",
            ("expect_column_values_to_not_match_regex",),
            rows=_not_matches,
        ),
        Kind(
            "length",
            1,
            "{column} is {value} letters long",
            ("expect_column_value_lengths_to_be_between", "expect_column_value_lengths_to_equal"),
            rows=_length,
        ),
        Kind(
            "at_least_column",
            2,
            "{column} is at least {other}",
            ("expect_column_pair_values_a_to_be_greater_than_b", "expect_column_pair_values_A_to_be_greater_than_B"),
            rows=_above,
        ),
        Kind(
            "same_as_column",
            2,
            "{column} is the same as {other}",
            ("expect_column_pair_values_to_be_equal",),
            rows=_equal,
        ),
        Kind("in_order", 1, "{column} never goes back", ("expect_column_values_to_be_increasing",), rows=_increasing),
        Kind(
            "rows",
            0,
            "the table has {value} rows",
            ("expect_table_row_count_to_be_between", "expect_table_row_count_to_equal"),
            figure=_rows,
        ),
        Kind(
            "columns_are",
            0,
            "the table has the columns listed",
            ("expect_table_columns_to_match_set", "expect_table_columns_to_match_ordered_list"),
            figure=_columns_are,
        ),
        Kind(
            "distinct",
            1,
            "{column} has {value} different values",
            ("expect_column_unique_value_count_to_be_between",),
            figure=_distinct,
        ),
        Kind(
            "distinct_share",
            1,
            "the share of different values of {column} lies {value}",
            ("expect_column_proportion_of_unique_values_to_be_between",),
            figure=_distinct_share,
        ),
        Kind(
            "mean",
            1,
            "the mean of {column} lies {value}",
            ("expect_column_mean_to_be_between",),
            figure=_statistic("mean"),
        ),
        Kind(
            "median",
            1,
            "the median of {column} lies {value}",
            ("expect_column_median_to_be_between",),
            figure=_statistic("median"),
        ),
        Kind(
            "stdev",
            1,
            "the standard deviation of {column} lies {value}",
            ("expect_column_stdev_to_be_between",),
            figure=_statistic("stdev"),
        ),
        Kind(
            "sum", 1, "the sum of {column} lies {value}", ("expect_column_sum_to_be_between",), figure=_statistic("sum")
        ),
        Kind(
            "smallest",
            1,
            "the smallest {column} lies {value}",
            ("expect_column_min_to_be_between",),
            figure=_statistic("min"),
        ),
        Kind(
            "largest",
            1,
            "the largest {column} lies {value}",
            ("expect_column_max_to_be_between",),
            figure=_statistic("max"),
        ),
        Kind(
            "quantiles",
            1,
            "the quantiles of {column} lie within their limits",
            ("expect_column_quantile_values_to_be_between",),
            figure=_statistic("quantiles"),
        ),
    )
}
