"""The kinds of check: one table, and nothing else lists them. Adding a kind is adding a row.

A kind is about rows (each passes or fails), or about a column or the table as a whole (one figure within limits). Both
give the same record. What stands in contract.toml, in an expectation of Great Expectations and in SQL follows from the
row: from what it takes (`Takes`), how it is called there, and its functions (functions.py, queries.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from audit.contract import functions as compute
from audit.contract import queries
from audit.contract.functions import CodedTable, Rows
from audit.contract.records import Check, Parameters


class Takes(Enum):
    """What stands behind a kind's name in contract.toml; read.py and gx.py read and write each."""

    LIMITS = auto()
    """The least and the most of a number or a date."""
    VALUES = auto()
    PATTERN = auto()
    TYPE = auto()
    NAMES = auto()
    """Names of columns."""
    QUANTILES = auto()
    SHARE = auto()
    """The share of rows that may fail; it is `mostly` of other kinds."""
    OTHER = auto()
    """Another column."""
    OTHER_LIMIT = auto()
    """Another column, and whether both may be equal."""
    ORDER = auto()
    """true; and whether a value may come twice."""
    NOTHING = auto()
    """true."""


@dataclass(frozen=True, slots=True)
class Kind:
    """name: the key of contract.toml. columns: how many it takes (-1: two or more). words: what is asked, of
    `{column}`, `{value}`, `{values}`, `{other}`. expectations: its names in Great Expectations. rows or figure: the
    function.

    fails, query: the same in SQL, for what fails of rows and for a figure; without them a large file is asked about
    each value. gaps: rows without a value are looked at as others are. of_header: names and number of rows answer it.
    """

    name: str
    columns: int
    words: str
    expectations: tuple[str, ...]
    takes: Takes = Takes.NOTHING
    rows: Callable[[CodedTable, Sequence[str], Parameters], Rows] | None = None
    figure: Callable[[CodedTable, Sequence[str], Parameters], Any] | None = None
    fails: Callable[[queries.Database, Check], str | None] | None = None
    query: queries.Query | None = None
    gaps: bool = False
    of_header: bool = False


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            "exists", 1, "{column} is a column", ("expect_column_to_exist",),
            figure=compute.exists, of_header=True,
        ),
        Kind(
            "type", 1, "{column} holds a {value}",
            ("expect_column_values_to_be_of_type", "expect_column_values_to_be_in_type_list"),
            Takes.TYPE, rows=compute.of_type, fails=queries.of_type,
        ),
        Kind(
            "among", 1, "{column} is one of the {values} listed", ("expect_column_values_to_be_in_set",),
            Takes.VALUES, rows=compute.among,
        ),
        Kind(
            "not_among", 1, "{column} is none of the {values} listed", ("expect_column_values_to_not_be_in_set",),
            Takes.VALUES, rows=compute.not_among,
        ),
        Kind(
            "between", 1, "{column} lies {value}", ("expect_column_values_to_be_between",),
            Takes.LIMITS, rows=compute.between, fails=queries.between,
        ),
        Kind(
            "missing_at_most", 1, "{column} is there", ("expect_column_values_to_not_be_null",),
            Takes.SHARE, rows=compute.missing, fails=queries.missing, gaps=True,
        ),
        Kind(
            "empty", 1, "{column} is empty", ("expect_column_values_to_be_null",),
            rows=compute.empty, fails=queries.empty, gaps=True,
        ),
        Kind(
            "unique", 1, "{column} is different in every row", ("expect_column_values_to_be_unique",),
            rows=compute.unique, fails=queries.unique,
        ),
        Kind(
            "unique_together", -1, "{column} are together different in every row",
            ("expect_compound_columns_to_be_unique",),
            rows=compute.unique, fails=queries.unique,
        ),
        Kind(
            "matches", 1, "{column} matches the pattern", ("expect_column_values_to_match_regex",),
            Takes.PATTERN, rows=compute.matches,
        ),
        Kind(
            "not_matches", 1, "{column} does not match the pattern", ("expect_column_values_to_not_match_regex",),
            Takes.PATTERN, rows=compute.not_matches,
        ),
        Kind(
            "length", 1, "{column} is {value} characters long",
            ("expect_column_value_lengths_to_be_between", "expect_column_value_lengths_to_equal"),
            Takes.LIMITS, rows=compute.length,
        ),
        Kind(
            "at_least_column", 2, "{column} is at least {other}",
            ("expect_column_pair_values_a_to_be_greater_than_b", "expect_column_pair_values_A_to_be_greater_than_B"),
            Takes.OTHER_LIMIT, rows=compute.above, fails=queries.above,
        ),
        Kind(
            "same_as_column", 2, "{column} is the same as {other}", ("expect_column_pair_values_to_be_equal",),
            Takes.OTHER, rows=compute.equal,
        ),
        Kind(
            "in_order", 1, "{column} never goes back", ("expect_column_values_to_be_increasing",),
            Takes.ORDER, rows=compute.increasing,
        ),
        Kind(
            "rows", 0, "the table has {value} rows",
            ("expect_table_row_count_to_be_between", "expect_table_row_count_to_equal"),
            Takes.LIMITS, figure=compute.row_count, of_header=True,
        ),
        Kind(
            "columns_are", 0, "the table has the columns listed",
            ("expect_table_columns_to_match_set", "expect_table_columns_to_match_ordered_list"),
            Takes.NAMES, figure=compute.columns_are, of_header=True,
        ),
        Kind(
            "distinct", 1, "{column} has {value} different values",
            ("expect_column_unique_value_count_to_be_between",),
            Takes.LIMITS, figure=compute.distinct, query=queries.distinct,
        ),
        Kind(
            "distinct_share", 1, "the share of different values of {column} lies {value}",
            ("expect_column_proportion_of_unique_values_to_be_between",),
            Takes.LIMITS, figure=compute.distinct_share, query=queries.distinct_share,
        ),
        Kind(
            "mean", 1, "the mean of {column} lies {value}", ("expect_column_mean_to_be_between",),
            Takes.LIMITS, figure=compute.statistic("mean"), query=queries.aggregate("avg"),
        ),
        Kind(
            "median", 1, "the median of {column} lies {value}", ("expect_column_median_to_be_between",),
            Takes.LIMITS, figure=compute.statistic("median"), query=queries.aggregate("median"),
        ),
        Kind(
            "stdev", 1, "the standard deviation of {column} lies {value}", ("expect_column_stdev_to_be_between",),
            Takes.LIMITS, figure=compute.statistic("stdev"), query=queries.aggregate("stddev_samp"),
        ),
        Kind(
            "sum", 1, "the sum of {column} lies {value}", ("expect_column_sum_to_be_between",),
            Takes.LIMITS, figure=compute.statistic("sum"), query=queries.aggregate("sum"),
        ),
        Kind(
            "smallest", 1, "the smallest {column} lies {value}", ("expect_column_min_to_be_between",),
            Takes.LIMITS, figure=compute.statistic("min"), query=queries.aggregate("min"),
        ),
        Kind(
            "largest", 1, "the largest {column} lies {value}", ("expect_column_max_to_be_between",),
            Takes.LIMITS, figure=compute.statistic("max"), query=queries.aggregate("max"),
        ),
        Kind(
            "quantiles", 1, "the quantiles of {column} lie within their limits",
            ("expect_column_quantile_values_to_be_between",),
            Takes.QUANTILES, figure=compute.statistic("quantiles"), query=queries.quantiles,
        ),
    )
}  # fmt: skip
