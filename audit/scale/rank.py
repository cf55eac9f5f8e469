"""Bins of scores by rank inside DuckDB: the same bins that audit/scores.py makes of rows, to the last bit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from audit.cube import AREA_GROUPS, CodedRows, attribute_sets, cube_of
from audit.scores import CELLS, PARTS, RANKS, Areas, Floats, area_bounds

AREA_ROWS = 20_000_000
"""Up to so many people all areas are exact; beyond them those that the bins of scores could move by more than BLUR."""
BLUR = 0.001


@dataclass(frozen=True, slots=True)
class Scored:
    """The measured rows with scores, in SQL; keys: the columns of `raw`, which has one row for each combination."""

    connection: Any
    table: str
    score: str
    weight: str
    keys: tuple[str, ...]
    raw: pa.Table


def rank_bins(connection: Any, table: str, score: str) -> tuple[Floats, Floats]:
    """The lowest and the highest score of each bin. score: in SQL, a finite number in every row of `table`."""
    # The rules of audit.scores.starts_of, in its order. Halves keep the span of huge scores finite.
    inside = f"(low >= 0 AND top <= 1 AND {_part('s')} <> {_part('lag(s) OVER w')})"
    cell = f"floor((s / 2 - low / 2) / nullif(top / 2 - low / 2, 0) * {CELLS})"
    query = f"""
    WITH each AS (SELECT {score} + 0.0::DOUBLE AS s, count(*)::HUGEINT AS n FROM {table} GROUP BY 1),
    placed AS (
        SELECT s, n, sum(n) OVER (ORDER BY s ROWS UNBOUNDED PRECEDING) - n AS before,
            sum(n) OVER () AS total, min(s) OVER () AS low, max(s) OVER () AS top
        FROM each
    ),
    marked AS (
        SELECT s, low, top, before * {RANKS} // total AS rank, {cell} AS cell,
            n * {RANKS} > total OR (before <= total // 2 AND before + n > (total - 1) // 2) AS alone
        FROM placed
    ),
    begun AS (
        SELECT s, lag(s) OVER w AS below, (lag(s) OVER w IS NULL OR rank <> lag(rank) OVER w OR alone
            OR lag(alone) OVER w OR cell IS DISTINCT FROM lag(cell) OVER w OR {inside}) AS new
        FROM marked WINDOW w AS (ORDER BY s)
    )
    SELECT s, below, (SELECT max(top) FROM placed) AS top FROM begun WHERE new ORDER BY s
    """
    bins: pa.Table = connection.sql(query).to_arrow_table()
    at = bins.column("s").to_numpy()
    below = bins.column("below").to_numpy()
    return at, np.append(below[1:], bins.column("top")[0].as_py()).astype(np.float64)


def _part(score: str) -> str:
    return f"greatest(0, least({PARTS - 1}, floor({score} * {PARTS})))"


def bin_sql(score: str, at: Sequence[float]) -> str:
    """Which bin a score lies in, as a tree of comparisons."""

    def tree(first: int, last: int) -> str:
        if first == last:
            return str(first)
        middle = (first + last + 1) // 2
        edge = f"'{float(at[middle])!r}'::DOUBLE"
        return f"CASE WHEN {score} < {edge} THEN {tree(first, middle - 1)} ELSE {tree(middle, last)} END"

    return tree(0, len(at) - 1)


def blurred(coded: CodedRows) -> dict[tuple[str, ...], npt.NDArray[np.bool_]]:
    """Of every set of attributes, which groups' areas the bins could move by more than BLUR."""
    masks = {}
    cube = cube_of(coded)
    for attribute in attribute_sets(coded.attributes, 3):
        size = int(np.prod([len(coded.levels[coded.attributes.index(a)]) for a in attribute], dtype=np.int64))
        if size > AREA_GROUPS:
            continue
        margin = cube.margin(attribute)
        assert margin.scores is not None
        wide = np.zeros(size, dtype=bool)
        names = list(product(*(coded.levels[coded.attributes.index(a)] for a in attribute)))
        for g, group in enumerate(margin.groups):
            low, high = area_bounds(margin.scores, g)
            wide[names.index(group)] = np.isfinite(low) and (high - low) / 2 > BLUR
        masks[attribute] = wide
    return masks


def areas_of(
    scored: Scored, audit: npt.NDArray[np.bool_], coded: CodedRows,
    only: Mapping[tuple[str, ...], npt.NDArray[np.bool_]] | None = None,
) -> Areas:  # fmt: skip
    """Exact areas of every set of up to three attributes, as audit.cube has them of rows.

    only: the groups that are asked for; the others are NaN.
    """
    keys = [f"k{i}" for i in range(len(scored.keys))]
    raw = scored.raw.filter(pa.array(audit)).rename_columns(keys)
    first = np.arange(len(coded.label))
    if keys:
        numbered = raw.append_column("i", pa.array(first))
        first = np.sort(numbered.group_by(keys).aggregate([("i", "min")]).column("i_min").to_numpy())
    columns, sizes = {"l": coded.label[first]}, {}
    for number, attribute in enumerate(attribute_sets(coded.attributes, 3)):
        axes = [coded.attributes.index(a) for a in attribute]
        size = int(np.prod([len(coded.levels[i]) for i in axes], dtype=np.int64))
        if size > AREA_GROUPS:
            continue
        group = np.zeros(len(first), dtype=np.int64)
        for i in axes:
            group = group * len(coded.levels[i]) + coded.codes[first, i]
        if only is not None:
            group = np.where(only[attribute][group], group, -1)
        columns[f"g{number}"], sizes[attribute] = group, size
    kinds = raw.take(pa.array(first))
    for name, values in columns.items():
        kinds = kinds.append_column(name, pa.array(values))
    if only is not None:
        asked = np.max([v for n, v in columns.items() if n != "l"], axis=0, initial=-1) >= 0
        kinds = kinds.filter(pa.array(asked))
    areas = _exact(scored, kinds, list(sizes.values()))
    return dict(zip(sizes, areas, strict=True))


def _exact(scored: Scored, kinds: pa.Table, sizes: Sequence[int]) -> list[Floats]:
    """kinds: each combination of keys k0, k1 ..., its label l (0, 1, 2) and its group g0, g1 ... in each set of
    attributes, of which there are sizes.
    """
    scored.connection.register("kinds", kinds)
    groups = [n for n in kinds.column_names if n.startswith("g")]
    joined = " AND ".join(f"{key} IS NOT DISTINCT FROM k{i}" for i, key in enumerate(scored.keys)) or "true"
    scored.connection.execute(
        f"CREATE TEMP TABLE scored AS SELECT {', '.join(groups)}, l, {scored.score} + 0.0::DOUBLE AS s, "
        f"sum({scored.weight})::HUGEINT AS w FROM {scored.table} JOIN kinds ON {joined} WHERE l < 2 GROUP BY ALL"
    )
    out = []
    for name, size in zip(groups, sizes, strict=True):
        # Whole numbers, so that no order of adding changes a sum; ties count one half.
        query = f"""
        SELECT g, sum(p * (2 * (so_far - n) + n)) AS won, sum(p) * sum(n) * 2 AS pairs FROM (
            SELECT g, p, n, sum(n) OVER (PARTITION BY g ORDER BY s ROWS UNBOUNDED PRECEDING) AS so_far FROM (
                SELECT {name} AS g, s, coalesce(sum(w) FILTER (l = 1), 0)::HUGEINT AS p,
                    coalesce(sum(w) FILTER (l = 0), 0)::HUGEINT AS n
                FROM scored WHERE {name} >= 0 GROUP BY 1, 2
            )
        ) GROUP BY g
        """
        area = np.full(size, np.nan)
        for g, won, pairs in scored.connection.sql(query).fetchall():
            if pairs:
                area[g] = int(won) / int(pairs)
        out.append(area)
    return out
