"""Tables that law and custom ask for. They are tables: no text here has a pass mark, and none is printed.

New York City, Local Law 144 of 2021, Rules of the City of New York, title 6, section 5-301: selection rates and impact
ratios by sex, by race/ethnicity and by both; a category under 2 % of the people may be left out, with a justification,
its number and its rate; the denominator is the highest rate among those kept. Unknown categories are counted apart. For
scores the rate is the share above the median score of all.

The four-fifths rule of thumb: 29 CFR 1607.4(D), which also speaks of significance and of small numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from audit import stats
from audit.alike import worth
from audit.cube import Floats, Margin
from audit.values import UNKNOWN

LEAST_SHARE = 0.02
FEW = 30
"""Fewer people than this in a group, or fewer than five selected or not selected, is called small."""
JUSTIFICATION = "fewer than 2 % of the people whose category is known (6 RCNY 5-301(b)(4))"


def law_tables(margins: Sequence[Margin]) -> dict[str, Any]:
    """Local Law 144 tables on decisions and, where there are scores, on scores; and the four-fifths rule of thumb."""
    named = [m for m in margins if m.attribute and len(m.attribute) <= 2]
    everyone = next((m for m in margins if not m.attribute), None)
    median = median_score(everyone) if everyone is not None else None
    return {
        "local_law_144": [_table(m, *_selected(m), "selection_rate") for m in named],
        "local_law_144_scores": []
        if median is None
        else [_table(m, *_above(m, median[0]), "scoring_rate") | _median(median) for m in named],
        "four_fifths": [line for m in named for line in _four_fifths(m)],
    }


def _median(found: tuple[float, float, float]) -> dict[str, Any]:
    value, low, high = found
    return {"median": value, "median_between": None if low == high else [low, high]}


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


def _above(margin: Margin, median: float) -> tuple[Floats, Floats]:
    s = margin.scores
    assert s is not None
    per_score = s.n.sum(axis=1)
    above: Floats = per_score[:, s.at > median].sum(axis=1).astype(np.float64)
    return above, per_score.sum(axis=1).astype(np.float64)


def _table(margin: Margin, x: Floats, n: Floats, metric: str) -> dict[str, Any]:
    known = np.array([UNKNOWN not in g for g in margin.groups], dtype=bool) & ~margin.withheld
    total = n[known].sum()
    # Left out before the highest rate is chosen, so that a handful of people cannot be everyone's yardstick.
    kept = known & (n >= LEAST_SHARE * total) & (n > 0)
    rate = np.divide(x, n, out=np.zeros_like(x), where=n > 0)
    highest = float(rate[kept].max()) if kept.any() else 0.0
    rows = []
    for g, group in enumerate(margin.groups):
        if not known[g]:
            continue
        rows.append(
            {
                "group": list(group),
                "people": int(margin.people[g]),
                **({} if margin.people[g] == n[g] else {"rows": int(n[g])}),
                "selected": int(x[g]),
                "share": float(n[g] / total) if total else None,
                "rate": float(rate[g]) if n[g] > 0 else None,
                "impact_ratio": float(rate[g] / highest) if kept[g] and highest > 0 else None,
                "left_out": bool(n[g] > 0 and not kept[g]),
                "reason": None if kept[g] else ("0 people" if n[g] == 0 else JUSTIFICATION),
            }
        )
    unknown = np.array([UNKNOWN in g for g in margin.groups])
    return {
        "attribute": list(margin.attribute),
        "metric": metric,
        "groups": rows,
        "unknown": int(n[unknown].sum()),
        "highest_rate": highest if kept.any() else None,
    }


def _four_fifths(margin: Margin) -> list[dict[str, Any]]:
    """Each group's rate over the highest one, with an exact test against that group and a warning where few people."""
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
            {
                "attribute": list(margin.attribute),
                "group": list(margin.groups[g]),
                "highest": list(margin.groups[top]),
                "ratio": ratio,
                "below_four_fifths": ratio < 0.8,
                "p_value": pair.p_value,
                "few_people": bool(few),
                "people": int(margin.people[g]),
            }
        )
    return out
