"""What a reader asks of a verification: it crosses to the process that judges, so it is data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from reports.signature import Signature
from reports.verify.result import Check, Verification

if TYPE_CHECKING:
    from reports.log.proof import Proof
    from reports.log.store import LogCopy


@dataclass(frozen=True, slots=True)
class VerifyRequest:
    """What a reader asks of a verification; see `reports.verify.verify`."""

    trust: bytes | None = None
    pins: tuple[str, ...] = ()
    crls: tuple[bytes, ...] = ()
    since: bytes | None = None
    log: LogCopy | Proof | None = None
    require_quorum: bool = False
    contents: bool = True
    second_opinion: bool = False
    print_again: bool = False


OPTIONS = ("require_quorum", "contents", "second_opinion", "print_again")


class ProofOf(msgspec.Struct, frozen=True):
    """Where a proof's entry stands, and the hashes on its way up, in hex."""

    index: int
    path: tuple[str, ...]


class Question(msgspec.Struct, frozen=True):
    """What a process that reads a report is asked. do: "verify" (elsewhere: another one sets faces and pages),
    "printed" (lines: what that one found), "rerun" (made: there are files to compare with), "pages" or "parts"; crls:
    how many lists come with it; log, proof: whether, and of what, one comes with it."""

    do: str
    rerun: bool = False
    made: bool = False
    pins: tuple[str, ...] = ()
    crls: int = 0
    log: bool = False
    proof: ProofOf | None = None
    require_quorum: bool = False
    contents: bool = True
    second_opinion: bool = False
    print_again: bool = False
    elsewhere: bool = False
    lines: tuple[Check, ...] = ()


class Answer(msgspec.Struct, frozen=True):
    """What it answers; signatures: of "parts", where every check before the figures held; waits: for "printed"."""

    verification: Verification
    signatures: tuple[Signature, ...] | None = None
    waits: bool = False
