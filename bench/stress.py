"""The search for the worst training corruption beside a black-box TPE (as SAVAGE's) with as many fits.

    python bench/stress.py [--fits 24] [--case sample_data/german_credit.toml]

Both fit the case's own pipeline; both are judged on validation rows while they search, and on test rows here. SAVAGE's
published repository holds the classes that inject errors and no search, so that the search is Optuna's TPE over kind,
column and two conditions, from nothing. Prints, for each figure, the worst that each found.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from audit.gaps import Settings  # noqa: E402
from audit.load import load_case, load_rows  # noqa: E402
from audit.stress.corrupt import KINDS, fits  # noqa: E402
from audit.stress.spec import StressSpec  # noqa: E402
from debias.refits import refitting  # noqa: E402
from debias.stress import training as ours  # noqa: E402
from debias.stress.fits import Bench, Fitted, Point  # noqa: E402
from debias.task import task_of  # noqa: E402

SAMPLES = ROOT / "sample_data"


def black_box(bench: Bench, many: int) -> list[Fitted]:
    """TPE from nothing over SAVAGE's five kinds: the first points are random, as many fits in all."""
    rng = np.random.default_rng(bench.settings.seed)
    done: list[Fitted] = []
    columns = [str(c) for c in bench.rows]
    for number in range(many):
        point = ours._proposed(bench, done, number) if len(done) >= 6 else None
        while point is None:
            kind = str(rng.choice(["label", "dropped", "duplicate", "missing", "fivefold"]))
            able = [c for c in columns if fits(KINDS[kind], bench.rows[c])]
            column = str(rng.choice(able)) if able else None
            if column is None and KINDS[kind].of != "rows":
                continue
            literals = rng.choice(len(bench.literals.names), 2, replace=False)
            point = Point(kind, column, tuple(sorted(int(v) for v in literals)))
        if (fitted := bench.try_out(point, number)) is not None:
            done.append(fitted)
    return done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fits", type=int, default=24)
    parser.add_argument("--case", type=Path, default=SAMPLES / "german_credit.toml")
    parser.add_argument("--budget", type=float, default=0.05)
    args = parser.parse_args()
    case = load_case(args.case)
    task = task_of(case, load_rows(case, everything=True), 0)
    with refitting(task) as learner:
        began = time.perf_counter()
        mine = ours.training(task, learner, StressSpec(budget=args.budget), Settings(), args.fits)
        seconds = time.perf_counter() - began
        bench = Bench(task, learner, StressSpec(budget=args.budget), Settings())
        began = time.perf_counter()
        other = ours._entries(bench, black_box(bench, args.fits))
        print(
            f"{mine.fits} fits: by influence, then TPE {seconds:.1f} s; black box {time.perf_counter() - began:.1f} s"
        )
    for aim in bench.figures.aims:
        cells = []
        for entries in (mine.entries, other):
            changes = [aim.sign * e.confirmed.change for e in entries if e.aim == aim]
            cells.append(f"{max(changes):+.3f}" if changes else "none")
        name = aim.words() + (f", {aim.lowest} lower" if aim.lowest else "")
        print(f"{name:45} ours {cells[0]:>8}   black box {cells[1]:>8}")


if __name__ == "__main__":
    main()
