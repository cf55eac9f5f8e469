"""The end of a loop's trail, noted outside its database: in the log of reports, and as it stands in a report.

    elsewhere = LoopLog(Log(folder), case.name)     # for run_watch(..., elsewhere=elsewhere)
    elsewhere.note(first, head, time)               # at most once an hour, and at the end of a run
    noted_in(path, first)                           # seq -> hash, of a report or a head.json that was kept

The log signs a checkpoint over every entry (reports/log): a copy of `checkpoint` that is kept on another machine shows
a trail that was written anew together with the log. A loop is named by the hash of its first entry.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from audit.documents import Documents, record_in
from audit.documents.log import LoopEntry, logged, logged_as
from audit.documents.watch import TrailHead
from audit.errors import DataError
from debias.loop.anchor import noted_end
from reports.log.store import Entry, Log

EVERY = 3600.0
"""Seconds between two entries while a loop runs."""


class LoopLog:
    """The entries of one loop in a log of reports. Raises what the log raises where it cannot be read or written."""

    def __init__(
        self, log: Log, case: str, *, every: float = EVERY, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._log, self._case, self._every, self._clock = log, case, every, clock
        self._due = clock() + every
        self._last: str | None = None

    def note(self, first: str, head: Mapping[str, Any], when: str, *, now: bool = False) -> None:
        """Enter where the trail ends, where an hour has gone by or `now`. first: hash of the trail's first entry."""
        end = record_in(TrailHead, dict(head), "the trail")
        if end.hash == self._last or (not now and self._clock() < self._due):
            return
        entry = LoopEntry(self._case, first, end.seq, end.hash, end.seal, when)
        self._log.append(lambda view: [] if _is_last(view.entries, entry) else [msgspec.to_builtins(entry)])
        self._due, self._last = self._clock() + self._every, end.hash

    def noted(self, first: str) -> dict[int, str]:
        """seq -> hash of this loop's entries since the trail last went back (which the trail says itself)."""
        out: dict[int, str] = {}
        for entry in logged_as(LoopEntry, self._log.view().entries):
            if entry.loop == first:
                out = {k: v for k, v in out.items() if k < entry.seq} | {entry.seq: entry.hash}
        return out


def _is_last(entries: Sequence[Entry], entry: LoopEntry) -> bool:
    last = logged(entries[-1:])
    return any(isinstance(e, LoopEntry) and (e.loop, e.hash) == (entry.loop, entry.hash) for e in last)


def noted_in(path: Path) -> dict[int, str]:
    """seq -> hash, as a report.pdf or a copy of head.json says. Raises InputError where it says neither."""
    try:
        with path.open("rb") as file:
            is_pdf = file.read(5) == b"%PDF-"
    except OSError:
        is_pdf = False
    if not is_pdf:
        end = noted_end(path)
        if end is None:
            raise DataError(f"{path.name} cannot be read", got="no file", todo="give a report or a copy of head.json")
        noted = record_in(TrailHead, dict(end), path.name)
        return {noted.seq: noted.hash}
    from reports.log.record import read_report

    _, _, files = read_report(path.read_bytes())
    series = Documents.of(files).series
    if series is None or not series.trail.links:
        raise DataError(
            f"{path.name} says nothing of a trail", got="a report without a watched loop, or without its trail",
            expected="a report of this loop", todo="give another report, or a copy of head.json",
        )  # fmt: skip
    return {e.seq: e.hash for e in series.trail.links}
