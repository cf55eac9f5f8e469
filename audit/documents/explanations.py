"""explain.json, schema assay/explain/1, as records."""

from __future__ import annotations

from typing import Any

from msgspec import field

from audit.documents.base import Names, Record, Tool


class Importance(Record, frozen=True):
    """The mean size of a feature's attributions, with its interval."""

    feature: str
    mean_abs: float
    low: float
    high: float


class GroupMean(Record, frozen=True):
    """The mean attribution of a feature in a group; rows: behind it."""

    attribute: Names
    group: Names
    feature: str
    mean: float | None
    rows: int
    low: float | None = None
    high: float | None = None
    people: int | None = None


class Part(Record, frozen=True):
    """A feature's part of a gap."""

    feature: str
    value: float
    low: float
    high: float
    error: float | None = None
    seen: bool = True
    association: float | None = None
    association_measure: str | None = None


class Decomposition(Record, frozen=True):
    """A gap between two groups, feature by feature. kind: "extreme" or "rest"; output: of what."""

    attribute: Names
    kind: str
    output: str
    highest: Names
    lowest: Names
    total: float
    features: tuple[Part, ...]
    proxies: tuple[Any, ...] = ()


class Fidelity(Record, frozen=True):
    """How well LIME's line fits the model in a group."""

    attribute: Names
    group: Names
    rows: int
    r2: float | None
    r2_low: float | None = None
    r2_high: float | None = None
    error: float | None = None
    error_low: float | None = None
    error_high: float | None = None


class Share(Record, frozen=True):
    """A feature's part of one person's score, by SHAP or by LIME."""

    feature: str
    value: float
    error: float | None = None
    rule: str | None = None
    spread: float | None = None


class Agreement(Record, frozen=True):
    notice: str | None = None
    disagree: bool = False


class Turn(Record, frozen=True):
    """What would turn a decision, in words."""

    words: str
    found: bool = False
    cost: float | None = None


class Person(Record, frozen=True):
    """One person by the place among the audited rows; values: feature -> value."""

    row: int
    score: float
    decision: str
    values: dict[str, Any]
    shap: tuple[Share, ...]
    lime: tuple[Share, ...]
    agreement: Agreement
    chosen: str | None = None
    favourable: bool | None = None
    base: float | None = None
    lime_r2: float | None = None
    lime_local: float | None = None
    lime_stability: float | None = None
    reasons: Names | None = None
    recourse: Turn | None = None


class StepTaken(Record, frozen=True):
    """One feature moved, as a person would have to move it."""

    feature: str
    to: Any
    start: Any = field(name="from", default=None)


class CounterfactualSteps(Record, frozen=True):
    steps: tuple[StepTaken, ...]


class TurnedBy(Record, frozen=True):
    """Whether a change was found that turns the decision, and which, the least first."""

    found: bool = False
    changes: tuple[CounterfactualSteps, ...] = ()


class Refused(Record, frozen=True):
    """One person with what a letter needs: each step of a change, which pages do not print."""

    row: int
    decision: Any
    favourable: bool
    values: dict[str, Any]
    shap: tuple[Share, ...]
    recourse: TurnedBy | None = None


class Explained(Record, frozen=True):
    """explain.json, of which letters are written."""

    people: tuple[Refused, ...] = ()
    reason: str | None = None


class RecourseGroup(Record, frozen=True):
    """Refused people of a group, and how far they are from the other decision."""

    attribute: Names
    group: Names
    refused: int
    rows: int
    found: int
    share: float | None
    share_low: float | None
    share_high: float | None
    cost: float | None
    cost_low: float | None
    cost_high: float | None
    median: float | None = None


class Recourse(Record, frozen=True):
    sought: bool
    reason: str | None = None
    groups: tuple[RecourseGroup, ...] = ()
    complete: float | None = None
    notice: Names | None = None
    cost: str | None = None
    rows: int | None = None
    tried: int | None = None
    budget: int | None = None
    actionable: Names = ()


class DependencePart(Record, frozen=True):
    """Rows whose value of a feature is this or lies in this band, and its mean attribution among them."""

    value: str
    mean: float
    low: float | None
    high: float | None
    rows: int


class Dependence(Record, frozen=True):
    """left_out: rows with rarer values."""

    feature: str
    parts: tuple[DependencePart, ...]
    left_out: int | None = None


class InteractingPair(Record, frozen=True):
    features: tuple[str, str]
    strength: float


class Interactions(Record, frozen=True):
    """Features that work together."""

    method: str | None = None
    output: str | None = None
    pairs: tuple[InteractingPair, ...] = ()


class LimeSeeds(Record, frozen=True):
    seeds: tuple[int, ...] = ()


class Hiding(Record, frozen=True):
    """Whether the model tells made-up rows from real ones."""

    alarm: bool = False
    notice: str | None = None


class Additivity(Record, frozen=True):
    """Whether attributions add up; rows: looked at."""

    passed: bool
    max_error: float | None = None
    tolerance: float | None = None
    rows: int | None = None


class Background(Record, frozen=True):
    rows: int
    sha256: str
    source: str = field(name="from")


class ExplainedModel(Record, frozen=True):
    sha256: str | None = None
    estimator: str | None = None
    format: str | None = None


class ExplainedData(Record, frozen=True):
    sha256: str | None = None
    audited_rows: int | None = None


class ExplainSettings(Record, frozen=True):
    """How it was explained, as far as a person chooses it; rows: drawn at most."""

    rows: int = 2000


class Explanations(Record, frozen=True):
    """The whole of it. overall: importance, the largest first; empty where nothing was explained."""

    schema: str
    explained: bool
    overall: tuple[Importance, ...] = field(name="global")
    reason: str | None = None
    output: str | None = None
    output_meaning: str | None = None
    method: str | None = None
    method_for_people: str | None = None
    rerouted: str | None = None
    why: str | None = None
    background: Background | None = None
    seed: int | None = None
    rows: int = 0
    dependence: tuple[Dependence, ...] | None = None
    interactions: Interactions | None = None
    lime: LimeSeeds | None = None
    groups: tuple[GroupMean, ...] = ()
    decomposition: tuple[Decomposition, ...] = ()
    fidelity: tuple[Fidelity, ...] = ()
    people: tuple[Person, ...] = ()
    people_rule: str | None = None
    recourse: Recourse | None = None
    hiding: Hiding | None = None
    additivity: Additivity | None = None
    limits: Names = ()
    settings: ExplainSettings = ExplainSettings()
    model: ExplainedModel | None = None
    tool: Tool | None = None
    data: ExplainedData | None = None
