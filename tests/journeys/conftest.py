"""The app on a free port in a folder of its own, and Debian's Chromium that must not ask any foreign host."""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass(frozen=True, slots=True)
class Served:
    """Where the app is, and where it keeps its cases."""

    url: str
    home: Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The real app, as `make run` serves it."""
    home = tmp_path_factory.mktemp("home")
    port = free_port()
    command = [sys.executable, "-m", "streamlit", "run", "app.py"]
    command += ["--server.port", str(port), "--browser.serverPort", str(port)]
    with open(home / "served.txt", "wb") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, "ASSAY_HOME": str(home)}, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        deadline = time.monotonic() + 60
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, (home / "served.txt").read_text()
            assert time.monotonic() < deadline, "the app did not start"
            time.sleep(0.05)
        yield Served(f"http://127.0.0.1:{port}", home)
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium")
    assert path, "Debian's chromium is missing; `make test` installs it"
    with sync_playwright() as play:
        running = play.chromium.launch(executable_path=path, args=CHROMIUM)
        yield running
        running.close()


@dataclass(slots=True)
class Watched:
    """A tab, and what it asked of foreign hosts and which scripts failed in it since that was last looked at."""

    tab: Page
    foreign: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def demand(self) -> None:
        """Neither happened; begins anew."""
        foreign, broken = self.foreign[:], self.broken[:]
        self.foreign.clear()
        self.broken.clear()
        assert foreign == [], "the app asked a foreign host"
        assert broken == [], "a script on the page failed"


@contextmanager
def tab_of(browser: Browser, served: Served, **how: Any) -> Iterator[Watched]:
    """A tab in which every request is recorded."""
    context = browser.new_context(accept_downloads=True, **how)
    watched = Watched(context.new_page())

    def seen(request: Any) -> None:
        if not request.url.startswith((served.url, served.url.replace("http", "ws", 1), "data:", "blob:", "about:")):
            watched.foreign.append(request.url)

    context.on("request", seen)
    watched.tab.on("pageerror", lambda error: watched.broken.append(str(error)))
    yield watched
    context.close()
    watched.demand()


@pytest.fixture(scope="module")
def desktop(browser: Browser, served: Served) -> Iterator[Watched]:
    """One tab for the journeys of a file, as a person has it: a browser that has seen the app's scripts reads them
    in a third of the time."""
    with tab_of(browser, served, viewport={"width": 1280, "height": 900}) as watched:
        yield watched


@pytest.fixture
def page(desktop: Watched) -> Iterator[Page]:
    """The tab on a desktop. A request that would leave the machine fails the test, and so does a script that fails."""
    yield desktop.tab
    desktop.demand()


SETTLED = """([call, begins]) => {
  const now = performance.now(), app = document.querySelector('[data-testid="stApp"]');
  if (window.assaySettled?.call !== call) window.assaySettled = {call, since: now, ran: false};
  const seen = window.assaySettled;
  const drawn = !document.querySelector('[data-testid="stSkeleton"]');
  if (app?.dataset.testScriptState !== 'notRunning' || !drawn) { seen.since = now; seen.ran = true; return false; }
  return now - seen.since >= (seen.ran ? 200 : begins);
}"""
"""Nothing runs or is still to be drawn, and nothing has for a moment: a short one where that was seen, else as long as
a run takes to begin."""
_calls = itertools.count()


def settled(tab: Page, seconds: float = 60, begins: int = 450) -> None:
    """Wait until Streamlit has nothing left to run. begins: how many ms a run may take to begin."""
    tab.wait_for_function(SETTLED, arg=[next(_calls), begins], timeout=seconds * 1000, polling=25)
