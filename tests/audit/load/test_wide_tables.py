"""A table of many columns is taken over some at a time, and is the same table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audit.load.tables import AT_ONCE, read_table


@pytest.mark.parametrize("columns", [AT_ONCE, AT_ONCE + 1, 3 * AT_ONCE - 5])
def test_many_columns_come_in_their_order_with_their_types_and_values(tmp_path: Path, columns: int) -> None:
    rng = np.random.default_rng(0)
    kinds = (
        lambda: pa.array(rng.normal(size=20).astype(np.float32)),
        lambda: pa.array([None, *rng.integers(0, 9, 19).tolist()]),
        lambda: pa.array([None if v < 1 else f"v{v}" for v in rng.integers(0, 5, 20)]),
        lambda: pa.array(rng.random(20) < 0.5),
    )
    table = pa.table({f"x{k}": kinds[k % len(kinds)]() for k in range(columns)})
    pq.write_table(table, tmp_path / "wide.parquet")
    pd.testing.assert_frame_equal(read_table(tmp_path / "wide.parquet"), table.to_pandas())
    some = [f"x{k}" for k in range(columns - 1, 0, -1)]
    pd.testing.assert_frame_equal(read_table(tmp_path / "wide.parquet", some), table.select(some).to_pandas())
