"""The data set before any model: what is missing, repeated or constant, what stands in for a sensitive attribute.

    from audit.quality.table import DETECTORS, examine      # what is looked for, and all of it

What is here needs the rows themselves, so that it cannot be recomputed from the cube; `verify --rerun` makes it again.
What follows from the cube alone (label measures, reference population, constant labels) is in audit/dataset.py and
audit/quality/population.py.
"""

from __future__ import annotations

import pandas as pd

from audit.case import Case
from audit.code import group_codes
from audit.quality.codes import Group


def groups_of(case: Case, frame: pd.DataFrame) -> tuple[Group, ...]:
    """The groups of each sensitive column of `frame`."""
    return tuple(Group(a, *group_codes(frame[a], case.data.bins.get(a))) for a in case.data.sensitive)
