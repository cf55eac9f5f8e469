"""Memory of the app while a large CSV is set up, and after: `bench/uploads.py [MB] [--before COMMIT]`.

Starts the app, uploads a made-up table in Chromium, waits for the first question, closes the window, opens another;
three times. Prints the server's resident MiB at each point and its peak (its children's beside it). With --before the
same is done first with the project as it was at that commit, so that both sides are measured in one run.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "bench"))


def table(megabytes: int, path: Path) -> None:
    """About so many megabytes of people: numbers, groups, an outcome and a decision."""
    rng = np.random.default_rng(0)
    rows = int(megabytes * 1e6 / 100)
    frame = pd.DataFrame({f"x{i}": rng.normal(size=rows).round(6) for i in range(8)})
    frame["sex"], frame["region"] = rng.choice(["f", "m"], rows), rng.choice(["north", "south", "east"], rows)
    frame["income"], frame["decided"] = rng.choice(["high", "low"], rows), rng.choice(["high", "low"], rows)
    frame.to_csv(path, index=False)


def mebibytes(pid: int, field: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    return 0.0


def children(pid: int) -> float:
    """Resident MiB of what the server has started."""
    total = 0.0
    for place in Path("/proc").iterdir():
        if place.name.isdecimal():
            try:
                parent = int((place / "stat").read_text().rpartition(")")[2].split()[1])
                total += mebibytes(int(place.name), "VmRSS") if parent == pid else 0.0
            except OSError:
                continue
    return total


@contextmanager
def watched(pid: int) -> Iterator[list[float]]:
    """The most that the children held at once, looked at twenty times a second."""
    most, done = [0.0], threading.Event()

    def look() -> None:
        while not done.wait(0.05):
            most[0] = max(most[0], children(pid))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield most
    finally:
        done.set()
        thread.join()


def run(root: Path, csv: Path, times: int = 3) -> None:
    from app_start import SETTLED, free_port

    port = free_port()
    with tempfile.TemporaryDirectory() as home, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
        server = subprocess.Popen(
            [str(ROOT / ".venv/bin/python"), "-m", "streamlit", "run", "app.py", "--server.port", str(port),
             "--server.headless", "true"], cwd=root, env={**os.environ, "ASSAY_HOME": home},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            for number in range(times):
                page = browser.new_context().new_page()
                for _ in range(200):
                    try:
                        page.goto(f"http://127.0.0.1:{port}/setup", wait_until="commit")
                        break
                    except Exception:
                        time.sleep(0.1)
                page.locator('input[type="file"]').first.wait_for(state="attached", timeout=60_000)
                page.wait_for_selector(SETTLED, timeout=60_000, state="attached")
                empty, began = mebibytes(server.pid, "VmRSS"), time.monotonic()
                with watched(server.pid) as most:
                    page.locator('input[type="file"]').first.set_input_files(str(csv))
                    page.get_by_text("kept on this machine.").wait_for(timeout=300_000)
                    page.wait_for_selector(SETTLED, timeout=300_000, state="attached")
                took, full = time.monotonic() - began, mebibytes(server.pid, "VmRSS")
                page.context.close()
                time.sleep(20)
                after = mebibytes(server.pid, "VmRSS")
                print(
                    f"  window {number + 1}: before {empty:.0f} MiB, form after {took:.1f} s with {full:.0f} MiB, "
                    f"20 s after closing {after:.0f} MiB; children at most {most[0]:.0f} MiB", flush=True,
                )  # fmt: skip
            print(f"  the server's peak: {mebibytes(server.pid, 'VmHWM'):.0f} MiB", flush=True)
        finally:
            server.terminate()
            server.wait(20)
            browser.close()


if __name__ == "__main__":
    asked = argparse.ArgumentParser()
    asked.add_argument("megabytes", nargs="?", type=int, default=180)
    asked.add_argument("--before", default="")
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as place:
        csv = Path(place) / "people.csv"
        table(given.megabytes, csv)
        print(f"{csv.stat().st_size / 1e6:.0f} MB of CSV; load {os.getloadavg()[0]:.1f}")
        if given.before:
            old = Path(place) / "before"
            subprocess.run(["git", "worktree", "add", "--detach", "-q", str(old), given.before], cwd=ROOT, check=True)
            try:
                print(f"as it was at {given.before}:")
                run(old, csv)
            finally:
                subprocess.run(["git", "worktree", "remove", "--force", str(old)], cwd=ROOT, check=True)
        print("as it is:")
        run(ROOT, csv)
