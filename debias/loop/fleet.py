"""Many loops in one process, and one page about all of them.

    [loops.loans]                   # FLEET.toml
    case = "loans/case.toml"
    out = "loans/out"
    db = "postgresql://..."         # optional

Each loop has its own trail, models and lock, as if it ran alone; they take a batch each in turn. One that cannot go on
is said to be so, with the reason, and keeps none of the others; it is tried again with --follow.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from audit import progress
from audit.case import Case
from audit.documents.watch import Watch
from audit.errors import CaseError, InputError, OutputError
from audit.files import read_json
from audit.load import load_case
from audit.load.toml import Reader, parse, resolve_path
from audit.numbers import many
from audit.sentences import STOPPED
from debias.loop.approver import Open
from debias.loop.database import TrailLost
from debias.loop.health import Health, merged, serving
from debias.loop.ingest import reason
from debias.loop.modes import URGENT
from debias.loop.run import POLL_SECONDS, refuse_endpoint, url_of
from debias.loop.snapshot import FILE
from debias.loop.trail import Trail
from debias.loop.watcher import Watcher


@dataclass(frozen=True, slots=True)
class Loop:
    """One loop of a fleet: its name, case file, folder, and the URL of its trail's database where it has one."""

    name: str
    case: Path
    out: Path
    db: str | None = None


def load_fleet(path: Path) -> tuple[Loop, ...]:
    """The loops of a file. Raises CaseError."""
    file = Path(path).resolve()
    document, _ = parse(file, CaseError, "fleet")
    top = Reader(document, "the fleet file", CaseError)
    top.allow("loops")
    loops = Reader(top.section("loops", required=True), "[loops]", CaseError)
    out = []
    for name in loops.table:
        one = Reader(loops.section(name), f"[loops.{name}]", CaseError)
        one.allow("case", "out", "db")
        place = resolve_path(file.parent, str(one.text("out", required=True)))
        out.append(Loop(name, resolve_path(file.parent, str(one.text("case", required=True))), place, one.text("db")))
    places = [loop.out for loop in out]
    if len(set(places)) < len(places):
        twice = next(p for p in places if places.count(p) > 1)
        raise CaseError(
            "two loops write into one folder", got=twice.name, expected="a folder for each", todo="give another `out`"
        )
    if not out:
        raise CaseError("the fleet has no loops", expected="a table [loops.NAME] for each", todo="add one")
    return tuple(out)


@dataclass(frozen=True, slots=True)
class Row:
    """One loop's line of the page: state, running model, batches, when the last was taken, the model that waits for a
    person, open changes, groups that are not judged; problem: why it does not run. None is what is not known.
    """

    loop: str
    case: str | None = None
    state: str | None = None
    running: str | None = None
    batches: int | None = None
    last_batch: str | None = None
    approval: str | None = None
    changes: int | None = None
    undecided: int | None = None
    problem: str | None = None

    @property
    def words(self) -> str:
        """The line as text."""
        if self.batches is None:
            return f"{self.loop}: {self.problem}"
        line = f"{self.loop}: {self.state}, {many(self.batches, 'batch')}, the last {self.last_batch or 'never'}"
        line += f"; model {str(self.running)[:12]}"
        line += f"; WAITS for a person: {self.approval[:12]}" if self.approval else ""
        line += f"; {many(self.changes, 'open change')}" if self.changes else ""
        line += f"; {many(self.undecided, 'group')} undecided" if self.undecided else ""
        return line + (f"; {self.problem}" if self.problem else "")


def row_of(name: str, document: Mapping[str, Any] | None, problem: str | None = None) -> Row:
    """A loop's line, from its watch.json."""
    if document is None:
        return Row(name, problem=problem or "it has not begun")
    try:
        watch = msgspec.convert(document, Watch)
    except msgspec.ValidationError as error:
        return Row(name, problem=f"{FILE} is not what a loop writes ({error})")
    times = [p.time for p in watch.timeline if p.time]
    return Row(
        name,
        watch.case.name,
        watch.state,
        watch.running,
        watch.batches,
        times[-1] if times else None,
        None if watch.pending is None else watch.pending.model,
        len(watch.changes or ()),
        sum(g.status == "undecided" for g in watch.groups),
        problem,
    )


def page_of(loops: Sequence[Loop], problems: Mapping[str, str] | None = None) -> list[Row]:
    """The page about all loops, from what each has written; what waits for a person comes first."""
    rows = []
    for loop in loops:
        document, problem = None, (problems or {}).get(loop.name)
        if (loop.out / FILE).exists():
            try:
                document = read_json(loop.out / FILE)
            except InputError as error:
                problem = problem or error.message
        rows.append(row_of(loop.name, document, problem))
    return ordered(rows)


