"""Wide Parquet files beside the cube: each column is read once, for its missing values, for the numbers that tell kinds
of rows apart, and for the rows that are drawn.

DuckDB would read it once for each of the three, and of a thousand columns the words of the query alone take two
seconds. It still says which rows are measured and drawn, and makes the numbers: the evidence is the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from audit.case import Case
from audit.cube import Ints
from audit.load import columnar
from audit.quality.missing import WRITTEN
from audit.scale.count import measured_rows
from audit.scale.kinds import PEOPLE
from audit.scale.missing import BLANKS, MOST, Counts, Gone
from audit.scale.opened import InBase
from audit.scale.source import NUMBERED, PLACE, Source

CELLS, BYTES, BUFFER = 2**23, 2**26, 2**16
"""Of the columns that are read together: values, and bytes as the file tells them, at a time; bytes of a file."""
POINTER, HEAVY = 8, 2**24
"""Bytes of a row; of the texts that take more than that, all of one slice."""


@dataclass(frozen=True, slots=True)
class Draw:
    """names: the columns of the rows drawn; most: how many rows; seed: of the draw."""

    names: Sequence[str]
    most: int
    seed: int


@dataclass(frozen=True, slots=True)
class Once:
    """sample: the rows drawn, as they stand. counts: None where sensitive values have too many combinations.
    numbers: of each measured row the sensitive columns, and a number of each slice of the columns as h0, h1 ..."""

    sample: pa.Table
    counts: Counts | None
    numbers: pa.Table


@dataclass(slots=True)
class _Seen:
    """What the columns told so far: by the name of a sum, how many of each combination of keys; by column, the values
    drawn; numbers of the rows."""

    sums: dict[str, Ints] = field(default_factory=dict)
    drawn: dict[str, list[pa.Array]] = field(default_factory=lambda: defaultdict(list))
    numbers: list[pa.ChunkedArray] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Rows:
    """Measured rows. places (n,): among all rows, rising; drawn: those of the draw, rising; keys: (k) each
    combination once; code (n,): which of them a row has."""

    places: Ints
    drawn: Ints
    keys: pa.Table
    code: Ints
    groups: pa.Table


def read_once(
    case: Case, source: Source, rows: InBase, gone: Gone, slices: Sequence[Sequence[str]], draw: Draw
) -> Once | None:
    """None where the files have columns that the two readers do not take alike, or are broken: DuckDB then says so.

    rows: all of them; slices: the columns that are looked at.
    """
    if NUMBERED in {c.lower() for c in source.columns}:
        return None  # a column of the file has the name that DuckDB gives
    try:
        with ExitStack() as files:
            opened = [_opened(file, draw.names, files) for file in source.files]
            if not _alike(opened, draw.names) or not all(_light(file, some) for file in opened for some in slices):
                return None
            return _read(case, source, rows, gone, slices, draw, opened)
    except (pa.ArrowException, OSError):
        return None


def _read(
    case: Case, source: Source, rows: InBase, gone: Gone, slices: Sequence[Sequence[str]], draw: Draw,
    files: Sequence[_File],
) -> Once:  # fmt: skip
    mine = _rows(case, source, rows, gone.keys, [f.rows for f in files], draw)
    seen = _Seen()
    for some in slices:
        _look(source, rows.connection, files, some, mine, gone, seen)
    more = [c for c in draw.names if not any(c in some for some in slices)]
    for place, table in _tables(files, more) if more else ():
        _take(table, place, mine.drawn, seen)
    numbers = mine.groups
    for i, column in enumerate(seen.numbers):
        numbers = numbers.append_column(f"h{i}", column)
    counts = _counts(case, source, gone, mine, seen) if mine.keys.num_rows <= MOST else None
    return Once(_sample(seen, draw.names), counts, numbers)


@dataclass(frozen=True, slots=True)
class _File:
    """sizes: bytes of each column, unpacked."""

    parquet: pq.ParquetFile
    schema: pa.Schema
    rows: int
    sizes: dict[str, int]


def _opened(file: Path, names: Sequence[str], files: ExitStack) -> _File:
    with pq.ParquetFile(file) as first:
        meta = first.metadata
    sizes, texts = columnar.sizes_of(meta, set(names))
    # Texts of few kinds as codes; and without a buffer that holds all that is asked for beside what is made of it.
    options = {"read_dictionary": sorted(texts), "pre_buffer": False, "buffer_size": BUFFER}
    parquet = files.enter_context(pq.ParquetFile(file, metadata=meta, **options))
    return _File(parquet, parquet.schema_arrow, meta.num_rows, sizes)


def _alike(files: Sequence[_File], names: Sequence[str]) -> bool:
    """Whether these columns hold what both readers take alike, in every file."""
    first, *others = ([_value(f.schema.field(name).type) for name in names] for f in files)
    return all(map(_kind, first)) and all(kinds == first for kinds in others)


def _light(file: _File, columns: Sequence[str]) -> bool:
    """Whether few of these columns are texts of so many kinds that they take more than pointers to them. Each would be
    held once for all rows; DuckDB takes them as they come."""
    heavy = (file.sizes.get(c, 0) for c in columns if _text(_value(file.schema.field(c).type)))
    return sum(size for size in heavy if size > POINTER * file.rows) <= HEAVY


def _kind(kind: pa.DataType) -> bool:
    types = pa.types
    number = types.is_integer(kind) or types.is_float32(kind) or types.is_float64(kind) or types.is_decimal128(kind)
    return bool(number or _text(kind) or types.is_boolean(kind) or types.is_date32(kind) or kind == pa.timestamp("us"))


def _text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _value(kind: pa.DataType) -> pa.DataType:
    """Of texts as codes the texts' own."""
    return kind.value_type if pa.types.is_dictionary(kind) and _text(kind.value_type) else kind


