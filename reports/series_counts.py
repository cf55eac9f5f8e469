"""The counts behind the loop's figures, as far as they may leave: each step's, by the groups of a norm.

A loop's counts are sums over batches, begun anew with each model. Whoever has two of these sums has their difference,
so a batch's sums are published only where every group differs from each other published sum by nobody or by at least
the floor. The newest sums go first: a batch with few people of one group is put together with those before it. Decided
people and people with known outcomes are sums of the same people, and so are the sums of an intersection: all are held
against each other. Nothing is taken out of a table, so that a published sum is exactly what the loop judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from audit.cube import Cube, Margin, Meaning
from audit.documents.series import CountsStep, CountsTable, Standing, StreamCounts
from audit.documents.watch import NormNow
from audit.metrics import SELECTION_RATE
from audit.policy import Norm
from audit.suppress import FLOOR
from audit.watch.counted import judge_counts

Ints = npt.NDArray[np.int64]
STREAMS = ("arrived", "matured")
FIGURES = ("value", "low", "high", "highest", "lowest", "status", "people")


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """What one batch brought to the running model: decisions as they arrived, and outcomes that came due."""

    number: int
    running: str
    arrived: Cube | None
    matured: Cube | None


def stream_of(metric: str) -> str:
    """Whose counts a norm is judged on."""
    return "arrived" if metric == SELECTION_RATE else "matured"


def tables_of(steps: Sequence[Step], judged: Mapping[int, Sequence[NormNow]]) -> tuple[CountsTable, ...]:
    """The published tables: of each model in turn, of each set of columns. judged: a batch's number -> its norms."""
    out = []
    for part in _by_model(steps):
        wanted = {
            (n.attribute, stream_of(n.metric)) for s in part for n in judged.get(s.number, ())
        }  # fmt: skip
        seen: dict[tuple[str, ...], list[tuple[tuple[tuple[str, ...], ...], Ints]]] = {}
        for attribute in sorted({a for a, _ in wanted}, key=lambda a: (-len(a), a)):
            sums = {s: _sums(part, attribute, s) for s in STREAMS}
            groups = next((m.groups for m in sums.values() if m is not None), None)
            if groups is None:
                continue
            known = [_aligned(groups, *v) for v in seen.get(attribute, [])]
            judged_at = [t for t, s in enumerate(part) if judged.get(s.number)]
            chosen: dict[str, list[int]] = {}
            for stream, stream_sums in sums.items():
                if stream_sums is not None and (attribute, stream) in wanted:
                    chosen[stream], more = _choose(stream_sums, known, judged_at)
                    known.append(more)
                    _project(seen, attribute, groups, more)
            if not any(chosen.values()):
                continue
            first = next(m for m in sums.values() if m is not None)
            m = first.meaning
            out.append(
                CountsTable(
                    running=part[0].running, first=part[0].number, attribute=attribute, groups=groups,
                    steps=tuple(_steps(part, sums, chosen)),
                    meaning=(m.positive, m.negative, m.favourable, m.labelled, m.decides), weighted=first.weighted,
                )
            )  # fmt: skip
    return tuple(out)


def _steps(
    part: Sequence[Step], sums: Mapping[str, _Sums | None], chosen: Mapping[str, Sequence[int]]
) -> Iterator[CountsStep]:
    before = dict.fromkeys(STREAMS, -1)
    for at in sorted({t for which in chosen.values() for t in which}):
        brought = {}
        for stream, which in chosen.items():
            stream_sums = sums[stream]
            if at in which and stream_sums is not None:
                brought[stream] = _since(stream_sums, at, before[stream])
                before[stream] = at
        yield CountsStep(part[at].number, **brought)


@dataclass(frozen=True, slots=True, eq=False)
class _Sums:
    """Sums after each step, (T, G, 3, 2), of one model's steps by one set of columns."""

    groups: tuple[tuple[str, ...], ...]
    n: Ints
    w: npt.NDArray[np.float64]
    w2: npt.NDArray[np.float64]
    weighted: bool
    meaning: Meaning


def _by_model(steps: Sequence[Step]) -> list[list[Step]]:
    out: list[list[Step]] = []
    for step in steps:
        if not out or out[-1][-1].running != step.running:
            out.append([])
        out[-1].append(step)
    return out


def _together(part: Sequence[Step]) -> Cube | None:
    """Everyone of these steps, by whichever stream."""
    whole: Cube | None = None
    for step in part:
        for cube in (step.arrived, step.matured):
            if cube is not None:
                whole = cube if whole is None else whole + cube
    return whole


