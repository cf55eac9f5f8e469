"""A search in the log: what was asked of it, entered before its first candidate, so that it is seen what came first.

An entry shows when the log came to know of the search, and what it knew before. It cannot show what somebody tried
elsewhere.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from audit.documents import record_in
from audit.documents.base import CaseNamed, Record
from audit.documents.search import AskedFor
from audit.errors import InputError
from reports.log.entries import PROTOCOL, SEARCH
from reports.log.store import Entry, Log, LogView

LONGEST = 500


class Begun(Record, frozen=True):
    """Of what is asked of a search: of which case, and what for."""

    case: CaseNamed
    asked: AskedFor


def entered_in(folder: Path) -> Callable[[dict[str, Any], int], None]:
    """What `debias.pareto.run_search` calls before its first candidate: the search is entered in this log, once."""

    def begin(asked: Mapping[str, Any], tried: int) -> None:
        from debias.pareto import digest_of

        known = record_in(Begun, asked, "search.json")
        need = known.asked.need
        if not need.isprintable() or len(need) > LONGEST:
            raise InputError(
                "the need cannot be printed", got=repr(need[:60]), expected=f"a line of at most {LONGEST} characters"
            )
        enter_search(Log(folder), known.case.name, digest_of(asked), tried)

    return begin


def enter_search(log: Log, case: str, digest: str, tried: int, now: dt.datetime | None = None) -> None:
    """Enter it, unless the log knows it. tried: how many candidates there were already."""
    logged = (now or dt.datetime.now(dt.UTC)).astimezone(dt.UTC).isoformat(timespec="seconds")

    def make(view: LogView) -> Sequence[Entry]:
        if any((e.get("type"), e.get("sha256")) == (SEARCH, digest) for e in view.entries):
            return []
        return [{"type": SEARCH, "case": case, "sha256": digest, "tried": tried, "logged": logged}]

    log.append(make)


def begun(entries: Sequence[Entry], digest: str, protocol: str | None) -> dict[str, Any] | None:
    """What a report says of this search by the log; None where the log does not know it. protocol: the SHA-256 of what
    was fixed beforehand, whose entry has to come before the search's."""
    at = next((i for i, e in enumerate(entries) if (e.get("type"), e.get("sha256")) == (SEARCH, digest)), None)
    if at is None:
        return None
    before = entries[:at]
    fixed = protocol is not None and any((e.get("type"), e.get("sha256")) == (PROTOCOL, protocol) for e in before)
    search = {key: entries[at].get(key) for key in ("sha256", "logged", "tried")}
    return {**search, "after_protocol": fixed}
