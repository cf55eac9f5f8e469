"""From combinations of values to coded rows, whatever engine put them together.

They go through the checks, names, bands and codes that rows in memory go through.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from audit.case import Case
from audit.classes.code import classes_of
from audit.classes.words import classes_note
from audit.code import Decisions, code_rows, of_nobody
from audit.cube import Alike, CodedRows
from audit.decide import ModelFacts, decide
from audit.errors import DataError
from audit.load import check, columnar
from audit.load.groups import named_columns
from audit.load.infer import infer
from audit.load.outcomes import extreme
from audit.load.rows import missing_words
from audit.load.values import coded as names_in
from audit.numbers import brief, many
from audit.scale.people import Together, clusters_in
from audit.scale.rank import AREA_ROWS, Scored, areas_of, blurred
from audit.scale.source import Source
from audit.scores import Floats
from audit.sentences import ADD_THRESHOLD, FEWER_GROUPS, NEVER_DECIDED

MOST_GROUPS = 3_000_000
"""Combinations of values, scores among them, that are fetched."""

PROBE = 20_000
PEOPLE, WEIGHT, SQUARES, OWN, BIN, TOTAL, SCORE = (f"\x1f{i}" for i in range(7))
"""Names of what is computed; no column of a table begins with this character."""


NO_VALUES = (nw.List, nw.Map, nw.Struct, nw.Array, nw.Binary, nw.Unknown)
"""Kinds of columns that hold no single value."""


class AnswersOfKinds(Protocol):
    """Answers of a model, of kinds of rows (audit.scale.ask)."""

    def decided(self, case: Case, mine: pd.DataFrame, classes: tuple[str, ...]) -> tuple[Decisions, ModelFacts]: ...


class Digest(Protocol):
    """Something that has, or will have, a sha256 in hex."""

    def get(self) -> str: ...


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """Rows put together. rows: of the file; people: measured; notes: what a reader should know.

    repeated: see audit.gaps.Settings.
    """

    coded: CodedRows
    model: ModelFacts
    sha256: str
    rows: int
    people: int
    columns: tuple[str, ...]
    features: tuple[str, ...]
    notes: tuple[str, ...]
    repeated: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Extra:
    """What the query did: notes on types; the lowest and the highest score of each bin where scores were binned."""

    notes: tuple[str, ...]
    bins: tuple[Floats, Floats] | None
    scored: Scored | None = None
    repeated: tuple[int, int] | None = None
    together: Together | None = None
    asked: AnswersOfKinds | None = None


def roles_of(case: Case) -> list[str]:
    data = case.data
    names = (*data.sensitive, data.label, data.split, data.cluster)
    return list(dict.fromkeys(n for n in names if n is not None))


def not_too_many(case: Case, table: pa.Table) -> None:
    """Raises DataError where more combinations came than are fetched."""
    if table.num_rows > MOST_GROUPS:
        raise DataError(
            "the sensitive columns have too many combinations",
            got=f"more than {MOST_GROUPS:,} kinds of rows",
            expected=f"at most {MOST_GROUPS:,}",
            todo=FEWER_GROUPS
            + ("; with `cluster`, audit a random part of the people" if case.data.cluster is not None else ""),
        )


def largest_of(case: Case, bad: int, largest: float | None) -> float:
    """The largest weight. Raises DataError for weights that are none."""
    if bad:
        todo = "correct them, or name another column as `weight`"
        raise check.no_weights(str(case.data.weight), many(bad, "row"), todo)
    return check.largest_weight(str(case.data.weight), float(largest or 0.0))


def check_range(case: Case, bad: int, low: float, high: float) -> None:
    """Raises DataError where a measured row has no finite score, or scores leave 0..1 and have no threshold."""
    if bad:
        raise without_own(case, int(bad))
    extreme(str(case.model.column), low, high)
    if (low < 0 or high > 1) and not case.model.threshold_given:
        raise DataError(
            f"the score column {case.model.column!r} has scores outside 0 to 1 and the case gives no threshold",
            got=f"from {brief(low)} to {brief(high)}",
            expected="probabilities from 0 to 1, or a threshold",
            todo=ADD_THRESHOLD,
        )


def without_own(case: Case, rows: int) -> DataError:
    kind = case.model.kind
    return DataError(
        f"the {kind} column {case.model.column!r} has empty values"
        if kind == "decision"
        else f"the score column {case.model.column!r} has values that are no finite numbers",
        got=f"{many(rows, 'measured row')} without a {kind}",
        expected=f"a {kind} in every row",
        todo=NEVER_DECIDED,
    )


def no_value(column: str) -> DataError:
    """The refusal for a column that is no column of values."""
    return DataError(
        f"the column {column!r} holds lists or raw bytes",
        got="values that are no single number or text",
        expected="one value in each row",
        todo="choose another column",
    )


_COUNTED = re.compile(r"\d[\d,]*( of \d[\d,]*)? values")


def typed_values(
    case: Case, source: Source, table: pa.Table, roles: Sequence[str], own: bool
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The combinations as a frame with the types that reading the file would give."""
    column = str(case.model.column)
    names = [*(source.column(r) for r in roles), *([OWN] if own else [])]
    part = table.select(names).rename_columns([*roles, *([column] if own else [])])
    notes: tuple[str, ...] = ()
    if source.kind == "csv":
        part, notes = infer(
            part.cast(pa.schema([(n, pa.string()) for n in part.column_names])),
            source.delimiter,
            named_columns(case, ()),
        )
        # It counted kinds of rows here, not rows.
        notes = tuple(_COUNTED.sub("some values", n) for n in notes)
    part = columnar.plain_columns(source.files[0].name, part)[0]
    lost = [n for n in (*roles, *([column] if own else [])) if n not in part.column_names]
    if lost:
        raise no_value(lost[0])
    frame = columnar.frame_of(part)
    for name in table.column_names:
        if name not in names:
            frame[name] = table.column(name).to_numpy()
    return frame, notes


