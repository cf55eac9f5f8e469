"""The values that pass between the files of this room."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

    from audit.models.hybrids import LazyRows

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

Predict = Callable[["pd.DataFrame"], Floats]
"""Rows in, one number a row out: the probability of the positive value, a 0/1 decision or a regression's value. One
with a true attribute `takes_hybrids` takes `audit.models.hybrids.LazyRows` too."""

Step = Callable[[int, int], None]
"""Told (done, total) while work goes on. May raise Cancelled."""

PROBABILITY, DECISION, LOG_ODDS, VALUE = "probability", "decision", "log-odds", "value"
OUTPUTS = (PROBABILITY, DECISION, LOG_ODDS)

PERMUTATION = "permutation"
TOLERANCES = {"xgboost": 5e-4, "lightgbm": 1e-6, "linear": 1e-6, "tree": 1e-6, PERMUTATION: 1e-6}
"""How far base + attributions may be from the model's output, per library. XGBoost sums in single precision."""


class RefusedError(Exception):
    """Why the model's own attributions are not used, as a clause."""


@dataclass(frozen=True, slots=True)
class Additivity:
    """Base value + attributions against the output of the model, over every row explained."""

    max_error: float | None
    tolerance: float
    passed: bool
    rows: int

    def to_json(self) -> dict[str, float | int | bool | None]:
        return {"max_error": self.max_error, "tolerance": self.tolerance, "passed": self.passed, "rows": self.rows}


@dataclass(frozen=True, slots=True, eq=False)
class Attributions:
    """What each feature added, row by row.

    values (n, M) and base (n,): values.sum(1) + base is `output` of the row. first, second (n, M): the same from two
    independent halves of the draws, None where the values are exact. rerouted: why the first choice was not used.
    """

    method: str
    output: str
    features: tuple[str, ...]
    values: Floats
    base: Floats
    additivity: Additivity
    rerouted: str | None = None
    first: Floats | None = None
    second: Floats | None = None

    def renamed(self, rerouted: str) -> Attributions:
        """The same, with the reason why they were made this way."""
        return replace(self, rerouted=rerouted)


def ask(predict: Predict, rows: LazyRows) -> Floats:
    """(E,): the answers, to rows that are built here unless the model's process can."""
    inputs: Any = rows if getattr(predict, "takes_hybrids", False) else rows.frame()
    return np.asarray(predict(inputs), dtype=np.float64)


def gate(values: Floats, base: Floats, total: Floats, tolerance: float) -> Additivity:
    """The additivity gate on every row: |base + sum(values) - total| <= tolerance * max(1, |total|)."""
    if len(total) == 0:
        return Additivity(0.0, tolerance, True, 0)
    error = np.abs(base + values.sum(axis=1) - total) / np.maximum(1.0, np.abs(total))
    worst = float(np.max(error)) if np.isfinite(error).all() else None
    return Additivity(worst, tolerance, worst is not None and worst <= tolerance, len(total))
