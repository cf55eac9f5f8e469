"""A model is watched in a real browser: the sample, the loop as a job, its timeline, its sentences, its trail."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.journeys.conftest import Served, settled

LONG = 240_000


def test_a_sample_is_watched(page: Page, served: Served) -> None:
    page.goto(served.url)
    page.get_by_role("button", name="Open A model that is watched").click()
    expect(page.get_by_role("heading", name="Outcomes in the labels")).to_be_visible(timeout=LONG)
    page.get_by_role("link", name="Mitigate and watch", exact=True).first.click()
    settled(page)
    page.get_by_text("Watch", exact=True).first.click()
    settled(page)
    expect(page.get_by_text("Nothing has been watched yet.")).to_be_visible()
    page.get_by_role("button", name="Take the batches that are there").click()

    # it is drawn again while the loop runs, and finds what was planted
    expect(page.get_by_text("What the loop did, and why")).to_be_visible(timeout=LONG)
    expect(page.get_by_text(re.compile("Decisions are wrong more often than is tolerated for Female"))).to_be_visible(
        timeout=LONG
    )
    expect(
        page.get_by_text(re.compile("meets every condition on .* later batches. A person must approve")).first
    ).to_be_visible(timeout=LONG)
    expect(page.get_by_test_id("stPlotlyChart").first).to_be_visible()

    # the trail is whole; a person is asked, with nothing chosen beforehand
    page.get_by_role("button", name="Check the trail").click()
    expect(page.get_by_text(re.compile(r"The trail is whole: \d+ entries"))).to_be_visible(timeout=LONG)
    expect(page.get_by_role("button", name="Record the decision")).to_have_count(1)
    expect(
        page.get_by_role("radio", checked=True).filter(has_text=re.compile("approve|reject", re.IGNORECASE))
    ).to_have_count(0)
    expect(page.get_by_test_id("stException")).to_have_count(0)
