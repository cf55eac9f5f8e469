"""A contract held against a file too large to be read: the database counts, and the same checks look at its counts.

Of a column with few different values, each value comes once for each group, with its number of rows, and the checks are
those of memory (kinds.py). Of one with many, the database answers a question about each row (missing, between, unique)
or computes a figure. What neither can do is said, and has not passed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from audit.case import Case
from audit.contract.check import adjusted, figure_outcome, of_rows, one
from audit.contract.functions import Cannot, CodedTable
from audit.contract.kinds import KINDS
from audit.contract.records import Check, Checked, Outcome
from audit.cube import Ints
from audit.errors import DataError
from audit.gaps import Settings
from audit.load.rows import missing_words
from audit.numbers import many
from audit.quality import groups_of
from audit.quality.codes import Group
from audit.scale.count import measured_rows
from audit.scale.opened import InBase, Opened, opened
from audit.scale.source import Source
from audit.scale.typed import PEOPLE, typed_values

MOST_VALUES = 300_000
"""Different values in different groups that are fetched for one check."""
STATE = "\x1f6"
MISSING, GOOD, BAD = 0, 1, 2


def check_large(case: Case, settings: Settings | None = None, base: Opened | None = None) -> Checked:
    """The audited rows of a case against its contract, counted by DuckDB, in a database that holds the rows already or
    in one of its own. Raises DataError for a broken file."""
    if base is None:
        with opened(case) as base:
            return check_large(case, settings, base)
    assert case.contract is not None
    how = settings or Settings()
    asking = _Asking(case, base.source, measured_rows(case, base.source, base.rows()))
    outcomes = [_one(asking, c, how) for c in case.contract.checks]
    return Checked(case.contract, asking.total, tuple(adjusted(outcomes)))


def _one(asking: _Asking, asked: Check, settings: Settings) -> Outcome:
    import duckdb

    try:
        if KINDS[asked.kind].of_header:
            return one(asking.head(), asked, (), settings, True)
        if lost := [c for c in asked.columns if c not in asking.source.columns]:
            raise Cannot(f"the column {lost[0]!r} is missing")
        if asking.values(asked.columns) <= MOST_VALUES:
            table, groups = asking.table(asked.columns)
            return one(table, asked, groups, settings, True)
        if KINDS[asked.kind].figure is not None:
            return figure_outcome(asked, asking.figure(asked), asking.total)
        state, counts, groups = asking.states(asked)
        return of_rows(asked, state != MISSING, state == BAD, counts, groups, settings, True)
    except (Cannot, duckdb.BinderException, duckdb.ConversionException, duckdb.NotImplementedException) as why:
        reason = str(why) if isinstance(why, Cannot) else f"the database cannot compare the values ({str(why)[:120]})"
        return Outcome(asked, False, 0, 0, None, reason=reason)


class _Asking:
    """One file in the database; `rows` are those that are audited."""

    def __init__(self, case: Case, source: Source, rows: InBase) -> None:
        self.case, self.source, self.rows = case, source, rows
        self.total = int(rows.one("count(*)")[0])
        self._values: dict[str, int] = {}
        self._tables: dict[tuple[str, ...], tuple[CodedTable, tuple[Group, ...]]] = {}

    def head(self) -> CodedTable:
        """The columns and the number of rows, and no values."""
        names = list(self.source.columns)
        return CodedTable(pd.DataFrame({c: [None] for c in names}), names, np.array([self.total]))

    def values(self, columns: Sequence[str]) -> int:
        """At most how many combinations these columns and the groups have, about."""
        wanted = list(dict.fromkeys((*columns, *self.case.data.sensitive)))
        if new := [c for c in wanted if c not in self._values]:
            counts = self.rows.one(", ".join(f"approx_count_distinct({self.source.column(c)})" for c in new))
            self._values |= {c: int(n) + 1 for c, n in zip(new, counts, strict=True)}
        return min(math.prod(self._values[c] for c in wanted), self.total)

    def table(self, columns: Sequence[str]) -> tuple[CodedTable, tuple[Group, ...]]:
        """Each combination of values and groups once, with how many rows it stands for."""
        wanted = tuple(dict.fromkeys((*columns, *self.case.data.sensitive)))
        if wanted not in self._tables:
            frame, counts = self._fetch(wanted, ())
            self._tables[wanted] = CodedTable(frame, self.source.columns, counts), groups_of(self.case, frame)
        return self._tables[wanted]

    def states(self, asked: Check) -> tuple[Ints, Ints, tuple[Group, ...]]:
        """Of each state in each group: the state, how many rows, the groups."""
        frame, counts = self._fetch(self.case.data.sensitive, (f'{self._state(asked)} AS "{STATE}"',))
        return frame[STATE].to_numpy(dtype=np.int64), counts, groups_of(self.case, frame)

    def _fetch(self, roles: Sequence[str], more: Sequence[str]) -> tuple[pd.DataFrame, Ints]:
        names = [self.source.column(c) for c in roles]
        # A window (unique) comes before the groups.
        inner = ", ".join([*names, *more])
        outer = ", ".join([*names, *(f'"{STATE}"' for _ in more), f'count(*) AS "{PEOPLE}"'])
        query = replace(self.rows, table=f"(SELECT {inner} FROM {self.rows.table})")
        table = query.groups(outer, 4 * MOST_VALUES)
        table = table.sort_by([(n, "ascending") for n in table.column_names[:-1]])
        try:
            frame = typed_values(self.case, self.source, table, list(roles), False)[0]
        except DataError as error:
            raise Cannot(error.problem) from error
        counts = frame.pop(PEOPLE).to_numpy(dtype=np.int64)
        data, model = self.case.data, self.case.model
        if data.label not in frame:
            data = replace(data, label=None)
        if model.column not in frame:
            model = replace(model, kind="path")
        return missing_words(replace(self.case, data=data, model=model), frame, counts)[0], counts

    def column(self, name: str) -> str:
        """The column itself, as SQL has it."""
        return self.source.column(name)

    def number(self, name: str) -> str:
        """The column as a number that is finite, else null."""
        own = self.column(name)
        cast = f"TRY_CAST({f'trim({own})' if self.source.kind == 'csv' else own} AS DOUBLE)"
        return f"CASE WHEN isfinite({cast}) THEN {cast} END"

    def known(self, name: str) -> str:
        """Whether there is a value; NaN is none."""
        own = self.column(name)
        if self.source.kind == "csv":
            return f"{own} IS NOT NULL AND {own} <> ''"
        return f"{own} IS NOT NULL AND CAST({own} AS VARCHAR) <> 'nan'"

    def _state(self, asked: Check) -> str:
        kind = KINDS[asked.kind]
        bad = None if kind.fails is None else kind.fails(self, asked)
        if bad is None:
            raise self._too_many(asked)
        if kind.gaps:
            return f"CASE WHEN {bad} THEN {BAD} ELSE {GOOD} END"
        known = " AND ".join(f"({self.known(c)})" for c in asked.columns)
        return f"CASE WHEN NOT ({known}) THEN {MISSING} WHEN {bad} THEN {BAD} ELSE {GOOD} END"

    def figure(self, asked: Check) -> Any:
        """What the database computes of a whole column. Raises Cannot for a kind that asks about each value."""
        query = KINDS[asked.kind].query
        if query is None:
            raise self._too_many(asked)
        return self.rows.one(query(self, asked))[0]

    def _too_many(self, asked: Check) -> Cannot:
        return Cannot(
            f"{' and '.join(map(repr, asked.columns))} has about "
            f"{many(self.values(asked.columns), 'different value')} in groups, and this check looks at each of at most "
            f"{MOST_VALUES:,}"
        )
