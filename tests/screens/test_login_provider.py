"""Logins against a real provider (oidc-provider-mock, in an environment of its own): two browsers, twenty people."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.screens.test_serve import ask, command, free_port
from tests.screens.visitor import Visitor

pytestmark = pytest.mark.environments
ROOT = Path(__file__).resolve().parents[2]
PLACE = Path(os.environ.get("ASSAY_ENVIRONMENTS") or Path(tempfile.gettempdir()) / "assay-environments") / "oidc"
SECONDS = 40
PEOPLE = {"ann": ["risk", "lending"], "bob": ["risk", "claims"]} | {f"p{n}": ["risk", f"t{n}"] for n in range(20)}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """The app's port and workspace; the provider's tokens end after SECONDS."""
    home, port, provider = Path(tmp_path_factory.mktemp("home")), free_port(), free_port()
    claims = [json.dumps({"sub": k, "name": k.capitalize(), "groups": g}) for k, g in PEOPLE.items()]
    words = [str(PLACE / "bin" / "oidc-provider-mock"), "-p", str(provider), "-e", str(SECONDS), "-n", "true"]
    secrets = home / "secrets.toml"
    secrets.write_text(
        f'[auth]\nredirect_uri = "http://127.0.0.1:{port}/oauth2callback"\ncookie_secret = "{"c" * 40}"\n'
        'client_id = "assay"\nclient_secret = "s"\n'
        f'server_metadata_url = "http://127.0.0.1:{provider}/.well-known/openid-configuration"\n'
        '[people]\nclaim = "groups"\n[people.roles]\nanalyst = ["risk"]\n[people.teams]\nLending = ["lending"]\n'
    )
    secrets.chmod(0o600)
    started = []
    try:
        for line, log in (
            ([*words, *(w for c in claims for w in ("--user-claims", c))], "provider.txt"),
            (command(port, "--secrets.files", str(secrets)), "served.txt"),
        ):
            with open(home / log, "wb") as out:
                started.append(
                    subprocess.Popen(
                        line,
                        cwd=ROOT,
                        stdout=out,
                        stderr=subprocess.STDOUT,
                        env={**os.environ, "ASSAY_HOME": str(home)},
                    )
                )
        until = time.monotonic() + 90
        while ask(port, "/_stcore/health") is None or ask(provider, "/.well-known/openid-configuration") is None:
            assert all(p.poll() is None for p in started)
            assert time.monotonic() < until
            time.sleep(0.2)
        yield port, home
    finally:
        for process in started:
            process.terminate()
            process.wait(20)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium")
    assert path
    with sync_playwright() as play:
        running = play.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield running
        running.close()


def sign_in(page: Page, port: int, name: str, wanted: str = "/") -> None:
    page.goto(f"http://127.0.0.1:{port}{wanted}")
    page.get_by_role("link", name="Sign in").click()
    page.locator("input[name=sub]").fill(name)
    page.locator("input[name=sub]").press("Enter")
    page.get_by_text(f"Signed in as {name.capitalize()}").wait_for(timeout=60_000)


def test_two_browsers_see_their_own_cases_and_a_login_ends(served: tuple[int, Path], browser: Browser) -> None:
    port, home = served
    ann, bob = (browser.new_context().new_page() for _ in range(2))
    sign_in(ann, port, "ann")
    began = time.monotonic()
    ann.get_by_role("button", name="Open German credit").click()
    ann.get_by_role("heading", name="Who is in the data").wait_for(timeout=60_000)
    (case,) = (home / "cases").iterdir()
    assert json.loads((case / "owner.json").read_text())["name"] == "Ann"
    sign_in(bob, port, "bob", f"/model?case={case.name}")
    assert f"/model?case={case.name}" in bob.url or "/model" in bob.url, "the page that was wanted is found again"
    bob.get_by_text("not on this machine").wait_for(timeout=60_000)
    cookies = bob.context.cookies()
    assert cookies
    assert all(c["secure"] for c in cookies), "also on 127.0.0.1, which a browser holds for secure"
    ann.wait_for_timeout(max(0, 1000 * (SECONDS + 1 - (time.monotonic() - began))))
    ann.get_by_role("link", name="What the model does").first.click()
    ann.get_by_text("Your sign-in has ended").wait_for(timeout=60_000)
    ann.get_by_role("button", name="Sign in again").wait_for()


def test_twenty_people_at_once(served: tuple[int, Path]) -> None:
    port, _ = served

    def one(n: int) -> str:
        visitor = Visitor(port)
        answer = visitor.get(visitor.get("/sign-in?next=/").headers["Location"])
        visitor.consent(str(answer.headers["Location"]), f"p{n}")
        return visitor.see(seconds=240)

    with ThreadPoolExecutor(20) as pool:
        seen = list(pool.map(one, range(20)))
    for n, text in enumerate(seen):
        assert f"Signed in as P{n} (analyst)" in text or "Your sign-in has ended" in text
        assert not any(f"Signed in as P{m} " in text for m in range(20) if m != n)
    assert sum("Signed in as" in text for text in seen) >= 18
