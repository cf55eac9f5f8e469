"""Progress of long work: lines on stderr, and a small JSON file for whoever watches (named by ASSAY_PROGRESS).

    begin("audit")                 # the command's stages are known: PLANS
    stage("Asking the model")      # Asking the model (3 of 6) ...
    step(40, 58)                   # Asking the model (3 of 6), 40 of 58, about 12 s left ...
    end()

Work under a second is silent. What goes on for longer is told within a second of its beginning, and again after 10 s,
20 s, 40 s ..., where something can be said of what is left: steps, seconds, stages. The file is replaced atomically, so
that a reader never sees half of it.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path

from audit.numbers import grouped
from audit.printable import printable

SILENT_SECONDS = 0.7
AGAIN_SECONDS = 10.0
_EXPLAIN = (
    "Asking the model about everyone", "Attributing what the model does", "Explaining single people",
    "Fitting local surrogates", "Looking for signs of hiding", "Looking for recourse", "Looking for interactions",
)  # fmt: skip
_AUDIT = (
    "Reading the data", "Looking for features that give the label away", "Asking the model", "Counting",
    "Examining the data", "Measuring",
)  # fmt: skip
_VERIFY = ("Checking the report", "Making the pages again")
PLANS: Mapping[str, tuple[str, ...]] = {
    "audit": _AUDIT,
    "explain": ("Reading the data", *_EXPLAIN),
    "mitigate": ("Reading the data", "Asking the original model", "Fitting", "Comparing on untouched rows"),
    "stress": (
        "Reading the data", "Asking the model", "Asking the model about corrupted columns",
        "Searching for the worst corruption", "Asking about the worst on the other half",
        "Asking who would have noticed", "Fitting the model again on clean data", "Ranking what would hurt most",
        "Confirming by fits on corrupted data",
    ),
    "whatif": (
        "Reading the data", "Asking the original model", "Preparing what the variants share", "Fitting the variants",
        "Measuring every variant on the same people",
    ),
    "report": ("Printing the report", "Signing the report"),
    "mitigate --search": ("Reading the data", "Asking the original model", "Searching"),
    "precompute": ("Reading the data", "Asking the model about everyone", "Explaining everyone"),
    "convert": ("Reading the rows", "Writing the new file", "Comparing both files"),
    "verify": _VERIFY,
    "demo": ("Reading the data", *_EXPLAIN, "Printing the report", "Signing the report", *_VERIFY),  # audit: beside
}  # fmt: skip
"""Command, or command and option -> its stages, in their order. A stage that a case has no need of is passed over; one
that is not here (the batches of a loop, which are counted) is told without a number. "Fitting: reweighing" is the stage
"Fitting"."""


class Progress:
    """The stages and steps of one piece of work.

    plan : the stages that are known to come. watched : a thread tells of what goes on for long, until `end`.
    """

    def __init__(self, plan: tuple[str, ...] = (), *, watched: bool = False) -> None:
        path = os.environ.get("ASSAY_PROGRESS")
        self._file = Path(path) if path else None
        self._plan = plan
        self._start = self._since = time.monotonic()
        self._last = 0.0
        self._next = self._start + AGAIN_SECONDS
        self._stage, self._place, self._reached = "Working", 0, 0
        self._before = self._done = self._total = 0
        self._told = ""
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._watcher: threading.Thread | None = None
        if watched:
            self._watcher = threading.Thread(target=self._watch, name="tells-progress", daemon=True)
            self._watcher.start()

    def stage(self, name: str, before: int = 0) -> None:
        """A new stage of the work begins. before: how many of its parts were done by an earlier run."""
        with self._lock:
            self._stage, self._since, self._done, self._total, self._told = name, time.monotonic(), 0, 0, ""
            self._before = before
            self._next = self._since + AGAIN_SECONDS
            known = name.partition(":")[0]
            # A stage of an earlier part that comes again ("Reading the data") has no number: numbers only grow.
            self._place = self._plan.index(known, self._reached) + 1 if known in self._plan[self._reached :] else 0
            self._reached = max(self._reached, self._place - 1)
            self._write()
            if time.monotonic() - self._start > SILENT_SECONDS:
                self._tell()

    def step(self, done: int, total: int) -> None:
        """`done` of `total` parts of the stage are finished. Cheap: written at most ten times a second."""
        now = time.monotonic()
        if now - self._last < 0.1 and done < total:
            return
        with self._lock:
            self._last, self._done, self._total = now, done, total
            self._write()

    def part(self, name: str, done: int, total: int) -> None:
        """As `step` in the stage of this name, which begins with the first part that is told."""
        if self._stage != name:
            self.stage(name, done)
        self.step(done, total)

    def end(self) -> None:
        """Nothing more is told."""
        self._over.set()
        if self._watcher is not None:
            self._watcher.join()

    def left(self) -> tuple[int, int, int | None]:
        """Which stage of how many (0 of 0 where no plan has it), and the seconds that its steps will still take."""
        seconds = None
        if self._before < self._done <= self._total:
            each = (time.monotonic() - self._since) / (self._done - self._before)
            seconds = round(each * (self._total - self._done))
        return self._place, len(self._plan) if self._place else 0, seconds

    def _watch(self) -> None:
        while not self._over.wait(0.2):
            now = time.monotonic()
            with self._lock:
                late = self._told != self._stage and now - self._start > SILENT_SECONDS
                again = now >= self._next and (self._total or self._place)
                if late or again:
                    self._tell()

    def _tell(self) -> None:
        place, of, seconds = self.left()
        words = self._stage + (f" ({place} of {of})" if of else "")
        if self._total:
            words += f", {self._done:,} of {self._total:,}"
        if seconds is not None and self._done < self._total:
            words += f", about {seconds:,} s left"
        elif self._told == self._stage:
            words += f", {grouped(time.monotonic() - self._since)} s so far"
        self._told = self._stage
        while self._next <= time.monotonic():
            self._next = self._since + 2 * (self._next - self._since)
        say(f"{words} ...")

    def _write(self) -> None:
        if self._file is None:
            return
        temporary = self._file.with_suffix(".part")
        place, of, seconds = self.left()
        status = {
            "stage": self._stage,
            "done": self._done,
            "total": self._total,
            "at": place,
            "of": of,
            "left": seconds,
        }
        try:
            temporary.write_text(json.dumps(status))
            os.replace(temporary, self._file)
        except OSError:
            # A progress bar is never a reason to lose the work it reports on.
            self._file = None


_current: Progress | None = None
_quiet: ContextVar[bool] = ContextVar("quiet", default=False)


def _progress() -> Progress:
    global _current
    if _current is None:
        _current = Progress()
    return _current


def begin(command: str = "", *options: str) -> None:
    """A new piece of work starts now, told of until `end`: its first second is silent."""
    global _current
    end()
    named = (f"{command} {o}" for o in options)
    _current = Progress(PLANS.get(next((n for n in named if n in PLANS), command), ()), watched=True)


def end() -> None:
    """The work is over."""
    if _current is not None:
        _current.end()


def stage(name: str, before: int = 0) -> None:
    """See Progress.stage."""
    if not _quiet.get():
        _progress().stage(name, before)


def step(done: int, total: int) -> None:
    """See Progress.step."""
    if not _quiet.get():
        _progress().step(done, total)


def part(name: str, done: int, total: int) -> None:
    """See Progress.part."""
    if not _quiet.get():
        _progress().part(name, done, total)


def say(words: str) -> None:
    """A sentence that a person should read before the work goes on: on stderr, at once.
    Where that cannot be written, the work goes on."""
    with suppress(OSError):
        print(printable(words), file=sys.stderr, flush=True)


def hush() -> None:
    """This thread, or process, works beside another, whose stages are the ones that are told."""
    _quiet.set(True)


def in_words(status: Mapping[str, object]) -> str:
    """What is left, from the file that a job writes: which stage of how many, steps, seconds."""
    known = [status.get(key) for key in ("done", "total", "at", "of", "left")]
    done, total, at, of, seconds = (n if isinstance(n, int) and n >= 0 else 0 for n in known)
    parts = [f"stage {at} of {of}"] if of else []
    parts += [f"{done:,} of {total:,}"] if total else []
    parts += [f"about {seconds:,} s left"] if seconds else []
    return "; ".join(parts)
