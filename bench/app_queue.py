"""Many people who audit at once in one app: how long the last waits, what memory it takes, and whether anything fails.

    python bench/app_queue.py [--people 10] [--apart] [--screens] [--repeats 5]

Each person's job is started as the app starts it (debias.jobs), all within one second, on the sample Adult income; with
--apart each has a case of their own (another name in the case file), so that nothing is taken over. Printed: seconds to
the first and to the last, the peak of memory (PSS: shared pages counted once) and of the number of
processes, and how each job ended. --screens: a real browser changes screens meanwhile, and the slowest change is
printed. Then the medians. The queue is that of this machine: cores less one, or ASSAY_JOBS.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
SAMPLES = ROOT / "sample_data"
SCREENS = ("Who is in the data", "What the model does", "Mitigate and watch", "Report", "Set up")


class Memory(threading.Thread):
    """The peak of PSS, and of the number of processes, of this process's family; the bench itself is not counted."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.over = threading.Event()
        self.peak = self.most = 0

    def run(self) -> None:
        while not self.over.wait(0.5):
            sizes = [pss(pid) for pid in family(os.getpid()) - {os.getpid()}]
            self.peak, self.most = max(self.peak, sum(sizes)), max(self.most, len(sizes))


def family(root: int) -> set[int]:
    parents = {}
    for place in Path("/proc").iterdir():
        if place.name.isdecimal():
            try:
                parents[int(place.name)] = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    mine = {root}
    while more := {p for p, parent in parents.items() if parent in mine} - mine:
        mine |= more
    return mine


def pss(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        # A model's process may not be looked into: its resident pages, shared ones among them.
        try:
            return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except OSError:
            return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def files(home: Path, people: int, apart: bool) -> list[tuple[Path, Path]]:
    """(case file, run folder) of each person."""
    out = []
    for number in range(people):
        place = home / "cases" / f"{number:032x}"
        place.mkdir(parents=True)
        (place / "sample").write_text("adult.toml")
        case = SAMPLES / "adult.toml"
        if apart:
            for name in ("adult.parquet", "adult.skops"):
                (place / name).symlink_to(SAMPLES / name)
            text = case.read_text().replace('[case]\nname = "', f'[case]\nname = "{number} ', 1)
            assert text != case.read_text()
            case = place / "case.toml"
            case.write_text(text)
        out.append((case, place / "run"))
    return out


def clicking(home: Path, over: threading.Event, took: list[float]) -> None:
    """Change screens until it is over; the seconds of each change until the screen is settled."""
    from app_start import SETTLED, app

    with app(str(home), f"data?case={'f' * 32}") as (page, _):
        page.wait_for_selector(SETTLED, timeout=120_000, state="attached")
        for _ in range(2):  # the second time everything is loaded
            del took[:]
            for name in SCREENS:
                change(page, name, SETTLED, took)
        took.append(-1.0)  # ready
        while not over.is_set():
            for name in SCREENS:
                change(page, name, SETTLED, took)


def change(page: Any, name: str, settled: str, took: list[float]) -> None:
    page.wait_for_timeout(500)
    began = time.monotonic()
    page.get_by_role("link", name=name, exact=True).first.click()
    page.get_by_role("heading", name=name, exact=True).first.wait_for(timeout=120_000)
    page.wait_for_selector(settled, timeout=120_000, state="attached")
    took.append(time.monotonic() - began)


def once(people: int, apart: bool, screens: bool) -> tuple[Counter[str], list[float]]:
    """How the jobs ended; seconds to the first and to the last, MiB at most, and the slowest change of screen."""
    from debias import jobs

    with tempfile.TemporaryDirectory() as held:
        home, over, took = Path(held), threading.Event(), []
        memory, clicks = Memory(), None
        if screens:
            from cli import main as assay

            place = home / "cases" / ("f" * 32)
            place.mkdir(parents=True)
            (place / "sample").write_text("german_credit.toml")
            assert assay(["audit", str(SAMPLES / "german_credit.toml"), "--out", str(place / "run")]) == 0
            clicks = threading.Thread(target=clicking, args=(home, over, took))
            clicks.start()
            while -1.0 not in took and clicks.is_alive():
                time.sleep(0.1)
        memory.start()
        began = time.monotonic()
        started = [
            jobs.start(["audit", str(case), "--out", str(run)], home / "jobs")
            for case, run in files(home, people, apart)
        ]
        ends: dict[str, float] = {}
        places: set[str] = set()
        states = {}
        while len(ends) < len(started):
            for job in started:
                if job.id not in ends:
                    states[job.id] = jobs.state(home / "jobs", job.id)
                    places.add(states[job.id].stage)
                    if states[job.id].over:
                        ends[job.id] = time.monotonic() - began
            time.sleep(0.2)
        over.set()
        memory.over.set()
        memory.join()
        if clicks is not None:
            clicks.join()
        how = Counter(s.status for s in states.values())
        changes = took[took.index(-1.0) + 1 :] if -1.0 in took else [0.0]
        figures = [min(ends.values()), max(ends.values()), memory.peak / 2**20, max(changes)]
        print(
            f"{people} people{' with cases of their own' if apart else ', one case'}: {told(figures, screens)}; "
            f"{memory.most} processes; ended: {dict(how)}; {jobs.slots()} at a time; load {os.getloadavg()[0]:.0f}"
        )
        print("said while waiting: " + "; ".join(sorted(p for p in places if "wait" in p)[:4]), flush=True)
    return how, figures


def told(figures: list[float], screens: bool) -> str:
    first, last, peak, slowest = figures
    changes = f"; slowest change of screen meanwhile {slowest:.2f} s" if screens else ""
    return f"first {first:.1f} s, last {last:.1f} s; peak {peak:,.0f} MiB{changes}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=10)
    parser.add_argument("--apart", action="store_true")
    parser.add_argument("--screens", action="store_true")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    runs = [once(options.people, options.apart, options.screens) for _ in range(options.repeats)]
    middle = [statistics.median(values) for values in zip(*(figures for _, figures in runs), strict=True)]
    print(f"Medians of {options.repeats}: {told(middle, options.screens)}")
    return 0 if all(how == Counter(done=options.people) for how, _ in runs) else 1


if __name__ == "__main__":
    sys.exit(main())
