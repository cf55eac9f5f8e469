"""`assay report`, `approve`, `seal` and `keys`: what is signed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from assay._commands.given import password, read, validation
from assay._commands.options import CRL, KEY, LOG, PASSWORD, PDF, RUN, TIMESTAMP, TRUST
from assay._commands.parsing import FILE, REPORT, WHOLE, OneOf, Option, Result, command


@command(
    RUN,
    KEY,
    Option("--out", type=REPORT, required=True, metavar="REPORT.pdf", help="The report."),
    Option("--member", multiple=True, metavar="NAME", help="A board member who is to decide."),
    Option("--quorum", type=WHOLE, help="How many members must approve (default: more than half)."),
    TIMESTAMP,
    Option("--people", is_flag=True, help="Print explanations of single persons too."),
    Option("--annex", type=OneOf("none", "short", "full"), default="full", help="How much is printed behind the body."),
    Option("--summary", is_flag=True, help="The page for the public alone, to be posted."),
    Option("--condition", multiple=True, metavar="TEXT", help="What the board is to tick, in place of what is asked."),
    LOG,
    Option("--compare", type=FILE, metavar="DIR", help="An earlier run folder, or an earlier report.pdf."),
    Option(
        "--allow-difference",
        metavar="REASON",
        help="Why it may go out although its counts and an earlier report's differ by a few people; printed in it.",
    ),
    Option("--protocol", type=FILE, metavar="FILE", help="What was fixed before the results."),
    Option("--deviation", multiple=True, metavar="TEXT", help="What was done otherwise than the protocol says."),
    TRUST,
    CRL,
    PASSWORD,
)
def report(
    dir: Path,
    key: str,
    out: Path,
    member: Sequence[str],
    quorum: int | None,
    timestamp: str | None,
    people: bool,
    annex: str,
    summary: bool,
    condition: Sequence[str],
    log: Path | None,
    compare: Path | None,
    allow_difference: str | None,
    protocol: Path | None,
    deviation: Sequence[str],
    trust: Path | None,
    crl: Sequence[Path],
    password_file: Path | None,
) -> Result:
    from reports.issue import issue_report
    from reports.keys import key_of

    signer = key_of(key, lambda: password(password_file), sys.stdin.buffer)
    issued = issue_report(
        dir,
        signer,
        out,
        members=member,
        quorum=quorum,
        authority=timestamp,
        people=people,
        validation=validation(trust, crl),
        log=log,
        protocol=protocol,
        deviations=deviation,
        compare=compare,
        allow_difference=allow_difference,
        annex="summary" if summary else annex,
        conditions=condition,
    )
    document = {"report": out.name, "sha256": issued.sha256, "level": issued.level, "signer": signer.name}
    held = "" if log else "\nNot held against earlier reports on the same people: no --log was given."
    return Result(document, f"Signed by {signer.name} ({issued.level}): {out}\nsha256 {issued.sha256}{held}")


@command(
    PDF,
    KEY,
    Option("--decision", type=OneOf("approve", "reject"), required=True, help="What the member decides."),
    Option("--reason", required=True, metavar="TEXT", help="Why; printed in the report."),
    Option("--conditions", default="", metavar="TEXT", help="On which the decision holds."),
    Option("--until", metavar="YYYY-MM-DD", help="The last day on which the decision holds."),
    LOG,
    Option("--member", metavar="NAME", help="The name in the report, where the key bears another."),
    TIMESTAMP,
    TRUST,
    CRL,
    PASSWORD,
)
def approve(
    report: Path,
    key: str,
    decision: str,
    reason: str,
    conditions: str,
    until: str | None,
    log: Path | None,
    member: str | None,
    timestamp: str | None,
    trust: Path | None,
    crl: Sequence[Path],
    password_file: Path | None,
) -> Result:
    from audit.files import write_whole
    from reports.approve import approve as countersign
    from reports.approve import decision_envelope
    from reports.keys import key_of
    from reports.sign import timestamp_authority

    signer = key_of(key, lambda: password(password_file), sys.stdin.buffer)
    book = None
    if log:
        from reports.log import Log
        from reports.log.record import finish, publish

        book = Log(log)
        finish(report, book)
    signed = countersign(
        read(report),
        signer,
        decision=decision,
        reason=reason,
        conditions=conditions,
        until=until,
        member=member,
        timestamper=timestamp_authority(timestamp) if timestamp else None,
        validation=validation(trust, crl),
    )
    if book is None:
        write_whole(report, signed.pdf)
    else:
        publish(report, signed.pdf, book, dict([decision_envelope(signed.pdf, signer)]))
    document = {"report": report.name, "member": signer.name, "decision": decision, "reason": reason}
    return Result(document, f"{signer.name}: {decision}. Written into {report}" + (" and the log" if book else ""))


@command(PDF, Option("--timestamp", required=True, metavar="URL", help="An RFC 3161 authority."), TRUST, CRL)
def seal(report: Path, timestamp: str, trust: Path | None, crl: Sequence[Path]) -> Result:
    from audit.files import write_whole
    from reports.archive import archive
    from reports.sign import timestamp_authority

    pdf = archive(read(report), timestamp_authority(timestamp), validation=validation(trust, crl))
    write_whole(report, pdf)
    return Result({"report": report.name, "sealed": timestamp}, f"Sealed by {timestamp}: {report}")


@command(
    click.Argument(["action"], type=OneOf("new"), metavar="new"),
    Option("--name", required=True, metavar="NAME", help="Whose key it is; printed beside each signature."),
    Option("--out", type=FILE, required=True, metavar="KEY.p12", help="The key's file."),
    PASSWORD,
)
def keys(action: str, name: str, out: Path, password_file: Path | None) -> Result:
    from reports.keys import new_key

    key = new_key(name, out, password(password_file, new=True))
    document = {"name": key.name, "fingerprint": key.fingerprint, "not_after": key.not_after.isoformat()}
    words = f"Key of {key.name}: {out}\nFingerprint {key.fingerprint}, valid until {key.not_after:%Y-%m-%d}."
    words += "\nGive the fingerprint to those who will check your signature, by another way than this."
    return Result(document, words)