def _rows(case: Case, source: Source, rows: InBase, keys: Sequence[str], sizes: Sequence[int], draw: Draw) -> _Rows:
    asked = dict.fromkeys([*keys, *case.data.sensitive])
    split = [] if case.data.split is None else [case.data.split]
    table = source.numbered(list(dict.fromkeys([*asked, *split])), np.cumsum([0, *sizes[:-1]]).tolist())
    connection = rows.connection
    # One thread: with more the draw would depend on which comes first. It is the same whichever columns are read.
    connection.execute("SET threads = 1; SET preserve_insertion_order = true")
    try:
        mine = measured_rows(case, source, replace(rows, table=table)).table
        names = [source.column(c) for c in asked]
        known = connection.sql(f"SELECT {', '.join([*names, PLACE])} FROM {mine}").to_arrow_table()
        some = f"SELECT {PLACE} FROM {mine} USING SAMPLE reservoir({draw.most} ROWS) REPEATABLE ({draw.seed})"
        drawn = np.sort(connection.sql(some).to_arrow_table().column(PLACE).to_numpy())
    finally:
        connection.execute("RESET threads")
    combined, code = _combinations(known.select([source.column(k) for k in keys]))
    return _Rows(
        known.column(PLACE).to_numpy(), drawn, combined, code,
        known.select([source.column(c) for c in case.data.sensitive]),
    )  # fmt: skip


def _combinations(keys: pa.Table) -> tuple[pa.Table, Ints]:
    """The combinations of values, each once and in order, and which of them each row has, (n,)."""
    code = np.zeros(keys.num_rows, dtype=np.int64)
    for column in keys.columns:
        values = column.combine_chunks().dictionary_encode(null_encoding="encode")
        code = code * max(1, len(values.dictionary)) + values.indices.to_numpy()
        code = np.unique(code, return_inverse=True)[1]
    _, first, code = np.unique(code, return_index=True, return_inverse=True)
    each = keys.take(pa.array(first))
    order = pc.sort_indices(each, [(name, "ascending") for name in each.column_names]).to_numpy()
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return each.take(pa.array(order)), place[code]


