"""Verify a report offline: one line a check, from the bytes of the file to every printed figure.

    found = verify(Path("report.pdf").read_bytes())
    found.failed            # None, or the first Check that failed
    found.partial           # the checks that could say neither yes nor no here
    found.isolation         # behind which walls the file was read
    verify_or_raise(data)   # raises VerificationError or VerifiedInPart naming them

The file is hostile until it is known: it is parsed and judged in a process with limits (`reports.verify.apart`), by the
checks in `reports.verify.judge`. Nothing is fetched.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from audit.errors import InputError
from audit.numbers import many
from reports.verify.result import Check, SignatureInfo, Verification

if TYPE_CHECKING:
    from reports.log.proof import Proof
    from reports.log.store import LogCopy
    from reports.verify.apart import Ready
    from reports.verify.printed import Printer

__all__ = ["Check", "SignatureInfo", "Verification", "verify", "verify_or_raise"]

Rerun = Mapping[str, bytes] | Callable[[Mapping[str, bytes]], Mapping[str, bytes]]


def verify_or_raise(pdf: bytes, **options: Any) -> Verification:
    """`verify`; raises VerificationError naming the check that failed, or VerifiedInPart where one was not settled."""
    verification = verify(pdf, **options)
    if not verification.ok:
        raise verification.error()
    return verification


def verify(
    pdf: bytes,
    *,
    trust: bytes | None = None,
    pins: Sequence[str] = (),
    crls: Sequence[bytes] = (),
    rerun: Rerun | None = None,
    since: bytes | None = None,
    log: LogCopy | Proof | None = None,
    require_quorum: bool = False,
    contents: bool = True,
    printer: Printer | None = None,
    second_opinion: bool = False,
    print_again: bool = False,
    ready: Ready | None = None,
) -> Verification:
    """Every check of a report, in order.

    trust : root certificates (PEM or DER). pins: sha256 (hex) of signers' certificates that the reader knows. Without
    either, everything but the signers' identity is checked. crls: revocation lists to judge by, besides those in the
    file. rerun: the files of a run made again from model and data, or a function that makes them from the embedded
    files; it is called only where every other check held. since: an earlier copy, which this file has to continue (so
    that a decision cut off since is seen). log: the log of issued reports (reports.log.read_copy), which has to hold
    this one and every decision on it, or a proof (reports.log.proof) that it holds this one. require_quorum: fail where
    the board has not approved. contents: False stops before the figures and pages. printer: makes the page's HTML
    again, for tests; it is code, so the file is then read in this process. second_opinion: pyHanko's difference
    analysis too; it takes seconds and allows more than ours. print_again: where nothing failed, `again` of the result
    is a fresh printing of the checked evidence. ready: processes that have begun (reports.verify.apart).

    Raises InputError for a root, list or pin that cannot be read, and for a quorum of people whom nobody knows.
    """
    from reports.verify.apart import judged_apart, judged_here
    from reports.verify.asked import VerifyRequest

    asked = VerifyRequest(
        trust=trust,
        pins=tuple(pin_of(p) for p in pins),
        crls=tuple(crls),
        since=since,
        log=log,
        require_quorum=require_quorum,
        contents=contents,
        second_opinion=second_opinion,
        print_again=print_again,
    )
    _check_asked(asked)
    return judged_apart(pdf, asked, rerun, ready=ready) if printer is None else judged_here(pdf, asked, rerun, printer)


def pin_of(text: str) -> str:
    """The sha256 of a certificate as 64 small hex digits; colons and spaces do not count. Raises InputError."""
    plain = text.replace(":", "").replace(" ", "").lower()
    if len(plain) != 64 or any(c not in "0123456789abcdef" for c in plain):
        raise InputError(
            "the fingerprint of a certificate cannot be read",
            got=f"{many(len(plain), 'character')}",
            expected="64 hexadecimal digits, the sha256 of the certificate",
            todo="`assay keys new` prints it when the key is made; ask the signer for it by another way than the file",
        )
    return plain


def _check_asked(asked: Any) -> None:
    """What the reader gives is looked at before the report is. Raises InputError."""
    from reports.sign import read_certificates, read_crl

    if asked.trust is not None:
        read_certificates(asked.trust)
    for crl in asked.crls:
        read_crl(crl)
    if asked.require_quorum and asked.trust is None and not asked.pins:
        raise InputError(
            "a quorum counts the approvals of people, and without a root or a fingerprint nobody is known",
            got="--require-quorum alone",
            expected="--trust CA.pem or --pin FINGERPRINT beside it",
            todo="give the root that the board's certificates lead to, or the fingerprint of each member's certificate",
        )
