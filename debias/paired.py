"""Before and after on the same people: a joint cube (groups x label x decision before x decision after).

The two arms decide the same people, so that their figures move together; the interval of a *change* must come from
the joint table, not from two intervals. The table is small and additive like the cube, and the draws are over its
cells: Gamma(w^2 / w2, w2 / w) for each cell, which is the Bayesian bootstrap (Rubin 1981) where all weights are one
and keeps mean and variance of a Poisson bootstrap where they are not. Where one person has several rows, whole people
are drawn: Gamma(how many people have just these cells) times their cells (Field & Welsh 2007).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from audit.alike import worth
from audit.cube import CodedRows, Floats, Ints, Margin
from audit.documents.mitigation import Change as ChangeRecord
from audit.gaps import comparable
from audit.metrics import (
    BASE_RATE,
    EQUAL_OPPORTUNITY,
    EQUALIZED_ODDS,
    FALSE_POSITIVE_RATE,
    METRICS,
    SELECTION_RATE,
    TRUE_POSITIVE_RATE,
    Metric,
    metrics_for,
    opportunity,
)

DRAWS = 2000
LEAST_DRAWS = 200
_CHUNK_CELLS = 2_000_000
_MOST_FIGURES = 10_000_000
_MOST_CELLS = 40_000_000
MOST_KINDS = 4000
"""Kinds of people drawn one by one."""


@dataclass(frozen=True, slots=True, eq=False)
class Joint:
    """Cells of the groups that have people. codes (K, A); n, w, w2 (K, 3, 2, 2): label, before, after."""

    attributes: tuple[str, ...]
    levels: tuple[tuple[str, ...], ...]
    codes: Ints
    n: Ints
    w: Floats
    w2: Floats
    people: People | None = None


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """Kinds of people by their cells: cells (T, K * 12) sums of weights of one person, counts (T,) how many."""

    cells: sparse.csr_array
    counts: Ints


@dataclass(frozen=True, slots=True)
class Change:
    """One figure before and after. low, high bound delta = after - before at once with all other changes.

    kind: "rate" (of `group`), "difference" or "ratio" (of all groups, group None). worse: the estimate moved to the
    worse side; clear: the interval excludes 0. matched is the same figure of the matched-threshold baseline.
    """

    metric: str
    attribute: tuple[str, ...]
    group: tuple[str, ...] | None
    kind: str
    before: float
    matched: float | None
    after: float
    delta: float
    low: float
    high: float
    worse: bool
    clear: bool


def joint_of(coded: CodedRows, after: Ints) -> Joint:
    """The joint table of `coded` (its decisions are the ones before) and `after` (n,) in 0, 1."""
    if coded.codes.shape[1]:
        codes, group = np.unique(coded.codes, axis=0, return_inverse=True)
    else:
        codes, group = np.zeros((1, 0), dtype=np.int64), np.zeros(len(coded.label), dtype=np.int64)
    cell = ((group.reshape(-1) * 3 + coded.label) * 2 + coded.decision) * 2 + after
    size = len(codes) * 12
    shape = (len(codes), 3, 2, 2)
    n = np.bincount(cell, minlength=size).reshape(shape)
    weight = coded.weight
    w = n.astype(np.float64)
    w2 = w
    if weight is not None:
        w = np.bincount(cell, weight, minlength=size).reshape(shape).astype(np.float64)
        w2 = np.bincount(cell, weight**2, minlength=size).reshape(shape).astype(np.float64)
    return Joint(coded.attributes, coded.levels, codes, n, w, w2, _people(coded, cell, size))


def _people(coded: CodedRows, cell: Ints, size: int) -> People | None:
    """None where each row is a person of its own."""
    if coded.cluster is None:
        return None
    who = np.unique(coded.cluster, return_inverse=True)[1].reshape(-1)
    count = int(who.max()) + 1 if len(who) else 0
    if count == len(who):
        return None
    weight = np.ones(len(who)) if coded.weight is None else coded.weight
    table = sparse.csr_array((weight, (who, cell)), shape=(count, size))
    table.sum_duplicates()
    mark = table @ np.random.default_rng(0).standard_normal(size)
    _, first, counts = np.unique(mark, return_index=True, return_counts=True)
    return People(table[first], counts.astype(np.int64))


def _drawn(people: People, draws: int, rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Cells (draws, K, 3, 2, 2) of whole people drawn anew; beyond MOST_KINDS kinds, of random parts of them."""
    cells, counts = people.cells, people.counts.astype(np.float64)
    if len(counts) > MOST_KINDS:
        part = np.random.default_rng(len(counts)).permutation(len(counts)) % MOST_KINDS
        whole = sparse.csr_array((counts, (part, np.arange(len(counts)))), shape=(MOST_KINDS, len(counts)))
        cells, counts = whole @ cells, np.ones(MOST_KINDS)
    out: Floats = (rng.gamma(counts, 1.0, size=(draws, len(counts))) @ cells).reshape(draws, *shape)
    return out


