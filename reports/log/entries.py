"""The entries of the log: that a report was issued, and each decision signed into it.

A report is named by the SHA-256 of its certified revision, the bytes up to the end of the auditor's signature. Members
sign by appending, so this stays the same whatever follows. A decision is named by the SHA-256 of the file as it was
when that member had signed: a copy cut back to before it no longer begins with those bytes.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reports.attest.statements import Decided
from reports.log.store import Entry, LogView
from reports.manifest import Manifest, report_number
from reports.signature import Signature, decisions_of

_OUTLIVES = ("about", "conditions", "review", "outdated")
REPORT, DECISION, PROTOCOL, SEARCH = "report", "decision", "protocol", "search"


@dataclass(frozen=True, slots=True)
class Step:
    """One decision in a report: the field, how long the file was with it, the certificate, who says when."""

    field: str
    size: int
    certificate: str
    time_from: str
    decided: Decided


def certified_of(pdf: bytes, signatures: Sequence[Signature]) -> str:
    """sha256 of the certified revision."""
    return hashlib.sha256(pdf[: signatures[0].span.end]).hexdigest()


def steps_of(pdf: bytes, manifest: Manifest, signatures: Sequence[Signature]) -> tuple[Step, ...]:
    """Each member's decision in the order of signing. Raises InputError where a member's signature states none."""
    decisions = decisions_of(manifest, signatures)
    report, approvals, out = certified_of(pdf, signatures), 0, []
    for signature in signatures:
        decision = decisions.get(signature.field)
        if decision is None:
            continue
        approvals += decision.decision == "approve"
        time, source = signature.time
        decided = Decided(
            report=report,
            revision=hashlib.sha256(pdf[: signature.span.end]).hexdigest(),
            member=signature.signer_name,
            decision=decision.decision,
            reason=decision.reason,
            conditions=decision.conditions,
            until=decision.until,
            time=time or dt.datetime.fromtimestamp(0, dt.UTC),
            approvals=approvals,
            quorum=manifest.quorum,
        )
        out.append(Step(signature.field, signature.span.end, signature.fingerprint, source, decided))
    return tuple(out)


def report_entry(pdf: bytes, manifest: Manifest, signatures: Sequence[Signature]) -> dict[str, Any]:
    """The entry of a report, without the time at which it was logged."""
    evidence = next((a.sha256 for a in manifest.attachments if a.name == "evidence.json"), None)
    return {
        "type": REPORT,
        "report": certified_of(pdf, signatures),
        "size": signatures[0].span.end,
        "number": report_number(manifest),
        "case": manifest.case,
        "auditor": manifest.author,
        "certificate": signatures[0].fingerprint,
        "issued": manifest.issued.astimezone(dt.UTC).isoformat(timespec="seconds"),
        "members": [s.name for s in manifest.members],
        "quorum": manifest.quorum,
        "evidence": evidence,
        # What lives on after the report: what it was about, what the board was asked to set, when it looks again, when
        # the audit is old.
        **{key: manifest.extra[key] for key in _OUTLIVES if key in manifest.extra},
    }


def decision_entry(step: Step) -> dict[str, Any]:
    """The entry of a decision, without its statement and the time at which it was logged."""
    d = step.decided
    return {
        "type": DECISION,
        "report": d.report,
        "revision": d.revision,
        "size": step.size,
        "field": step.field,
        "member": d.member,
        "certificate": step.certificate,
        "decision": d.decision,
        "reason": d.reason,
        "conditions": d.conditions,
        "until": d.until,
        "time": d.time.astimezone(dt.UTC).isoformat(timespec="seconds"),
        "time_from": step.time_from,
    }


def of_report(entries: Sequence[Entry], report: str, kind: str) -> list[Entry]:
    """The entries of one kind about one report, in order."""
    return [e for e in entries if is_of(e, report, kind)]


def is_of(entry: Entry, report: str, kind: str) -> bool:
    """Whether an entry is of this kind and about this report."""
    return (entry.get("type"), entry.get("report")) == (kind, report)


def lacking(pdf: bytes, size: int, revision: str) -> bool:
    """Whether the file does not begin with the bytes that a logged decision was made on and with."""
    return not 0 < size <= len(pdf) or hashlib.sha256(pdf[:size]).hexdigest() != revision


def stated(view: LogView) -> dict[str, Any]:
    """What a report says of the log before it (manifest.extra, key `checkpoint`)."""
    c = view.checkpoint
    return {
        "origin": c.origin,
        "size": c.size,
        "root": c.root.hex(),
        "key": view.verifier.text,
        "note": view.note.decode(),
    }
