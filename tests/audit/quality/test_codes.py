"""Numbers in bands of equal size: NumPy's quantiles and searches are the reference."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from audit.quality.codes import MISSING, levels_of


@pytest.mark.parametrize("bands", [4, 7, 16])
@pytest.mark.parametrize("n", [97, 1_001, 20_000])
@pytest.mark.parametrize("kind", ["even", "ties", "gone", "endless", "whole", "dates"])
def test_bands_are_those_of_numpy(kind: str, n: int, bands: int) -> None:
    rng = np.random.default_rng(n + bands)
    values = rng.normal(size=n)
    if kind == "ties":
        values = values.round(1)
    elif kind in ("gone", "endless"):
        values[rng.random(n) < 0.2] = np.nan if kind == "gone" else np.inf
    elif kind == "whole":
        values = rng.integers(-40, 40, n).astype(np.float64)
    column = pd.Series(values, name="x")
    if kind == "dates":
        column = pd.Series(pd.to_datetime(rng.integers(0, 10**9, n), unit="s"), name="x")
        values = column.astype("int64").to_numpy(dtype=np.float64)
    known = values[np.isfinite(values)]
    edges = np.unique(np.quantile(known, np.arange(1, bands) / bands, method="inverted_cdf"))
    right = np.searchsorted(edges, values, side="right")
    levels = levels_of(column, bands=bands)
    assert levels is not None
    assert levels.codes[np.isfinite(values)].tolist() == right[np.isfinite(values)].tolist()
    assert len(levels.names) == len(edges) + 1 + (len(known) < n)
    assert {levels.names[c] for c in levels.codes[~np.isfinite(values)]} <= {MISSING}


def test_few_different_numbers_are_each_one_level() -> None:
    levels = levels_of(pd.Series([2.0, 0.5, np.nan, 2.0, -0.0, 0.0], name="x"), bands=4)
    assert levels is not None
    assert (levels.names, levels.codes.tolist()) == (("0", "0.5", "2", MISSING), [2, 1, 3, 2, 0, 0])
    assert levels_of(pd.Series([np.nan, np.inf], name="x")) is None