def people_moved(joint: Joint, rows: npt.NDArray[np.bool_], favourable: int) -> tuple[int, int] | None:
    """Of cells `rows` (K,): people with more gains than losses, and with more losses; None where rows are people."""
    if joint.people is None:
        return None
    sign = np.zeros((len(rows), 3, 2, 2))
    sign[rows, :, 1 - favourable, favourable] = 1
    sign[rows, :, favourable, 1 - favourable] = -1
    net = joint.people.cells @ sign.ravel()
    return int(joint.people.counts[net > 1e-9].sum()), int(joint.people.counts[net < -1e-9].sum())


def take(coded: CodedRows, keep: npt.NDArray[np.bool_]) -> CodedRows:
    """Only the rows of `keep` (n,)."""
    return CodedRows(
        coded.attributes,
        coded.levels,
        coded.codes[keep],
        coded.label[keep],
        coded.decision[keep],
        None if coded.weight is None else coded.weight[keep],
        None if coded.score is None else coded.score[keep],
        coded.meaning,
        cluster=None if coded.cluster is None else coded.cluster[keep],
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Sums:
    """How cell groups add up to one margin: cells in `order`, a margin group `into` from each of `starts` on."""

    order: Ints
    starts: Ints
    into: Ints
    groups: int

    def of(self, table: Floats) -> Floats:
        """(D, K, 3, 2) to (D, G, 3, 2)."""
        out = np.zeros((len(table), self.groups, *table.shape[2:]))
        if len(self.order):
            out[:, self.into] = np.add.reduceat(table[:, self.order], self.starts, axis=1)
        return out


def _sums(joint: Joint, margin: Margin) -> _Sums:
    place = {group: g for g, group in enumerate(margin.groups)}
    axes = [joint.attributes.index(a) for a in margin.attribute]
    named = [tuple(joint.levels[a][code[a]] for a in axes) for code in joint.codes.tolist()]
    into = np.array([place.get(group, -1) for group in named], dtype=np.int64)
    order = np.argsort(into, kind="stable")
    order = order[into[order] >= 0]
    unique_groups, starts = np.unique(into[order], return_index=True)
    return _Sums(order, starts.astype(np.int64), unique_groups, len(margin.groups))


def distinct(metrics: Sequence[Metric]) -> list[Metric]:
    """One metric of each hypothesis (a rate and its complement change alike), without what no decision can change."""
    seen: dict[str, Metric] = {}
    for metric in metrics:
        if metric.name != BASE_RATE:
            seen.setdefault(metric.hypothesis, metric)
    return list(seen.values())


def changes(
    joint: Joint,
    margins: Sequence[Margin],
    *,
    reference: dict[str, str],
    floor: int,
    seed: int,
    draws: int = DRAWS,
    alpha: float = 0.05,
) -> list[Change]:
    """Every rate of every published group and every gap, before and after, with simultaneous intervals.

    `margins` are those published of the candidate: withheld groups are passed over. The band is delta +- c se, c the
    1 - alpha quantile of the largest standardised deviation over all changes (a sup-t band: Montiel Olea &
    Plagborg-Moller 2019); where few or no decisions changed it is at least the rule of three, 3 / n (Hanley &
    Lippman-Hand 1983). Sorted with what got worse first.
    """
    plan = _plan(joint, margins, reference, floor)
    before, after = (_figures(joint.w[None], plan, side) for side in (0, 1))
    known = np.isfinite(before[0]) & np.isfinite(after[0])
    rng = np.random.default_rng(seed)
    shape = np.divide(joint.w**2, joint.w2, out=np.zeros_like(joint.w), where=joint.w2 > 0)
    scale = np.divide(joint.w2, joint.w, out=np.zeros_like(joint.w), where=joint.w > 0)
    moved = []
    # Thousands of groups: fewer draws, so that the work and the memory stay bounded.
    most = min(_MOST_FIGURES // max(1, len(plan.names)), _MOST_CELLS // max(1, joint.w.size))
    draws = min(draws, max(LEAST_DRAWS, most))
    chunk = max(1, _CHUNK_CELLS // max(1, joint.w.size))
    for start in range(0, draws, chunk):
        many = min(chunk, draws - start)
        if joint.people is None:
            cells = rng.gamma(shape, 1.0, size=(many, *joint.w.shape)) * scale
        else:
            cells = _drawn(joint.people, many, rng, joint.w.shape)
        moved.append(_figures(cells, plan, 1) - _figures(cells, plan, 0))
    delta = (after - before)[0]
    half = _band(np.concatenate(moved)[:, known], alpha)
    half = np.maximum(half, at_least(np.array(plan.least)[known]))
    out = []
    for f, h in zip(np.flatnonzero(known).tolist(), half.tolist(), strict=True):
        metric, attribute, group, kind = plan.names[f]
        d = float(delta[f])
        low, high = max(-1.0, d - h), min(1.0, d + h)
        worse = is_worse(metric, kind, d)
        out.append(
            Change(
                metric, attribute, group, kind, float(before[0, f]), None, float(after[0, f]), d, low, high,
                worse, low > 0 or high < 0,
            )
        )  # fmt: skip
    return sorted(out, key=worst_first)


def _band(moved: Floats, alpha: float) -> Floats:
    """Half widths (F,) of the simultaneous band from draws (D, F), NaN where a draw has no value."""
    if moved.shape[1] == 0:
        return np.zeros(0)
    gone = ~np.isfinite(moved)
    values = np.where(gone, 0.0, moved)
    count = np.maximum((~gone).sum(axis=0), 1)
    centre = values.sum(axis=0) / count
    away = np.where(gone, 0.0, values - centre)
    spread = np.sqrt((away**2).sum(axis=0) / count)
    ratio = np.divide(np.abs(away), spread, out=np.zeros_like(away), where=spread > 1e-12)
    half: Floats = float(np.quantile(ratio.max(axis=1), 1 - alpha)) * spread
    return half


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """What to compute, in order: steps over margins, and the names and least counts of figures."""

    sums: list[_Sums]
    steps: list[tuple[int, tuple[Metric, ...], npt.NDArray[np.int64], str, int | None]]
    names: list[tuple[str, tuple[str, ...], tuple[str, ...] | None, str]]
    least: list[float]


def figures_of(
    margins: Sequence[Margin], reference: dict[str, str], floor: int
) -> dict[tuple[str, tuple[str, ...], tuple[str, ...] | None, str], float]:
    """Every figure of which `changes` gives the change, by (metric, attribute, group, kind) and in its order; with the
    least number of people that it is a share of."""
    plan = _plan(None, margins, reference, floor)
    return dict(zip(plan.names, plan.least, strict=True))


def at_least(people: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Half the width that no interval of a change goes below: the rule of three, 3 / n (Hanley & Lippman-Hand 1983)."""
    half: npt.NDArray[np.float64] = np.minimum(3.0 / np.maximum(people, 1.0), 1.0)
    return half


def _plan(joint: Joint | None, margins: Sequence[Margin], reference: dict[str, str], floor: int) -> _Plan:
    plan = _Plan([], [], [], [])
    for m, margin in enumerate(margins):
        metrics = metrics_for(margin.meaning)
        chosen = distinct(metrics)
        shown = np.flatnonzero(~margin.withheld & (margin.rows > 0))
        members = comparable(margin, floor) if margin.attribute else np.zeros(0, dtype=np.int64)
        if joint is not None:
            plan.sums.append(_sums(joint, margin))
        n = {x.name: (margin.n * x.denominator).sum(axis=(1, 2)) * worth(margin) for x in metrics}
        for metric in chosen:
            plan.steps.append((m, (metric,), shown, "rate", None))
            for g in shown:
                plan.names.append((metric.name, margin.attribute, margin.groups[g], "rate"))
                plan.least.append(float(n[metric.name][g]))
        if len(members) < 2:
            continue
        at = _reference(margin, members, reference)
        by_name = {x.name: x for x in metrics}
        merit = by_name[opportunity(margin.meaning)]
        odds = (by_name[TRUE_POSITIVE_RATE], by_name[FALSE_POSITIVE_RATE])
        wanted: list[tuple[str, tuple[Metric, ...], str]] = [(x.name, (x,), "difference") for x in chosen]
        wanted += [
            (SELECTION_RATE, (by_name[SELECTION_RATE],), "ratio"),
            (EQUAL_OPPORTUNITY, (merit,), "difference"),
            (EQUALIZED_ODDS, odds, "difference"),
        ]
        for name, parts, kind in wanted:
            plan.steps.append((m, parts, members, kind, at))
            plan.names.append((name, margin.attribute, None, kind))
            plan.least.append(float(min(n[p.name][members].min() for p in parts)))
    return plan


def _reference(margin: Margin, members: npt.NDArray[np.int64], reference: dict[str, str]) -> int | None:
    if not all(a in reference for a in margin.attribute):
        return None
    group = tuple(reference[a] for a in margin.attribute)
    at = [i for i, g in enumerate(members) if margin.groups[g] == group]
    return at[0] if at else None


def _figures(cells: Floats, plan: _Plan, side: int) -> Floats:
    """Figures (D, F) of draws of cells (D, K, 3, 2, 2), decisions before (side 0) or after (side 1)."""
    table = cells.sum(axis=4 - side)
    out: list[Floats] = []
    margins: dict[int, Floats] = {}
    for m, parts, members, kind, at in plan.steps:
        if m not in margins:
            margins = {m: plan.sums[m].of(table)}
        shares = []
        for metric in parts:
            x = (margins[m][:, members] * metric.numerator).sum(axis=(2, 3))
            n = (margins[m][:, members] * metric.denominator).sum(axis=(2, 3))
            shares.append(np.divide(x, n, out=np.full_like(x, np.nan), where=n > 0))
        out.append(shares[0] if kind == "rate" else gap_of(shares, kind, at)[:, None])
    return np.concatenate(out, axis=1) if out else np.zeros((len(cells), 0))


def gap_of(shares: Sequence[Floats], kind: str, reference: int | None) -> Floats:
    """The largest gap (D,) over groups of shares (D, G), the larger of several; groups without a value are out."""
    gaps = []
    for share in shares:
        known = np.isfinite(share)
        enough = known.sum(axis=1) >= 2
        low = np.where(known, share, np.inf).min(axis=1)
        high = np.where(known, share, -np.inf).max(axis=1)
        if kind == "ratio":
            if reference is None:
                value = np.divide(low, high, out=np.full_like(low, np.nan), where=enough & (high > 0))
            else:
                base = share[:, [reference]]
                top = np.maximum(share, base)
                each = np.divide(np.minimum(share, base), top, out=np.full_like(share, np.nan), where=top > 0)
                value = np.where(np.isfinite(each), each, np.inf).min(axis=1)
        elif reference is None:
            value = np.subtract(high, low, out=np.full_like(low, np.nan), where=enough)
        else:
            value = np.where(known, np.abs(share - share[:, [reference]]), -np.inf).max(axis=1)
        gaps.append(np.where(enough & np.isfinite(value), value, np.nan))
    stacked = np.stack(gaps)
    out: Floats = stacked.min(axis=0) if kind == "ratio" else stacked.max(axis=0)
    return out


def is_worse(metric: str, kind: str, delta: float) -> bool:
    """Which way is worse. A rate of errors rising is worse; so is any group being favoured or found less often."""
    if kind == "difference":
        return delta > 0
    if kind == "rate" and METRICS[metric].better == "lower":
        return delta > 0
    return delta < 0


def worst_first(change: Change | ChangeRecord) -> tuple[object, ...]:
    """The order of changes: what clearly got worse, then what did by estimate, then the rest; gaps before rates, the
    largest first."""
    return (
        not (change.worse and change.clear),
        not change.worse,
        not change.clear,
        change.kind == "rate",
        -abs(change.delta),
        len(change.attribute),
        change.attribute,
        change.group or (),
        change.metric,
    )
