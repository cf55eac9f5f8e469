"""Where batches come from: a table in the order of its time column, or a folder that fills with files.

Batches have numbers from 0 and can be read again by number: when their outcomes are due, and when a challenger learns.
"""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd

from audit.case import Case
from audit.errors import CaseError, DataError, InputError
from audit.load import load_rows, read_table, sha256_of


@dataclass(frozen=True, slots=True, eq=False)
class Arrival:
    """One batch as it came. problem: why it cannot be read; then frame has no rows."""

    number: int
    id: str
    sha256: str
    frame: pd.DataFrame
    first: str = ""
    last: str = ""
    problem: str | None = None


class Source(Protocol):
    """Batches by number."""

    features: tuple[str, ...]

    def total(self) -> int:
        """How many batches there are now."""
        ...

    def read(self, number: int) -> Arrival:
        """One batch."""
        ...


class Table:
    """The audited rows of a case in the order of its time column, cut into batches."""

    def __init__(self, case: Case) -> None:
        if case.data.time is None:
            raise CaseError(
                "there is nothing that puts rows in order",
                got="a case without `time`, and no `source` under [watch]",
                expected="a column that says when each row came, or files that come one after another",
                todo='add time = "..." under [data], or source = "incoming/*.csv" under [watch]',
            )
        rows = load_rows(case, everything=True)
        frame = rows.frame[rows.audit]
        order = np.argsort(_times(frame[case.data.time]), kind="stable")
        self._frame = frame.iloc[order].reset_index(drop=True)
        self._time = self._frame[case.data.time]
        self.features = rows.features
        size = case.watch.batch
        n = len(self._frame)
        if size is None:
            change = np.flatnonzero(np.append(True, self._time.to_numpy()[1:] != self._time.to_numpy()[:-1]))
            self._edges = np.append(change, n)
        else:
            self._edges = np.append(np.arange(0, n, size), n)

    def total(self) -> int:
        return len(self._edges) - 1

    def read(self, number: int) -> Arrival:
        a, b = int(self._edges[number]), int(self._edges[number + 1])
        frame = self._frame.iloc[a:b].reset_index(drop=True)
        digest = digest_of(frame)
        times = self._time.iloc[a:b]
        return Arrival(number, f"{number:05d}-{digest[:12]}", digest, frame, str(times.iloc[0]), str(times.iloc[-1]))


def _times(column: pd.Series) -> np.ndarray:
    """Numbers, or dates in ISO form, in an order that can be sorted."""
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_datetime64_any_dtype(column):
        return column.to_numpy()
    parsed = pd.to_datetime(column, format="ISO8601", errors="coerce")
    if parsed.isna().any():
        raise DataError(
            f"the time column {column.name!r} has values that are no times",
            got=repr(column[parsed.isna()].iloc[0]),
            expected="numbers, or dates such as 2026-11-01 or 2026-11-01T09:30",
            todo="correct them",
        )
    return parsed.to_numpy()


def digest_of(frame: pd.DataFrame) -> str:
    """The sha256 of a frame's values and column names."""
    hashed = pd.util.hash_pandas_object(frame, index=False).to_numpy()
    return hashlib.sha256("\n".join(map(str, frame.columns)).encode() + hashed.tobytes()).hexdigest()


class Folder:
    """Files that match a pattern, one batch each, in the order in which they were first seen (then of their names).

    A file is read when it is whole: writers put it in place by renaming it. `known`: batches counted before.
    """

    def __init__(self, case: Case, known: Sequence[tuple[int, str, str]]) -> None:
        self._case = case
        assert case.watch.source is not None
        self._pattern = case.watch.source
        self._names = [i for _, i, _ in known]
        self.features = case.data.features or ()
        self._labels: tuple[tuple[str, ...], dict[str, object]] = ((), {})

    def total(self) -> int:
        found = sorted(Path(p) for p in glob.glob(str(self._pattern)) if Path(p).is_file())
        have = set(self._names)
        self._names += [p.name for p in found if p.name not in have and not p.name.startswith(".")]
        return len(self._names)

    def read(self, number: int) -> Arrival:
        name = self._names[number]
        path = self._pattern.parent / name
        try:
            digest = sha256_of(path)
        except InputError as error:
            return Arrival(number, name, "", pd.DataFrame(), problem=error.message)
        try:
            case = replace(self._case, data=replace(self._case.data, path=path, split=None, train=None, audit=None))
            rows = load_rows(case, everything=True)
        except InputError as error:
            empty = _nobody(path)
            return Arrival(number, name, digest, pd.DataFrame(), problem=None if empty else error.message)
        self.features = self.features or rows.features
        frame = self._with_labels(rows.frame)
        time = self._case.data.time
        if time is not None and len(frame):
            frame = frame.iloc[np.argsort(_times(frame[time]), kind="stable")].reset_index(drop=True)
        first, last = (str(frame[time].iloc[0]), str(frame[time].iloc[-1])) if time and len(frame) else ("", "")
        return Arrival(number, name, digest, frame, first, last)

    def _with_labels(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Outcomes that came later, by id, where the batch itself has none."""
        where, data = self._case.watch.labels, self._case.data
        if where is None or data.label is None or data.id is None:
            return frame
        files = tuple(sorted(glob.glob(str(where))))
        if files != self._labels[0]:
            known: dict[str, object] = {}
            for file in files:
                table = read_table(Path(file), [data.id, data.label])
                known |= dict(zip(table[data.id].astype(str), table[data.label], strict=True))
            self._labels = (files, known)
        late = frame[data.id].astype(str).map(self._labels[1])
        return frame.assign(**{data.label: late if data.label not in frame else frame[data.label].fillna(late)})


def _nobody(path: Path) -> bool:
    """Whether a file is a table with a header and no rows."""
    try:
        return len(read_table(path)) == 0
    except InputError as error:
        return "and no rows" in error.problem


def open_source(case: Case, known: Sequence[tuple[int, str, str]], out: Path) -> Source:
    """Where the batches of a case come from. known: number, id and sha256 of those counted before; out: OUT."""
    return Table(case) if case.watch.source is None else Folder(case, known)
