"""Tables with few kinds of rows: one grouping by every column that is looked at says all that there is to know.

How many rows each kind of row has gives the cube, missing values and repeated rows, all exactly, and a sample: a row
that is drawn is one of a kind. So the rows are read once. Whether there are few kinds is guessed from the first rows,
by the estimate of Chao (Scandinavian Journal of Statistics 1984) of how many there are beside those seen; a table that
has more after all is read as any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from audit.scale import typed as base
from audit.scale.kinds import PEOPLE, kinds
from audit.scale.missing import Gone, added_up, empty, is_word

FEW = 200_000
"""Kinds of rows that are fetched, where the case names no fewer rows that may be drawn. Where the first rows let expect
a quarter of them, they are tried."""
WIDE = 50
"""Columns from which on few kinds are not hoped for."""
HOW = "drawn by the seed, from how many rows there are of each kind"


def few_kinds(frame: Any, columns: Sequence[str], rows: int | None = None) -> pa.Table | None:
    """How many rows (PEOPLE) each combination of these columns has, sorted; None where there are too many. rows: that
    may be drawn; no more kinds of them leave, so that not even the kinds of the first rows are fetched of a few."""
    most = FEW if rows is None else min(FEW, rows)
    fewer = rows is not None and rows < base.PROBE
    if fewer or len(columns) > WIDE or not _promising(kinds(frame.head(base.PROBE), columns, most=base.PROBE), most):
        return None
    table = kinds(frame, columns, most=most + 1)
    return table if table.num_rows <= most else None


def _promising(first: pa.Table, most: int) -> bool:
    """Whether there are few kinds of rows. first: the kinds of the first rows, with PEOPLE."""
    n = first.column(PEOPLE).to_numpy()
    once, twice = int((n == 1).sum()), int((n == 2).sum())
    return len(n) + once * (once - 1) / (2 * (twice + 1)) <= most / 4


def missing(whole: pa.Table, gone: Gone) -> pa.Table:
    """Each kind of row with what it adds to the sums of missing values."""
    own = nw.from_native(whole, eager_only=True)
    return own.with_columns((v * nw.col(PEOPLE)).alias(name) for name, v in gone.ones.items()).to_native()


def alike(whole: pa.Table, words: Sequence[str]) -> pa.Table:
    """With one kind of missing value, as in memory: what is not a number, and in the columns `words` what says so."""
    own = nw.from_native(whole, eager_only=True)
    schema = own.collect_schema()
    floats = [
        nw.when(~empty(nw.col(c), kind)).then(nw.col(c)).alias(c) for c, kind in schema.items() if kind.is_float()
    ]
    texts = [nw.when(~is_word(nw.col(c), False)).then(nw.col(c)).alias(c) for c in words if schema[c] == nw.String]
    return own.with_columns(*floats, *texts).to_native()


def repeated(whole: pa.Table, columns: Sequence[str], groups: Sequence[str]) -> pa.Table:
    """By combination of `groups`: how many kinds of rows (k), how many of one row (s), and PEOPLE.

    columns: by which rows are told apart."""
    table = added_up(whole, columns, [PEOPLE])
    n = table.column(PEOPLE)
    one = pc.cast(pc.equal(n, 1), pa.int64())
    table = table.select(list(dict.fromkeys(groups))).append_column("s", one).append_column("n", n)
    grouped = table.group_by(list(groups), use_threads=False).aggregate([("s", "count"), ("s", "sum"), ("n", "sum")])
    return grouped.select([*groups, "s_count", "s_sum", "n_sum"]).rename_columns([*groups, "k", "s", PEOPLE])


def drawn(whole: pa.Table, columns: Sequence[str], rows: int, seed: int) -> pa.Table:
    """At most so many of the rows, without replacement, in an order of their own."""
    ends = np.cumsum(whole.column(PEOPLE).to_numpy())
    total = int(ends[-1]) if len(ends) else 0
    places = np.random.default_rng(seed).choice(total, min(rows, total), replace=False)
    return whole.select(list(columns)).take(pa.array(np.searchsorted(ends, places, side="right")))
