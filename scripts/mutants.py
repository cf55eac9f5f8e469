"""Change one line at a time and run the tests of its room: a change that no test notices is a test that is lacking.

    python scripts/mutants.py [--number 40] [--seed 0] [ROOM ...]

Mutants are drawn by seed from every place where an operator, a comparison, a constant or a condition stands. Each is
written into a copy of the tree, never into the tree itself. Ends with 1 where fewer than the goal die.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GOAL = 0.85

ROOMS: dict[str, tuple[str, ...]] = {
    "audit/stats": ("tests/audit/stats", "tests/audit/test_gaps.py", "tests/audit/test_measure.py"),
    "audit/cube.py": ("tests/audit/test_cube.py", "tests/audit/test_measure.py"),
    "audit/suppress.py": ("tests/audit/test_publish.py", "tests/audit/test_publish_rows.py"),
    "debias/methods": (
        "tests/debias/test_methods_table.py", "tests/debias/test_weights.py", "tests/debias/test_thresholds.py",
        "tests/debias/test_boost.py",
    ),
    "debias/loop/gate.py": ("tests/debias/loop",),
    "audit/load/sign.py": ("tests/audit/load/test_schemas.py", "tests/audit/load/test_start.py"),
    "reports/verify": (
        "tests/reports/test_attacks.py", "tests/reports/test_levels.py", "tests/bad_inputs/test_bad_reports.py",
    ),
}  # fmt: skip
"""What is changed -> the tests that should notice."""

COMPARED = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
            ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is}  # fmt: skip
COMPUTED = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.BitAnd: ast.BitOr,
            ast.BitOr: ast.BitAnd}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: in which file, at which line, what was and what is."""

    file: Path
    line: int
    before: str
    after: str
    text: str


def changes(tree: ast.Module) -> Iterator[tuple[ast.AST, str, str]]:
    """Each place of `tree` changed in turn, and put back: (node, what was, what is)."""
    for node in ast.walk(tree):
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


def mutants_of(file: Path) -> list[Mutant]:
    """Every mutant of one file. Annotations, docstrings and module constants that only name things stay as they are."""
    tree = ast.parse(file.read_text())
    found = []
    for node, before, after in changes(tree):
        if getattr(node, "lineno", 0) and before != after:
            found.append(Mutant(file, node.lineno, before, after, ast.unparse(ast.fix_missing_locations(tree))))
    return found


def files_of(room: str) -> list[Path]:
    place = ROOT / room
    return [place] if place.is_file() else sorted(p for p in place.rglob("*.py") if p.name != "__init__.py")


def survives(mutant: Mutant, tests: tuple[str, ...], copy: Path, seconds: float) -> bool:
    """Whether the tests pass all the same. A run that takes too long has noticed."""
    place = copy / mutant.file.relative_to(ROOT)
    kept = place.read_text()
    place.write_text(mutant.text)
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider", *tests]
    try:
        done = subprocess.run(
            command, cwd=copy, capture_output=True, timeout=seconds, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )
        return done.returncode == 0
    except subprocess.TimeoutExpired:
        return False
    finally:
        place.write_text(kept)


def main() -> int:
    """Draw, change, test, list what survived."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("rooms", nargs="*", choices=[*ROOMS, []], metavar="ROOM", help=", ".join(ROOMS))
    parser.add_argument("--number", type=int, default=40, help="mutants a room, at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=600.0, help="a run of tests may take")
    given = parser.parse_args()
    survived: list[Mutant] = []
    total = 0
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copy = Path(folder) / "tree"
        shutil.copytree(
            ROOT, copy, symlinks=True, ignore=shutil.ignore_patterns(".git", ".venv", "__pycache__", "runs", "out")
        )
        for room in given.rooms or ROOMS:
            every = [m for f in files_of(room) for m in mutants_of(f)]
            drawn = random.Random(given.seed).sample(every, min(given.number, len(every)))
            started, alive = time.monotonic(), 0
            for mutant in drawn:
                if survives(mutant, ROOMS[room], copy, given.seconds):
                    alive += 1
                    survived.append(mutant)
                    where = f"{mutant.file.relative_to(ROOT)}:{mutant.line}"
                    print(f"survived  {where}  {mutant.before}  ->  {mutant.after}", flush=True)
            total += len(drawn)
            took = time.monotonic() - started
            print(
                f"{room}: {len(drawn) - alive} of {len(drawn)} died ({len(every)} possible), {took:.0f} s", flush=True
            )
    died = total - len(survived)
    print(
        f"{died} of {total} mutants died ({died / max(total, 1):.0%}; goal {GOAL:.0%} of those that change something)"
    )
    return 0 if died >= GOAL * total else 1


if __name__ == "__main__":
    sys.exit(main())
