"""The manifest: what a report says about itself, embedded in it and covered by its certification.

It names the other attachments by sha256, the signers the report needs and the quorum, and everything else that shapes
the printed page (title, language, date of issue), so that a verifier can print the pages again from the file alone.

    manifest = Manifest(title="...", case="...", language="en", issued=..., signers=slots, ...)
    blob = manifest.to_bytes()          # canonical: RFC 8785
    Manifest.from_bytes(blob) == manifest
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from audit.documents.read import FormError, record_in
from audit.documents.read import strict_json as strict_json
from audit.errors import InputError

SCHEMA = "assay/manifest/1"
NAME = "manifest.json"
FIELD = re.compile(r"^[A-Za-z][A-Za-z0-9_-]{0,63}$")
ROLES = ("auditor", "member", "timestamp")
_NUMBER = re.compile(r"[0-9][0-9-]{0,11}")


@dataclass(frozen=True, slots=True)
class SignerSlot:
    """One empty signature field that the report is issued with.

    field : the PDF field's name, letters, digits, `-` and `_`.
    name : who is expected to sign, as printed; role : "auditor", "member" or "timestamp" (the archive timestamp).
    certificate : sha256 of the signer's certificate (DER, lower-case hex) where it is known when the report is issued.
    """

    field: str
    name: str
    role: str
    certificate: str | None = None

    def __post_init__(self) -> None:
        if not FIELD.match(self.field):
            raise InputError("a signer's field name cannot be used", got=self.field, expected="letters, digits, - or _")
        if self.role not in ROLES:
            raise InputError("a signer's role is not known", got=self.role, expected=", ".join(ROLES))
        if not self.name.strip():
            raise InputError("a signer has no name", expected="the name of the person who is to sign")


AUDITOR_FIELD = "Auditor"
ARCHIVE = SignerSlot("ArchiveTimestamp", "Archive timestamp", "timestamp")


def slots_for(
    auditor: str, members: Sequence[str] = (), *, auditor_certificate: str | None = None
) -> tuple[SignerSlot, ...]:
    """The fields of a report: the auditor, one for each board member in order, the archive timestamp."""
    own = SignerSlot(AUDITOR_FIELD, auditor, "auditor", auditor_certificate)
    board = tuple(SignerSlot(f"Member{i}", name, "member") for i, name in enumerate(members, 1))
    return (own, *board, ARCHIVE)


@dataclass(frozen=True, slots=True)
class Attached:
    """One embedded file by name, sha256 (lower-case hex) and size in bytes."""

    name: str
    sha256: str
    size: int

    @classmethod
    def of(cls, name: str, data: bytes) -> Attached:
        """The entry for these bytes."""
        return cls(name, hashlib.sha256(data).hexdigest(), len(data))


@dataclass(frozen=True, slots=True)
class Manifest:
    """See the module. `quorum` is the number of members who must approve (0: none was asked)."""

    title: str
    case: str
    author: str
    language: str
    issued: dt.datetime
    attachments: tuple[Attached, ...]
    signers: tuple[SignerSlot, ...]
    quorum: int = 0
    tool: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.issued.tzinfo is None:
            raise InputError(
                "the date of issue has no time zone", got=self.issued.isoformat(), expected="a time in UTC"
            )
        fields = [s.field for s in self.signers]
        if len(set(fields)) != len(fields):
            raise InputError("two signers share a field", got=", ".join(fields))
        if not 0 <= self.quorum <= len(self.members):
            raise InputError(
                "the quorum cannot be reached",
                got=self.quorum,
                expected=f"0 to {len(self.members)}, the number of members named",
            )

    @property
    def members(self) -> tuple[SignerSlot, ...]:
        """The board members whose signature is asked for."""
        return tuple(s for s in self.signers if s.role == "member")

    @property
    def auditor(self) -> SignerSlot:
        """Who certifies the report."""
        return next(s for s in self.signers if s.role == "auditor")

    def to_bytes(self) -> bytes:
        """RFC 8785 bytes of the manifest."""
        import rfc8785

        return rfc8785.dumps(
            {
                "schema": SCHEMA,
                "title": self.title,
                "case": self.case,
                "author": self.author,
                "language": self.language,
                "issued": self.issued.astimezone(dt.UTC).isoformat(timespec="seconds"),
                "attachments": [{"name": a.name, "sha256": a.sha256, "size": a.size} for a in self.attachments],
                "signers": [
                    {"field": s.field, "name": s.name, "role": s.role, "certificate": s.certificate}
                    for s in self.signers
                ],
                "quorum": self.quorum,
                "tool": dict(self.tool),
                "extra": dict(self.extra),
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """The manifest in these bytes. Raises InputError for another schema, a missing key or a wrong type."""
        raw = strict_json(data, NAME)
        if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
            got = raw.get("schema") if isinstance(raw, dict) else type(raw).__name__
            raise InputError("the manifest's schema is not known", got=got, expected=SCHEMA)
        try:
            return record_in(cls, raw, NAME)
        except FormError as error:
            raise InputError("the manifest cannot be read", got=error.got, expected=SCHEMA) from error


def report_number(manifest: Manifest) -> str:
    """The report's name: twelve hex digits of its manifest's SHA-256, or the digits that the manifest gives.

    The manifest holds the hash of every embedded file, the date and the signers, so no two reports share it. It stands
    on every page: words in its place are refused with ValueError.
    """
    number = manifest.extra.get("number")
    if number is None:
        return hashlib.sha256(manifest.to_bytes()).hexdigest()[:12]
    if not (isinstance(number, str) and _NUMBER.fullmatch(number)):
        raise ValueError("the report's number is not one")
    return number
