"""The log on disk.

    entries.jsonl   one entry a line, RFC 8785 JSON; a leaf is the line without its newline. Only ever appended to
    checkpoint      the signed note over all of them; replaced whole
    log.pub         the verifier key, to be given to those who check
    log.key         the log's Ed25519 key (PEM, mode 0600)
    .lock           held while something is appended

An append writes the lines, makes sure that they are on the disk, and only then signs. A process that is killed in
between leaves whole lines, which the next append signs for, or a line without its end, which nobody was promised and
which the next append cuts off.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit.errors import DataError, InputError, OutputError
from audit.files import write_whole
from audit.numbers import many
from reports.log import merkle
from reports.log.note import Checkpoint, NoteKey, Verifier, read_checkpoint
from reports.manifest import strict_json

ENTRIES, CHECKPOINT, PUBLIC, KEY, LOCK = "entries.jsonl", "checkpoint", "log.pub", "log.key", ".lock"
Entry = Mapping[str, Any]
_TEXT = (str,)
_FORMS: dict[str, dict[str, tuple[type, ...]]] = {
    "report": {
        **dict.fromkeys(("report", "number", "case", "auditor", "certificate", "issued", "logged"), _TEXT),
        "size": (int,), "members": (list,), "quorum": (int,), "evidence": (str, type(None)),
    },
    "decision": {
        **dict.fromkeys(("report", "revision", "field", "member", "certificate", "decision", "reason"), _TEXT),
        **dict.fromkeys(("conditions", "time", "time_from", "logged"), _TEXT),
        "size": (int,), "until": (str, type(None)), "statement": (dict, type(None)),
    },
    "condition": {
        **dict.fromkeys(("case", "state", "owner", "due", "reason", "by", "logged"), _TEXT), "number": (int,),
    },
    "protocol": dict.fromkeys(("file", "sha256", "logged"), _TEXT),
    "search": {**dict.fromkeys(("case", "sha256", "logged"), _TEXT), "tried": (int,)},
}  # fmt: skip
"""What an entry of each type has to hold; other types pass unread."""


@dataclass(frozen=True, slots=True)
class LogCopy:
    """The log's files as bytes, unchecked: entries.jsonl, checkpoint, log.pub."""

    entries: bytes
    note: bytes
    public: bytes


@dataclass(frozen=True, slots=True)
class LogView:
    """A log whose entries have the root that its checkpoint states. leaves: the hash of each entry, in order."""

    verifier: Verifier
    checkpoint: Checkpoint
    note: bytes
    entries: tuple[Entry, ...]
    leaves: tuple[bytes, ...]

    def at(self, size: int) -> Checkpoint:
        """The checkpoint as it was after the first `size` entries."""
        return Checkpoint(self.checkpoint.origin, size, merkle.root(self.leaves[:size]))


def read_copy(folder: Path) -> LogCopy:
    """The files of the log in `folder`. Raises InputError where there is no log.

    Appends may go on meanwhile: the checkpoint is read before the entries, which then are at least as many.
    """
    contents = []
    for name in (PUBLIC, CHECKPOINT, ENTRIES):
        try:
            contents.append((folder / name).read_bytes())
        except FileNotFoundError as error:
            if name == ENTRIES and len(contents) == 2:
                contents.append(b"")
                continue
            raise InputError(
                "there is no log here", got=f"no {name} in {folder}", expected=f"{ENTRIES}, {CHECKPOINT}, {PUBLIC}",
                todo="give the folder that `assay report --log DIR` has used",
            ) from error  # fmt: skip
        except OSError as error:
            raise InputError("the log cannot be read", got=f"{name}: {error.strerror}") from error
    return LogCopy(contents[2], contents[1], contents[0])


