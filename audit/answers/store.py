"""The store: SQLite in write-ahead mode, an answer a row, found by content, private, bounded, sealed entry by entry.

    ASSAY_HOME/answers/answers.db     shared by the cases of a workspace: who uses an answer is noted beside it
    RUN/.store/answers.db             without ASSAY_HOME, and where cases are sealed: the case's own, sealed with it

Many processes read while one writes; a process that is killed loses what it had not committed, and nothing else. Each
entry carries a keyed hash (BLAKE2b) over its key and body. The secret is a file of this machine's person, outside run
folders, so that a folder from elsewhere, or an entry that was edited, is asked anew and never believed.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
import shutil
import sqlite3
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from audit.errors import OutputError
from audit.files import private_folder, write_new
from audit.sealed import BEFORE, kept_sealed, outer

FILE = "answers.db"
KEY = "answers.key"
QUOTA = 2 * 2**30
"""Bytes of answers kept, where ASSAY_ANSWERS_BYTES does not say otherwise. 0 keeps nothing."""
TOUCH_SECONDS = 60.0
LOOKED_AT, WORTH = 2**16, 0.8
"""Bytes by which it is judged whether an answer is packed; what they have to become."""
PARTS_SECONDS = 7 * 24 * 3600.0
"""How long the answers of unfinished work wait for it to be taken up again."""

SCHEMA = (
    "CREATE TABLE entry (id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, kind TEXT NOT NULL, part BLOB, "
    "made REAL NOT NULL, used REAL NOT NULL, size INTEGER NOT NULL, mac BLOB NOT NULL, body BLOB NOT NULL)",
    "CREATE INDEX aged ON entry (used, size)",
    "CREATE TABLE owner (run BLOB NOT NULL, entry INTEGER NOT NULL, PRIMARY KEY (run, entry)) WITHOUT ROWID",
    "CREATE TABLE person (explained BLOB NOT NULL, row BLOB NOT NULL, mac BLOB NOT NULL, body BLOB NOT NULL, "
    "PRIMARY KEY (explained, row)) WITHOUT ROWID",
)


class StoredAnswer(NamedTuple):
    """An answer, and when it was given (seconds)."""

    body: bytes
    made: float


def place_of(out: Path) -> Path:
    """The folder of the store for this run folder."""
    folder = shared()
    return Path(out) / ".store" if folder is None or kept_sealed(Path(out)) else folder


def shared() -> Path | None:
    """The folder of the store that the cases of a workspace share."""
    home = os.environ.get("ASSAY_HOME")
    return Path(home) / "answers" if home else None


def quota() -> int:
    """Bytes that may be kept."""
    text = os.environ.get("ASSAY_ANSWERS_BYTES", "")
    return int(text) if text.isdigit() else QUOTA


def secret() -> bytes:
    """This person's key for entries (32 bytes), made where there is none. Raises OSError, OutputError."""
    home = os.environ.get("ASSAY_HOME")
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "assay"
    path = (Path(home) if home else data) / KEY
    with contextlib.suppress(FileExistsError):
        if not path.exists():
            private_folder(path.parent)
            write_new(path, secrets.token_bytes(32))
    key = path.read_bytes()
    if len(key) != 32 or path.is_symlink():
        raise OSError("the key of the answers is not what was written")
    return key


