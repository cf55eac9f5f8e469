"""The record that cannot be rewritten: append-only, hash-chained, in a real database.

    with Trail.open("sqlite:///out/watch.db") as trail, trail.write() as page:
        page.append("confirmed", "The gap ...", {...}, before="HEALTHY", after="CONFIRMED")
        page.keep("state", state.to_json())

Each entry holds the hash of the one before it. Two chains: `hash` over what happened, which an undisturbed run repeats
byte for byte; `seal` over hash and time, so that times cannot be changed either. The database itself refuses to change
or remove an entry; whoever goes around it breaks a chain, and `check` names the first entry that does not fit. The
head is kept apart from the entries, so that a cut-off end is seen.

SQLite in WAL mode by default, PostgreSQL by URL. Everything that one input changes is one transaction. One watcher at
a time: a lock that ends with its process.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import hashlib
import json
import os
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import sqlalchemy as sa

from audit.errors import DataError, OutputError, VerificationError
from audit.files import canonical

FIRST = "0" * 64
_LOCK = 0x6173736179  # "assay", the advisory lock's number on PostgreSQL

_meta = sa.MetaData()
TRAIL = sa.Table(
    "trail",
    _meta,
    sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False),
    sa.Column("prev", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False, unique=True),
    sa.Column("time", sa.String(40), nullable=False),
    sa.Column("seal", sa.String(64), nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)
KEPT = sa.Table("kept", _meta, sa.Column("name", sa.String(64), primary_key=True), sa.Column("value", sa.Text))
BATCHES = sa.Table(
    "batches",
    _meta,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("id", sa.String(200), nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False, index=True),
    sa.Column("cube", sa.Text),
    sa.Column("pending", sa.LargeBinary),
)
_APPEND_ONLY = {
    "sqlite": [
        f"CREATE TRIGGER IF NOT EXISTS trail_no_{what} BEFORE {what} ON trail "
        "BEGIN SELECT RAISE(ABORT, 'the trail is append-only'); END"
        for what in ("UPDATE", "DELETE")
    ],
    "postgresql": [
        "CREATE OR REPLACE FUNCTION trail_append_only() RETURNS trigger AS "
        "$$ BEGIN RAISE EXCEPTION 'the trail is append-only'; END; $$ LANGUAGE plpgsql",
        "CREATE OR REPLACE TRIGGER trail_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON trail "
        "FOR EACH STATEMENT EXECUTE FUNCTION trail_append_only()",
    ],
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as it was written. body: seq, kind, words, facts, before, after, running, policy."""

    seq: int
    prev: str
    hash: str
    time: str
    seal: str
    body: Mapping[str, Any]


def link(prev: str, body: bytes) -> str:
    """The hash of an entry: over the one before it and its canonical bytes."""
    return hashlib.sha256(prev.encode() + b"\n" + body).hexdigest()


def sealed(prev_seal: str, digest: str, time: str) -> str:
    """The seal of an entry: over the seal before it, its hash and its time."""
    return hashlib.sha256(f"{prev_seal}\n{digest}\n{time}".encode()).hexdigest()


class Page:
    """What one input changes: kept whole or not at all."""

    def __init__(self, connection: sa.Connection, now: str) -> None:
        self._c = connection
        self._now = now
        head = connection.execute(sa.select(KEPT.c.value).where(KEPT.c.name == "head")).scalar()
        self._head: dict[str, Any] = json.loads(head) if head else {"seq": 0, "hash": FIRST, "seal": FIRST}

    def append(self, kind: str, words: str, facts: Mapping[str, Any], **more: Any) -> str:
        """One entry; its hash."""
        seq = self._head["seq"] + 1
        body = canonical({"seq": seq, "kind": kind, "words": words, **more, "facts": dict(facts)}, compact=True)
        digest = link(self._head["hash"], body)
        seal = sealed(self._head["seal"], digest, self._now)
        row = {"seq": seq, "prev": self._head["hash"], "hash": digest, "time": self._now, "seal": seal}
        self._c.execute(TRAIL.insert(), row | {"body": body.decode()})
        self._head = {"seq": seq, "hash": digest, "seal": seal}
        self.keep("head", self._head)
        return digest

    def keep(self, name: str, value: Any) -> None:
        """Put a document under a name, in place of what was there."""
        text = canonical(value, compact=True).decode()
        changed = self._c.execute(KEPT.update().where(KEPT.c.name == name).values(value=text))
        if changed.rowcount == 0:
            self._c.execute(KEPT.insert(), {"name": name, "value": text})

    def add_batch(self, number: int, batch: str, sha256: str, cube: Any, pending: bytes | None) -> None:
        """The counts of a batch, and its decisions until its outcomes are due."""
        text = None if cube is None else canonical(cube, compact=True).decode()
        row = {"number": number, "id": batch, "sha256": sha256, "cube": text, "pending": pending}
        self._c.execute(BATCHES.insert(), row)

    def forget_pending(self, number: int) -> None:
        """The decisions of a batch whose outcomes were counted are no longer kept row by row."""
        self._c.execute(BATCHES.update().where(BATCHES.c.number == number).values(pending=None))


