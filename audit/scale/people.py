"""People with several rows inside DuckDB: the sums that audit.clusters makes of rows. No person comes back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from audit.clusters import CELLS, Clusters, summed, too_many
from audit.cube import CodedRows
from audit.scale.source import Source

MOST_PAIRS = 1_000_000_000
"""Pairs of cells that one person can be in, over all people: they are added up as they come."""
_WHOLE = "-?[1-9][0-9]{0,16}|0"


@dataclass(frozen=True, slots=True)
class Together:
    """Which rows belong together, in SQL. keys: expressions whose values are the columns of `raw`, one row a kind.

    weight: what a row counts for, summed over rows, or None for rows themselves.
    """

    connection: Any
    table: str
    who: str
    keys: tuple[str, ...]
    raw: pa.Table
    weight: str | None


def told_apart(source: Source, connection: Any, who: str) -> bool:
    """Whether people are the same where the column is the same as written, so that nothing has to be read to know it:
    texts and whole numbers of Parquet; of CSV whole numbers that are written in one way only.
    """
    kind = str(connection.sql(f"SELECT {who} FROM {source.sql}").types[0])
    if source.kind == "parquet":
        bad = f"{who} IS NULL" if kind.endswith("INT") or kind in ("INTEGER", "VARCHAR") else "true"
    else:
        bad = f"{who} IS NULL OR NOT regexp_full_match({who}, '{_WHOLE}')"
    return not connection.sql(f"SELECT bool_or({bad}) FROM {source.sql}").fetchall()[0][0]


def clusters_in(found: Together, audit: npt.NDArray[np.bool_], coded: CodedRows) -> Clusters:
    """`audit.clusters.clusters_of` of the measured rows; audit: of `raw`; coded: its measured rows.

    Raises DataError where people stand in too many cells.
    """
    groups = int(np.prod([len(v) for v in coded.levels], dtype=np.int64))
    cell = np.zeros(len(coded.label), dtype=np.int64)
    for axis, levels in enumerate(coded.levels):
        cell = cell * len(levels) + coded.codes[:, axis]
    cell = cell * CELLS + coded.label * 2 + coded.decision
    names = [f"k{i}" for i in range(len(found.keys))]
    kinds = found.raw.filter(pa.array(audit)).rename_columns(names).append_column("cell", pa.array(cell))
    # Scores in bins make several kinds of one.
    kinds = kinds.group_by(names).aggregate([("cell", "min")]).rename_columns([*names, "cell"])
    database = found.connection
    database.register("cells", kinds)
    joined = " AND ".join(f"{key} IS NOT DISTINCT FROM {name}" for key, name in zip(found.keys, names, strict=True))
    database.execute(
        f"CREATE TEMP TABLE people AS SELECT {found.who} AS who, cell, {found.weight or 'count(*)'} AS w "
        f"FROM {found.table} JOIN cells ON {joined} GROUP BY ALL"
    )
    # One pass over people: how many cells they stand in, and whether these are of one group.
    ends = database.sql(
        f"SELECT low, high, k, count(*) AS n FROM (SELECT min(cell) // {CELLS} AS low, max(cell) // {CELLS} AS high, "
        "count(*) AS k FROM people GROUP BY who) GROUP BY ALL"
    ).fetchnumpy()
    low, high, k, n = (np.asarray(ends[name], dtype=np.int64) for name in ("low", "high", "k", "n"))
    if float(np.sum(n * (k * (k + 1.0) / 2))) > MOST_PAIRS:
        raise too_many(int(k.max()))
    # Whole numbers, so that no order of adding changes a sum.
    unit = 1.0
    if found.weight is not None:
        largest = database.sql("SELECT max(w) FROM people").fetchall()[0][0] or 1.0
        unit = 2.0 ** (88 - math.ceil(2 * math.log2(largest))) if largest > 0 else 1.0
    times = "a.w * b.w" if found.weight is None else f"CAST(a.w * b.w * {unit!r} AS HUGEINT)"
    square = times.replace("b.", "a.")
    table = database.sql(
        f"SELECT a.cell AS i, b.cell AS j, sum({times})::DOUBLE / {unit!r} AS v FROM people a JOIN people b "
        "ON a.who = b.who AND a.cell < b.cell GROUP BY ALL UNION ALL "
        f"SELECT cell, cell, sum({square})::DOUBLE / {unit!r} FROM people a GROUP BY ALL ORDER BY ALL"
    ).fetchnumpy()
    sets: dict[tuple[int, ...], int] = {}
    one = low == high
    for g, count in zip(low[one].tolist(), n[one].tolist(), strict=True):
        sets[(g,)] = sets.get((g,), 0) + count
    if not one.all():
        several = database.sql(
            f"SELECT places, count(*) FROM (SELECT list_sort(list(DISTINCT cell // {CELLS})) AS places FROM people "
            f"GROUP BY who HAVING min(cell) // {CELLS} < max(cell) // {CELLS}) GROUP BY places"
        ).fetchall()
        sets |= {tuple(int(g) for g in places): int(count) for places, count in several}
    left, right = (np.asarray(table[k], dtype=np.int64) for k in ("i", "j"))
    return summed(groups, sets, left, right, np.asarray(table["v"], dtype=np.float64))