class Store:
    """Methods never raise for what is wrong with the disk or the file: then nothing is kept, and the model is asked.
    `found`, `missed`, `distrusted` count what was looked for; `oldest` is of the found."""

    def __init__(self, place: Path, run: Path, part: bytes | None = None) -> None:
        self.place = place
        self.part = part
        self.found = self.missed = self.distrusted = 0
        self.oldest: float | None = None
        self._run = run_key(run)
        self._secret = b""
        self._lock = threading.RLock()
        self._base: Any = None
        self._room = quota()
        self.paused = False
        """While it is, what a model answers is looked for and not kept: walks whose outcome is."""
        self._size: int | None = None

    def close(self) -> None:
        with self._lock:
            base, self._base = self._base, _Nothing()
            if base is not None:
                with contextlib.suppress(sqlite3.Error):
                    base.close()

    def get(self, key: bytes) -> StoredAnswer | None:
        """What is kept under `key` (32 bytes), or None where nothing is, or it is not what was kept."""
        row = None
        with self._working() as base:
            row = base.execute("SELECT id, kind, made, used, mac, body FROM entry WHERE key = ?", (key,)).fetchone()
        if row is None:
            self.missed += 1
            return None
        number, kind, created, used, mac, body = row
        if not self._same(mac, kind, key, created, body):
            self.distrusted += 1
            self.missed += 1
            with self._working() as base:
                base.execute("DELETE FROM entry WHERE id = ?", (number,))
            return None
        with self._working() as base:  # a store that is busy or full is read all the same
            now = time.time()
            if not isinstance(used, float) or abs(now - used) > TOUCH_SECONDS:
                base.execute("UPDATE entry SET used = ? WHERE id = ?", (now, number))
            base.execute("INSERT OR IGNORE INTO owner VALUES (?, ?)", (self._run, number))
        self.found += 1
        self.oldest = created if self.oldest is None else min(self.oldest, created)
        return StoredAnswer(zlib.decompress(body), created)

    def put(self, key: bytes, kind: str, body: bytes) -> None:
        """Keep `body`, for as long as there is room. kind: "answer", "fit", "explanation" or "model"."""
        if not self._room or (self.paused and kind == "answer"):
            return
        packed, now = _packed(body), time.time()
        if len(packed) > self._room // 4:
            return
        with self._working() as base:
            mac = self._mac(kind.encode(), key, repr(now).encode(), packed)
            base.execute("BEGIN IMMEDIATE")
            base.execute(
                "INSERT INTO entry (key, kind, part, made, used, size, mac, body) VALUES (?,?,?,?,?,?,?,?) "
                "ON CONFLICT (key) DO UPDATE SET kind = excluded.kind, part = excluded.part, made = excluded.made, "
                "used = excluded.used, size = excluded.size, mac = excluded.mac, body = excluded.body",
                (key, kind, None if kind == "model" else self.part, now, now, len(packed), mac, packed),
            )
            base.execute("INSERT OR IGNORE INTO owner SELECT ?, id FROM entry WHERE key = ?", (self._run, key))
            if self._size is None:
                self._size = _size(base) - len(packed)
            self._size += len(packed)
            if self._size > self._room:
                self._size = _make_room(base, self._room)
            base.execute("COMMIT")

    def forget_part(self) -> None:
        """The work that `part` names is whole: its answers go."""
        with self._working() as base:
            base.execute("DELETE FROM owner WHERE entry IN (SELECT id FROM entry WHERE part = ?)", (self.part,))
            base.execute("DELETE FROM entry WHERE part = ?", (self.part,))
            late = time.time() - PARTS_SECONDS
            base.execute("DELETE FROM entry WHERE part IS NOT NULL AND used < ?", (late,))
        self._size = None

    # -- one person each -------------------------------------------------------------------------------------------

    def put_people(self, explained: bytes, rows: list[tuple[bytes, bytes]]) -> None:
        """Keep one body for each of the rows' digests, of the explanation `explained`, the key of an entry that is
        there: with it they are used, count, and go."""
        with self._working() as base:
            base.execute("BEGIN IMMEDIATE")
            more = sum(len(row) + len(body) + 64 for row, body in rows)
            base.execute("UPDATE entry SET size = size + ? WHERE key = ?", (more, explained))
            base.executemany(
                "INSERT OR REPLACE INTO person VALUES (?, ?, ?, ?)",
                ((explained, row, self._mac(b"person", explained + row, b"", body), body) for row, body in rows),
            )
            if _size(base) > self._room:
                _make_room(base, self._room)
            self._size = None
            base.execute("COMMIT")

    def person(self, explained: bytes, row: bytes) -> bytes | None:
        """What is kept of one row, or None."""
        entry = None
        with self._working() as base:
            entry = base.execute(
                "SELECT mac, body FROM person WHERE explained = ? AND row = ?", (explained, row)
            ).fetchone()
        if entry is None:
            return None
        if not self._same(entry[0], "person", explained + row, None, entry[1]):
            self.distrusted += 1
            with self._working() as base:
                base.execute("DELETE FROM person WHERE explained = ? AND row = ?", (explained, row))
            return None
        return bytes(entry[1])

    def people(self, explained: bytes) -> int:
        """How many rows have a body."""
        many = 0
        with self._working() as base:
            many = int(base.execute("SELECT count(*) FROM person WHERE explained = ?", (explained,)).fetchone()[0])
        return many

    # ---------------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _working(self) -> Iterator[Any]:
        """The connection; an error ends the work in the block, and a file that is none is thrown away."""
        with self._lock:
            if self._base is None:  # opened when first used: work that fails before leaves nothing
                self._base = self._open() or _Nothing()
            base: Any = self._base
            try:
                yield base
            except sqlite3.Error as error:
                with contextlib.suppress(sqlite3.Error):
                    base.execute("ROLLBACK")
                if not isinstance(error, sqlite3.OperationalError):
                    with contextlib.suppress(sqlite3.Error):
                        base.close()
                    throw_away(self.place)
                    self._base = connect(self.place) or _Nothing()

    def _open(self) -> sqlite3.Connection | None:
        try:
            self._secret = secret()
        except (OSError, OutputError, RuntimeError):  # the last: a person without a home
            return None
        if self.place.name == "answers":
            shutil.rmtree(self.place.parent / "explanations", ignore_errors=True)  # where explanations were kept once
        return connect(self.place)

    def _mac(self, kind: bytes, key: bytes, created: bytes, body: bytes) -> bytes:
        head = b"".join(len(p).to_bytes(4, "little") + p for p in (kind, key, created))
        return hashlib.blake2b(head + body, key=self._secret, digest_size=16).digest()

    def _same(self, mac: object, kind: object, key: bytes, created: object, body: object) -> bool:
        """Whether this was written here. A file may hold a value of any type in any column."""
        if not (isinstance(mac, bytes) and isinstance(kind, str) and isinstance(body, bytes)):
            return False
        when = b"" if created is None else repr(created).encode()
        return hmac.compare_digest(mac, self._mac(kind.encode(), key, when, body))


