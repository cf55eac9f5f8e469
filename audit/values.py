"""The frozen values that pass between rooms. None of them is a bare float.

A value that cannot be estimated is None, with `estimable` False and a `reason` that names the count at fault; it is
never 0 and never 1.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import Any, TypeVar

UNKNOWN = "(unknown)"
"""The group of rows whose sensitive value is missing: counted, never dropped."""

T = TypeVar("T")


def to_json(record: Any) -> dict[str, Any]:
    """A flat record as a dict: tuples become lists, None stays null."""
    out: dict[str, Any] = {}
    kind: Any = type(record)
    for name in _names(kind):
        value = getattr(record, name)
        out[name] = list(value) if isinstance(value, tuple) else value
    return out


@lru_cache(maxsize=64)
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(f.name for f in fields(kind))


def from_json(kind: type[T], data: dict[str, Any]) -> T:
    """The record of `kind` that `to_json` wrote; unknown keys are ignored (a newer minor version may add some)."""
    of: Any = kind
    names = _names(of)
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in data.items() if k in names})


@dataclass(frozen=True, slots=True)
class Rate:
    """One rate of one group: value = numerator / denominator, low and high its interval.

    numerator and denominator are counts of rows, or sums of weights (the population that the rows stand for) where the
    case names a weight; rows is how many rows the denominator is made of, and effective_n how many independent ones
    it is worth (audit.stats.design): the same number where rows are people without weights.
    """

    metric: str
    attribute: tuple[str, ...]
    group: tuple[str, ...]
    value: float | None
    numerator: float | None
    denominator: float
    low: float | None
    high: float | None
    interval: str
    estimable: bool
    reason: str | None
    effective_n: float | None = None
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """The distance between groups in one metric.

    difference = highest - lowest, ratio = lowest / highest, both 0 to 1. low and high bound the largest gap over all
    pairs at once; p_value is that of "all groups are alike"; p_adjusted is Holm's over `family` comparisons.

    pair_*: of the two groups named alone (`Pair`), where pairs are compared: its interval, simultaneous over the
    `pairs` of this comparison, its own p-value, and that adjusted over all `pairs_family` pairs.
    detectable: of a difference, how wide a gap at least would have been seen in 80 of 100 such audits (`Reach`).
    idle: why the gap says nothing of how groups are treated, where the decision is the same for (nearly) everyone.
    """

    metric: str
    attribute: tuple[str, ...]
    kind: str
    value: float | None
    low: float | None
    high: float | None
    p_value: float | None
    p_adjusted: float | None
    highest: tuple[str, ...] | None
    lowest: tuple[str, ...] | None
    reference: tuple[str, ...] | None
    method: str
    estimable: bool
    reason: str | None
    family: int | None = None
    p_explore: float | None = None
    pair_low: float | None = None
    pair_high: float | None = None
    pair_p_value: float | None = None
    pair_p_adjusted: float | None = None
    pairs: int | None = None
    pairs_family: int | None = None
    idle: str | None = None
    detectable: float | None = None


@dataclass(frozen=True, slots=True)
class Reach:
    """The smallest gap between `group` and `against` that a test at `level` sees with `power`, or None with a reason.

    effective_n: how many independent people the group is worth. level: alpha over the number of pairs of groups.
    """

    metric: str
    attribute: tuple[str, ...]
    group: tuple[str, ...]
    against: tuple[str, ...]
    effective_n: float
    power: float
    level: float
    detectable: float | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Pair:
    """Two groups in one rate: difference = higher - lower, at least 0; ratio = lower / higher, at most 1.

    low, high and ratio_low, ratio_high hold for all `pairs` of this comparison at once; a ratio_high of None beside a
    ratio has no upper limit. p_adjusted is Holm's with weights over all pairs of the audit. shortfall: how many more
    of `people`, the group `lower`, would be counted at the rate of `higher`; None where rows are weighted or the rate
    is not one that people wish for.
    """

    metric: str
    attribute: tuple[str, ...]
    higher: tuple[str, ...]
    lower: tuple[str, ...]
    difference: float
    low: float
    high: float
    ratio: float | None
    ratio_low: float | None
    ratio_high: float | None
    p_value: float
    p_adjusted: float
    pairs: int
    people: int | None
    shortfall: float | None
    shortfall_low: float | None
    shortfall_high: float | None


@dataclass(frozen=True, slots=True)
class DatasetMeasure:
    """One pre-training measure of one group against all the others. `convention` names the formula used."""

    metric: str
    attribute: tuple[str, ...]
    group: tuple[str, ...]
    value: float | None
    convention: str
    estimable: bool = True
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Count:
    """Who is in one group: rows, and the confusion matrix about `positive` where labels are known.

    people: how many people these rows are of, where the case says which rows belong together; else None.
    """

    attribute: tuple[str, ...]
    group: tuple[str, ...]
    rows: int
    tp: int | None
    fp: int | None
    fn: int | None
    tn: int | None
    unknown_label: int | None
    suppressed: bool = False
    people: int | None = None


@dataclass(frozen=True, slots=True)
class Measures:
    """Everything that follows from the cube alone. repeated: see audit.gaps.Settings."""

    rates: tuple[Rate, ...]
    gaps: tuple[Gap, ...]
    dataset: tuple[DatasetMeasure, ...]
    counts: tuple[Count, ...]
    family: int = 0
    notes: tuple[str, ...] = field(default=())
    repeated: tuple[int, int] | None = None
    pairs: tuple[Pair, ...] = ()
    power: tuple[Reach, ...] = ()
