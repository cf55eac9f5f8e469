"""A board member's decision on a report: approve or reject, with the reason, signed.

    signed = approve(pdf, key, decision="approve", reason="The gaps are inside the policy.")

The decision and its reason are the signature's own /Reason, which the signature covers: `APPROVE: The gaps ...`. Each
decision is an incremental update in the field the report was issued with; a second decision of one member has no field.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from audit.errors import InputError, nearest
from reports.keys import SigningKey
from reports.known import remember
from reports.manifest import Manifest, SignerSlot
from reports.sign import Signed, Validation, countersign
from reports.stamp import DECIDED

if TYPE_CHECKING:
    from pyhanko.sign.timestamps import TimeStamper

    from reports.verify.printed import Printer

DECISIONS = ("approve", "reject")
_CONDITIONS = " CONDITIONS: "
_UNTIL = " UNTIL: "
_DAY = re.compile(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")
_DATED = re.compile(r" UNTIL: (?P<date>\d{4}-\d\d-\d\d)$")


@dataclass(frozen=True, slots=True)
class Decision:
    """approve or reject, the reason, the conditions under which it holds (may be empty).

    until : the last day on which it holds, ISO 8601, after which the board looks again; None where no day was named.
    """

    decision: str
    reason: str
    conditions: str = ""
    until: str | None = None

    def __post_init__(self) -> None:
        if self.decision not in DECISIONS:
            raise InputError(
                "the decision is not known", got=repr(self.decision), expected="approve or reject",
                todo=nearest(self.decision, DECISIONS),
            )  # fmt: skip
        if not self.reason.strip():
            raise InputError("a decision needs a reason", expected="one sentence or more", todo="add --reason TEXT")
        for text in (self.reason, self.conditions):
            if any(ord(c) < 32 for c in text):
                raise InputError("the reason has control characters or line breaks", expected="one line of text")
            for word in (_CONDITIONS.strip(), _UNTIL.strip()):
                if word in text:
                    raise InputError("the reason holds a word that is reserved", got=word, expected="plain text")
        if self.until is not None:
            read_date(self.until)

    def to_text(self) -> str:
        """The canonical line that is signed."""
        line = f"{self.decision.upper()}: {self.reason.strip()}"
        if self.conditions.strip():
            line += f"{_CONDITIONS}{self.conditions.strip()}"
        return f"{line}{_UNTIL}{self.until}" if self.until else line

    @classmethod
    def from_text(cls, text: str) -> Decision:
        """The decision in a signature's /Reason. Raises InputError where it is not one, so that nothing is guessed."""
        for decision in DECISIONS:
            head = f"{decision.upper()}: "
            if text.startswith(head):
                dated = _DATED.search(text)
                body = text[len(head) : dated.start()] if dated else text[len(head) :]
                reason, _, conditions = body.partition(_CONDITIONS)
                return cls(decision, reason, conditions, dated["date"] if dated else None)
        raise InputError("a member's signature states no decision", got=repr(text[:80]), expected="APPROVE: or REJECT:")


def read_date(text: str) -> dt.date:
    """A day as ISO 8601 has it. Raises InputError."""
    try:
        if not _DAY.match(text):  # fromisoformat takes 20270501 and 2027-W18-6 too
            raise ValueError(text)
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise InputError(
            "the date cannot be read", got=repr(text), expected="YYYY-MM-DD, a day of the calendar"
        ) from error


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

    made = Decision(decision, reason, conditions, until)
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
        reason=made.to_text(),
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
    from reports.attest.dsse import seal
    from reports.attest.statements import decision_statement
    from reports.log.record import read_report, steps_of
    from reports.manifest import strict_json

    manifest, signatures, files = read_report(pdf)
    step = steps_of(pdf, manifest, signatures)[-1]
    evidence = strict_json(files["evidence.json"], "evidence.json")
    return step.field, seal(decision_statement(step.decided, evidence, manifest.tool), key)
