"""Count the rows of a case inside DuckDB: one GROUP BY over sensitive columns, label, decision or score, and split.

The groups of equal rows then go the way that rows go: the same checks, names, bands and codes. So the cube is the same:
counts to the last one; sums of weights and of binned scores are added as whole numbers (fixed point), which makes them
independent of the order in which threads come.
"""

from __future__ import annotations

import math
import re
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

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
from audit.load.digest import sha256_of
from audit.load.infer import infer
from audit.load.outcomes import extreme
from audit.load.roles import check_roles
from audit.load.rows import missing_words
from audit.load.values import coded as names_in
from audit.scale.kinds import Sum, kinds
from audit.scale.people import Together, clusters_in, told_apart
from audit.scale.rank import AREA_ROWS, Scored, areas_of, bin_sql, blurred, rank_bins
from audit.scale.source import Source, literal, source_of
from audit.scores import EXACT_SCORES, WEIGHT_STEPS, Floats

MEMORY = "1GB"
MOST_GROUPS = 3_000_000
"""Combinations of values, scores among them, that are fetched."""

PROBE = 20_000
PEOPLE, WEIGHT, SQUARES, OWN, BIN, TOTAL = (f"\x1f{i}" for i in range(6))
"""Names of what the query computes; no column of a table begins with this character."""

SAFE = {
    "memory_limit": MEMORY,
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "preserve_insertion_order": "false",
}


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


def count(case: Case) -> Counted:
    """Count the rows of `case`. Raises CaseError, DataError as `load_rows` does, though without row numbers."""
    import duckdb

    check_roles(case)
    source = source_of(case)
    check.columns(case, source.columns, ())
    digest = _Digest(case.data.path)
    with tempfile.TemporaryDirectory(prefix="assay-") as folder:
        connection = duckdb.connect(config={**SAFE, "temp_directory": folder})
        try:
            connection.execute("SET enable_progress_bar = false")  # it would write to stdout
            frame, extra = _grouped(case, source, connection)
            return _coded(case, source, frame, extra, digest)
        except duckdb.Error as error:
            raise broken(source, error) from error
        finally:
            connection.close()


class _Digest(threading.Thread):
    """The file's sha256 while the database counts."""

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        self.path, self.value = path, ""
        self.error: DataError | None = None
        self.start()

    def run(self) -> None:
        try:
            self.value = sha256_of(self.path)
        except DataError as error:
            self.error = error

    def get(self) -> str:
        self.join()
        if self.error is not None:
            raise self.error
        return self.value


@dataclass(frozen=True, slots=True)
class _Extra:
    """What the query did: notes on types; the lowest and the highest score of each bin where scores were binned."""

    notes: tuple[str, ...]
    bins: tuple[Floats, Floats] | None
    scored: Scored | None = None
    repeated: tuple[int, int] | None = None
    together: Together | None = None


def _roles(case: Case) -> list[str]:
    data = case.data
    names = (*data.sensitive, data.label, data.split, data.cluster)
    return list(dict.fromkeys(n for n in names if n is not None))


@dataclass(frozen=True, slots=True)
class InBase:
    """Rows in the database, to be asked with SQL."""

    connection: Any
    table: str

    def one(self, what: str) -> tuple[Any, ...]:
        """A row of totals."""
        return tuple(self.connection.sql(f"SELECT {what} FROM {self.table}").fetchall()[0])

    def groups(self, what: str, most: int) -> pa.Table:
        """One row for each combination of what is no total."""
        query = f"SELECT {what} FROM {self.table} GROUP BY ALL LIMIT {most}"
        return self.connection.sql(query).to_arrow_table()