def _sums(part: Sequence[Step], attribute: tuple[str, ...], stream: str) -> _Sums | None:
    whole = _together(part)
    if whole is None or not set(attribute) <= set(whole.attributes):
        return None
    if all(getattr(s, stream) is None for s in part):
        return None
    groups = whole.margin(attribute).groups
    place = {g: i for i, g in enumerate(groups)}
    parts = [np.zeros((len(part), len(groups), 3, 2)) for _ in range(3)]
    meaning = whole.meaning
    for t, step in enumerate(part):
        cube = getattr(step, stream)
        if cube is None:
            continue
        margin = cube.margin(attribute)
        meaning = cube.meaning
        for g, group in enumerate(margin.groups):
            if group in place:
                for into, values in zip(parts, (margin.n, margin.w, margin.w2), strict=True):
                    into[t, place[group]] = values[g]
    n, w, w2 = (p.cumsum(axis=0) for p in parts)
    return _Sums(groups, np.rint(n).astype(np.int64), w, w2, whole.weighted, meaning)


def _choose(sums: _Sums, others: Sequence[Ints], judged: Sequence[int]) -> tuple[list[int], Ints]:
    """Which steps' sums may be published beside `others`, (k, G) each, and these sums of people, (k, G)."""
    people = sums.n.sum(axis=(2, 3))
    known = np.concatenate([np.zeros((1, people.shape[1]), dtype=np.int64), *others])
    chosen = []
    for at in reversed(judged):
        apart = np.abs(people[at] - known)
        if not ((apart > 0) & (apart < FLOOR)).any():
            chosen.append(at)
            known = np.concatenate([known, people[at][None]])
    chosen.reverse()
    return chosen, people[chosen]


def _project(
    seen: dict[tuple[str, ...], list[tuple[tuple[tuple[str, ...], ...], Ints]]],
    attribute: tuple[str, ...],
    groups: tuple[tuple[str, ...], ...],
    kept: Ints,
) -> None:
    """What the sums of an intersection say about each of its columns alone."""
    from itertools import combinations

    for size in range(1, len(attribute)):
        for part in combinations(attribute, size):
            index = [attribute.index(a) for a in part]
            names = tuple(dict.fromkeys(tuple(g[i] for i in index) for g in groups))
            which = [names.index(tuple(g[i] for i in index)) for g in groups]
            total = np.zeros((len(kept), len(names)), dtype=np.int64)
            for g, to in enumerate(which):
                total[:, to] += kept[:, g]
            seen.setdefault(part, []).append((names, total))


def _aligned(groups: Sequence[tuple[str, ...]], names: Sequence[tuple[str, ...]], total: Ints) -> Ints:
    out = np.zeros((len(total), len(groups)), dtype=np.int64)
    for g, group in enumerate(groups):
        if group in names:
            out[:, g] = total[:, names.index(group)]
    return out


def _since(stream_sums: _Sums, at: int, before: int) -> StreamCounts:
    """What came since the step before."""
    n = (stream_sums.n[at] - (stream_sums.n[before] if before >= 0 else 0)).ravel().tolist()
    if not stream_sums.weighted:
        return StreamCounts(tuple(n))
    # Sums, not differences: a difference of rounded sums would not add up to what the loop judged.
    return StreamCounts(tuple(n), *(tuple(sums[at].ravel().tolist()) for sums in (stream_sums.w, stream_sums.w2)))


def margins_in(table: CountsTable) -> dict[int, dict[str, Margin]]:
    """The sums of a published table after each of its steps, by stream. Raises ValueError for counts that are none."""
    groups = table.groups
    shape = (len(groups), 3, 2)
    positive, negative, favourable, labelled, *decides = table.meaning
    meaning = Meaning(positive, negative, favourable, labelled, *decides)
    total: dict[str, Ints] = {}
    out: dict[int, dict[str, Margin]] = {}
    for step in table.steps:
        now = out[step.number] = {}
        for stream in STREAMS:
            counts: StreamCounts | None = getattr(step, stream)
            if counts is None:
                continue
            if any(v < 0 for v in counts.n):
                raise ValueError("a count is not a whole number of people")
            n = np.array(counts.n, dtype=np.int64).reshape(shape) + total.get(stream, 0)
            total[stream] = n
            w = w2 = n.astype(np.float64)
            if table.weighted:
                w, w2 = (np.array(sums, dtype=np.float64).reshape(shape) for sums in (counts.w, counts.w2))
            now[stream] = Margin(
                table.attribute, groups, n, w, w2, table.weighted,
                np.zeros(len(groups), dtype=bool), None, meaning,
            )  # fmt: skip
    return out


def judged_again(norm: Standing, margin: Margin, people: int | None) -> dict[str, Any]:
    """The figures and the state of a norm as the loop judges them, from the published counts."""
    if people is None or norm.alpha is None:
        raise ValueError("it is not said how the loop judged this norm")
    rule = Norm(norm.metric, norm.kind, norm.attribute, norm.limit, norm.limit, norm.alpha)
    judged = judge_counts(rule, margin, floor=people)
    return {k: getattr(judged, k) for k in FIGURES}


def same_figures(a: Mapping[str, Any], b: Standing) -> str | None:
    """The first figure in which the two differ by more than computers do; None where they are the same."""
    for k in FIGURES:
        x, y = a.get(k), getattr(b, k)
        near = isinstance(x, float) and isinstance(y, float | int) and abs(x - y) <= 1e-9 + 1e-7 * abs(x)
        if x != y and not near:
            return k
    return None
