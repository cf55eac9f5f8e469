"""Rows that stand in the data more than once, that were also learned from, or that contradict each other.

Two rows are alike when the features, the sensitive columns and the label are; ids, weights, times and the split are not
looked at. With few columns different people may be alike: the counts say how often, not why.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.case import Case
from audit.load import Rows
from audit.numbers import many
from audit.quality.codes import Group

MOST_CELLS = 40_000_000


def duplicates(case: Case, rows: Rows, features: Sequence[str], groups: Sequence[Group]) -> dict[str, Any]:
    """Counts for all audited rows and by group; `reason` where the columns were not read or are too many."""
    label = case.data.label
    merits = [c for c in dict.fromkeys((*features, *case.data.sensitive)) if c in rows.frame.columns and c != label]
    if not features:
        return {"measured": False, "reason": "no feature was read"}
    if len(rows.frame) * len(merits) > MOST_CELLS:
        return {
            "measured": False,
            "reason": f"{many(len(rows.frame), 'row')} of {many(len(merits), 'column')} are too many",
        }
    person = _hash(rows.frame[merits])
    whole = person if label is None else person * np.uint64(31) + _hash(rows.frame[[label]])
    mine = whole[rows.audit]
    kind, first = _kinds(mine)
    count = np.bincount(kind)
    again = np.ones(len(mine), dtype=bool)
    again[first] = False
    learned = np.zeros(len(mine), dtype=bool)
    if rows.train is not None:
        learned = np.isin(mine, whole[rows.train])
    against = np.zeros(len(mine), dtype=bool)
    if label is not None:
        known = rows.frame.loc[rows.audit, label].notna().to_numpy()
        against = _contradicted(person[rows.audit], mine, known)
    by_group: list[dict[str, Any]] = []
    for group in groups:
        size = len(group.levels)
        tables = [np.bincount(group.codes, x, minlength=size) for x in (np.ones(len(mine)), again, learned, against)]
        by_group += [
            {
                "attribute": [group.attribute],
                "group": [name],
                "rows": int(tables[0][g]),
                "repeated": int(tables[1][g]),
                "learned_from": None if rows.train is None else int(tables[2][g]),
                "contradicted": None if label is None else int(tables[3][g]),
            }
            for g, name in enumerate(group.levels)
        ]
    return {
        "measured": True,
        "columns": [*merits, *([label] if label is not None else [])],
        "rows": len(mine),
        "repeated": int(again.sum()),
        "alike": int((count[kind] > 1).sum()),
        "learned_from": None if rows.train is None else int(learned.sum()),
        "contradicted": None if label is None else int(against.sum()),
        "by_group": by_group,
    }


def _hash(frame: pd.DataFrame) -> npt.NDArray[np.uint64]:
    hashed: npt.NDArray[np.uint64] = np.asarray(pd.util.hash_pandas_object(frame, index=False), dtype=np.uint64)
    return hashed


def _contradicted(
    person: npt.NDArray[np.uint64], whole: npt.NDArray[np.uint64], known: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """Rows whose like in all but the label stands elsewhere with another known label."""
    out = np.zeros(len(person), dtype=bool)
    kind, first = _kinds(person[known])
    other = whole[known] != whole[known][first][kind]
    out[known] = np.bincount(kind, other, minlength=len(first))[kind] > 0
    return out


def _kinds(values: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Which kind each value is of (n,), and where each kind stands first; by hashing, since sorting takes longer."""
    kind = np.asarray(pd.factorize(values)[0], dtype=np.int64)
    first = np.empty(int(kind.max(initial=-1)) + 1, dtype=np.int64)
    first[kind[::-1]] = np.arange(len(kind))[::-1]
    return kind, first
