"""A report against the log of issued reports: in it, with all its decisions, and the log itself not rolled back.

Four lines. log: the entries are those that the checkpoint was signed over, by the key that the report names.
log history: the checkpoint that the report states is the beginning of this log. log inclusion: the certified revision
is an entry. log decisions: the file has every decision that was logged, as it was logged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import rfc8785

from audit.documents import Documents, record_in
from audit.documents.log import DecisionEntry, ProtocolEntry, logged_as
from audit.errors import AssayError
from audit.numbers import are, many
from reports.attest.dsse import opened
from reports.attest.statements import decision_statement
from reports.conditions import OPEN, of_case
from reports.extra import Checkpoint
from reports.log import entries as rec
from reports.log import merkle
from reports.log.note import Verifier, read_checkpoint
from reports.log.proof import Proof
from reports.log.searches import begun
from reports.log.store import Entry, LogCopy, LogView, read_log
from reports.manifest import Manifest
from reports.register import earlier
from reports.signature import Signature
from reports.verify.result import Broken, digest, shown


def check_head(copy: LogCopy, manifest: Manifest) -> tuple[LogView, str]:
    """The log, and a line on it. Raises Broken or an AssayError."""
    reported = stated(manifest)
    if reported is not None and copy.public.decode("utf-8", "replace").strip() != reported.key:
        raise Broken(
            "this is another log than the one that the report names",
            got="another key",
            expected="the key that the report names",
            todo="a log that was made anew proves nothing; ask for the one of that key",
        )
    view = read_log(copy)
    whose = (
        "by the key that the report names" if reported is not None else "by its own key, which the report does not name"
    )
    return view, (
        f"{many(view.checkpoint.size, 'entry')} {are(view.checkpoint.size, 'has', 'have')} the root that "
        f"the checkpoint states, signed {whose}"
    )


def stated(manifest: Manifest) -> Checkpoint | None:
    """What the manifest says of the log before the report, checked against its own note. Raises Broken."""
    plain = manifest.extra.get("checkpoint")
    if plain is None:
        return None
    try:
        checkpoint = record_in(Checkpoint, plain, "manifest.json")
        note = read_checkpoint(checkpoint.note.encode(), Verifier.parse(checkpoint.key))
    except AssayError as error:
        raise Broken("the checkpoint that the report states cannot be read", got=type(error).__name__) from error
    if (note.origin, note.size, note.root.hex()) != (checkpoint.origin, checkpoint.size, checkpoint.root):
        raise Broken("the checkpoint that the report states is not the one in its note")
    return checkpoint


def check_history(view: LogView, manifest: Manifest) -> str:
    """The log begins with the one that the report states. Raises Broken."""
    reported = stated(manifest)
    if reported is None:
        return "the report states no earlier checkpoint, so it cannot show whether the log was rolled back"
    size, top = reported.size, bytes.fromhex(reported.root)
    if size > view.checkpoint.size:
        raise Broken(
            "the log has been rolled back since this report was issued",
            got=f"{many(view.checkpoint.size, 'entry')}",
            expected=f"{size:,} or more, as the report states",
            todo="ask who keeps the log; entries have been removed",
        )
    proof = merkle.consistency_proof(view.leaves, size)
    if not merkle.extends(size, top, view.checkpoint.size, view.checkpoint.root, proof):
        raise Broken(
            "the log's past is not the one that the report states",
            got=f"root {view.at(size).root.hex()} at {many(size, 'entry')}",
            expected=f"root {top.hex()}",
            todo="ask who keeps the log; an entry was changed or removed, and the log signed anew",
        )
    _retold(view, manifest, size)
    return f"its first {many(size, 'entry')} {are(size)} those that the report states"


def _retold(view: LogView, manifest: Manifest, size: int) -> None:
    """What the report prints out of the log: earlier decisions, and since when a protocol was known. Raises Broken."""
    before = view.entries[:size]
    decisions = manifest.extra.get("register", [])
    right = earlier(before, manifest.case, manifest.extra.get("about"))
    if "about" not in manifest.extra and decisions and "on" not in decisions[0]:
        right = [{k: v for k, v in line.items() if k not in ("on", "case")} for line in right]  # as was told before
    if decisions != right:
        raise Broken(
            "the report tells the board's earlier decisions otherwise than the log",
            got=shown(decisions),
            expected=shown(right),
        )
    left = [c for c in of_case(before, manifest.case) if c.state == OPEN]
    conditions = manifest.extra.get("conditions")
    if conditions is not None and (lost := [c for c in left if c.to_json() not in conditions]):
        raise Broken(
            "the report leaves out a condition that the log holds as open, or tells it otherwise",
            got=f"{len(lost)} of {many(len(left), 'open condition')}",
            expected=f"conditions {', '.join(str(c.number) for c in left)} as they stood in the log",
        )
    protocol = manifest.extra.get("protocol")
    if isinstance(protocol, dict) and (since := protocol.get("logged")) is not None:
        known = [e for e in logged_as(ProtocolEntry, before) if e.sha256 == protocol.get("sha256")]
        if [e.logged for e in known[:1]] != [since]:
            raise Broken(
                "the log did not know the protocol when the report says it did",
                got="another time" if known else "no entry", expected="the time that the report states",
            )  # fmt: skip
    searched = manifest.extra.get("search")
    if isinstance(searched, dict):
        fixed = protocol.get("sha256") if isinstance(protocol, dict) else None
        known_as = begun(before, str(searched.get("sha256")), fixed)
        if searched != known_as:
            raise Broken(
                "the report tells of its search otherwise than the log",
                got=shown(searched), expected=shown(known_as) if known_as else "nothing: the log has no entry of it",
            )  # fmt: skip


def check_inclusion(view: LogView, pdf: bytes, manifest: Manifest, signatures: Sequence[Signature]) -> str:
    """The certified revision is in the log, after the checkpoint it states, and described as it is. Raises Broken."""
    report = rec.certified_of(pdf, signatures)
    at = [i for i, e in enumerate(view.entries) if rec.is_of(e, report, rec.REPORT)]
    if not at:
        raise Broken(
            "the report is not in the log",
            got=f"{many(view.checkpoint.size, 'entry')}, none with this certified revision",
            expected=f"an entry with sha256 {report}",
            todo="it was issued without the log, or its entry was removed; ask who keeps the log",
        )
    index = at[0]
    _same(rec.report_entry(pdf, manifest, signatures), view.entries[index], "the report")
    reported = stated(manifest)
    if reported is not None and reported.size > index:
        raise Broken(
            "the report states a checkpoint that is younger than its own entry",
            got=shown(reported.size),
            expected=f"<= {index}",
        )
    when = view.entries[index].get("logged")
    return f"it is number {index + 1:,} of {view.checkpoint.size:,}, entered {when}"


def check_proof(proof: Proof, pdf: bytes, manifest: Manifest, signatures: Sequence[Signature]) -> str:
    """A proof instead of the log: the report's entry leads to a checkpoint of the log that the report names."""
    reported = stated(manifest)
    if reported is None:
        raise Broken(
            "the report names no log, so nothing tells whose proof this is",
            todo="give the log itself (--log DIR), and make sure whose it is",
        )
    logged, checkpoint = proof.check(Verifier.parse(reported.key))
    report = rec.certified_of(pdf, signatures)
    if not rec.is_of(logged, report, rec.REPORT):
        raise Broken(
            "the proof is of another entry than this report", got=digest(logged.get("report")), expected=report
        )
    _same(rec.report_entry(pdf, manifest, signatures), logged, "the report")
    if reported.size > proof.index:
        raise Broken("the report states a checkpoint that is younger than its own entry", got=shown(reported.size))
    when = logged.get("logged")
    return f"it is number {proof.index + 1:,} of {checkpoint.size:,}, entered {when}"


