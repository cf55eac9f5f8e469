"""`assay demo`, `assay audit` on 10,000 rows with a model, or `assay verify`, as a whole process: where the time goes.

    python bench/demo_stages.py [demo|audit|verify] [--runs 5] [--against CHECKOUT] [--report FILE]

Per stage: seconds by the clock, and of processors, of the command itself and of the processes that it starts. Then each
process with its processor seconds, and the whole: the command and all its processes, as the kernel counts them. Medians
over runs. Processes are looked at 30 times a second: what a process does in its last moments is in the whole only.
--against: the same of another checkout of Assay, the two in turn, the ratio of the wholes, and whether what they wrote
is the same byte for byte (as far as it is made to be: the report has a date, the candidate a time). verify: of the
report of a demonstration that runs first, of each side's own, or of FILE; and what it takes without the process that
sets the pages, which is the last of those that read reports. Compile every side first (`python -m compileall -q audit
debias reports`): an isolated process writes nothing, so what only it imports would be compiled anew each time.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(Path(__file__).resolve().parent))
SAME = ("evidence.json", "cube.json", "explain.json", "mitigation.json")
TICK = os.sysconf("SC_CLK_TCK")


@dataclass
class Stage:
    wall: float = 0.0
    own: float = 0.0
    others: float = 0.0


@dataclass
class Run:
    wall: float = 0.0
    cpu: float = 0.0
    stages: dict[str, Stage] = field(default_factory=dict)
    processes: dict[int, tuple[str, float]] = field(default_factory=dict)


def spent(pid: int) -> float:
    """Processor seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def named(pid: int) -> str:
    """What a process is there for: what an isolated one serves, else the name of its program."""
    words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    fields = dict(re.findall(r'"(serve|function)": "([^"]*)"', " ".join(words)))
    return fields.get("function") or fields.get("serve") or Path(words[0]).name  # nothing once it has ended


def looked(command: list[str], root: Path) -> Run:
    """Run a command to its end and look at it and its processes meanwhile."""
    from app_queue import family

    run, stage = Run(), "Starting"
    with tempfile.TemporaryDirectory() as held:
        progress_file = Path(held) / "progress.json"
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        start = last = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "ASSAY_PROGRESS": str(progress_file), "ASSAY_HOME": held},
        )  # fmt: skip
        while process.poll() is None:
            time.sleep(1 / 30)
            if progress_file.exists():
                stage = json.loads(progress_file.read_text())["stage"]
            here, now = run.stages.setdefault(stage, Stage()), time.perf_counter()
            here.wall, last = here.wall + now - last, now
            for pid in family(process.pid):
                try:
                    name, seconds = named(pid), spent(pid)
                except OSError:
                    continue
                was, earlier = run.processes.get(pid, ("", 0.0))
                more, run.processes[pid] = seconds - earlier, (name or was, seconds)
                if pid == process.pid:
                    here.own += more
                else:
                    here.others += more
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        run.wall = time.perf_counter() - start
        run.cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: exit {process.returncode}")
    return run


def ten_thousand(folder: Path) -> Path:
    """A case of 10,000 people of the sample Adult income that its model did not learn from."""
    import pandas as pd

    samples = ROOT / "sample_data"
    frame = pd.read_parquet(samples / "adult.parquet")
    frame[frame["split"] == "test"].iloc[:10_000].to_parquet(folder / "adult.parquet", index=False)
    (folder / "adult.skops").symlink_to(samples / "adult.skops")
    left_out = ("split =", "train =", "audit =")
    lines = (samples / "adult.toml").read_text().splitlines(keepends=True)
    (folder / "case.toml").write_text("".join(line for line in lines if not line.startswith(left_out)))
    return folder / "case.toml"


def setting(run: Run) -> float:
    """Processor seconds of the process that sets a report's pages: the second that reads it, where there are two."""
    by_start = [run.processes[pid] for pid in sorted(run.processes)]
    reading = [seconds for name, seconds in by_start if name.startswith("reports.verify")]
    return reading[1] if len(reading) > 1 else 0.0


def stage_table(runs: list[Run]) -> str:
    middle = statistics.median
    lines = ["| stage | s | CPU s, the command | CPU s, its processes |", "|---|---|---|---|"]
    for name in runs[0].stages:
        stages = [r.stages.get(name, Stage()) for r in runs]
        figures = (middle(f.wall for f in stages), middle(f.own for f in stages), middle(f.others for f in stages))
        lines.append(f"| {name} | " + " | ".join(f"{v:.2f}" for v in figures) + " |")
    lines.append(f"| **whole** | **{middle(r.wall for r in runs):.1f}** | **{middle(r.cpu for r in runs):.1f}** | |")
    shown = [f"{name} {seconds:.1f}" for name, seconds in runs[-1].processes.values() if seconds >= 0.1]
    return "\n".join([*lines, f"\nProcesses over a tenth of a second: {len(shown)} (CPU s: {', '.join(shown)})."])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=("demo", "audit", "verify"), default="demo")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--against", type=Path)
    parser.add_argument("--report", type=Path)
    options = parser.parse_args()
    sides = [ROOT] if options.against is None else [options.against.resolve(), ROOT]
    runs: dict[Path, list[Run]] = {side: [] for side in sides}
    with tempfile.TemporaryDirectory() as held:
        case, reports = ten_thousand(Path(held)), dict.fromkeys(sides, options.report)
        if options.what == "verify" and options.report is None:
            for number, side in enumerate(sides):
                reports[side] = Path(held) / f"demo-{number}" / "report.pdf"
                looked([sys.executable, "-m", "cli", "demo", "--out", str(reports[side].parent)], side)
        for _ in range(options.runs):
            for number, side in enumerate(sides):
                out = Path(held) / f"out-{number}-{len(runs[side])}"
                what = {
                    "demo": ["demo", "--out", str(out)],
                    "audit": ["audit", str(case), "--out", str(out)],
                    "verify": ["verify", str(reports[side])],
                }[options.what]
                runs[side].append(looked([sys.executable, "-m", "cli", *what], side))
        for side in sides:
            print(f"\n{side if len(sides) > 1 else 'assay ' + options.what}\n\n{stage_table(runs[side])}")
            if options.what == "verify":
                rest = statistics.median(run.cpu - setting(run) for run in runs[side])
                print(f"Without the process that sets the pages: {rest:.2f} CPU s.")
        if len(sides) > 1:
            whole = [statistics.median(r.cpu for r in runs[side]) for side in sides]
            print(f"\nCPU here / there: {whole[1] / whole[0]:.2f}.")
            for name in SAME:
                files = [Path(held) / f"out-{number}-0" / name for number in (0, 1)]
                if all(f.exists() for f in files):
                    print(f"{name}: {'the same' if files[0].read_bytes() == files[1].read_bytes() else 'DIFFERS'}")
    print(f"load {os.getloadavg()[0]:.0f}, {os.cpu_count()} processors")


if __name__ == "__main__":
    main()
