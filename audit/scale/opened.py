"""A case's files opened in DuckDB, once for everything that is asked of them.

Text is read once: a CSV is copied, as text, into Parquet in a folder of this process's own, and asked there: row by
row, or each different row once with how many there are, where they are few. The copy has no name, so that it goes with
the process, however that ends. Where the disk has no room for it, or the copy fails, the CSV itself is asked each time.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from audit.case import Case
from audit.errors import DataError
from audit.load import check
from audit.load.digest import sha256_of
from audit.load.roles import check_roles
from audit.numbers import many
from audit.passing import passing
from audit.printable import first_line
from audit.scale.lines import Early, alike, in_lines
from audit.scale.source import (
    SAFE,
    Source,
    Uncounted,
    literal,
    look_through,
    nameless,
    read_otherwise,
    source_of,
    unpacked,
)
from audit.scale.typed import roles_of

MEMORY, WIDE, A_COLUMN, COPYING = 1000, 500, 2, 300
"""MB of the database; from so many columns on more for each, as a group of rows of a Parquet file is held whole; and
while rows are copied, when it keeps as many of them as it may."""
ROWS_AT_ONCE, CELLS_AT_ONCE, FEWEST = 40_960, 2_000_000, 2_048
"""Rows of a group of rows in the copy, fewer where there are many columns: the writer holds whole groups."""


class Digest(threading.Thread):
    """The file's sha256 while the database works."""

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        self.path, self.value = path, ""
        self.error: Exception | None = None
        self.start()

    def run(self) -> None:
        try:
            self.value = sha256_of(self.path)
        except Exception as error:  # whatever it is, no figure leaves without the digest
            self.error = error

    def get(self) -> str:
        self.join()
        if self.error is not None:
            raise self.error
        return self.value


@dataclass(frozen=True, slots=True)
class InBase:
    """Rows in the database, to be asked with SQL."""

    connection: Any
    table: str

    def close(self) -> None:
        self.connection.close()

    def one(self, what: str) -> tuple[Any, ...]:
        """A row of totals."""
        return tuple(self.connection.sql(f"SELECT {what} FROM {self.table}").fetchall()[0])

    def groups(self, what: str, most: int) -> pa.Table:
        """One row for each combination of what is no total."""
        query = f"SELECT {what} FROM {self.table} GROUP BY ALL LIMIT {most}"
        return self.connection.sql(query).to_arrow_table()


@dataclass(frozen=True, slots=True)
class Opened:
    """source: as it is to be asked; ordered: the same rows as they stand; digest: of the files as they are; pool: one
    thread that may ask meanwhile; early: what was begun meanwhile."""

    source: Source
    ordered: Source
    database: Any
    digest: Digest
    pool: Executor
    early: Early | None

    def rows(self) -> InBase:
        """All rows, over a connection of its own."""
        return InBase(self.database.cursor(), self.source.sql)


Begin = Callable[[Source, Path, Executor, "Future[int | None]"], Early]
"""What is begun while text is copied: with a folder for what is written, a thread that has looked through the text, and
how many lines that found."""


@contextmanager
def opened(case: Case, begin: Begin | None = None) -> Iterator[Opened]:
    """begin: what draws rows; they are kept in their order for it where it cannot do so by their lines.

    Raises CaseError and DataError where roles or columns are not as the case says, DataError where DuckDB cannot read
    the files, then or in what is asked meanwhile, or where they change."""
    import duckdb

    check_roles(case)
    source = source_of(case)
    check.columns(case, source.columns, ())
    begun = [_stands(f) for f in source.files]
    digest = Digest(case.data.path)
    with passing() as folder:
        database = duckdb.connect(config={**SAFE, "memory_limit": _memory(source), "temp_directory": str(folder)})
        try:
            database.execute("SET enable_progress_bar = false")  # it would write to stdout
            # What was begun ends before the copies go, and the database is closed; what nobody waits for is not begun.
            with ExitStack() as copies, ExitStack() as ends:
                pool = ThreadPoolExecutor(1)
                ends.callback(pool.shutdown, cancel_futures=True)
                looked = pool.submit(look_through, source)  # while the file is copied
                # A split says of rows, not of lines, which are drawn from.
                lined = begin is not None and case.data.split is None and in_lines(source)
                early = begin(source, folder, pool, looked) if begin is not None and lined else None
                ordered = begin is not None and early is None
                copied = _copied(case, source, database, folder, copies, ordered)
                looked.result()
                yield Opened(copied, copied if ordered else source, database, digest, pool, early)
                for file, then in zip(source.files, begun, strict=True):
                    if _stands(file) != then:
                        raise _changed(file)
        except duckdb.Error as error:
            raise broken(source, error) from error
        except RuntimeError as error:
            if "interrupted" in str(error):  # Ctrl-C, as DuckDB says it
                raise KeyboardInterrupt from error
            raise
        finally:
            database.close()


