"""Decisions of the running model, and of the one beside it, on the rows of a batch."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pandas as pd

from audit.asked import Answered, answer, bind, open_model, rule_of
from audit.asked import labels_of as values_of
from audit.case import Case
from audit.code import Decisions, group_codes
from audit.cube import UNLABELLED, CodedRows, Floats, Ints, Meaning
from audit.decide import score_column
from audit.errors import DataError, ModelError
from audit.files import canonical
from audit.load.values import coded as named
from audit.numbers import many
from debias.loop.store import Served, Store

if TYPE_CHECKING:
    from audit.models import Worker


def meaning_of(case: Case) -> Meaning:
    """What the two sides are called: from the case alone, so that it is the same in a batch that has one side only."""
    data = case.data
    positive = data.positive or "positive"
    favourable = data.favourable or positive
    negative = favourable if favourable != positive else f"not {positive}"
    return Meaning(positive, negative, favourable, labelled=data.label is not None)


def labels_of(case: Case, frame: pd.DataFrame) -> Ints:
    """Outcomes as 0, 1 and 2 (unknown), (n,)."""
    label = case.data.label
    if label is None or label not in frame.columns:
        return np.full(len(frame), UNLABELLED, dtype=np.int64)
    codes, names = named(frame[label])
    return np.array([int(n == str(case.data.positive)) for n in names] + [UNLABELLED], dtype=np.int64)[codes]


def coded_rows(case: Case, frame: pd.DataFrame, decision: Ints, label: Ints | None = None) -> CodedRows:
    """Rows as small integers; without `label` every outcome is unknown, as it was when they were decided."""
    coded = [group_codes(frame[a], case.data.bins.get(a)) for a in case.data.sensitive]
    weight = None
    if case.data.weight is not None:
        weight = frame[case.data.weight].to_numpy(dtype=np.float64)
    return CodedRows(
        attributes=case.data.sensitive,
        levels=tuple(names for _, names in coded),
        codes=np.column_stack([c for c, _ in coded]).astype(np.int64),
        label=np.full(len(frame), UNLABELLED, dtype=np.int64) if label is None else label,
        decision=decision,
        weight=weight,
        score=None,
        meaning=meaning_of(case),
    )


def with_labels(coded: CodedRows, label: Ints) -> CodedRows:
    """The same rows with their outcomes."""
    return replace(coded, label=label)


def column_decisions(case: Case, frame: pd.DataFrame) -> Ints:
    """A column of decisions as 0 and 1. Raises DataError where a row has none."""
    column = str(case.model.column)
    codes, names = named(frame[column])
    if (codes < 0).any():
        raise DataError(
            f"the decision column {column!r} has empty values",
            got=f"{int((codes < 0).sum())} of {many(len(codes), 'row')} without a decision",
            expected="a decision in every row",
            todo="send these people again once they are decided",
        )
    positive = str(case.data.positive)
    others = [n for n in names if n != positive]
    if len(others) > 1:
        raise DataError(
            f"the decision column {column!r} has more than two decisions",
            got=", ".join(repr(n) for n in names[:5]),
            expected=f"{positive!r} and one other",
            todo="put values together before they are sent",
        )
    return np.array([int(n == positive) for n in names], dtype=np.int64)[codes]


class Servers:
    """The models that decide. A context manager: each model file has a process of its own until the end.

        with Servers(case, store, allow) as servers:
            decisions = servers.decide(served, frame, features)

    A model that raises ends its process; it is started anew for the next batch.
    """

    def __init__(self, case: Case, store: Store, allow: Sequence[str] = ()) -> None:
        self._case, self._store, self._allow = case, store, tuple(allow)
        self._workers: dict[str, Worker] = {}

    def __enter__(self) -> Servers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.keep_only(())

    def keep_only(self, files: Sequence[str]) -> None:
        """End the processes of all other model files."""
        for name in [n for n in self._workers if n not in files]:
            self._workers.pop(name).close()

    def scores(self, served: Served, frame: pd.DataFrame, features: Sequence[str]) -> Floats | None:
        """The score of the positive value, (n,); None for a column of decisions. Raises ModelError and DataError."""
        if served.file is None:
            if self._case.model.kind == "decision":
                return None
            return score_column(frame, str(self._case.model.column))
        return self._answer(served, frame, features).score

    def _answer(self, served: Served, frame: pd.DataFrame, features: Sequence[str]) -> Answered:
        """A model file's own decisions and scores, as the case says."""
        assert served.file is not None
        worker = self._workers.get(served.file)
        if worker is None:
            path = self._store.path(served.file, served.format or "skops")
            worker = open_model(self._case.model, self._allow, path, made_here=served.method != "case")
            worker.__enter__()
            bind(self._case, worker, frame, features)
            self._workers[served.file] = worker
        try:
            # A challenger decides by the threshold that it was kept with; its classes may be the label's own words.
            own = served.method == "case"
            rule = rule_of(self._case, worker.info, values_of(self._case, frame), candidate=not own)
            return answer(worker, rule, frame[list(features)])
        except ModelError:
            self._workers.pop(served.file).close()
            raise

    def decide(self, served: Served, frame: pd.DataFrame, features: Sequence[str]) -> Decisions:
        """One decision a row. Raises ModelError and DataError."""
        if served.file is not None and served.threshold is None and not served.groups:
            answered = self._answer(served, frame, features)
            return Decisions(answered.positive, answered.score, served.method)
        score = self.scores(served, frame, features)
        if score is None:
            return Decisions(column_decisions(self._case, frame), None, f"column {self._case.model.column}")
        default = self._case.model.threshold if served.threshold is None else served.threshold
        at = thresholds_of(self._case, served, frame, default)
        return Decisions((score >= at).astype(np.int64), score, served.method)