class Trail:
    """A database with one loop's record in it. `holder` only where it was opened to write."""

    def __init__(self, engine: sa.Engine, place: str) -> None:
        self._engine = engine
        self._place = place
        self._lock: BinaryIO | None = None
        self._held: sa.Connection | None = None

    @staticmethod
    def open(url: str, *, write: bool = True) -> Trail:
        """Open, and make what is missing. Raises OutputError where it cannot be, or where another watcher holds it."""
        parsed = sa.make_url(url)
        lite = parsed.get_backend_name() == "sqlite"
        if lite and parsed.database:
            if write:
                try:
                    Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
                except OSError as error:
                    raise _unusable(str(parsed.database), error) from error
            elif not Path(parsed.database).exists():
                raise DataError(
                    "there is no trail here yet", got=f"no {Path(parsed.database).name}", todo="run `assay watch` first"
                )
        engine = sa.create_engine(parsed, poolclass=sa.pool.NullPool if lite else None)
        if lite:
            sa.event.listen(engine, "connect", _sqlite_settings)
            sa.event.listen(engine, "begin", lambda c: c.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN"))
        trail = Trail(engine, parsed.database or url if lite else parsed.render_as_string(hide_password=True))
        if write:
            try:
                trail._take(parsed.database if lite else None)
                with engine.begin() as c:
                    _meta.create_all(c)
                    for statement in _APPEND_ONLY.get(engine.dialect.name, []):
                        c.exec_driver_sql(statement)
            except sa.exc.SQLAlchemyError as error:
                trail.close()
                raise _unusable(trail._place, error) from error
            except BaseException:
                trail.close()
                raise
        return trail

    def _take(self, database: str | None) -> None:
        who = {"pid": os.getpid(), "host": socket.gethostname(), "since": _now()}
        if database is not None:
            self._lock = open(f"{database}.lock", "a+b")  # noqa: SIM115 - held as long as the trail is open
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                self._lock.seek(0)
                raise _held(self._lock.read()) from error
            self._lock.truncate(0)
            self._lock.write(json.dumps(who).encode())
            self._lock.flush()
            return
        self._held = self._engine.connect()
        if not self._held.execute(sa.select(sa.func.pg_try_advisory_lock(_LOCK))).scalar():
            row = self._held.execute(
                sa.text("SELECT pid, client_addr, backend_start FROM pg_stat_activity WHERE application_name = 'assay'")
            ).first()
            found = {"pid": row[0], "host": str(row[1]), "since": str(row[2])} if row else {}
            raise _held(json.dumps(found).encode())
        self._held.execute(sa.text("SET application_name = 'assay'"))
        self._held.commit()

    def __enter__(self) -> Trail:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the lock back."""
        if self._held is not None:
            with contextlib.suppress(sa.exc.SQLAlchemyError):
                self._held.close()
            self._held = None
        self._engine.dispose()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    @contextlib.contextmanager
    def write(self, now: str | None = None) -> Iterator[Page]:
        """One transaction. Raises OutputError where it could not be kept; then nothing of it is."""
        try:
            with self._engine.begin() as c:
                yield Page(c, now or _now())
        except sa.exc.SQLAlchemyError as error:
            raise _unusable(self._place, error) from error

    def kept(self, name: str) -> Any:
        """The document under a name, or None."""
        with self._read() as c:
            found = c.execute(sa.select(KEPT.c.value).where(KEPT.c.name == name)).scalar()
        return None if found is None else json.loads(found)

    def entries(self, after: int = 0, limit: int | None = None) -> Iterator[Entry]:
        """Entries in order, those after a sequence number."""
        query = sa.select(TRAIL).where(TRAIL.c.seq > after).order_by(TRAIL.c.seq)
        with self._read() as c:
            for row in c.execute(query.limit(limit) if limit else query).yield_per(1000):
                yield Entry(row.seq, row.prev, row.hash, row.time, row.seal, json.loads(row.body))

    def seen(self, sha256: str) -> str | None:
        """The id of a batch with these bytes that was counted already, or None."""
        with self._read() as c:
            return c.execute(sa.select(BATCHES.c.id).where(BATCHES.c.sha256 == sha256)).scalar()

    def batch_ids(self) -> list[tuple[int, str, str]]:
        """Number, id and sha256 of every batch, in order."""
        with self._read() as c:
            found = c.execute(sa.select(BATCHES.c.number, BATCHES.c.id, BATCHES.c.sha256).order_by(BATCHES.c.number))
            return [(int(n), str(i), str(s)) for n, i, s in found]

    def pending(self, number: int) -> bytes | None:
        """The decisions of a batch whose outcomes are not yet counted."""
        with self._read() as c:
            return c.execute(sa.select(BATCHES.c.pending).where(BATCHES.c.number == number)).scalar()

    def cubes(self) -> list[tuple[int, Any]]:
        """The stored counts of every batch."""
        with self._read() as c:
            found = c.execute(sa.select(BATCHES.c.number, BATCHES.c.cube).order_by(BATCHES.c.number))
            return [(int(n), None if v is None else json.loads(v)) for n, v in found]

    @contextlib.contextmanager
    def _read(self) -> Iterator[sa.Connection]:
        try:
            with self._engine.connect() as c:
                yield c
        except sa.exc.SQLAlchemyError as error:
            raise DataError(
                "the trail cannot be read",
                got=_short(error),
                expected="a database that `assay watch` wrote",
                todo="check that the database is reachable and whole; the run goes on where it stopped",
            ) from error

    def check(self) -> dict[str, Any]:
        """Follow both chains to the head. Raises VerificationError at the first entry that does not fit."""
        prev, seal, seq = FIRST, FIRST, 0
        with self._read() as c:
            for row in c.execute(sa.select(TRAIL).order_by(TRAIL.c.seq)).yield_per(1000):
                seq += 1
                digest = link(prev, row.body.encode())
                if row.seq != seq or row.prev != prev or row.hash != digest:
                    raise _broken(row.seq if row.seq == seq else seq, "its content, or an entry before it, was changed")
                seal = sealed(seal, digest, row.time)
                if row.seal != seal:
                    raise _broken(seq, "its time was changed")
                if json.loads(row.body).get("seq") != seq:
                    raise _broken(seq, "it stands in another place than it was written in")
                prev = digest
            head = c.execute(sa.select(KEPT.c.value).where(KEPT.c.name == "head")).scalar()
        known: dict[str, Any] = json.loads(head) if head else {"seq": 0, "hash": FIRST, "seal": FIRST}
        if known != {"seq": seq, "hash": prev, "seal": seal}:
            raise VerificationError(
                "trail",
                "the end of the trail is missing",
                got=f"{seq} entries",
                expected=f"{known['seq']} entries, ending in {known['hash'][:12]}",
                todo="find out who had access to the database; a copy made earlier shows what is missing",
            )
        return {"entries": seq, "head": prev, "seal": seal}


def _broken(seq: int, words: str) -> VerificationError:
    return VerificationError(
        "trail",
        f"entry {seq} of the trail does not fit",
        got=words,
        expected="the entry as it was written",
        todo="find out who had access to the database; everything before this entry holds",
    )


def _held(who: bytes) -> OutputError:
    try:
        found = json.loads(who)
        shown = f"process {found['pid']} on {found['host']}, since {found['since']}"
    except (ValueError, KeyError):
        shown = "another process"
    return OutputError(
        "another watcher holds this trail",
        got=shown,
        expected="one watcher at a time",
        todo="wait for it or stop it; looking at the screen and --check need no lock",
    )


def _short(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).splitlines()[0][:200]


def _unusable(place: str, error: Exception) -> OutputError:
    return OutputError(
        "the trail could not be written",
        got=_short(error),
        expected=f"room and permission to write {place}",
        todo="make room or mend the database, then run `assay watch` again: it goes on where it stopped",
    )


def _sqlite_settings(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # transactions are begun by SQLAlchemy's "begin" event
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA busy_timeout=10000")
    cursor.close()


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
