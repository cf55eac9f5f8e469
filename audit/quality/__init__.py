"""The data set before any model: what is missing, repeated or constant, what stands in for a sensitive attribute.

    from audit.quality.table import DETECTORS, examine      # what is looked for, and all of it

What is here needs the rows themselves, so that it cannot be recomputed from the cube; `verify --rerun` makes it again.
What follows from the cube alone (label measures, reference population, constant labels) is in audit/dataset.py and
audit/quality/population.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from audit.case import Case
    from audit.quality.codes import Group


def groups_of(case: Case, frame: pd.DataFrame) -> tuple[Group, ...]:
    """The groups of each sensitive column of `frame`."""
    # Here: what follows from the cube alone needs no table.
    from audit.code import group_codes
    from audit.quality.codes import Group

    return tuple(Group(a, *group_codes(frame[a], case.data.bins.get(a))) for a in case.data.sensitive)
