"""The streams of a policy's norms: fed with rows in the order in which they come, valid at every look.

    monitor = open_monitor(norms, sensitive)
    monitor, verdicts = feed(monitor, coded, labelled=False)

A norm on one attribute is broken where some pair of groups is further apart than its limit. Each pair has two streams
(either group may be the favoured one), equalized odds two more for the other outcome. The mean of e-processes is one,
so that the mean over all of these says whether the norm is broken, and e-BH over the pairs names who (Vovk & Wang 2021,
Wang & Ramdas 2022). A group that appears later opens pairs whose weight was set aside for it from the beginning: giving
weight afterwards would not be valid.

Decisions are fed as they are made, outcomes when they are known: two clocks, and a norm keeps to one of them.
Weights (survey weights) are not used here: the streams count people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np

from audit.cube import CodedRows, Ints, Meaning
from audit.metrics import Metric, metrics_for, parts_of
from audit.policy import Norm
from audit.values import UNKNOWN
from audit.watch.evalues import (
    Bools,
    Floats,
    Open,
    advance_all,
    close_blocks,
    difference_logs,
    log_sum,
    ratio_logs,
    start,
)
from audit.watch.watched import Monitor, Pair, Watched

LOOK = 200
"""A look at every 200th person of a clock, wherever the batches are cut, for the record of when a bar was crossed."""
SET_ASIDE = 0.05
"""The part of the wealth that is never bet but kept for groups that are not known yet."""
MOST_GROUPS = 12
"""With more groups than this each is compared with all others together."""
REST = "(all others)"


def open_monitor(
    norms: Sequence[Norm],
    sensitive: Sequence[str],
    meaning: Meaning,
    *,
    groups: Mapping[tuple[str, ...], Sequence[str]] | None = None,
    average_run: float = 10_000.0,
) -> Monitor:
    """Streams that have seen nobody.

    groups: the groups of an attribute that are known beforehand; they share all but `SET_ASIDE` of the wealth evenly.
    average_run: the bar of the detectors; false alarms of a norm are on average at least eight times so many people
    apart.
    """
    groups = groups or {}
    by_name = {m.name: m for m in metrics_for(meaning)}
    watched, notes = [], []
    for norm in norms:
        metrics = parts_of(norm.metric, meaning)
        if not all(m in by_name for m in metrics):
            notes.append(
                f"{norm.metric.replace('_', ' ')} is judged from each window's counts only: it is no mean over people."
            )
            continue
        labelled = any(by_name[m].needs_label for m in metrics)
        if labelled and not meaning.labelled:
            notes.append(f"{norm.metric.replace('_', ' ')} needs outcomes, and the case has none: it is not watched.")
            continue
        for attribute in (norm.attribute,) if norm.attribute else tuple((a,) for a in sensitive):
            if set(attribute) <= set(sensitive):
                known = tuple(sorted(set(groups.get(attribute, ()))))
                pairs, reserve = _opened(known)
                watched.append(
                    Watched(
                        norm,
                        attribute,
                        metrics,
                        labelled,
                        pairs,
                        reserve,
                        tuple(sorted(set(groups.get(attribute, ())))),
                        0,
                        0.0,
                        -np.inf,
                        0.0,
                        0,
                        None,
                        None,
                    )
                )
    return Monitor(tuple(watched), average_run, tuple(dict.fromkeys(notes)))


def feed(monitor: Monitor, coded: CodedRows, *, labelled: bool) -> Monitor:
    """Show the rows to the norms of one clock: those that need outcomes where `labelled`, else the others.

    coded: rows in the order of arrival; with `labelled`, rows whose outcome is unknown are passed over.
    """
    by_name = {m.name: m for m in metrics_for(coded.meaning)}
    prepared: dict[tuple[str, ...], tuple[Ints, tuple[str, ...]]] = {}
    cells: dict[str, tuple[Bools, Bools]] = {}
    shared: dict[Any, Any] = {}
    cell = coded.label * 2 + coded.decision
    out = []
    for w in monitor.watched:
        if w.labelled != labelled:
            out.append(w)
            continue
        if w.attribute not in prepared:
            prepared[w.attribute] = joint_groups(coded, w.attribute)
        for name in w.metrics:
            if name not in cells:
                cells[name] = _cells(cell, by_name[name])
        out.append(_feed(w, *prepared[w.attribute], cells, len(coded.label), monitor.average_run, shared))
    return replace(monitor, watched=tuple(out))


def joint_groups(coded: CodedRows, attribute: tuple[str, ...]) -> tuple[Ints, tuple[str, ...]]:
    """Each row's group of these attributes, -1 where a value is unknown; (n,), and the names that occur."""
    group = np.zeros(len(coded.label), dtype=np.int64)
    unknown = np.zeros(len(coded.label), dtype=bool)
    names: list[str] = [""]
    for a in attribute:
        axis = coded.attributes.index(a)
        levels = coded.levels[axis]
        if UNKNOWN in levels:
            unknown |= coded.codes[:, axis] == levels.index(UNKNOWN)
        group = group * len(levels) + coded.codes[:, axis]
        names = [f"{n} / {v}" if n else v for n in names for v in levels]
    group = np.where(unknown, -1, group)
    count = np.bincount(group[group >= 0], minlength=len(names))
    present = np.flatnonzero(count)
    place = np.full(len(names) + 1, -1, dtype=np.int64)
    place[present] = np.arange(len(present))
    return place[group], tuple(names[i] for i in present)


