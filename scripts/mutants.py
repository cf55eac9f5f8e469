"""Change one line at a time and run the tests that reach it: a change that no test notices is a test that is lacking.

    python scripts/mutants.py [--number 40] [--seed 0] [ROOM ...]

ROOM is one of ROOMS, or a file in one. Mutants are drawn by seed from every place where an operator, a comparison, a
constant or a condition stands. Each is written into a copy of the tree, never into the tree itself. The tests of a room
run once first, and it is noted which lines each of them runs; a mutant then meets those that run its line, the fastest
first (mutant_tests.py). Ends with 1 where fewer than the goal die. What changes nothing that anybody could see is
listed, with the reason, in mutants.toml.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import shutil
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mutant_tests import Change, met, preload

ROOT = Path(__file__).resolve().parents[1]
GOAL = 0.85

ROOMS: dict[str, tuple[str, ...]] = {
    "audit/stats": (
        "tests/audit/test_pinned.py", "tests/audit/stats/test_permute_areas.py", "tests/audit/test_clusters.py",
        "tests/audit/test_power.py",
        "tests/audit/stats/test_adjust.py", "tests/audit/stats/test_areas.py", "tests/audit/stats/test_calibrated.py",
        "tests/audit/stats/test_exact.py", "tests/audit/stats/test_exact_law.py", "tests/audit/stats/test_intervals.py",
        "tests/audit/stats/test_largest_gap.py", "tests/audit/stats/test_means.py", "tests/audit/stats/test_permute.py",
        "tests/audit/test_gaps.py", "tests/audit/test_measure.py", "tests/audit/test_family.py",
        "tests/audit/stats/test_large_and_small.py", "tests/audit/stats/test_many_groups.py",
    ),
    "audit/cube.py": (
        "tests/audit/test_suppress.py",
        "tests/audit/test_cube.py", "tests/audit/test_cube_scores.py", "tests/audit/test_measure.py",
        "tests/audit/test_clusters.py", "tests/audit/test_clusters_condensed.py",
    ),
    "audit/suppress.py": (
        "tests/audit/test_suppress.py", "tests/audit/test_cube.py", "tests/audit/test_publish.py",
        "tests/audit/test_clusters.py",
    ),
    "debias/methods": (
        "tests/debias/test_methods_table.py", "tests/debias/test_weights.py", "tests/debias/test_thresholds.py",
        "tests/debias/test_boost.py", "tests/debias/test_multipliers.py", "tests/debias/test_methods_edges.py",
    ),
    "debias/loop/gate.py": ("tests/debias/loop/test_gate.py", "tests/debias/loop/test_gate_bounds.py"),
    "debias/compare.py": (
        "tests/debias/test_methods_comparison.py", "tests/debias/test_paired.py", "tests/debias/test_flips.py",
    ),
    "audit/explain/native_walks.py": ("tests/audit/explain/test_native_walks.py",),
    "audit/explain/native_encoded.py": (
        "tests/audit/explain/test_native_encoded.py", "tests/audit/explain/test_native_lines.py",
    ),
    "audit/explain/native_lines.py": ("tests/audit/explain/test_native_lines.py",),
    "audit/explain/lime_moments.py": ("tests/audit/explain/test_lime_batch.py",),
    "audit/explain/native_sums.py": ("tests/audit/explain/test_native_sums.py",),
    "audit/scale/opened.py": ("tests/audit/scale/test_opened.py", "tests/audit/scale/test_room_for_copies.py"),
    "audit/load/sign.py": ("tests/audit/load/test_schemas.py", "tests/audit/load/test_start.py"),
    "reports/verify": (
        "tests/reports/test_made_again.py", "tests/reports/test_stress_section.py", "tests/reports/test_log.py",
        "tests/reports/test_attacks.py", "tests/reports/test_refusals.py", "tests/reports/test_refusals_more.py",
        "tests/reports/test_refusals_steps.py", "tests/reports/test_refusals_beside.py", "tests/reports/test_levels.py",
        "tests/reports/test_identity.py", "tests/reports/test_verdict.py", "tests/reports/test_seal.py",
        "tests/reports/test_told.py", "tests/reports/test_register.py", "tests/reports/test_kinds.py",
        "tests/reports/test_pages_beside.py", "tests/reports/test_series_counts.py",
        "tests/reports/test_pages_looks.py", "tests/reports/test_arms.py", "tests/reports/test_belongs.py",
    ),
}  # fmt: skip
"""What is changed -> the tests that should notice."""

COMPARED = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
            ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is}  # fmt: skip
COMPUTED = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.BitAnd: ast.BitOr,
            ast.BitOr: ast.BitAnd}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: in which file (relative), function and line; what was and what is. lines: those of its statement;
    at_import: it takes effect while the module is loaded."""

    file: str
    function: str
    line: int
    before: str
    after: str
    number: int
    lines: range
    at_import: bool

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
            if (annotation := getattr(node, field, None)) is not None:
                yield annotation


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
    functions = []
    for node in tree.body:
        inner = node.body if isinstance(node, ast.ClassDef) else [node]
        prefix = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
        for f in inner:
            if isinstance(f, ast.FunctionDef):
                kept = any("cache" in ast.unparse(d) for d in f.decorator_list)
                functions.append((f.lineno, f.end_lineno or f.lineno, prefix + f.name, kept))
    return functions


