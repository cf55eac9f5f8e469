"""What people do, in a real browser: a sample from audit to a decision, a reload, a search and a pick, a model that is
watched, what is refused. One's own file, a signed report and the checks of axe: test_every_eye.py."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Page, expect

from tests.journeys.conftest import Served, Watched, settled

LONG = 240_000


def open_page(page: Page, name: str) -> None:
    page.get_by_role("link", name=name, exact=True).first.click()
    settled(page)


def part(page: Page, name: str) -> None:
    """Open this part of a long screen."""
    page.get_by_role("radio", name=name, exact=True).click()
    settled(page)


def no_exception(page: Page) -> None:
    expect(page.get_by_test_id("stException")).to_have_count(0)


@pytest.fixture(scope="module")
def sample(desktop: Watched, served: Served) -> str:
    """The case of the sample, which a person opened and which is audited."""
    page = desktop.tab
    page.goto(served.url)
    page.get_by_role("button", name="Open German credit").click(timeout=LONG)
    expect(page.get_by_role("heading", name="Outcomes in the labels")).to_be_visible(timeout=LONG)
    settled(page)
    return parse_qs(urlsplit(page.url).query)["case"][0]


def test_from_the_sample_to_a_decision_on_a_candidate(page: Page, sample: str) -> None:
    # who is in the data
    expect(page.get_by_text(re.compile("^Of 400 people, 273 are male and 127 are female"))).to_be_visible()
    no_exception(page)

    # what the model does, by question
    open_page(page, "What the model does")
    expect(page.get_by_text(re.compile(r"By sex: .* of male .* and .* of female .* receive"))).to_be_visible()
    expect(page.get_by_text("undecided").first).to_be_visible()
    no_exception(page)

    # explain a person
    part(page, "Why")
    page.get_by_label(re.compile("Explain a person")).fill("7")
    page.get_by_role("button", name="Explain", exact=True).click()
    expect(page.get_by_role("heading", name="One person's decision")).to_be_visible(timeout=LONG)
    settled(page)
    expect(page.get_by_role("combobox", name="Person", exact=True)).to_have_value(re.compile("row 7: score"))
    no_exception(page)

    # a job outlives a reload of the page; cancelled, it leaves nothing
    open_page(page, "Mitigate and watch")
    page.get_by_role("button", name="Build a candidate").click()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible(timeout=LONG)
    assert "job=" in page.url
    assert f"case={sample}" in page.url
    page.reload()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible(timeout=LONG)
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text(re.compile("cancelled. Nothing that was there before"))).to_be_visible(timeout=LONG)
    no_exception(page)

    # mitigate, look at what got worse, decide
    page.get_by_role("button", name="Build a candidate").click()
    expect(page.get_by_text("original, threshold moved").first).to_be_visible(timeout=LONG)
    settled(page)
    part(page, "Where the norms stand")
    expect(page.get_by_role("columnheader", name="Original, threshold moved")).to_be_visible()
    part(page, "What got worse, and for whom")
    expect(page.get_by_role("heading", name="What got worse")).to_be_visible()
    part(page, "Your decision")
    page.get_by_role("button", name="Record the decision").click()
    expect(page.get_by_text("Still missing: the decision, who decides, why")).to_be_visible()
    page.get_by_label("Who decides").fill("R. Reviewer")
    page.get_by_label("Why").fill("The gap narrows; the loss for one group is not acceptable.")
    page.get_by_text("rejected", exact=True).click()
    page.get_by_role("button", name="Record the decision").click()
    expect(page.get_by_text(re.compile("Rejected by R. Reviewer"))).to_be_visible(timeout=LONG)
    with page.expect_download() as model:
        page.get_by_role("button", name="Download the candidate model").click()
    assert Path(model.value.path()).stat().st_size > 1000
    no_exception(page)


def test_a_search_is_watched_and_a_point_picked_with_a_reason(page: Page, served: Served, sample: str) -> None:
    other = served.home / "cases" / ("b" * 32)  # the sample audited, nothing mitigated
    (other / "run").mkdir(parents=True)
    (other / "sample").write_text("german_credit.toml")
    for name in ("evidence.json", "cube.json"):
        shutil.copy(served.home / "cases" / sample / "run" / name, other / "run")
    page.goto(f"{served.url}/data?case={other.name}")
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


def own_table(path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = 600
    gender = rng.choice(["woman", "man"], rows)
    repaid = rng.random(rows) < 0.6
    granted = rng.random(rows) < 0.2 + 0.3 * repaid + 0.4 * (gender == "man")
    pd.DataFrame(
        {
            "gender": gender,
            "income": rng.integers(10, 90, rows),
            "repaid": np.where(repaid, "yes", "no"),
            "granted": np.where(granted, "yes", "no"),
        }
    ).to_csv(path, index=False)


def following(page: Page) -> None:
    page.get_by_role("button", name="Next", exact=True).click()
    settled(page)


def choose(page: Page, label: str, value: str) -> None:
    box = page.get_by_test_id("stSelectbox").filter(has_text=label).first
    if box.get_by_text(value, exact=True).count() or box.locator("input").input_value() == value:
        return  # proposed already
    box.locator("input").fill(value)
    page.get_by_role("option", name=value, exact=True).first.click()
    settled(page)


def test_a_pickle_is_refused_with_the_way_out(page: Page, served: Served, tmp_path: Path) -> None:
    import pickle

    table, model = tmp_path / "loans.csv", tmp_path / "model.skops"
    own_table(table)
    model.write_bytes(pickle.dumps({"a": 1}))
    page.goto(f"{served.url}/setup")
    settled(page)
    uploads = page.get_by_test_id("stFileUploader")
    uploads.filter(has_text="Data set").locator("input[type=file]").set_input_files(table)
    expect(page.get_by_text("600 rows, 4 columns")).to_be_visible(timeout=LONG)
    settled(page)
    uploads.filter(has_text="Model (optional)").locator("input[type=file]").set_input_files(model)
    expect(page.get_by_text(re.compile("pickle", re.I)).first).to_be_visible(timeout=LONG)
    expect(page.get_by_text(re.compile("skops")).first).to_be_visible()
    no_exception(page)


def test_an_address_that_is_no_case_is_one_clear_message(page: Page, served: Served) -> None:
    page.goto(f"{served.url}/data?case=../../etc/passwd")
    expect(page.get_by_text("this case is not on this machine")).to_be_visible(timeout=LONG)
    no_exception(page)
