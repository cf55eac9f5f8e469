"""LIME's neighbourhood for tables: what it samples, and how a row of a data frame becomes codes.

The default tabular mode of lime 0.2.0.1 (Ribeiro et al. 2016): numbers are cut at the reference rows' quartiles, a
neighbour's bin is drawn with the bin's frequency and its number from a normal within the bin; categories are drawn with
their frequency. None of this depends on the row explained, so one neighbourhood serves all rows.

Where lime stops at text, missing values and data frames: text and truth values are categories, numbered in sorted
order; a missing value is a category or a bin of its own; a value that the reference rows do not have is drawn never.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from audit.explain.kinds import Floats, Ints
from audit.load.values import name_of
from audit.numbers import fixed

_TINY = 0.00000000001  # what lime adds to each bin's standard deviation


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One feature's bins. For numbers: edges (quartiles), means, stds, lows, highs per bin; else names of categories.

    values, frequencies: the codes that neighbours take, ascending, and how often. missing: the code of a missing value.
    """

    name: str
    numeric: bool
    values: Floats
    frequencies: Floats
    missing: int
    edges: Floats
    means: Floats
    stds: Floats
    lows: Floats
    highs: Floats
    labels: tuple[str, ...]
    source: pd.Series | None = None

    def describe(self, code: int) -> str:
        """The bin or category in words: `25.00 < age <= 37.00`, `sex = Female`."""
        if code == self.missing:
            return f"{self.name} is missing"
        if not self.numeric:
            return f"{self.name} = {self.labels[code]}" if 0 <= code < len(self.labels) else f"{self.name} is new"
        if code == 0:
            return f"{self.name} <= {fixed(self.edges[0], 2)}"
        if code >= len(self.edges):
            return f"{self.name} > {fixed(self.edges[-1], 2)}"
        return f"{fixed(self.edges[code - 1], 2)} < {self.name} <= {fixed(self.edges[code], 2)}"


def is_category(column: pd.Series) -> bool:
    """Text, truth values, categories and dates are categories; everything else is a number."""
    return not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column)


def learn(reference: pd.DataFrame, categorical: Sequence[str] = ()) -> tuple[Column, ...]:
    """The bins of each column of `reference`. `categorical` names columns of numbers that are codes."""
    return tuple(
        _category(reference[name])
        if str(name) in categorical or is_category(reference[name])
        else _numeric_column(reference[name])
        for name in reference.columns
    )


def _sorted_values(column: pd.Series) -> list[Any]:
    values = list(pd.unique(column.dropna()))
    try:
        return sorted(values)
    except TypeError:
        return sorted(values, key=name_of)


def _category(column: pd.Series) -> Column:
    values = _sorted_values(column)
    codes = _category_codes(column, values)
    counts = np.bincount(codes, minlength=len(values) + 1).astype(np.float64)
    kept = np.flatnonzero(counts)
    first = np.zeros(len(values) + 1, dtype=np.int64)
    first[codes[::-1]] = np.arange(len(codes))[::-1]  # the last that is put there stays
    # One original cell per code, to put neighbours together in the column's own type.
    source = column.iloc[first].reset_index(drop=True)
    none = np.empty(0)
    return Column(
        str(column.name), False, kept.astype(np.float64), counts[kept] / counts.sum(), len(values),
        none, none, none, none, none, tuple(name_of(v) for v in values), source,
    )  # fmt: skip


def _category_codes(column: pd.Series, values: Sequence[Any]) -> Ints:
    place = {v: i for i, v in enumerate(values)}
    codes, uniques = pd.factorize(column, use_na_sentinel=True)
    table = np.array([place.get(v, -1) for v in uniques] + [len(values)], dtype=np.int64)
    out: Ints = table[codes]
    return out


def _numeric_column(column: pd.Series) -> Column:
    numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
    known = numbers[~np.isnan(numbers)]
    if not len(known):
        known = np.zeros(1)
    edges = np.unique(np.percentile(known, [25, 50, 75]))
    bins = np.searchsorted(edges, known)
    size = len(edges) + 1
    means, stds = np.zeros(size), np.full(size, _TINY)
    for b in range(size):
        inside = known[bins == b]
        if len(inside):
            means[b], stds[b] = np.mean(inside), np.std(inside) + _TINY
    codes = np.where(np.isnan(numbers), size, np.searchsorted(edges, numbers))
    counts = np.bincount(codes, minlength=size + 1).astype(np.float64)
    kept = np.flatnonzero(counts)
    return Column(
        str(column.name), True, kept.astype(np.float64), counts[kept] / counts.sum(), size, edges, means, stds,
        np.concatenate([[known.min()], edges]), np.concatenate([edges, [known.max()]]), (),
    )  # fmt: skip


def encode(columns: Sequence[Column], frame: pd.DataFrame) -> Ints:
    """(n, M): the code of each value; -1 for a category that the reference rows do not have."""
    out = np.empty((len(frame), len(columns)), dtype=np.int64)
    for j, column in enumerate(columns):
        values = frame[column.name]
        if column.numeric:
            numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
            out[:, j] = np.where(np.isnan(numbers), column.missing, np.searchsorted(column.edges, numbers))
        else:
            assert column.source is not None
            out[:, j] = _category_codes(values, list(column.source.iloc[: column.missing]))
    return out


def sample(columns: Sequence[Column], count: int, seed: int) -> tuple[Ints, pd.DataFrame]:
    """`count` neighbours: their codes (count, M), and as a frame. The draws are lime's, in lime's order.

    lime draws one more and puts the row explained in its place; the first draw of each column is therefore dropped.
    """
    from scipy.stats import truncnorm

    state = np.random.RandomState(seed)
    codes = np.empty((count, len(columns)), dtype=np.int64)
    for j, column in enumerate(columns):
        drawn = state.choice(column.values, size=count + 1, replace=True, p=column.frequencies)
        codes[:, j] = drawn[1:].astype(np.int64)
    data: dict[int, Any] = {}
    for j, column in enumerate(columns):
        own = codes[:, j]
        if not column.numeric:
            assert column.source is not None
            data[j] = column.source.take(own).reset_index(drop=True)
            continue
        here = own != column.missing
        at = own[here]
        means, stds = column.means[at], column.stds[at]
        low, high = (column.lows[at] - means) / stds, (column.highs[at] - means) / stds
        inside = low != high
        # A bin without width keeps its (standardised) lower end: so lime does it.
        drawn = low
        drawn[inside] = truncnorm.rvs(
            low[inside], high[inside], loc=means[inside], scale=stds[inside], random_state=state
        )
        values = np.full(count, np.nan)
        values[here] = drawn
        data[j] = values
    return codes, pd.DataFrame(data).set_axis([c.name for c in columns], axis=1)


def as_floats(columns: Sequence[Column], frame: pd.DataFrame) -> pd.DataFrame:
    """The rows with the types that neighbours have: numbers as floats, categories as they are."""
    data = {
        i: frame[c.name].to_numpy(dtype=np.float64, na_value=np.nan)
        if c.numeric
        else frame[c.name].reset_index(drop=True)
        for i, c in enumerate(columns)
    }
    return pd.DataFrame(data).set_axis([c.name for c in columns], axis=1)