def _same(mine: Mapping[str, Any], logged: Entry, what: str) -> None:
    for key, value in mine.items():
        if logged.get(key) != value:
            raise Broken(
                f"the log describes {what} otherwise than it is: {key}",
                got=shown(logged.get(key)), expected=shown(value),
                todo="ask who keeps the log",
            )  # fmt: skip


def check_decisions(
    view: LogView, pdf: bytes, manifest: Manifest, signatures: Sequence[Signature], files: Mapping[str, bytes]
) -> tuple[str, list[str]]:
    """Every logged decision is in the file, as logged, with its statement. Raises Broken. A line, and notes."""
    steps = {s.decided.revision: s for s in rec.steps_of(pdf, manifest, signatures)}
    logged = rec.of_report(view.entries, rec.certified_of(pdf, signatures), rec.DECISION)
    for old in logged_as(DecisionEntry, logged):
        if rec.lacking(pdf, old.size, old.revision):
            raise Broken(
                "the file lacks a decision that the log holds",
                got=f"{many(len(steps), 'decision')} in this copy",
                expected=f"{len(logged)}, as many as the log holds",
                todo="this copy was cut back to before it, or is an old one; ask for the copy with every decision",
            )
    proven = 0
    for entry in logged:
        step = steps.get(str(entry.get("revision")))
        if step is None:
            raise Broken(
                "the log holds a decision that no signature in the file states",
                got=f"{many(len(steps), 'decision')} in this copy",
            )
        _same(rec.decision_entry(step), entry, "a decision")
        if (statement := entry.get("statement")) is not None:
            _statement(statement, step, manifest, signatures, files)
            proven += 1
    unknown = [s.decided.member for r, s in steps.items() if r not in {e.get("revision") for e in logged}]
    notes = [f"The log does not know the decision of {name}; add it with `assay register`." for name in unknown]
    words = (
        f"{many(len(logged), 'logged decision')} {are(len(logged))} in the file, {proven} of them with the "
        "member's signed statement"
    )
    return words + (f"; {len(unknown)} in the file {are(len(unknown))} not logged" if unknown else ""), notes


def _statement(
    envelope: Any, step: rec.Step, manifest: Manifest, signatures: Sequence[Signature], files: Mapping[str, bytes]
) -> None:
    """The member's Simple Verification Result: signed by the certificate in the PDF, and about this decision."""
    signature = next(s for s in signatures if s.field == step.field)
    payload = opened(rfc8785.dumps(envelope), signature.container.certificate)
    evidence = Documents.of(files).evidence
    right = rfc8785.dumps(decision_statement(step.decided, evidence, manifest.tool))
    if payload != right:
        raise Broken(
            "a member's statement in the log is not about the decision in the file",
            got=f"{many(len(payload), 'byte')}",
            expected=f"{many(len(right), 'other byte')}",
        )
