"""A table on its way to the child and back to a DataFrame that a model sees as the caller's own."""

from __future__ import annotations

from typing import Any

import pandas as pd

from audit.errors import DataError
from audit.models.loaded import one_line


def send(frame: pd.DataFrame) -> tuple[Any, dict[str, str]]:
    """The frame as an Arrow IPC stream, and for columns of Python objects which kind of missing they hold.

    Raises DataError for doubled names and for a column of mixed kinds.
    """
    import pyarrow as pa

    names = [str(c) for c in frame.columns]
    doubled = sorted({n for n in names if names.count(n) > 1}) if len(set(names)) < len(names) else []
    if doubled:
        raise DataError(
            "the data have columns of the same name",
            got=", ".join(repr(d) for d in doubled[:12]),
            expected="each name once",
            todo="rename or drop the doubled columns",
        )
    named = frame.set_axis(names, axis=1)
    objects: dict[str, str] = {}
    for column in names:
        values = named[column]
        if values.dtype == object:
            gone = values[values.isna()]
            objects[column] = "none" if len(gone) and gone.iloc[0] is None else "nan"
    try:
        table = pa.Table.from_pandas(named, preserve_index=False, nthreads=1)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise DataError(
            "a column of the data cannot be sent to the model",
            got=one_line(error),
            expected="columns that hold one kind of value each: numbers, text, truth values or dates",
            todo="make the values of the column one kind, for example all text",
        ) from error
    # A part of a column's texts would cross with the beginning of those after it, and kept answers go by what crosses.
    columns = [pa.concat_arrays(c.chunks) if pa.types.is_large_string(c.type) else c for c in table.columns]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(pa.Table.from_arrays(columns, schema=table.schema))
    return memoryview(sink.getvalue()), objects


def with_texts(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with each category as what it stands for, of the type that its kinds have."""
    out = frame.copy(deep=False)
    for place, kind in enumerate(frame.dtypes):  # a model may name a column twice, which `send` refuses
        if isinstance(kind, pd.CategoricalDtype):  # `take` in a fifth of the time of `astype`
            codes = frame.iloc[:, place].cat.codes.to_numpy()
            out.isetitem(place, kind.categories.array.take(codes, allow_fill=True))
    return out


def receive(stream: bytes | memoryview, objects: dict[str, str]) -> pd.DataFrame:
    """The frame that was sent."""
    import pyarrow as pa

    with pa.ipc.open_stream(pa.py_buffer(stream)) as reader:
        frame: pd.DataFrame = reader.read_all().to_pandas()
    # Arrow has one kind of missing; a column of objects has None and NaN, and encoders tell them apart.
    for column, missing in objects.items():
        values = frame[column].astype(object).to_numpy(copy=True)
        values[pd.isna(values)] = None if missing == "none" else float("nan")
        frame[column] = pd.Series(values, index=frame.index, dtype=object)
    return frame
