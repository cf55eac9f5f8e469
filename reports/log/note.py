"""C2SP signed notes (c2sp.org/signed-note) with Ed25519, and a log's checkpoints (c2sp.org/tlog-checkpoint).

    signer = NoteKey.new("assay.invalid/board-log-3f2a")
    note = signer.sign(Checkpoint(signer.name, 3, top).text)
    read_checkpoint(note, Verifier.parse(signer.verifier.text))

RSA is no algorithm of these notes, so the log has an Ed25519 key of its own. Whoever trusts the log has to know its
verifier key by another way: each report names it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from audit.errors import InputError
from audit.numbers import many

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_ED25519 = b"\x01"
_LINE = re.compile(r"^\u2014 (?P<name>[^\s+]+) (?P<sig>[A-Za-z0-9+/]+=*)$")
_SIZE = re.compile(r"^(0|[1-9][0-9]{0,15})$")
MOST = 1_000_000


def _key_id(name: str, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:4]


def decoded(text: str) -> bytes:
    """Strict base64. Raises InputError."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError("base64 expected", got=text[:80]) from error


def _check_name(name: str) -> None:
    if not name or "+" in name or any(c.isspace() for c in name) or not name.isprintable():
        raise InputError("the log's name cannot be used", got=repr(name), expected="no spaces, no +")


@dataclass(frozen=True, slots=True)
class Verifier:
    """A log's public key. `text` is its usual written form: name+key id+base64 of the type and the key."""

    name: str
    public: bytes

    @property
    def text(self) -> str:
        """`assay.invalid/log+3f2a91bc+AWi...`"""
        return (
            f"{self.name}+{_key_id(self.name, self.public).hex()}+{base64.b64encode(_ED25519 + self.public).decode()}"
        )

    @classmethod
    def parse(cls, text: str) -> Verifier:
        """The key in this text. Raises InputError for another form, another kind of key or a wrong id."""
        parts = text.strip().split("+", 2)
        if len(parts) != 3:
            raise InputError("the log's key cannot be read", got=text[:120], expected="NAME+ID+KEY")
        name, key_id, key = parts
        _check_name(name)
        blob = decoded(key)
        if len(blob) != 33 or blob[:1] != _ED25519:
            raise InputError("the log's key is of a kind that is not known", got=key[:80], expected="Ed25519")
        if key_id != _key_id(name, blob[1:]).hex():
            raise InputError("the log's key does not have the id that stands beside it", got=key_id)
        return cls(name, blob[1:])

    def open(self, note: bytes) -> str:
        """The text of a note that this key has signed. Raises InputError.

        Signatures by other keys are ignored; one of this key that does not hold refuses the note.
        """
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        text, lines = _parts(note)
        mine = []
        for line in lines:
            match = _LINE.match(line)
            if match is None:
                raise InputError("a signature line of the checkpoint cannot be read", got=line[:120])
            blob = decoded(match.group("sig"))
            if match.group("name") == self.name and blob[:4] == _key_id(self.name, self.public):
                mine.append(blob[4:])
        if not mine:
            raise InputError("the checkpoint is not signed by the log's key", expected=self.text)
        key = Ed25519PublicKey.from_public_bytes(self.public)
        for signature in mine:
            try:
                key.verify(signature, text.encode())
            except InvalidSignature as error:
                raise InputError(
                    "the checkpoint's signature does not hold", got=text.replace("\n", " "), expected=self.text
                ) from error
        return text


def _parts(note: bytes) -> tuple[str, list[str]]:
    try:
        whole = note[:MOST].decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError("the checkpoint is not text", expected="a signed note in UTF-8") from error
    head, separator, tail = whole.rpartition("\n\n")
    if not separator or not tail.endswith("\n") or len(note) > MOST or any(ord(c) < 32 and c != "\n" for c in whole):
        raise InputError("the checkpoint is no signed note", got=repr(whole[:80]), expected="c2sp.org/signed-note")
    return head + "\n", tail[:-1].split("\n")


@dataclass(frozen=True, slots=True)
class NoteKey:
    """The log's private key and its name."""

    name: str
    private: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def new(cls, name: str) -> NoteKey:
        """A fresh key."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        _check_name(name)
        return cls(name, Ed25519PrivateKey.generate())

    @property
    def verifier(self) -> Verifier:
        """The public half."""
        return Verifier(self.name, self.private.public_key().public_bytes_raw())

    def sign(self, text: str) -> bytes:
        """The note over this text, which ends in a newline."""
        if not text.endswith("\n") or any(ord(c) < 32 and c != "\n" for c in text):
            raise ValueError("a note's text ends in a newline and has no other control character")
        public = self.verifier.public
        line = base64.b64encode(_key_id(self.name, public) + self.private.sign(text.encode())).decode()
        return f"{text}\n\u2014 {self.name} {line}\n".encode()


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of a log: its name, how many entries, the root over them."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The three lines that are signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @property
    def line(self) -> str:
        """In one line, for people."""
        return f"{many(self.size, 'entry')}, root {self.root.hex()}"


def read_checkpoint(note: bytes, verifier: Verifier) -> Checkpoint:
    """The checkpoint in a note that the key has signed. Raises InputError."""
    lines = verifier.open(note).split("\n")[:-1]
    if len(lines) < 3 or lines[0] != verifier.name or not _SIZE.match(lines[1]):
        raise InputError("the note is no checkpoint of this log", got=" ".join(lines)[:120], expected=verifier.name)
    top = decoded(lines[2])
    if len(top) != 32:
        raise InputError("the checkpoint's root is no sha256", got=lines[2][:80])
    return Checkpoint(lines[0], int(lines[1]), top)
