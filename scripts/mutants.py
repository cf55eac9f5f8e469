"""Change one line at a time and run the tests that reach it: a change that no test notices is a test that is lacking.

    python scripts/mutants.py [--number 40] [--seed 0] [ROOM ...]

Mutants are drawn by seed from every place where an operator, a comparison, a constant or a condition stands. Each is
written into a copy of the tree, never into the tree itself. The tests of a room run once first, and it is noted which
functions each of them calls; a mutant then meets those that call its function, the fastest first. Ends with 1 where
fewer than the goal die. What changes nothing that anybody could see is listed, with the reason, in mutants.toml.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import tomllib
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
GOAL = 0.85
SAID = "said.txt"

ROOMS: dict[str, tuple[str, ...]] = {
    "audit/stats": (
        "tests/audit/test_pinned.py", "tests/audit/stats/test_permute_areas.py", "tests/audit/test_clusters.py",
        "tests/audit/test_power.py",
        "tests/audit/stats/test_adjust.py", "tests/audit/stats/test_areas.py", "tests/audit/stats/test_calibrated.py",
        "tests/audit/stats/test_exact.py", "tests/audit/stats/test_exact_law.py", "tests/audit/stats/test_intervals.py",
        "tests/audit/stats/test_largest_gap.py", "tests/audit/stats/test_means.py", "tests/audit/stats/test_permute.py",
        "tests/audit/test_gaps.py", "tests/audit/test_measure.py", "tests/audit/test_family.py",
    ),
    "audit/cube.py": (
        "tests/audit/test_cube.py", "tests/audit/test_cube_scores.py", "tests/audit/test_measure.py",
        "tests/audit/test_clusters.py",
    ),
    "audit/suppress.py": (
        "tests/audit/test_suppress.py", "tests/audit/test_cube.py", "tests/audit/test_publish.py",
        "tests/audit/test_clusters.py",
    ),
    "debias/methods": (
        "tests/debias/test_methods_table.py", "tests/debias/test_weights.py", "tests/debias/test_thresholds.py",
        "tests/debias/test_boost.py", "tests/debias/test_multipliers.py",
    ),
    "debias/loop/gate.py": ("tests/debias/loop/test_gate.py", "tests/debias/loop/test_gate_bounds.py"),
    "audit/load/sign.py": ("tests/audit/load/test_schemas.py", "tests/audit/load/test_start.py"),
    "reports/verify": (
        "tests/reports/test_made_again.py", "tests/reports/test_stress_section.py", "tests/reports/test_log.py",
        "tests/reports/test_attacks.py", "tests/reports/test_refusals.py", "tests/reports/test_refusals_more.py",
        "tests/reports/test_refusals_steps.py", "tests/reports/test_refusals_beside.py", "tests/reports/test_levels.py",
        "tests/reports/test_identity.py", "tests/reports/test_verdict.py", "tests/reports/test_seal.py",
        "tests/reports/test_told.py", "tests/reports/test_register.py", "tests/reports/test_kinds.py",
        "tests/reports/test_pages_beside.py", "tests/reports/test_series_counts.py",
        "tests/reports/test_pages_looks.py",
    ),
}  # fmt: skip
"""What is changed -> the tests that should notice."""

COMPARED = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
            ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is}  # fmt: skip
COMPUTED = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.BitAnd: ast.BitOr,
            ast.BitOr: ast.BitAnd}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: in which file (relative), function and line; what was and what is."""

    file: str
    function: str
    line: int
    before: str
    after: str
    number: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.function}: {self.before}  ->  {self.after}"


# --- changes ---


def changes(tree: ast.Module) -> Iterator[tuple[ast.AST, str, str]]:
    """Each place of `tree` changed in turn, and put back: (node, what was, what is)."""
    types = {id(n) for annotation in _annotations(tree) for n in ast.walk(annotation)}  # nobody evaluates them
    for node in ast.walk(tree):
        if id(node) in types:
            continue
        if isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARED:
            yield from _swapped(node, "ops", [COMPARED[type(node.ops[0])](), *node.ops[1:]])
        elif isinstance(node, ast.BinOp) and type(node.op) in COMPUTED and not _is_text(node):
            yield from _swapped(node, "op", COMPUTED[type(node.op)]())
        elif isinstance(node, ast.BoolOp):
            yield from _swapped(node, "op", ast.And() if isinstance(node.op, ast.Or) else ast.Or())
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield from _swapped(node, "operand", ast.UnaryOp(ast.Not(), node.operand))
        elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
            yield from _swapped(node, "value", node.value + 1)
        elif isinstance(node, ast.If):
            yield from _swapped(node, "test", ast.Constant(False))


def _annotations(tree: ast.Module) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        for field in ("annotation", "returns"):
            if (found := getattr(node, field, None)) is not None:
                yield found


