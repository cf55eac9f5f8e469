"""Draws that follow the content of rows and not their places, so that a re-sorted file gives the same people.

Each row has a digest of what stands in it, without its groups' names, so that renaming a group draws the same people
too. Of rows that are alike in all of this but not in their groups, those of the larger group come first.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.load.values import coded
from audit.quality.codes import Group, Ints

Digest = npt.NDArray[np.uint64]

_ODD = np.uint64(0x9E3779B97F4A7C15)


def content_of(frame: pd.DataFrame, features: Sequence[str], groups: Sequence[Group]) -> Digest:
    """(n,) a number for the values of each row's `features` that are no groups."""
    mine = {g.attribute for g in groups}
    total = np.zeros(len(frame), dtype=np.uint64)
    for name in sorted(f for f in features if f not in mine and f in frame.columns):
        total = _mixed(total * np.uint64(31) + _column(frame[name]))
    return total


def row_digest(
    frame: pd.DataFrame,
    features: Sequence[str],
    groups: Sequence[Group],
    more: Sequence[npt.NDArray[np.generic]] = (),
    content: Digest | None = None,
) -> Digest:
    """(n,) a number for each row, from the values of `features` that are no groups and from `more`, whole numbers (n,).

    The same whether a number is whole or not, from whatever kind of file, and however the rows are ordered.
    content: `content_of` these features, where it is known: of many columns it takes long.
    """
    total = content_of(frame, features, groups) if content is None else content
    for values in more:
        total = _mixed(total * np.uint64(31) + np.asarray(values).astype(np.int64).astype(np.uint64))
    ranks = [_rank(g) for g in groups]
    order = np.lexsort((*ranks, total))
    ordered = total[order]
    start = np.r_[True, ordered[1:] != ordered[:-1]]
    first = np.maximum.accumulate(np.where(start, np.arange(len(order)), 0))
    again = np.empty(len(order), dtype=np.uint64)
    again[order] = (np.arange(len(order)) - first).astype(np.uint64)
    return _mixed(total + again * _ODD)


def order_of(digest: Digest, seed: int) -> Ints:
    """The places of all rows in an order drawn by `seed`."""
    return np.argsort(_mixed(digest ^ _mixed(np.array([seed], dtype=np.uint64))), kind="stable").astype(np.int64)


def sample(digest: Digest, most: int, seed: int) -> Ints:
    """Places of at most `most` rows, drawn without replacement by `seed`, in the order of the draw."""
    drawn = _mixed(digest ^ _mixed(np.array([seed], dtype=np.uint64)))
    if most >= len(drawn):
        return np.argsort(drawn, kind="stable").astype(np.int64)
    near = np.flatnonzero(drawn <= np.partition(drawn, most)[most])  # what is not drawn need not be sorted
    return near[np.argsort(drawn[near], kind="stable")][:most].astype(np.int64)


def dealt(digest: Digest, parts: int, seed: int) -> Ints:
    """(n,) the part, 0 to parts - 1, of each row: as many in each as can be."""
    out = np.empty(len(digest), dtype=np.int64)
    out[order_of(digest, seed)] = np.arange(len(digest)) % parts
    return out


def _column(column: pd.Series) -> Digest:
    numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    if numeric or pd.api.types.is_datetime64_any_dtype(column):
        values = (column if numeric else column.astype("int64")).to_numpy(dtype=np.float64, na_value=np.nan)
        values = np.where(np.isnan(values), np.nan, values + 0.0)
        return _mixed(values.view(np.uint64))
    codes, names = coded(column)
    table = pd.util.hash_array(np.array([*names, ""], dtype=object), categorize=False)
    table[-1] = 1
    return table[codes]


def _rank(group: Group) -> Ints:
    """Larger groups first; of equal ones the order of the names."""
    people = np.bincount(group.codes, minlength=len(group.levels))
    rank = np.empty(len(people), dtype=np.int64)
    rank[np.argsort(-people, kind="stable")] = np.arange(len(people))
    return rank[group.codes]


def _mixed(x: Digest) -> Digest:
    """Steele, Lea & Flood 2014 (SplitMix64): neighbours come out unrelated."""
    x = x + _ODD
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    out: Digest = x ^ (x >> np.uint64(31))
    return out
