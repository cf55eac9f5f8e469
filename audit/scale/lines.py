"""Rows of CSV by the lines that they stand in: drawn while the database still reads the text.

Where files have as many lines below the names as rows, each line is one row. A draw of so many of the numbers 1 to n is
then a draw of rows in their order: DuckDB's reservoir takes the same places of n rows whatever is in them. Whether it
was so is known once the rows were counted; else what was drawn here is not used (`Early.holds`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from audit.load.readers import kind_of
from audit.scale.source import HEAD, SAFE, STEP, Source, head_of, nameless, stream_of

PLACES, PIECE = 16, 1 << 18
"""Pieces of plain text that are looked at for lines that come again, and their bytes."""
ALIKE = 8
"""Rows are put together where a piece of text has so many lines for each different one."""
MEMORY = "1000MB"


@dataclass(frozen=True, slots=True)
class Early:
    """What was drawn before the rows were counted. lines: below the names, if each may be a row; sample: the rows
    drawn; looked: what was found in them."""

    lines: Future[int | None]
    sample: Future[pd.DataFrame | None]
    looked: Future[Any]

    def holds(self, rows: int) -> bool:
        """Whether each line was a row."""
        return self.lines.result() == rows and self.sample.result() is not None


def in_lines(source: Source) -> bool:
    """Whether CSV files, as they begin, have no line that is empty or a part of a row, and are worth it."""
    large = False
    for file in source.files if source.kind == "csv" else ():
        head = head_of(file)
        if not _whole(head):
            return False
        large = large or len(head) >= HEAD
    return large


def _whole(head: bytes) -> bool:
    lines = head.replace(b"\r\n", b"\n").split(b"\n")[:-1]
    return all(lines) and (b'"' not in head or not any(line.count(b'"') % 2 for line in lines))


def alike(source: Source) -> bool:
    """Whether few lines differ, as pieces of the files have it. Not of packed ones: they show their beginning alone."""
    if any(kind_of(f) != "csv" for f in source.files):
        return False
    lines: list[bytes] = []
    some = source.files[:: math.ceil(len(source.files) / PLACES)]
    for file in some:
        size = file.stat().st_size
        pieces = max(1, min(PLACES // len(some), size // PIECE))
        with file.open("rb") as stream:
            for at in np.linspace(0, max(0, size - PIECE), pieces).astype(np.int64).tolist():
                stream.seek(at)
                lines += stream.read(PIECE).split(b"\n")[1:-1]
    return len(set(lines)) * ALIKE < len(lines)


def drawn(source: Source, columns: Sequence[str], most: int, rows: int, seed: int, folder: Path) -> pa.Table | None:
    """The texts of `columns` of so many of `rows` rows, by the seed; None where a line was no row after all."""
    import duckdb

    asked = ", ".join(source.column(c) for c in columns)
    # One thread: with more the draw would depend on which comes first, and rows come in another order than they have.
    config: dict[str, Any] = {**SAFE, "threads": 1, "memory_limit": MEMORY, "temp_directory": str(folder)}
    with duckdb.connect(config=config) as database:
        places = _places(database, most, rows, seed)
        parts, left = [], np.sort(places)
        try:
            for file, at in zip(source.files, source.places, strict=True):
                with ExitStack() as copies:  # of one file at a time, however many there are
                    path = nameless(folder, copies, "rows.csv")
                    with path.open("wb") as stream:
                        left = _write(stream, file, left)
                    part = replace(source, files=(path,), places=(at,))
                    parts.append(database.sql(f"SELECT {asked} FROM {part.sql}").to_arrow_table())
            table = pa.concat_tables(parts)
        except (duckdb.Error, OSError):
            return None  # what is wrong with the text says what reads the whole; a full disk need not end the audit
    if table.num_rows != len(places):
        return None
    return table.take(pa.array(np.argsort(np.argsort(places)))).rename_columns(list(columns))


def drawn_of_rows(database: Any, table: str, columns: Sequence[str], most: int, rows: int, seed: int) -> pa.Table:
    """The same of a table in SQL that has `rows` rows in their order, which one thread reads.

    Not a reservoir of the table itself: that depends on how many rows DuckDB takes at once, and it cuts text anywhere,
    and a copy of text where the text was cut.
    """
    places = _places(database, most, rows, seed)
    database.register("places", pa.table({"i": places, "number": np.arange(len(places))}))
    numbered = f"SELECT {', '.join(columns)}, row_number() OVER () - 1 AS i FROM {table}"
    joined = database.sql(
        f"SELECT {', '.join(columns)}, number FROM ({numbered}) JOIN places USING (i)"
    ).to_arrow_table()
    return joined.sort_by("number").drop_columns(["number"])


def _places(database: Any, most: int, rows: int, seed: int) -> npt.NDArray[np.int64]:
    query = f"SELECT i FROM range({rows}) AS t(i) USING SAMPLE reservoir({most} ROWS) REPEATABLE ({seed})"
    places: npt.NDArray[np.int64] = database.sql(query).to_arrow_table().column(0).to_numpy().astype(np.int64)
    return places


def _write(stream: Any, file: Path, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Write the names and those of `rows`, sorted, that are in this file; the others, numbered from its end on."""
    wanted, done = np.append(0, rows + 1), 0
    for text, ends in _lines(file):
        here = wanted[: np.searchsorted(wanted, done + len(ends))] - done
        starts = np.append(0, ends[:-1])
        stream.writelines(text[a:b] for a, b in zip(starts[here].tolist(), ends[here].tolist(), strict=True))
        wanted, done = wanted[len(here) :], done + len(ends)
    return wanted - done


def _lines(file: Path) -> Iterator[tuple[bytes, npt.NDArray[np.int64]]]:
    """Whole lines, and where each ends."""
    kept = b""
    with stream_of(file) as stream:
        while chunk := stream.read(STEP):
            text = kept + chunk
            ends = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n")) + 1
            kept = text[ends[-1] :] if len(ends) else text
            if len(ends):
                yield text, ends
    if kept:
        yield kept + b"\n", np.array([len(kept) + 1])
