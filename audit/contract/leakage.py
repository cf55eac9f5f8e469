"""A split that lets the future, or the same people, into what was learned: said before the audit's figures are read.

A feature that gives the label away is audit/quality/leaks.py; rows in both parts are audit/quality/duplicates.py.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from audit.case import Case
from audit.findings import percent
from audit.load import Rows

LATER = 0.05
"""Of the rows learned from: so many later than the first measured are no accident at the seam."""


def split_leaks(case: Case, rows: Rows) -> tuple[str, ...]:
    """Sentences; none where the case names no split, or neither time nor people."""
    if rows.train is None or not rows.train.any() or not rows.audit.any():
        return ()
    return tuple(s for s in (_time(case, rows), _people(case, rows)) if s)


def _time(case: Case, rows: Rows) -> str | None:
    name = case.data.time
    if rows.train is None or name is None or name not in rows.frame.columns:
        return None
    column = rows.frame[name]
    if not (pd.api.types.is_numeric_dtype(column) or pd.api.types.is_datetime64_any_dtype(column)):
        column = pd.to_datetime(column, errors="coerce", utc=True, format="ISO8601")
    assert rows.train is not None
    learned, measured = column[rows.train].dropna(), column[rows.audit].dropna()
    if not len(learned) or not len(measured):
        return None
    later = float(np.mean((learned > measured.min()).to_numpy()))
    if later <= LATER:
        return None
    return (
        f"The split goes across time: {percent(later)} of the rows learned from are later ({name}) than the first row "
        "measured. Such a model has seen what came after; on people who come later it may do worse than here. Split by "
        "time to know."
    )


def _people(case: Case, rows: Rows) -> str | None:
    name = case.data.cluster or case.data.id
    if rows.train is None or name is None or name not in rows.frame.columns:
        return None
    column = rows.frame[name]
    assert rows.train is not None
    learned = set(column[rows.train].dropna())
    measured = column[rows.audit].dropna()
    both = float(measured.isin(learned).mean()) if len(measured) else 0.0
    if both == 0:
        return None
    return (
        f"{percent(both)} of the rows measured are of somebody ({name}) whom the model learned from too: it may know "
        "them by heart. Put all rows of one on the same side of the split."
    )
