"""Who did what: a log of acts, in the form of the log of reports (chain, signed checkpoint), in a folder of its own.

Apart from the log of reports, because that one is handed to everybody who checks a report. One entry an act: when, who,
with which role, what, on which case, whether it was allowed. No rows, no values, no names of files.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from pathlib import Path

from audit.access import Act
from reports.log.store import Entry, Log

ACT = "act"
AGAIN_SECONDS = 600.0
"""The same act of the same person on the same case is entered once in so long: a screen asks again at every run."""


class Acts:
    """Enters acts into the log in this folder; for `audit.access.install`."""

    def __init__(self, folder: Path) -> None:
        self.log = Log(folder)
        self._seen: dict[Act, float] = {}
        self._lock = threading.Lock()

    def __call__(self, act: Act) -> None:
        """Enter it. Raises OutputError, DataError or InputError where that cannot be done: then the act is not done."""
        with self._lock:
            now = time.monotonic()
            self._seen = {a: t for a, t in self._seen.items() if now - t < AGAIN_SECONDS}
            if act in self._seen:
                return
            when = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
            self.log.append(lambda view: [entry(act, when)])
            self._seen[act] = now


def entry(act: Act, when: str) -> Entry:
    """The line of the log."""
    return {
        "type": ACT, "logged": when, "person": act.person, "name": act.name, "roles": list(act.roles), "act": act.act,
        "case": act.case, "allowed": act.allowed,
    }  # fmt: skip
