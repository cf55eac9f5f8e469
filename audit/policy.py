"""The norms that a decision is held to: versioned data, not code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


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
class Policy:
    """A dated list of norms and the sha256 of the bytes it was read from. `source` is None for the one that ships."""

    version: str
    norms: tuple[Norm, ...]
    sha256: str
    source: Path | None = None
