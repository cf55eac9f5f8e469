"""Impact ratios: each group's rate over the highest one, as forms of law and custom ask for them. No pass mark is here.

What a form leaves out, and below what share, comes from the form (reports/presets) and from the person who fills it in.
People of unknown group take no part; what the ratios could be if their groups were known is bounded exactly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from audit import stats
from audit.alike import worth
from audit.cube import Floats, Margin
from audit.metrics import SELECTION_RATE
from audit.values import UNKNOWN

FEW = 30
"""Fewer people than this in a group, or fewer than five selected or not selected, is called small."""
SELECTION, SCORING = SELECTION_RATE, "scoring_rate"


@dataclass(frozen=True, slots=True)
class ImpactGroup:
    """One category. counted: of `rows`; share: of the people of known group; low, high: of its ratio, whatever the
    groups of those of unknown group are; left_out: too small a share for a ratio."""

    group: tuple[str, ...]
    people: int
    rows: int
    counted: int
    share: float | None
    rate: float | None
    impact_ratio: float | None
    low: float | None
    high: float | None
    left_out: bool


@dataclass(frozen=True, slots=True)
class ImpactTable:
    """unknown: people of unknown group; withheld: groups that are not shown; highest_rate: of those with a ratio."""

    attribute: tuple[str, ...]
    metric: str
    groups: tuple[ImpactGroup, ...]
    unknown: int
    withheld: int
    highest_rate: float | None


@dataclass(frozen=True, slots=True)
class ImpactRatio:
    """One group's rate over the highest one, and the test of the pair; below: the limit."""

    attribute: tuple[str, ...]
    group: tuple[str, ...]
    highest: tuple[str, ...]
    ratio: float
    below: bool
    p_value: float | None
    few_people: bool
    people: int


def impact_table(
    margin: Margin, metric: str = SELECTION, *, leave_out: float = 0.0, median: float | None = None
) -> ImpactTable:
    """Per group: people, counted ones, rate, impact ratio, and the least and largest that the ratio can be.

    metric: "selection_rate" (the favourable decision) or "scoring_rate" (scores above `median`). leave_out: groups with
    a smaller share of the people of known group get no ratio, and are no yardstick for others.
    """
    x, n = _selected(margin) if metric == SELECTION else _above(margin, median)
    known = np.array([UNKNOWN not in g for g in margin.groups], dtype=bool) & ~margin.withheld
    total = n[known].sum()
    # Left out before the highest rate is chosen, so that a handful of people cannot be everyone's yardstick.
    kept = known & (n >= leave_out * total) & (n > 0)
    rate = np.divide(x, n, out=np.zeros_like(x), where=n > 0)
    highest = float(rate[kept].max()) if kept.any() else 0.0
    unknown = np.array([UNKNOWN in g for g in margin.groups]) & ~margin.withheld
    yes = float(x[unknown].sum())
    no = float(n[unknown].sum()) - yes
    counts = [(float(x[g]), float(n[g])) for g in np.flatnonzero(kept)]
    place = {int(g): i for i, g in enumerate(np.flatnonzero(kept))}
    rows = []
    for g in np.flatnonzero(known).tolist():
        low, high = ratio_bounds(counts, place[g], yes, no) if g in place and highest > 0 else (None, None)
        rows.append(
            ImpactGroup(
                group=tuple(margin.groups[g]),
                people=int(margin.people[g]),
                rows=int(n[g]),
                counted=int(x[g]),
                share=float(n[g] / total) if total else None,
                rate=float(rate[g]) if n[g] > 0 else None,
                impact_ratio=float(rate[g] / highest) if kept[g] and highest > 0 else None,
                low=low,
                high=high,
                left_out=bool(n[g] > 0 and not kept[g]),
            )
        )
    return ImpactTable(
        attribute=tuple(margin.attribute),
        metric=metric,
        groups=tuple(rows),
        unknown=int(n[unknown].sum()),
        withheld=int(margin.withheld.sum()),
        highest_rate=highest if kept.any() else None,
    )


