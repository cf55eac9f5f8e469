"""Every screen, light on a desktop and dark on a phone: nothing that axe finds, nothing cut off, not over-long."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.journeys.conftest import Served, settled
from tests.shared import german

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
FOUND = """async () => (await axe.run(document, {resultTypes: ["violations"]})).violations.map(
  v => `${v.id} (${v.impact}): ` + v.nodes.slice(0, 3).map(n => n.html.slice(0, 160)).join(" | "))"""
WIDTHS = {"desktop": (1280, 900), "phone": (390, 844)}
SCHEMES = {"desktop": ("light", "rgb(255, 255, 255)"), "phone": ("dark", "rgb(20, 24, 28)")}
"""And the background by which it is seen that the page follows it."""
SHOWN = """([background, width]) => {
  const app = document.querySelector("[data-testid=stApp]");
  return !app || (getComputedStyle(app).backgroundColor === background && innerWidth === width);
}"""
SCREENS = {
    "Who is in the data": ("Measures of the data", "How good the data are"),
    "What the model does": ("Question by question", "Beyond groups", "Why", "Move the threshold", "Beside another run"),
    "What could go wrong": ("Corrupted data", "Other pipelines", "The contract"),
    "Mitigate and watch": ("Where the norms stand", "What got worse, and for whom", "Your decision", "Search", "Watch"),
    "Report": (), "Check a report": (), "Set up": (), "Start": (),
}  # fmt: skip
TALLEST = {"desktop": 2500, "phone": 3200}
"""CSS pixels of a screen before a person opens anything; lines wrap on a phone."""


@pytest.fixture(scope="module")
def case(served: Served, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A case that is measured, explained and mitigated, made by the commands themselves."""
    place = served.home / "cases" / ("a" * 32)
    place.mkdir(parents=True)
    (place / "sample").write_text("german_credit.toml")
    shutil.copytree(german(tmp_path_factory), place / "run")
    return place.name


@pytest.fixture
def tab(browser: Browser) -> Iterator[Page]:
    # The script of axe is no script of the page's own, so the page's content policy stands back for it here.
    context = browser.new_context(bypass_csp=True)
    yield context.new_page()
    context.close()


def see_as(tab: Page, kind: str) -> None:
    """Streamlit follows the system's scheme and the width while the page stands: nothing is loaded again for it."""
    scheme, background = SCHEMES[kind]
    width, height = WIDTHS[kind]
    tab.emulate_media(color_scheme=scheme)
    tab.set_viewport_size({"width": width, "height": height})
    tab.wait_for_function(SHOWN, arg=[background, width])


def look(tab: Page, where: str, kind: str, tall: int) -> list[str]:
    if not tab.evaluate("'axe' in window"):
        tab.evaluate(AXE)
    found: list[str] = [f"{where}: {v}" for v in tab.evaluate(FOUND)]
    size: dict[str, Any] = tab.evaluate(
        "() => { const m = document.querySelector('[data-testid=stMain]');"
        " return {tall: m.scrollHeight, wide: m.scrollWidth, room: m.clientWidth} }"
    )
    if size["wide"] > size["room"] + 1:
        found.append(f"{where}: {size['wide']} px wide in {size['room']}")
    if size["tall"] > tall:
        found.append(f"{where}: {size['tall']} px high")
    return found


def test_every_screen_for_every_eye(tab: Page, served: Served, case: str) -> None:
    # Contrast is a matter of the scheme, what is cut off one of the width; each of either is seen.
    found: list[str] = []
    kinds = ["desktop", "phone"]
    see_as(tab, kinds[0])

    def both(where: str) -> None:
        settled(tab, 120)
        found.extend(look(tab, where, kinds[0], TALLEST[kinds[0]]))
        kinds.reverse()  # the next begins as this one ends
        see_as(tab, kinds[0])
        settled(tab, 120, begins=150)
        found.extend(look(tab, where, kinds[0], TALLEST[kinds[0]]))

    tab.goto(f"{served.url}/data?case={case}")
    for screen, sections in SCREENS.items():
        if kinds[0] == "phone":  # there the links are behind a button
            kinds.reverse()
            see_as(tab, "desktop")
        tab.get_by_role("link", name=screen, exact=True).first.click()
        both(screen)
        assert screen in ("Check a report", "Set up", "Start") or f"case={case}" in tab.url, tab.url
        for section in sections:
            tab.get_by_role("radio", name=section, exact=True).click()
            both(f"{screen}, {section}")
    assert not found, "\n".join(found)


def test_the_way_in_is_walked_by_the_keyboard(browser: Browser, served: Served) -> None:
    """From the start to the question that is open: Tab, Enter and typing only; what has the focus is seen."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    tab = context.new_page()
    try:
        tab.goto(served.url)
        settled(tab, 120)
        reach(tab, "Begin")
        tab.keyboard.press("Enter")
        expect(tab.get_by_role("heading", name="Set up", exact=True)).to_be_visible(timeout=30_000)
        settled(tab, 120)
        reach(tab, "Upload")
    finally:
        context.close()


def reach(tab: Page, name: str) -> None:
    """Press Tab until this button has the focus, and see that the focus is drawn."""
    for _ in range(60):
        tab.keyboard.press("Tab")
        text = tab.evaluate("document.activeElement?.tagName === 'BUTTON' ? document.activeElement.innerText : ''")
        if name in text.split():
            drawn = tab.evaluate(
                "(() => { const s = getComputedStyle(document.activeElement);"
                " return s.outlineStyle !== 'none' || s.boxShadow !== 'none' })()"
            )
            assert drawn, f"the focus on {name} is not seen"
            return
    raise AssertionError(f"{name} is not reached by the keyboard")
