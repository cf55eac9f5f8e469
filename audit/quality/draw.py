"""Draws that follow the content of rows and not their places, so that a re-sorted file gives the same people.

Each row has a digest of what stands in it, without its groups' names, so that renaming a group draws the same people
too. Of rows that are alike in all of this but not in their groups, those of the larger group come first.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from audit.lazy import pandas as pd
from audit.load.values import coded
from audit.quality.codes import Group, Ints

Digest = npt.NDArray[np.uint64]

_ODD = np.uint64(0x9E3779B97F4A7C15)


def row_digest(
    frame: pd.DataFrame, features: Sequence[str], groups: Sequence[Group], more: Sequence[npt.NDArray[np.generic]] = ()
) -> Digest:
    """(n,) a number for each row, from the values of `features` that are no groups and from `more`, whole numbers (n,).

    The same whether a number is whole or not, from whatever kind of file, and however the rows are ordered.
    """
    mine = {g.attribute for g in groups}
    total = _digests(frame, tuple(sorted(f for f in features if f not in mine and f in frame.columns)))
    for values in more:
        total = _mixed(total * np.uint64(31) + np.asarray(values).astype(np.int64).astype(np.uint64))
    order = np.argsort(total)
    ordered = total[order]
    # Only rows that are alike need to be put in order by their groups, and then by their places.
    start = np.r_[True, ordered[1:] != ordered[:-1]]
    alike = np.flatnonzero(~(start & np.r_[start[1:], True]))
    some = order[alike]
    order[alike] = some[np.lexsort((some, *(_rank(g)[some] for g in groups), ordered[alike]))]
    first = np.maximum.accumulate(np.where(start, np.arange(len(order)), 0))
    again = np.empty(len(order), dtype=np.uint64)
    again[order] = (np.arange(len(order)) - first).astype(np.uint64)
    return _mixed(total + again * _ODD)


_last: tuple[weakref.ref[pd.DataFrame], tuple[str, ...], Digest] | None = None


def _digests(frame: pd.DataFrame, names: tuple[str, ...]) -> Digest:
    """(n,) from the values of these columns: made once for a table that is asked about several times in a row, which
    nobody writes in. Not to be written in."""
    global _last
    before = _last
    if before is not None and before[0]() is frame and before[1] == names:
        return before[2]
    total = np.zeros(len(frame), dtype=np.uint64)
    for name in names:
        total = _mixed(total * np.uint64(31) + _column(frame[name]))
    total.flags.writeable = False
    _last = weakref.ref(frame, _forget), names, total
    return total


def _forget(gone: weakref.ref[pd.DataFrame]) -> None:
    global _last
    if _last is not None and _last[0] is gone:
        _last = None


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