def ratio_bounds(counts: Sequence[tuple[float, float]], at: int, yes: float, no: float) -> tuple[float, float]:
    """The least and the largest impact ratio of one group that people of unknown group allow.

    counts: (counted, people) of each group. yes, no: people of unknown group who are counted and who are not. Each may
    belong to any of the groups. Least: all `no` in this group and all `yes` in the one that they raise most. Largest:
    all `yes` in this group, and `no` spread over the others so that the highest of their rates is as low as it can be.
    Exact for one attribute; of two at once, of whom one may be known, the truth lies inside.
    """
    x, n = counts[at]
    others = [c for i, c in enumerate(counts) if i != at]
    if not others:
        return 1.0, 1.0
    least = x / (n + no)
    top = max((a + yes) / (b + yes) for a, b in others)
    most = (x + yes) / (n + yes)
    sunk = _lowest_top(others, int(no))
    return (min(1.0, least / top) if top > 0 else 1.0), (min(1.0, most / sunk) if sunk > 0 else 1.0)


def _lowest_top(counts: Sequence[tuple[float, float]], people: int) -> float:
    """The lowest that the highest rate can be made by adding `people` who are not counted to these groups."""

    def needed(rate: float) -> list[int]:
        return [max(0, math.ceil(x / rate - n - 1e-9)) if x else 0 for x, n in counts]

    low, high = 0.0, max(x / n for x, n in counts)
    if high == 0:
        return 0.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if middle > 0 and sum(needed(middle)) <= people else (middle, high)
    return max(x / (n + k) for (x, n), k in zip(counts, needed(high), strict=True))


def _selected(margin: Margin) -> tuple[Floats, Floats]:
    """People selected (favourable decision) and people, per group."""
    side = 1 if margin.meaning.favourable_is_positive else 0
    selected: Floats = margin.n[:, :, side].sum(axis=1).astype(np.float64)
    return selected, margin.rows.astype(np.float64)


def median_score(margin: Margin) -> tuple[float, float, float] | None:
    """The median score of everyone, and between what values it lies; None without scores.

    Exact wherever the one or two people in the middle have bins of their own, as they have when rows are counted.
    """
    s = margin.scores
    if s is None or not s.n.sum():
        return None
    below = np.cumsum(s.n.sum(axis=(0, 1)))
    middle = [int(np.searchsorted(below, r, side="right")) for r in ((below[-1] - 1) // 2, below[-1] // 2)]
    low, high = (float((values[middle[0]] + values[middle[1]]) / 2) for values in (s.at, s.top))
    return low + (high - low) / 2, low, high


def _above(margin: Margin, median: float | None) -> tuple[Floats, Floats]:
    s = margin.scores
    assert s is not None
    assert median is not None
    per_score = s.n.sum(axis=1)
    above: Floats = per_score[:, s.at > median].sum(axis=1).astype(np.float64)
    return above, per_score.sum(axis=1).astype(np.float64)


def rule_of_thumb(margin: Margin, limit: float) -> list[ImpactRatio]:
    """Each group's rate over the highest one beside `limit`, with an exact test of the pair; whether people are few."""
    x, n = _selected(margin)
    usable = np.array([UNKNOWN not in g for g in margin.groups]) & ~margin.withheld & (n > 0)
    members = np.flatnonzero(usable)
    if len(members) < 2:
        return []
    part = worth(margin)
    e = n * part
    rate = x[members] / n[members]
    top = int(members[int(rate.argmax())])
    if x[top] == 0:
        return []
    out = []
    for g in members.tolist():
        if g == top:
            continue
        few = min(e[g], e[top]) < FEW or min(x[g] * part[g], (n - x)[g] * part[g], x[top] * part[top]) < 5
        few = few or (n - x)[top] * part[top] < 5
        pair = stats.largest_gap(((x[[top, g]] * part[[top, g]], e[[top, g]]),))
        ratio = float((x[g] / n[g]) / (x[top] / n[top]))
        out.append(
            ImpactRatio(
                attribute=tuple(margin.attribute),
                group=tuple(margin.groups[g]),
                highest=tuple(margin.groups[top]),
                ratio=ratio,
                below=ratio < limit,
                p_value=pair.p_value,
                few_people=bool(few),
                people=int(margin.people[g]),
            )
        )
    return out