def _swapped(node: ast.AST, field: str, value: object) -> Iterator[tuple[ast.AST, str, str]]:
    before, old = _line(node), getattr(node, field)
    setattr(node, field, value)
    try:
        yield node, before, _line(node)
    finally:
        setattr(node, field, old)


def _line(node: ast.AST) -> str:
    return ast.unparse(ast.fix_missing_locations(node)).splitlines()[0][:100]


def _is_text(node: ast.BinOp) -> bool:
    return any(
        isinstance(n, ast.JoinedStr) or (isinstance(n, ast.Constant) and isinstance(n.value, str))
        for n in ast.walk(node)
    )


def functions_of(tree: ast.Module) -> list[tuple[int, int, str, bool]]:
    """(first line, last line, name, whether its calls are kept) of each function of a module and method of a class."""
    found = []
    for node in tree.body:
        inner = node.body if isinstance(node, ast.ClassDef) else [node]
        prefix = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
        for f in inner:
            if isinstance(f, ast.FunctionDef):
                kept = any("cache" in ast.unparse(d) for d in f.decorator_list)
                found.append((f.lineno, f.end_lineno or f.lineno, prefix + f.name, kept))
    return found


def mutants_of(file: Path) -> list[Mutant]:
    """Every mutant of one file."""
    tree = ast.parse(file.read_text())
    functions = functions_of(tree)
    found = []
    for number, (node, before, after) in enumerate(changes(tree)):
        line = getattr(node, "lineno", 0)
        if line and before != after:
            name = next((n for first, last, n, _ in functions if first <= line <= last), "")
            found.append(Mutant(str(file.relative_to(ROOT)), name, line, before, after, number))
    return found


def written(mutant: Mutant) -> str:
    """The file with the change in it."""
    tree = ast.parse((ROOT / mutant.file).read_text())
    for number, _ in enumerate(changes(tree)):
        if number == mutant.number:
            return ast.unparse(ast.fix_missing_locations(tree))
    raise LookupError(mutant)


def files_of(room: str) -> list[Path]:
    place = ROOT / room
    return [place] if place.is_file() else sorted(p for p in place.rglob("*.py") if p.name != "__init__.py")


# --- tests, each run in a child of this process, which has the libraries loaded ---


class Reached:
    """A pytest plugin: which functions of the room each test calls, in its fixtures too, and how long it takes."""

    def __init__(self, files: Sequence[str]) -> None:
        self.files = {str(Path.cwd() / f): f for f in files}
        self.open: list[set[str]] = []
        self.fixtures: dict[tuple[str, str], set[str]] = {}
        self.found: dict[str, set[str]] = {}
        self.seconds: dict[str, float] = {}

    def _called(self, frame: Any, event: str, argument: object) -> None:
        if event == "call" and (file := self.files.get(frame.f_code.co_filename)) is not None:
            name = f"{file} {frame.f_code.co_qualname.partition('.<locals>')[0]}"
            for each in self.open:
                each.add(name)

    def _noting(self, into: set[str]) -> Iterator[None]:
        self.open.append(into)
        sys.setprofile(self._called)
        try:
            yield
        finally:
            self.open.pop()
            sys.setprofile(self._called if self.open else None)

    def pytest_fixture_setup(self, fixturedef: Any, request: Any) -> Iterator[None]:
        yield from self._noting(self.fixtures.setdefault((fixturedef.baseid, fixturedef.argname), set()))

    def pytest_runtest_protocol(self, item: Any, nextitem: Any) -> Iterator[None]:
        started = time.monotonic()
        mine = self.found.setdefault(item.nodeid, set())
        yield from self._noting(mine)
        self.seconds[item.nodeid] = time.monotonic() - started
        for (base, name), calls in self.fixtures.items():
            if name in item.fixturenames and item.nodeid.startswith(base):
                mine |= calls


def _hooked(plugin: Reached) -> Reached:
    import pytest

    for name in ("pytest_fixture_setup", "pytest_runtest_protocol"):
        setattr(Reached, name, pytest.hookimpl(hookwrapper=True)(getattr(Reached, name)))
    return plugin


def preload() -> None:
    """What takes long to load and is no part of the tree: a child has it at once."""
    import statsmodels.stats.multitest  # noqa: F401


