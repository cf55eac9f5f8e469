"""What a check reads of an embedded document, as records. What it compares leaf by leaf, every key of it, stays plain.

A dishonest signer's entry of another type, or one that lacks, is a FormError: each check makes its refusal of it.
"""

from __future__ import annotations

from typing import Any

from audit.documents.base import Names, Record
from audit.documents.mitigation import AimAsked, GroupApart


class NormAsked(Record, frozen=True):
    """A norm as the evidence names it: it is judged again."""

    metric: str
    kind: str
    attribute: Names
    limit: float


class Stages(Record, frozen=True):
    """The `funnel` of evidence.json."""

    stages: Names
    figures: Any
    counts: Any


class AimHeld(Record, frozen=True):
    """The `constraint` of mitigation.json: what the groups that a method holds are compared on."""

    metric: str
    apart: tuple[GroupApart, ...] = ()
    held: Any = ()


class Aimed(Record, frozen=True):
    """mitigation.json, of which only the aim is read."""

    constraint: AimHeld


class SearchPlace(Record, frozen=True):
    """Where one way of deciding stands in search.json: counts, and the figures that follow from them."""

    counts: Any
    loss: Any
    gap: Any
    selection_rate: Any


class Candidate(SearchPlace, frozen=True):
    """A candidate that was made; matched: the original with its threshold moved as far."""

    matched: SearchPlace | None


class TrialOf(Record, frozen=True):
    """What is said of a candidate, made or not."""

    trial: int
    failed: str | None
    front: bool
    method: str
    parameters: dict[str, Any]
    model: str | None = None


class SearchAsked(Record, frozen=True):
    """What decides how a candidate comes out, beside its own parameters."""

    seed: int
    constraint: str
    attributes: Names


class Searched(Record, frozen=True):
    """search.json."""

    asked: SearchAsked
    original: SearchPlace
    trials: tuple[dict[str, Any], ...]


class ShaOf(Record, frozen=True):
    sha256: str


class ChoiceNamed(Record, frozen=True):
    """Which candidate of which search was picked."""

    search: ShaOf
    trial: int


class Picked(Record, frozen=True):
    """mitigation.json, as far as it says so; None where no search was picked from."""

    choice: ChoiceNamed | None = None


class ChoiceFacts(Record, frozen=True):
    """What is told of the choice, and follows from the search."""

    on_front: bool
    looked_at: int
    same_model: bool


class Hyper(Record, frozen=True):
    hyper: dict[str, Any] | None


class PickedMitigation(Record, frozen=True):
    """mitigation.json of a candidate that was picked: how it was made."""

    method: str
    seed: int
    parameters: AimAsked
    search: Hyper
    choice: ChoiceFacts
    model: ShaOf
