"""A Spark DataFrame of a notebook: its rows stay in Spark, and roles are columns that it has."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from assay._frames import Columns
from audit.engines import SPARK
from audit.errors import CaseError, InputError, nearest
from audit.load.engines import FRAME

MOST = 30
"""Values of an outcome that are looked at, to tell which of them is good for the person."""


def of(data: Any, floor: int | None) -> SparkColumns | None:
    """The frame where it is Spark's, None otherwise. Raises InputError where there is a floor and no Spark."""
    if type(data).__module__.split(".")[0] == "pyspark" and hasattr(data, "toDF"):
        return SparkColumns(data, floor)
    if floor is not None:
        raise InputError(
            "`floor` is for a Spark DataFrame",
            got=type(data).__name__,
            expected="a table whose rows stay in Spark",
            todo="leave it out; how small a group may be shown is said when a report is made",
        )
    return None


class SparkColumns(Columns):
    """Columns of a table in Spark. No row of it is fetched, but how often an outcome has each of its values."""

    def __init__(self, data: Any, floor: int | None) -> None:
        from audit.scale.spark import held_of

        self.held = held_of(data, floor=floor)
        super().__init__(pd.DataFrame(columns=list(self.held.columns)), data)

    def role(self, role: str, value: Any, as_name: str | None = None) -> str | None:
        """The name of the column for this role. Raises CaseError where it is none."""
        if value is None:
            return None
        if not isinstance(value, str) or value not in self.frame.columns:
            raise CaseError(
                f"{role} is no column of the Spark DataFrame",
                got=f"{role} = {value!r}" if isinstance(value, str) else type(value).__name__,
                expected="the name of one of its columns",
                todo=nearest(value, self.frame.columns) if isinstance(value, str) else "add the values as a column",
            )
        return value

    def refuse(self, model: Any) -> None:
        """Raises CaseError for a model that is no file: Spark's workers are given files."""
        if model is not None and not isinstance(model, str | Path | Mapping):
            raise CaseError(
                "an estimator of this notebook cannot be asked about rows that stay in Spark",
                got=f"model = {type(model).__name__}",
                expected="the path of a model file (skops, LightGBM, XGBoost, ONNX), or decision= or score=",
                todo="save it, for example with skops.io.dump(model, 'm.skops'), and pass model='m.skops'; or audit a "
                "sample, df.sample(0.01, seed=0).toPandas(), with the model itself",
            )

    def place(self) -> dict[str, Any]:
        """What a case says of where the rows are."""
        floor = {"spark": {"floor": self.held.floor}} if self.held.floor is not None else {}
        return {"engine": SPARK, "table": FRAME, **floor}

    def sign(self, outcome: str | None, positive: object, favourable: object, *, scored: bool) -> dict[str, Any]:
        """As of a table in memory, from the values that the outcome has most often."""
        if outcome is not None:
            from audit.scale.kinds import PEOPLE, kinds

            own = self.held.column(outcome)
            value_counts = kinds(self.held.frame, [own], most=1000).sort_by([(PEOPLE, "descending")])[:MOST].to_pandas()
            ranks = np.arange(len(value_counts), 0, -1)
            self.frame = pd.DataFrame({outcome: value_counts[own].repeat(ranks).reset_index(drop=True)})
        return super().sign(outcome, positive, favourable, scored=scored)
