"""What is looked at beside the cube where rows stay where they are: missing values, counted exactly; repeated rows, by
a sketch; and a sample of rows, for what needs rows (proxies, subgroups, people alike).

Repeated rows: the kinds of rows whose 64-bit hash is divisible by K are counted, each with all of its rows (distinct
sampling: Gibbons, VLDB 2001). K times their number estimates how many kinds there are, whatever their sizes, with a
binomial error; repeated rows are the rest of the rows. No kind leaves the engine, only how many there are by group.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa

from audit.case import Case
from audit.cube import Ints
from audit.load import columnar
from audit.load.groups import named_columns
from audit.load.infer import infer
from audit.load.rows import missing_words
from audit.scale import narrow
from audit.scale import typed as base
from audit.scale.columns import Draw, read_once
from audit.scale.count import measured_rows
from audit.scale.kinds import PEOPLE, arrow
from audit.scale.lines import Early, drawn_of_rows
from audit.scale.lines import drawn as drawn_lines
from audit.scale.missing import MOST, Counts, Gone, added_up, frame_of_groups, gone_of, looked_at, one
from audit.scale.opened import Opened
from audit.scale.source import Source

T = TypeVar("T")
SAMPLE, CELLS = 40_000, 20_000_000
"""Rows that are drawn: as many as slices are searched on of a table in memory (audit/slices); fewer of a table so wide
that they would have more cells."""
KINDS = 1_000_000
"""Rows up to which each kind of row is looked at; of larger tables a part that has about so many."""
COLUMNS_AT_ONCE, PUT_ASIDE = 100, 2**28
"""Columns that are asked about together; bytes that may be put aside of all rows so that more are."""
LACKING_AT_ONCE = 40
"""Sums of missing values that are asked for together where rows are looked through for any."""
HASH = "h"
HOW = "drawn by DuckDB's reservoir, by the seed"


@dataclass(frozen=True, slots=True)
class Kinds:
    """By combination of sensitive values: how many kinds of rows (g,), and how many of one row each, of those that were
    looked at: one in `part`."""

    frame: pd.DataFrame
    kinds: Ints
    singles: Ints
    part: int


@dataclass(frozen=True, slots=True)
class DataProfile:
    """columns: that were looked at. counted: the counts and the kinds, None where sensitive values have too many
    combinations; they may still be on their way. sample: the rows drawn, None where none may be; how: in words, or why
    not; looked: what was found in the sample, where it was drawn early."""

    columns: tuple[str, ...]
    counted: Future[tuple[Counts | None, Kinds | None]]
    sample: pd.DataFrame | None
    how: str
    looked: Future[Any] | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Measured rows in an engine. frame: of narwhals, its columns c0, c1 ... in the order of `source.columns`.

    hashed: of the frame's rows, those whose number, made of the given columns, is divisible by one that is given; it is
    their column `h`; drawn: about so many rows of so many, by a seed; sample: how many may be drawn, None: as many as
    fit; floor: combinations with fewer rows stay where they are; of_columns: an engine's own way to the frame of some
    columns; banded: puts a frame's numbers into the case's bands, where they have to be before they leave.

    What is known of the rows already, as frames.HeldCounts has it: cells; whole. lacking: with cells, an engine's own
    way to the frame's rows that lack a value in the columns given, or may: the rest adds nothing.
    """

    source: Source
    frame: Any
    hashed: Callable[[Any, Sequence[str], int], Any]
    drawn: Callable[[Sequence[str], int, int, int], pa.Table]
    how: str
    sample: int | None = None
    floor: int | None = None
    of_columns: Callable[[Sequence[str]], Any] | None = None
    banded: Callable[[Any], Any] = lambda frame: frame
    cells: pa.Table | None = None
    whole: pa.Table | None = None
    lacking: Callable[[Any, Sequence[str]], Any] | None = None

    def some(self, columns: Sequence[str]) -> Any:
        """The frame of these columns."""
        return self.frame.select(*columns) if self.of_columns is None else self.of_columns(columns)


