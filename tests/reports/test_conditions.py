"""Conditions are numbered, proposed by the figures, kept over the reports of a case, and shown while they are open."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from cli import main
from reports import conditions
from reports.conditions import Condition, conditions_for, of_case, review_day
from reports.issue import issue_report
from reports.log import Log
from reports.register import conditions_of, to_text
from reports.verify import verify_or_raise
from tests.reports import kit, layout
from tests.reports.pki import Pki

WHEN = dt.datetime(2026, 11, 22, 9, 30, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, pki: Pki) -> Path:
    """Two reports of one case, the second a year later; in between, one condition met and one given to somebody."""
    folder = tmp_path_factory.mktemp("conditions")
    kit.audited(folder)
    (folder / "run" / "forms.json").write_text(
        json.dumps({"presets": [{"name": "nyc-ll144", "text": None, "answers": {"sex": "sex"}}]})
    )
    shown = {"annex": "summary", "log": folder / "log"}
    issue_report(folder / "run", pki.auditor, folder / "a.pdf", issued=WHEN, **shown)
    name = "Loans & <b>cards</b>"
    change = ["register", str(folder / "log"), "--case", name]
    assert main([*change, "--condition", "1", "--state", "met", "--reason", "Done in May."]) == 0
    assert main([*change, "--condition", "2", "--owner", "Bo Board", "--due", "2027-03-01"]) == 0
    issue_report(
        folder / "run", pki.auditor, folder / "b.pdf", issued=WHEN + dt.timedelta(days=400),
        conditions=["Ask the people affected."], allow_difference="The same rows.", **shown,
    )  # fmt: skip
    return folder


def test_what_the_figures_ask_for() -> None:
    norm = {"metric": "selection_rate", "kind": "difference", "attribute": ["sex"], "limit": 0.1, "status": "outside"}
    norm |= dict.fromkeys(("value", "low", "high", "reason")) | {"breached": True}
    cells = dict.fromkeys(("tp", "fp", "fn", "tn", "unknown_label"))
    stated: dict[str, Any] = {
        "norms": [norm, {**norm, "kind": "ratio", "limit": 0.8}, {**norm, "metric": "accuracy", "status": "undecided"}],
        "counts": [{"attribute": ["sex"], "group": ["(unknown)"], "rows": 30, **cells}],
        "data": kit.LEAST["data"] | {"label": None, "audited_rows": 300},
    }
    evidence = kit.evidence_with(**stated)
    items = [c.text for c in conditions_for(evidence, None)]
    assert items[0] == "Bring the gap by sex in who gets it to 10 points or less, or write down why it stays."
    assert items[1].startswith("Measure again with more people")
    assert "Find out “sex” for the 30 people where it is not known." in items
    assert [c.number for c in conditions_for(evidence, None)] == [1, 2, 3, 4, 5]
    quiet = kit.evidence_with(data=kit.LEAST["data"] | {"label": "y"})
    assert [c.text for c in conditions_for(quiet, None, watched=True)] == []


def test_open_ones_of_the_case_stand_first_under_their_numbers_and_none_is_used_again() -> None:
    before = (Condition(1, "a", state="met"), Condition(3, "b", "Bo"))
    result = conditions_for(kit.evidence_with(), None, earlier=before, requested=["c", "b"])
    assert result == (Condition(3, "b", "Bo"), Condition(4, "c"))


def test_the_day_of_review_is_a_year_on_or_when_a_form_calls_the_audit_old() -> None:
    day = dt.date(2026, 11, 28)
    assert review_day(day, []) == dt.date(2027, 11, 28)
    assert review_day(day, [None, 90]) == dt.date(2027, 2, 26)


def test_conditions_live_on_over_the_reports_of_a_case(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entries = Log(place / "log").read().entries
    reports = [e for e in entries if e["type"] == "report"]
    first, second = ([c["number"] for c in r["conditions"]] for r in reports)
    assert first[0] == 1
    assert 1 not in second, "met"
    assert second[0] == 2
    assert second[-1] == max(first) + 1
    again = next(c for c in reports[1]["conditions"] if c["number"] == 2)
    assert (again["owner"], again["due"]) == ("Bo Board", "2027-03-01")
    assert of_case(entries, reports[0]["case"])[0].state == "met"
    assert main(["register", str(place / "log")]) == 0
    output = capsys.readouterr().out
    assert f"{len(second)} of {len(second) + 1} conditions are open" in output
    assert "(Bo Board, by 2027-03-01" in output
    for day, late in ((1, False), (2, True)):
        text = to_text((), (), conditions_of(entries), dt.date(2027, 3, day))
        assert ("(Bo Board, by 2027-03-01: OVERDUE)" in text) is late
    assert "Ask the people affected. (no owner, no day)" in output


def test_the_register_says_that_an_audit_is_outdated(place: Path) -> None:
    from reports.register import standings

    entries = Log(place / "log").read().entries
    before, after = (standings(entries, day)[0] for day in (dt.date(2027, 11, 22), dt.date(2027, 11, 23)))
    assert before.outdated == after.outdated == "2027-11-22"
    assert "OUTDATED" not in before.standing
    assert "THE AUDIT IS OUTDATED since 2027-11-22" in after.standing


def test_the_summary_is_one_page_signed_and_verified_by_itself(place: Path) -> None:
    pdf = (place / "a.pdf").read_bytes()
    pages = layout.pages_of(pdf).text
    assert len(pages) == 1
    assert "For the public" in pages[0]
    assert "For the board" not in pages[0]
    verification = verify_or_raise(pdf)
    assert next(c for c in verification.checks if c.name == "printed pages").status == "ok"


def test_a_report_that_leaves_out_an_open_condition_is_not_believed(place: Path, pki: Pki) -> None:
    from reports.verify.log import _retold
    from reports.verify.result import Broken

    view = Log(place / "log").read()
    extra = {"register": [], "conditions": [Condition(2, "Something else.").to_json()]}
    manifest = kit.manifest_of(kit.audited(place), pki.auditor, extra=extra)
    with pytest.raises(
        Broken, match="the report leaves out a condition that the log holds as open, or tells it otherwise"
    ):
        _retold(view, manifest, view.checkpoint.size)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--condition", "99", "--case", "Loans & <b>cards</b>", "--owner", "x"], "has no condition 99"),
        (["--condition", "2", "--owner", "x"], "of which case"),
        (["--condition", "2", "--case", "c"], "nothing about the condition changes"),
        (["--condition", "2", "--case", "c", "--state", "met"], "needs a reason"),
        (["--condition", "2", "--case", "c", "--due", "soon"], "the day is none"),
        (["--condition", "2", "--case", "c", "--owner", "x" * 300], "cannot be printed"),
    ],
)
def test_a_change_that_says_nothing_is_refused(
    options: list[str], words: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["register", str(place / "log"), *options]) == 2
    assert words in capsys.readouterr().err


def test_a_condition_that_cannot_be_printed_is_refused() -> None:
    from audit.errors import InputError

    for text in ("", "x" * 300, "a\x00b"):
        with pytest.raises(InputError, match="cannot be printed"):
            conditions_for({}, None, requested=[text])
    assert conditions.everyday_words("unheard_of") == "the unheard of"
