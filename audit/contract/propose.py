"""A contract proposed from a reference: what holds there, wide enough that a batch like it passes.

A proposed limit must not break on a batch that is drawn like the reference: of bootstraps of the reference at least 99
of 100 pass (tests). Ranges reach beyond the extremes by how far apart the values there lie; shares of missing values
reach to the upper end of a 99.99 % interval, for a batch of any usual size. A person reads it, and edits it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from audit.contract.records import Check, Contract
from audit.load.values import coded
from audit.numbers import are, brief, many

MOST_VALUES = 60
"""A text column of more different values is not listed."""
LEAST_ROWS = 30
NEVER = 1e-6
"""The chance that a line is broken by a batch like the reference."""
BATCH = 200
"""The smallest batch that a proposal is made for."""


def propose(
    frame: pd.DataFrame, columns: Sequence[str] | None = None, *, keys: Sequence[str] = (), time: str | None = None
) -> Contract:
    """Checks that `frame` (n rows) keeps, each with its reason. keys: columns that say who a row is."""
    n = len(frame)
    checks = [Check("exists", (str(c),), reason="a model reads it") for c in columns or ()]
    for name in columns if columns is not None else [str(c) for c in frame.columns]:
        checks += _of(frame[name], n)
    for key in keys:
        if key in frame.columns and not frame[key].isna().any():
            checks.append(Check("missing_at_most", (key,), mostly=1.0, reason="it says who a row is"))
            if not frame[key].duplicated().any():
                checks.append(
                    Check("unique", (key,), reason=f"no {key} stands twice in the {many(n, 'row')} of the reference")
                )
    if time is not None and time in frame.columns and frame[time].is_monotonic_increasing:
        checks.append(
            Check("in_order", (time,), severity="warning", reason="rows came in order of time in the reference")
        )
    return Contract(tuple(checks), "a proposal")


def _of(column: pd.Series, n: int) -> list[Check]:
    name, gone = str(column.name), int(column.isna().sum())
    out = []
    if n >= LEAST_ROWS and gone < n:
        most = missing_limit(gone, n)
        reason = (
            f"{gone:,} of {n:,} {are(gone)} missing in the reference"
            if gone
            else f"none of {n:,} is missing in the reference"
        )
        if most < 1:
            out.append(Check("missing_at_most", (name,), mostly=1 - most, reason=reason))
    if gone == n:
        return out
    numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    if numeric or pd.api.types.is_datetime64_any_dtype(column):
        return [*out, _range_check(name, column.dropna(), numeric)]
    codes, names = coded(column)
    if len(names) <= min(MOST_VALUES, n / 5):
        rare = int((np.bincount(codes[codes >= 0], minlength=len(names)) == 1).sum())
        # Values that the reference lacks come with about the share of those that it has once (Good 1953).
        unseen = _most_share(rare + 1, n)
        reason = (
            f"{are(len(names), 'this value is', f'these {len(names):,} values are')} in the reference; others "
            "come rarely"
        )
        out.append(Check("among", (name,), {"values": sorted(names)}, mostly=_round_down(1 - unseen), reason=reason))
    return out


def _range_check(name: str, values: pd.Series, numeric: bool) -> Check:
    if not numeric:
        low, high = values.min(), values.max()
        reach = max((high - low) / 10, pd.Timedelta(days=1))
        parameters: dict[str, Any] = {"min": (low - reach).date().isoformat(), "max": None}
        return Check("between", (name,), parameters, reason=f"dates begin on {low.date()} in the reference")
    x = np.sort(values.to_numpy(dtype=np.float64))
    x = x[np.isfinite(x)]
    if not len(x):
        return Check("type", (name,), {"type": "number"}, reason="it is a number in the reference")
    low, high = float(x[0]), float(x[-1])
    reach = (high - low) * 0.05 or max(abs(high), 1.0) * 0.05
    whole = bool((x == np.floor(x)).all())
    least, most = low - reach, high + reach
    if low >= 0:
        least = max(least, 0.0)
    if whole:
        least, most = math.floor(least), math.ceil(most)
    shown = f"from {brief(low)} to {brief(high)} in the reference, and 5 % of that beyond"
    return Check(
        "between",
        (name,),
        {"min": _shortest(least), "max": _shortest(most)},
        mostly=_round_down(1 - _most_share(1, len(x))),
        reason=shown,
    )


def missing_limit(gone: int, n: int) -> float:
    """The share of missing values that a batch like the reference stays under, rounded up to a figure people write."""
    return _round_up(_most_share(gone, n))


def _most_share(hits: int, n: int) -> float:
    """The largest share in a batch of BATCH rows, with a chance of NEVER of more, where the reference has hits of n.

    The true share is at most the upper 99.9 % Clopper-Pearson limit.
    """
    from scipy.stats import beta, binom

    top = float(beta.ppf(0.999, hits + 1, max(n - hits, 1))) if hits < n else 1.0
    return min(1.0, float(binom.isf(NEVER, BATCH, min(top, 1.0))) / BATCH)


def _round_up(share: float) -> float:
    return min(1.0, math.ceil(share * 200 - 1e-9) / 200)


def _round_down(share: float) -> float:
    return max(0.0, math.floor(share * 200 + 1e-9) / 200)


def _shortest(value: float) -> float | int:
    if float(value).is_integer():
        return int(value)
    return float(brief(value, 6))
