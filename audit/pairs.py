"""Pairs of groups: what a sentence that names two groups may say of these two.

A test of all groups together says that some groups differ, not which. So each pair has an interval of its own,
simultaneous over the pairs of its comparison, and a p-value of its own, adjusted over all pairs of the audit
(`audit.stats.pairs`). Up to MOST groups every pair is listed, with more each group against the highest; of
intersections, the pairs of selection rates and of equal opportunity.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from audit.cube import Margin
from audit.gaps import Settings, comparable, reference_index, seed_of
from audit.metrics import EQUAL_OPPORTUNITY, EQUALIZED_ODDS, METRICS, SELECTION_RATE, Metric, opportunity
from audit.stats.gap import MANY
from audit.stats.intervals import difference_limits, ratio_limits, two_sided
from audit.stats.pairs import critical_value, pair_p, weighted_holm
from audit.values import Gap, Pair

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Key = tuple[tuple[str, ...], str]
Entry = tuple[Key, Any]
"""A hypothesis, and which of its pairs: its place in the table, the two groups, or None for all groups together."""
Counted = Mapping[str, tuple[Floats, Floats]]

MOST = 12
"""Groups up to which every pair is listed; an interval is simultaneous over all pairs however many are listed."""
WIDE = 200
"""Groups from which on only the pair that the gap names is listed."""
ODDS = tuple((name, METRICS[name].hypothesis) for name in METRICS[EQUALIZED_ODDS].parts[0])


@dataclass(frozen=True, slots=True, eq=False)
class PairTable:
    """The listed pairs of one rate. i, j (P,) index `groups`, the higher rate first; count: of all pairs; people (G,)
    of whom a group can be short.

    difference, ratio and mirrored (the ratio of the complement of the rate) are (3, P): value, low, high.
    """

    metric: str
    attribute: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]
    i: Whole
    j: Whole
    difference: Floats
    ratio: Floats
    mirrored: Floats
    p: Floats
    count: int
    people: Whole | None
    wished: bool

    def place(self, a: tuple[str, ...] | None, b: tuple[str, ...] | None) -> int | None:
        """Where the pair of these two stands, in whatever order they are named."""
        for k, (i, j) in enumerate(zip(self.i, self.j, strict=True)):
            if {self.groups[i], self.groups[j]} == {a, b}:
                return k
        return None


def pair_table(
    metric: Metric,
    margin: Margin,
    effective: tuple[Floats, Floats],
    settings: Settings,
    *,
    wished: bool,
    named: Sequence[frozenset[tuple[str, ...] | None]] = (),
    joint: Floats | None = None,
) -> PairTable | None:
    """The pairs of one rate, or None where fewer than two groups have people to count.

    effective: successes and people (G,) of all groups of the margin, effective where there are weights; wished: whether
    the rate is one of which a group can be short; named: pairs that are listed in any case; joint: correlations
    (G, G) of the groups of the margin, where people have rows in several.
    """
    members = comparable(margin, settings.floor)
    members = members[effective[1][members] > 0]
    reference = reference_index(margin, members, settings)
    if len(members) < 2 or (reference is None and all(a in settings.reference for a in margin.attribute)):
        return None
    groups = tuple(margin.groups[g] for g in members)
    x, n = effective[0][members], effective[1][members]
    share = x / n
    r = None if joint is None else joint[np.ix_(members, members)]
    # The higher rate first; of equal ones the larger group, then the name: nothing depends on the order of groups.
    rank = sorted(range(len(members)), key=lambda g: (-share[g], -n[g], groups[g]))
    every, listed = _listed(rank, groups, reference, named)
    count = len(members) - 1 if reference is not None else len(members) * (len(members) - 1) // 2
    z = (
        two_sided(settings.alpha / count)
        if len(members) > MANY and count > 1
        else critical_value(
            x, n, np.array(every, dtype=np.int64).T, seed=seed_of(settings, margin.attribute, metric.hypothesis),
            draws=settings.draws, alpha=settings.alpha, joint=r,
        )
    )  # fmt: skip
    i, j = np.array(listed, dtype=np.int64).reshape(-1, 2).T
    each = None if r is None else r[i, j]
    low, high = difference_limits(share[i], n[i], share[j], n[j], z, each)
    people = (margin.n[members] * metric.denominator).sum(axis=(1, 2))
    return PairTable(
        metric.name,
        margin.attribute,
        groups,
        i,
        j,
        np.array([share[i] - share[j], low, high]),
        _ratio(share[j], n[j], share[i], n[i], z, each),
        _ratio(1 - share[i], n[i], 1 - share[j], n[j], z, each),
        np.array([pair_p(x[a], n[a], x[b], n[b], 0.0 if r is None else float(r[a, b])) for a, b in listed]),
        count,
        people if wished and not margin.weighted else None,
        wished,
    )


def _listed(
    rank: Sequence[int], groups: Sequence[tuple[str, ...]], reference: int | None, named: Sequence[frozenset[Any]]
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """All pairs, the higher rate first (none of more than MANY groups, which need none), and those that are listed."""
    if reference is not None:
        at = list(rank).index(reference)
        against = [*((a, reference) for a in rank[:at]), *((reference, b) for b in rank[at + 1 :])]
        return against, against
    every = [] if len(rank) > MANY else [(a, b) for k, a in enumerate(rank) for b in rank[k + 1 :]]
    if len(rank) <= MOST:
        return every, every
    place = {groups[g]: k for k, g in enumerate(rank)}
    wanted = {tuple(sorted(place[g] for g in two)) for two in named if len(two) == 2 and place.keys() >= two}
    if len(rank) <= WIDE:
        wanted |= {(0, k) for k in range(1, len(rank))}
    return every, [(rank[a], rank[b]) for a, b in sorted(wanted)]


def _ratio(lower: Floats, n: Floats, higher: Floats, m: Floats, z: float, r: Floats | None) -> Floats:
    """(3, P): lower / higher with its limits; NaN where nobody is counted in either."""
    low, high = ratio_limits(lower, n, higher, m, z, r)
    value = np.divide(lower, higher, out=np.full(len(lower), np.nan), where=higher > 0)
    return np.where(np.isnan(value), np.nan, np.array([value, low, high]))


def pair_tables(
    margin: Margin,
    metrics: Sequence[Metric],
    counted: Counted,
    gaps: Sequence[Gap],
    settings: Settings,
    joint: Mapping[str, Floats | None] | None = None,
) -> dict[Key, PairTable]:
    """One table a hypothesis, of the first rate that tests it. counted: rate -> effective successes and people.

    joint: rate -> correlations of the groups, or None.
    """
    named = [frozenset((g.highest, g.lowest)) for g in gaps]
    wished = {SELECTION_RATE, opportunity(margin.meaning)}
    out: dict[Key, PairTable] = {}
    for metric in metrics:
        key = (margin.attribute, metric.hypothesis)
        if key in out and metric.name not in wished:
            continue
        table = pair_table(
            metric,
            margin,
            counted[metric.name],
            settings,
            wished=metric.name in wished,
            named=named,
            joint=(joint or {}).get(metric.name),
        )
        if table is not None:
            out[key] = table
    return out


def with_pairs(
    gaps: Sequence[Gap],
    keys: Sequence[Key],
    hypotheses: Mapping[Key, float],
    tables: Mapping[Key, PairTable],
) -> tuple[tuple[Gap, ...], tuple[Pair, ...]]:
    """The gaps with what is known of the pair they name, and the listed pairs; all adjusted together.

    Each hypothesis weighs the same. Gaps of scores and of numbers bring their pair's interval and p-value along; one
    with neither that nor a table (equalized odds) stands in with its own p-value.
    """
    entries: list[Entry] = []
    p: list[float] = []
    weight: list[float] = []
    beside, family = 0.0, 0
    brought = _brought(gaps, keys)
    for key, value in hypotheses.items():
        table = tables.get(key)
        each: Mapping[Any, float] = {None: value}
        count = 1
        if table is not None:
            each, count = dict(enumerate(table.p.tolist())), table.count
        elif key in brought:
            each, count = brought[key]
        family += count
        entries += [(key, k) for k in each]
        p += each.values()
        weight += [1 / count] * len(each)
        beside += 1 - len(each) / count
    adjusted = dict(zip(entries, weighted_holm(p, weight, max(beside, 0.0)).tolist(), strict=True)) if p else {}
    filled = tuple(_filled(g, key, tables, adjusted, family) for g, key in zip(gaps, keys, strict=True))
    pairs = tuple(r for key, t in tables.items() if key in hypotheses for r in _records(key, t, adjusted))
    return filled, pairs


def _two(gap: Gap) -> frozenset[Any]:
    return frozenset((gap.highest, gap.lowest))


def _brought(gaps: Sequence[Gap], keys: Sequence[Key]) -> dict[Key, tuple[dict[Any, float], int]]:
    """Of hypotheses whose gaps bring their pair along: each pair's own p-value, and how many pairs there are."""
    out: dict[Key, tuple[dict[Any, float], int]] = {}
    for gap, key in zip(gaps, keys, strict=True):
        if gap.pair_p_value is not None and gap.pairs is not None:
            out.setdefault(key, ({}, gap.pairs))[0][_two(gap)] = gap.pair_p_value
    return out