def _look(
    source: Source, connection: Any, files: Sequence[_File], columns: Sequence[str], mine: _Rows, gone: Gone,
    seen: _Seen,
) -> None:  # fmt: skip
    """These columns of all rows, some rows at a time."""
    wanted, done = gone.by_column, 0
    numbers: list[pa.Array] = []
    for place, table in _tables(files, columns):
        _take(table, place, mine.drawn, seen)
        here = mine.places[done : np.searchsorted(mine.places, place + table.num_rows)] - place
        if len(here) < table.num_rows:
            table = table.take(pa.array(here))
        code, done = mine.code[done : done + len(here)], done + len(here)
        for name in columns:
            for of, hits in _hits(table.column(name), wanted.get(name, ())):
                counted = np.bincount(code, hits, minlength=mine.keys.num_rows).astype(np.int64)
                seen.sums[of] = seen.sums.get(of, 0) + counted
        table = table.rename_columns([source.column(c) for c in columns])
        connection.register("slice", table)
        asked = connection.sql(f"SELECT hash({', '.join(table.column_names)}) AS h FROM slice")
        numbers += asked.to_arrow_table().column("h").chunks
        connection.unregister("slice")
    seen.numbers.append(pa.chunked_array(numbers, pa.uint64()))


def _tables(files: Sequence[_File], columns: Sequence[str]) -> Iterator[tuple[int, pa.Table]]:
    """Rows of these columns, and the place of the first among all. Raises ArrowInvalid where text is no UTF-8."""
    place = 0
    for file in files:
        size = sum(file.sizes.get(c, 0) for c in columns)
        most = max(1, min(CELLS // len(columns), BYTES * file.rows // max(1, size)))
        held: list[pa.RecordBatch] = []
        left = file.rows
        for batch in file.parquet.iter_batches(most, columns=list(columns)):
            held.append(batch)
            left -= batch.num_rows
            if left and sum(b.num_rows for b in held) < most:
                continue  # of small groups of rows some together
            table = pa.Table.from_batches(held).select(list(columns))
            table.validate(full=True)
            yield place, table
            held, place = [], place + table.num_rows


def _take(table: pa.Table, place: int, drawn: Ints, seen: _Seen) -> None:
    """Those of these rows that were drawn. Texts of many kinds leave their codes, which hold on to all of them."""
    here = drawn[np.searchsorted(drawn, place) : np.searchsorted(drawn, place + table.num_rows)] - place
    for name in table.column_names:
        for part in table.column(name).take(pa.array(here)).chunks:
            many = pa.types.is_dictionary(part.type) and len(part.dictionary) > columnar.MOST_KINDS
            seen.drawn[name].append(part.cast(part.type.value_type) if many else part)


def _sample(seen: _Seen, names: Sequence[str]) -> pa.Table:
    drawn = []
    for name in names:
        parts = seen.drawn.pop(name)
        if len({p.type for p in parts}) > 1:
            plain = next(p.type for p in parts if not pa.types.is_dictionary(p.type))
            parts = [p.cast(plain) for p in parts]
        drawn.append(pa.chunked_array(parts).combine_chunks())
    pa.default_memory_pool().release_unused()  # what is made of the sample takes as much again
    return pa.table(drawn, names=list(names))


def _hits(column: pa.ChunkedArray, sums: Sequence[str]) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    """By the name of a sum that is not 0, the rows that it counts: `m...` what is empty, `w...` texts that say so."""
    for name in sums:
        hits = pc.is_null(column, nan_is_null=True) if name[0] == "m" else _in_words(column)
        if pc.any(hits).as_py():
            yield name, hits.to_numpy()


def _in_words(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if not pa.types.is_dictionary(column.type):
        return _without_value(column)
    parts = [_without_value(c.dictionary).take(c.indices).fill_null(False) for c in column.chunks]
    return pa.chunked_array(parts, pa.bool_())


def _without_value(texts: Any) -> Any:
    return pc.is_in(pc.utf8_trim(texts, characters=BLANKS), value_set=pa.array([*WRITTEN, ""], texts.type))


def _counts(case: Case, source: Source, gone: Gone, mine: _Rows, seen: _Seen) -> Counts:
    each = np.bincount(mine.code, minlength=mine.keys.num_rows)
    none = np.zeros(mine.keys.num_rows, dtype=np.int64)
    columns = [*mine.keys.columns, each, *(seen.sums.get(name, none) for name in gone.sums)]
    return gone.of(case, source, pa.table(columns, names=[*mine.keys.column_names, PEOPLE, *gone.sums]))
