"""A case's files opened in DuckDB, once for everything that is asked of them.

Text is read once: a CSV is copied, as text, into Parquet in a folder of this process's own, and asked there. The copy
has no name, so that it goes with the process, however that ends. Where the disk has no room for it, or the copy fails,
the CSV itself is asked each time.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
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
from audit.printable import first_line
from audit.scale.source import Source, Uncounted, literal, look_through, read_otherwise, source_of, unpacked
from audit.scale.typed import roles_of

MEMORY, WIDE, A_COLUMN, COPYING = 1000, 500, 2, 300
"""MB of the database; from so many columns on more for each, as a group of rows of a Parquet file is held whole; and
while rows are copied in their order, when it keeps as many of them as it may."""
SAFE = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "preserve_insertion_order": "false",
}
OWN_HANDLES = Path("/proc/self/fd")
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
    """source: as it is to be asked; digest: of the files as they are; pool: one thread that may ask meanwhile."""

    source: Source
    database: Any
    digest: Digest
    pool: Executor

    def rows(self) -> InBase:
        """All rows, over a connection of its own."""
        return InBase(self.database.cursor(), self.source.sql)


@contextmanager
def opened(case: Case) -> Iterator[Opened]:
    """Raises CaseError and DataError where roles or columns are not as the case says, DataError where DuckDB cannot
    read the files, then or in what is asked meanwhile."""
    import duckdb

    check_roles(case)
    source = source_of(case)
    check.columns(case, source.columns, ())
    digest = Digest(case.data.path)
    with tempfile.TemporaryDirectory(prefix="assay-") as folder:
        database = duckdb.connect(config={**SAFE, "memory_limit": _memory(source), "temp_directory": folder})
        try:
            database.execute("SET enable_progress_bar = false")  # it would write to stdout
            # What was begun ends before the copies go, and the database is closed.
            with ExitStack() as copies, ThreadPoolExecutor(1) as pool:
                looked = pool.submit(look_through, source)  # while the file is copied
                copied = _copied(case, source, database, Path(folder), copies)
                looked.result()
                yield Opened(copied, database, digest, pool)
        except duckdb.Error as error:
            raise broken(source, error) from error
        finally:
            database.close()


def _nameless(folder: Path, copies: ExitStack) -> Path:
    """Where to write the copy: a file that has lost its name already, where the system still opens it (Linux)."""
    if not OWN_HANDLES.is_dir():
        return folder / "copy.parquet"
    return OWN_HANDLES / str(copies.enter_context(tempfile.TemporaryFile(dir=folder)).fileno())


def _copied(case: Case, source: Source, database: Any, folder: Path, copies: ExitStack) -> Source:
    """The source with its text read once; the same source where that cannot be."""
    import duckdb

    if source.kind != "csv" or shutil.disk_usage(folder).free < 2 * unpacked(source.files):
        return source
    data = case.data
    asked = [*roles_of(case), *check.features_of(case, source.columns), case.model.column, data.weight, data.id]
    names = [c for c in source.columns if case.contract is not None or c in {*asked, data.cluster}]
    columns = ", ".join(map(source.column, names))
    rows = max(FEWEST, min(ROWS_AT_ONCE, CELLS_AT_ONCE // max(1, len(names)) // FEWEST * FEWEST))
    to = _nameless(folder, copies)
    how = f"FORMAT parquet, COMPRESSION lz4_raw, WRITE_BLOOM_FILTER false, ROW_GROUP_SIZE {rows}, USE_TMP_FILE false"
    try:
        # In their order, so that the same seed draws the same rows.
        database.execute(f"SET memory_limit = '{COPYING}MB'; SET preserve_insertion_order = true")
        database.execute(f"COPY (SELECT {columns} FROM {source.sql}) TO {literal(str(to))} ({how})")
    except duckdb.Error:
        copies.close()
        return source  # where the file itself is broken, what is asked of it says so
    finally:
        database.execute(f"SET memory_limit = '{_memory(source)}'; SET preserve_insertion_order = false")
    return replace(source, copy=to)


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
