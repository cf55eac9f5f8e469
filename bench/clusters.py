"""What `cluster` costs: `run_audit` with people in several rows against the same file as single rows.

    python bench/clusters.py [--rows 1000000] [--each 4] [--repeats 5]

From a Parquet file to evidence.json on disk, each run in a process of its own; the median of the repeats, in memory and
counted by the database. Seconds are of processor time, all threads together, which a busy machine changes little; the
time on the clock stands beside.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


def make(path: Path, rows: int, each: int) -> None:
    rng = np.random.default_rng(0)
    people = max(rows // each, 1)
    who = rng.integers(0, people, rows)
    taste = rng.random(people)
    frame = pd.DataFrame({"who": who, "sex": np.array(["Female", "Male"])[who % 2]})
    frame["race"] = rng.choice(list("ABCDE"), people, p=[0.5, 0.2, 0.15, 0.1, 0.05])[who]
    frame["label"] = np.where(rng.random(rows) < taste[who], "yes", "no")
    frame["decision"] = np.where(rng.random(rows) < taste[who], "yes", "no")
    frame.to_parquet(path)


def once(path: Path, cluster: bool, large: bool) -> tuple[float, float]:
    from audit.case import Case, DataSpec, ModelSpec
    from audit.gaps import Settings
    from audit.load import load_policy
    from audit.run import run_audit

    data = DataSpec(
        path, "label", "yes", "yes", ("sex", "race"), cluster="who" if cluster else None,
        exclude=() if cluster else ("who",),
    )  # fmt: skip
    case = Case("bench", "to measure", data, ModelSpec("decision", column="decision"), load_policy(None))
    with tempfile.TemporaryDirectory() as out:
        start = time.perf_counter(), time.process_time()
        run_audit(case, Path(out), Settings(), large=large)
        return time.process_time() - start[1], time.perf_counter() - start[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--each", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--one", nargs=3)
    args = parser.parse_args()
    if args.one:
        path, cluster, large = args.one
        print(*once(Path(path), cluster == "1", large == "1"))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "d.parquet"
        make(path, args.rows, args.each)
        print("| rows | rows a person | engine | single rows s | people s | ratio | clock s | clock s | ratio |")
        print("|---|---|---|---|---|---|---|---|---|")
        for large in (0, 1):
            spent: tuple[list[tuple[float, ...]], ...] = ([], [])
            for _ in range(args.repeats):
                for cluster in (0, 1):
                    done = subprocess.run(
                        [sys.executable, __file__, "--one", str(path), str(cluster), str(large)], check=True,
                        capture_output=True, text=True,
                    )  # fmt: skip
                    spent[cluster].append(tuple(map(float, done.stdout.split())))
            work, clock = ([statistics.median(run[i] for run in side) for side in spent] for i in (0, 1))
            name = "database" if large else "memory"
            print(
                f"| {args.rows:,} | {args.each} | {name} | {work[0]:.2f} | {work[1]:.2f} | {work[1] / work[0]:.2f} | "
                f"{clock[0]:.2f} | {clock[1]:.2f} | {clock[1] / clock[0]:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
