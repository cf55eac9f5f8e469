"""Why a gap changed, at an alarm: the newest batches whose outcomes are due against the first, segment by segment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

from audit.case import Case
from audit.cube import Ints
from audit.metrics import ACCURACY, parts_of
from audit.watch.attribution import (
    REST,
    Change,
    SegmentCounts,
    against_rest,
    attribute_change,
    most_telling,
    segment_tables,
)
from debias.loop.gate import HARM
from debias.loop.reference import Reference
from debias.loop.serve import coded_rows, labels_of, meaning_of
from debias.loop.sources import Source
from debias.loop.state import Event, State

WINDOW = 3
"""So many of the newest batches are held against the first ones."""
SHOWN = 3
SEGMENTS = 5
MOST = 0.95

Decide = Callable[[Any], Ints]


def explained(
    case: Case, state: State, keys: Sequence[str], reference: Reference, source: Source, decide: Decide
) -> Event | None:
    """What moved each gap that raised the alarm. keys: as in `State.reason`; decide: the running model on a frame.

    None where there is nothing to compare yet. It says where a change sits, not what caused it.
    """
    first = list(reference.batches)
    end = state.matured if case.data.label is not None else state.batch
    last = [n for n in range(end) if n not in state.left_out and n > max(first)][-WINDOW:]
    if not first or not last:
        return None
    before, after = (_tables(case, numbers, reference, source, decide) for numbers in (first, last))
    selected: list[Change] = []
    sentences: list[str] = []
    for metric, attribute, group in _about(case, keys):
        changes = []
        for name in before:
            if name[0] == attribute and name in after and _divides(before[name]) and _divides(after[name]):
                then, now = before[name], after[name]
                if group is not None:  # the one that is harmed, and nobody else's gap
                    then, now = (against_rest(t, group) for t in (then, now))
                pair = None if group is None else (REST, group)
                change = attribute_change(then, now, metric, pair=pair)
                if change is not None:
                    changes.append(change)
        telling = most_telling(tuple(changes))
        if telling is not None:
            sentences.append(telling.words)
            others = sorted((c for c in changes if c is not telling), key=_largest, reverse=True)
            selected += [telling, *others][:SHOWN]
    if not selected:
        return None
    words = " ".join(dict.fromkeys(sentences))
    facts = {"before": first, "after": last, "changes": [_facts_of(c) for c in selected]}
    return Event("why", facts, {"said": words})


def _tables(
    case: Case, numbers: Sequence[int], reference: Reference, source: Source, decide: Decide
) -> dict[tuple[tuple[str, ...], str], SegmentCounts]:
    out: dict[tuple[tuple[str, ...], str], SegmentCounts] = {}
    for number in numbers:
        arrival = source.read(number)
        if arrival.problem is not None or not len(arrival.frame):
            continue
        frame = arrival.frame
        rows = coded_rows(case, frame, decide(frame), labels_of(case, frame))
        for table in segment_tables(reference.features, frame, rows):
            name = (table.attribute, table.by)
            out[name] = out[name] + table if name in out else table
    return out


def _about(case: Case, keys: Sequence[str]) -> list[tuple[str, tuple[str, ...], str | None]]:
    """Rates and attributes that the alarm is about, and the group where one is harmed. Intersections are left to the
    report."""
    out: list[tuple[str, tuple[str, ...], str | None]] = []
    for key in keys:
        if key.startswith(HARM):
            attribute_name, _, group = key.removeprefix(HARM).partition("=")
            out.append((ACCURACY, (attribute_name,), group))
            continue
        metric, _, attribute = key.split("/", 2)
        out += [(m, (attribute,), None) for m in parts_of(metric, meaning_of(case)) if attribute in case.data.sensitive]
    return list(dict.fromkeys(out))


def _divides(table: SegmentCounts) -> bool:
    """Whether the segments divide people at all: where nearly all are in one, it says nothing about where."""
    people = table.n.sum(axis=(0, 2, 3))
    return bool(people.max(initial=0) <= MOST * people.sum())


def _largest(change: Change) -> float:
    """The largest effect of one segment on the gap."""
    return max((abs(s.mix) + abs(s.rate) for s in change.segments if s.group is None), default=0.0)


def _facts_of(change: Change) -> dict[str, Any]:
    """The change with its largest segments only."""
    gap = [s for s in change.segments if s.group is None]
    kept = sorted(gap, key=lambda s: -(abs(s.mix) + abs(s.rate)))[:SEGMENTS]
    return asdict(replace(change, segments=tuple(kept)))
