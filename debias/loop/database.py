"""The database under the trail: SQLite by default, PostgreSQL by URL; its settings, its own refusals, and the lock.

    sqlite:///out/watch.db                      a file; one watcher at a time by a lock on FILE.lock
    postgresql://user:password@host/database    one watcher at a time by an advisory lock of the schema

Either lock ends with the process that holds it, however it ends.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import socket
import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import quote

import filelock
import msgspec
import sqlalchemy as sa

from audit.errors import CaseError, DataError, OutputError

_LOCK = 0x61737361  # "assa"; beside it the schema's hash, so that each schema is a store of its own

APPEND_ONLY = {
    # INSERT OR REPLACE removes a row without asking the trigger on DELETE; the third one refuses it.
    "sqlite": (
        "CREATE TRIGGER IF NOT EXISTS trail_no_update BEFORE UPDATE ON trail "
        "BEGIN SELECT RAISE(ABORT, 'the trail is append-only'); END",
        "CREATE TRIGGER IF NOT EXISTS trail_no_delete BEFORE DELETE ON trail "
        "BEGIN SELECT RAISE(ABORT, 'the trail is append-only'); END",
        "CREATE TRIGGER IF NOT EXISTS trail_no_replace BEFORE INSERT ON trail "
        "WHEN EXISTS (SELECT 1 FROM trail WHERE seq >= NEW.seq) "
        "BEGIN SELECT RAISE(ABORT, 'the trail is append-only'); END",
    ),
    "postgresql": (
        "CREATE OR REPLACE FUNCTION trail_append_only() RETURNS trigger AS "
        "$$ BEGIN RAISE EXCEPTION 'the trail is append-only'; END; $$ LANGUAGE plpgsql",
        "CREATE TRIGGER trail_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON trail "
        "FOR EACH STATEMENT EXECUTE FUNCTION trail_append_only()",
    ),
}


class TrailLost(DataError):
    """The trail cannot be read now: the database is away, or is no trail."""


def open_engine(url: str, *, write: bool) -> tuple[sa.Engine, str, Path | None]:
    """An engine, how the place is shown (without a password), and the file where it is one.

    Raises CaseError for a URL that cannot be used, OutputError where a folder cannot be made, DataError where there is
    nothing to read.
    """
    try:
        parsed = sa.make_url(url)
        backend = parsed.get_backend_name()
    except sa.exc.ArgumentError as error:
        raise _no_url("text that is no database URL") from error
    if backend == "sqlite":
        return _sqlite(parsed, write=write)
    if backend != "postgresql":
        raise _no_url(f"a {backend} database")
    try:
        import psycopg  # noqa: F401 - only to say in one sentence that it is missing
    except ImportError as error:
        raise CaseError(
            "the trail cannot be kept on PostgreSQL",
            got="no package psycopg",
            expected="the optional packages",
            todo="run `make extra`, or leave the trail in its SQLite file",
        ) from error
    engine = sa.create_engine(
        parsed.set(drivername="postgresql+psycopg"),
        poolclass=sa.pool.NullPool,
        connect_args={"connect_timeout": 10, "application_name": _application()},
    )
    return engine, parsed.render_as_string(hide_password=True), None


def _no_url(got: str) -> CaseError:
    # The URL itself is not shown: it may hold a password.
    return CaseError(
        "the trail's database cannot be used",
        got=got,
        expected="sqlite:///FOLDER/watch.db or postgresql://USER@HOST/DATABASE",
        todo="correct the URL",
    )


def _sqlite(url: sa.URL, *, write: bool) -> tuple[sa.Engine, str, Path]:
    if not url.database or url.database == ":memory:":
        raise _no_url("an SQLite database in memory, which ends with its process")
    file = Path(url.database)
    if write:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unusable(str(file), error) from error
    elif not file.exists():
        raise nothing_yet(file.name)
    more: dict[str, Any] = {"connect_args": {"check_same_thread": False}}
    if not write and _is_settled(file):
        name = f"file:{quote(str(file.absolute()))}?mode=ro&immutable=1"
        more = {"creator": lambda: sqlite3.connect(name, uri=True, check_same_thread=False)}
    engine = sa.create_engine(url.set(drivername="sqlite+pysqlite"), poolclass=sa.pool.NullPool, **more)
    sa.event.listen(engine, "connect", _sqlite_settings if write else _sqlite_reading)
    sa.event.listen(engine, "begin", _begin)
    return engine, str(file), file


def _is_settled(file: Path) -> bool:
    """A copy on a medium that nobody writes, with nothing beside it that is not in it yet: SQLite, which wants to write
    a file of its own beside, is told that nothing changes."""
    wal = file.with_name(f"{file.name}-wal")
    return not os.access(file.parent, os.W_OK) and not (wal.exists() and wal.stat().st_size)


def _sqlite_settings(connection: Any, record: Any) -> None:
    _sqlite_reading(connection, record)
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def _sqlite_reading(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # transactions are begun by SQLAlchemy's "begin" event
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout=10000")
    cursor.close()


def _begin(connection: sa.Connection) -> None:
    # A reader must never hold what a writer waits for.
    writes = connection.get_execution_options().get("assay_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def prepare(connection: sa.Connection, tables: sa.MetaData) -> None:
    """Make the tables that are missing, and the triggers that refuse to change or remove an entry."""
    tables.create_all(connection)
    name = connection.dialect.name
    if name == "postgresql":
        # Not made anew where it is there: that would wait for every reader.
        there = "SELECT 1 FROM pg_trigger WHERE tgrelid = 'trail'::regclass AND tgname = 'trail_append_only'"
        if connection.exec_driver_sql(there).scalar():
            return
    for statement in APPEND_ONLY[name]:
        connection.exec_driver_sql(statement)


class FileLock:
    """A lock on FILE.lock, with who holds it written inside. Raises OutputError where it is held."""

    def __init__(self, file: Path) -> None:
        place = Path(f"{file}.lock")
        # Never the soft lock of a filesystem without flock: it would outlive a process that was killed.
        self._lock = filelock.FileLock(place, thread_local=False, fallback_to_soft=False, on_acquired=_sign)
        try:
            self._lock.acquire(timeout=0)
        except filelock.Timeout as error:
            raise _held(place.read_bytes()) from error
        except OSError as error:
            raise unusable(str(file), error) from error

    def close(self) -> None:
        self._lock.release()


def _sign(lock: int) -> None:
    """Write who holds it into the lock's file. A full disk fails it: the lock is given back."""
    os.ftruncate(lock, 0)
    mine = {"pid": os.getpid(), "host": socket.gethostname(), "since": now()}
    os.pwrite(lock, json.dumps(mine).encode(), 0)


