"""The norms that a decision is held to: versioned data, not code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

LOOP_METHODS = ("threshold", "reweighing", "constrained_boosting", "search", "group_thresholds")
"""What [loop] of a policy may name: two ways of the loop itself, and rows of the table of methods (debias.methods),
which stands above this room; the last decides by the sensitive value and is named only with `sensitive_at_decision`."""


@dataclass(frozen=True, slots=True)
class Norm:
    """One norm. For kind "difference" the gap must stay at or under `limit`; for "ratio" at or over it.

    An empty `attribute` holds for every sensitive column of the case. A challenger must be inside `promote` (tighter
    than `limit`).
    """

    metric: str
    kind: str
    attribute: tuple[str, ...]
    limit: float
    promote: float
    alpha: float = 0.05


@dataclass(frozen=True, slots=True)
class LoopRules:
    """What `assay watch` does about a broken norm: the table [loop] of a policy. Batches and people are counts.

    average_run: people between false alarms of a detector, at least, on average. harm: by how much a group's share of
    wrong decisions may rise. loss: by how much a challenger's may exceed the running model's, over everyone;
    poor_rows: so many of a batch's rows may be put aside; of more, the batch is.
    group_loss: in one group of at least `enough` people. approvers: fingerprints of the keys that may approve; empty:
    anybody who can say it.
    """

    average_run: float = 10_000.0
    drift_alpha: float = 0.05
    harm: float = 0.05
    people: int = 50
    enough: int = 300
    reference_batches: int = 3
    build_rows: int = 2000
    shadow_batches: int = 20
    poor_rows: float = 0.05
    loss: float = 0.01
    group_loss: float = 0.03
    alpha: float = 0.05
    probation_batches: int = 5
    cooldown_batches: int = 5
    attempts: int = 4
    automatic: bool = False
    sensitive_at_decision: bool = False
    methods: tuple[str, ...] = LOOP_METHODS[:-1]
    approvers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """A dated list of norms and the sha256 of the bytes it was read from. `source` is None for the one that ships.

    adopted_by: who adopted it for the case, by name. The one that ships is an example until somebody does.
    """

    version: str
    norms: tuple[Norm, ...]
    sha256: str
    source: Path | None = None
    loop: LoopRules = LoopRules()
    adopted_by: str | None = None

    @property
    def standing(self) -> str:
        """ "own", "adopted", or "example": whose norms these are."""
        if self.source is not None:
            return "own"
        return "example" if self.adopted_by is None else "adopted"

    def named(self) -> dict[str, str]:
        """What a document says of the policy that it was made under."""
        adopted = {} if self.adopted_by is None else {"adopted_by": self.adopted_by}
        return {"version": self.version, "sha256": self.sha256, "standing": self.standing} | adopted
