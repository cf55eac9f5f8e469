"""`assay register`: the log of issued reports."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from assay._commands.given import read
from assay._commands.parsing import FILE, WHOLE, OneOf, Option, Result, command
from audit.errors import InputError


@command(
    click.Argument(["log"], type=FILE, metavar="DIR"),
    Option("--csv", type=FILE, metavar="FILE", help="Write it as a table too."),
    Option("--add", type=FILE, multiple=True, metavar="REPORT.pdf", help="Enter a report and its decisions."),
    Option("--condition", type=WHOLE, metavar="NUMBER", help="Change this condition of --case."),
    Option("--case", metavar="NAME", help="Of which case the condition is."),
    Option("--state", type=OneOf("open", "met", "dropped"), help="How it stands from now on."),
    Option("--owner", default="", metavar="NAME", help="Who answers for it."),
    Option("--due", default="", metavar="YYYY-MM-DD", help="By when."),
    Option("--reason", default="", metavar="TEXT", help="Why; needed with --state."),
    Option("--protocol", type=FILE, metavar="FILE", help="Enter a protocol before the results are there."),
    Option("--proof", type=FILE, metavar="REPORT.pdf", help="Write the proof that this report is in the log."),
    Option("--out", type=FILE, metavar="FILE", help="Where to, for example report.tlog-proof."),
    more="DIR is the log of issued reports.",
)
def register(
    log: Path,
    csv: Path | None,
    add: Sequence[Path],
    condition: int | None,
    case: str | None,
    state: str | None,
    owner: str,
    due: str,
    reason: str,
    protocol: Path | None,
    proof: Path | None,
    out: Path | None,
) -> Result:
    import datetime as dt

    from audit.files import write_own
    from reports import register as registered
    from reports.log import Log
    from reports.log.record import enter, enter_protocol, proof_for

    book = Log(log)
    added = [enter(book, read(path)) for path in add]
    if protocol:
        added.append(enter_protocol(book, protocol.name, read(protocol)))
    if condition is not None:
        from reports.conditions import changed
        from reports.log.record import enter_condition

        enter_condition(book, *changed(case, condition, state, owner, due, reason))
    view = book.view() if added else book.read()
    if proof:
        if not out:
            raise InputError("a proof needs a place", expected="--out FILE.tlog-proof beside --proof REPORT.pdf")
        write_own(out, proof_for(view, read(proof)))
    lines = registered.register(view.entries)
    today = dt.datetime.now(dt.UTC).date()
    stands = registered.standings(view.entries, today)
    conditions = registered.conditions_of(view.entries)
    if csv:
        write_own(csv, registered.to_csv(lines).encode())
    document = {
        "log": {"key": view.verifier.text, "size": view.checkpoint.size, "root": view.checkpoint.root.hex()},
        "added": sum(added),
        "reports": [s.to_json() for s in stands],
        "lines": [line.to_json() for line in lines],
        "conditions": {name: [c.to_json() for c in case_conditions] for name, case_conditions in conditions.items()},
    }
    words = [
        registered.to_text(lines, stands, conditions, today),
        "",
        f"Log: {view.checkpoint.line}",
        f"Its key: {view.verifier.text}",
    ]
    return Result(document, "\n".join(words))