def read_log(copy: LogCopy) -> LogView:
    """The log in these files. Raises DataError or InputError where the entries are not those of its checkpoint.

    Lines after the checkpoint's size are left out: nobody has signed for them yet.
    """
    try:
        verifier = Verifier.parse(copy.public.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise InputError("the log's key cannot be read", expected="NAME+ID+KEY") from error
    checkpoint = read_checkpoint(copy.note, verifier)
    lines = copy.entries.split(b"\n")[:-1]
    if len(lines) < checkpoint.size:
        raise DataError(
            "the log is shorter than its checkpoint says", got=many(len(lines), 'entry'),
            expected=f"{checkpoint.size:,}", todo="entries were removed; ask who keeps the log",
        )  # fmt: skip
    return _view(verifier, checkpoint, copy.note, lines[: checkpoint.size])


def _view(verifier: Verifier, checkpoint: Checkpoint, note: bytes, lines: Sequence[bytes]) -> LogView:
    leaves = tuple(merkle.leaf_hash(line) for line in lines)
    if (top := merkle.root(leaves)) != checkpoint.root:
        raise DataError(
            "the log's entries are not those that its checkpoint was signed over", got=f"root {top.hex()}",
            expected=f"root {checkpoint.root.hex()}", todo="an entry was changed or removed; ask who keeps the log",
        )  # fmt: skip
    return LogView(verifier, checkpoint, note, tuple(_entry(line, i) for i, line in enumerate(lines)), leaves)


def _entry(line: bytes, index: int) -> Entry:
    document = strict_json(line, f"entry {index} of the log")
    if not isinstance(document, dict) or not isinstance(document.get("type"), str):
        raise DataError("an entry of the log cannot be read", got=f"entry {index}", expected="an object with a type")
    for key, kinds in _FORMS.get(document["type"], {}).items():
        value = document.get(key, ...)
        wrong = key == "until" and isinstance(value, str) and not _is_day(value)
        if wrong or not isinstance(value, kinds) or isinstance(value, bool):
            raise DataError(
                "an entry of the log cannot be read", got=f"entry {index}: {key} is {value!r}"[:120],
                expected=f"{key} as {' or '.join(k.__name__ for k in kinds)}",
            )  # fmt: skip
    return document


def _is_day(text: str) -> bool:
    try:
        return dt.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


class Log:
    """The log in a folder; made, with a key of its own, where there is none yet."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    def view(self) -> LogView:
        """The log as it stands; an empty one is made where there is none. Raises InputError, DataError, OutputError."""
        if not (self.folder / CHECKPOINT).exists():
            return self.append(lambda view: [])
        return read_log(read_copy(self.folder))

    def read(self) -> LogView:
        """The log as it stands. Raises InputError where there is none."""
        return read_log(read_copy(self.folder))

    def append(self, make: Callable[[LogView], Sequence[Entry]]) -> LogView:
        """Add the entries that `make` returns for the log as it stands, and sign for them; nothing where it raises.

        Only one process at a time is between reading and signing. Raises what `make` raises, DataError where the
        log was tampered with, OutputError where it cannot be written.
        """
        with self._locked():
            key = self._key()
            view, signed = self._current(key)
            entries = list(make(view))
            if not entries and signed:
                return view
            return self._sign(key, view, entries)

    def _current(self, key: NoteKey) -> tuple[LogView, bool]:
        """The log with whole lines that a killed process left, and whether its checkpoint covers all of it."""
        path, note = self.folder / ENTRIES, self.folder / CHECKPOINT
        content = path.read_bytes() if path.exists() else b""
        whole, newline, torn = content.rpartition(b"\n")
        if torn:
            with path.open("r+b") as stream:
                stream.truncate(len(whole + newline))
        lines = (whole + newline).split(b"\n")[:-1]
        if not note.exists():
            if lines:
                raise DataError("the log has entries and no checkpoint", got=str(self.folder), expected=CHECKPOINT)
            empty = Checkpoint(key.name, 0, merkle.EMPTY)
            return LogView(key.verifier, empty, b"", (), ()), False
        view = read_log(LogCopy(whole + newline, note.read_bytes(), key.verifier.text.encode()))
        if len(lines) == view.checkpoint.size:
            return view, True
        leaves = [merkle.leaf_hash(line) for line in lines]
        left = Checkpoint(key.name, len(lines), merkle.root(leaves))
        return _view(key.verifier, left, view.note, lines), False

    def _sign(self, key: NoteKey, view: LogView, entries: Sequence[Entry]) -> LogView:
        import rfc8785

        lines = [rfc8785.dumps(dict(e)) for e in entries]
        leaves = (*view.leaves, *(merkle.leaf_hash(line) for line in lines))
        checkpoint = Checkpoint(key.name, len(leaves), merkle.root(leaves))
        note, path = key.sign(checkpoint.text), self.folder / ENTRIES
        size = path.stat().st_size if path.exists() else 0
        try:
            if lines:
                with path.open("ab") as stream:
                    stream.write(b"".join(line + b"\n" for line in lines))
                    stream.flush()
                    os.fsync(stream.fileno())
            write_whole(self.folder / CHECKPOINT, note)
        except BaseException as error:
            self._undo(path, size, note)
            if isinstance(error, OSError):
                raise _unwritten(self.folder, error) from error
            raise
        added = tuple(_entry(line, i) for i, line in enumerate(lines, len(view.leaves)))
        return LogView(key.verifier, checkpoint, note, (*view.entries, *added), leaves)

    def _undo(self, path: Path, size: int, note: bytes) -> None:
        """Take back lines that were not signed for, so that the next append does not sign for them either."""
        with contextlib.suppress(OSError):
            if path.exists() and (self.folder / CHECKPOINT).read_bytes() != note:
                os.truncate(path, size)

    def _key(self) -> NoteKey:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        path, public = self.folder / KEY, self.folder / PUBLIC
        if path.exists() and public.exists():
            try:
                private = serialization.load_pem_private_key(path.read_bytes(), None)
            except (ValueError, TypeError, OSError) as error:
                raise InputError(
                    "the log's key cannot be read", got=str(error)[:120], expected="Ed25519, PEM"
                ) from error
            verifier = Verifier.parse(public.read_text(encoding="utf-8"))
            if not isinstance(private, Ed25519PrivateKey):
                raise InputError("the log's key is of another kind", got=type(private).__name__, expected="Ed25519")
            key = NoteKey(verifier.name, private)
            if key.verifier != verifier:
                raise InputError("the log's two key files do not belong together", got=public.name, expected=path.name)
            return key
        if (self.folder / CHECKPOINT).exists():
            raise InputError(
                "this copy of the log has no key: it can be read and not added to", got=f"no {KEY}",
                expected="the folder where the log was made",
            )  # fmt: skip
        key = NoteKey.new(f"assay/log/{secrets.token_hex(8)}")
        pem = key.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        write_whole(path, pem, mode=0o600)
        write_whole(public, key.verifier.text.encode() + b"\n")
        return key

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        import filelock

        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # Waits; freed by the system when the process ends, however it ends (a soft lock would not be).
            lock = filelock.FileLock(self.folder / LOCK, mode=0o600, fallback_to_soft=False)
            lock.acquire()
        except OSError as error:
            raise _unwritten(self.folder, error) from error
        try:
            yield
        finally:
            lock.release()


def _unwritten(folder: Path, error: OSError) -> OutputError:
    return OutputError(
        "the log could not be written", got=error.strerror or str(error), expected=f"permission to write in {folder}",
        todo="make room or name another folder with --log; nothing was signed for",
    )  # fmt: skip
