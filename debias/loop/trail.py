"""The record that cannot be rewritten: append-only, hash-chained, in a real database.

    with Trail.open("sqlite:///out/watch.db") as trail, trail.write() as page:
        page.keep("state", state.to_json())
        page.append("confirmed", "The gap ...", {...}, before="HEALTHY", after="CONFIRMED")

Each entry holds the hash of the one before it. Two chains: `hash` over what happened, which an undisturbed run repeats
byte for byte; `seal` over hash and time, so that times cannot be changed either. The database itself refuses to change
or remove an entry; whoever goes around it breaks a chain, and `check` names the first entry that does not fit. The
head is kept apart from the entries, so that a cut-off end is seen. Entries also hold the sha256 of what is kept beside
them (`ledger`): the state, the counts and decisions of batches. Whoever owns the database can write everything anew,
the head too; `check` sees that where an entry's hash was noted elsewhere (a report, an alert).

Everything that one input changes is one transaction. One watcher at a time: a lock that ends with its process.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec
import sqlalchemy as sa

from audit.errors import OutputError, VerificationError
from audit.numbers import many
from debias.loop import database
from debias.loop.ledger import HEAD, Ledger
from debias.loop.page import BATCHES, EMPTY, FIRST, KEPT, META, PEOPLE, TRAIL, Head, Page, head_of, link, sealed


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as it was written. body: seq, kind, words, facts, before, after, running, policy, kept (ledger.py)."""

    seq: int
    prev: str
    hash: str
    time: str
    seal: str
    body: Mapping[str, Any]

    @property
    def kind(self) -> str:
        return str(self.body.get("kind"))

    @property
    def running(self) -> str:
        return str(self.body.get("running"))

    @property
    def words(self) -> str:
        return str(self.body.get("words"))

    @property
    def facts(self) -> Mapping[str, Any]:
        facts: Mapping[str, Any] = self.body.get("facts") or {}
        return facts