def statement_lines(tree: ast.Module) -> list[range]:
    """The lines of each statement, of a compound one those before its body."""
    ranges = []
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt | ast.ExceptHandler | ast.match_case):
            first = node.pattern.lineno if isinstance(node, ast.match_case) else node.lineno
            last = node.body[0].lineno - 1 if getattr(node, "body", None) else getattr(node, "end_lineno", first)
            ranges.append(range(first, max(first, last) + 1))
    return sorted(ranges, key=len)


def mutants_of(file: Path) -> list[Mutant]:
    """Every mutant of one file."""
    tree = ast.parse(file.read_text())
    functions, statements = functions_of(tree), statement_lines(tree)
    defaults = {
        id(n)
        for f in ast.walk(tree)
        if isinstance(f, ast.FunctionDef)
        for each in (*f.args.defaults, *filter(None, f.args.kw_defaults), *f.decorator_list)
        for n in ast.walk(each)
    }
    mutants = []
    for number, (node, before, after) in enumerate(changes(tree)):
        line = getattr(node, "lineno", 0)
        if line and before != after:
            name = next((n for first, last, n, _ in functions if first <= line <= last), "")
            lines = next((s for s in statements if line in s), range(line, line + 1))
            loaded = not name or id(node) in defaults
            mutants.append(Mutant(str(file.relative_to(ROOT)), name, line, before, after, number, lines, loaded))
    return mutants


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


def change_of(mutant: Mutant) -> Change:
    """What the tests meet."""
    kept = {n for _, _, n, k in functions_of(ast.parse((ROOT / mutant.file).read_text())) if k}
    return Change(
        str(mutant),
        mutant.file,
        mutant.function,
        mutant.lines,
        written(mutant),
        mutant.at_import,
        mutant.function in kept,
    )


# --- the draw ---


def is_equivalent(mutant: Mutant, rows: Sequence[Mapping[str, str]]) -> bool:
    """Whether mutants.toml names it: by file, function, what was and what is, and a part of its line."""
    line = (ROOT / mutant.file).read_text().splitlines()[mutant.line - 1]
    return any(
        (r["file"], r["function"], r["before"], r["after"])
        == (mutant.file, mutant.function, mutant.before, mutant.after)
        and r.get("line", "") in line
        for r in rows
    )


def home_of(room: str) -> str | None:
    """The room of ROOMS that this is, or is a file of."""
    return next((r for r in ROOMS if room == r or (room.endswith(".py") and room.startswith(r + "/"))), None)


def main() -> int:
    """Draw, change, test, list what survived."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("rooms", nargs="*", metavar="ROOM", help=", ".join(ROOMS))
    parser.add_argument("--number", type=int, default=40, help="mutants a room, at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--seconds", type=float, default=300.0, help="of tests that one mutant meets, the fastest first"
    )
    parser.add_argument("--tests", nargs="*", help="other tests than the room's own list")
    parser.add_argument("--known", type=Path, help="what the tests run, of an earlier run: read, or written there")
    parser.add_argument(
        "--only", nargs="*", default=[""], help="changes that are told with this in them: 'judge.py:141'"
    )
    args = parser.parse_args()
    homes = {room: home_of(room) for room in args.rooms or ROOMS}
    if unknown := [room for room, home in homes.items() if home is None or not (ROOT / room).exists()]:
        parser.error(f"{unknown[0]} is no room, and no file in one: {', '.join(ROOMS)}")
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    sys.dont_write_bytecode = True
    preload()
    nothing = tomllib.loads((ROOT / "scripts" / "mutants.toml").read_text()).get("equivalent", [])
    survived = total = 0
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copy = Path(folder) / "tree"
        left = shutil.ignore_patterns(".git", ".venv", "runs", "out", ".*_cache")
        shutil.copytree(ROOT, copy, symlinks=True, ignore=left)
        for room, home in homes.items():
            every = [m for f in files_of(room) for m in mutants_of(f) if not is_equivalent(m, nothing)]
            drawn = random.Random(args.seed).sample(every, min(args.number, len(every)))
            drawn = [m for m in drawn if any(part in str(m) for part in args.only)]
            names = [str(f.relative_to(ROOT)) for f in files_of(room)]
            started = time.monotonic()
            tests = args.tests or ROOMS[home or room]
            alive = 0
            for lived in met(copy, names, tests, [change_of(m) for m in drawn], args.seconds, args.known):
                alive += lived
            total, survived = total + len(drawn), survived + alive
            took = f"{time.monotonic() - started:.0f} s"
            print(f"{room}: {len(drawn) - alive} of {len(drawn)} died ({len(every)} possible), {took}", flush=True)
    died = total - survived
    print(f"{died} of {total} mutants died ({died / max(total, 1):.0%}; goal {GOAL:.0%})")
    return 0 if died >= GOAL * total else 1


if __name__ == "__main__":
    sys.exit(main())
