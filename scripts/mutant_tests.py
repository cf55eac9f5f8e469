"""Tests against mutants: collected once in a process that has everything loaded, which is forked for each mutant.

In the fork the code of the changed function is put in place of what it was, and the tests that run its line follow.
What takes effect while a module is loaded (a constant, a default, a function that is called then) is met by a process
that loads everything afresh. Processes that tests start read the changed file, which stands in the copy meanwhile.
"""

from __future__ import annotations

import functools
import gc
import json
import os
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

SAID, FOUND, MET, SHARED = "said.txt", "reached.json", "met.txt", "shared-by-tests"
COMMON = ("-q", "-x", "-p", "no:xdist", "-p", "no:cacheprovider", "--no-header")
DIED, LIVED, OURS = 1, 0, 99
FOREVER = 10.0**6


@dataclass(frozen=True, slots=True)
class Change:
    """One mutant as the tests meet it. text: the whole file with the change; lines: those of its statement."""

    words: str
    file: str
    function: str
    lines: range
    text: str
    at_import: bool
    is_kept: bool


@dataclass(frozen=True, slots=True)
class Known:
    """What the tests do as things are. runs: test -> "file:line" of the room; at_import, shared: functions and lines
    that are run while modules are loaded, and in the making of what several tests share."""

    seconds: Mapping[str, float]
    runs: Mapping[str, frozenset[str]]
    at_import: frozenset[str]
    shared: frozenset[str]

    def order(self, change: Change, most: float) -> list[str]:
        """The tests that a change meets, the fastest that take `most` seconds together: eight, then file by file."""
        lines = {f"{change.file}:{n}" for n in change.lines}
        everywhere = change.is_kept or self.is_loaded(change)
        tests = [t for t in self.runs if everywhere or lines & self.runs[t]]
        tests.sort(key=self.seconds.__getitem__)
        so_far = accumulate(self.seconds[t] for t in tests)
        tests = [t for t, taken in zip(tests, so_far, strict=True) if taken <= most]
        if everywhere:  # those that reach the file before those that do not
            tests.sort(key=lambda t: not any(line.startswith(change.file + ":") for line in self.runs[t]))
        total: dict[str, float] = {}
        for t in tests[8:]:
            total[_file(t)] = total.get(_file(t), 0.0) + self.seconds[t]
        collected = {t: i for i, t in enumerate(self.runs)}
        rest = tests[8:] if everywhere else sorted(tests[8:], key=lambda t: (total[_file(t)], _file(t), collected[t]))
        return tests[:8] + rest

    def is_loaded(self, change: Change) -> bool:
        """Whether the change takes effect while modules are loaded."""
        return change.at_import or f"{change.file} {change.function}" in self.at_import


def _file(test: str) -> str:
    return test.partition("::")[0]


# --- which lines each test runs ---


class Reached:
    """A pytest plugin: which lines of the room each test runs, in its fixtures too, and how long it takes."""

    def __init__(self, copy: Path, files: Sequence[str]) -> None:
        self.files = {str(copy / f): f for f in files}
        self.shared_file = str(copy / "tests" / "shared.py")
        self.open: list[set[str]] = []
        self.fixtures: dict[tuple[str, str], set[str]] = {}
        self.found: dict[str, set[str]] = {}
        self.seconds: dict[str, float] = {}
        self.shared: set[str] = set()

    def called(self, frame: Any, event: str, argument: object) -> Any:
        code = frame.f_code
        if code.co_filename == self.shared_file and code.co_name == "once":
            self.open.append(self.shared)
            return self._sharing
        if (file := self.files.get(code.co_filename)) is None:
            return None
        name = f"{file} {code.co_qualname.partition('.<locals>')[0]}"
        for each in self.open:
            each.add(name)

        def line(frame: Any, event: str, argument: object) -> Any:
            if event == "line":
                for each in self.open:
                    each.add(f"{file}:{frame.f_lineno}")
            return line

        return line

    def _sharing(self, frame: Any, event: str, argument: object) -> Any:
        if event == "return":
            self.open.remove(self.shared)
        return self._sharing

    @contextmanager
    def noting(self, into: set[str]) -> Iterator[None]:
        self.open.append(into)
        sys.settrace(self.called)
        threading.settrace(self.called)
        try:
            yield
        finally:
            self.open.pop()
            if not self.open:
                sys.settrace(None)
                threading.settrace(None)  # type: ignore[arg-type]

    def pytest_fixture_setup(self, fixturedef: Any, request: Any) -> Iterator[None]:
        with self.noting(self.fixtures.setdefault((fixturedef.baseid, fixturedef.argname), set())):
            yield

    def pytest_runtest_protocol(self, item: Any, nextitem: Any) -> Iterator[None]:
        started = time.monotonic()
        mine = self.found.setdefault(item.nodeid, set())
        with self.noting(mine):
            yield
        self.seconds[item.nodeid] = time.monotonic() - started
        for (base, name), calls in self.fixtures.items():
            if name in item.fixturenames and item.nodeid.startswith(base):
                mine |= calls

    def write(self, at_import: set[str], out: Path) -> None:
        runs = {t: sorted(self.found[t]) for t in self.seconds}
        written = [self.seconds, runs, sorted(at_import), sorted(self.shared)]
        out.write_text(json.dumps(written), encoding="utf-8")