def thresholds_of(case: Case, served: Served, frame: pd.DataFrame, default: float) -> Floats:
    """The threshold that holds for each row, (n,)."""
    at = np.full(len(frame), default)
    if not served.groups:
        return at
    columns = []
    for attribute in served.attributes:
        codes, levels = group_codes(frame[attribute], case.data.bins.get(attribute))
        columns.append(np.array(levels, dtype=object)[codes])
    for group, threshold in served.groups:
        mine = np.ones(len(frame), dtype=bool)
        for column, value in zip(columns, group, strict=True):
            mine &= column == value
        at[mine] = threshold
    return at


def pack_decisions(decided: Mapping[str, Ints], counted: Ints | None = None) -> bytes:
    """Decisions of each model until the outcomes are due, a bit a row. counted: rows whose outcomes were counted."""
    n = len(next(iter(decided.values())))
    packed = {k: base64.b64encode(np.packbits(v.astype(np.uint8)).tobytes()).decode() for k, v in decided.items()}
    done = (
        {}
        if counted is None
        else {"counted": base64.b64encode(np.packbits(counted.astype(np.uint8)).tobytes()).decode()}
    )
    return canonical({"rows": n, "models": packed, **done}, compact=True)


def unpack_counted(content: bytes) -> Ints:
    """Which rows' outcomes were counted, (n,) of 0 and 1, as `pack_decisions` packed it."""
    packed = msgspec.json.decode(content, type=_Packed)
    return np.zeros(packed.rows, dtype=np.int64) if packed.counted is None else _bits(packed.counted, packed.rows)


def unpack_decisions(content: bytes) -> tuple[int, dict[str, Ints]]:
    """How many rows, and the decisions of each model, that `pack_decisions` packed."""
    packed = msgspec.json.decode(content, type=_Packed)
    return packed.rows, {model: _bits(text, packed.rows) for model, text in packed.models.items()}


class _Packed(msgspec.Struct):
    """What `pack_decisions` writes."""

    rows: int
    models: dict[str, str]
    counted: str | None = None


def _bits(text: str, rows: int) -> Ints:
    bits = np.frombuffer(base64.b64decode(text), dtype=np.uint8)
    return np.unpackbits(bits, count=rows).astype(np.int64)
