"""Missing values where rows stay where they are: what an engine adds up for them, and what the sums say by group."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import or_
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from audit.case import Case
from audit.cube import Ints
from audit.engines import SPARK
from audit.load import check
from audit.load.infer import MARKERS
from audit.load.rows import missing_words
from audit.quality.missing import WRITTEN, said_missing
from audit.scale import typed as base
from audit.scale.kinds import PEOPLE
from audit.scale.source import Source

BLANKS = " \t\n\x0b\f\r\xa0"
AFTER_BLANKS = "!"
"""No text that comes before it begins with a letter or a mark: all of BLANKS but the last do, and no text at all."""
_SPACE = r"[\s\x{0B}\x{A0}]*"
SAID = rf"^{_SPACE}(?:{'|'.join(map(re.escape, WRITTEN))})?{_SPACE}\z"
"""Patterns that RE2 and Java read alike: to trim every value first took ten times as long."""
MOST = 100_000
"""Combinations of sensitive values up to which counts are made by group."""


@dataclass(frozen=True, slots=True)
class Counts:
    """By combination of sensitive values, which `frame` holds (g combinations): rows (g,); missing, written: column ->
    (g,) empty values, and texts that say so."""

    frame: pd.DataFrame
    rows: Ints
    missing: dict[str, Ints]
    written: dict[str, Ints]


@dataclass(frozen=True, slots=True)
class Gone:
    """What is added up of a table. keys: what is grouped by, and told from the groups. sums: by the name of the sum, a
    column and 1 or 0 of each value; `m` and a number for what is empty, `w` for what says so."""

    keys: tuple[str, ...]
    looked: tuple[str, ...]
    sums: Mapping[str, tuple[str, nw.Expr]]

    @property
    def ones(self) -> dict[str, nw.Expr]:
        return {name: value for name, (_, value) in self.sums.items()}

    @property
    def by_column(self) -> dict[str, list[str]]:
        """The names of the sums of each column."""
        out: dict[str, list[str]] = {}
        for name, (column, _) in self.sums.items():
            out.setdefault(column, []).append(name)
        return out

    def of(self, case: Case, source: Source, table: pa.Table) -> Counts:
        """Of one row for each combination of the keys, with PEOPLE and the sums."""
        rows = table.column(PEOPLE).to_numpy().astype(np.int64)
        frame = frame_of_groups(case, source, table, rows, self.keys)
        grouped = [c for c in self.keys if c in self.looked]
        missing = {c: frame[c].isna().to_numpy() * rows for c in grouped}
        written = {c: said_missing(frame[c]) * rows for c in grouped}
        for name, (column, _) in self.sums.items():
            (missing if name[0] == "m" else written)[column] = table.column(name).to_numpy().astype(np.int64)
        none = np.zeros_like(rows)
        return Counts(frame, rows, missing, dict.fromkeys(missing, none) | written)


def looked_at(case: Case, source: Source, schema: Mapping[str, Any] | None = None) -> tuple[str, ...]:
    """The columns that are looked at; by their kinds, where they have any: a list or a structure is no value."""
    features = [f for f in check.features_of(case, source.columns) if f in source.columns]
    every = dict.fromkeys((*features, *base.roles_of(case)))
    return tuple(c for c in every if schema is None or schema[source.column(c)] not in base.NO_VALUES)


def gone_of(
    case: Case,
    source: Source,
    schema: Mapping[str, Any],
    looked: Sequence[str],
    numbers: frozenset[str] = frozenset(),
) -> Gone:
    """numbers: texts in a column of numbers."""
    data = case.data
    keys = tuple(dict.fromkeys((*data.sensitive, *([data.label] if data.label is not None else []))))
    sums = {}
    for i, name in enumerate(c for c in looked if c not in keys):
        value, kind = nw.col(source.column(name)), schema[source.column(name)]
        number = name in numbers
        gone = value.is_null() | value.fill_null("").is_in(MARKERS) if number else empty(value, kind)
        sums[f"m{i}"] = (name, one(gone))
        if kind == nw.String and not number:
            sums[f"w{i}"] = (name, one(is_word(value, source.kind == SPARK).fill_null(False)))
    return Gone(keys, tuple(looked), sums)


def is_word(value: nw.Expr, dear: bool) -> nw.Expr:
    """Whether a text says that there is no value. dear: a pattern is, as in Spark, and not in DuckDB."""
    if not dear:
        return value.str.contains(SAID)
    matches = value.str.contains(SAID)
    edges = [value < AFTER_BLANKS, value.str.starts_with(BLANKS[-1]), *(value.str.ends_with(b) for b in BLANKS)]
    return value.is_in(WRITTEN) | (reduce(or_, edges) & matches)


def empty(value: nw.Expr, kind: Any) -> nw.Expr:
    """Whether there is no value: null, or not a number."""
    if not kind.is_float():
        return value.is_null()
    # Not isnan: DuckDB answers that by a Parquet file's least and largest value, and NaN is in neither.
    return value.is_null() | (~value.is_finite() & (value.abs() != math.inf)).fill_null(False)


def one(condition: nw.Expr) -> nw.Expr:
    """1 where it holds, else 0; Spark does not add up truth."""
    return nw.when(condition).then(nw.lit(1)).otherwise(nw.lit(0))


def added_up(table: pa.Table, keys: Sequence[str], sums: Sequence[str]) -> pa.Table:
    """Combinations that are told apart by more than `keys`, put together by them, sorted."""
    zero = pc.ScalarAggregateOptions(min_count=0)  # of nothing
    grouped = table.group_by(list(keys), use_threads=False).aggregate([(s, "sum", zero) for s in sums])
    grouped = grouped.select([*keys, *(f"{s}_sum" for s in sums)]).rename_columns([*keys, *sums])
    return grouped.sort_by([(k, "ascending") for k in keys])


def frame_of_groups(case: Case, source: Source, table: pa.Table, rows: Ints, keys: Sequence[str]) -> pd.DataFrame:
    """The columns of groups and outcomes, as reading the rows would give them."""
    label = case.data.label if case.data.label in keys else None
    # The keys' columns alone: a column of the table's own sums may have a name that a column of the data has.
    own = table.select([source.column(k) for k in keys])
    frame = base.typed_values(case, source, base.in_utc(own), list(keys), False)[0]
    only = replace(case, data=replace(case.data, label=label), model=replace(case.model, kind="path"))
    return missing_words(only, frame[list(keys)], rows)[0]