def profile(
    case: Case, counted: base.Counted, place: Place, seed: int, pool: Executor | None = None,
    early: Early | None = None, counts: Counts | None = None, sample: pd.DataFrame | None = None,
) -> DataProfile:  # fmt: skip
    """What is found of the measured rows. Raises DataError as counting does. pool: what counts, while the caller looks
    at the sample; early: with the sample, drawn already; counts, sample: where they are known."""
    columns, how = looked_at(case, place.source, place.frame.collect_schema()), place.how
    if early is not None:
        sample = early.sample.result()
    elif sample is None:
        sample, how = _sample(case, place, columns, counted.people, seed)

    def count() -> tuple[Counts | None, Kinds | None]:
        own = counts or _counts(case, place, columns, _numeric_columns(place, sample))
        part = max(1, math.ceil(counted.people / KINDS))
        return own, None if own is None else _kinds(case, place, columns, part)

    if early is None and pool is not None:
        return DataProfile(columns, pool.submit(count), sample, how)
    now: Future[tuple[Counts | None, Kinds | None]] = Future()
    now.set_result(count())
    return DataProfile(columns, now, sample, how, None if early is None else early.looked)


def _sample(case: Case, place: Place, columns: Sequence[str], rows: int, seed: int) -> tuple[pd.DataFrame | None, str]:
    if place.floor is not None:
        return None, f"no row leaves {place.source.kind.capitalize()} where small groups stay in it (`floor`)"
    if place.sample == 0:
        return None, "the case says that no row is drawn (`sample = 0`)"
    names, most = _drawn_of(case, columns)
    most = most if place.sample is None else place.sample
    own = [place.source.column(c) for c in names]
    if place.whole is not None:
        table, how = narrow.drawn(place.whole, own, most, seed), narrow.HOW
    else:
        table, how = place.drawn(own, min(most, rows), rows, seed), place.how
    return _as_read(case, place.source, table.rename_columns(names)), how