def _grouped(case: Case, source: Source, connection: Any) -> tuple[pd.DataFrame, _Extra]:
    """One row for each combination, with people (and sums), typed as the file is."""
    asked = case
    rows = InBase(connection, source.sql)
    who = None if case.data.cluster is None else source.column(case.data.cluster)
    if who is not None and told_apart(source, connection, who):
        case = replace(case, data=replace(case.data, cluster=None))
    else:
        who = None
    roles = [source.column(c) for c in _roles(case)]
    keys = {k: k for k in roles}
    sums: list[tuple[str, str, float]] = []
    weight, largest = None, 1.0
    if case.data.weight is not None:
        weight = _number(case.data.weight, source)
        largest = _largest_weight(case, rows, weight)
        sums += [(WEIGHT, weight, largest), (SQUARES, f"{weight} * {weight}", largest**2)]
    own = source.column(str(case.model.column))
    bins = scored = None
    found, decided = None, own
    if case.model.kind != "score" or not _many(rows, own):
        found = _fetch(rows, keys | {OWN: own}, sums)
    if case.model.kind == "score" and (found is None or _distinct(found) > EXACT_SCORES):
        score = _number(str(case.model.column), source)
        mine = measured_rows(case, source, rows)
        check_range(case, *mine.one(
            f"count(*) FILTER (WHERE {score} IS NULL OR NOT isfinite({score})), min({score}), max({score})"
        ))  # fmt: skip
        bins = rank_bins(connection, mine.table, score)
        top = float(np.abs(np.append(*bins)).max())
        sums.append((TOTAL, score if weight is None else f"{weight} * {score}", largest * top))
        decided = f"{score} >= {case.model.threshold!r}"
        binned = {OWN: decided, BIN: bin_sql(score, bins[0].tolist())}
        found = _fetch(rows, keys | binned, sums)
        whole = "1" if weight is None else f"CAST(round({weight} * {WEIGHT_STEPS / largest!r}) AS BIGINT)"
        scored = Scored(connection, mine.table, score, whole, tuple(roles), found.select(range(len(roles))))
    assert found is not None
    not_too_many(case, found)
    typed, notes = typed_values(case, source, found, _roles(case), bins is None)
    together = None
    if who is not None:
        mine = measured_rows(case, source, rows)
        each = (*roles, decided)
        weigh = None if weight is None else _fixed(weight, largest)
        raw, name = found.select(range(len(each))), str(asked.data.cluster)
        together = Together(connection, mine.table, who, each, raw, name, weigh)
    return typed, _Extra(notes, bins, scored, _repeated(asked, source, rows), together)


def not_too_many(case: Case, found: pa.Table) -> None:
    """Raises DataError where more combinations came than are fetched."""
    if found.num_rows > MOST_GROUPS:
        raise DataError(
            "the sensitive columns have too many combinations",
            got=f"more than {MOST_GROUPS:,} kinds of rows",
            expected=f"at most {MOST_GROUPS:,}",
            todo="put values together with `bins`, or audit fewer columns at a time"
            + ("; with `cluster`, audit a random part of the people" if case.data.cluster is not None else ""),
        )


def _repeated(case: Case, source: Source, rows: InBase) -> tuple[int, int] | None:
    """(rows, people) where measured rows repeat an `id` and no `cluster` says that they belong together."""
    data = case.data
    if data.id is None:
        return None
    name = source.column(data.id)
    among = measured_rows(case, source, rows)
    total, known, missing = among.one(f"count(*), count(DISTINCT {name}), count(*) FILTER (WHERE {name} IS NULL)")
    if known + missing == total:
        return None
    if data.cluster is not None:
        pair = f"({name}, {source.column(data.cluster)})"
        both = among.one(f"count(DISTINCT {pair}) FILTER (WHERE {name} IS NOT NULL)")[0]
        if both == known:
            return None
    return int(total), int(known + missing)


