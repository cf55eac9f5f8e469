"""A batch as it came, and what every source asks of its rows before they count."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pandas as pd

from audit.case import Case, DataSpec
from audit.errors import DataError, InputError, OutputError, nearest
from audit.load import columns_of, limits
from audit.load.check import features_of, largest_weight, no_weights, times_of
from audit.load.groups import file_columns, with_indicators
from audit.load.join import join_sensitive
from audit.load.rows import dated, missing_words, true_false
from audit.load.values import coded, name_of, numbers_of, with_columns
from audit.numbers import many
from debias.loop.labels import Labels
from debias.loop.sift import NOTHING, Aside, Known, counts_of, sift_numbers, sift_values


class SourceAway(OutputError):
    """Where batches come from cannot be reached now. With --follow it is tried again."""


@dataclass(frozen=True, slots=True, eq=False)
class Arrival:
    """One batch as it came. problem: why it cannot be read; then frame has no rows.

    sha256: of the bytes that came, before any late outcome was joined. again: rows left out, of people who were counted
    before; people: hashes of those who are left (once.py). aside: rows that cannot be used; poor: reason -> rows,
    also of outcomes that were taken as not known (sift.py).
    """

    number: int
    id: str
    sha256: str
    frame: pd.DataFrame
    first: str = ""
    last: str = ""
    problem: str | None = None
    again: int = 0
    people: bytes = b""
    aside: tuple[Aside, ...] = ()
    poor: Mapping[str, int] = field(default_factory=dict)


class Source(Protocol):
    """Batches by number."""

    @property
    def features(self) -> tuple[str, ...]:
        """The columns that a model may see: the same ones whenever and wherever the run goes on."""
        ...

    def total(self) -> int:
        """How many batches there are now. Raises SourceAway where one cannot look."""
        ...

    def read(self, number: int) -> Arrival:
        """One batch. What is wrong with it is in the arrival; nothing is raised."""
        ...

    def more(self) -> bool:
        """Whether more comes without being asked for: standard input before its end."""
        ...

    def ended(self) -> bool:
        """Whether no more can come, however long one waits: standard input after its end."""
        ...

    def know(self, known: Known) -> None:
        """What the first batches said, by which poor rows of later ones are told."""
        ...

    @property
    def labels(self) -> Labels:
        """Outcomes that come later than the rows."""
        ...

    def notes(self) -> list[str]:
        """What was noticed since the last call, in sentences without anybody's data."""
        ...


class Through(ABC):
    """A source that hands on another one's batches, each as `read` leaves it."""

    def __init__(self, source: Source) -> None:
        self._source = source

    @property
    def features(self) -> tuple[str, ...]:
        return self._source.features

    @property
    def labels(self) -> Labels:
        return self._source.labels

    def know(self, known: Known) -> None:
        self._source.know(known)

    def total(self) -> int:
        return self._source.total()

    def more(self) -> bool:
        return self._source.more()

    def ended(self) -> bool:
        return self._source.ended()

    def notes(self) -> list[str]:
        return self._source.notes()

    @abstractmethod
    def read(self, number: int) -> Arrival: ...


def _check_groups(data: DataSpec, frame: pd.DataFrame) -> None:
    """After each batch a norm compares every pair of groups: 100 take 4 s of processor a norm, 200 take 17."""
    for attribute in data.sensitive:
        groups = 0 if attribute in data.bins else len(coded(frame[attribute])[1])
        if groups > limits.MANY_GROUPS:
            raise DataError(
                f"the sensitive column {attribute!r} has too many groups",
                got=f"{many(groups, 'different value')} in {many(len(frame), 'row')}",
                expected=f"at most {limits.MANY_GROUPS} to watch (`assay audit` takes up to {limits.MAX_GROUPS:,}): "
                "after each batch all pairs of groups are compared",
                todo="put values together in a coarser column (regions instead of towns), or bins for a number; "
                "if there were never so many, check what is sent in this column",
            )


def _check_people(data: DataSpec, frame: pd.DataFrame) -> None:
    """Who was counted before cannot be told where nobody is named."""
    who = data.cluster or data.id
    if who is not None and len(frame) and frame[who].isna().all():
        raise DataError(
            f"nobody has a value in the column {who!r}, so that nobody can be told from people who were counted before",
            got=f"{many(len(frame), 'row')} without one",
            expected="a value in every row",
            todo="send the batch with the column filled in",
        )


