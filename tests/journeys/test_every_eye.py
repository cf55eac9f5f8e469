"""Every screen, light on a desktop and dark on a phone: nothing that axe finds, nothing cut off, not over-long.

And somebody new, on a phone in the dark, with an unknown table: from the file to a signed report, by the screens alone.
Semicolons, decimal commas, umlauts, and an outcome where 1 is bad. What is told must have the right sign.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import axe_playwright_python
import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.journeys.conftest import Served, Watched, settled, tab_of
from tests.journeys.test_journey import LONG, choose, following, no_exception, open_page, part
from tests.shared import german

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
FOUND = """async () => (await axe.run(document, {resultTypes: ["violations"]})).violations.map(
  v => `${v.id} (${v.impact}): ` + v.nodes.slice(0, 3).map(n => n.html.slice(0, 160)).join(" | "))"""
SHOTS = os.environ.get("ASSAY_SHOTS")
WIDTHS = {"desktop": (1280, 900), "phone": (390, 844)}
SCHEMES = {"desktop": ("light", "rgb(255, 255, 255)"), "phone": ("dark", "rgb(20, 24, 28)")}
"""And the background by which it is seen that the page follows it."""
SHOWN = """([background, width]) => {
  const app = document.querySelector("[data-testid=stApp]");
  return !app || (getComputedStyle(app).backgroundColor === background && innerWidth === width);
}"""
MENDED = """() => [...document.querySelectorAll('[data-testid="stTable"] table')].map(table => table.parentElement)
  .every(place => place.scrollWidth <= place.clientWidth + 1 || place.tabIndex === 0)"""
"""Each table that is wider than its place can be scrolled by the keyboard; a tenth of a second after it was drawn."""
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


@pytest.fixture(scope="module")
def eyes(browser: Browser, served: Served) -> Iterator[Watched]:
    # The script of axe is no script of the page's own, so the page's content policy stands back for it here.
    with tab_of(browser, served, bypass_csp=True) as watched:
        yield watched


@pytest.fixture
def tab(eyes: Watched) -> Iterator[Page]:
    yield eyes.tab
    eyes.demand()


def see_as(tab: Page, kind: str) -> None:
    """Streamlit follows the system's scheme and the width while the page stands: nothing is loaded again for it."""
    scheme, background = SCHEMES[kind]
    width, height = WIDTHS[kind]
    tab.emulate_media(color_scheme=scheme)
    tab.set_viewport_size({"width": width, "height": height})
    tab.wait_for_function(SHOWN, arg=[background, width])


def look(tab: Page, where: str, tall: float) -> list[str]:
    if not tab.evaluate("'axe' in window"):
        tab.evaluate(AXE)
    tab.wait_for_function(MENDED, timeout=10_000)
    items: list[str] = [f"{where}: {v}" for v in tab.evaluate(FOUND)]
    size: dict[str, Any] = tab.evaluate(
        "() => { const m = document.querySelector('[data-testid=stMain]');"
        " return {tall: m.scrollHeight, wide: m.scrollWidth, room: m.clientWidth} }"
    )
    if size["wide"] > size["room"] + 1:
        items.append(f"{where}: {size['wide']} px wide in {size['room']}")
    if size["tall"] > tall:
        items.append(f"{where}: {size['tall']} px high")
    return items


def test_every_screen_for_every_eye(tab: Page, served: Served, case: str) -> None:
    # Contrast is a matter of the scheme, what is cut off one of the width; each of either is seen.
    items: list[str] = []
    kinds = ["desktop", "phone"]
    see_as(tab, kinds[0])

    def both(where: str) -> None:
        settled(tab, 120)
        items.extend(look(tab, where, TALLEST[kinds[0]]))
        kinds.reverse()  # the next begins as this one ends
        see_as(tab, kinds[0])
        settled(tab, 120, begins=150)
        items.extend(look(tab, where, TALLEST[kinds[0]]))

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
    assert not items, "\n".join(items)


def test_the_way_in_is_walked_by_the_keyboard(tab: Page, served: Served) -> None:
    """From the start to the question that is open: Tab, Enter and typing only; what has the focus is seen."""
    see_as(tab, "desktop")
    tab.goto(served.url)
    settled(tab, 120)
    reach(tab, "Begin")
    tab.keyboard.press("Enter")
    expect(tab.get_by_role("heading", name="Set up", exact=True)).to_be_visible(timeout=30_000)
    settled(tab, 120)
    reach(tab, "Upload")


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


def table(path: Path) -> pd.DataFrame:
    """900 people. Men are turned down more often, and fail no more often than women do."""
    rng, n = np.random.default_rng(11), 900
    men = rng.random(n) < 0.5
    frame = pd.DataFrame(
        {
            "Kundennummer": [f"K{i:05d}" for i in range(n)],
            "Geschlecht": np.where(men, "männlich", "weiblich"),
            "Wohnfläche": (40 + 60 * rng.random(n)).round(1),
            "Monatseinkünfte": (1500 + 2500 * rng.random(n)).round(2),
            "Wohnort": rng.choice(["Köln", "Düren", "Bonn"], n),
            "Zahlungsausfall": (rng.random(n) < 0.3).astype(int),
        }
    )
    refused = rng.random(n) < np.where(men, 0.55, 0.3)
    frame["Entscheidung"] = np.where(refused, 1, 0)
    frame.to_csv(path, sep=";", decimal=",", index=False, encoding="utf-8")
    return frame


