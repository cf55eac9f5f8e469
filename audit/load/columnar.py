"""Parquet and Feather: what the file says of its size is looked at before anything is read."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc as pa_ipc
import pyarrow.parquet as pq

from audit.errors import DataError
from audit.load import limits
from audit.load.delimited import check_duplicates, nameless, too_large, too_wide
from audit.numbers import many
from audit.printable import first_line
from audit.sentences import FEWER_VALUES

_INDEX = re.compile(r"__index_level_\d+__")


def parquet_names(file: Path) -> tuple[str, ...]:
    """The names of the columns. Raises DataError where the file is cut off or is no Parquet."""
    try:
        with pq.ParquetFile(file) as opened:
            return _names(file, opened.schema_arrow)
    except (pa.ArrowException, OSError) as error:
        raise broken(file, "Parquet", error) from error


def parquet_places(file: Path) -> dict[str, int]:
    """Where each column stands among the file's own. Raises DataError as `parquet_names`."""
    try:
        with pq.ParquetFile(file) as opened:
            return {n: i for i, n in enumerate(opened.schema_arrow.names)}
    except (pa.ArrowException, OSError) as error:
        raise broken(file, "Parquet", error) from error


def read_parquet(file: Path, columns: Sequence[str]) -> pa.Table:
    """These columns. Raises DataError where they would not fit, or the file is broken."""
    try:
        with pq.ParquetFile(file) as opened:
            meta = opened.metadata
            sizes, packed_texts = sizes_of(meta, set(columns))
            size = sum(sizes.values())
            if size > limits.MAX_BYTES:
                raise too_large(file.name, size)
            if meta.num_rows * max(1, len(columns)) > limits.MAX_CELLS:
                raise too_many_values(file.name, meta.num_rows, len(columns))
            if meta.num_rows == 0:
                raise no_rows(file.name, len(columns))
        # A text said once and pointed at by every row costs little on disk and much in memory: keep it packed
        # until its size is known.
        # Without a buffer that holds the whole file beside what is made of it.
        with pq.ParquetFile(file, read_dictionary=sorted(packed_texts), pre_buffer=False) as opened:
            table = opened.read(columns=list(columns))
    except (pa.ArrowException, OSError) as error:
        raise broken(file, "Parquet", error) from error
    return table


def sizes_of(meta: pq.FileMetaData, wanted: set[str]) -> tuple[dict[str, int], set[str]]:
    """Bytes of these columns, unpacked, and which of them are texts said once and pointed at."""
    sizes: dict[str, int] = {}
    packed = set()
    for group in range(meta.num_row_groups):
        part = meta.row_group(group)
        for i in range(part.num_columns):
            chunk = part.column(i)
            path = chunk.path_in_schema
            if not _within(path, wanted):
                continue
            sizes[path] = sizes.get(path, 0) + chunk.total_uncompressed_size
            if chunk.physical_type == "BYTE_ARRAY" and "RLE_DICTIONARY" in chunk.encodings:
                packed.add(path)  # within a list too: the reader knows no other name
    return sizes, packed


def _within(path: str, wanted: set[str]) -> bool:
    return path in wanted or ("." in path and any(path.startswith(w + ".") for w in wanted))


def feather_names(file: Path) -> tuple[str, ...]:
    """The names of the columns. Raises DataError where the file is cut off or is no Feather."""
    try:
        with pa.memory_map(str(file)) as source, pa_ipc.open_file(source) as opened:
            return _names(file, opened.schema)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise broken(file, "Feather", error) from error


def read_feather(file: Path, columns: Sequence[str]) -> pa.Table:
    """These columns. Raises DataError where they would not fit, or the file is broken."""
    try:
        table = _feather(file, columns)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise broken(file, "Feather", error) from error
    if table.num_rows == 0:
        raise no_rows(file.name, len(columns))
    return table


def _feather(file: Path, columns: Sequence[str]) -> pa.Table:
    with pa.memory_map(str(file)) as source:
        with pa_ipc.open_file(source) as opened:
            schema = opened.schema
        fields = [schema.get_field_index(c) for c in columns]
        with pa_ipc.open_file(source, options=pa_ipc.IpcReadOptions(included_fields=fields)) as opened:
            batches, size = [], 0
            for i in range(opened.num_record_batches):
                batches.append(opened.get_batch(i))
                batches[-1].validate(full=True)  # offsets that point outside the file would be followed
                size += batches[-1].nbytes
                if size > limits.MAX_BYTES:
                    raise too_large(file.name, size)
            table = pa.Table.from_batches(batches, schema=opened.schema)
    return table.select(list(columns))


def _names(file: Path, schema: pa.Schema) -> tuple[str, ...]:
    names = tuple(n for n in schema.names if not _INDEX.fullmatch(n))
    if len(names) > limits.MAX_COLUMNS:
        raise too_wide(file.name, len(names))
    check_duplicates(file.name, names)
    if any(not n.strip() for n in names):
        raise nameless(file.name, [i + 1 for i, n in enumerate(names) if not n.strip()])
    return names


def no_rows(name: str, count: int) -> DataError:
    """The refusal for a table of no rows."""
    return DataError(
        f"the file {name!r} has column names and no rows",
        got=f"{many(count, 'column')}, 0 rows",
        expected="at least one row",
        todo="export the table again, with its rows",
    )


def too_many_values(name: str, rows: int, columns: int) -> DataError:
    """The refusal for a table of more values than are read."""
    return DataError(
        f"{name!r} is too large",
        got=f"{many(rows, 'row')} of {many(columns, 'column')}",
        expected=f"at most {limits.MAX_CELLS:,} values",
        todo=FEWER_VALUES,
    )