def coded_of(case: Case, source: Source, frame: pd.DataFrame, extra: Extra, digest: Digest) -> Counted:
    people = frame[PEOPLE].to_numpy(dtype=np.int64)
    plain = replace(case, data=replace(case.data, id=None, time=None, weight=None))
    if extra.together is not None:
        plain = replace(plain, data=replace(plain.data, cluster=None))
    frame, missing_notes = missing_words(plain, frame, people)
    audit = measured_kinds(case, frame)
    own = case.model.column if extra.bins is None else None
    if own is not None:
        empty = audit & frame[own].isna().to_numpy()
        if empty.any():
            raise without_own(case, int(people[empty].sum()))
        check.rows(plain, frame, audit, people)
    else:
        check.rows(replace(plain, model=replace(case.model, kind="path")), frame, audit, people)
    notes = [*extra.notes, *missing_notes, *check.remarks(plain, frame, audit, people)]
    belongs = len(notes)
    if extra.repeated is not None:
        notes.append(check.repeats(case, *extra.repeated))
    mine, n = frame[audit], people[audit]
    if plain.data.cluster is not None and (nobody := mine[plain.data.cluster].isna().to_numpy()).any():
        raise of_nobody(plain.data.cluster, int(n[nobody].sum()), int(n.sum()))
    decisions, facts, more = _decided(plain, frame, mine, extra)
    notes += more
    coded = code_rows(plain, mine, decisions)
    bins = None
    if extra.bins is not None:
        bins = (*extra.bins, mine[BIN].to_numpy(dtype=np.int64), mine[TOTAL].to_numpy(dtype=np.float64))
    weighted = case.data.weight is not None
    clusters = None if extra.together is None else clusters_in(extra.together, audit, coded, int(n.sum()))
    if case.data.cluster is not None:
        known = clusters.counts.sum() if clusters is not None else frame.loc[audit, case.data.cluster].nunique()
        notes.insert(belongs, check.belong(case, int(n.sum()), int(known)))
    alike = Alike(n, mine[SQUARES].to_numpy(dtype=np.float64) if weighted else None, bins, clusters=clusters)
    coded = replace(coded, weight=mine[WEIGHT].to_numpy(dtype=np.float64) if weighted else None, alike=alike)
    if extra.scored is not None:
        only = None if n.sum() <= AREA_ROWS else blurred(coded)
        coded = replace(coded, alike=replace(alike, areas=areas_of(extra.scored, audit, coded, only)))
    return Counted(
        coded, facts, digest.get(), int(people.sum()), int(n.sum()), source.columns,
        tuple(f for f in check.features_of(case, source.columns) if f in source.columns), tuple(notes), extra.repeated,
    )  # fmt: skip


def _decided(
    case: Case, frame: pd.DataFrame, mine: pd.DataFrame, extra: Extra
) -> tuple[Decisions, ModelFacts, tuple[str, ...]]:
    """Decisions for the kinds of measured rows: by a model, in a column, or by a binned score; and notes."""
    if extra.asked is None and extra.bins is not None:
        facts = ModelFacts("score", None, None, None, (), case.model.column, case.model.threshold)
        return Decisions(mine[OWN].to_numpy(dtype=np.int64), None, f"column {case.model.column}"), facts, ()
    classes = classes_of(case, frame)
    if extra.asked is not None:
        decisions, facts = extra.asked.decided(case, mine, classes)
    else:
        decisions, facts = decide(case, mine, (), classes=classes)
    return decisions, facts, tuple(classes_note(case, classes, decisions))


def measured_kinds(case: Case, frame: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Which rows are to be measured, (n,). Raises CaseError where the split has none."""
    if case.data.split is None:
        return np.ones(len(frame), dtype=bool)
    codes, names = names_in(frame[case.data.split])
    check.split(case, names)
    measured: npt.NDArray[np.bool_] = np.array([*(n == case.data.audit for n in names), False])[codes]
    return measured


def in_utc(table: pa.Table) -> pa.Table:
    """Points in time with a zone are said in one."""
    for i, name in enumerate(table.column_names):
        kind = table.schema.field(i).type
        if pa.types.is_timestamp(kind) and kind.tz is not None:
            table = table.set_column(i, name, table.column(i).cast(pa.timestamp("us", tz="UTC")))
    return table
