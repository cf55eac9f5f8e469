"""Noise taken out of sampled attributions by what each feature's own two values already tell.

The share of a feature on a walk depends first of all on its value in the row and in the background row met: a rare
large capital gain in the background weighs on whoever happens to meet it. Cell means over (band of the row's value,
band of the background row's value) say how much; as the bands of the whole background are known, the luck of the draw
is taken out without changing what is estimated (post-stratification; Cochran 1977, ch. 5A).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from audit.explain.kinds import Floats, Ints

BANDS = 8
FEW = 20
"""Cells with fewer walks are drawn towards their margin."""


Bands = tuple[Ints, Ints, Ints]


def bands(rows: pd.DataFrame, background: pd.DataFrame) -> Bands:
    """The band of each value: (n, M), (L, M), and how many bands each feature has, (M,).

    Up to BANDS distinct values are a band each; more are cut at quantiles (numbers) or the rarest put together.
    """
    of_rows, of_back, sizes = [], [], []
    for j in range(rows.shape[1]):
        column = pd.concat([rows.iloc[:, j], background.iloc[:, j]], ignore_index=True)
        codes, values = pd.factorize(column, use_na_sentinel=True)
        if len(values) > BANDS - 1:
            if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
                numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
                edges = np.unique(np.nanquantile(numbers, np.linspace(0, 1, BANDS)[1:-1]))
                codes = np.where(np.isnan(numbers), -1, np.searchsorted(edges, numbers, side="left"))
            else:
                often = np.argsort(-np.bincount(codes[codes >= 0], minlength=len(values)), kind="stable")
                place = np.full(len(values), BANDS - 2)
                place[often[: BANDS - 2]] = np.arange(BANDS - 2)
                codes = np.where(codes < 0, -1, place[codes])
        codes = codes - codes.min(initial=0)
        of_rows.append(codes[: len(rows)])
        of_back.append(codes[len(rows) :])
        sizes.append(int(codes.max(initial=0)) + 1)
    shape = (len(rows), 0)
    first = np.column_stack(of_rows) if of_rows else np.zeros(shape, dtype=np.int64)
    second = np.column_stack(of_back) if of_back else np.zeros((len(background), 0), dtype=np.int64)
    return first.astype(np.int64), second.astype(np.int64), np.array(sizes, dtype=np.int64)


def luck(shares: Floats, row: Ints, back: Ints, strata: Bands) -> Floats:
    """(P, M): what each walk's share is expected to be off for the background row that it met.

    shares (P, M) of walks between row[p] and back[p]; strata: the `bands` of these. Averages to zero over the whole
    background for every row.
    """
    of_rows, of_back, sizes = strata
    out = np.zeros_like(shares)
    for j, size in enumerate(sizes.tolist()):
        if size < 2:
            continue
        own, met = of_rows[row, j], of_back[back, j]
        cell = own * size + met
        count = np.bincount(cell, minlength=size * size).reshape(size, size).astype(np.float64)
        total = np.bincount(cell, weights=shares[:, j], minlength=size * size).reshape(size, size)
        per_own, per_met = count.sum(axis=1), count.sum(axis=0)
        overall = shares[:, j].mean()
        row_mean = np.divide(total.sum(axis=1), per_own, out=np.full(size, overall), where=per_own > 0)
        met_mean = np.divide(total.sum(axis=0), per_met, out=np.full(size, overall), where=per_met > 0)
        expected = row_mean[:, None] + met_mean[None, :] - overall
        mean = (total + FEW * expected) / (count + FEW)
        frequency = np.bincount(of_back[:, j], minlength=size) / len(of_back)
        out[:, j] = mean[own, met] - (mean @ frequency)[own]
    return out
