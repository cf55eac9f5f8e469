"""The one expression behind the cube: equal rows together, by whatever engine holds them.

narwhals says it to DuckDB, Spark, Polars, pandas and Arrow. Rows are put together as typed values, never as text: two
engines write 1e7 in two ways. Names are made of what comes back, by our own rules.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import pyarrow as pa

BITS = 28
PARTS = 3
"""A sum is added up as three whole numbers of 28 bits each: exact, so that no order of adding changes it, and within
64 bits up to 30 billion rows."""

PEOPLE = "people"


@dataclass(frozen=True, slots=True)
class Sum:
    """What to add up. largest: no finite value lies farther from 0; what is missing or not finite adds nothing."""

    name: str
    value: nw.Expr
    largest: float

    @property
    def unit(self) -> float:
        return 2.0 ** (BITS * PARTS - math.ceil(math.log2(self.largest))) if self.largest > 0 else 1.0

    def parts(self) -> list[nw.Expr]:
        """Whole numbers, the highest first."""
        whole = nw.when(self.value.is_finite()).then(self.value * self.unit).otherwise(nw.lit(0.0))
        out = []
        for place in reversed(range(PARTS)):
            step = 2.0 ** (BITS * place)
            part = (whole / step).floor()
            out.append(part.cast(nw.Int64).alias(f"{self.name}_{place}"))
            whole = whole - part * step
        return out

    def of(self, table: pa.Table) -> np.ndarray[Any, np.dtype[np.float64]]:
        """The sums, each correctly rounded once."""
        total: Any = 0
        for place in reversed(range(PARTS)):
            part = table.column(f"{self.name}_{place}").to_numpy().astype(np.int64)
            total = total + part.astype(object) * 2 ** (BITS * place)
        return np.asarray(total, dtype=np.float64) / self.unit


def kinds(
    frame: Any,
    keys: Sequence[str],
    sums: Sequence[Sum] = (),
    *,
    most: int,
    floor: tuple[int, Sequence[str]] | None = None,
) -> pa.Table:
    """One row for each combination of the columns `keys`, at most `most`, sorted: the keys, `people`, the sums.

    frame: of narwhals. floor: (n, columns): combinations of these columns with fewer than n rows are left out where
    the rows are.
    """
    asked = frame.select(*[nw.col(k) for k in keys], *[part for s in sums for part in s.parts()])
    parts = [f"{s.name}_{place}" for s in sums for place in reversed(range(PARTS))]
    totals = [nw.col(p).sum() for p in parts]
    if keys:
        grouped = asked.group_by(*keys).agg(nw.len().alias(PEOPLE), *totals)
    else:
        grouped = asked.select(nw.len().alias(PEOPLE), *totals)
    grouped = grouped.with_columns(nw.col(c).cast(nw.Int64) for c in (PEOPLE, *parts))
    if floor is not None:
        least, columns = floor
        grouped = grouped.filter(nw.col(PEOPLE).sum().over(*columns) >= least)
    table = arrow(grouped.head(most))
    table = table.sort_by([(k, "ascending") for k in keys]) if keys else table
    out = table.select([*keys, PEOPLE])
    for s in sums:
        out = out.append_column(s.name, pa.array(s.of(table)))
    return out


def arrow(frame: Any) -> pa.Table:
    """What a frame of narwhals holds, fetched."""
    return (frame.collect(backend="pyarrow") if isinstance(frame, nw.LazyFrame) else frame).to_arrow()