def _cells(cell: Ints, metric: Metric) -> tuple[Bools, Bools]:
    """Which rows the metric counts, and which of them it counts as a success; cell (n,) is label x decision."""
    return metric.denominator.ravel()[cell], metric.numerator.ravel()[cell]


def _feed(
    w: Watched,
    group: Ints,
    names: tuple[str, ...],
    cells: dict[str, tuple[Bools, Bools]],
    rows: int,
    run: float,
    shared: dict[Any, Any],
) -> Watched:
    pairs, reserve, known, since = _with_new_groups(w, group, names)
    small = group.astype(np.int16) if len(names) < 2**15 else group
    # Looks lie at fixed people of the clock, so that the record of crossings does not depend on how batches are cut.
    looks = np.arange(LOOK - w.seen % LOOK, rows + 1, LOOK)
    number = {name: i for i, name in enumerate(names)}
    fed = []
    logs_e, logs_m = [np.full(len(looks) + 1, np.log(reserve))], []
    for pair in pairs:
        side = _sides(pair, number)
        waiting, streams = {}, {}
        for m in w.metrics:
            key = (w.attribute, pair.first, pair.second, m, pair.waiting.get(m, Open()))
            if key not in shared:
                rows_of = _rows_of(pair, number, small, cells[m][0], since.get((pair.first, pair.second), 0))
                blocks, rest = close_blocks(side[group[rows_of]], cells[m][1][rows_of], key[-1])
                closed = rows_of[blocks.end]
                when = np.append(np.searchsorted(closed, looks, side="left"), len(closed))
                shared[key] = blocks, rest, when
            blocks, waiting[m], when = shared[key]
            before = pair.streams.get(m) or (start(), start())
            bet = (*key, w.norm.kind, w.norm.limit, len(looks))
            if bet not in shared or not all(s.same(t) for s, t in zip(shared[bet][0], before, strict=True)):
                logs_of = difference_logs if w.norm.kind == "difference" else ratio_logs
                tables = np.stack([x.table for x in logs_of(blocks, w.norm.limit)])
                shared[bet] = before, *advance_all(before, tables, blocks.kind, when)
            _, streams[m], paths = shared[bet]
            share = np.log(pair.weight / (2 * len(w.metrics)))
            logs_e += [share + p.log_e for p in paths]
            logs_m += [share + p.log_m for p in paths]
        fed.append(replace(pair, waiting=waiting, streams=streams))
    log_e = log_sum(np.array(logs_e))
    log_m = log_sum(np.array(logs_m)) if logs_m else np.full(len(looks) + 1, -np.inf)
    w = replace(w, pairs=tuple(fed), reserve=reserve, groups=known, seen=w.seen + rows)
    return _looked(w, looks, log_e, log_m, w.seen - rows, run)


