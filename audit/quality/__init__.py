"""The data set before any model: what is missing, repeated or constant, what stands in for a sensitive attribute.

    quality = examine(case, rows, seed=0)

What is here needs the rows themselves, so that it cannot be recomputed from the cube; `verify --rerun` makes it again.
What follows from the cube alone (label measures, reference population, constant labels) is in audit/dataset.py and
audit/quality/population.py.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from audit.case import Case
from audit.code import group_codes
from audit.gaps import Settings
from audit.load import Rows
from audit.quality.codes import Group
from audit.quality.duplicates import duplicates
from audit.quality.missing import missing
from audit.quality.periods import periods
from audit.quality.proxies import proxies


def groups_of(case: Case, frame: pd.DataFrame) -> tuple[Group, ...]:
    """The groups of each sensitive column of `frame`."""
    return tuple(Group(a, *group_codes(frame[a], case.data.bins.get(a))) for a in case.data.sensitive)


def examine(case: Case, rows: Rows, settings: Settings) -> dict[str, Any]:
    """The `quality` entry of evidence.json, about the audited rows of `rows`."""
    frame = rows.frame[rows.audit]
    groups = groups_of(case, frame)
    features = tuple(f for f in rows.features if f in frame.columns)
    label = (case.data.label,) if case.data.label is not None else ()
    return {
        "missing": missing(frame, tuple(dict.fromkeys((*features, *label, *case.data.sensitive))), groups, settings),
        "duplicates": duplicates(case, rows, features, groups),
        "periods": periods(case, frame, groups),
        "proxies": proxies(frame, features, groups, settings),
    }
