"""watch.json and the summary of a run as records: what is read of them (docs/watch.md), parsed once at the JSON edge.

Keys that a record does not name are passed over.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Named(msgspec.Struct, frozen=True):
    """The case."""

    name: str


class PolicyOf(msgspec.Struct, frozen=True):
    """The policy in force."""

    version: str


class NormStands(msgspec.Struct, frozen=True):
    """Where the running model stands on one norm. status: inside, outside, undecided or not_estimable."""

    key: str
    metric: str
    kind: str
    attribute: tuple[str, ...]
    limit: float
    value: float | None
    low: float | None
    high: float | None
    status: str
    reason: str | None = None

    @property
    def about(self) -> str:
        """ "selection rate difference by sex"."""
        return f"{self.metric.replace('_', ' ')} {self.kind} by {' and '.join(self.attribute)}"


class GroupStands(msgspec.Struct, frozen=True):
    """One group that came: people, those with outcomes, wrong decisions of these; status: watched, harmed or undecided,
    with the reason; the share of wrong decisions in the first and the newest batches."""

    attribute: str
    group: str
    people: int
    outcomes: int
    wrong: int
    status: str
    reason: str | None = None
    first: float | None = None
    newest: float | None = None


class CheckStands(msgspec.Struct, frozen=True):
    """One condition of the gate. holds: None is too early to say."""

    name: str
    holds: bool | None
    words: str


class Left(msgspec.Struct, frozen=True):
    """A group that need not show it."""

    name: str


class GateStands(msgspec.Struct, frozen=True):
    """The gate as it was judged last."""

    checks: tuple[CheckStands, ...]
    undecided: tuple[Left, ...]


class Beside(msgspec.Struct, frozen=True):
    """The model beside the running one."""

    model: str
    method: str
    gate: GateStands | None = None


class Aside(msgspec.Struct, frozen=True):
    """Batches that were held, and rows by the reason why they were put aside."""

    held: int
    reasons: dict[str, int]


class Point(msgspec.Struct, frozen=True):
    """A batch of the timeline."""

    number: int | None
    time: str | None


class Happened(msgspec.Struct, frozen=True):
    """An event that is no quiet batch."""

    kind: str
    words: str
    time: str


class Watched(msgspec.Struct, frozen=True):
    """watch.json. changes: facts of each open change."""

    case: Named
    state: str
    running: str
    batches: int
    matured: int
    rows: int
    label_delay: int
    norms: tuple[NormStands, ...]
    groups: tuple[GroupStands, ...]
    changes: tuple[dict[str, Any], ...]
    quarantine: Aside
    pending: Beside | None
    timeline: tuple[Point, ...] = ()
    events: tuple[Happened, ...] = ()


class Judged(msgspec.Struct, frozen=True):
    """Where the norms stand, in either document."""

    norms: tuple[NormStands, ...]


class Summary(msgspec.Struct, frozen=True):
    """What a run did, or `--state` says."""

    case: str
    policy: PolicyOf
    state: str
    running: str
    batches: int
    rows: int
    norms: tuple[NormStands, ...]
    groups: tuple[GroupStands, ...]
    changes: tuple[dict[str, Any], ...]
    pending: Beside | None
    said: tuple[str, ...]
