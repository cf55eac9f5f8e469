"""Entering in the log: a report as it is issued, each decision on it, a protocol; and the proof of an entry.

A report is read and judged here before it is entered, so this stands above `reports.verify`; what an entry says is in
`reports.log.entries`, which verification shares.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from audit.documents.log import DecisionEntry, ProtocolEntry, logged_as
from audit.errors import InputError, OutputError
from audit.files import write_whole
from audit.numbers import many
from reports.log.entries import (
    DECISION,
    PROTOCOL,
    REPORT,
    certified_of,
    decision_entry,
    is_of,
    lacking,
    of_report,
    report_entry,
    stated,
    steps_of,
)
from reports.log.store import Entry, Log, LogView
from reports.manifest import NAME, Manifest
from reports.signature import Signature


def read_report(pdf: bytes) -> tuple[Manifest, tuple[Signature, ...], Mapping[str, bytes]]:
    """Manifest, signatures and attachments of a report.

    Bytes that were judged already, or made here, are parsed in this process; others only in one with limits, and no
    further than to the manifest: that says nothing of figures and pages. Raises VerificationError where such a file
    fails a check, InputError where it is no report.
    """
    from reports.known import is_known
    from reports.verify.apart import parts_apart

    signatures, files = _parsed(pdf) if is_known(pdf) else parts_apart(pdf)
    if NAME not in files:
        raise InputError("the file is not a report made by Assay", got=f"no {NAME} in it", expected="an Assay report")
    return Manifest.from_bytes(files[NAME]), signatures, files


def _parsed(pdf: bytes) -> tuple[tuple[Signature, ...], Mapping[str, bytes]]:
    from reports.verify.reading import attachments_of, reader_of
    from reports.verify.result import Broken
    from reports.verify.signatures import read_signatures

    files = attachments_of(pdf)
    try:
        return read_signatures(pdf, reader_of(pdf)), files
    except Broken as broken:
        raise InputError(broken.problem, got=broken.got, expected=broken.expected) from broken


def new_entries(
    view: LogView, pdf: bytes, statements: Mapping[str, bytes] | None = None, now: dt.datetime | None = None
) -> list[Entry]:
    """What the log does not hold yet of this report. statements: a member's field -> the DSSE envelope of the decision.

    Raises InputError where the log knows a decision that this copy lacks: a second copy would be signed apart from the
    first, and one of the two decisions would be lost.
    """
    manifest, signatures, _ = read_report(pdf)
    logged = (now or dt.datetime.now(dt.UTC)).astimezone(dt.UTC).isoformat(timespec="seconds")
    report = certified_of(pdf, signatures)
    known = logged_as(DecisionEntry, of_report(view.entries, report, DECISION))
    for old in known:
        if lacking(pdf, old.size, old.revision):
            raise InputError(
                "the log knows a newer copy of this report",
                got="a copy without a decision in the log",
                expected=f"the copy with the decision of {old.member} ({old.decision}, {old.time})",
                todo="ask for that copy and sign it; nothing was written",
            )
    out: list[Entry] = []
    if not of_report(view.entries, report, REPORT):
        out.append({**report_entry(pdf, manifest, signatures), "logged": logged})
    have = {e.field for e in known}
    for step in steps_of(pdf, manifest, signatures):
        if step.field not in have:
            line = (statements or {}).get(step.field)
            out.append({**decision_entry(step), "statement": json.loads(line) if line else None, "logged": logged})
    return out


def publish(
    path: Path,
    pdf: bytes,
    log: Log,
    statements: Mapping[str, bytes] | None = None,
    check: Callable[[LogView], None] | None = None,
) -> LogView:
    """Log the report, and put it at `path`: both, or neither. check: raises where the log as it stands forbids it.

    The file is written beside `path` first, then logged, then renamed; `finish` does the last step where a process was
    killed before it. Raises what Log.append and new_entries raise; then `path` is as it was.
    """
    path = Path(path)
    staged = _staged(path, hashlib.sha256(pdf).hexdigest())

    def make(view: LogView) -> Sequence[Entry]:
        if check is not None:
            check(view)
        entries = new_entries(view, pdf, statements)
        keep_counts(log, pdf)
        return entries

    write_whole(staged, pdf)
    try:
        view = log.append(make)
    except BaseException:
        staged.unlink(missing_ok=True)
        raise
    try:
        os.replace(staged, path)
    except OSError as error:
        raise OutputError(
            f"{path.name} could not be written", got=error.strerror or str(error),
            todo=f"it is logged; rename {staged.name} to {path.name}",
        ) from error  # fmt: skip
    return view


def keep_counts(log: Log, pdf: bytes) -> None:
    """Keep what the report publishes in the ledger beside the log (reports.log.ledger)."""
    from reports.log.ledger import Ledger, record_of

    manifest, signatures, files = read_report(pdf)
    Ledger(log.folder).keep(certified_of(pdf, signatures), record_of(files, manifest.case))


def _staged(path: Path, digest: str) -> Path:
    return path.with_name(f".{path.name}.{digest}.staged")


def finish(path: Path, log: Log) -> bool:
    """Put a report in its place that was logged by a process killed before the last step. Whether there was one.

    What was staged and never logged is left alone, unless it is older than what stands there.
    """
    path = Path(path)
    for staged in sorted(path.parent.glob(f".{path.name}.*.staged")):
        pdf = staged.read_bytes()
        digest = staged.name.rsplit(".", 2)[1]
        if hashlib.sha256(pdf).hexdigest() != digest:
            continue
        names = {e.get(k) for e in log.view().entries for k in ("report", "revision")}
        now = path.read_bytes() if path.exists() else b""
        if digest in names and len(pdf) > len(now) and (not now or pdf.startswith(now)):
            os.replace(staged, path)
            return True
    return False


def enter(log: Log, pdf: bytes) -> int:
    """Enter a report, and every decision in it, that was issued or decided without the log. How many entries.

    Raises VerificationError where the report does not verify, InputError where the log knows a newer copy.
    """
    from reports.verify import verify_or_raise

    verify_or_raise(pdf)
    before: list[int] = []

    def make(view: LogView) -> Sequence[Entry]:
        before.append(view.checkpoint.size)
        keep_counts(log, pdf)
        return new_entries(view, pdf)

    return log.append(make).checkpoint.size - before[0]


def enter_protocol(log: Log, name: str, content: bytes, now: dt.datetime | None = None) -> int:
    """Enter the SHA-256 of a protocol, once: a report that names it can then show since when it was fixed."""
    digest = hashlib.sha256(content).hexdigest()
    logged = (now or dt.datetime.now(dt.UTC)).astimezone(dt.UTC).isoformat(timespec="seconds")
    added: list[int] = []

    def make(view: LogView) -> Sequence[Entry]:
        known = any(e.sha256 == digest for e in logged_as(ProtocolEntry, view.entries))
        added.append(0 if known else 1)
        return [] if known else [{"type": PROTOCOL, "file": name, "sha256": digest, "logged": logged}]

    log.append(make)
    return added[0]


def enter_condition(log: Log, case: str, change: Mapping[str, Any], now: dt.datetime | None = None) -> Entry:
    """Enter how a condition of a case stands from now on. change: number, state, owner, due, reason, by; what is empty
    stays as it was. Raises InputError where the case has no such condition."""
    from reports.conditions import ENTRY, of_case

    logged = (now or dt.datetime.now(dt.UTC)).astimezone(dt.UTC).isoformat(timespec="seconds")
    entry: Entry = {"type": ENTRY, "case": case, **change, "logged": logged}
    number = change.get("number")

    def make(view: LogView) -> Sequence[Entry]:
        known = [c.number for c in of_case(view.entries, case)]
        if number not in known:
            raise InputError(
                f"the case {case!r} has no condition {number}",
                got=str(number),
                expected=", ".join(map(str, known)) or "a report of this case in the log",
                todo="look at `assay register DIR`",
            )
        return [entry]

    log.append(make)
    return entry


def proof_for(view: LogView, pdf: bytes) -> bytes:
    """The proof that this report is in the log. Raises InputError where it is not."""
    from reports.log.proof import proof_of

    _, signatures, _ = read_report(pdf)
    report = certified_of(pdf, signatures)
    at = [i for i, e in enumerate(view.entries) if is_of(e, report, REPORT)]
    if not at:
        raise InputError(
            "the report is not in the log", got=report, expected=f"one of its {many(view.checkpoint.size, 'entry')}",
            todo="enter it with `assay register LOG --add REPORT.pdf`",
        )  # fmt: skip
    return proof_of(view, at[0])


__all__ = [
    "DECISION",
    "PROTOCOL",
    "REPORT",
    "certified_of",
    "decision_entry",
    "enter",
    "enter_protocol",
    "finish",
    "lacking",
    "new_entries",
    "of_report",
    "proof_for",
    "publish",
    "read_report",
    "report_entry",
    "stated",
    "steps_of",
]