def in_a_child(copy: Path, work: Any, seconds: float) -> int | None:
    """What `work()` returns in a forked process whose folder is the copy; None where it takes too long."""
    child = os.fork()
    if child == 0:
        code = 99
        try:
            os.setsid()
            os.chdir(copy)
            sys.path[:] = [
                str(copy),
                *[p for p in sys.path if Path(p or ".").resolve() not in (ROOT, ROOT / "scripts")],
            ]
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            said = os.open(copy / SAID, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(said, 1)
            os.dup2(said, 2)
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
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def pytest_run(arguments: Sequence[str], plugins: Sequence[object] = ()) -> int:
    import pytest

    common = [
        "-q",
        "-x",
        "-p",
        "no:xdist",
        "-p",
        "no:cacheprovider",
        "--no-header",
        "-W",
        "ignore::pytest.PytestAssertRewriteWarning",
    ]
    return int(pytest.main([*common, *arguments], plugins=list(plugins)))


def reached(
    copy: Path, files: Sequence[str], tests: Sequence[str], seconds: float
) -> dict[str, tuple[float, set[str]]]:
    """Test -> (seconds, functions that it calls). Ends the program where the tests fail as they are."""
    out = copy / "reached.json"

    def work() -> int:
        plugin = _hooked(Reached(files))
        code = pytest_run(tests, [plugin])
        out.write_text(json.dumps({t: [plugin.seconds[t], sorted(plugin.found[t])] for t in plugin.seconds}))
        return code

    if (code := in_a_child(copy, work, seconds)) != 0:
        said = (copy / SAID).read_text(errors="replace")[-2000:]
        sys.exit(f"the tests do not pass as they are, or take too long (code {code}): {' '.join(tests)}\n{said}")
    return {t: (s, set(calls)) for t, (s, calls) in json.loads(out.read_text()).items()}


def tests_for(mutant: Mutant, known: Mapping[str, tuple[float, set[str]]]) -> list[str]:
    """The tests that reach the mutant's function, the fastest first; all where it stands in none, or is kept."""
    kept = {n for _, _, n, k in functions_of(ast.parse((ROOT / mutant.file).read_text())) if k}
    everywhere = not mutant.function or mutant.function in kept
    name = f"{mutant.file} {mutant.function}"
    return sorted((t for t, (_, calls) in known.items() if everywhere or name in calls), key=lambda t: known[t][0])


def survives(mutant: Mutant, tests: Sequence[str], copy: Path, seconds: float) -> bool:
    """Whether the tests pass all the same. A run that takes too long has noticed."""
    place = copy / mutant.file
    kept = place.read_text()
    place.write_text(written(mutant))
    try:
        # The fastest alone first: most mutants die there, and collecting the rest takes longer.
        return all(in_a_child(copy, partial(pytest_run, part), seconds) == 0 for part in (tests[:8], tests[8:]) if part)
    finally:
        place.write_text(kept)


def is_equivalent(mutant: Mutant, rows: Sequence[Mapping[str, str]]) -> bool:
    """Whether mutants.toml names it: by file, function, what was and what is, and a part of its line."""
    line = (ROOT / mutant.file).read_text().splitlines()[mutant.line - 1]
    return any(
        (r["file"], r["function"], r["before"], r["after"])
        == (mutant.file, mutant.function, mutant.before, mutant.after)
        and r.get("line", "") in line
        for r in rows
    )


def main() -> int:
    """Draw, change, test, list what survived."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("rooms", nargs="*", metavar="ROOM", help=", ".join(ROOMS))
    parser.add_argument("--number", type=int, default=40, help="mutants a room, at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=300.0, help="a run of tests may take, on one mutant")
    parser.add_argument("--tests", nargs="*", help="other tests than the room's own list")
    parser.add_argument("--only", default="", help="mutants of files that have this in their name")
    given = parser.parse_args()
    if unknown := [r for r in given.rooms if r not in ROOMS]:
        parser.error(f"{unknown[0]} is no room: {', '.join(ROOMS)}")
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"  # a change within a second would be taken for none
    sys.dont_write_bytecode = True
    preload()
    nothing = tomllib.loads((ROOT / "scripts" / "mutants.toml").read_text()).get("equivalent", [])
    survived = total = 0
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copy = Path(folder) / "tree"
        left = shutil.ignore_patterns(".git", ".venv", "__pycache__", "runs", "out", ".*_cache")
        shutil.copytree(ROOT, copy, symlinks=True, ignore=left)
        for room in given.rooms or ROOMS:
            files = [f for f in files_of(room) if given.only in str(f)]
            every = [m for f in files for m in mutants_of(f)]
            every = [m for m in every if not is_equivalent(m, nothing)]
            drawn = random.Random(given.seed).sample(every, min(given.number, len(every)))
            started, alive = time.monotonic(), 0
            names = [str(f.relative_to(ROOT)) for f in files]
            known = reached(copy, names, given.tests or ROOMS[room], 10 * given.seconds)
            print(f"{room}: {len(known)} tests, {time.monotonic() - started:.0f} s", flush=True)
            for mutant in drawn:
                tests = tests_for(mutant, known)
                if survives(mutant, tests, copy, given.seconds):
                    alive += 1
                    print(f"survived ({len(tests)} tests)  {mutant}", flush=True)
            total, survived = total + len(drawn), survived + alive
            took = time.monotonic() - started
            print(
                f"{room}: {len(drawn) - alive} of {len(drawn)} died ({len(every)} possible), {took:.0f} s", flush=True
            )
    died = total - survived
    print(f"{died} of {total} mutants died ({died / max(total, 1):.0%}; goal {GOAL:.0%})")
    return 0 if died >= GOAL * total else 1


if __name__ == "__main__":
    sys.exit(main())
