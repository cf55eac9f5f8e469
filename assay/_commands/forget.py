"""`assay forget`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from assay._commands.parsing import FILE, Option, Result, command
from audit.errors import InputError


@command(
    click.Argument(["case"], required=False, default="", metavar="[CASE]"),
    Option("--run", "runs", type=FILE, multiple=True, metavar="DIR", help="Its run folder."),
    Option("--originals", is_flag=True, help="Your own case file, data and model too."),
    Option("--keep-reports", is_flag=True, help="Leave its signed reports."),
    Option("--abandoned", is_flag=True, help="Uploads of the app that were never made a case."),
    Option("--dry-run", is_flag=True, help="Say what would go; delete nothing."),
    more="CASE is a case file, a run folder, or a case's id.",
)
def forget(
    case: str, runs: Sequence[Path], originals: bool, keep_reports: bool, abandoned: bool, dry_run: bool
) -> Result:
    from reports.forget import abandoned as forget_abandoned
    from reports.forget import forget as forget_case
    from screens.workspace import home

    if abandoned == bool(case):
        raise InputError("it is not clear what to forget", expected="either a CASE or --abandoned")
    if abandoned:
        done = forget_abandoned(home() / "cases", home() / "jobs", dry=dry_run)
    else:
        done = forget_case(case, home(), runs=runs, originals=originals, keep_reports=keep_reports, dry=dry_run)
    lines = [*(["Nothing was deleted: this is what would be."] if dry_run else []), *done.lines()]
    return Result(done.to_json() | {"dry_run": dry_run}, "\n".join(lines))
