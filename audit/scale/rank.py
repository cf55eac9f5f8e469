"""Bins of scores by rank inside DuckDB: the same bins that audit/scores.py makes of rows, to the last bit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from audit.scores import CELLS, PARTS, RANKS, Floats


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
    found: pa.Table = connection.sql(query).to_arrow_table()
    at = found.column("s").to_numpy()
    below = found.column("below").to_numpy()
    return at, np.append(below[1:], found.column("top")[0].as_py()).astype(np.float64)


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
