"""People with several rows inside DuckDB: the sums that audit.clusters makes of rows. No person comes back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from audit.clusters import CELLS, Clusters, summed, too_many
from audit.code import of_nobody
from audit.cube import CodedRows
from audit.scale.source import Source

WIDE, MOST_ROWS, FAR = 10, 10, 22
"""Bits of a group, of a person's rows, and before the sum of squared groups, where these are added up as one number."""
MOST_PAIRS = 1_000_000_000
"""Pairs of cells in two groups that one person can be in, over all people: they are added up as they come."""
NOBODY = "SELECT bool_or(who IS NULL) FROM people"
_WHOLE = "-?[1-9][0-9]{0,16}|0"


@dataclass(frozen=True, slots=True)
class Together:
    """Which rows belong together, in SQL. keys: expressions whose values are the columns of `raw`, one row a kind.

    name: of the column. weight: the sum of what rows count for, with {} where SQL may say of which rows, or None for
    rows themselves.
    """

    connection: Any
    table: str
    who: str
    keys: tuple[str, ...]
    raw: pa.Table
    name: str
    weight: str | None


def told_apart(source: Source, connection: Any, who: str) -> bool:
    """Whether people are the same where the column is the same as written, so that nothing has to be read to know it:
    texts and whole numbers of Parquet (`clusters_in` refuses rows of nobody); of CSV whole numbers that are written in
    one way only.
    """
    kind = str(connection.sql(f"SELECT {who} FROM {source.sql}").types[0])
    if source.kind == "parquet":
        return kind.endswith("INT") or kind in ("INTEGER", "VARCHAR")
    bad = f"{who} IS NULL OR NOT regexp_full_match({who}, '{_WHOLE}')"
    return not connection.sql(f"SELECT bool_or({bad}) FROM {source.sql}").fetchall()[0][0]


def clusters_in(together: Together, audit: npt.NDArray[np.bool_], coded: CodedRows, rows: int) -> Clusters:
    """`audit.clusters.clusters_of` of the measured rows; audit: of `raw`; coded: its measured kinds, of so
    many rows.

    Raises DataError where people stand in too many cells, or a row names nobody.
    """
    groups = int(np.prod([len(v) for v in coded.levels], dtype=np.int64))
    group = np.zeros(len(coded.label), dtype=np.int64)
    for axis, levels in enumerate(coded.levels):
        group = group * len(levels) + coded.codes[:, axis]
    cell = coded.label * 2 + coded.decision
    names = [f"k{i}" for i in range(len(together.keys))]
    kinds = together.raw.filter(pa.array(audit)).rename_columns(names)
    kinds = kinds.append_column("g", pa.array(group)).append_column("c", pa.array(cell))
    # Scores in bins make several kinds of one.
    kinds = kinds.group_by(names).aggregate([("g", "min"), ("c", "min")]).rename_columns([*names, "g", "c"])
    database = together.connection
    database.register("cells", kinds)
    on = " AND ".join(f"{key} IS NOT DISTINCT FROM {name}" for key, name in zip(together.keys, names, strict=True))
    used = np.unique(cell).tolist()
    if together.weight is None:
        alone = _alone(database, together, on, used, groups, rows)
        if alone is not None:
            return alone
    each = ", ".join(f"coalesce({_filtered_count(together.weight, c)}, 0) AS w{c}" for c in used)
    # A row for each person and group, with what stands in each cell: products within a group need no join then.
    database.execute(
        f"CREATE TEMP TABLE people AS SELECT {together.who} AS who, g, {each} FROM {together.table} JOIN cells ON {on} "
        "GROUP BY ALL"
    )
    if database.sql(NOBODY).fetchall()[0][0]:
        counted = f"SELECT count(*) - count({together.who}) FROM {together.table} JOIN cells ON {on}"
        raise of_nobody(together.name, int(database.sql(counted).fetchall()[0][0]), rows)
    ends = database.sql(
        "SELECT low, high, k, count(*) AS n FROM (SELECT min(g) AS low, max(g) AS high, count(*) AS k FROM people "
        "GROUP BY who) GROUP BY ALL"
    ).fetchnumpy()
    low, high, k, n = (np.asarray(ends[name], dtype=np.int64) for name in ("low", "high", "k", "n"))
    if float(np.sum(n * (k * (k - 1.0) / 2))) * len(used) ** 2 > MOST_PAIRS:
        raise too_many(int(k.max()) * len(used))
    unit = 1.0
    if together.weight is not None:
        largest = database.sql(f"SELECT max(greatest({', '.join(f'w{c}' for c in used)})) FROM people").fetchall()
        unit = 2.0 ** (88 - math.ceil(2 * math.log2(largest[0][0]))) if largest[0][0] else 1.0
    within = [(i, j) for i in used for j in used if i <= j]
    table = _products(database, within, together.weight is not None, unit, "people a", "a", "a.g, a.g")
    sets: dict[tuple[int, ...], int] = {}
    one = low == high
    for g, count in zip(low[one].tolist(), n[one].tolist(), strict=True):
        sets[(g,)] = sets.get((g,), 0) + count
    if not one.all():
        several = database.sql(
            "SELECT places, count(*) FROM (SELECT list_sort(list(g)) AS places FROM people GROUP BY who "
            "HAVING count(*) > 1) GROUP BY places"
        ).fetchall()
        sets |= {tuple(int(g) for g in places): int(count) for places, count in several}
        across = [(i, j) for i in used for j in used]
        both = "people a JOIN people b ON a.who = b.who AND a.g < b.g"
        table += _products(database, across, together.weight is not None, unit, both, "b", "a.g, b.g")
    left, right, products = (np.concatenate([t[k] for t in table]) for k in range(3))
    return summed(groups, sets, left, right, products)