class Trail:
    """A database with one loop's record in it. Methods may be called from any thread; one page is open at a time."""

    def __init__(self, engine: sa.Engine, place: str, file: Path | None) -> None:
        self._engine = engine
        self._place = place
        self._file = file
        self._writes = False
        self._lock: database.FileLock | None = None
        self._held: sa.Connection | None = None
        self._inode: int | None = None
        self._turn = threading.Lock()
        self._seen: Head | None = None
        self._ledger: Ledger | None = None

    @staticmethod
    def open(url: str, *, write: bool = True) -> Trail:
        """Open, and make what is missing. Raises OutputError where it cannot be, or where another watcher holds it.

        With `write` false nothing is made and no lock is taken; raises DataError where there is no trail.
        """
        engine, place, file = database.open_engine(url, write=write)
        trail = Trail(engine, place, file)
        try:
            if write:
                trail._open_to_write()
            else:
                with trail._read() as c:
                    if not sa.inspect(c).has_table(TRAIL.name):
                        raise database.nothing_yet(place)
        except sa.exc.SQLAlchemyError as error:
            trail.close()
            raise database.unusable(place, error) from error
        except BaseException:
            trail.close()
            raise
        return trail

    def _open_to_write(self) -> None:
        self._writes = True
        if self._file is not None:
            self._lock = database.FileLock(self._file)
        else:
            self._held = database.advisory_lock(self._engine)
        with self._transaction(new=True) as c:
            database.prepare(c, META)
            self._seen = head_of(c)

    def __enter__(self) -> Trail:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the lock back."""
        self._writes = False
        self._let_go()
        self._engine.dispose()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    @contextlib.contextmanager
    def write(self, now: str | None = None) -> Iterator[Page]:
        """One transaction. Raises OutputError where it could not be kept; then nothing of it is.

        Where a connection is lost while a page is being kept, nobody knows whether it was: read the state again. A
        page that would follow on another end of the trail than this watcher's last one is refused.
        """
        with self._turn:
            if not self._writes:
                raise OutputError("this trail is open for reading only", todo="stop the watcher, then start it again")
            try:
                with self._transaction() as c:
                    page = Page(c, now or database.now())
                    if page.head != self._seen:
                        raise OutputError(
                            "the trail has another end than this watcher wrote",
                            got=many(page.head.seq, "entry"),
                            expected=many((self._seen or EMPTY).seq, "entry"),
                            todo="run `assay watch --check`, then `assay watch`: it goes on from the end it finds",
                        )
                    yield page
                    page.close()
                    if page.head != self._seen:
                        page.keep(HEAD, msgspec.to_builtins(page.head))
                self._seen = page.head
                if self._ledger is not None:
                    for seq, kept in page.noted:
                        self._ledger.note(seq, kept)
            except sa.exc.SQLAlchemyError as error:
                raise database.unusable(self._place, error) from error

    def catch_up(self) -> bool:
        """After a write that failed: go on from the end that is there. Whether it is another than this watcher knew.

        Then a page was kept although its connection was lost, or another watcher wrote meanwhile: whoever asks must
        check the trail and read the state again. Raises OutputError.
        """
        with self._turn:
            try:
                with self._transaction() as c:
                    head = head_of(c)
            except sa.exc.SQLAlchemyError as error:
                raise database.unusable(self._place, error) from error
            moved, self._seen = head != self._seen, head
            return moved

    @contextlib.contextmanager
    def _transaction(self, *, new: bool = False) -> Iterator[sa.Connection]:
        # One connection for all pages: the lock's own on PostgreSQL; on SQLite, where the last connection that closes
        # writes the whole log into the file, it is what makes a page one write to the disk.
        if self._file is not None:
            if not new:
                self._still_there(write=True)
            inode = os.stat(self._file).st_ino if self._file.exists() else None
            if self._held is None or inode != self._inode:
                self._let_go()
                self._held = self._engine.connect().execution_options(assay_writes=True)
                self._inode = os.stat(self._file).st_ino
        elif self._held is None or self._held.invalidated:
            self._let_go()
            self._held = database.advisory_lock(self._engine)
        try:
            with self._held.begin():
                yield self._held
        except sa.exc.SQLAlchemyError:
            if self._file is not None:
                self._let_go()
            raise

    def _let_go(self) -> None:
        if self._held is not None:
            with contextlib.suppress(sa.exc.SQLAlchemyError):
                self._held.close()
            self._held = None

    def _still_there(self, *, write: bool) -> None:
        """SQLite would make an empty file in place of a lost one."""
        if self._file is not None and not self._file.exists():
            lost = FileNotFoundError("the database file is gone")
            raise database.unusable(self._place, lost) if write else database.unreadable(self._place, lost)

    @contextlib.contextmanager
    def _read(self) -> Iterator[sa.Connection]:
        """One snapshot, so that a page kept meanwhile is seen whole or not at all."""
        self._still_there(write=False)
        try:
            with self._engine.connect() as c:
                if self._file is None:
                    c = c.execution_options(isolation_level="REPEATABLE READ")
                yield c
        except sa.exc.SQLAlchemyError as error:
            raise database.unreadable(self._place, error) from error

    def kept(self, name: str) -> Any:
        """The document under a name, or None."""
        with self._read() as c:
            value = c.execute(sa.select(KEPT.c.value).where(KEPT.c.name == name)).scalar()
        return None if value is None else json.loads(value)

    def entries(self, after: int = 0, limit: int | None = None) -> Iterator[Entry]:
        """Entries in order, those after a sequence number."""
        query = sa.select(TRAIL).where(TRAIL.c.seq > after).order_by(TRAIL.c.seq)
        with self._read() as c:
            for row in c.execute(query.limit(limit) if limit else query).yield_per(1000):
                yield _entry(row)

    def latest(self, limit: int) -> list[Entry]:
        """The last entries, in order."""
        with self._read() as c:
            rows = c.execute(sa.select(TRAIL).order_by(TRAIL.c.seq.desc()).limit(limit)).all()
        return [_entry(row) for row in reversed(rows)]

    def head(self) -> Head:
        """Where the trail ends."""
        with self._read() as c:
            return head_of(c)

    def seen(self, sha256: str) -> str | None:
        """The id of the first batch with these bytes that was counted, or None: one that could not be judged may come
        again. What could not be read has no bytes ("")."""
        if not sha256:
            return None
        same = (BATCHES.c.sha256 == sha256) & BATCHES.c.cube.is_not(None)
        query = sa.select(BATCHES.c.id).where(same).order_by(BATCHES.c.number).limit(1)
        with self._read() as c:
            return c.execute(query).scalar()

    def batch_ids(self) -> list[tuple[int, str, str]]:
        """Number, id and sha256 of every batch, in order."""
        with self._read() as c:
            rows = c.execute(sa.select(BATCHES.c.number, BATCHES.c.id, BATCHES.c.sha256).order_by(BATCHES.c.number))
            return [(int(n), str(i), str(s)) for n, i, s in rows]

    def pending(self, number: int) -> bytes | None:
        """The decisions of a batch whose outcomes are not yet counted.

        Raises VerificationError where the trail was checked and they were changed since.
        """
        with self._read() as c:
            value = c.execute(sa.select(BATCHES.c.pending).where(BATCHES.c.number == number)).scalar()
        content = None if value is None else bytes(value)
        if self._ledger is not None:
            self._ledger.check_pending(number, content)
        return content

    def people(self) -> list[tuple[int, bytes]]:
        """Who was counted in each batch, as hashes; nothing in a trail that was last written before this was kept."""
        with self._read() as c:
            if not sa.inspect(c).has_table(PEOPLE.name):
                return []
            return [(int(r.number), bytes(r.hashes)) for r in c.execute(sa.select(PEOPLE).order_by(PEOPLE.c.number))]

    def cubes(self) -> list[tuple[int, Any]]:
        """The stored counts of every batch."""
        with self._read() as c:
            rows = c.execute(sa.select(BATCHES.c.number, BATCHES.c.cube).order_by(BATCHES.c.number))
            return [(int(n), None if v is None else json.loads(v)) for n, v in rows]

    def check(self, noted: Mapping[int, str] | None = None) -> dict[str, Any]:
        """Follow both chains to the head, then hold what is kept beside the entries against them: entries, head, seal.

        noted: seq -> hash, as written down elsewhere. Raises VerificationError at the first thing that does not fit.
        """
        prev, seal, seq, ledger = FIRST, FIRST, 0, Ledger()
        with self._read() as c:
            known = _kept_end(c)
            for row in c.execute(sa.select(TRAIL).order_by(TRAIL.c.seq)).yield_per(1000):
                seq += 1
                if row.seq != seq:
                    raise _broken(seq, "nothing: the entry is missing" if row.seq > seq else "an entry out of place")
                if row.prev != prev:
                    raise _broken(seq, "it follows another entry than the one before it, which was written anew")
                if row.hash != link(prev, row.body.encode()):
                    raise _broken(seq, "its content was changed")
                seal = sealed(seal, row.hash, row.time)
                if row.seal != seal:
                    raise _broken(seq, "its time was changed")
                if noted and noted.get(seq, row.hash) != row.hash:
                    raise _broken(seq, f"it is not the entry that an alert or a report noted as {noted[seq][:12]}")
                prev = row.hash
                ledger.note(seq, _kept_of(row.body))
            head = Head(seq, prev, seal)
            _check_end(known, head, noted or {})
            ledger.check_documents((r.name, r.value) for r in c.execute(sa.select(KEPT).order_by(KEPT.c.name)))
            rows = c.execute(sa.select(BATCHES).order_by(BATCHES.c.number)).yield_per(1000)
            ledger.check_batches(
                (r.number, r.id, r.sha256, r.cube, None if r.pending is None else bytes(r.pending)) for r in rows
            )
            if sa.inspect(c).has_table(PEOPLE.name):
                kept = c.execute(sa.select(PEOPLE).order_by(PEOPLE.c.number)).yield_per(1000)
                ledger.check_people((r.number, bytes(r.hashes)) for r in kept)
            else:
                ledger.check_people(())
        if head == self._seen:  # no page was kept meanwhile
            self._ledger = ledger
        return {"entries": seq, "head": prev, "seal": seal}


def _entry(row: Any) -> Entry:
    return Entry(row.seq, row.prev, row.hash, row.time, row.seal, json.loads(row.body))


def _kept_of(body: str) -> dict[str, Any]:
    """What an entry says under `kept`, its last key, without reading the rest of it."""
    at = body.rfind('"kept":')
    if at < 0:
        return {}
    try:
        entry = msgspec.json.decode("{" + body[at:], type=_Kept)
    except msgspec.MsgspecError:  # a key of that name deeper down
        entry = msgspec.json.decode(body, type=_Kept)
    return entry.kept or {}


class _Kept(msgspec.Struct):
    kept: dict[str, Any] | None = None


def _kept_end(connection: sa.Connection) -> Head:
    try:
        return head_of(connection)
    except msgspec.MsgspecError as error:
        raise VerificationError(
            "trail",
            "the kept end of the trail cannot be read",
            got="text that no watcher wrote",
            expected="the number, hash and seal of the last entry",
            todo="find out who had access to the database; a copy made earlier shows what was there",
        ) from error


def _check_end(known: Head, head: Head, noted: Mapping[int, str]) -> None:
    last = max([known.seq, *noted])
    if head.seq < last:
        raise _broken(head.seq + 1, f"nothing: the end of the trail is missing ({head.seq} of {many(last, 'entry')})")
    if head.seq > known.seq:
        raise _broken(known.seq + 1, "an entry that no watcher wrote, behind the end of the trail")
    if known != head:
        raise _broken(head.seq, "it, and perhaps entries before it, were written anew: the kept end is another")


def _broken(seq: int, words: str) -> VerificationError:
    return VerificationError(
        "trail",
        f"entry {seq} of the trail does not fit",
        got=words,
        expected="the entry as it was written",
        todo="find out who had access to the database; a copy made earlier shows what was there",
    )
