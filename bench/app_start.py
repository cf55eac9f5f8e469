"""How long the app takes from its start to a first screen that can be used, in Chromium: `bench/app_start.py [TIMES]`.

Prints seconds until the server answers, until the first screen is settled, and until a second window's is.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
SETTLED = '[data-testid="stApp"][data-test-script-state="notRunning"]'


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def once() -> tuple[float, float, float, float]:
    """Served, first screen, second window, processor seconds of the server."""
    port = free_port()
    with tempfile.TemporaryDirectory() as home, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
        began = time.monotonic()
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
            fields = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
            cpu = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        finally:
            server.terminate()
            server.wait(20)
            browser.close()
    return served, took[0], took[1], cpu


if __name__ == "__main__":
    for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 3):
        served, first, second, cpu = once()
        load = os.getloadavg()[0]
        print(f"served {served:.1f} s, first screen {first:.1f} s, second window {second:.1f} s; server {cpu:.1f} s of "
              f"processor; load {load:.1f}", flush=True)  # fmt: skip
