"""Dependence: the mean attribution of a feature at its values, as in a dependence plot (Lundberg et al. 2020).

Numbers are cut at quantiles, so that each part has about as many people; categories stand for themselves, the rarest
put together. Parts with few people are left out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from audit.explain.kinds import Attributions, Floats, Ints
from audit.explain.neighbours import is_category
from audit.explain.sample import FLOOR
from audit.explain.summary import Z95, rounded
from audit.load.values import name_of
from audit.numbers import brief

TOP = 8
"""Features shown, of the largest mean |attribution|."""
PARTS = 10
OTHERS = "(others)"
MISSING = "(missing)"


def dependence(
    attributions: Attributions, frame: pd.DataFrame, places: Ints, top: tuple[str, ...], weight: Floats | None = None
) -> list[dict[str, Any]]:
    """The `dependence` of explain.json: for each feature of `top` the mean attribution in each part of its values.

    frame (n, M): the rows explained, in the order of `attributions`. places: which of them are a sample of everyone.
    low, high: 95 % normal interval over the rows of the part.
    """
    w = np.ones(len(frame)) if weight is None else weight
    out = []
    for feature in top:
        j = attributions.features.index(feature)
        column = frame.iloc[places, j].reset_index(drop=True)
        values, mass = attributions.values[places, j], w[places]
        parts, kind = (_levels(column), "level") if is_category(column) else (_bins(column), "bin")
        entries, few = [], 0
        for name, low, high, members in parts:
            if len(members) < FLOOR:
                few += len(members)
                continue
            mean, error = _mean(values[members], mass[members])
            entries.append(
                {
                    "value": name, "from": low, "to": high, "mean": rounded(mean), "low": rounded(mean - Z95 * error),
                    "high": rounded(mean + Z95 * error), "rows": len(members),
                }
            )  # fmt: skip
        out.append({"feature": feature, "kind": kind, "parts": entries, "left_out": few})
    return out


def _mean(values: Floats, weight: Floats) -> tuple[float, float]:
    if weight.sum() <= 0:
        weight = np.ones(len(values))
    mean = float(np.average(values, weights=weight))
    size = len(values)
    error = np.sqrt((weight**2 * (values - mean) ** 2).sum()) / weight.sum() * np.sqrt(size / max(1, size - 1))
    return mean, float(error)


Part = tuple[str, float | None, float | None, Ints]


def _levels(column: pd.Series) -> list[Part]:
    codes, values = pd.factorize(column, use_na_sentinel=True)
    count = np.bincount(codes[codes >= 0], minlength=len(values))
    order = np.argsort(-count, kind="stable")
    # A level with few people joins the others, so that nobody is told apart.
    own = [int(c) for c in order[:PARTS] if count[c] >= FLOOR]
    rest = np.flatnonzero((codes >= 0) & ~np.isin(codes, own))
    parts: list[Part] = [(name_of(values[c]), None, None, np.flatnonzero(codes == c)) for c in own]
    if len(rest):
        parts.append((OTHERS, None, None, rest))
    missing = np.flatnonzero(codes < 0)
    return [*parts, (MISSING, None, None, missing)] if len(missing) else parts


def _bins(column: pd.Series) -> list[Part]:
    numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
    known = numbers[~np.isnan(numbers)]
    parts: list[Part] = []
    if len(known):
        distinct = np.unique(known)
        if len(distinct) <= PARTS:
            lower = distinct
        else:
            # Each part begins at an observed value; a value that many people share is a part of its own.
            lower = np.unique(np.quantile(known, np.linspace(0, 1, PARTS + 1)[:-1], method="inverted_cdf"))
        place = np.searchsorted(lower, numbers, side="right") - 1
        for k in range(len(lower)):
            members = np.flatnonzero((place == k) & ~np.isnan(numbers))
            inside = numbers[members]
            low, high = float(inside.min()), float(inside.max())
            name = brief(low) if low == high else f"{brief(low)} to {brief(high)}"
            parts.append((name, rounded(low), rounded(high), members))
    missing = np.flatnonzero(np.isnan(numbers))
    return [*parts, (MISSING, None, None, missing)] if len(missing) else parts
