"""stress.json, whatif.json and the `contract` of evidence.json as records."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, UnsetType, field

from audit.documents.base import CaseNamed, Names, Record, Tool


class Literal(Record, frozen=True):
    """One condition of who is hit; personal: by a sensitive attribute or the outcome."""

    column: str
    how: str
    value: Any
    personal: bool


class Caught(Record, frozen=True):
    """The line of a contract that would have caught it."""

    line: dict[str, Any]
    proposed: bool
    words: str = ""


class Watch(Record, frozen=True):
    batches: int
    how: str = ""


class Watched(Record, frozen=True):
    """How often the watch looks: batches of so many rows."""

    batch: int
    batches: int


class Finding(Record, frozen=True):
    """One figure before and after the worst corruption that was found for it. figure: "rate", "difference", "ratio".

    rows: hit, of `of`; random_worst: what as many random errors reach. caught: UNSET where nothing could catch it.
    """

    metric: str
    attribute: Names
    figure: str
    kind: str
    column: str | None
    predicate: tuple[Literal, ...]
    names_person: bool
    rows: int
    of: int
    share_of_them: float
    before: float
    after: float
    change: float
    low: float
    high: float
    worse: bool
    random_worst: float | None = None
    caught: Caught | UnsetType | None = UNSET
    watch: Watch | None = None
    watched: Watched | None = None


class Searched(Record, frozen=True):
    """What was looked at for one question: serving or training."""

    entries: tuple[Finding, ...]
    notes: Names = ()
    measured: bool = True
    reason: str | None = None
    candidates: int = 0
    searched_rows: int = 0
    reported_rows: int = 0
    fits: int = 0
    learner: str | None = None


class StressAsked(Record, frozen=True):
    budget: float


class Stress(Record, frozen=True):
    """stress.json, schema assay/stress/1."""

    schema: str
    asked: StressAsked
    serving: Searched
    training: Searched
    case: CaseNamed | None = None
    tool: Tool | None = None


class VariantFigure(Record, frozen=True):
    value: float | None
    change: float | None
    low: float | None
    high: float | None
    p_value: float | None = None
    p_adjusted: float | None = None


class Variant(Record, frozen=True):
    """One pipeline. side: "train", "test" or "decide"; figures: in the order of the aims."""

    variant: str
    kind: str
    side: str
    figures: tuple[VariantFigure, ...]
    step: str = ""


class VariantAim(Record, frozen=True):
    """A figure that variants are held against; figure: "rate", "difference" or "ratio"."""

    metric: str
    attribute: Names
    figure: str = field(name="kind")
    limit: float | None
    base: float | None


class Multiverse(Record, frozen=True):
    """How many of the pipelines that could have been built are inside a norm."""

    metric: str
    attribute: Names
    figure: str = field(name="kind")
    limit: float
    variants: int
    inside: int
    shipped: float | None
    better_than_shipped: int | None


class NotMade(Record, frozen=True):
    variant: str
    reason: str


class VariantsOf(Record, frozen=True):
    measured_rows: int


class Whatif(Record, frozen=True):
    """whatif.json, schema assay/whatif/1."""

    schema: str
    data: VariantsOf
    aims: tuple[VariantAim, ...]
    variants: tuple[Variant, ...]
    multiverse: tuple[Multiverse, ...]
    failed: tuple[NotMade, ...] = ()
    learner: str = ""


class FailedBy(Record, frozen=True):
    """How many rows of a group fail a check."""

    attribute: Names
    group: Names
    share: float | None
    rows: int | None = None
    failed: int | None = None
    low: float | None = None
    high: float | None = None


class FailedApart(Record, frozen=True):
    """The widest difference of failing shares between groups."""

    attribute: Names
    highest: Names
    lowest: Names
    p_adjusted: float | None = None


class Checked(Record, frozen=True):
    """One check of the contract, and what became of it."""

    kind: str
    columns: Names
    words: str
    severity: str
    passed: bool
    rows: int | None = None
    failed: int | None = None
    share: float | None = None
    low: float | None = None
    high: float | None = None
    by_group: tuple[FailedBy, ...] = ()
    apart: tuple[FailedApart, ...] = ()


class ContractFound(Record, frozen=True):
    """The `contract` of evidence.json (audit.contract.check.to_document)."""

    checks: tuple[Checked, ...]
    kept: int
    broken: int = 0
    rows: int = 0
    not_understood: dict[str, int] = field(default_factory=dict)