def _fetch(rows: InBase, keys: Mapping[str, str], sums: Sequence[tuple[str, str, float]]) -> pa.Table:
    """The combinations in the order of their values, so that what is added up later is added in one order.

    keys: name -> SQL. sums: name, SQL and the largest value.
    """
    named = [f'{sql} AS "k{i}"' for i, sql in enumerate(keys.values())]
    named += [f'{sql} AS "v{i}"' for i, (_, sql, _) in enumerate(sums)]
    frame = nw.from_native(rows.connection.sql(f"SELECT {', '.join(named)} FROM {rows.table}"))
    added = [Sum(f"s{i}", nw.col(f"v{i}"), largest) for i, (_, _, largest) in enumerate(sums)]
    found = kinds(frame, [f"k{i}" for i in range(len(keys))], added, most=MOST_GROUPS + 1)
    return found.rename_columns([*keys, PEOPLE, *(name for name, _, _ in sums)])


def _many(rows: InBase, column: str) -> bool:
    """Whether the first rows alone have more scores than are counted one by one."""
    first = replace(rows, table=f"(SELECT {column} FROM {rows.table} LIMIT {PROBE})")
    return bool(first.one(f"count(DISTINCT {column})")[0] > EXACT_SCORES)


def measured_rows(case: Case, source: Source, rows: InBase) -> InBase:
    """The rows to measure: those whose split value has the name that the case says."""
    split = case.data.split
    if split is None:
        return rows
    own = source.column(split)
    found = rows.groups(f"{own}, CAST({own} AS VARCHAR) AS written", MOST_GROUPS)
    raw, found = found.column("written").to_pylist(), found.select([own]).rename_columns([split])
    typed = infer(found, source.delimiter)[0] if source.kind == "csv" else columnar.plain("", found)[0]
    codes, names = names_in(typed.to_pandas(ignore_metadata=True)[split])
    wanted = [v for v, c in zip(raw, codes, strict=True) if c >= 0 and names[c] == case.data.audit]
    check.split(case, names)
    among = ", ".join(literal(v) for v in wanted)
    return replace(rows, table=f"(SELECT * FROM {rows.table} WHERE CAST({own} AS VARCHAR) IN ({among}))")


def _number(column: str, source: Source) -> str:
    """The column as a floating-point number; null where a text is none."""
    name = source.column(column)
    return f"TRY_CAST(trim({name}) AS DOUBLE)" if source.kind == "csv" else f"CAST({name} AS DOUBLE)"


def _fixed(value: str, largest: float) -> str:
    """The sum of `value` in whole numbers of at most 88 bits; {} takes a FILTER of the rows."""
    unit = 2.0 ** (88 - math.ceil(math.log2(largest))) if largest > 0 else 1.0
    return f"sum(CAST({value} * {unit!r} AS HUGEINT)) {{}}::DOUBLE / {unit!r}"


def _distinct(found: pa.Table) -> int:
    return len(found.column(OWN).unique()) if found.num_rows else 0


def _largest_weight(case: Case, rows: InBase, w: str) -> float:
    """The largest weight. Raises DataError for weights that are none."""
    bad, largest = rows.one(f"count(*) FILTER (WHERE {w} IS NULL OR NOT isfinite({w}) OR {w} < 0), max({w})")
    if bad or not largest:
        raise DataError(
            f"the weight column {case.data.weight!r} has values that are no weights"
            if bad
            else "the weights are all 0",
            got=f"{bad:,} rows" if bad else "a sum of 0",
            expected="a number of 0 or more in every row, and one above 0",
            todo="correct them, or name another column as `weight`",
        )
    return float(largest)


def check_range(case: Case, bad: int, low: float, high: float) -> None:
    """Raises DataError where a measured row has no finite score, or scores leave 0..1 and have no threshold."""
    if bad:
        raise _without_own(case, int(bad))
    extreme(str(case.model.column), low, high)
    if (low < 0 or high > 1) and not case.model.threshold_given:
        raise DataError(
            f"the score column {case.model.column!r} has scores outside 0 to 1 and the case gives no threshold",
            got=f"from {low:g} to {high:g}",
            expected="probabilities from 0 to 1, or a threshold",
            todo="add `threshold` under [model]: the score from which on the decision is positive",
        )