def _known(written: Path) -> Known:
    seconds, runs, at_import, shared = json.loads(written.read_text(encoding="utf-8"))
    return Known(seconds, {t: frozenset(r) for t, r in runs.items()}, frozenset(at_import), frozenset(shared))


# --- children ---


def preload() -> None:
    """What takes long to load and is no part of the tree: a child has it at once."""
    import statsmodels.stats.multitest  # noqa: F401


def in_a_child(copy: Path, work: Callable[[], int], seconds: float, keep_output: bool = True) -> int | None:
    """What `work()` returns in a forked process whose folder is the copy; None where it takes too long."""
    child = os.fork()
    if child == 0:
        code = OURS
        try:
            os.setpgid(0, 0)
            os.chdir(copy)
            here = Path(__file__).resolve().parent
            sys.path[:] = [
                str(copy),
                *[p for p in sys.path if Path(p or ".").resolve() not in (here, here.parent, copy)],
            ]
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            if keep_output:
                out = os.open(copy / SAID, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
                os.dup2(out, 1)
                os.dup2(out, 2)
            code = int(work())
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    try:
        os.killpg(child, signal.SIGKILL)
    except ProcessLookupError:
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def pytest_run(arguments: Sequence[str], plugins: Sequence[object] = ()) -> int:
    import pytest

    warned = ("-W", "ignore::pytest.PytestAssertRewriteWarning")
    return int(pytest.main([*COMMON, *warned, *arguments], plugins=list(plugins)))


@contextmanager
def changed(copy: Path, change: Change) -> Iterator[None]:
    """The file in the copy with the change in it, dated so that no compiled one is taken for it."""
    place = copy / change.file
    kept, dated = place.read_bytes(), place.stat()
    place.write_text(change.text, encoding="utf-8")
    os.utime(place, ns=(dated.st_atime_ns, dated.st_mtime_ns + 10**10))
    try:
        yield
    finally:
        place.write_bytes(kept)
        os.utime(place, ns=(dated.st_atime_ns, dated.st_mtime_ns))


# --- the process that has everything loaded ---


class Warm:
    """A pytest plugin in place of the loop over tests: forks for the tests as they are, then for each change."""

    def __init__(
        self, copy: Path, files: Sequence[str], changes: Sequence[Change], seconds: float, kept: Path | None
    ) -> None:
        self.copy, self.files, self.changes, self.seconds, self.kept = copy, files, changes, seconds, kept
        self.loaded = Reached(copy, files)
        self.at_import: set[str] = set()
        self.terminal = os.dup(1)

    def pytest_runtestloop(self, session: Any) -> bool:
        sys.settrace(None)
        started = time.monotonic()
        out = self.copy / FOUND
        if self.kept is not None and self.kept.exists():
            self._again(session, out)
        else:
            self._first(session, out)
        known = _known(out)
        self.say(f"{len(known.runs)} tests, {time.monotonic() - started:.0f} s")
        for change in self.changes:
            if known.is_loaded(change):
                continue
            tests = known.order(change, self.seconds)
            with changed(self.copy, change):
                work = partial(self._with, session, change, tests, known)
                code = in_a_child(self.copy, work, FOREVER, keep_output=False)
            if code == OURS:
                self.say(f"could not be tried, and counts as one that lives: {change.words}")
            self.tell(change, code in (LIVED, OURS), len(tests))
        return True

    def _again(self, session: Any, out: Path) -> None:
        """What an earlier run found of these tests; only what is run while modules are loaded is looked at again."""
        assert self.kept is not None
        seconds, runs, _, shared = json.loads(self.kept.read_text(encoding="utf-8"))
        here = {item.nodeid for item in session.items}
        runs = {t: r for t, r in runs.items() if t in here}
        out.write_text(json.dumps([seconds, runs, sorted(self.at_import), shared]), encoding="utf-8")

    def _first(self, session: Any, out: Path) -> None:
        base = partial(self._as_they_are, session, out)
        if (code := in_a_child(self.copy, base, FOREVER, keep_output=False)) != 0:
            session.shouldfail = f"the tests do not pass as they are, or take too long (code {code})"
            raise session.Failed(session.shouldfail)
        shared = session.config._tmp_path_factory._given_basetemp / "shared"
        if shared.exists():
            shared.rename(self.copy / SHARED)
        if self.kept is not None:
            shutil.copyfile(out, self.kept)

    def tell(self, change: Change, lived: bool, tests: int) -> None:
        with (self.copy / MET).open("a", encoding="utf-8") as answers:
            answers.write(f"{lived:d}\n")
        if lived:
            self.say(f"survived ({tests} tests)  {change.words}")

    def say(self, words: str) -> None:
        os.write(self.terminal, f"{words}\n".encode())

    def _as_they_are(self, session: Any, out: Path) -> int:
        import pytest

        for name in ("pytest_fixture_setup", "pytest_runtest_protocol"):
            setattr(Reached, name, pytest.hookimpl(hookwrapper=True)(getattr(Reached, name)))
        plugin = Reached(self.copy, self.files)
        session.config.pluginmanager.register(plugin)
        code = _run(session, session.items)
        plugin.write(self.at_import, out)
        return code

    def _with(self, session: Any, change: Change, tests: Sequence[str], known: Known) -> int:
        base = session.config._tmp_path_factory.getbasetemp()
        places = {change.file + f":{n}" for n in change.lines}
        if (self.copy / SHARED).exists() and not places & known.shared and not change.is_kept:
            shutil.copytree(self.copy / SHARED, base / "shared", symlinks=True)
        try:
            put(self.copy / change.file, change)
        except SyntaxError:
            return DIED
        items = {item.nodeid: item for item in session.items}
        return _run(session, [items[t] for t in tests], known.seconds)


def _run(session: Any, items: Sequence[Any], seconds: Mapping[str, float] | None = None) -> int:
    """seconds: what each test takes as things are; one that takes far longer has noticed, and the alarm ends it."""
    for item, following in zip(items, [*items[1:], None][: len(items)], strict=True):
        if seconds is not None:
            signal.setitimer(signal.ITIMER_REAL, 60 + 10 * seconds[item.nodeid])
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed:
            return DIED
    return LIVED


def _codes(code: CodeType, name: str) -> list[CodeType]:
    inner = [c for c in code.co_consts if isinstance(c, CodeType)]
    return [c for c in inner if c.co_qualname == name] + [nested for c in inner for nested in _codes(c, name)]


def put(file: Path, change: Change) -> None:
    """The changed code in every function that was made of the line's function; what is kept of its answers goes. A
    module that is not loaded yet is loaded with the change in it."""
    if not any(getattr(m, "__file__", None) == str(file) for m in list(sys.modules.values())):
        return
    (code,) = _codes(compile(change.text, str(file), "exec"), change.function)
    functions = 0
    for item in gc.get_objects():
        if type(item) is FunctionType:
            old = item.__code__
            if old.co_filename == str(file) and old.co_qualname == change.function:
                item.__code__ = code
                functions += 1
        elif type(item) is functools._lru_cache_wrapper:
            of = getattr(item.__wrapped__, "__code__", None)
            if of is not None and of.co_filename == str(file):
                item.cache_clear()
    if not functions:
        raise LookupError(f"{change.file}: {change.function} is not loaded")


def met(
    copy: Path, files: Sequence[str], tests: Sequence[str], changes: Sequence[Change], seconds: float, kept: Path | None
) -> list[bool]:
    """Whether each change lived; those that did are told as they come. Ends the program where tests fail unchanged."""
    for name in (MET, FOUND):
        (copy / name).unlink(missing_ok=True)
    shutil.rmtree(copy / SHARED, ignore_errors=True)
    temporary = ("--basetemp", str(copy.parent / "temporary"))

    plugin = Warm(copy, files, changes, seconds, kept)

    def warm() -> int:
        plugin.loaded.open.append(plugin.at_import)
        sys.settrace(plugin.loaded.called)
        return pytest_run([*temporary, *tests], [plugin])

    if in_a_child(copy, warm, FOREVER) != 0:
        output = (copy / SAID).read_text(errors="replace")[-3000:]
        raise SystemExit(f"the tests do not pass as they are, or take too long: {' '.join(tests)}\n{output}")
    known = _known(copy / FOUND)
    for change in changes:
        if known.is_loaded(change):
            chosen = known.order(change, seconds)
            limit = 60 + 8 * sum(known.seconds[t] for t in chosen)
            with changed(copy, change):
                # The fastest alone first: most mutants die there, and collecting the rest takes longer.
                parts = [part for part in (chosen[:8], chosen[8:]) if part]
                lived = all(in_a_child(copy, partial(pytest_run, [*temporary, *p]), limit) == 0 for p in parts)
            plugin.tell(change, lived, len(chosen))
    return [line == "1" for line in (copy / MET).read_text(encoding="utf-8").splitlines()] if changes else []