def _drawn_of(case: Case, columns: Sequence[str]) -> tuple[list[str], int]:
    """The columns of a sample, and how many rows it has at most."""
    own = [c for c in (case.model.column,) if c is not None and c not in columns]
    names = [*columns, *own]
    return names, min(SAMPLE, CELLS // max(1, len(names)))


def _as_read(case: Case, source: Source, table: pa.Table) -> pd.DataFrame:
    """The rows drawn, with the types that reading the file would give."""
    if source.kind == "csv":
        texts = table.cast(pa.schema([(n, pa.string()) for n in table.column_names]))
        table = infer(texts, source.delimiter, named_columns(case, ()))[0]
    with_roles = {*base.roles_of(case), case.model.column}
    plain = columnar.plain_columns(source.files[0].name, table, lambda name: name not in with_roles)[0]
    return missing_words(case, columnar.frame_of(plain))[0]


def of_lines(case: Case, source: Source, lines: int | None, seed: int, folder: Path) -> pd.DataFrame | None:
    """The sample of a CSV all of whose rows are measured, before they are counted; None where it has to wait."""
    names, most = _drawn_of(case, looked_at(case, source))
    table = drawn_lines(source, names, min(most, lines), lines, seed, folder) if lines else None
    return None if table is None else _as_read(case, source, table)


def _numeric_columns(place: Place, sample: pd.DataFrame | None) -> frozenset[str]:
    """Columns of a CSV that hold numbers, as the sample has them: there NA and its like are missing."""
    if place.source.kind != "csv" or sample is None:
        return frozenset()
    return frozenset(c for c in sample.columns if pd.api.types.is_numeric_dtype(sample[c]))


def _counts(case: Case, place: Place, columns: Sequence[str], numbers: frozenset[str]) -> Counts | None:
    """So many columns at a time: of a Parquet file a group of rows is held whole, of the columns that are asked about,
    and what makes a query looks at all of their names for each sum."""
    source = place.source
    gone = gone_of(case, source, place.frame.collect_schema(), columns, numbers=numbers)
    keys = [source.column(c) for c in gone.keys]
    if place.cells is not None and place.floor is None:
        table = _of_lacking(place, gone, keys)
        return gone.of(case, source, table) if table.num_rows <= MOST else None
    whole: pa.Table | None = None
    for some in _slices(list(gone.sums.items())) or [[]]:
        rows = place.banded(place.some(list(dict.fromkeys([*keys, *(source.column(c) for _, (c, _) in some)]))))
        added = [value.sum().alias(name) for name, (_, value) in some]
        table = _by_group(case, place, rows.group_by(*keys).agg(nw.len().alias(PEOPLE), *added))
        if table is None:
            return None
        for name in table.column_names if whole is None else [n for n, _ in some]:  # all in the order of the keys
            column = table.column(name)
            whole = pa.table({name: column}) if whole is None else whole.append_column(name, column)
    assert whole is not None
    return gone.of(case, source, whole)


def _of_lacking(place: Place, gone: Gone, keys: Sequence[str]) -> pa.Table:
    """The sums where it is known how many rows there are: of the rows that lack a value."""
    assert place.cells is not None
    if place.whole is not None:
        return added_up(narrow.missing(place.whole, gone), keys, [PEOPLE, *gone.sums])
    table = added_up(place.cells, keys, [PEOPLE])
    for some in _slices(list(gone.sums.items()), LACKING_AT_ONCE) if table.num_rows <= MOST else []:
        columns = list(dict.fromkeys(place.source.column(c) for _, (c, _) in some))
        rows = place.some(list(dict.fromkeys([*keys, *columns])))
        rows = place.banded(rows if place.lacking is None else place.lacking(rows, columns))
        # Not as columns first: of many, Spark would make one method too long for Java to compile.
        sums = arrow(rows.group_by(*keys).agg(value.sum().cast(nw.Int64).alias(name) for name, (_, value) in some))
        both = pa.concat_tables([table, sums.select([*keys, *(name for name, _ in some)])], promote_options="default")
        table = added_up(both, keys, [n for n in both.column_names if n not in keys])
    return table


def _kinds(case: Case, place: Place, columns: Sequence[str], part: int) -> Kinds | None:
    groups = [place.source.column(c) for c in case.data.sensitive]
    own = [place.source.column(c) for c in columns]
    if place.whole is not None:
        words = groups if case.data.label is None else [*groups, place.source.column(case.data.label)]
        return _kinds_of(case, place, narrow.repeated(narrow.alike(place.whole, words), own, groups), 1)
    hashed = place.banded(place.hashed(place.frame, own, part))
    some = hashed.group_by(HASH, *groups).agg(nw.len().alias("n"))
    single = one(nw.col("n") == 1)
    grouped = some.group_by(*groups).agg(nw.len().alias("k"), single.sum().alias("s"), nw.col("n").sum().alias(PEOPLE))
    if place.floor is not None and part > 1:
        grouped = _with_whole_sizes(grouped, place.banded(place.frame), groups)
    table = _by_group(case, place, grouped)
    return None if table is None else _kinds_of(case, place, table, part)


def _kinds_of(case: Case, place: Place, table: pa.Table, part: int) -> Kinds:
    kinds, singles = (table.column(n).to_numpy().astype(np.int64) for n in ("k", "s"))
    return Kinds(frame_of_groups(case, place.source, table, kinds, case.data.sensitive), kinds, singles, part)


def _with_whole_sizes(grouped: Any, frame: Any, groups: Sequence[str]) -> Any:
    """How many people each group has in all, in place of those that were looked at: a floor is of whole groups. Added
    up, since a join would lose the people whose value is missing."""
    numbers = ("k", "s", PEOPLE)

    def only(names: Sequence[str]) -> list[nw.Expr]:
        return [(nw.col(n) if n in names else nw.lit(0)).cast(nw.Int64).alias(n) for n in numbers]

    whole = frame.group_by(*groups).agg(nw.len().alias(PEOPLE))
    both = nw.concat([grouped.select(*groups, *only(("k", "s"))), whole.select(*groups, *only((PEOPLE,)))])
    return both.group_by(*groups).agg(*(nw.col(n).sum() for n in numbers))


def _slices(columns: Sequence[T], most: int | None = None) -> list[Sequence[T]]:
    most = most or COLUMNS_AT_ONCE
    return [columns[k : k + most] for k in range(0, len(columns), most)]


def _by_group(case: Case, place: Place, grouped: Any) -> pa.Table | None:
    """One row for each combination; None where there are too many. Small groups stay where they are."""
    if place.floor is not None:
        groups = [place.source.column(c) for c in case.data.sensitive]
        grouped = grouped.filter(nw.col(PEOPLE).sum().over(*groups) >= place.floor)
    table = arrow(grouped.head(MOST + 1))
    return None if table.num_rows > MOST else table.sort_by([(n, "ascending") for n in table.column_names])


def _once(
    case: Case, counted: base.Counted, opened: Opened, frame: Any, seed: int
) -> tuple[pd.DataFrame, Counts | None, pa.Table] | None:
    """Of a wide Parquet file whose columns are each read once, the sample, the counts and the numbers of its rows; None
    where that cannot be."""
    source, schema = opened.source, frame.collect_schema()
    columns = looked_at(case, source, schema)
    slices = _slices(columns)
    if source.kind != "parquet" or len(slices) < 2 or not _fits(counted.people, slices):
        return None
    names, most = _drawn_of(case, columns)
    draw = Draw(names, min(most, counted.people), seed)
    once = read_once(case, source, opened.rows(), gone_of(case, source, schema, columns), slices, draw)
    if once is None:
        return None
    sample, counts, numbers = _as_read(case, source, once.sample), once.counts, once.numbers
    del once
    pa.default_memory_pool().release_unused()  # what reading took beside the rows drawn
    return sample, counts, numbers


def _fits(rows: int, slices: Sequence[Any]) -> bool:
    """Whether a number of each row may be put aside for each slice."""
    return 8 * rows * len(slices) <= PUT_ASIDE


def of_duckdb(case: Case, counted: base.Counted, seed: int, opened: Opened) -> DataProfile:
    """The same of a file that DuckDB counts, which goes on while the caller looks at the sample."""
    mine = opened.rows()
    connection, mine = mine.connection, measured_rows(case, opened.source, mine)
    frame = nw.from_native(connection.sql(f"SELECT * FROM {mine.table}"))
    once = _once(case, counted, opened, frame, seed)

    def hashed(frame: Any, columns: Sequence[str], part: int) -> Any:
        del frame
        # Its number without a sign would be too large for some readers; half of it tells kinds apart as well.
        own, rows = f"CAST(hash({', '.join(columns)}) >> 1 AS BIGINT)", mine.table
        slices = _slices(columns)
        if len(slices) > 1 and opened.source.kind == "parquet" and _fits(counted.people, slices):
            own = f"CAST(hash({', '.join(f'h{i}' for i in range(len(slices)))}) >> 1 AS BIGINT)"
            rows = in_slices(slices) if once is None else "numbers"
        every = nw.from_native(connection.sql(f"SELECT *, {own} AS {HASH} FROM {rows}"))
        return every.filter(nw.col(HASH) % part == 0)

    def in_slices(slices: Sequence[Sequence[str]]) -> str:
        """A number of each slice of the columns, put aside in the order of the rows."""
        groups = ", ".join(opened.source.column(c) for c in case.data.sensitive)
        connection.execute("SET preserve_insertion_order = true")
        for i, some in enumerate(slices):
            own = f"hash({', '.join(some)}) AS h{i}" + (f", {groups}" if i == 0 else "")
            connection.execute(f"CREATE OR REPLACE TEMP TABLE slice{i} AS SELECT {own} FROM {mine.table}")
        return "(SELECT * FROM " + " POSITIONAL JOIN ".join(f"slice{i}" for i in range(len(slices))) + ")"

    def drawn(columns: Sequence[str], rows: int, of: int, seed: int) -> pa.Table:
        connection.execute("SET threads = 1")  # with more the draw would depend on which comes first
        ordered = opened.ordered
        try:
            among = measured_rows(case, ordered, replace(mine, table=ordered.sql)).table
            if ordered.kind == "csv":
                return drawn_of_rows(connection, among, columns, rows, of, seed)
            parts: list[pa.ChunkedArray] = []
            for some in _slices(columns):  # the seed draws the same rows, whichever columns are read
                query = f"SELECT {', '.join(some)} FROM {among} USING SAMPLE reservoir({rows} ROWS) REPEATABLE ({seed})"
                parts += connection.sql(query).to_arrow_table().columns
            return pa.table(parts, names=list(columns))
        finally:
            connection.execute("RESET threads")

    early = opened.early if opened.early is not None and opened.early.holds(counted.rows) else None

    def of_columns(columns: Sequence[str]) -> Any:
        return nw.from_native(connection.sql(f"SELECT {', '.join(columns)} FROM {mine.table}"))

    place = Place(opened.source, frame, hashed, drawn, HOW, of_columns=of_columns)
    if once is None:
        return profile(case, counted, place, seed, opened.pool, early)
    sample, counts, numbers = once
    connection.register("numbers", numbers)
    return profile(case, counted, place, seed, opened.pool, None, counts, sample)