def _stands(file: Path) -> tuple[int, ...] | None:
    """What tells that a file was written to; None where there is none."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def _changed(file: Path) -> DataError:
    return DataError(
        f"{file.name!r} changed while it was read",
        got="counts, a sample and a sha256 that may be of different rows",
        expected="the same file from beginning to end",
        todo="run it again once nothing writes to it",
    )


def _copied(case: Case, source: Source, database: Any, folder: Path, copies: ExitStack, ordered: bool) -> Source:
    """The source with its text read once; the same source where that cannot be. ordered: rows as they stand."""
    import duckdb

    if source.kind != "csv" or shutil.disk_usage(folder).free < 2 * unpacked(source.files):
        return source
    data = case.data
    asked = [*roles_of(case), *check.features_of(case, source.columns), case.model.column, data.weight, data.id]
    names = [c for c in source.columns if case.contract is not None or c in {*asked, data.cluster}]
    columns = ", ".join(map(source.column, names))
    most = max(FEWEST, min(ROWS_AT_ONCE, CELLS_AT_ONCE // max(1, len(names)) // FEWEST * FEWEST))
    for together in (True, False) if not ordered and alike(source) else (False,):
        query, rows, to = f"SELECT {columns} FROM {source.sql}", most, nameless(folder, copies, "copy.parquet")
        try:
            database.execute(f"SET memory_limit = '{COPYING}MB'; SET preserve_insertion_order = {str(ordered).lower()}")
            if together:
                query, rows = f"SELECT {columns}, count(*) AS n FROM ({query}) GROUP BY ALL", FEWEST
                # Where rows differ after all, it would put them aside in files that have names.
                database.execute("SET temp_directory = ''")
            how = f"COMPRESSION lz4_raw, WRITE_BLOOM_FILTER false, ROW_GROUP_SIZE {rows}, USE_TMP_FILE false"
            database.execute(f"COPY ({query}) TO {literal(str(to))} (FORMAT parquet, {how})")
            return replace(source, copy=to, together=together)
        except duckdb.OutOfMemoryException:
            copies.close()  # each row by itself takes less
        except duckdb.Error:
            copies.close()
            break  # where the file itself is broken, what is asked of it says so
        finally:
            database.execute(f"SET memory_limit = '{_memory(source)}'; SET preserve_insertion_order = false")
            if together:
                database.execute(f"SET temp_directory = {literal(str(folder))}")
    return source


def _memory(source: Source) -> str:
    return f"{MEMORY + A_COLUMN * max(0, len(source.columns) - WIDE)}MB"


def broken(source: Source, error: Exception) -> DataError:
    """What a database could not read: the file is not whole, or it is too wide for the memory that may be taken."""
    if "OutOfMemory" in type(error).__name__:
        return DataError(
            f"{source.files[0].name!r} needs more memory than counting may take ({_memory(source)})",
            got=many(len(source.columns), "column"),
            expected="columns that fit",
            todo="name those that the case is about in `[data] features`",
        )
    otherwise = read_otherwise(source)
    return (Uncounted if otherwise else DataError)(
        f"{source.files[0].name!r} cannot be counted",
        got=first_line(error),
        expected="a whole " + ("Parquet file" if source.kind == "parquet" else "CSV file in UTF-8, rows alike"),
        todo=("take `engine` out (it is then read in memory), or " if otherwise else "")
        + "export the table again, or as Parquet",
    )
