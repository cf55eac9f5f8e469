"""stress.json, schema assay/stress/1, and whatif.json, schema assay/whatif/1, as records."""

from __future__ import annotations

from typing import Any

from msgspec import field

from audit.documents.base import CaseNamed, Model, Names, Record, Tool

Counts = tuple[tuple[tuple[float, float], ...], ...]
"""Of each rate, of each group: counted, and out of how many."""


class DataRead(Record, frozen=True):
    """What was read, and how many of its rows were measured."""

    sha256: str = ""
    rows: int | None = None
    audited_rows: int | None = None
    measured_rows: int | None = None


class About(Record, frozen=True):
    """Of which data, case and model a document is, whatever else it holds."""

    data: DataRead
    case: CaseNamed
    model: Model | None = None


class SearchSettings(Record, frozen=True):
    """How it was searched. budget: the largest share of rows; depth: conditions of a predicate; fits: at most."""

    budget: float
    seed: int
    depth: int = 2
    kinds: Names = ()
    columns: Names = ()
    plausible: dict[str, Names] = field(default_factory=dict)
    train: bool = True
    fits: int = 0


class Condition(Record, frozen=True):
    """A literal. how: "is", "at least" or "below"; personal: about a sensitive attribute or the outcome."""

    column: str
    how: str
    value: str
    personal: bool


class Counted(Record, frozen=True):
    """What a figure follows from, before and after."""

    groups: Names
    before: Counts
    after: Counts


class Caught(Record, frozen=True):
    """The line of a contract that fails under the corruption, and not without it."""

    words: str
    line: dict[str, Any]
    proposed: bool


class Seen(Record, frozen=True):
    """How the watch of a feed would have seen it, and after how many batches."""

    how: str
    batches: int


class Watched(Record, frozen=True):
    """How many batches of so many rows were tried."""

    batch: int
    batches: int


class Finding(Record, frozen=True):
    """The worst of one figure. change, low, high: signed as the figure; rows: corrupted, of so many. lowest: the group
    whose side of a gap this is: how far it is below the highest other (below 0: above), or its ratio to that."""

    question: str
    metric: str
    attribute: Names
    figure: str
    kind: str
    predicate: tuple[Condition, ...]
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
    counts: Counted
    limit: float | None = None
    column: str | None = None
    random_mean: float | None = None
    random_worst: float | None = None
    caught: Caught | None = None
    watch: Seen | None = None
    watched: Watched | None = None
    lowest: str | None = None


class Serving(Record, frozen=True):
    """The model is fixed, and what it is fed is wrong."""

    candidates: int
    searched_rows: int
    reported_rows: int
    entries: tuple[Finding, ...]
    corruptions: int = 0
    notes: Names = ()


class Training(Record, frozen=True):
    """The model was fitted on wrong rows. measured: False with the reason, where it was not."""

    measured: bool
    entries: tuple[Finding, ...]
    reason: str | None = None
    learner: str | None = None
    learned_rows: int | None = None
    searched_rows: int | None = None
    reported_rows: int | None = None
    candidates: int | None = None
    fits: int | None = None
    notes: Names = ()


class Stress(Record, frozen=True):
    """stress.json."""

    schema: str
    asked: SearchSettings
    serving: Serving
    training: Training
    case: CaseNamed | None = None
    data: DataRead | None = None
    model: Model | None = None
    tool: Tool | None = None


class Variation(Record, frozen=True):
    """One figure of one variant, against the pipeline as built; None where it cannot be estimated."""

    value: float | None
    change: float | None
    low: float | None
    high: float | None
    p_value: float | None
    p_adjusted: float | None
    counts: Counts


class VariantResult(Record, frozen=True):
    """side: "train" (a choice in building), "test" (what comes in differs) or "decide"; changed: decisions."""

    variant: str
    kind: str
    side: str
    figures: tuple[Variation, ...]
    step: str = ""
    changed: int = 0


class AimResult(Record, frozen=True):
    """One figure as built (base), and of the model that was shipped."""

    metric: str
    attribute: Names
    kind: str
    limit: float | None
    base: float
    base_counts: Counts
    shipped: float | None
    shipped_counts: Counts
    words: str = ""
    groups: Names = ()


class FailedVariant(Record, frozen=True):
    variant: str
    reason: str


class Multiverse(Record, frozen=True):
    """How many of the pipelines that could have been built are inside a norm, and better than the shipped one."""

    metric: str
    attribute: Names
    kind: str
    limit: float
    variants: int
    inside: int
    shipped: float | None
    better_than_shipped: int | None


class AskedVariants(Record, frozen=True):
    learner: str
    kinds: Names
    seed: int


class Whatif(Record, frozen=True):
    """whatif.json. tests: p-values that were adjusted; not_searched: norms that rest on more than decisions."""

    schema: str
    data: DataRead
    aims: tuple[AimResult, ...]
    variants: tuple[VariantResult, ...]
    failed: tuple[FailedVariant, ...]
    multiverse: tuple[Multiverse, ...]
    case: CaseNamed | None = None
    asked: AskedVariants | None = None
    learner: str = ""
    learned_rows: int | None = None
    tool: Tool | None = None
    not_searched: Names = ()
    tests: int = 0
    notes: Names = ()
