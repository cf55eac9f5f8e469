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
from audit.quality.codes import Group

MOST_CELLS = 40_000_000


def duplicates(case: Case, rows: Rows, features: Sequence[str], groups: Sequence[Group]) -> dict[str, Any]:
    """Counts for all audited rows and by group; `reason` where the columns were not read or are too many."""
    label = case.data.label
    merits = [c for c in dict.fromkeys((*features, *case.data.sensitive)) if c in rows.frame.columns and c != label]
    if not features:
        return {"measured": False, "reason": "no feature was read"}
    if len(rows.frame) * len(merits) > MOST_CELLS:
        return {"measured": False, "reason": f"{len(rows.frame):,} rows of {len(merits)} columns are too many"}
    person = _hash(rows.frame[merits])
    whole = person if label is None else person * np.uint64(31) + _hash(rows.frame[[label]])
    mine = whole[rows.audit]
    _, first, kind, count = np.unique(mine, return_index=True, return_inverse=True, return_counts=True)
    again = np.ones(len(mine), dtype=bool)
    again[first] = False
    learned = np.zeros(len(mine), dtype=bool)
    if rows.train is not None:
        learned = np.isin(mine, whole[rows.train])
    against = np.zeros(len(mine), dtype=bool)
    if label is not None:
        known = rows.frame.loc[rows.audit, label].notna().to_numpy()
        against = _contradicted(person[rows.audit], mine, known)
    out: dict[str, Any] = {
        "measured": True,
        "columns": [*merits, *([label] if label is not None else [])],
        "rows": len(mine),
        "repeated": int(again.sum()),
        "alike": int((count[kind] > 1).sum()),
        "learned_from": None if rows.train is None else int(learned.sum()),
        "contradicted": None if label is None else int(against.sum()),
        "by_group": [],
    }
    for group in groups:
        size = len(group.levels)
        tables = [np.bincount(group.codes, x, minlength=size) for x in (np.ones(len(mine)), again, learned, against)]
        out["by_group"] += [
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
    return out


def _hash(frame: pd.DataFrame) -> npt.NDArray[np.uint64]:
    hashed: npt.NDArray[np.uint64] = np.asarray(pd.util.hash_pandas_object(frame, index=False), dtype=np.uint64)
    return hashed


def _contradicted(
    person: npt.NDArray[np.uint64], whole: npt.NDArray[np.uint64], known: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """Rows whose like in all but the label stands elsewhere with another known label."""
    out = np.zeros(len(person), dtype=bool)
    _, kind = np.unique(person[known], return_inverse=True)
    pairs = np.unique(np.column_stack([kind.astype(np.uint64), whole[known]]), axis=0)[:, 0].astype(np.int64)
    outcomes = np.bincount(pairs, minlength=int(kind.max(initial=-1)) + 1)
    out[known] = outcomes[kind] > 1
    return out