class _Nothing:
    """A connection to no file: finds nothing, keeps nothing."""

    def execute(self, *_: object) -> Any:
        raise sqlite3.OperationalError("there is no file")

    executemany = execute

    def close(self) -> None:
        pass


def run_key(run: Path) -> bytes:
    """Whose an answer is: the sha256 of the run folder's place."""
    return hashlib.sha256(str(outer(Path(run))).encode()).digest()


def connect(place: Path) -> sqlite3.Connection | None:
    """The file in this folder, made where it is missing; None where it cannot be used. What is no store of ours, a link
    among it, is not opened; a damaged one is thrown away."""
    path = place / FILE
    try:
        private_folder(place)
        if place.is_symlink() or path.is_symlink():
            return None
        os.chmod(place, 0o700)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))
        os.chmod(path, 0o600)
    except (OSError, OutputError):
        return None
    for again in (False, True):
        try:
            return _opened(path)
        except sqlite3.OperationalError:
            return None
        except sqlite3.DatabaseError:
            if again:
                return None
            throw_away(place)
            with contextlib.suppress(OSError):
                os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))
    return None


def _opened(path: Path) -> sqlite3.Connection:
    base = sqlite3.connect(path, timeout=10.0, isolation_level=None, check_same_thread=False)
    try:
        # A file from elsewhere may hold triggers and views: nothing of a schema that is not ours is run.
        base.execute("PRAGMA trusted_schema = OFF")
        base.execute("PRAGMA cell_size_check = ON")
        base.execute("PRAGMA journal_mode = WAL")
        base.execute("PRAGMA synchronous = NORMAL")
        base.execute("PRAGMA secure_delete = ON")
        base.execute("BEGIN IMMEDIATE")
        there = [sql for (sql,) in base.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid")]
        if not there:
            for line in SCHEMA:
                base.execute(line)
        elif there != list(SCHEMA):
            raise sqlite3.DatabaseError("another schema")
        base.execute("COMMIT")
    except sqlite3.Error:
        base.close()
        raise
    return base


def throw_away(place: Path) -> None:
    """Remove the store's files; whoever has them open keeps what they hold until they close."""
    for end in ("", "-wal", "-shm"):
        with contextlib.suppress(OSError):
            (place / (FILE + end)).unlink()


def _packed(body: bytes) -> bytes:
    """A model's scores hardly become smaller, and take longer to pack than to keep."""
    start = body[:LOOKED_AT]
    return zlib.compress(body, 1 if len(zlib.compress(start, 1)) <= WORTH * len(start) else 0)


def _size(base: sqlite3.Connection) -> int:
    return int(base.execute("SELECT coalesce(sum(size), 0) FROM entry").fetchone()[0])


def _make_room(base: sqlite3.Connection, room: int) -> int:
    """Least recently used first, until a tenth is free. Bytes that are left."""
    left, gone = _size(base), []
    for number, size in base.execute("SELECT id, size FROM entry ORDER BY used, id"):
        if left <= room * 9 // 10:
            break
        gone.append((number,))
        left -= size
    base.executemany("DELETE FROM person WHERE explained = (SELECT key FROM entry WHERE id = ?)", gone)
    base.executemany("DELETE FROM owner WHERE entry = ?", gone)
    base.executemany("DELETE FROM entry WHERE id = ?", gone)
    return left


def forget_run(out: Path, *, dry: bool = False) -> tuple[int, int]:
    """Remove what is kept for this run folder and for no other, in the store that the cases share too where the case
    has been sealed since: how many entries, and their bytes. Raises OutputError where it cannot be done."""
    place = shared() or Path(out) / ".store"
    if (base := _to_remove_from(place)) is None:
        return 0, 0
    mine = "SELECT entry FROM owner WHERE run = ? AND entry NOT IN (SELECT entry FROM owner WHERE run != ?)"
    run = run_key(out)
    return _removed(base, mine, (run, run), dry, also="DELETE FROM owner WHERE run = ?", also_values=(run,))


def old(place: Path, kinds: tuple[str, ...], before: float, *, dry: bool = False) -> tuple[int, int]:
    """Remove what nobody has used since `before` (seconds): how many entries, and their bytes."""
    if (base := _to_remove_from(place)) is None:
        return 0, 0
    marks = ",".join("?" * len(kinds))
    return _removed(base, f"SELECT id FROM entry WHERE kind IN ({marks}) AND used <= ?", (*kinds, before), dry)


def _to_remove_from(place: Path) -> sqlite3.Connection | None:
    """The store; None where there is none of ours. Raises OutputError where it is there and cannot be opened."""
    path = place / FILE
    if not path.exists():
        return None
    base = connect(place)
    if base is None and not path.is_symlink() and path.exists() and path.stat().st_uid == os.getuid():
        with _sqlite_errors():
            raise sqlite3.OperationalError("the store cannot be opened")
    return base


@contextlib.contextmanager
def _sqlite_errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise OutputError(
            "kept answers could not be removed", got=str(error), expected="a store that nobody is writing to",
            todo="try again when the work on other cases has ended; purge removes what nobody uses",
        ) from error  # fmt: skip


def _removed(
    base: sqlite3.Connection,
    which: str,
    values: tuple[Any, ...],
    dry: bool,
    also: str = "",
    also_values: tuple[Any, ...] = (),
) -> tuple[int, int]:
    with contextlib.closing(base), _sqlite_errors():
        base.execute("BEGIN IMMEDIATE")
        ids = [number for (number,) in base.execute(which, values)]
        size = sum(base.execute("SELECT size FROM entry WHERE id = ?", (n,)).fetchone()[0] for n in ids)
        if not dry:
            each = [(n,) for n in ids]
            base.executemany("DELETE FROM person WHERE explained = (SELECT key FROM entry WHERE id = ?)", each)
            base.executemany("DELETE FROM owner WHERE entry = ?", each)
            base.executemany("DELETE FROM entry WHERE id = ?", each)
            if also:
                base.execute(also, also_values)
        base.execute("COMMIT")
        if not dry:
            # What was deleted is not to be found in the log of the file either.
            base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return len(ids), int(size)


BEFORE.append(forget_run)
