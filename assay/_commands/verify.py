"""`assay verify`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from assay._commands.options import ALLOW, CRL, PDF
from assay._commands.parsing import FILE, REPORT, Option, Result, command


@command(
    PDF,
    Option("--trust", type=FILE, metavar="CA.pem", help="The roots you trust; without them no name is confirmed."),
    CRL,
    Option("--since", type=FILE, metavar="EARLIER.pdf", help="An earlier copy that this file must continue."),
    Option(
        "--log",
        type=FILE,
        metavar="DIR",
        help="The log of issued reports, or a proof by `assay register --proof`.",
    ),
    Option("--pin", multiple=True, metavar="SHA256", help="The fingerprint of a signer's certificate you know."),
    Option("--require-quorum", is_flag=True, help="Fail where the board has not approved."),
    Option(
        "--print-again",
        type=REPORT,
        metavar="FILE",
        help="Where nothing failed, print the checked evidence afresh here.",
    ),
    Option("--rerun", type=FILE, metavar="CASE.toml", help="Measure again from model and data, and compare."),
    ALLOW,
)
def verify(
    report: Path,
    trust: Path | None,
    crl: Sequence[Path],
    since: Path | None,
    log: Path | None,
    pin: Sequence[str],
    require_quorum: bool,
    print_again: Path | None,
    rerun: Path | None,
    allow: Sequence[str],
) -> Result:
    from assay._report import checked
    from audit.files import write_whole

    result = checked(
        report,
        trust=trust,
        crls=crl,
        pins=pin,
        since=since,
        log=log,
        require_quorum=require_quorum,
        rerun=rerun,
        allow=allow,
        print_again=print_again is not None,
    )
    if result.again is not None and print_again is not None:
        write_whole(print_again, result.again)
    return Result(result.to_json(), "\n".join(result.lines()), None if result.ok else result.error())
