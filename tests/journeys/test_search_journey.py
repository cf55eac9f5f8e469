"""A search in a real browser: started, watched, a point picked with a reason, compared on the test rows."""

from __future__ import annotations

import re
import shutil

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.conftest import Served, settled
from tests.shared import german

LONG = 240_000


@pytest.fixture
def case(served: Served, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The sample, audited; that a person can do so is walked in test_journey.py."""
    place = served.home / "cases" / ("b" * 32)
    (place / "run").mkdir(parents=True)
    (place / "sample").write_text("german_credit.toml")
    for name in ("evidence.json", "cube.json"):
        shutil.copy(german(tmp_path_factory) / name, place / "run")
    return place.name


def test_search_and_pick(page: Page, served: Served, case: str) -> None:
    page.goto(f"{served.url}/data?case={case}")
    expect(page.get_by_role("heading", name="Outcomes in the labels")).to_be_visible(timeout=LONG)
    settled(page)
    page.get_by_role("link", name="Mitigate and watch", exact=True).first.click()
    settled(page)
    page.get_by_text("Search", exact=True).first.click()
    settled(page)
    page.get_by_label("Candidates").fill("3")
    page.get_by_label("Candidates").press("Enter")
    settled(page)
    page.get_by_role("button", name="Search", exact=True).last.click()
    expect(page.get_by_text(re.compile(r"3 candidates tried, \d on the front"))).to_be_visible(timeout=LONG)
    settled(page)
    expect(page.get_by_test_id("stPlotlyChart").first).to_be_visible()

    pick = page.get_by_role("button", name="Pick it and measure it on the test rows")
    pick.click()
    expect(page.get_by_text("A choice needs a name and a reason")).to_be_visible(timeout=LONG)
    page.get_by_label("Who picks it").fill("R. Reviewer")
    page.get_by_label("Why this one").fill("- the narrowest; the loss can be borne")
    pick.click()
    picked = page.get_by_text(re.compile(r"R. Reviewer picked candidate \d of 3 on .* Reason: - the narrowest"))
    expect(picked).to_be_visible(timeout=LONG)
    settled(page)
    expect(page.get_by_text("original, threshold moved").first).to_be_visible()
    expect(page.get_by_test_id("stException")).to_have_count(0)