def seen(tab: Page, name: str) -> None:
    """Nothing that axe finds, nothing wider than the phone."""
    settled(tab)
    if SHOTS:
        tab.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)
    assert look(tab, name, math.inf) == []


def test_from_an_unknown_table_where_one_is_bad_to_a_signed_report(tab: Page, served: Served, tmp_path: Path) -> None:
    page, path = tab, tmp_path / "Kredite Köln.csv"
    frame = table(path)
    see_as(page, "phone")
    page.goto(served.url)
    settled(page)
    page.get_by_role("button", name="Begin").click()
    settled(page)
    page.get_by_test_id("stFileUploader").filter(has_text="Data set").locator("input[type=file]").set_input_files(path)
    expect(page.get_by_text("900 rows, 7 columns")).to_be_visible(timeout=LONG)
    seen(page, "1-purpose")
    page.get_by_label("What is decided about people?").fill("Wer einen Kredit bekommt")
    following(page)
    choose(page, "Outcome column", "Zahlungsausfall")
    seen(page, "2-outcome")
    following(page)
    choose(page, "Column of decisions", "Entscheidung")
    seen(page, "3-source")
    following(page)
    good = page.get_by_role("radiogroup", name="Which value of Zahlungsausfall is good for the person?")
    expect(good.locator("input:checked")).to_have_count(0)
    following(page)
    expect(page.get_by_text("which value is good for the person; every finding")).to_be_visible()
    seen(page, "4-good")
    good.get_by_text("0", exact=True).click()
    settled(page)
    following(page)
    expect(
        page.get_by_test_id("stMultiSelect").filter(has_text="Sensitive columns").get_by_text("Geschlecht")
    ).to_be_visible()
    seen(page, "5-who")
    for name in ("6-hidden", "7-norms", "8-rows", "9-further"):
        following(page)
        seen(page, name)
    following(page)
    expect(page.get_by_role("heading", name="Look it over")).to_be_visible(timeout=LONG)
    seen(page, "a-look")
    page.get_by_role("button", name="Run the audit").click()
    expect(page.get_by_role("heading", name="Outcomes in the labels")).to_be_visible(timeout=LONG)
    expect(page.get_by_text(re.compile(r"^Of 900 people, \d+ are"))).to_be_visible()
    seen(page, "b-data")
    open_page_on_phone(page, "What the model does")
    granted = 1 - frame.groupby("Geschlecht")["Entscheidung"].mean()
    assert granted["weiblich"] > granted["männlich"]
    text = f"{100 * granted['weiblich']:.1f} % of weiblich"
    expect(page.get_by_text(re.compile(re.escape(text).replace(r"\ ", "[ \u00a0]"))).first).to_be_visible(timeout=LONG)
    expect(page.get_by_text("outside the norm").first).to_be_visible(timeout=LONG)
    seen(page, "c-model")
    part(page, "Question by question")
    page.get_by_text("Look at some of the people only").click()
    seen(page, "d-cohort")
    box = page.get_by_test_id("stMultiSelect").filter(has_text="By which other columns")
    box.locator("input").fill("Wohnfläche")
    page.get_by_role("option", name="Wohnfläche", exact=True).click()
    settled(page)
    page.get_by_label("Wohnfläche from").fill("60.5")
    page.get_by_role("button", name="Look at them").click()
    many = int((frame["Wohnfläche"] >= 60.5).sum())
    expect(page.get_by_text(re.compile(f"^{many} people: Wohnfläche at least 60.5"))).to_be_visible(timeout=LONG)
    seen(page, "e-cohort-told")
    no_exception(page)
    open_page_on_phone(page, "Report")
    page.get_by_label("Your name, as it will be printed").fill("Änne Prüfer")
    page.get_by_label("Password of the key").fill("a long password")
    seen(page, "f-report")
    page.get_by_role("button", name="Sign the report").click()
    expect(page.get_by_text(re.compile("Intact and consistent; who signed is not established"))).to_be_visible(
        timeout=LONG
    )
    seen(page, "g-signed")
    with page.expect_download() as report:
        page.get_by_role("button", name="Download the report").click()
    saved, (case,) = Path(report.value.path()).read_bytes(), parse_qs(urlsplit(page.url).query)["case"]
    run = served.home / "cases" / case / "run"
    assert saved == (run / "report.pdf").read_bytes()
    open_page_on_phone(page, "Check a report")
    content = bytearray(saved)
    content[len(content) // 2] ^= 1
    (tmp_path / "broken.pdf").write_bytes(content)
    upload = page.get_by_test_id("stFileUploader").filter(has_text="Report (PDF)").locator("input[type=file]")
    upload.set_input_files(tmp_path / "broken.pdf")
    expect(page.get_by_text("Verification failed.")).to_be_visible(timeout=LONG)
    seen(page, "h-broken")
    no_exception(page)
    evidence = json.loads((run / "evidence.json").read_bytes())
    gap = next(
        g for g in evidence["gaps"]
        if (g["metric"], g["kind"], g["attribute"]) == ("selection_rate", "difference", ["Geschlecht"])
    )  # fmt: skip
    assert (gap["highest"], gap["lowest"]) == (["weiblich"], ["männlich"])
    assert gap["value"] == pytest.approx(granted["weiblich"] - granted["männlich"])


def open_page_on_phone(page: Page, name: str) -> None:
    """Behind the button that opens the list of pages, where the width has no room for it."""
    page.get_by_test_id("stExpandSidebarButton").click()
    open_page(page, name)
