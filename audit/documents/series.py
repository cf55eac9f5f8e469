"""series.json, schema assay/series/1, as records: what the loop did, as far as it may be published."""

from __future__ import annotations

from typing import Any

from msgspec import field

from audit.documents.base import Names, Record


class Watched(Record, frozen=True):
    file: str
    sha256: str


class WatchNamed(Record, frozen=True):
    sha256: str


class WatchedOf(Record, frozen=True):
    """Of which watch.json a history was made, whatever else it holds."""

    watch: WatchNamed
    batches: int


class WatchPolicy(Record, frozen=True):
    version: str
    sha256: str
    automatic: bool = False


class Standing(Record, frozen=True):
    """A norm as it stands. source: "counts" (embedded), "loop" (rounded, its counts stay behind), "withheld"."""

    key: str
    metric: str
    kind: str
    attribute: Names
    limit: float
    value: float | None
    low: float | None
    high: float | None
    highest: Any
    lowest: Any
    status: str | None
    source: str = field(name="from")
    people: int | None = None
    alpha: float | None = None


class Point(Record, frozen=True):
    """One batch, or another event in the course of time."""

    number: int | None
    kind: str | None
    norms: tuple[Standing, ...]
    rows: int | None = None
    time: str | None = None
    state: str | None = None
    running: str | None = None


class LoopEvent(Record, frozen=True):
    """What happened, in words. before, after: states; running: the model's SHA-256."""

    seq: int
    kind: str
    words: str
    before: str | None
    after: str | None
    running: str | None
    time: str
    model: str | None = None
    predecessor: str | None = None
    method: str | None = None
    by: str | None = None
    reason: str | None = None


class Link(Record, frozen=True):
    """One entry of the trail: its hash, and the seal over it and all before."""

    seq: int
    kind: str
    hash: str
    time: str
    seal: str
    body: str | None = None


class Trail(Record, frozen=True):
    entries: int
    time: str | None
    links: tuple[Link, ...]


class StreamCounts(Record, frozen=True, omit_defaults=True):
    """People since the step before, flat: group by group, outcome by outcome, decision by decision. w, w2: sums of
    weights and of their squares up to here, where rows are weighted."""

    n: tuple[int, ...]
    w: tuple[float, ...] = ()
    w2: tuple[float, ...] = ()


class CountsStep(Record, frozen=True, omit_defaults=True):
    """number: of the batch. arrived: by decisions as they were made; matured: whose outcomes are due."""

    number: int
    arrived: StreamCounts | None = None
    matured: StreamCounts | None = None


class CountsTable(Record, frozen=True):
    """The counts of one model by one set of columns. meaning: audit.cube.Meaning, in order."""

    running: str
    first: int
    attribute: Names
    groups: tuple[Names, ...]
    steps: tuple[CountsStep, ...]
    meaning: tuple[Any, ...]
    weighted: bool


class SeriesCounts(Record, frozen=True):
    """floor: the least people of a group that is shown; people: that a group needs to be judged."""

    floor: int
    people: int | None
    tables: tuple[CountsTable, ...]


class Series(Record, frozen=True):
    """The whole of it."""

    schema: str
    watch: Watched
    policy: WatchPolicy
    running: str
    since: int
    state: str
    batches: int
    norms: tuple[Standing, ...]
    timeline: tuple[Point, ...]
    counts: SeriesCounts
    events: tuple[LoopEvent, ...]
    decisions: tuple[LoopEvent, ...]
    trail: Trail
    matured: int = 0
    rows: int = 0
    label_delay: int = 0
