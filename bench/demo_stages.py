"""`assay demo` as a whole process: where the time goes, per stage; medians over runs.

python bench/demo_stages.py [--runs 3]
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    walls, stages = [], []
    for _ in range(args.runs):
        with tempfile.TemporaryDirectory() as place:
            start = time.perf_counter()
            command = [sys.executable, "-m", "cli", "demo", "--json", "--out", place]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
            walls.append(time.perf_counter() - start)
            stages.append(json.loads(done.stdout)["seconds"])
    print("| stage | median s | share |")
    print("|---|---|---|")
    whole = statistics.median(walls)
    for name in stages[0]:
        middle = statistics.median(s[name] for s in stages)
        print(f"| {name} | {middle:.1f} | {100 * middle / whole:.0f} % |")
    print(f"| whole process | {whole:.1f} | 100 % |")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"\n{args.runs} runs; peak memory of the largest single process {peak:.0f} MiB.")


if __name__ == "__main__":
    main()
