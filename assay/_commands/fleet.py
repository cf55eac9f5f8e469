"""`assay fleet`: many loops in one process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from assay._commands.options import ALLOW
from assay._commands.parsing import FILE, Option, Result, command


@command(
    click.Argument(["fleet"], type=FILE, metavar="FLEET.toml"),
    Option("--follow", is_flag=True, help="Wait for more batches until stopped."),
    Option("--state", is_flag=True, help="Where each loop stands; takes no batch."),
    Option("--serve", metavar="PORT", help="Answer /healthz and /metrics on 127.0.0.1, or HOST:PORT, while it runs."),
    ALLOW,
)
def fleet(fleet: Path, follow: bool, state: bool, serve: str | None, allow: Sequence[str]) -> Result:
    from dataclasses import asdict

    from debias.loop.fleet import load_fleet, page_of, run_fleet
    from debias.loop.health import address_of
    from reports.loop_decision import opened_decision

    loops = load_fleet(fleet)
    page = (
        page_of(loops)
        if state
        else run_fleet(
            loops,
            follow=follow,
            allow=allow,
            opened=opened_decision,
            serve=None if serve is None else address_of(serve),
        )
    )
    document = {"schema": "assay/fleet/1", "loops": [asdict(row) for row in page]}
    return Result(document, "\n".join(row.words for row in page))