def _check_weights(data: DataSpec, frame: pd.DataFrame) -> None:
    if data.weight is None:
        return
    numbers, _ = numbers_of(frame[data.weight])
    bad = ~(np.isfinite(numbers) & (numbers >= 0))
    if bad.any():
        rows = f"{int(bad.sum()):,} of {many(len(frame), 'row')}"
        raise no_weights(data.weight, rows, "correct them and send the batch again")
    if numbers.any():
        largest_weight(data.weight, float(numbers.max()))


def prepared(
    case: Case,
    frame: pd.DataFrame,
    features: Sequence[str],
    label: pd.Series | None,
    known: Known = NOTHING,
    lost: Sequence[Aside] = (),
) -> Arrival:
    """The rows of one batch with every role that can be asked of a batch checked, in the order of their time.

    Unlike in an audit, a batch may lack outcomes or a group: those are for the loop to judge. `label`: outcomes with
    the late ones (n,), or None for those in the rows. known: what the first batches said; lost: rows that could not
    even be read. Raises DataError. The arrival has neither number nor id.
    """
    data = case.data
    side = () if data.sensitive_path is None else columns_of(data.sensitive_path)
    needed = [case.model.column, data.weight, data.time, data.cluster, data.id]
    needed += [a for a in file_columns(data, data.sensitive) if a not in side]
    needed += case.watch.served.values()
    needed += features if case.model.kind == "path" else ()
    for column in needed:
        if column is not None and column not in frame.columns:
            raise DataError(
                f"the column {column!r} is missing",
                got=many(len(frame.columns), "other column"),
                expected=f"a column {column!r}",
                todo=nearest(column, frame.columns),
            )
    roles = {
        data.label,
        case.model.column,
        data.id,
        data.cluster,
        data.weight,
        data.time,
        *features,
        *case.watch.served.values(),
    }
    roles |= set(file_columns(data, data.sensitive))
    frame = frame[[c for c in frame.columns if c in roles]]
    if side:
        frame, _ = join_sensitive(case, frame, side)
    frame = frame.reset_index(drop=True)
    if label is not None:
        frame = with_columns(frame, {str(data.label): label})
    elif data.label is not None and data.label not in frame.columns:
        frame = with_columns(frame, {data.label: pd.Series(None, index=frame.index, dtype="str")})
    frame, first = sift_numbers(case, frame, known)
    frame, _ = with_indicators(data, dated(data, frame))
    frame, _ = missing_words(case, frame)
    frame, second = sift_values(case, frame, known)
    aside = (*lost, *first.aside, *second.aside)
    frame, _ = true_false(case, frame)
    _check_people(data, frame)
    _check_groups(data, frame)
    _check_weights(data, frame)
    left = Counter(counts_of(lost)) + Counter(first.said) + Counter(second.said)
    poor: dict[str, Any] = {"aside": aside, "poor": dict(left)}
    if data.time is None or frame.empty:
        return Arrival(0, "", "", frame.reset_index(drop=True), **poor)
    frame = frame.iloc[in_time(frame[data.time])].reset_index(drop=True)
    ends = frame[data.time].iloc[[0, -1]]
    return Arrival(0, "", "", frame, name_of(ends.iloc[0]), name_of(ends.iloc[1]), **poor)


def in_time(column: pd.Series) -> np.ndarray:
    """The order of rows by time, (n,); rows of one time stay in theirs. Raises DataError."""
    return np.argsort(times_of(column).to_numpy(), kind="stable")


def own_features(case: Case) -> tuple[str, ...] | None:
    """The features by the case alone: as it lists them, or as its own table has them. None where it has no table."""
    if case.data.features is not None:
        return case.data.features
    try:
        return features_in(case, columns_of(case.data.path, case.data.read))
    except InputError:
        return None


def features_in(case: Case, columns: Sequence[str]) -> tuple[str, ...]:
    """The features among these columns: what the service logged beside them is none."""
    return tuple(f for f in features_of(case, tuple(columns)) if f not in case.watch.served.values())


def digest_of(frame: pd.DataFrame, number: int) -> str:
    """The sha256 of a frame's values and column names. Its number too: two batches of one table are never the same."""
    hashed = pd.util.hash_pandas_object(frame, index=False).to_numpy()
    head = "\n".join([str(number), *map(str, frame.columns)])
    return hashlib.sha256(head.encode() + hashed.tobytes()).hexdigest()
