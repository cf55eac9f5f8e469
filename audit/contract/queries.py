"""What the kinds of check ask of a database, where a file is too large to be read; kinds.py says which is which.

A row's question is the SQL by which a row fails, or None where these parameters ask about each value. A figure's is the
SQL of one value.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

from audit.contract.functions import limits
from audit.contract.records import Check


class Database(Protocol):
    """How the table's columns are written in SQL."""

    def column(self, name: str) -> str:
        """The column itself."""

    def number(self, name: str) -> str:
        """As a number that is finite, else null."""

    def known(self, name: str) -> str:
        """Whether there is a value."""


Query = Callable[[Database, Check], str]


def missing(base: Database, asked: Check) -> str:
    return f"NOT (({base.known(asked.columns[0])}))"


def empty(base: Database, asked: Check) -> str:
    return f"({base.known(asked.columns[0])})"


def unique(base: Database, asked: Check) -> str:
    return f"count(*) OVER (PARTITION BY {', '.join(base.column(c) for c in asked.columns)}) > 1"


def between(base: Database, asked: Check) -> str | None:
    parameters, number = asked.parameters, base.number(asked.columns[0])
    if not (_is_number_or_null(parameters.min) and _is_number_or_null(parameters.max)):
        return None
    low, high = limits(parameters)
    ends = [f"{number} {'>' if parameters.strict_min else '>='} {low!r}"] if math.isfinite(low) else []
    ends += [f"{number} {'<' if parameters.strict_max else '<='} {high!r}"] if math.isfinite(high) else []
    return f"NOT coalesce({' AND '.join([f'({number}) IS NOT NULL', *ends])}, false)"


def of_type(base: Database, asked: Check) -> str | None:
    if asked.parameters.type not in ("number", "whole"):
        return None
    number = base.number(asked.columns[0])
    whole = f" AND {number} = floor({number})" if asked.parameters.type == "whole" else ""
    return f"NOT coalesce(({number}) IS NOT NULL{whole}, false)"


def above(base: Database, asked: Check) -> str:
    a, b = (base.number(c) for c in asked.columns)
    return f"NOT coalesce({a} {'>=' if asked.parameters.or_equal else '>'} {b}, false)"


def aggregate(function: str) -> Query:
    """avg, median, stddev_samp, sum, min or max of the column's numbers."""
    return lambda base, asked: f"{function}({base.number(asked.columns[0])})"


def distinct(base: Database, asked: Check) -> str:
    name = asked.columns[0]
    return f"count(DISTINCT {base.column(name)}) FILTER ({base.known(name)})"


def distinct_share(base: Database, asked: Check) -> str:
    there = f"count(*) FILTER ({base.known(asked.columns[0])})"
    return f"CAST({distinct(base, asked)} AS DOUBLE) / nullif({there}, 0)"


def quantiles(base: Database, asked: Check) -> str:
    number = base.number(asked.columns[0])
    return f"[{', '.join(f'quantile_cont({number}, {q!r})' for q in asked.parameters.at)}]"


def _is_number_or_null(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))
