"""Rates that rest on scores: filled in when audit.stats has its functions for means and areas."""

from __future__ import annotations

from typing import Any

from audit.cube import Margin
from audit.values import Gap, Rate


def score_rates(margin: Margin, settings: Any) -> list[Rate]:
    return []


def score_gaps(margin: Margin, members: Any, settings: Any) -> list[tuple[str, Gap]]:
    return []
