"""The [stress] and [whatif] sections of a case file, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from audit.errors import InputError

OWN, LOGISTIC, BOOSTING = "case", "logistic", "boosting"


@dataclass(frozen=True, slots=True)
class Learner:
    """What a variant can be fitted with. words: on the screen. plan: "file:name" of debias/whatif, the class that fits
    it; empty for the case's own pipeline, which is cloned."""

    name: str
    words: str
    plan: str = ""


LEARNERS: dict[str, Learner] = {
    row.name: row
    for row in (
        Learner(OWN, "the case's own pipeline, fitted again"),
        Learner(LOGISTIC, "logistic regression", "linear:Linear"),
        Learner(BOOSTING, "gradient boosting", "boosting:Boosting"),
    )
}


@dataclass(frozen=True, slots=True)
class StressSpec:
    """budget: the largest share of rows that is corrupted, 0 to 1. depth: literals of a predicate at most. kinds:
    corruptions (empty: all). columns: those that are corrupted (empty: every feature). plausible: column -> the
    corruptions that can happen to it, by name; others of that column are not tried.
    """

    budget: float = 0.05
    depth: int = 2
    kinds: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    plausible: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WhatifSpec:
    """learner: the case's own model fitted again, or a learner of Assay's. kinds: of variants (empty: all)."""

    learner: str | None = None
    kinds: tuple[str, ...] = ()


def known_kinds(names: tuple[str, ...], table: Any = None) -> tuple[str, ...]:
    """The names, if all are kinds of corruption. Raises InputError."""
    from audit.errors import nearest
    from audit.stress.corrupt import KINDS

    known = KINDS if table is None else table
    for name in names:
        if name not in known:
            raise InputError(
                "there is no such corruption", got=repr(name), expected=", ".join(known), todo=nearest(name, known)
            )
    return names
