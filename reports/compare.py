"""Two audits side by side: each shared rate and gap before, now, and what changed, from the two evidence files alone.

Rates: Newcombe's hybrid score interval (1998, method 10) of the difference of independent proportions, pooled z test.
Gaps (differences): MOVER (Zou & Donner 2008) from the two intervals; the p-value is that of the interval's side towards
zero. Holm over all that is compared. On the same data file the people are the same: then neither is given, since both
suppose independent people.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from audit.documents import Documents
from audit.documents.evidence import Evidence
from audit.metrics import EQUAL_OPPORTUNITY, SELECTION_RATE, TRUE_POSITIVE_RATE, complements
from audit.stats.adjust import holm
from audit.stats.intervals import newcombe
from audit.values import Gap, Rate

EARLIER = {"evidence.json": "earlier-evidence.json", "cube.json": "earlier-cube.json"}
Z = 1.959963984540054
Bounded = tuple[float, float, float]
"""Value, low and high of a gap."""


@dataclass(frozen=True, slots=True)
class Change:
    """One figure in both audits. group: empty for a gap. low, high, p_adjusted: None on the same people.

    people: behind a rate, before and now; None for a gap.
    """

    metric: str
    attribute: tuple[str, ...]
    group: tuple[str, ...]
    before: float
    now: float
    low: float | None
    high: float | None
    p_adjusted: float | None
    people: tuple[int, int] | None = None

    @property
    def clear(self) -> bool:
        """Whether chance alone explains it badly, with all that is compared."""
        return self.p_adjusted is not None and self.p_adjusted < 0.05

    @property
    def excludes_nought(self) -> bool:
        """Whether its own interval is on one side of no change."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)

    @property
    def change(self) -> float:
        return self.now - self.before


def parsed(files: Mapping[str, bytes]) -> Evidence | None:
    """The embedded earlier evidence, or None."""
    return Documents.of(files).earlier


def same_people(now: Evidence, before: Evidence) -> bool:
    """Whether both were measured on one data file."""
    return bool(now.data.sha256 == before.data.sha256)


def changes(now: Evidence, before: Evidence) -> tuple[Change, ...]:
    """Each rate of single attributes and each difference in both audits, in the order of the newer."""
    paired = same_people(now, before)
    raw: list[tuple[Change, float]] = []
    rates = {(r.metric, r.attribute, r.group): r for r in before.rates}
    for r in now.rates:
        was = rates.get((r.metric, r.attribute, r.group))
        if r.metric not in complements() and len(r.attribute) == 1 and was and _has_wilson(r) and _has_wilson(was):
            x1, n1, x0, n0 = float(r.numerator or 0), r.denominator, float(was.numerator or 0), was.denominator
            low, high = newcombe(x1, n1, x0, n0)
            change = Change(
                r.metric, r.attribute, r.group, float(was.value or 0.0), float(r.value or 0.0), float(low), float(high),
                _pooled(x1, n1, x0, n0), (int(n0), int(n1)),
            )  # fmt: skip
            raw.append((change, _pooled(x1, n1, x0, n0)))
    gaps = {(g.metric, g.attribute, g.kind): g for g in before.gaps}
    keys = {(g.metric, g.attribute) for g in now.gaps}
    for g in now.gaps:
        if g.metric in complements() or (g.metric == TRUE_POSITIVE_RATE and (EQUAL_OPPORTUNITY, g.attribute) in keys):
            continue
        earlier = gaps.get((g.metric, g.attribute, g.kind))
        if g.kind == "difference" and earlier and (a := _bounded(g)) and (b := _bounded(earlier)):
            lower, upper, p = mover(a, b)
            raw.append((Change(g.metric, g.attribute, (), b[0], a[0], lower, upper, p), p))
    adjusted = holm(np.array([p for _, p in raw])) if raw else ()
    return tuple(
        replace(change, low=None, high=None, p_adjusted=None) if paired else replace(change, p_adjusted=float(p))
        for (change, _), p in zip(raw, adjusted, strict=True)
    )


def mover(now: Bounded, before: Bounded) -> tuple[float, float, float]:
    """Interval and p-value of now - before from value, low and high of each."""
    (value, low, high), (was, was_low, was_high) = now, before
    change = value - was
    down = math.hypot(value - low, was_high - was)
    up = math.hypot(high - value, was - was_low)
    side = down if change > 0 else up
    p = 1.0 if change == 0 else 0.0 if side == 0 else math.erfc(Z * abs(change) / side / math.sqrt(2))
    return change - down, change + up, p


def _pooled(x1: float, n1: float, x0: float, n0: float) -> float:
    share = (x1 + x0) / (n1 + n0)
    error = math.sqrt(share * (1 - share) * (1 / n1 + 1 / n0))
    return 1.0 if error == 0 else math.erfc(abs(x1 / n1 - x0 / n0) / error / math.sqrt(2))


def mix_and_rate(now: Evidence, before: Evidence) -> list[tuple[tuple[str, ...], float, float, float]]:
    """By attribute: the change of everyone's selection rate, its part within groups, and the part of the mix."""
    from audit.quality.periods import within_and_mix

    out: list[tuple[tuple[str, ...], float, float, float]] = []
    selected = [{(*r.attribute, *r.group): r for r in e.rates if _selection(r)} for e in (before, now)]
    for attribute in dict.fromkeys((r.attribute[0],) for r in selected[1].values()):
        keys = [k for k in selected[0] | selected[1] if k[0] == attribute[0]]
        n0, x0, n1, x1 = (
            np.array([float(getattr(s[k], part)) if k in s else 0.0 for k in keys])
            for s in selected
            for part in ("denominator", "numerator")
        )
        if n0.sum() > 0 and n1.sum() > 0:
            out.append((attribute, *within_and_mix(n0, x0, n1, x1)))
    return out


def _selection(r: Rate) -> bool:
    return r.metric == SELECTION_RATE and len(r.attribute) == 1 and _has_wilson(r)


def _has_wilson(r: Rate) -> bool:
    return bool(r.estimable and r.interval == "wilson-95" and r.denominator and r.value is not None)


def _bounded(g: Gap) -> Bounded | None:
    if not g.estimable or g.value is None or g.low is None or g.high is None:
        return None
    return g.value, g.low, g.high
