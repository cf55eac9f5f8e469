"""Periods: labels that are constant in one, and what of a change is people changing and what is the mix changing.

A period in which every known outcome is the same is a fault of the data until shown otherwise: it looks like drift and
is none. The split of a change into a part within groups and a part of the mix is Kitagawa's (1955).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.case import Case
from audit.load.check import times_of
from audit.metrics import BASE_RATE
from audit.quality.codes import Group

Floats = npt.NDArray[np.float64]

MOST = 36
FEW = 30
"""A constant label in fewer known outcomes than this is not called constant."""


def periods(case: Case, frame: pd.DataFrame, groups: Sequence[Group]) -> dict[str, Any] | None:
    """Outcomes per period and, per attribute, the change from the first to the last; None without times or labels."""
    data = case.data
    if data.time is None or data.label is None or data.task == "regression" or data.time not in frame.columns:
        return None
    codes, names = _periods(frame[data.time])
    label = frame[data.label]
    from audit.code import code_label

    known_code, meaning = code_label(case, frame)
    known = (known_code < 2) & label.notna().to_numpy()
    good = known & (known_code == (1 if meaning.favourable_is_positive else 0))
    n = np.bincount(codes, known, minlength=len(names))
    x = np.bincount(codes, good, minlength=len(names))
    table = [
        {
            "period": name,
            "rows": int((codes == i).sum()),
            "known": int(n[i]),
            "favourable": int(x[i]),
            "value": float(x[i] / n[i]) if n[i] else None,
            "constant": bool(n[i] >= FEW and x[i] in (0, n[i])),
        }
        for i, name in enumerate(names)
    ]
    full = [i for i in range(len(names)) if n[i] > 0]
    changes = []
    for group in groups if len(full) > 1 else ():
        counts = []
        for i in (full[0], full[-1]):
            here = codes == i
            size = len(group.levels)
            counts += [
                np.bincount(group.codes[here], known[here], minlength=size).astype(np.float64),
                np.bincount(group.codes[here], good[here], minlength=size).astype(np.float64),
            ]
        total, within, mix = within_and_mix(*counts)
        changes.append(
            {
                "attribute": [group.attribute],
                "metric": BASE_RATE,
                "from": names[full[0]],
                "to": names[full[-1]],
                "change": total,
                "within_groups": within,
                "mix_of_groups": mix,
            }
        )
    return {"column": data.time, "periods": table, "changes": changes}


def within_and_mix(n0: Floats, x0: Floats, n1: Floats, x1: Floats) -> tuple[float, float, float]:
    """The change of an overall rate x/n and its two parts, which add up to it: within groups, and of the mix.

    n0, x0, n1, x1 : (G,) people and successes of each group, before and after. A group that is in one of the two only
    counts as mix. Raises ValueError where one of the two is empty.
    """
    if n0.sum() <= 0 or n1.sum() <= 0:
        raise ValueError("nobody before or after")
    s0, s1 = n0 / n0.sum(), n1 / n1.sum()
    r0 = np.divide(x0, n0, out=np.zeros(len(n0)), where=n0 > 0)
    r1 = np.divide(x1, n1, out=np.zeros(len(n1)), where=n1 > 0)
    r0, r1 = np.where(n0 > 0, r0, r1), np.where(n1 > 0, r1, r0)
    within = float(((r1 - r0) * (s0 + s1) / 2).sum())
    mix = float(((s1 - s0) * (r0 + r1) / 2).sum())
    return float((s1 * r1).sum() - (s0 * r0).sum()), within, mix


def _periods(column: pd.Series) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
    """Each distinct time where few; else calendar months, years, or bands of equal size, whichever is few enough."""
    times = times_of(column)
    codes, uniques = pd.factorize(times, sort=True)
    if len(uniques) <= MOST:
        return codes.astype(np.int64), tuple(_name(v) for v in uniques)
    if pd.api.types.is_datetime64_any_dtype(times):
        for pattern in ("%Y-%m", "%Y"):
            codes, uniques = pd.factorize(times.dt.strftime(pattern), sort=True)
            if len(uniques) <= MOST:
                return codes.astype(np.int64), tuple(str(v) for v in uniques)
        times = times.astype("int64")
    values = times.to_numpy(dtype=np.float64)
    edges = np.unique(np.quantile(values, np.arange(1, 12) / 12, method="inverted_cdf"))
    return np.searchsorted(edges, values, side="right").astype(np.int64), tuple(
        f"part {i + 1}" for i in range(len(edges) + 1)
    )


def _name(value: Any) -> str:
    from audit.load.values import name_of

    return name_of(value)
