"""search.json, schema assay/search/1, as records."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, UnsetType, field

from audit.documents.base import CaseNamed, Model, Names, Record, SettingsRecord, Tool


class Loss(Record, frozen=True):
    """The share of wrong decisions, with its interval."""

    value: float
    low: float
    high: float


class WidestGap(Record, frozen=True):
    """The widest gap of single columns, with its interval; attribute: of which."""

    value: float
    low: float
    high: float
    attribute: Names = ()


class Place(Record, frozen=True):
    """Where a model stands on the judging rows."""

    loss: Loss
    gap: WidestGap
    selection_rate: float | None = None
    counts: Any = None


class MatchedPlace(Place, frozen=True):
    """The original with its threshold moved."""

    threshold: float | None = None


class Trial(Record, frozen=True):
    """One candidate. failed: why it could not be made; then it has no place."""

    trial: int
    method: str
    title: str
    parameters: dict[str, Any]
    failed: str | None
    front: bool
    needs_sensitive_at_decision: bool = False
    model: str | None = None
    loss: Loss | None = None
    gap: WidestGap | None = None
    selection_rate: float | None = None
    counts: Any = None
    matched: MatchedPlace | None = None
    notes: Names = ()


class AskedFor(Record, frozen=True):
    """What a search was asked for. need, acceptable_loss: which need the decision serves, and by how much the share of
    wrong decisions may rise for it, as they were said when the search began."""

    constraint: str
    metric: str
    attributes: Names
    seed: int
    methods: Names = ()
    left_out: dict[str, str] = field(default_factory=dict)
    at_random: bool = False
    acceptable_loss: float | None = None
    need: str = ""


class SearchSplits(Record, frozen=True):
    """Rows by what they were for, and who made the parts ("seed" or "case")."""

    train: int
    choose: int
    judge: int
    test: int
    made_by: str | UnsetType = UNSET


class Search(Record, frozen=True):
    """The whole of it. space: method -> parameter -> its ends."""

    schema: str
    asked: AskedFor
    splits: SearchSplits
    original: Place
    trials: tuple[Trial, ...]
    case: CaseNamed | None = None
    data: dict[str, Any] = field(default_factory=dict)
    base: Model | None = None
    objectives: Names = ()
    space: dict[str, dict[str, Any]] = field(default_factory=dict)
    sampler: str = ""
    settings: SettingsRecord | None = None
    tool: Tool | None = None
    counts: dict[str, Any] = field(default_factory=dict)
    trials_asked: int | None = None
    front_among: str = ""
    notes: Names = ()