def ordered(rows: Sequence[Row]) -> list[Row]:
    """First those that wait for a person, then those that have a problem, then the others by name."""

    def place(row: Row) -> tuple[bool, bool, int, str]:
        at = URGENT.index(row.state) if row.state in URGENT else len(URGENT)
        return row.approval is None and row.state != "FROZEN", row.problem is None, at, row.loop

    return sorted(rows, key=place)


class _Member:
    """A loop that runs, or why it does not."""

    def __init__(self, loop: Loop, allow: Sequence[str], opened: Open | None) -> None:
        self.loop, self._allow, self._opened = loop, allow, opened
        self._stack = ExitStack()
        self.watcher: Watcher | None = None
        self.problem: str | None = None
        self.health = Health(None)
        self.health.trouble("it has not begun")

    def open(self) -> None:
        """Begin, or go on. What stands in the way is kept as the problem."""
        stack = ExitStack()
        try:
            case = _case_of(self.loop)
            trail = stack.enter_context(Trail.open(url_of(self.loop.out, self.loop.db)))
            self.watcher = stack.enter_context(Watcher(case, self.loop.out, trail, self._allow, self._opened))
        except Exception as error:  # one loop must never stop the others
            stack.close()
            self._fails(error)
            return
        self._stack, self.health = stack, self.watcher.health
        self.health.trouble(self.problem)  # over when it has gone on
        self.watcher.show()

    def advance(self) -> bool:
        """One batch of this loop; False where none is there."""
        if self.watcher is None:
            return False
        try:
            advanced = self.watcher.advance()
            if self.problem is not None:
                self.problem = None
                self.health.trouble(None)
            return advanced
        except (OutputError, TrailLost) as error:
            self.watcher.trouble(error)
            self.problem = error.message
        except Exception as error:
            with suppress(Exception):
                self.close()
            self._fails(error)
        return False

    def _fails(self, error: Exception) -> None:
        message = reason(error)
        if self.problem != message:
            progress.say(f"assay watch: {self.loop.name}: {message}")
        self.problem, self.watcher = message, None
        self.health.trouble(message)

    def close(self) -> None:
        if self.watcher is not None:
            self.watcher.show()
        self._stack.close()
        self.watcher = None


class FleetHealth:
    """/healthz and /metrics of all loops: healthy where every one is; each metric with the loop's name."""

    def __init__(self, members: Sequence[_Member]) -> None:
        self._members = members

    def healthz(self) -> tuple[int, dict[str, Any]]:
        each = {m.loop.name: m.health.healthz() for m in self._members}
        good = all(status == 200 for status, _ in each.values())
        return (200 if good else 503), {"ok": good, "loops": {name: body for name, (_, body) in each.items()}}

    def metrics(self) -> str:
        return merged({m.loop.name: m.health.metrics() for m in self._members})


def _case_of(loop: Loop) -> Case:
    """The case of a loop. Raises InputError where it cannot be loaded, or cannot be one of several."""
    case = load_case(loop.case)
    if case.watch.source == Path("-"):
        raise CaseError(
            f"the loop {loop.name!r} reads standard input", expected="a source of its own for each loop",
            todo="let files come into a folder, or run it by itself with `assay watch`",
        )  # fmt: skip
    refuse_endpoint(case)
    return case


def run_fleet(
    loops: Sequence[Loop],
    *,
    follow: bool = False,
    allow: Sequence[str] = (),
    opened: Open | None = None,
    serve: tuple[str, int] | None = None,
) -> list[Row]:
    """Take every batch of every loop that is there, or with `follow` wait for more; the page.

    What keeps one loop, its case file too, stands in its line of the page, and keeps none of the others.
    """
    members = [_Member(loop, allow, opened) for loop in loops]
    tried = 0.0
    with ExitStack() as stack:
        stack.enter_context(serving(FleetHealth(members), serve))
        for member in members:
            stack.callback(member.close)
            member.open()
        try:
            while True:
                taken = [member.advance() for member in members]
                if any(taken):
                    continue
                if not follow:
                    break
                if time.monotonic() - tried > 30 * POLL_SECONDS:
                    tried = time.monotonic()
                    for member in members:
                        if member.watcher is None:
                            member.open()
                time.sleep(POLL_SECONDS)
        except KeyboardInterrupt:
            progress.say(STOPPED)
    return page_of(loops, {m.loop.name: m.problem for m in members if m.problem})