def _filled(
    gap: Gap, key: Key, tables: Mapping[Key, PairTable], adjusted: Mapping[Entry, float], family: int
) -> Gap:  # fmt: skip
    if gap.pair_p_value is not None and key not in tables:
        return replace(gap, pair_p_adjusted=adjusted.get((key, _two(gap))), pairs_family=family)
    if gap.value is None or gap.p_value is None:
        return gap
    if gap.metric == EQUALIZED_ODDS:
        of = key[1].removesuffix("odds")  # "", or the class that it is about
        candidates = [_pair_gap(gap, (gap.attribute, of + h), metric, tables) for metric, h in ODDS]
    else:
        candidates = [_pair_gap(gap, key, gap.metric, tables)]
    # Of equalized odds' two rates, the one whose gap is the wider.
    value = gap.value
    best = min((f for f in candidates if f is not None), key=lambda f: abs(f[2][0] - value), default=None)
    if best is None or (best[0], best[1]) not in adjusted:
        return gap
    at, k, (_, low, high) = best
    return replace(
        gap, pair_low=low, pair_high=high if np.isfinite(high) else None, pair_p_value=float(tables[at].p[k]),
        pair_p_adjusted=adjusted[at, k], pairs=tables[at].count, pairs_family=family,
    )  # fmt: skip


