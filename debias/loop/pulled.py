"""Batches that are fetched from elsewhere: objects of a store, rows of a table in a database.

    [watch] source = "s3://bucket/in/*.parquet"
    [watch] source = { url = "postgresql://watcher@host/shop", table = "served", key = "id" }

Each batch is kept in OUT/incoming as it came before it is counted, so that it is the same whenever it is read again:
when its outcomes are due, when a challenger learns. What is fetched is only ever read there.
"""

from __future__ import annotations

import decimal
import re
import sys
import time
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from audit.case import Case, TableSpec
from audit.errors import CaseError, InputError, OutputError
from audit.files import write_whole
from debias.loop.arrival import Arrival, SourceAway, Through
from debias.loop.folder import Folder, is_batch

FOLDER = "incoming"
PACKAGES = {
    **dict.fromkeys(("s3", "s3a"), "s3fs"), **dict.fromkeys(("gs", "gcs"), "gcsfs"),
    **dict.fromkeys(("az", "abfs", "abfss", "adl"), "adlfs"), **dict.fromkeys(("http", "https"), "aiohttp"),
    **dict.fromkeys(("sftp", "ssh"), "paramiko"),
}  # fmt: skip
"""What reads a store beside fsspec itself."""
SETTLE = 1.0
"""Seconds for which rows of a table must have been seen: one of a smaller number may be committed a moment later."""


class Pulled(Through):
    """What was fetched, as a folder that fills. known: number, id and sha256 of the batches counted before."""

    def __init__(self, case: Case, known: Sequence[tuple[int, str, str]], out: Path) -> None:
        self._case, self._out = case, out / FOLDER
        self._ids = {i for _, i, _ in known}
        self._out.mkdir(parents=True, exist_ok=True)
        here = replace(case, watch=replace(case.watch, source=self._out, settle=0.0))
        self._folder = Folder(here, known)
        self._taken = len(known)
        super().__init__(self._folder)

    def total(self) -> int:
        """Fetches what is new, unless batches wait. Raises SourceAway, InputError."""
        there = self._folder.total()
        if there > self._taken:
            return there
        try:
            self.fetch()
        except (InputError, OutputError):
            raise
        except Exception as error:  # libraries of stores raise what they like
            raise _away(self.place, error) from error
        return self._folder.total()

    def read(self, number: int) -> Arrival:
        self._taken = max(self._taken, number + 1)
        return self._folder.read(number)

    def has(self, name: str) -> bool:
        """Whether a batch was fetched before, though its file may have been removed since."""
        return name in self._ids or (self._out / name).exists()

    def keep(self, name: str, content: bytes) -> None:
        """A batch, whole."""
        write_whole(self._out / name, content)

    @property
    @abstractmethod
    def place(self) -> str:
        """Where it comes from, without a secret."""

    @abstractmethod
    def fetch(self) -> None:
        """Keep what is new."""


class Objects(Pulled):
    """Objects of a store by a pattern, through fsspec: one batch each, in the order of their names among new ones."""

    def __init__(self, case: Case, known: Sequence[tuple[int, str, str]], out: Path) -> None:
        super().__init__(case, known, out)
        url = str(case.watch.objects)
        scheme = url.partition("://")[0].lower()
        needed = " ".join(["fsspec", *PACKAGES.get(scheme, "").split()])
        try:
            import fsspec

            self._fs, self._pattern = fsspec.core.url_to_fs(url)
        except ImportError as error:
            raise _no_package(f"{scheme}://", str(error)[:200], needed) from error
        except ValueError as error:
            raise CaseError(
                "the source under [watch] cannot be read", got=str(error)[:200],
                expected="a store that fsspec knows, such as s3://, gs://, az:// or https://", todo="correct `source`",
            ) from error  # fmt: skip
        self._root = re.split(r"[*?\[]", self._pattern, maxsplit=1)[0].rpartition("/")[0]

    @property
    def place(self) -> str:
        return re.sub(r"//[^/@]*@", "//", str(self._case.watch.objects))

    def fetch(self) -> None:
        self._fs.invalidate_cache()
        for path in sorted(str(p) for p in self._fs.glob(self._pattern)):
            below = path[len(self._root) :].strip("/") or path.rpartition("/")[2]
            # One name a file: folders of the store are part of it.
            name = below.replace("/", "~")
            if not self.has(name) and all(is_batch(part) for part in below.split("/")):
                self.keep(name, self._fs.cat_file(path))


