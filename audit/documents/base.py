"""What the records of all documents share."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import field

from audit.findings import NormResult, policy_words
from audit.values import Gap

Names = tuple[str, ...]
"""Columns or values, in order: an attribute, or a group of it."""
Interval = tuple[float, float]


class Record(msgspec.Struct, frozen=True):
    """A frozen record."""


class CaseNamed(Record, frozen=True):
    """What was audited, in the words of the case."""

    name: str
    purpose: str


class Tool(Record, frozen=True):
    """What it was made with: package -> version."""

    version: str
    packages: dict[str, str] = field(default_factory=dict)


class PolicyNamed(Record, frozen=True):
    """standing: "own", "adopted" or "example" (audit.policy); adopted_by: whose name stands for it."""

    version: str
    sha256: str
    standing: str | None = None
    adopted_by: str | None = None

    @property
    def words(self) -> str:
        """Whose norms these are, as a sentence."""
        return policy_words(self.version, self.standing, self.adopted_by)


class Served(Record, frozen=True):
    """How a model at an endpoint was asked: in batches of so many rows, from when to when."""

    identity: str
    started: str
    ended: str
    batch: int
    url: str | None = None
    protocol: str | None = None
    sent_to: str | None = None
    sent: Names = ()
    server: Any = None
    answers: Any = None
    asked_again: int | None = None
    alike: Any = None
    latency: Any = None


class Model(Record, frozen=True):
    """What decides. kind: "path" (a file), "score" or "decision" (a column); the rest where it applies."""

    kind: str
    sha256: str | None = None
    format: str | None = None
    estimator: str | None = None
    isolation: Names = ()
    column: str | None = None
    threshold: float | None = None
    rule: str | None = None
    link: str | None = None
    classes: dict[str, Any] = field(default_factory=dict)
    compared: Compared | None = None
    notes: Names = ()
    learner: Any = None
    served: Served | None = None
    registry: Any = None


class Compared(Record, frozen=True):
    """The model's own decisions beside those of the cut-off that is usual for it; numbers of rows."""

    cut: float | None = None
    rows: int | None = None
    differ: int | None = None
    selected: int | None = None
    selected_by_cut: int | None = None
    audited: str | None = None


class SettingsRecord(Record, frozen=True):
    """How it was measured: audit.gaps.Settings as written."""

    seed: int
    draws: int
    alpha: float
    floor: int
    order: int = 3
    reference: dict[str, str] = field(default_factory=dict)
    repeated: tuple[int, int] | None = None


__all__ = [
    "CaseNamed", "Compared", "Gap", "Interval", "Model", "Names", "NormResult", "PolicyNamed", "Record",
    "Served", "SettingsRecord", "Tool",
]  # fmt: skip