def _pair_gap(
    gap: Gap, key: Key, metric: str, tables: Mapping[Key, PairTable]
) -> tuple[Key, int, tuple[float, float, float]] | None:
    """Where the gap's pair stands, and value, low and high of this kind of gap."""
    table = tables.get(key)
    k = table.place(gap.highest, gap.lowest) if table is not None else None
    if table is None or k is None:
        return None
    if gap.kind == "difference":
        part = table.difference
    else:
        same = metric in (table.metric, EQUAL_OPPORTUNITY)  # else its complement
        part = table.ratio if same else table.mirrored
    value, low, high = (float(v) for v in part[:, k])
    return None if np.isnan(value) else (key, k, (value, low, high))


def _records(key: Key, t: PairTable, adjusted: Mapping[Entry, float]) -> list[Pair]:
    out: list[Pair] = []
    if len(t.attribute) > 1 and not t.wished:
        return out
    for k, (i, j) in enumerate(zip(t.i.tolist(), t.j.tolist(), strict=True)):
        d, low, high = (float(v) for v in t.difference[:, k])
        ratio, ratio_low, ratio_high = (float(v) if np.isfinite(v) else None for v in t.ratio[:, k])
        people = None if t.people is None else int(t.people[j])
        short = (None, None, None) if people is None else (people * d, people * low, people * high)
        out.append(
            Pair(
                t.metric,
                t.attribute,
                t.groups[i],
                t.groups[j],
                d,
                low,
                high,
                ratio,
                ratio_low,
                ratio_high,
                float(t.p[k]),
                adjusted[key, k],
                t.count,
                people,
                short[0],
                short[1],
                short[2],
            )
        )
    return out
