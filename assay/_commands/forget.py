"""`assay forget` and `assay purge`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click
import msgspec

from assay._commands.parsing import FILE, NUMBER, Option, Result, command
from audit.errors import InputError


@command(
    click.Argument(["case"], type=FILE, required=False, metavar="[CASE]"),
    Option("--run", "runs", type=FILE, multiple=True, metavar="DIR", help="Its run folder."),
    Option("--originals", is_flag=True, help="Your own case file, data and model too."),
    Option("--keep-reports", is_flag=True, help="Leave its signed reports."),
    Option("--abandoned", is_flag=True, help="Uploads of the app that were never made a case."),
    Option("--dry-run", is_flag=True, help="Say what would go; delete nothing."),
    more="CASE is a case file, a run folder, or a case's id.",
)
def forget(
    case: Path | None, runs: Sequence[Path], originals: bool, keep_reports: bool, abandoned: bool, dry_run: bool
) -> Result:
    from reports.forget import abandoned as forget_abandoned
    from reports.forget import forget as forget_case
    from screens.workspace import home

    if abandoned == (case is not None):
        raise InputError("it is not clear what to forget", expected="either a CASE or --abandoned")
    if case is None:
        done = forget_abandoned(home() / "cases", home() / "jobs", dry=dry_run)
    else:
        done = forget_case(str(case), home(), runs=runs, originals=originals, keep_reports=keep_reports, dry=dry_run)
    lines = [*(["Nothing was deleted: this is what would be."] if dry_run else []), *done.lines()]
    return Result(done.to_json() | {"dry_run": dry_run}, "\n".join(lines))


@command(
    *(
        Option(
            f"--{name}", type=NUMBER, metavar="DAYS", help=f"{what}; in place of the rule {name}_days.", group="Rules"
        )
        for name, what in (
            ("uploads", "Uploads that were never made a case"),
            ("jobs", "Records of ended work"),
            ("answers", "Kept answers of models"),
            ("explanations", "Explanations of single persons"),
            ("data", "Tables and models of cases"),
            ("cases", "Whole cases; signed reports stay"),
        )
    ),
    Option("--dry-run", is_flag=True, help="Say what would go; delete nothing."),
    Option("--hold", default="", metavar="ID", help="Keep this case whatever the rules say; needs --reason."),
    Option("--release", default="", metavar="ID", help="End a hold."),
    Option("--reason", default="", help="Why it is held."),
    more="Rules stand in ASSAY_HOME/retention.toml (docs/people.md). Signed logs and reports are never removed.",
)
def purge(dry_run: bool, hold: str, release: str, reason: str, **days: float | None) -> Result:
    from reports import purge as work
    from screens.workspace import home

    if hold or release:
        case = hold or release
        place = home() / "cases" / (case if re.fullmatch("[0-9a-f]{32}", case) else "none")
        note = work.hold(place, reason) if hold else work.release(place)
        message = f"Case {case[:8]} is {'kept' if hold else 'no longer kept'}: {note.reason}"
        return Result({"case": case, "held": bool(hold), **asdict(note)}, message)
    purged = work.purge(home(), work.rules_of(home(), {f"{k}_days": v for k, v in days.items()}), dry=dry_run)
    lines = [*(["Nothing was deleted: this is what would be."] if dry_run else []), *purged.lines()]
    return Result(
        purged.done.to_json() | {"entries": [msgspec.to_builtins(e) for e in purged.entries], "dry_run": dry_run},
        "\n".join(lines),
    )


_CASE = click.Argument(["case"], metavar="ID")


@command(_CASE, more="For the keys in ASSAY_RECIPIENT (age1...). The app and its jobs open it while it is used.")
def lock(case: str) -> Result:
    import audit.answers  # noqa: F401 - what it keeps of the case in clear goes
    from audit.sealed import lock as work

    work(_case_folder(case, "work"))
    return Result({"case": case, "sealed": True}, f"Case {case[:8]} is sealed.")


@command(_CASE, more="With the key in ASSAY_IDENTITY.")
def unlock(case: str) -> Result:
    from audit.sealed import unlock as work

    work(_case_folder(case, "work"))
    return Result({"case": case, "sealed": False}, f"Case {case[:8]} lies in clear again.")


def _case_folder(case: str, act: str) -> Path:
    """The folder of a case of the workspace, for who may do this. Raises InputError where there is none."""
    from audit import access
    from screens.workspace import home

    place = home() / "cases" / case
    if re.fullmatch("[0-9a-f]{32}", case) is None or not place.is_dir():
        raise InputError("there is no such case", got=repr(case)[:60], expected="the id of a case of the workspace")
    access.demand(act, place)
    return place
