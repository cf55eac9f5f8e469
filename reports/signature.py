"""One signature of a report as it was read: what the rooms that make, log and verify reports share of it."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reports.decision import Decision
from reports.manifest import Manifest

AUTHORITY = "timestamp authority"


@dataclass(frozen=True, slots=True)
class Span:
    """One signature as the bytes show it: all of the file up to `end` but the container between `start` and `stop`."""

    start: int
    stop: int
    end: int


@dataclass(frozen=True, slots=True)
class Container:
    """What a signature's container says, after its own cryptography held.

    digest : of the document's bytes, as signed, by the algorithm `digest_name`. certificate: the signer's, DER.
    time : the signer's word, or the authority's for a timestamp. stamp: the timestamp on the signature, if any.
    """

    kind: str
    digest_name: str
    digest: bytes
    certificate: bytes
    others: tuple[bytes, ...]
    time: dt.datetime | None
    stamp: Container | None
    loose: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature: where, by whom, what its dictionary says, and pyHanko's view of it."""

    span: Span
    container: Container
    field: str
    kind: str
    reason: str | None
    stated: dt.datetime | None
    embedded: Any

    @property
    def signer_name(self) -> str:
        """The common name in the signer's certificate."""
        from cryptography import x509

        from reports.signing_key import common_name

        return common_name(x509.load_der_x509_certificate(self.container.certificate))

    @property
    def fingerprint(self) -> str:
        """sha256 of the signer's certificate, hex."""
        return hashlib.sha256(self.container.certificate).hexdigest()

    @property
    def time(self) -> tuple[dt.datetime | None, str]:
        """When, and who says so."""
        if self.kind == "/DocTimeStamp":
            return self.container.time, AUTHORITY
        if self.container.stamp is not None:
            return self.container.stamp.time, AUTHORITY
        return self.stated or self.container.time, "the signer's own clock"


def decisions_of(manifest: Manifest, signatures: Sequence[Signature]) -> dict[str, Decision]:
    """Field -> decision of each member who has signed. Raises InputError where one states none."""
    members = {s.field for s in manifest.members}
    return {s.field: Decision.from_text(s.reason or "") for s in signatures if s.field in members}