def _without_own(case: Case, rows: int) -> DataError:
    kind = case.model.kind
    return DataError(
        f"the {kind} column {case.model.column!r} has empty values"
        if kind == "decision"
        else f"the score column {case.model.column!r} has values that are no finite numbers",
        got=f"{rows:,} measured rows without a {kind}",
        expected=f"a {kind} in every row",
        todo="fill them in, or leave out the rows that were never decided",
    )


_COUNTED = re.compile(r"\d[\d,]*( of \d[\d,]*)? values")


def typed_values(
    case: Case, source: Source, found: pa.Table, roles: Sequence[str], own: bool
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The combinations as a frame with the types that reading the file would give."""
    column = str(case.model.column)
    names = [*(source.column(r) for r in roles), *([OWN] if own else [])]
    part = found.select(names).rename_columns([*roles, *([column] if own else [])])
    notes: tuple[str, ...] = ()
    if source.kind == "csv":
        part, notes = infer(part.cast(pa.schema([(n, pa.string()) for n in part.column_names])), source.delimiter)
        # It counted kinds of rows here, not rows.
        notes = tuple(_COUNTED.sub("some values", n) for n in notes)
    part = columnar.plain(source.files[0].name, part)[0]
    lost = [n for n in (*roles, *([column] if own else [])) if n not in part.column_names]
    if lost:
        raise DataError(
            f"the column {lost[0]!r} holds lists or raw bytes",
            got="values that are no single number or text",
            expected="one value in each row",
            todo="choose another column",
        )
    frame = part.to_pandas(ignore_metadata=True)
    for name in found.column_names:
        if name not in names:
            frame[name] = found.column(name).to_numpy()
    return frame, notes


def _coded(case: Case, source: Source, frame: pd.DataFrame, extra: _Extra, digest: _Digest) -> Counted:
    people = frame[PEOPLE].to_numpy(dtype=np.int64)
    plain = replace(case, data=replace(case.data, id=None, time=None, weight=None))
    if extra.together is not None:
        plain = replace(plain, data=replace(plain.data, cluster=None))
    frame, said = missing_words(plain, frame, people)
    audit = _measured(case, frame)
    own = case.model.column if extra.bins is None else None
    if own is not None:
        empty = audit & frame[own].isna().to_numpy()
        if empty.any():
            raise _without_own(case, int(people[empty].sum()))
        check.rows(plain, frame, audit, people)
    else:
        check.rows(replace(plain, model=replace(case.model, kind="path")), frame, audit, people)
    notes = [*extra.notes, *said, *check.remarks(plain, frame, audit, people)]
    belongs = len(notes)
    if extra.repeated is not None:
        notes.append(check.repeats(case, *extra.repeated))
    mine, n = frame[audit], people[audit]
    if plain.data.cluster is not None and (nobody := mine[plain.data.cluster].isna().to_numpy()).any():
        raise of_nobody(plain.data.cluster, int(n[nobody].sum()), int(n.sum()))
    if extra.bins is None:
        classes = classes_of(plain, frame)
        decisions, facts = decide(plain, mine, (), classes=classes)
        notes += classes_note(plain, classes, decisions)
    else:
        decisions = Decisions(mine[OWN].to_numpy(dtype=np.int64), None, f"column {case.model.column}")
        facts = ModelFacts("score", None, None, None, (), case.model.column, case.model.threshold)
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


def _measured(case: Case, frame: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Which rows are to be measured, (n,). Raises CaseError where the split has none."""
    if case.data.split is None:
        return np.ones(len(frame), dtype=bool)
    codes, names = names_in(frame[case.data.split])
    check.split(case, names)
    measured: npt.NDArray[np.bool_] = np.array([*(n == case.data.audit for n in names), False])[codes]
    return measured


def broken(source: Source, error: Exception) -> DataError:
    return DataError(
        f"{source.files[0].name!r} cannot be counted",
        got=str(error).splitlines()[0][:300],
        expected="a whole " + ("Parquet file" if source.kind == "parquet" else "CSV file in UTF-8, rows alike"),
        todo="export the table again, or as Parquet",
    )