def _alone(database: Any, together: Together, on: str, used: list[int], groups: int, total: int) -> Clusters | None:
    """The sums in one scan, where every person is in one group; None where somebody is in two, or in too many rows.

    A person's counts of all cells are added up as one number, and so are groups and their squares: the groups g of k
    rows are one where k sum(g^2) = (sum g)^2.
    """
    bits = 62 // len(used)
    if groups >= 1 << WIDE:
        return None
    place = " ".join(f"WHEN {c} THEN {1 << (bits * i)}" for i, c in enumerate(used))
    database.execute(
        f"CREATE TEMP TABLE packed AS SELECT *, CAST(CASE c {place} END AS BIGINT) AS b, "
        f"CAST(g + (g * g << {FAR}) AS BIGINT) AS h FROM cells"
    )
    cells = ", ".join(f"(b >> {bits * i}) & {(1 << bits) - 1} AS w{c}" for i, c in enumerate(used))
    within = [(i, j) for i in used for j in used if i <= j]
    sums = ", ".join(f"sum(w{i} * w{j})::DOUBLE AS p{i}{j}" for i, j in within)
    table = database.sql(
        f"SELECT CASE WHEN k * (h >> {FAR}) = s * s THEN s // k ELSE -1 END AS g, count(*) AS n, max(k) AS most, "
        f"coalesce(sum(k) FILTER (WHERE who IS NULL), 0) AS nobody, sum(k) AS rows, {sums} "
        f"FROM (SELECT *, {' + '.join(f'w{c}' for c in used)} AS k FROM (SELECT who, h, h & {(1 << FAR) - 1} AS s, "
        f"{cells} FROM (SELECT {together.who} AS who, TRY_CAST(sum(b) AS BIGINT) AS b, TRY_CAST(sum(h) AS BIGINT) AS h "
        f"FROM {together.table} JOIN packed ON {on} GROUP BY 1))) GROUP BY 1 ORDER BY 1"
    ).fetchnumpy()
    most, nobody, counted = (np.ma.asarray(table[name]) for name in ("most", "nobody", "rows"))
    # A count that ran over into the next cell's makes rows fewer, or nothing of them; both show in how many there are.
    if np.ma.getmaskarray(most).any() or counted.sum() != total or most.max() >= 1 << min(bits, MOST_ROWS):
        return None
    g, people = (np.asarray(table[name], dtype=np.int64) for name in ("g", "n"))
    if nobody.any():
        raise of_nobody(together.name, int(nobody.sum()), int(counted.sum()))
    if g.min() < 0:
        return None
    each = [(g * CELLS + i, g * CELLS + j, np.asarray(table[f"p{i}{j}"], dtype=np.float64)) for i, j in within]
    left, right, products = (np.concatenate([t[k] for t in each]) for k in range(3))
    return summed(groups, {(int(a),): int(n) for a, n in zip(g, people, strict=True)}, left, right, products)


def _filtered_count(weight: str | None, cell: int) -> str:
    """What a person has in a cell."""
    return f"count(*) FILTER (WHERE c = {cell})" if weight is None else weight.format(f"FILTER (WHERE c = {cell})")


def _products(
    database: Any, pairs: list[tuple[int, int]], weighted: bool, unit: float, table: str, other: str, by: str
) -> list[tuple[Any, Any, Any]]:
    """Sums over people of the products of two cells: cells of the group of `a` and of that of `other`, and the sums."""
    # Whole numbers, so that no order of adding changes a sum.
    sums = []
    for i, j in pairs:
        product = f"a.w{i} * {other}.w{j}"
        product = f"CAST({product} * {unit!r} AS HUGEINT)" if weighted else product
        sums.append(f"sum({product})::DOUBLE / {unit!r} AS p{i}{j}")
    columns = database.sql(f"SELECT {by}, {', '.join(sums)} FROM {table} GROUP BY ALL ORDER BY ALL").fetchnumpy()
    g, h = (np.asarray(columns[name], dtype=np.int64) * CELLS for name in list(columns)[:2])
    return [(g + i, h + j, np.asarray(columns[f"p{i}{j}"], dtype=np.float64)) for i, j in pairs]
