"""A board member's decision on a report: approve or reject, with the reason, signed.

    signed = approve(pdf, key, decision="approve", reason="The gaps are inside the policy.")

The decision and its reason are the signature's own /Reason, which the signature covers: `APPROVE: The gaps ...`. Each
decision is an incremental update in the field the report was issued with; a second decision of one member has no field.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from audit.errors import InputError, nearest
from reports.keys import SigningKey
from reports.manifest import NAME, Manifest, SignerSlot
from reports.sign import Signed, Validation, countersign

if TYPE_CHECKING:
    from pyhanko.sign.timestamps import TimeStamper

    from reports.verify.printed import Printer

DECISIONS = ("approve", "reject")
_CONDITIONS = " CONDITIONS: "
_HEADINGS = {"approve": "Approved by", "reject": "Rejected by"}


@dataclass(frozen=True, slots=True)
class Decision:
    """approve or reject, the reason, and the conditions under which it holds (may be empty)."""

    decision: str
    reason: str
    conditions: str = ""

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
            if _CONDITIONS.strip() in text:
                raise InputError(
                    "the reason holds a word that is reserved", got=_CONDITIONS.strip(), expected="plain text"
                )

    def to_text(self) -> str:
        """The canonical line that is signed."""
        line = f"{self.decision.upper()}: {self.reason.strip()}"
        return f"{line}{_CONDITIONS}{self.conditions.strip()}" if self.conditions.strip() else line

    @classmethod
    def from_text(cls, text: str) -> Decision:
        """The decision in a signature's /Reason. Raises InputError where it is not one, so that nothing is guessed."""
        for decision in DECISIONS:
            head = f"{decision.upper()}: "
            if text.startswith(head):
                reason, _, conditions = text[len(head) :].partition(_CONDITIONS)
                return cls(decision, reason, conditions)
        raise InputError("a member's signature states no decision", got=repr(text[:80]), expected="APPROVE: or REJECT:")


def approve(
    pdf: bytes,
    key: SigningKey,
    *,
    decision: str,
    reason: str,
    conditions: str = "",
    member: str | None = None,
    timestamper: TimeStamper | None = None,
    validation: Validation | None = None,
    printer: Printer | None = None,
) -> Signed:
    """Countersign with a decision, in the field that the report keeps for this member.

    member : the name or the field; without it, the name in the key's certificate. Raises InputError where the report
    asks for no such member or the member has decided already, and VerificationError where the report itself does not
    verify: nobody should sign what is broken.
    """
    from reports.verify import verify_or_raise

    made = Decision(decision, reason, conditions)
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
    return countersign(
        pdf,
        key,
        field=slot.field,
        reason=made.to_text(),
        heading=_HEADINGS[decision],
        timestamper=timestamper,
        validation=validation,
    )


def embedded_manifest(pdf: bytes) -> Manifest:
    """The manifest of a report. Raises InputError where the PDF has none."""
    from reports.verify.reading import attachments_of

    files = attachments_of(pdf)
    if NAME not in files:
        raise InputError("the file is not a report made by Assay", got=f"no {NAME} in it", expected="an Assay report")
    return Manifest.from_bytes(files[NAME])


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
