"""A poor row costs a row: what cannot be used of a batch is put aside with its reason, and the rest counts.

    frame, work = sift_numbers(case, frame, known)      # pure: from the rows, and what the first batches were like
    frame, more = sift_values(case, frame, known)

Put aside are rows whose time, weight, score or decision cannot be read, rows with text or infinity where a feature was
a number, and rows that fail a check which the contract asks of every row. An outcome that is neither of the two is
taken as not known: the person was decided all the same. Nothing is put aside for a missing group: who comes without
one is watched (audit/watch/moves.py). Where more than half of a batch would go for one reason, nothing goes: then the
batch is at fault, and is held against what the feed was like as a whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.case import Case
from audit.contract.check import words_of
from audit.contract.functions import Cannot, CodedTable
from audit.contract.kinds import KINDS
from audit.errors import DataError
from audit.load import limits
from audit.load.check import times_of
from audit.load.groups import file_columns
from audit.load.values import coded, with_columns
from audit.numbers import many
from audit.watch.summaries import Feature

Mask = npt.NDArray[np.bool_]
HALF = 0.5


@dataclass(frozen=True, slots=True)
class Known:
    """What the first batches said of later ones. numeric: features that are numbers; labels: the outcomes' values."""

    numeric: frozenset[str] = frozenset()
    labels: tuple[str, ...] = ()


NOTHING = Known()


@dataclass(frozen=True, slots=True)
class Aside:
    """One row that was put aside. row: its number in the batch as it came, from 1, or of its line where it could not be
    read as a row; reason: without anybody's data; values: as it came."""

    row: int
    reason: str
    values: Mapping[str, Any] | str


def sift_numbers(case: Case, frame: pd.DataFrame, known: Known) -> tuple[pd.DataFrame, Work]:
    """Without rows whose time, weight, score or numeric features cannot be read. Rows keep their index."""
    work = Work(frame)
    data, model = case.data, case.model
    if data.time in frame.columns:
        work.times(str(data.time), data.read.dates)
    if data.weight in frame.columns:
        work.numbers(str(data.weight), "no weight of 0 or more", needed=True, least=0.0)
        work.numbers(str(data.weight), "too large a weight", most=limits.WEIGHTS[1])
    if model.kind == "score" and model.column in frame.columns:
        work.numbers(str(model.column), "no score", needed=True)
    banded = [b for b in data.bins if b in file_columns(data, data.sensitive)]
    for column in sorted(known.numeric | set(banded)):
        if column in frame.columns and column not in (data.time, data.weight, model.column):
            work.numbers(column, "no number")
    return work.left(), work


def sift_values(case: Case, frame: pd.DataFrame, known: Known) -> tuple[pd.DataFrame, Work]:
    """Without rows whose decision is none of the two; outcomes that are none of the two are taken as not known."""
    work = Work(frame)
    data, model = case.data, case.model
    if model.kind == "decision" and model.column in frame.columns:
        work.decisions(str(model.column), str(data.positive))
    if data.label in frame.columns:
        work.outcomes(str(data.label), str(data.positive), known.labels, case.policy.loop.poor_rows)
    return work.left(), work


def contract_sifted(case: Case, frame: pd.DataFrame) -> tuple[pd.DataFrame, tuple[Aside, ...]]:
    """Without the rows that fail a check which the contract asks of every row."""
    work = Work(frame)
    table = CodedTable(frame)
    for check in () if case.contract is None else case.contract.checks:
        rows = KINDS[check.kind].rows
        if rows is None or check.mostly < 1.0:
            continue
        try:
            _, fails = rows(table, check.columns, check.parameters)
        except (Cannot, TypeError, ValueError, OverflowError):
            continue  # it is said of the batch as a whole
        work.put(fails, f"the contract: {words_of(check)}")
    return work.left().reset_index(drop=True), tuple(work.aside)


def counts_of(aside: Sequence[Aside]) -> dict[str, int]:
    """reason -> rows."""
    return dict(Counter(a.reason for a in aside))


def shown(counts: Mapping[str, int], most: int = 3) -> str:
    """Reasons with their counts, the most frequent first."""
    ordered = sorted(counts.items(), key=lambda kv: (-kv[1], kv[0]))
    more = f" and {many(len(ordered) - most, 'more reason')}" if len(ordered) > most else ""
    return "; ".join(f"{n:,} with {reason}" for reason, n in ordered[:most]) + more


LARGEST = float(np.finfo(np.float32).max)


