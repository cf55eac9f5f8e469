"""A candidate of a search that a person picked: how to make it again, and the record of the choice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from audit.documents import record_in
from audit.documents.mitigation import Choice
from audit.numbers import many


@dataclass(frozen=True, slots=True)
class Picked:
    """One trial of search.json. hyper: the method's own parameters (None: as they stand); model: its sha256 there.

    choice is who picked it, why, when and from which front; None where a run is only made again.
    """

    trial: int
    hyper: Mapping[str, float] | None
    model: str | None = None
    choice: Mapping[str, Any] | None = None


def picked_to_json(picked: Picked | None, model: str) -> dict[str, Any]:
    """The keys `search` (what was made) and `choice` (what a person said) of mitigation.json; None without a search."""
    if picked is None:
        return {"search": None, "choice": None}
    search = {"trial": picked.trial, "hyper": None if picked.hyper is None else dict(picked.hyper)}
    choice = None if picked.choice is None else {**picked.choice, "same_model": picked.model == model}
    return {"search": search, "choice": choice}


def notes_of_choice(entry: Mapping[str, Any] | None) -> list[str]:
    """What must be known of a choice among many, the key `choice` of mitigation.json."""
    if entry is None:
        return []
    choice = record_in(Choice, entry, "mitigation.json")
    notes = [
        f"Candidate {choice.trial} was picked among {many(choice.looked_at, 'candidate')} of a search on validation "
        "rows. The test rows were used for this one only."
    ]
    if not choice.on_front:
        notes.append("The candidate is not on the front of its search: another one is no worse in both figures.")
    if not choice.same_model:
        notes.append("Made again, the candidate's file is not the same as in the search; what is compared is this one.")
    return notes
