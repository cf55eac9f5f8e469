"""Progress of long work: a line on stderr, and a small JSON file for whoever watches (named by ASSAY_PROGRESS).

The file is replaced atomically, so that a reader never sees half of it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from audit.printable import printable

_QUIET_SECONDS = 1.0


class Progress:
    """Reports stages and steps. Work under a second stays silent on stderr."""

    def __init__(self) -> None:
        path = os.environ.get("ASSAY_PROGRESS")
        self._file = Path(path) if path else None
        self._start = time.monotonic()
        self._last = 0.0
        self._stage = ""

    def stage(self, name: str) -> None:
        """A new stage of the work begins."""
        self._stage = name
        self._write(0, 0)
        if not _quiet and time.monotonic() - self._start > _QUIET_SECONDS:
            print(printable(f"{name} ..."), file=sys.stderr, flush=True)

    def step(self, done: int, total: int) -> None:
        """`done` of `total` parts of the stage are finished. Cheap: written at most ten times a second."""
        now = time.monotonic()
        if now - self._last < 0.1 and done < total:
            return
        self._last = now
        self._write(done, total)

    def _write(self, done: int, total: int) -> None:
        if self._file is None:
            return
        temporary = self._file.with_suffix(".part")
        try:
            temporary.write_text(json.dumps({"stage": self._stage, "done": done, "total": total}))
            os.replace(temporary, self._file)
        except OSError:
            # A progress bar is never a reason to lose the work it reports on.
            self._file = None


_current: Progress | None = None
_quiet = False


def _progress() -> Progress:
    global _current
    if _current is None:
        _current = Progress()
    return _current


def begin() -> None:
    """A new piece of work starts now: its first second is silent."""
    global _current
    _current = Progress()


def stage(name: str) -> None:
    """See Progress.stage."""
    _progress().stage(name)


def step(done: int, total: int) -> None:
    """See Progress.step."""
    _progress().step(done, total)


def say(words: str) -> None:
    """A sentence that a person should read before the work goes on: on stderr, at once."""
    print(printable(words), file=sys.stderr, flush=True)


def hush() -> None:
    """This process works beside another, whose stages are the ones that are told."""
    global _quiet
    _quiet = True
    os.environ.pop("ASSAY_PROGRESS", None)
