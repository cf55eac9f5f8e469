"""Roles proposed from names and content; a person confirms them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd


@dataclass(frozen=True, slots=True)
class Roles:
    """What each column seems to be. None and () where nothing fits.

    `reasons` says why in plain words, keyed by role ("label", "positive", "weight", ...) and, for each sensitive
    column, "sensitive:NAME".
    """

    label: str | None = None
    positive: str | None = None
    sensitive: tuple[str, ...] = ()
    bins: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    id: str | None = None
    weight: str | None = None
    time: str | None = None
    split: str | None = None
    train: str | None = None
    audit: str | None = None
    decision: str | None = None
    score: str | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)


def propose_roles(frame: pd.DataFrame) -> Roles:
    """Proposed roles of the columns of `frame`, whose first 50,000 rows are looked at."""
    return Roles()
