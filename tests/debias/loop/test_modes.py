"""The table of states: drawn in the documentation as it is gone by, with a sentence for every event."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from debias.loop import events
from debias.loop.alerts import FILE, Alerts
from debias.loop.events import EVENTS
from debias.loop.lineage import event_of
from debias.loop.modes import EVERY, QUIET, TRANSITIONS, Mode, check, table
from debias.loop.trail import Entry
from reports.series import OPEN

ROOT = Path(__file__).resolve().parents[3]


def test_the_documentation_shows_the_table() -> None:
    assert table() in (ROOT / "docs" / "watch.md").read_text()


def test_every_event_of_the_table_has_a_sentence() -> None:
    assert {t.event for t in TRANSITIONS} <= {e.kind for e in EVENTS.values() if e.sentence}


def test_an_event_added_is_told_of_drawn_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = events.Event(
        "eclipse", lambda batch, **_: f"It was dark in batch {batch}.", told=True, model="FAIL", decides=True,
        incident=True, mark="hourglass",
    )  # fmt: skip
    facts = {"batch": "7", "model": "m", "by": "Ada"}
    body = {"seq": 1, "kind": "eclipse", "words": "dark", "facts": facts, "running": "m"}
    entry = Entry(1, "0" * 64, "1" * 64, "2026-11-01T00:00:00.000+00:00", "0" * 64, body)
    alerts = Alerts("Loans", tmp_path / FILE, None)
    alerts.tell([entry])
    assert not (tmp_path / FILE).exists(), "no such event yet: a newer version's"
    assert event_of(entry, "Loans") is None
    monkeypatch.setitem(EVENTS, row.kind, row)
    assert events.words("eclipse", facts) == "It was dark in batch 7."
    alerts.tell([entry])
    assert json.loads((tmp_path / FILE).read_text())["kind"] == "eclipse"
    report = event_of(entry, "Loans")
    assert report is not None
    assert report["eventType"] == "FAIL"
    assert "eclipse" in events.kinds(lambda e: e.decides)
    assert events.kinds(lambda e: e.decides and e.kind != "eclipse") == OPEN, "a report embeds those whole"


def test_every_state_can_be_reached_and_left() -> None:
    assert {t.target for t in TRANSITIONS} == set(Mode)
    assert {s for t in TRANSITIONS for s in t.sources} == set(Mode)


@pytest.mark.parametrize("mode", [m for m in Mode if m not in (Mode.SHADOW, Mode.APPROVAL)])
def test_nothing_is_promoted_but_from_shadow_or_approval(mode: Mode) -> None:
    with pytest.raises(LookupError, match="no way"):
        check(mode, Mode.PROBATION, "promoted")


@pytest.mark.parametrize("mode", EVERY)
def test_after_an_incident_it_goes_where_it_was(mode: Mode) -> None:
    assert check(mode, Mode.DATA_INCIDENT, "incident") is Mode.DATA_INCIDENT
    assert check(Mode.DATA_INCIDENT, mode, "restored") is mode


def test_a_frozen_loop_waits_for_a_person() -> None:
    assert [t.event for t in TRANSITIONS if Mode.FROZEN in t.sources and t.target != Mode.DATA_INCIDENT] == ["unfrozen"]
    assert Mode.FROZEN not in QUIET
