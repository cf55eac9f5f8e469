"""The register on the screen Report: a table of who decided what, its export, and the log's key."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from reports.log import Log
from reports.register import register
from screens import report
from screens.workspace import log_home

ISSUED = {"type": "report", "report": "a" * 64, "size": 1, "number": "2026-7", "case": "Loans", "auditor": "Ada",
          "certificate": "d" * 64, "evidence": None,
          "issued": "2026-11-22T09:30:00+00:00", "members": ["Bo"], "quorum": 1,
          "logged": "2026-11-22T09:31:00+00:00"}  # fmt: skip
DECIDED = {"type": "decision", "report": "a" * 64, "revision": "b" * 64, "size": 2, "field": "Member1", "member": "Bo",
           "certificate": "c" * 64, "decision": "approve", "reason": "=1+1 **fine**", "conditions": "Watch it.",
           "until": "2099-05-01", "time": "2026-11-23T10:00:00+00:00", "time_from": "the signer's own clock",
           "statement": None, "logged": "2026-11-23T10:00:01+00:00"}  # fmt: skip


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path))
    return tmp_path


def page() -> None:
    from screens import report

    report.decided()


def shown() -> AppTest:
    app = AppTest.from_function(page, default_timeout=60).run()
    assert not app.exception
    return app


def test_without_a_log_the_screen_says_so_and_makes_none() -> None:
    assert "No report has been signed here yet." in [m.value for m in shown().markdown]
    assert not log_home().exists()
    assert report.logged() is None


def test_the_register_is_a_table_with_the_standing_above_it() -> None:
    view = Log(log_home()).append(lambda view: [ISSUED, DECIDED])
    app = shown()
    stands, lines = (t.value for t in app.table)
    assert stands["Standing"].tolist() == ["approved"]
    assert stands["Approved"].tolist() == ["1 of 1"]
    assert lines["Who"].tolist() == ["Bo", "Ada"]
    assert "**" not in lines["Reason"].iloc[0].replace("\\*", "")
    assert view.verifier.text in [c.value for c in app.code]


def test_conditions_stand_in_a_table_of_their_own_the_open_ones_first() -> None:
    """Who owes what until when; a condition that is over its day says so; one that was met stands below."""
    asked = [
        {"number": 1, "text": "Ask those affected.", "owner": "Bo", "due": "2020-01-31", "state": "open"},
        {"number": 2, "text": "Measure again.", "owner": "", "due": "", "state": "open"},
        {"number": 3, "text": "Write to them.", "owner": "Cy", "due": "", "state": "open"},
    ]
    met = {"type": "condition", "case": "Loans", "number": 3, "owner": "", "due": "", "state": "met", "reason": "done",
           "by": "ann", "logged": "2026-11-24T10:00:00+00:00"}  # fmt: skip
    Log(log_home()).append(lambda view: [ISSUED | {"conditions": asked}, DECIDED, met])
    _, conditions, _ = (t.value for t in shown().table)
    items = [[str(v).replace("\\", "") for v in row] for row in conditions.to_numpy().tolist()]
    assert [row[1:] for row in items] == [
        ["1", "Ask those affected.", "Bo", "2020-01-31", "open, overdue"],
        ["2", "Measure again.", "–", "–", "open"],
        ["3", "Write to them.", "Cy", "–", "met"],
    ]


SEARCHED = {"type": "search", "case": "Loans", "sha256": "e" * 64, "tried": 0, "logged": "2026-11-24T10:00:00+00:00"}


def test_a_log_with_searches_alone_has_no_report() -> None:
    Log(log_home()).append(lambda view: [SEARCHED])
    assert "No report has been signed here yet." in [m.value for m in shown().markdown]


def test_a_log_that_was_changed_is_an_error_on_the_screen() -> None:
    Log(log_home()).append(lambda view: [ISSUED, DECIDED])
    path = log_home() / "entries.jsonl"
    path.write_bytes(path.read_bytes().replace(b"Watch it.", b"Forget it"))
    app = shown()
    assert "not those that its checkpoint" in app.error[0].value
    assert not app.table


def test_every_line_has_a_row() -> None:
    view = Log(log_home()).append(lambda view: [ISSUED, DECIDED])
    rows = report.register_rows(register(view.entries))
    assert rows["What"].tolist() == ["approved", "issued"]
    assert rows["Until"].tolist() == ["2099-05-01", "–"]
