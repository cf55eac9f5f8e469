"""For each group the smallest gap that this audit could have seen. Follows from the cube alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from audit import stats
from audit.cube import Floats, Margin
from audit.fractions import effective as effective_counts
from audit.fractions import fractions
from audit.gaps import Settings, comparable, reference_index
from audit.metrics import ASKED_FIRST, Metric, metrics_for, opportunity
from audit.numbers import grouped
from audit.values import Gap, Reach

POWER = 0.8
MOST_GROUPS = 200


@dataclass(frozen=True, slots=True, eq=False)
class _Comparison:
    """The groups of one rate, whom each is held against, and at which level."""

    metric: str
    margin: Margin
    group: list[int]
    against: list[int]
    share: Floats
    n: Floats
    m: Floats
    level: float


def reaches(margins: Sequence[Margin], settings: Settings) -> list[Reach]:
    """One record for each comparable group of each rate of ASKED_FIRST: the smallest gap seen with POWER.

    Against the reference group, or else the largest other one; the level of the two-sided test is settings.alpha over
    the number of pairs.
    """
    asked: list[_Comparison] = []
    for margin in margins:
        members = comparable(margin, settings.floor)
        if not margin.attribute or not 2 <= len(members) <= MOST_GROUPS:
            continue
        wanted = {*ASKED_FIRST, opportunity(margin.meaning)}
        candidates = (_of(margin, m, members, settings) for m in metrics_for(margin.meaning) if m.name in wanted)
        asked += [a for a in candidates if a is not None]
    if not asked:
        return []
    # All at once: one search for each group took half of the time of an audit of eight attributes.
    share, n, m = (np.concatenate([getattr(a, k) for a in asked]) for k in ("share", "n", "m"))
    level = np.concatenate([np.full(len(a.group), a.level) for a in asked])
    gaps = iter(stats.smallest_gap(share, n, m, level, POWER).tolist())
    return [_record(a, g, other, next(gaps)) for a in asked for g, other in zip(a.group, a.against, strict=True)]


def _of(margin: Margin, metric: Metric, members: Any, settings: Settings) -> _Comparison | None:
    x, n, _ = (v[members] for v in fractions(margin, metric))
    effective = effective_counts(margin, [metric])[metric.name][1][members]
    counted = np.flatnonzero(n > 0)
    if len(counted) < 2:
        return None
    reference = reference_index(margin, members, settings)
    if reference is not None and reference not in counted:
        return None
    pairs = len(counted) - 1 if reference is not None else len(counted) * (len(counted) - 1) // 2
    share = np.divide(x, n, out=np.zeros_like(x), where=n > 0)
    # The largest other group; of equal ones that with the lowest rate, so that no name or order decides a figure.
    order = sorted(counted.tolist(), key=lambda g: (-effective[g], share[g], margin.groups[members[g]]))
    asked = [g for g in counted.tolist() if g != reference]
    others = [reference if reference is not None else order[0] if order[0] != g else order[1] for g in asked]
    return _Comparison(
        metric.name, margin, members[asked].tolist(), members[others].tolist(), share[others], effective[asked],
        effective[others], settings.alpha / pairs,
    )  # fmt: skip


def _record(a: _Comparison, group: int, other: int, gap: float) -> Reach:
    known = bool(np.isfinite(gap))
    people = float(a.n[a.group.index(group)])
    return Reach(
        a.metric, a.margin.attribute, a.margin.groups[group], a.margin.groups[other], people, POWER, a.level,
        gap if known else None, None if known else f"too few people ({grouped(people)}) for any gap to be seen so "
            "often",
    )  # fmt: skip


def with_reach(gaps: Sequence[Gap], reaches: Sequence[Reach]) -> tuple[Gap, ...]:
    """The differences with the widest of their groups' smallest gaps: what surely would have been seen."""
    widest: dict[tuple[str, tuple[str, ...]], float | None] = {}
    for r in reaches:
        key = (r.metric, r.attribute)
        known = widest.get(key, 0.0)
        widest[key] = None if known is None or r.detectable is None else max(known, r.detectable)
    return tuple(
        replace(g, detectable=widest.get((g.metric, g.attribute)))
        if g.kind == "difference" and g.value is not None
        else g
        for g in gaps
    )
