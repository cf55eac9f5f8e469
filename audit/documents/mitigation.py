"""mitigation.json, schema assay/mitigation/1, as records."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, UnsetType, field

from audit.documents.base import CaseNamed, Model, Names, NormResult, PolicyNamed, Record, SettingsRecord, Tool
from audit.documents.evidence import LeftToCube
from audit.values import Count, Gap, Rate

ARMS = {"original": "original", "matched": "original, threshold moved", "candidate": "candidate"}
"""The arms of a comparison, in order, as a reader sees them."""


class Arm(Record, frozen=True):
    """What one model does to the test rows."""

    rates: tuple[Rate, ...]
    gaps: tuple[Gap, ...]
    counts: tuple[Count, ...]
    threshold: float | None = None
    accuracy: float | None = None
    selection_rate: float | None = None
    true_positive_rate: float | None = None
    false_positive_rate: float | None = None
    roc_auc: float | None = None
    norms: tuple[NormResult, ...] = ()


class Arms(Record, frozen=True):
    """matched: the original with its threshold moved, so that it selects as many as the candidate."""

    original: Arm
    candidate: Arm
    matched: Arm | None = None

    def present(self) -> dict[str, Arm]:
        """Those that were measured, by name and in order."""
        arms = {name: getattr(self, name) for name in ARMS}
        return {name: arm for name, arm in arms.items() if arm is not None}


class AimedGap(Record, frozen=True):
    attribute: Names
    value: float | None
    low: float | None
    high: float | None


class GroupApart(Record, frozen=True):
    """A group that the method does not hold to its aim, and why not."""

    attribute: Names
    group: Names
    why: str


class Aim(Record, frozen=True):
    """What the method was to keep within `tolerance`, and the gaps of the candidate. start: of a loss, from where.

    apart: groups that the method does not hold; held: the gaps without them, on which `met` is judged.
    """

    name: str
    metric: str
    tolerance: float
    by: tuple[AimedGap, ...]
    reached: float | None = None
    high: float | None = None
    met: bool | None = None
    start: float | None = field(name="from", default=None)
    bound: float | None = None
    largest_error: float | None = None
    group: Names | None = None
    apart: tuple[GroupApart, ...] = ()
    held: tuple[AimedGap, ...] = ()


class Change(Record, frozen=True):
    """One figure before and after. group: None for a gap. clear: whether chance explains the change badly."""

    metric: str
    attribute: Names
    group: Names | None
    kind: str
    before: float
    after: float
    delta: float
    low: float | None
    high: float | None
    worse: bool
    matched: float | None = None
    clear: bool = False


class Flip(Record, frozen=True):
    """Whose decision changes between the original and the candidate."""

    attribute: Names
    group: Names
    rows: int
    to_favourable: int
    to_unfavourable: int
    p_value: float | None = None
    p_adjusted: float | None = None


class DecisionOn(Record, frozen=True):
    """A person's word on the candidate."""

    accepted: bool
    reason: str
    by: str
    time: str | None = None


class CandidateModel(Record, frozen=True):
    file: str
    sha256: str
    format: str | None = None


class MitigatedData(Record, frozen=True):
    """The data that the candidate was made of; what an older report does not say is UNSET."""

    sha256: str
    rows: int
    label: str | UnsetType | None = UNSET
    positive: str | UnsetType | None = UNSET
    favourable: str | UnsetType | None = UNSET
    sensitive: Names | UnsetType = UNSET
    features: Names | UnsetType = UNSET
    weight: str | UnsetType | None = UNSET


class SearchNamed(Record, frozen=True):
    file: str
    sha256: str


class Choice(Record, frozen=True):
    """The candidate of a search that a person picked."""

    trial: int
    on_front: bool
    reason: str
    by: str
    time: str
    search: SearchNamed
    looked_at: int
    same_model: bool
    front: tuple[int, ...] = ()


class Tried(Record, frozen=True):
    trial: int | None = None
    hyper: dict[str, Any] | None = None


class AimAsked(Record, frozen=True):
    """What every method is asked for among the `parameters`; what it was set to itself stands beside."""

    constraint: str
    tolerance: float
    attributes: Names


class Splits(Record, frozen=True):
    """Rows by what they were for, and who made the parts ("seed" or "case")."""

    train: int
    validation: int
    test: int
    made_by: str | UnsetType = UNSET


class Onnx(Record, frozen=True):
    """The candidate as ONNX, held against itself on the test rows; file None, with the reason, where there is none."""

    file: str | None
    reason: str | None = None
    sha256: str | None = None
    rows: int | None = None
    difference: float | None = None
    tolerance: float | None = None
    decisions_differ: int | None = None


class Mitigation(Record, frozen=True):
    """The whole of it."""

    schema: str
    method: str
    title: str
    stage: str
    needs_sensitive_at_decision: bool
    notice: str | None
    case: CaseNamed
    parameters: dict[str, Any]
    seed: int
    model: CandidateModel
    base: Model
    data: MitigatedData
    splits: Splits
    constraint: Aim
    arms: Arms
    cubes: dict[str, Any]
    changes: tuple[Change, ...]
    flips: tuple[Flip, ...]
    policy: PolicyNamed | None = None
    settings: SettingsRecord | None = None
    tool: Tool | None = None
    notes: Names = ()
    words: str = ""
    source: str = ""
    decision: DecisionOn | None = None
    decisions: tuple[DecisionOn, ...] = ()
    earlier: Any = None
    search: Tried | None = None
    choice: Choice | None = None
    onnx: Onnx | None = None
    left_to_cube: LeftToCube | None = None