def broken(file: Path, what: str, error: Exception) -> DataError:
    """The refusal for a file that its reader does not understand."""
    return DataError(
        f"{file.name!r} cannot be read as {what}",
        got=first_line(error).split(". ")[0][:200],
        expected=f"a whole {what} file",
        todo="copy or export it again; it may have been cut off on the way",
    )


MOST_KINDS = 1_000
"""Different texts of a column that stays packed."""


def plain_columns(
    name: str, table: pa.Table, packed: Callable[[str], bool] | None = None
) -> tuple[pa.Table, tuple[str, ...], tuple[str, ...]]:
    """Plain columns only: packed texts unpacked but for those of columns that may stay so, decimals as floating point.

    Returns the table, the columns left out because they hold lists or raw bytes, and notes. Raises DataError where
    unpacking would not fit.
    """
    columns, names, left = [], [], []
    size = 0
    for field in table.schema:
        column = table.column(field.name)
        if isinstance(column.type, pa.BaseExtensionType):
            column = pa.chunked_array([c.storage for c in column.chunks], column.type.storage_type)
        if pa.types.is_dictionary(column.type):
            size += _unpacked(column)
            if size > limits.MAX_BYTES:
                raise too_large(name, size)
            text = pa.types.is_string(column.type.value_type)
            kept = _kept(column) if packed is not None and packed(field.name) else None
            column = column.cast(pa.large_string() if text else column.type.value_type) if kept is None else kept
        simple = _simple(column)
        if simple is None:
            left.append(field.name)
        else:
            columns.append(simple)
            names.append(field.name)
    notes = (f"Left out, because they hold lists or raw bytes: {', '.join(left)}.",) if left else ()
    nullable = _nullable(table.schema)
    fields = [table.schema.field(n).with_type(c.type) for n, c in zip(names, columns, strict=True)]
    fields = [f.with_metadata(_MISSING_IS_NAN if f.name in nullable else f.metadata) for f in fields]
    return pa.table(columns, schema=pa.schema(fields)), tuple(left), notes


_AS_TEXT = {b"assay": b"text"}
_MISSING_IS_NAN = {b"missing": b"nan"}
"""Of a column of true and false: what is missing in it is NaN where pandas reads it, and not None. An encoder that
learned from one takes the other for a value that it never saw."""


class _Described(msgspec.Struct, frozen=True):
    """A column as pandas describes it in the files that it writes."""

    name: object = None
    numpy_type: object = None


class _Pandas(msgspec.Struct, frozen=True):
    columns: tuple[_Described, ...] = ()


def _nullable(schema: pa.Schema) -> set[object]:
    """The columns of pandas' own kind of true and false with missing ones; none where the file does not say so."""
    try:
        described = msgspec.json.decode((schema.metadata or {}).get(b"pandas", b"{}"), type=_Pandas)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return set()
    return {c.name for c in described.columns if c.numpy_type == "boolean" and isinstance(c.name, str)}


def of_text(columns: Sequence[pa.ChunkedArray], names: Sequence[str]) -> pa.Table:
    """A table of columns that were texts in the file."""
    fields = [pa.field(n, c.type, metadata=_AS_TEXT | _MISSING_IS_NAN) for n, c in zip(names, columns, strict=True)]
    return pa.table(columns, schema=pa.schema(fields))


def is_of_text(table: pa.Table) -> bool:
    """Whether `of_text` made it."""
    return all((f.metadata or {}).items() >= _AS_TEXT.items() for f in table.schema)


def frame_of(table: pa.Table) -> pd.DataFrame:
    """The table as pandas has it."""
    frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
    for place, field in enumerate(table.schema):
        if pa.types.is_boolean(field.type) and (field.metadata or {}).items() >= _MISSING_IS_NAN.items():
            values = frame.iloc[:, place]
            if values.dtype == object:  # else none is missing
                frame[field.name] = values.where(values.notna(), float("nan"))
    return frame


def _kept(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """The column with small codes, where it has few texts, each once, and at least one."""
    kind = column.type.value_type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return None
    column = column.unify_dictionaries()
    texts = column.chunk(0).dictionary if column.num_chunks else pa.array([], kind)
    if not 0 < len(texts) <= MOST_KINDS or texts.null_count or len(pc.unique(texts)) < len(texts):
        return None  # pandas takes categories of no text at all for objects
    code = pa.int8() if len(texts) < 2**7 else pa.int16()
    return pa.chunked_array([pa.DictionaryArray.from_arrays(c.indices.cast(code), texts) for c in column.chunks])


def _unpacked(column: pa.ChunkedArray) -> int:
    """Bytes of a dictionary column's texts once every row has its own."""
    total = 0
    for chunk in column.chunks:
        values = chunk.dictionary
        if pa.types.is_string(values.type) or pa.types.is_large_string(values.type) or pa.types.is_binary(values.type):
            total += pc.sum(pc.take(pc.binary_length(values), chunk.indices)).as_py() or 0
        else:
            total += 8 * len(chunk)
    return total


def _simple(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    kind = column.type
    if pa.types.is_nested(kind):
        return None
    if pa.types.is_dictionary(kind):
        return column
    if pa.types.is_decimal(kind):
        return column.cast(pa.float64())
    if pa.types.is_float16(kind):
        return column.cast(pa.float32())
    if pa.types.is_null(kind):
        return column.cast(pa.float64())
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        try:
            return column.cast(pa.binary()).cast(pa.string())
        except pa.ArrowInvalid:
            return None
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return column.cast(pa.timestamp("us", tz=getattr(kind, "tz", None)))
    if pa.types.is_time(kind):
        return column.cast(pa.string())
    return column
