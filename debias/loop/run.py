"""`assay watch`: take the batches that are there, or wait for more.

OUT/watch.db        the trail, the state, the counts of every batch (or a database by URL)
OUT/models/         models by their content; OUT/running.json points at the one that runs
OUT/watch.json      what the screen and the report show
OUT/decisions/      a person's word that waits for the watcher that holds the trail
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from audit import progress
from audit.case import Case
from audit.errors import CaseError, OutputError
from audit.sentences import STOPPED
from debias.loop.anchor import Elsewhere
from debias.loop.approver import Open
from debias.loop.database import TrailLost
from debias.loop.health import serving
from debias.loop.lineage import Lineage
from debias.loop.trail import Trail
from debias.loop.watcher import Watcher

POLL_SECONDS = 1.0


def run_watch(
    case: Case,
    out: Path,
    *,
    trail_url: str | None = None,
    follow: bool = False,
    max_batches: int | None = None,
    allow: Sequence[str] = (),
    opened: Open | None = None,
    elsewhere: Elsewhere | None = None,
    serve: tuple[str, int] | None = None,
    lineage: Path | None = None,
) -> dict[str, Any]:
    """Take every batch that is there (at most `max_batches`), or with `follow` wait for more; the summary.

    opened: how a decision that was signed is opened (approver.py); without it none that is signed is taken.
    elsewhere: where the end of the trail is noted beside its database (anchor.py). serve: host and port at which
    /healthz and /metrics are answered (health.py). lineage: a file of OpenLineage events (lineage.py).

    Standard input ends, and with it the run, whether it follows or not.

    Raises InputError and its children where it cannot begin or cannot write; what was kept stays, and the next run goes
    on from there. What is wrong with one batch raises nothing: it is an incident in the trail.
    """
    refuse_endpoint(case)
    with (
        _opened(url_of(out, trail_url), follow=follow) as trail,
        Watcher(
            case, out, trail, allow, opened, elsewhere, None if lineage is None else Lineage(lineage, case.name)
        ) as watcher,
        serving(watcher.health, serve),
    ):
        taken = 0
        if serve is not None:
            watcher.show()
        try:
            while max_batches is None or taken < max_batches:
                try:
                    if watcher.advance():
                        taken += 1
                        continue
                except (OutputError, TrailLost) as error:
                    if not follow:
                        raise
                    watcher.trouble(error)
                if follow and not watcher.ended():
                    time.sleep(POLL_SECONDS)
                elif not watcher.more():
                    break
        except KeyboardInterrupt:
            progress.say(STOPPED)
        watcher.show()
        return watcher.summary(taken)


def refuse_endpoint(case: Case) -> None:
    """A served model is not asked again by the loop. Raises CaseError."""
    if case.model.kind == "endpoint":
        raise CaseError(
            "the loop does not ask an endpoint",
            got=f"endpoint = {case.model.endpoint.url if case.model.endpoint else ''}",
            expected="decisions or scores that were given where people were decided about, as a column of each batch",
            todo="write them into the batches and name the column: [model] decision = ..., or score = ...",
        )


def _opened(url: str, *, follow: bool) -> Trail:
    """The trail. With `follow` a database server that is away is waited for, as it is in the run."""
    warned = False
    while True:
        try:
            return Trail.open(url)
        except (OutputError, TrailLost) as error:
            if not follow or url.startswith("sqlite") or error.problem.startswith("another watcher"):
                raise
            if not warned:
                progress.say(f"assay watch: {error.message} It is tried again.")
            warned = True
            time.sleep(POLL_SECONDS)


def url_of(out: Path, trail_url: str | None) -> str:
    """Where the trail is: a database by URL, or OUT/watch.db."""
    file = str((out / "watch.db").resolve())
    # A question mark or a per cent sign in a folder's name means something else in a URL.
    return trail_url or sa.URL.create("sqlite", database=file).render_as_string()
