"""One million rows with a model: `assay audit` beside the bare prediction of the same rows in one process.

    python bench/million.py [--rows 1000000] [--repeats 5]

The rows are those of the sample Adult income, drawn with replacement, the numbers moved a little so that rows differ.
Bare: a fresh process that reads the Parquet file with pandas, loads the model with skops and calls `predict_proba`
once. Ours: the command as a person types it, the model's process included, everything that an audit measures. Both in
turn, processor seconds of all processes; medians. The goal is 1.3 times the bare prediction and 3 seconds.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
BARE = """
import sys, warnings
warnings.simplefilter("ignore")
import pandas as pd, skops.io
model = skops.io.load(sys.argv[2], trusted=skops.io.get_untrusted_types(file=sys.argv[2]))
frame = pd.read_parquet(sys.argv[1], columns=list(model.feature_names_in_))
model.predict_proba(frame)
"""


def make_case(rows: int, folder: Path) -> Path:
    rng = np.random.default_rng(0)
    frame = pd.read_parquet(ROOT / "sample_data" / "adult.parquet")
    frame = frame.iloc[rng.integers(0, len(frame), rows)].reset_index(drop=True)
    frame["age"] = (frame["age"] + rng.integers(-2, 3, rows)).clip(17, 90)
    frame["hours-per-week"] = (frame["hours-per-week"] + rng.integers(-2, 3, rows)).clip(1, 99)
    frame["split"] = "test"
    frame.iloc[:100, frame.columns.get_loc("split")] = "train"
    frame.to_parquet(folder / "adult.parquet", index=False)
    (folder / "adult.skops").symlink_to(ROOT / "sample_data" / "adult.skops")
    (folder / "case.toml").write_text((ROOT / "sample_data" / "adult.toml").read_text())
    return folder / "case.toml"


def measured(command: list[str]) -> tuple[float, float, float]:
    """Processor seconds, wall seconds, and the peak MiB of the processes together."""
    from app_queue import family, pss

    one = {**os.environ, **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    home = tempfile.TemporaryDirectory()  # of its own: answers that are kept would answer the next run
    one["ASSAY_HOME"] = home.name
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=one, cwd=ROOT)
    peak, over = [0.0], threading.Event()

    def watch() -> None:
        while not over.wait(0.1):
            peak[0] = max(peak[0], sum(map(pss, family(process.pid))) / 2**20)

    watcher = threading.Thread(target=watch)
    watcher.start()
    code = process.wait()
    over.set()
    watcher.join()
    home.cleanup()
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if code:
        raise SystemExit(f"{command}: exit {code}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall, peak[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as held:
        folder = Path(held)
        case = make_case(options.rows, folder)
        bare = [sys.executable, "-c", BARE, str(folder / "adult.parquet"), str(folder / "adult.skops")]
        ours = [sys.executable, str(ROOT / "cli.py"), "audit", str(case), "--out", str(folder / "run")]
        measurements: dict[str, list[tuple[float, float, float]]] = {"bare": [], "ours": []}
        for _ in range(options.repeats):
            measurements["bare"].append(measured(bare))
            measurements["ours"].append(measured(ours))
    print("| rows | side | CPU s | wall s | peak MiB, all processes |\n|---|---|---|---|---|")
    middle = {side: [statistics.median(v) for v in zip(*runs, strict=True)] for side, runs in measurements.items()}
    for side, (cpu, wall, peak) in middle.items():
        print(f"| {options.rows:,} | {side} | {cpu:.1f} | {wall:.1f} | {peak:,.0f} |")
    b, o = middle["bare"][0], middle["ours"][0]
    print(
        f"\nratio {o / b:.2f}; 1.3 x bare + 3 s is {1.3 * b + 3:.1f} s, ours {o:.1f} s; load {os.getloadavg()[0]:.0f}"
    )


if __name__ == "__main__":
    main()