def advisory_lock(engine: sa.Engine) -> sa.Connection:
    """A connection that holds the schema's advisory lock until it ends. Raises OutputError where another one does.

    Everything is written on this very connection, so that what lost the lock can write nothing.
    """
    connection = engine.connect()
    try:
        lock = sa.text("SELECT pg_try_advisory_lock(:a, hashtext(current_schema()))")
        if not connection.execute(lock, {"a": _LOCK}).scalar():
            holder = connection.execute(
                sa.text(
                    "SELECT s.application_name AS name, s.backend_start AS since FROM pg_locks l "
                    "JOIN pg_stat_activity s ON s.pid = l.pid WHERE l.locktype = 'advisory' AND l.granted "
                    "AND l.classid = :a AND l.objid = (hashtext(current_schema())::bigint & 4294967295)::oid "
                    "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
                ),
                {"a": _LOCK},
            ).first()
            # "assay 123 on host"
            words = [] if holder is None else str(holder.name or "").split()
            who = {"pid": words[1], "host": words[3], "since": str(holder.since)} if len(words) == 4 and holder else {}
            raise _held(json.dumps(who).encode())
        connection.commit()
    except BaseException:
        connection.close()
        raise
    return connection


def _application() -> str:
    return f"assay {os.getpid()} on {socket.gethostname()[:30].replace(' ', '-')}"


class _Holder(msgspec.Struct):
    """Who holds a trail."""

    pid: int
    host: str
    since: str


def _held(who: bytes) -> OutputError:
    try:
        holder = msgspec.json.decode(who, type=_Holder, strict=False)
        shown = f"process {holder.pid} on {holder.host}, since {holder.since}"
    except (msgspec.MsgspecError, UnicodeDecodeError):
        shown = "another process"
    return OutputError(
        "another watcher holds this trail",
        got=shown,
        expected="one watcher at a time",
        todo="wait for it or stop it; looking at the screen and --check need no lock",
    )


def error_line(error: Exception) -> str:
    """The first line of what a database said."""
    lines = str(getattr(error, "orig", None) or error).strip().splitlines() or [type(error).__name__]
    return lines[0][:200]


def unusable(place: str, error: Exception) -> OutputError:
    """A write that could not be kept."""
    return OutputError(
        "the trail could not be written",
        got=error_line(error),
        expected=f"room and permission to write {place}",
        todo="make room or mend the database, then run `assay watch` again: it goes on where it stopped",
    )


def unreadable(place: str, error: Exception) -> TrailLost:
    """A database that is not there, or is no trail."""
    return TrailLost(
        "the trail cannot be read",
        got=error_line(error),
        expected=f"a database that `assay watch` wrote, at {place}",
        todo="check that the database is reachable and whole; the run goes on where it stopped",
    )


def nothing_yet(name: str) -> DataError:
    """A place without a trail."""
    return DataError("there is no trail here yet", got=f"no trail in {name}", todo="run `assay watch` first")


def now() -> str:
    """The time in UTC, to the millisecond."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
