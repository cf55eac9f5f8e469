"""The table of states: drawn in the documentation as it is gone by, with a sentence for every event."""

from __future__ import annotations

from pathlib import Path

import pytest

from debias.loop import sentences
from debias.loop.modes import EVERY, QUIET, TRANSITIONS, Mode, check, table

ROOT = Path(__file__).resolve().parents[3]


def test_the_documentation_shows_the_table() -> None:
    assert table() in (ROOT / "docs" / "watch.md").read_text()


def test_every_event_of_the_table_has_a_sentence() -> None:
    assert {t.event for t in TRANSITIONS} <= set(sentences.SENTENCES)


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