def _looked(w: Watched, looks: Ints, log_e: Floats, log_m: Floats, before: int, run: float) -> Watched:
    """The record of the looks: the last entry of the paths is now, and is not a look of its own."""
    peak, peak_at, crossed, alarm = w.peak_e, w.peak_e_at, w.crossed_at, w.alarm_at
    seen = log_e[:-1]
    if len(seen):
        top = int(seen.argmax())
        if seen[top] > peak:
            peak, peak_at = float(seen[top]), before + int(looks[top])
        over = np.flatnonzero(seen >= np.log(1 / w.norm.alpha))
        if crossed is None and len(over):
            crossed = before + int(looks[over[0]])
        over = np.flatnonzero(log_m[:-1] >= np.log(run))
        if alarm is None and len(over):
            alarm = before + int(looks[over[0]])
    return replace(
        w,
        log_e=float(log_e[-1]),
        log_m=float(log_m[-1]),
        peak_e=peak,
        peak_e_at=peak_at,
        crossed_at=crossed,
        alarm_at=alarm,
    )


def _rows_of(pair: Pair, number: dict[str, int], group: np.ndarray, counted: Bools, since: int) -> Ints:
    """The rows of both groups that the metric counts, in order; (n,)."""
    if pair.second == REST:
        mine = group >= 0
    else:
        mine = (group == number.get(pair.first, -2)) | (group == number.get(pair.second, -2))
    mine &= counted
    rows = np.flatnonzero(mine)
    return rows[rows >= since] if since else rows


def _sides(pair: Pair, number: dict[str, int]) -> np.ndarray:
    """For each group number: 0 the pair's first group, 1 its second, -1 neither."""
    side = np.full(len(number), 1 if pair.second == REST else -1, dtype=np.int8)
    if pair.second in number:
        side[number[pair.second]] = 1
    if pair.first in number:
        side[number[pair.first]] = 0
    return side


def _opened(names: Sequence[str]) -> tuple[tuple[Pair, ...], float]:
    """Pairs of the groups known beforehand, and what is set aside."""
    if len(names) < 2:
        return (), 1.0
    pairs = [(n, REST) for n in names] if len(names) > MOST_GROUPS else list(combinations(names, 2))
    return tuple(Pair(a, b, (1 - SET_ASIDE) / len(pairs), {}, {}) for a, b in pairs), SET_ASIDE


def _with_new_groups(
    w: Watched, group: Ints, names: tuple[str, ...]
) -> tuple[tuple[Pair, ...], float, tuple[str, ...], dict[tuple[str, str], int]]:
    """Pairs of groups that were not known, each group's share half of what is set aside; and from which row they run.

    They come in the order of their first person and see nobody from before that, however the rows are cut.
    """
    pairs, reserve = w.pairs, w.reserve
    since: dict[tuple[str, str], int] = {}
    known = list(w.groups)
    new = [n for n in names if n not in known]
    first = {n: int(np.flatnonzero(group == names.index(n))[0]) for n in new}
    for name in sorted(new, key=lambda n: first[n]):
        wide = len(known) >= MOST_GROUPS or any(p.second == REST for p in pairs)
        opened = [(name, REST)] if wide else [(k, name) for k in known]
        if opened:
            reserve /= 2
            pairs += tuple(Pair(a, b, reserve / len(opened), {}, {}) for a, b in opened)
            since |= dict.fromkeys(opened, first[name])
        known.append(name)
    return pairs, reserve, tuple(known), since
