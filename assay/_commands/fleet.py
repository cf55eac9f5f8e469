"""`assay watch --fleet`: many loops in one process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from assay._commands.parsing import Result
from audit.errors import InputError
from audit.numbers import many


def run_many(
    file: Path, others: Sequence[str], follow: bool, state: bool, serve: str | None, allow: Sequence[str]
) -> Result:
    """Run the loops that a file names, or show where they stand. others: options for one loop. Raises InputError."""
    from dataclasses import asdict

    from debias.loop.fleet import load_fleet, page_of, run_fleet
    from debias.loop.health import address_of
    from reports.loop_decision import opened_decision

    if others:
        raise InputError(
            f"{others[0]} is for one loop", got=f"--fleet and {' '.join(others)}",
            expected="--fleet with --follow, --state, --serve or --allow", todo="use `assay watch CASE.toml --out DIR`",
        )  # fmt: skip
    loops = load_fleet(file)
    if state:
        page = page_of(loops)
    else:
        address = None if serve is None else address_of(serve)
        page = run_fleet(loops, follow=follow, allow=allow, opened=opened_decision, serve=address)
    document = {"schema": "assay/fleet/1", "loops": [asdict(row) for row in page]}
    kept = [f"{row.loop}: {row.problem}" for row in page if row.problem and not state]
    failure = None
    if kept:
        failure = InputError(
            f"{many(len(kept), 'loop')} of {len(page)} did not go on", got=" ".join(kept),
            expected="every loop looked at", todo="mend what stands there, then run it again: all go on from here",
        )  # fmt: skip
    return Result(document, "\n".join(row.words for row in page), failure)
