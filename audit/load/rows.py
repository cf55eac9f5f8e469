"""The rows of a case: the table with its roles checked, the side table joined, and which rows are for what."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.case import Case
from audit.load import check
from audit.load.digest import sha256_of
from audit.load.tables import read_noted
from audit.load.values import name_of

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """A table ready to be audited.

    frame : (n rows) the columns read, with values as in the file, rows numbered from 0; with a side table its
        sensitive columns are joined.
    sha256 : of the data file's bytes (see `sha256_of`); `sensitive_sha256` of the side table's.
    audit, train : (n,) which rows are to be measured, and which to be learned from. Without a split all rows are
        measured and `train` is None.
    features : the columns the model may see. All of them are in `frame` when the model is a file; for a column of
        decisions or scores only where `load_rows` was asked for everything.
    columns : the names of all columns of the data file.
    notes : what a reader of the audit should know about the reading, in sentences.
    """

    frame: pd.DataFrame
    sha256: str
    audit: Mask
    train: Mask | None
    features: tuple[str, ...]
    columns: tuple[str, ...]
    notes: tuple[str, ...] = ()
    sensitive_sha256: str | None = None


def load_rows(case: Case, *, everything: bool | None = None) -> Rows:
    """Read and check the rows of `case`.

    `everything`: read all columns; by default only when the model is a file (decisions in a column need no features).
    Raises CaseError where a role cannot be filled, DataError where the table cannot be used.
    """
    data = case.data
    table = read_noted(data.path)
    frame = table.frame
    check.columns(case, table.columns, ())
    features = check.features_of(case, table.columns)
    audit = np.ones(len(frame), dtype=bool)
    train: Mask | None = None
    if data.split is not None:
        names = frame[data.split].map(name_of, na_action="ignore")
        audit = (names == data.audit).to_numpy(dtype=bool)
        train = (names == data.train).to_numpy(dtype=bool)
    return Rows(frame, sha256_of(data.path), audit, train, features, table.columns, table.notes)
