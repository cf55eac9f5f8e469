"""Count the rows of a case inside DuckDB: one GROUP BY over sensitive columns, label, decision or score, and split.

The groups of equal rows then go the way that rows go: the same checks, names, bands and codes. So the cube is the same:
counts to the last one; sums of weights and of binned scores are added as whole numbers (fixed point), which makes them
independent of the order in which threads come.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace

import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa

from audit.case import Case
from audit.load import check, columnar
from audit.load.infer import MARKERS, infer
from audit.load.values import coded as names_in
from audit.scale.kinds import Sum, kinds
from audit.scale.opened import InBase, Opened, opened
from audit.scale.people import Together, told_apart
from audit.scale.rank import Scored, bin_sql, rank_bins
from audit.scale.source import Source, literal
from audit.scale.typed import (
    BIN,
    MOST_GROUPS,
    OWN,
    PEOPLE,
    PROBE,
    SQUARES,
    TOTAL,
    WEIGHT,
    Counted,
    Extra,
    check_range,
    coded_of,
    largest_of,
    not_too_many,
    roles_of,
    typed_values,
)
from audit.scores import EXACT_SCORES, WEIGHT_STEPS

ID_NUMBER, ID_NAME = "[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?", "^[+-]?(0[0-9]|[0-9]{16})"


def count(case: Case, base: Opened | None = None) -> Counted:
    """Count the rows of `case`, in a database that holds them already or in one of its own. Raises CaseError, DataError
    as `load_rows` does, though without row numbers."""
    if base is None:
        with opened(case) as base:
            return count(case, base)
    with closing(base.rows()) as rows:  # temporary tables go with it
        frame, extra = _grouped(case, base.source, rows)
        return coded_of(case, base.source, frame, extra, base.digest)


def _grouped(case: Case, source: Source, rows: InBase) -> tuple[pd.DataFrame, Extra]:
    """One row for each combination, with people (and sums), typed as the file is."""
    asked, connection = case, rows.connection
    who = None if case.data.cluster is None else source.column(case.data.cluster)
    if who is not None and told_apart(source, connection, who):
        case = replace(case, data=replace(case.data, cluster=None))
    else:
        who = None
    roles = [source.column(c) for c in roles_of(case)]
    keys = {k: k for k in roles}
    sums: list[tuple[str, str, float]] = []
    weight, largest = None, 1.0
    if case.data.weight is not None:
        weight = _cast_double(case.data.weight, source)
        largest = _largest_weight(case, rows, weight)
        sums += [(WEIGHT, weight, largest), (SQUARES, f"{weight} * {weight}", largest**2)]
    own = source.column(str(case.model.column))
    bins = scored = None
    table, decided = None, own
    if case.model.kind != "score" or not _many(rows, own):
        table = _fetch(rows, keys | {OWN: own}, sums)
    if case.model.kind == "score" and (table is None or _distinct(table) > EXACT_SCORES):
        score = _cast_double(str(case.model.column), source)
        mine = measured_rows(case, source, rows)
        check_range(case, *mine.one(
            f"count(*) FILTER (WHERE {score} IS NULL OR NOT isfinite({score})), min({score}), max({score})"
        ))  # fmt: skip
        bins = rank_bins(connection, mine.table, score)
        top = float(np.abs(np.append(*bins)).max())
        sums.append((TOTAL, score if weight is None else f"{weight} * {score}", largest * top))
        decided = f"{score} >= {case.model.threshold!r}"
        binned = {OWN: decided, BIN: bin_sql(score, bins[0].tolist())}
        table = _fetch(rows, keys | binned, sums)
        whole = "1" if weight is None else f"CAST(round({weight} * {WEIGHT_STEPS / largest!r}) AS BIGINT)"
        scored = Scored(connection, mine.table, score, whole, tuple(roles), table.select(range(len(roles))))
    assert table is not None
    not_too_many(case, table)
    typed, notes = typed_values(case, source, table, roles_of(case), bins is None)
    together = None
    if who is not None:
        mine = measured_rows(case, source, rows)
        each = (*roles, decided)
        weigh = None if weight is None else _fixed(weight, largest)
        raw, name = table.select(range(len(each))), str(asked.data.cluster)
        together = Together(connection, mine.table, who, each, raw, name, weigh)
    return typed, Extra(notes, bins, scored, _repeated(asked, source, rows), together)


def _repeated(case: Case, source: Source, rows: InBase) -> tuple[int, int] | None:
    """(rows, people) where measured rows repeat an `id` and no `cluster` says that they belong together."""
    data = case.data
    if data.id is None:
        return None
    name = _id(source, rows, source.column(data.id))
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


def _id(source: Source, rows: InBase, name: str) -> str:
    """Ids as `infer` reads them: 7 and 7.0 are one in a column of numbers of which none has zeros in front."""
    if source.kind != "csv":
        return name
    known = f"CASE WHEN trim({name}) NOT IN ({', '.join(literal(m) for m in MARKERS)}) THEN trim({name}) END"
    number = f"regexp_full_match({known}, '{ID_NUMBER}') AND NOT regexp_matches({known}, '{ID_NAME}')"
    return f"CAST({known} AS DOUBLE)" if rows.one(f"bool_and({number})")[0] else name


def _fetch(rows: InBase, keys: Mapping[str, str], sums: Sequence[tuple[str, str, float]]) -> pa.Table:
    """The combinations in the order of their values, so that what is added up later is added in one order.

    keys: name -> SQL. sums: name, SQL and the largest value.
    """
    named = [f'{sql} AS "k{i}"' for i, sql in enumerate(keys.values())]
    named += [f'{sql} AS "v{i}"' for i, (_, sql, _) in enumerate(sums)]
    frame = nw.from_native(rows.connection.sql(f"SELECT {', '.join(named)} FROM {rows.table}"))
    added = [Sum(f"s{i}", nw.col(f"v{i}"), largest) for i, (_, _, largest) in enumerate(sums)]
    table = kinds(frame, [f"k{i}" for i in range(len(keys))], added, most=MOST_GROUPS + 1)
    return table.rename_columns([*keys, PEOPLE, *(name for name, _, _ in sums)])


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
    table = rows.groups(f"{own}, CAST({own} AS VARCHAR) AS written", MOST_GROUPS)
    raw, table = table.column("written").to_pylist(), table.select([own]).rename_columns([split])
    typed = infer(table, source.delimiter)[0] if source.kind == "csv" else columnar.plain_columns("", table)[0]
    codes, names = names_in(typed.to_pandas(ignore_metadata=True)[split])
    wanted = [v for v, c in zip(raw, codes, strict=True) if c >= 0 and names[c] == case.data.audit]
    check.split(case, names)
    among = ", ".join(literal(v) for v in wanted)
    return replace(rows, table=f"(SELECT * FROM {rows.table} WHERE CAST({own} AS VARCHAR) IN ({among}))")


def _cast_double(column: str, source: Source) -> str:
    """The column as a floating-point number; null where a text is none."""
    name = source.column(column)
    return f"TRY_CAST(trim({name}) AS DOUBLE)" if source.kind == "csv" else f"CAST({name} AS DOUBLE)"


def _fixed(value: str, largest: float) -> str:
    """The sum of `value` in whole numbers of at most 88 bits; {} takes a FILTER of the rows."""
    unit = 2.0 ** (88 - math.ceil(math.log2(largest))) if largest > 0 else 1.0
    return f"sum(CAST({value} * {unit!r} AS HUGEINT)) {{}}::DOUBLE / {unit!r}"


def _distinct(table: pa.Table) -> int:
    return len(table.column(OWN).unique()) if table.num_rows else 0


def _largest_weight(case: Case, rows: InBase, w: str) -> float:
    """The largest weight. Raises DataError for weights that are none."""
    return largest_of(case, *rows.one(f"count(*) FILTER (WHERE {w} IS NULL OR NOT isfinite({w}) OR {w} < 0), max({w})"))
