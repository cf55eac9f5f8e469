"""A cohort by any column of the data: numbers from here to there, values, several conditions at once.

    kept = kept_rows(case, run)                                     # once: the rows, and what was decided on them
    look = cohort_of_rows(kept, (Condition("amount", low=5000),), settings, ledger)

Every figure is counted on the cohort's own rows, and told as `audit.differencing` allows. What was told is noted in the
case's ledger: conditions only, no rows. Conditions on sensitive columns alone need no rows (`audit.cohort`).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd
from filelock import FileLock

from audit.case import Case, keeping_answers, offline
from audit.classes.code import classes_of
from audit.code import code_rows
from audit.cohort import Looked, withheld
from audit.cube import CodedRows, Floats, cube_of, margins_of
from audit.cube_json import margins_from_json
from audit.decide import decide
from audit.differencing import Before, PublishedCohort, hidden_groups
from audit.documents.evidence import Evidence
from audit.engines import MEMORY
from audit.errors import DataError
from audit.evidence import sha256
from audit.files import canonical, read_json, write_whole
from audit.gaps import Settings
from audit.load.rows import load_rows
from audit.load.tables import read_noted
from audit.load.values import coded as names_in
from audit.measure import measure
from audit.numbers import brief
from audit.sealed import inside as inside_case
from audit.sealed import save
from audit.suppress import FLOOR, blank, publish, rare_people, rare_values

Mask = npt.NDArray[np.bool_]
MISSING = "(no value)"
LEDGER = ".cohorts.json"
FEW_NUMBERS = 12
"""A column of numbers with no more different ones is chosen from by value."""
LISTED = 60


class Condition(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who is meant by one column: whose group is among `groups` (of a sensitive column), whose value is among `values`
    (MISSING: none), or a number from `low` to `high`, both counted in; with `date` in days since 1970."""

    column: str
    groups: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    date: bool = False

    def words(self) -> str:
        """In words."""
        if self.values or self.groups:
            return f"{self.column}: {', '.join(self.groups or self.values)}"
        low, high = (None if v is None else self._end(v) for v in (self.low, self.high))
        if low is not None and high is not None:
            return f"{self.column} from {low} to {high}"
        return f"{self.column} {f'at least {low}' if low is not None else f'at most {high}'}"

    def _end(self, value: float) -> str:
        return str(np.datetime64(int(value), "D")) if self.date else brief(value, 12, commas=True)


class _Entry(msgspec.Struct, frozen=True):
    """A cohort that was told. people: of which groupings; shown: columns and their groups that were told."""

    conditions: tuple[Condition, ...]
    people: str
    shown: tuple[tuple[tuple[str, ...], tuple[tuple[str, ...], ...]], ...]


class Kept:
    """The audited rows with all of their columns, and what was decided on them; people of rare values are in none.

    frame, coded: the same n rows. people: digest of who is grouped how. rare: (column, value) left out everywhere.
    outcomes: columns by which nobody is asked for.
    """

    def __init__(self, frame: pd.DataFrame, coded: CodedRows, people: str, outcomes: Collection[str] = ()) -> None:
        self.outcomes = frozenset(outcomes)
        stay, rare = np.ones(len(frame), dtype=bool), set()
        while True:  # who leaves may make another value rare
            left = replace(only(coded, stay), score=None)
            rare |= rare_values(cube_of(left))
            if not (gone := rare_people(left)).any():
                break
            stay[np.flatnonzero(stay)[gone]] = False
        self.frame, self.coded = frame[stay].reset_index(drop=True), only(coded, stay)
        self.rare, self.people = tuple(sorted(rare)), people
        self.everyone = publish(cube_of(left))[0]


def only(coded: CodedRows, stay: Mask) -> CodedRows:
    """Some of the rows. Counts of several classes are left out."""

    def some(a: Floats | None) -> Floats | None:
        return None if a is None else a[stay]

    cluster = coded.cluster
    if cluster is not None:
        cluster = np.unique(cluster[stay], return_inverse=True)[1]
    return replace(
        coded, codes=coded.codes[stay], label=coded.label[stay], decision=coded.decision[stay],
        weight=some(coded.weight), score=some(coded.score), cluster=cluster, beside=None,
    )  # fmt: skip


def kept_rows(case: Case, run: Path, evidence: Evidence, *, allow: Sequence[str] = ()) -> Kept:
    """Read the audited rows and ask for their decisions again. Raises DataError where the rows were not read by the
    audit, or where data or model are no longer those of the run, and what `load_rows` and `decide` raise."""
    if evidence.data.engine != MEMORY:
        raise DataError(
            "only sensitive columns can be asked for here", got=f"rows that {evidence.data.engine} counted, unread",
            expected="rows that the audit read", todo="name the column as sensitive, and audit again",
        )  # fmt: skip
    case = offline(keeping_answers(case, run))
    rows = load_rows(case, everything=True)
    frame = rows.frame[rows.audit]
    decisions, _ = decide(case, frame, rows.features, allow=allow, classes=classes_of(case, rows.frame))
    coded = code_rows(case, frame, decisions)
    measured = margins_from_json(read_json(run / evidence.cube.file))
    now = margins_of(cube_of(replace(coded, score=None, beside=None)), 1)[0]
    before = {m.attribute: m for m in measured}
    if any(m.attribute in before and not np.array_equal(m.n, before[m.attribute].n) for m in now):
        raise DataError(
            "the data or the model are not those that were audited", got="other counts",
            expected="the counts of the audit", todo="run the audit again",
        )  # fmt: skip
    if more := [c for c in rows.columns if c not in frame.columns]:
        others = read_noted(case.data.path, more, case.data.read).frame
        if len(others) == len(rows.frame):
            frame = pd.concat([frame, others[rows.audit]], axis=1)
    grouped = (evidence.data.sha256, evidence.data.sensitive_sha256, evidence.data.sensitive, evidence.data.bins)
    who = sha256(repr((*grouped, case.data.indicators, case.data.split, case.data.audit)).encode())
    return Kept(frame, coded, who, outcome_columns(case))


