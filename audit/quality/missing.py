"""What is missing, by group: a column that is empty more often for some than for others is no neutral gap.

Empty values are missing. In a column of text, "?" and its like are counted beside them as `written`: the table keeps
them as values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit import stats
from audit.gaps import Settings, seed_of
from audit.quality.codes import Group
from audit.stats.pairs import named_rates
from audit.values import UNKNOWN, to_json

WRITTEN = ("?", "-", "--", ".", "N/A", "n/a", "#N/A", "null", "NULL", "nan", "NaN")
MOST = 20
"""Columns tested, those with the most missing values first; the counts of all are given."""


@dataclass(frozen=True, slots=True)
class MissingGap:
    """How much more often a column is empty in one group than in another."""

    attribute: tuple[str, ...]
    column: str
    value: float | None
    low: float
    high: float
    p_value: float | None
    highest: tuple[str, ...]
    lowest: tuple[str, ...]
    p_adjusted: float | None = None


def missing(frame: pd.DataFrame, columns: Sequence[str], groups: Sequence[Group], settings: Settings) -> dict[str, Any]:
    """Counts of each column, and per attribute the share missing in each group. Of the two groups farthest apart the
    interval, simultaneous over all pairs, and the p-value times the number of pairs, adjusted over columns (Holm).
    """
    none = np.zeros(len(frame), dtype=bool)  # of the many columns without any, one and the same

    def or_shared(rows: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        return rows if rows.any() else none

    empty = {c: or_shared(frame[c].isna().to_numpy()) for c in columns}
    written = {c: or_shared(said_missing(frame[c])) for c in columns}
    return missing_of(empty, written, np.ones(len(frame)), groups, settings)


def missing_of(
    empty: Mapping[str, npt.NDArray[Any]],
    written: Mapping[str, npt.NDArray[Any]],
    rows: npt.NDArray[Any],
    groups: Sequence[Group],
    settings: Settings,
) -> dict[str, Any]:
    """The same from counts: rows (k,) of each kind of row, and by column how many of them are empty, or say so; groups:
    of the kinds."""
    total = int(rows.sum())
    counted = {c: (int(empty[c].sum()), int(written[c].sum())) for c in empty}
    overall = [
        {"column": c, "rows": total, "missing": gone, "written": marked} for c, (gone, marked) in counted.items()
    ]
    ranked = sorted((c for c, both in counted.items() if any(both)), key=lambda c: -sum(counted[c]))
    hit = {c: empty[c].astype(np.int64) + written[c] for c in ranked[:MOST]}
    by_group: list[dict[str, Any]] = []
    gaps: list[MissingGap] = []
    for group in groups:
        for column in ranked[:MOST]:
            if column != group.attribute:
                _one(group, column, hit[column], rows, settings, by_group, gaps)
    adjusted = [replace(g, p_adjusted=p) for g, p in zip(gaps, _holm([g.p_value for g in gaps]), strict=True)]
    return {
        "columns": overall,
        "by_group": by_group,
        "gaps": [to_json(g) for g in adjusted],
        "tested": min(len(ranked), MOST),
        "with_missing": len(ranked),
        "written_as": list(WRITTEN),
    }


def said_missing(column: pd.Series) -> npt.NDArray[np.bool_]:
    """(n,) which values are texts that say that there is none."""
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_datetime64_any_dtype(column):
        return np.zeros(len(column), dtype=bool)
    codes, uniques = pd.factorize(column, use_na_sentinel=True)
    table = np.array([isinstance(v, str) and (v.strip() in WRITTEN or not v.strip()) for v in uniques] + [False])
    return table[codes]


def _one(
    group: Group,
    column: str,
    hit: npt.NDArray[np.int64],
    rows: npt.NDArray[Any],
    settings: Settings,
    by_group: list[dict[str, Any]],
    gaps: list[MissingGap],
) -> None:
    people = np.bincount(group.codes, rows, minlength=len(group.levels)).astype(np.float64)
    count = np.bincount(group.codes, hit, minlength=len(group.levels)).astype(np.float64)
    low, high = stats.wilson(count, people, settings.alpha)
    for g, name in enumerate(group.levels):
        known = people[g] > 0
        by_group.append(
            {
                "attribute": [group.attribute],
                "group": [name],
                "column": column,
                "rows": int(people[g]),
                "missing": int(count[g]),
                "value": float(count[g] / people[g]) if known else None,
                "low": float(low[g]) if known else None,
                "high": float(high[g]) if known else None,
            }
        )
    known = np.array([n != UNKNOWN for n in group.levels]) & (people > 0)
    enough = known & (people >= settings.floor)
    members = np.flatnonzero(enough if enough.sum() >= 2 else known)
    if len(members) < 2:
        return
    result = stats.largest_gap(
        ((count[members], people[members]),),
        seed=seed_of(settings, "missing", group.attribute, column),
        draws=settings.draws,
        alpha=settings.alpha,
    )
    if result.estimable and result.highest is not None and result.lowest is not None:
        # The two groups named, not the test of all: their interval holds for all pairs, their p-value pays for them.
        near, far, p = named_rates(
            count[members], people[members], result.highest, result.lowest,
            seed=seed_of(settings, "missing", group.attribute, column), draws=settings.draws, alpha=settings.alpha,
        )  # fmt: skip
        gaps.append(
            MissingGap(
                (group.attribute,),
                column,
                result.value,
                near,
                far,
                p,
                (group.levels[members[result.highest]],),
                (group.levels[members[result.lowest]],),
            )
        )


def _holm(p: list[float | None]) -> list[float | None]:
    known = [i for i, v in enumerate(p) if v is not None]
    out: list[float | None] = [None] * len(p)
    if known:
        for i, v in zip(known, stats.holm(np.array([p[i] for i in known], dtype=np.float64)).tolist(), strict=True):
            out[i] = v
    return out
