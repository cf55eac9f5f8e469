"""One page of the trail: what one input changes, in one transaction; and the tables it is written into.

Two chains over the entries: `link` over what happened, `sealed` over that and the time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec
import sqlalchemy as sa

from audit.files import canonical
from debias.loop.ledger import HEAD, digest

FIRST = "0" * 64

META = sa.MetaData()
TRAIL = sa.Table(
    "trail",
    META,
    sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False),
    sa.Column("prev", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False, unique=True),
    sa.Column("time", sa.String(40), nullable=False),
    sa.Column("seal", sa.String(64), nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)
KEPT = sa.Table("kept", META, sa.Column("name", sa.String(64), primary_key=True), sa.Column("value", sa.Text))
BATCHES = sa.Table(
    "batches",
    META,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("id", sa.Text, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False, index=True),
    sa.Column("cube", sa.Text),
    sa.Column("pending", sa.LargeBinary),
)


PEOPLE = sa.Table(
    "people",
    META,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("hashes", sa.LargeBinary, nullable=False),
)


def link(prev: str, body: bytes) -> str:
    """The hash of an entry: over the one before it and its canonical bytes."""
    return hashlib.sha256(prev.encode() + b"\n" + body).hexdigest()


def sealed(prev_seal: str, digest: str, time: str) -> str:
    """The seal of an entry: over the seal before it, its hash and its time."""
    return hashlib.sha256(f"{prev_seal}\n{digest}\n{time}".encode()).hexdigest()


class Head(msgspec.Struct, frozen=True):
    """Where the trail ends: number, hash and seal of its last entry."""

    seq: int
    hash: str
    seal: str


EMPTY = Head(0, FIRST, FIRST)


def head_of(connection: sa.Connection) -> Head:
    """The kept end. Raises msgspec.MsgspecError where it is none."""
    head = connection.execute(sa.select(KEPT.c.value).where(KEPT.c.name == HEAD)).scalar()
    return msgspec.json.decode(head, type=Head) if head else EMPTY


class Page:
    """What one input changes: kept whole or not at all. What is kept beside the entries comes before an entry, which
    holds its sha256."""

    def __init__(self, connection: sa.Connection, now: str) -> None:
        self._c = connection
        self._now = now
        self._beside: dict[str, Any] = {}
        self.noted: list[tuple[int, dict[str, Any]]] = []
        self.head = head_of(connection)

    def append(self, kind: str, words: str, facts: Mapping[str, Any], **more: Any) -> str:
        """One entry; its hash. Raises ValueError for a figure that is not finite; then nothing of the page is kept."""
        seq = self.head.seq + 1
        content = {"seq": seq, "kind": kind, "words": words, **more, "facts": dict(facts)}
        if self._beside:
            content |= {"kept": self._beside}
            self.noted.append((seq, self._beside))
            self._beside = {}
        body = canonical(content, compact=True)
        hashed = link(self.head.hash, body)
        seal = sealed(self.head.seal, hashed, self._now)
        row = {"seq": seq, "prev": self.head.hash, "hash": hashed, "time": self._now, "seal": seal}
        self._c.execute(TRAIL.insert(), row | {"body": body.decode()})
        self.head = Head(seq, hashed, seal)
        return hashed

    def keep(self, name: str, value: Any) -> None:
        """Put a document under a name, in place of what was there."""
        text = canonical(value, compact=True).decode()
        changed = self._c.execute(KEPT.update().where(KEPT.c.name == name).values(value=text))
        if changed.rowcount == 0:
            self._c.execute(KEPT.insert(), {"name": name, "value": text})
        if name != HEAD:
            self._beside.setdefault("documents", {})[name] = digest(text)

    def add_batch(self, number: int, batch: str, sha256: str, cube: Any, pending: bytes | None) -> None:
        """The counts of a batch, and its decisions until its outcomes are due. One batch an entry.

        Raises ValueError for a second one.
        """
        if "batch" in self._beside:
            raise ValueError("two batches for one entry")
        text = None if cube is None else canonical(cube, compact=True).decode()
        row = {"number": number, "id": batch, "sha256": sha256}
        self._c.execute(BATCHES.insert(), row | {"cube": text, "pending": pending})
        self._beside |= {"batch": row | {"cube": digest(text), "pending": digest(pending)}}

    def add_people(self, number: int, hashes: bytes) -> None:
        """Who was counted in a batch (once.py)."""
        self._c.execute(PEOPLE.insert(), {"number": number, "hashes": hashes})
        self._beside |= {"people": {"number": number, "sha256": digest(hashes)}}

    def keep_pending(self, number: int, pending: bytes) -> None:
        """The decisions of a batch some of whose outcomes were counted and others may still come."""
        self._c.execute(BATCHES.update().where(BATCHES.c.number == number).values(pending=pending))
        self._beside.setdefault("waiting", {})[str(number)] = digest(pending)

    def forget_pending(self, number: int) -> None:
        """The decisions of a batch whose outcomes were counted are no longer kept row by row."""
        self._c.execute(BATCHES.update().where(BATCHES.c.number == number).values(pending=None))
        self._beside.setdefault("forgotten", []).append(number)

    def close(self) -> None:
        """The end of the page. Raises ValueError where something is kept that no entry holds the sha256 of."""
        if self._beside:
            raise ValueError("what is kept beside the entries needs an entry after it")