def strange_values(frame: pd.DataFrame, known: Mapping[str, Feature]) -> tuple[Mask, list[str]]:
    """Rows with a value in a feature that the first batches never had, or none where they always had one; (n,) and why
    for each row. known: feature -> what the first batches were like (audit.watch.drift.reference_of)."""
    strange: Mask = np.zeros(len(frame), dtype=bool)
    why = [""] * len(frame)
    for feature, kept in known.items():
        column = frame[feature]
        gone = column.isna().to_numpy()
        checks = [(gone, f"nothing in {feature!r}")] if not kept.gone else []
        if not kept.numeric:
            codes, names = coded(column)
            new = np.array([*(n not in kept.everyone.counts for n in names), False])[codes]
            checks.append((new, f"a value in {feature!r} that was never seen before"))
        else:
            size = np.abs(pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan))
            checks.append((size > LARGEST, f"a number in {feature!r} that is too large for many models"))
        for mask, reason in checks:
            for i in np.flatnonzero(mask & ~strange):
                why[int(i)] = reason
            strange |= mask
    return strange, why


def rows_aside(frame: pd.DataFrame, out: Mask, why: Sequence[str]) -> tuple[Aside, ...]:
    """These rows of a frame as they are kept aside; their numbers are those among the rows that were left before."""
    return tuple(
        Aside(int(i) + 1, why[int(i)], {str(k): None if pd.isna(v) else v for k, v in frame.iloc[int(i)].items()})
        for i in np.flatnonzero(out)
    )


class Work:
    """The frame, which of its rows are kept, and why others are not."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame
        self.keep: Mask = np.ones(len(frame), dtype=bool)
        self.aside: list[Aside] = []
        self.said: dict[str, int] = {}
        self._numeric: set[str] = set()

    def put(self, bad: Any, reason: str) -> bool:
        """Put these rows aside, unless they are more than half; whether none of them is left."""
        mask = np.asarray(bad, dtype=bool)
        if mask.mean() > HALF if len(mask) else True:
            return False
        fresh = mask & self.keep
        for i in np.flatnonzero(fresh):
            values = {str(k): None if pd.isna(v) else v for k, v in self.frame.iloc[int(i)].items()}
            self.aside.append(Aside(int(self.frame.index[int(i)]) + 1, reason, values))
        if fresh.any():
            self.said[reason] = int(fresh.sum())
        self.keep &= ~mask
        return True

    def times(self, column: str, dates: str | None) -> None:
        values = self.frame[column]
        numbers = pd.to_numeric(values, errors="coerce")
        text = not (pd.api.types.is_numeric_dtype(values) or pd.api.types.is_datetime64_any_dtype(values))
        if text and dates is None and float(numbers.notna().mean()) > HALF:
            if self.put(numbers.isna(), f"no time in {column!r}"):
                self._numeric.add(column)
            return
        try:
            times_of(values, dates)
        except DataError:
            bad = {v for v in values.dropna().unique() if not _is_time(v, dates)} if text else set()
            self.put(values.isna() | values.isin(bad), f"no time in {column!r}")

    def numbers(
        self, column: str, what: str, *, needed: bool = False, least: float = -np.inf, most: float = np.inf
    ) -> None:
        values = self.frame[column]
        numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        bad = (np.isnan(numbers) & (needed | values.notna().to_numpy())) | np.isinf(numbers)
        with np.errstate(invalid="ignore"):
            bad |= (numbers < least) | (numbers > most)
        gone = self.put(bad, f"{what} in {column!r}")
        if gone and not pd.api.types.is_numeric_dtype(values):
            self._numeric.add(column)

    def decisions(self, column: str, positive: str) -> None:
        codes, names = coded(self.frame[column])
        self.put(codes < 0, f"no decision in {column!r}")
        self.put(_strange(codes, names, positive, ()), f"another decision than the two in {column!r}")

    def outcomes(self, column: str, positive: str, known: Sequence[str], most: float) -> None:
        """Others than the two are not known; where they are more than `most` of all, the batch answers for it."""
        codes, names = coded(self.frame[column])
        strange = _strange(codes, names, positive, known)
        if strange.any() and strange.mean() <= most:
            reason = f"another outcome than the two in {column!r}, taken as not known"
            self.said[reason] = int((strange & self.keep).sum())
            self.frame = with_columns(self.frame, {column: self.frame[column].mask(strange)})

    def left(self) -> pd.DataFrame:
        """The rows that are kept, with columns as numbers where only numbers are left."""
        left = self.frame if self.keep.all() else self.frame[self.keep]
        return with_columns(left, {c: pd.to_numeric(left[c]) for c in sorted(self._numeric)}) if self._numeric else left


def _is_time(value: Any, dates: str | None) -> bool:
    try:
        times_of(pd.Series([value], dtype="str"), dates)
    except DataError:
        return False
    return True


def _strange(codes: Any, names: Sequence[str], positive: str, known: Sequence[str]) -> Mask:
    """Values that are neither of the two: the known ones, or the positive and the most frequent other."""
    two = set(known)
    if len(two) < 2:
        count = np.bincount(codes[codes >= 0], minlength=len(names))
        ordered = sorted(range(len(names)), key=lambda k: (-count[k], names[k]))
        two |= {positive} if positive in names else set()
        two |= set([names[k] for k in ordered if names[k] not in two][: 2 - len(two)])
    other = np.array([*(n not in two for n in names), False])
    out: Mask = other[codes]
    return out
