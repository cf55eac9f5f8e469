"""What the trail's entries say of the documents and counts that are kept beside them, and whether these still are so.

An entry that is written together with such things holds, under `kept`, the sha256 of each:

    {"documents": {"state": SHA}, "batch": {"number": 7, "id": "...", "sha256": "...", "cube": SHA, "pending": SHA},
     "people": {"number": 7, "sha256": SHA}, "waiting": {"6": SHA}, "forgotten": [5]}

documents: texts by name, in place of what was there under it. batch: the row of one batch; cube (its counts) and
pending (its decisions until its outcomes are due) null where there are none. people: who was counted in it, as
hashes. waiting: pending of earlier batches, some of whose outcomes may still come. forgotten: batches whose decisions
are no longer kept. So the hash chain of the entries covers what a resumed run goes on from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import structs

from audit.errors import VerificationError

HEAD = "head"
"""The kept end of the trail: held against the chains themselves, and in no entry."""
_WORDS = {
    "state": "the state of the loop",
    "about": "what the loop began with",
    "policy": "the policy in force",
    "reference": "what the first batches were like",
    "case": "what the case says that its counts mean",
    "schema": "the version of what is kept",
    "calibration": "what the scores have meant",
}


def digest(content: str | bytes | None) -> str | None:
    """The sha256 of a text or of bytes; None of nothing."""
    if content is None:
        return None
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


class BatchKept(msgspec.Struct, frozen=True):
    """The row of one batch: its number, id and sha256, and those of its counts and of its decisions."""

    number: int
    id: str
    sha256: str
    cube: str | None
    pending: str | None


class PeopleKept(msgspec.Struct, frozen=True):
    """Who was counted in a batch."""

    number: int
    sha256: str


class Kept(msgspec.Struct, frozen=True):
    """What an entry says is kept beside it."""

    documents: dict[str, str] = {}
    batch: BatchKept | None = None
    people: PeopleKept | None = None
    waiting: dict[str, str | None] = {}
    forgotten: tuple[int, ...] = ()


class Ledger:
    """What the entries say is kept, brought up to date entry by entry."""

    def __init__(self) -> None:
        self._documents: dict[str, tuple[int, str]] = {}
        self._batches: dict[int, tuple[int, BatchKept]] = {}
        self._people: dict[int, tuple[int, str]] = {}

    def note(self, seq: int, kept: Mapping[str, Any]) -> None:
        """What entry number `seq` says under `kept`."""
        record = msgspec.convert(kept, Kept)
        for name, sha256 in record.documents.items():
            self._documents[name] = (seq, sha256)
        if record.batch is not None:
            self._batches[record.batch.number] = (seq, record.batch)
        for text, pending in record.waiting.items():
            if int(text) in self._batches:
                self._batches[int(text)] = (seq, structs.replace(self._batches[int(text)][1], pending=pending))
        if record.people is not None:
            self._people[record.people.number] = (seq, record.people.sha256)
        for number in record.forgotten:
            if number in self._batches:
                at, batch = self._batches[number]
                self._batches[number] = (at, structs.replace(batch, pending=None))

    def check_documents(self, rows: Iterable[tuple[str, str | None]]) -> None:
        """name, text of every document that is there. Raises VerificationError at the first that does not fit."""
        left = dict(self._documents)
        for name, text in rows:
            if name == HEAD:
                continue
            seq, wanted = left.pop(name, (0, None))
            if wanted is None or digest(text) != wanted:
                raise _changed(f"{_WORDS.get(name, 'a document')} (kept.{name})", seq)
        for name, (seq, _) in left.items():
            raise _changed(f"{_WORDS.get(name, 'a document')} (kept.{name})", seq, gone=True)

    def check_batches(self, rows: Iterable[tuple[int, str, str, str | None, bytes | None]]) -> None:
        """number, id, sha256, counts and decisions of every batch that is there. Raises VerificationError."""
        left = set(self._batches)
        for number, name, sha256, cube, pending in rows:
            seq, wanted = self._batches.get(number, (0, None))
            left.discard(number)
            if wanted is None:
                raise _changed(f"the row of batch number {number} (batches)", 0)
            actual = {"id": name, "sha256": sha256, "cube": digest(cube), "pending": digest(pending)}
            for column, value in actual.items():
                if value != getattr(wanted, column):
                    raise _changed(f"{_COLUMNS[column]} of batch {wanted.id} (batches.{column})", seq)
        for number in sorted(left):
            seq, wanted = self._batches[number]
            raise _changed(f"the row of batch {wanted.id} (batches)", seq, gone=True)

    def check_people(self, rows: Iterable[tuple[int, bytes]]) -> None:
        """number and hashes of the people of every batch that are there. Raises VerificationError."""
        left = dict(self._people)
        for number, hashes in rows:
            seq, wanted = left.pop(number, (0, None))
            if wanted is None or digest(hashes) != wanted:
                raise _changed(f"who was counted in batch number {number} (people)", seq)
        for number, (seq, _) in left.items():
            raise _changed(f"who was counted in batch number {number} (people)", seq, gone=True)

    def check_pending(self, number: int, pending: bytes | None) -> None:
        """The decisions of one batch. Raises VerificationError."""
        seq, wanted = self._batches.get(number, (0, None))
        if wanted is not None and digest(pending) != wanted.pending:
            raise _changed(f"{_PENDING} of batch {wanted.id} (batches.pending)", seq)


_PENDING = "the decisions that wait for outcomes"
_COLUMNS = {
    "id": "the name",
    "sha256": "the sha256",
    "cube": "the counts",
    "pending": _PENDING,
}


def _changed(what: str, seq: int, *, gone: bool = False) -> VerificationError:
    got = "nothing: it was removed" if gone else "other content" if seq else "something that no entry is about"
    return VerificationError(
        "trail",
        f"{what}: not what the trail says",
        got=got,
        expected=f"what entry {seq} holds the sha256 of" if seq else "nothing there",
        todo="find out who had access to the database; put back a copy made earlier, or begin anew in another --out",
    )