def outcome_columns(case: Case) -> frozenset[str]:
    """What became of people, what was decided or scored: who is in such a cohort would tell it, and so would a no."""
    named = {case.data.label, case.model.column, *case.data.stages}
    return frozenset(c for c in named if c is not None)


def ranged(column: pd.Series) -> bool:
    """Whether a column is asked for by a range: dates, and numbers of which there are many."""
    if pd.api.types.is_datetime64_any_dtype(column):
        return True
    number = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    return bool(number and column.nunique() > FEW_NUMBERS)


def values_to_ask(column: pd.Series, floor: int = FLOOR) -> list[str]:
    """The values of a column that can be chosen: those that no fewer than `floor` rows have, the commonest first."""
    codes, names = names_in(column)
    often = np.bincount(codes[codes >= 0], minlength=len(names))
    values = [names[i] for i in np.argsort(-often, kind="stable") if often[i] >= floor][:LISTED]
    return [*values, *([MISSING] if int((codes < 0).sum()) >= floor else [])]


def who_is_in(kept: Kept, conditions: Sequence[Condition]) -> Mask:
    """(n,) whom all conditions hold of. Raises DataError for a column or group that is not there."""
    inside = np.ones(len(kept.frame), dtype=bool)
    for c in conditions:
        if not _known(kept, c):
            raise DataError("there is no such column or group", got=c.words(), expected="one of the data")
        if c.groups:
            axis = kept.coded.attributes.index(c.column)
            inside &= np.array([v in c.groups for v in kept.coded.levels[axis]])[kept.coded.codes[:, axis]]
            continue
        column = kept.frame[c.column]
        if c.values:
            codes, names = names_in(column)
            inside &= np.array([*(n in c.values for n in names), MISSING in c.values])[codes]
        else:
            numbers = _days_or_numbers(column)
            inside &= (numbers >= (-np.inf if c.low is None else c.low)) & (
                numbers <= (np.inf if c.high is None else c.high)
            )
    return inside


def _known(kept: Kept, c: Condition) -> bool:
    if not c.groups:
        return c.column in kept.frame.columns
    at = kept.coded.attributes
    return c.column in at and set(c.groups) <= set(kept.coded.levels[at.index(c.column)])


def _days_or_numbers(column: pd.Series) -> npt.NDArray[np.float64]:
    if pd.api.types.is_datetime64_any_dtype(column):
        days = (column - pd.Timestamp(0, tz=column.dt.tz)) // pd.Timedelta(days=1)
        return np.asarray(days.to_numpy(dtype=np.float64, na_value=np.nan))
    return np.asarray(pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan))


def cohort_of_rows(kept: Kept, conditions: Sequence[Condition], settings: Settings, place: Path) -> Looked:
    """Every figure of the people whom all `conditions` hold of. place: the case's folder, where its ledger is.

    Raises DataError where nothing may be told of them.
    """
    if any(c.column in kept.outcomes for c in conditions):
        raise DataError(
            "a cohort cannot be chosen by what became of people", got=", ".join(c.words() for c in conditions),
            expected="columns other than outcomes, decisions and scores",
            todo="choose by what was known before; the rates of the cohort tell the rest",
        )  # fmt: skip
    if not all(v is None or math.isfinite(v) for c in conditions for v in (c.low, c.high)):
        raise DataError("a range ends at no number", got="; ".join(c.words() for c in conditions), expected="numbers")
    inside = who_is_in(kept, conditions)
    with FileLock(place / f"{LEDGER}.lock"):
        entries = _read(place)
        cohorts, same = [], None
        for entry in entries:
            if not all(_known(kept, c) for c in entry.conditions):
                continue  # of other data
            then = who_is_in(kept, entry.conditions)
            if np.array_equal(then, inside) and entry.people == kept.people:
                same = entry  # the same people are told the same as before
                break
            shown = {a: frozenset(groups) for a, groups in entry.shown} if entry.people == kept.people else {}
            cohorts.append(PublishedCohort(then, shown))
        before = Before(kept.coded, kept.everyone, cohorts)
        tables = margins_of(cube_of(only(kept.coded, inside)), settings.order)[0]
        hidden = hidden_groups(before, inside, tables)
        if same is None:
            now = tuple(
                (t.attribute, tuple(g for g in t.groups if g not in hidden[t.attribute]))
                for t in tables if len(t.attribute) < 2
            )  # fmt: skip
            entries.append(_Entry(tuple(conditions), kept.people, now))
            write_whole(inside_case(place, LEDGER), canonical(msgspec.to_builtins(entries)), mode=0o600)
            save(place)
    fixed = {t.attribute[0] for t in tables if len(t.attribute) == 1 and (t.rows > 0).sum() < 2}
    safe = tuple(blank(t, hidden[t.attribute]) for t in tables if not fixed & set(t.attribute))
    people = int(next(t for t in safe if not t.attribute).people.sum())
    return Looked(people, safe, measure(safe, settings), withheld(kept.rare, hidden))


def _read(place: Path) -> list[_Entry]:
    path = place / LEDGER
    return msgspec.convert(read_json(path), list[_Entry]) if path.exists() else []