class Rows(Pulled):
    """New rows of a table in a database, by a key of whole numbers that grows: `batch` of them each."""

    def __init__(self, case: Case, known: Sequence[tuple[int, str, str]], out: Path) -> None:
        super().__init__(case, known, out)
        assert case.watch.table is not None
        self._table: TableSpec = case.watch.table
        if case.watch.batch is None:
            raise CaseError(
                'batch = "time" cannot be used with a table',
                got='batch = "time" and source = { url = ..., table = ..., key = ... }',
                expected="so many rows a batch",
                todo="give batch = 1000 under [watch]",
            )
        self._size = case.watch.batch
        names = [*(i for _, i, _ in known), *(p.name for p in self._out.glob("*.parquet"))]
        ends = [int(m[1]) for n in names if (m := _NAME.fullmatch(n))]
        self._last = max(ends, default=None)
        self._seen: tuple[float, int] | None = None

    @property
    def place(self) -> str:
        return f"{self._table.table} in {sa.make_url(self._table.url).render_as_string(hide_password=True)}"

    def fetch(self) -> None:
        wait = SETTLE if self._case.watch.settle is None else self._case.watch.settle
        if self._seen is None:
            with _Reader(self._table) as reader:
                self._note(reader.newest())
            time.sleep(wait)
        if self._seen is None or time.monotonic() - self._seen[0] < wait:
            return
        with _Reader(self._table) as reader:
            upto = self._seen[1]
            while True:
                rows = reader.rows(self._last, upto, self._size)
                if len(rows) < self._size:
                    break
                keys = [int(row[self._table.key]) for row in rows]
                if len(set(keys)) < len(keys):
                    raise self._twice()
                self._last = keys[-1]
                self.keep(f"{keys[-1]:020d}.parquet", _parquet(rows))
            self._note(reader.newest())

    def _note(self, newest: int | None) -> None:
        self._seen = None if newest is None else (time.monotonic(), newest)

    def _twice(self) -> CaseError:
        return CaseError(
            f"{self._table.key!r} of {self._table.table!r} is the same in several rows",
            expected="a key that is every row's own and grows",
            todo="name such a column as `key`",
        )


_NAME = re.compile(r"(\d{20})\.parquet")


class _Reader:
    """Reads one table; a context manager."""

    def __init__(self, spec: TableSpec) -> None:
        self._spec = spec
        url = sa.make_url(spec.url)
        self._duck = url.get_backend_name() == "duckdb"
        self._url = url

    def __enter__(self) -> _Reader:
        if self._duck:
            import duckdb

            # The case holds the file as it is called: what a URL says by a per cent sign, a name does not.
            self._c: Any = duckdb.connect(self._spec.url.removeprefix("duckdb:///"), read_only=True)
        else:
            engine = sa.create_engine(
                self._url.set(drivername="postgresql+psycopg"),
                poolclass=sa.pool.NullPool,
                connect_args={"connect_timeout": 10, "application_name": "assay"},
            )
            try:
                self._c = engine.connect()
                self._c.exec_driver_sql("SET TRANSACTION READ ONLY")
            except sa.exc.NoSuchModuleError as error:
                raise _no_package("a PostgreSQL table", str(error)[:200], "psycopg psycopg-binary") from error
        return self

    def __exit__(self, *_: object) -> None:
        self._c.close()

    def _all(self, sql: str) -> list[dict[str, Any]]:
        if self._duck:
            cursor = self._c.execute(sql)
            names = [d[0] for d in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        try:
            return [dict(row) for row in self._c.exec_driver_sql(sql).mappings()]
        except sa.exc.ProgrammingError as error:
            raise self._wrong(str(error.orig)) from error

    def _wrong(self, message: str) -> CaseError:
        return CaseError(
            f"the table {self._spec.table!r} cannot be read",
            got=message.strip().splitlines()[0][:200] if message.strip() else "no answer",
            expected=f"a table with a column {self._spec.key!r} of whole numbers that this user may read",
            todo="correct `source` under [watch]",
        )

    def newest(self) -> int | None:
        """The largest key."""
        (row,) = self._ask(f"SELECT max({_quoted(self._spec.key)}) AS k FROM {_quoted(self._spec.table)}")
        (value,) = row.values()
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            raise self._wrong(f"a key of type {type(value).__name__}")
        return value

    def rows(self, after: int | None, upto: int, most: int) -> list[dict[str, Any]]:
        """Rows of keys above `after` up to `upto`, in their order."""
        key = _quoted(self._spec.key)
        above = "" if after is None else f"{key} > {int(after)} AND "
        return self._ask(
            f"SELECT * FROM {_quoted(self._spec.table)} WHERE {above}{key} <= {int(upto)} ORDER BY {key} LIMIT {most}"
        )

    def _ask(self, sql: str) -> list[dict[str, Any]]:
        if not self._duck:
            return self._all(sql)
        import duckdb

        try:
            return self._all(sql)
        except (duckdb.CatalogException, duckdb.BinderException) as error:
            raise self._wrong(str(error)) from error


def _quoted(name: str) -> str:
    """A name of SQL, with its schema."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in name.split("."))


def _parquet(rows: Sequence[dict[str, Any]]) -> bytes:
    columns: dict[str, list[Any]] = {name: [row[name] for row in rows] for name in rows[0]}
    for name, values in columns.items():
        kinds = {type(v) for v in values if v is not None}
        if decimal.Decimal in kinds:
            columns[name] = [None if v is None else float(v) for v in values]
        elif not kinds <= {int, float, str, bool} and not all(hasattr(k, "isoformat") for k in kinds):
            columns[name] = [None if v is None else str(v) for v in values]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    return bytes(sink.getvalue())


def _away(place: str, error: Exception) -> SourceAway:
    lines = str(getattr(error, "orig", None) or error).strip().splitlines() or [type(error).__name__]
    return SourceAway(
        f"{place} cannot be read now",
        got=re.sub(r"//[^/@\s]*@", "//", lines[0])[:200],
        expected="a store or database that answers",
        todo="see that it is there and that this machine may read it; the loop goes on where it stopped",
    )


def _no_package(what: str, got: str, needed: str) -> CaseError:
    return CaseError(
        f"the source under [watch] is {what}, and a package that reads it is not installed",
        got=got,
        expected=needed.replace(" ", " and "),
        todo=f"run `{sys.executable} -m pip install {needed}`, or let files come into a folder",
    )
