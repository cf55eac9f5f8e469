"""Screenshots of every screen into docs/images/screens, on the German credit sample: `python scripts/screenshots.py`.

Needs the test tools (playwright) and Debian's Chromium. Run it when a screen has changed.
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

from playwright.sync_api import Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
COHORT = "Look at some of the people only"
SHOTS = (
    ("start", "", None), ("set-up", "setup", None), ("data", "data", None), ("findings", "model", None),
    ("questions", "model", "Question by question"), ("why", "model", "Why"),
    ("threshold", "model", "Move the threshold"), ("norms", "mitigate", "Where the norms stand"),
    ("mitigate", "mitigate", None), ("search", "mitigate", "Search"), ("watch", "mitigate", "Watch"),
    ("stress", "stress", None), ("report", "report", None), ("check", "received", None), ("cohort", "model", COHORT),
)  # fmt: skip
"""Name of the picture, address of the page, and what is chosen on it first."""
LOOKS = {"": (1280, 900, "light"), "-phone": (390, 844, "dark")}


def main() -> None:
    """Make a case by the commands themselves, serve the app, and look at each screen."""
    from cli import main as assay

    out = ROOT / "docs" / "images" / "screens"
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        place = Path(home) / "cases" / ("a" * 32)
        place.mkdir(parents=True)
        (place / "sample").write_text("german_credit.toml")
        file = str(ROOT / "sample_data" / "german_credit.toml")
        for command in (["audit", file], ["explain", file], ["mitigate", file, "--method", "reweighing"]):
            assert assay([*command, "--out", str(place / "run")]) == 0
        port = _free()
        command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
        served = subprocess.Popen(
            [*command, "--browser.serverPort", str(port)], cwd=ROOT, env={**os.environ, "ASSAY_HOME": home}
        )
        try:
            _wait(port)
            with sync_playwright() as play:
                browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
                for end, (width, height, scheme) in LOOKS.items():
                    tab = browser.new_context(
                        viewport={"width": width, "height": height}, color_scheme=scheme
                    ).new_page()
                    for name, path, part in SHOTS:
                        tab.goto(f"http://127.0.0.1:{port}/{path}?case={place.name}")
                        _settled(tab)
                        if part:
                            opens = (
                                tab.get_by_text(part)
                                if part == COHORT
                                else tab.get_by_role("radio", name=part, exact=True)
                            )
                            opens.click()
                            _settled(tab)
                        tab.screenshot(path=out / f"{name}{end}.png")
                browser.close()
        finally:
            served.terminate()
            served.wait(20)


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(port: int) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise SystemExit("the app did not start")


def _settled(tab: Page) -> None:
    tab.wait_for_timeout(800)
    tab.wait_for_selector(
        '[data-testid="stApp"][data-test-script-state="notRunning"]', timeout=120_000, state="attached"
    )
    expect(tab.get_by_test_id("stSkeleton")).to_have_count(0, timeout=120_000)
    tab.wait_for_timeout(800)


if __name__ == "__main__":
    main()
