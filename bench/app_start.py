"""How long the app takes from its start to a first screen that can be used, in Chromium: `bench/app_start.py [TIMES]`.

Prints seconds until the server answers, until the first screen is settled, and until a second window's is; and the
seconds of processor that server and browser took until the first screen, which do not depend on what else runs. Then
the medians.
"""

from __future__ import annotations

import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Error, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
SETTLED = '[data-testid="stApp"][data-test-script-state="notRunning"]'


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def worked(pid: int) -> float:
    """Seconds of processor of a process and of all that it started."""
    seconds, parents = {}, {}
    for place in Path("/proc").iterdir():
        if place.name.isdecimal():
            try:
                fields = (place / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(place.name)] = int(fields[1])
            seconds[int(place.name)] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    mine = {pid}
    while more := {p for p, parent in parents.items() if parent in mine} - mine:
        mine |= more
    return sum(seconds.get(p, 0.0) for p in mine)


@contextmanager
def app(home: str, address: str) -> Iterator[tuple[Page, int]]:
    """The app on the cases of `home` and a page of it in Chromium, asked for until it answers; the server's process."""
    port = free_port()
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
        server = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)], cwd=ROOT,
            env={**os.environ, "ASSAY_HOME": home}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
            for _ in range(300):
                try:
                    page.goto(f"http://127.0.0.1:{port}/{address}", wait_until="commit")
                    break
                except Error:
                    time.sleep(0.2)
            yield page, server.pid
        finally:
            server.terminate()
            server.wait(20)
            browser.close()


def once() -> tuple[float, float, float, float, float]:
    """Served, first screen, second window; processor seconds until the first screen: of the server, of the browser."""
    port = free_port()
    with tempfile.TemporaryDirectory() as home, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
        began, used = time.monotonic(), worked(os.getpid())
        server = subprocess.Popen(
            ["bash", "scripts/run.sh", str(port)], cwd=ROOT, env={**os.environ, "ASSAY_HOME": home},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            while True:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            served = time.monotonic() - began
            took = []
            for begin in (began, None):
                page = browser.new_context().new_page()
                start = begin or time.monotonic()
                page.goto(f"http://127.0.0.1:{port}/", wait_until="commit")
                page.get_by_role("button", name="Begin").wait_for(timeout=60_000)
                page.wait_for_selector(SETTLED, timeout=60_000, state="attached")
                took.append(time.monotonic() - start)
                if begin:
                    cpu = worked(server.pid)
                    browsing = worked(os.getpid()) - cpu - used
        finally:
            server.terminate()
            server.wait(20)
            browser.close()
    return served, took[0], took[1], cpu, browsing


def told(run: tuple[float, ...]) -> None:
    served, first, second, cpu, browsing = run
    print(f"served {served:.1f} s, first screen {first:.1f} s, second window {second:.1f} s; until the first "
          f"screen the server took {cpu:.1f} s of processor, the browser {browsing:.1f} s; "
          f"load {os.getloadavg()[0]:.1f}", flush=True)  # fmt: skip


if __name__ == "__main__":
    runs = []
    for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 5):
        runs.append(once())
        told(runs[-1])
    print("Medians: ", end="")
    told(tuple(map(statistics.median, zip(*runs, strict=True))))
