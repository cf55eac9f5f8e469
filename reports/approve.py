"""A board member's decision on a report: approve or reject, with the reason, signed.

    signed = approve(pdf, key, decision="approve", reason="The gaps are inside the policy.")

The decision and its reason are the signature's own /Reason, which the signature covers: `APPROVE: The gaps ...`. Each
decision is an incremental update in the field the report was issued with; a second decision of one member has no field.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from audit.errors import InputError, nearest
from reports.decision import Decision, read_date
from reports.known import remember
from reports.manifest import Manifest, SignerSlot
from reports.sign import Signed, Validation, countersign
from reports.signing_key import SigningKey
from reports.stamp import DECIDED

if TYPE_CHECKING:
    from pyhanko.sign.timestamps import TimeStamper

    from reports.verify.printed import Printer


def approve(
    pdf: bytes,
    key: SigningKey,
    *,
    decision: str,
    reason: str,
    conditions: str = "",
    until: str | None = None,
    member: str | None = None,
    timestamper: TimeStamper | None = None,
    validation: Validation | None = None,
    printer: Printer | None = None,
) -> Signed:
    """Countersign with a decision, in the field that the report keeps for this member.

    member : the name or the field; without it, the name in the key's certificate. until: the last day on which the
    decision holds. Raises InputError where the report
    asks for no such member or the member has decided already, and VerificationError where the report itself does not
    verify: nobody should sign what is broken.
    """
    from reports.verify import verify_or_raise

    statement = Decision(decision, reason, conditions, until)
    today = dt.datetime.now(dt.UTC).date()
    if until is not None and read_date(until) < today:
        raise InputError("the decision would hold no day", got=until, expected=f"{today} or later")
    verify_or_raise(pdf, printer=printer)
    manifest = embedded_manifest(pdf)
    slot = _slot(manifest, member or key.name)
    if slot.certificate is not None and slot.certificate != key.fingerprint:
        raise InputError(
            f"the report names another certificate for {slot.name}", got=key.fingerprint, expected=slot.certificate
        )
    if slot.name.casefold() != key.name.casefold():
        raise InputError(
            f"the key is not that of {slot.name}",
            got=key.name,
            expected=slot.name,
            todo="sign with the member's own key; its certificate has to have the name that the report gives",
        )
    signed = countersign(
        pdf,
        key,
        field=slot.field,
        reason=statement.to_text(),
        heading=DECIDED[decision],
        timestamper=timestamper,
        validation=validation,
    )
    remember(signed.pdf)
    return signed


def embedded_manifest(pdf: bytes) -> Manifest:
    """The manifest of a report. Raises what `reports.log.record.read_report` raises."""
    from reports.log.record import read_report

    return read_report(pdf)[0]


def _slot(manifest: Manifest, wanted: str) -> SignerSlot:
    for slot in manifest.members:
        if wanted in (slot.field, slot.name):
            return slot
    names = [s.name for s in manifest.members]
    raise InputError(
        "the report asks for no decision of this person",
        got=wanted,
        expected=", ".join(names) if names else "no board member was named when the report was issued",
        todo="give the member's name as the report has it; " + nearest(wanted, names)
        if names
        else "issue a new report",
    )


def decision_envelope(pdf: bytes, key: SigningKey) -> tuple[str, bytes]:
    """(field, DSSE envelope): the in-toto statement on the last decision in this report, signed by the member's key.

    pdf : as `approve` returned it. The statement is kept in the log (reports.log), since nothing may be added to the
    PDF.
    """
    from audit.documents import Documents
    from reports.attest.dsse import seal
    from reports.attest.statements import decision_statement
    from reports.log.record import read_report, steps_of

    manifest, signatures, files = read_report(pdf)
    step = steps_of(pdf, manifest, signatures)[-1]
    evidence = Documents.of(files).evidence
    return step.field, seal(decision_statement(step.decided, evidence, manifest.tool), key)
