"""What a check reads of an embedded document, as records. What it compares leaf by leaf, every key of it, stays plain.

A dishonest signer's entry of another type, or one that lacks, is a FormError: each check makes its refusal of it.
"""

from __future__ import annotations

from typing import Any

from audit.documents.base import Names, Record
from audit.documents.mitigation import GroupApart
from audit.documents.search import AskedFor


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


class Searched(Record, frozen=True):
    """search.json."""

    asked: AskedFor
    original: SearchPlace
    trials: tuple[dict[str, Any], ...]
