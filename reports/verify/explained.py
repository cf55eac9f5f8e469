"""explain.json: what of it follows from the audit's tables, and what from the rest of itself.

How much a feature's part is stands on the auditor's word. What the parts are of does not: they sum to the gap that the
tables have, or to one person's score; groups are those people whom the tables count.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from audit.documents import record_in
from audit.documents.base import Names, Record
from audit.documents.evidence import Evidence
from audit.documents.explanations import Decomposition, Explanations, Person, RecourseGroup
from audit.explain.kinds import DECISION, LOG_ODDS
from audit.explain.outputs import log_odds
from audit.explain.sample import FLOOR
from audit.explain.sentences import Reaction, RecourseGap, alarms, words
from audit.metrics import SELECTION_RATE
from audit.stats.intervals import wilson

Pairs = Iterator[tuple[str, Any, Any]]
Group = tuple[Names, Names]
ROUNDING = 1e-9
"""Numbers are written with twelve digits."""


class _Gaps(Record, frozen=True):
    """Of `recourse`: what its sentences are of."""

    gaps: tuple[RecourseGap, ...] = ()


class _Reactions(Record, frozen=True):
    """Of `hiding`: likewise."""

    features: tuple[Reaction, ...] = ()


class _Sentenced(Record, frozen=True):
    """What pages tell in sentences, and no record of a page holds."""

    recourse: _Gaps | None = None
    hiding: _Reactions | None = None


def explained_pairs(explained: Explanations, evidence: Evidence, plain: Mapping[str, Any]) -> Pairs:
    """(what, as told, as it has to be). plain: the document as it was read."""
    yield from _sentences(explained, record_in(_Sentenced, dict(plain), "explain.json"))
    yield from _groups(explained, evidence)
    yield from _recourse(explained, evidence)
    yield from _intervals(explained)
    gate = explained.additivity
    if gate is not None:
        adds_up = gate.max_error is not None and gate.tolerance is not None and gate.max_error <= gate.tolerance
        yield "whether attributions add up", gate.passed, adds_up
    # Where the model answers otherwise when it is asked twice nothing adds up, and the report says so.
    if gate is not None and gate.passed:
        near = max(ROUNDING, 10 * (gate.tolerance or 0.0))
        yield from _gaps(explained.decomposition, evidence, near)
        for number, person in enumerate(explained.people, 1):
            yield f"whether the parts of person {number} sum to the output", _sums(explained, person, near), True
    for number, person in enumerate(explained.people, 1):
        is_good = person.decision == evidence.data.favourable
        yield f"whether the decision on person {number} is favourable", bool(person.favourable), is_good


def _sentences(explained: Explanations, sentenced: _Sentenced) -> Pairs:
    """Sentences are of the figures beside them."""
    if explained.recourse is not None and sentenced.recourse is not None:
        groups = {(g.attribute, g.group): g for g in explained.recourse.groups}
        yield (
            "the sentences on recourse",
            explained.recourse.notice or (),
            tuple(g.words for g in sentenced.recourse.gaps),
        )
        for gap in sentenced.recourse.gaps:
            if gap.estimable and gap.highest is not None and gap.lowest is not None:
                high, low = (_figure(groups.get((gap.attribute, g)), gap.of) for g in (gap.highest, gap.lowest))
                yield f"the gap in the {gap.of} of recourse", _near(gap.value, high, low), True
    if explained.hiding is not None and sentenced.hiding is not None and sentenced.hiding.features:
        seen = [replace(r, alarm=alarms(r)) for r in sentenced.hiding.features]
        alarm = any(r.alarm for r in seen)
        yield (
            "whether there is a sign of hiding",
            (explained.hiding.alarm, explained.hiding.notice),
            (alarm, words(seen)),
        )


def _figure(group: RecourseGroup | None, name: str) -> float | None:
    return None if group is None else group.cost if name == "cost" else group.share


def _near(value: float | None, high: float | None, low: float | None) -> bool:
    """Whether the value is how far the two are apart."""
    return None not in (value, high, low) and _alike(value or 0.0, (high or 0.0) - (low or 0.0), ROUNDING)


def _groups(explained: Explanations, evidence: Evidence) -> Pairs:
    rows = {(c.attribute, c.group): c.rows for c in evidence.counts}
    for mean in explained.groups:
        if mean.people is not None:
            yield "the people of a group explained", mean.people, rows.get((mean.attribute, mean.group))
            yield "whether a group explained has so many rows", 0 < mean.rows <= mean.people, True
    for fit in explained.fidelity:
        most = rows.get((fit.attribute, fit.group), 0)
        yield "whether a group's surrogates are of its people", 0 < fit.rows <= most, True


def _recourse(explained: Explanations, evidence: Evidence) -> Pairs:
    rows = {(c.attribute, c.group): c.rows for c in evidence.counts}
    for group in explained.recourse.groups if explained.recourse is not None else ():
        most = rows.get((group.attribute, group.group), 0)
        in_order = FLOOR <= group.rows <= group.refused <= most and 0 <= group.found <= group.rows
        yield "whether recourse was sought for people of the group", in_order, True
        if in_order:
            yield "the share with recourse", _shares(group), _shares_again(group)


def _shares(group: RecourseGroup) -> tuple[float | None, ...]:
    return tuple(None if v is None else round(v, 9) for v in (group.share, group.share_low, group.share_high))


def _shares_again(group: RecourseGroup) -> tuple[float, ...]:
    return tuple(round(float(v), 9) for v in (group.found / group.rows, *wilson(group.found, group.rows)))


def _intervals(explained: Explanations) -> Pairs:
    """Each is drawn around its figure; that of an importance holds it."""
    for one in explained.overall:
        yield "whether an importance is within its interval", one.low <= one.mean_abs <= one.high, True
    middles = [
        *((g.low, g.mean, g.high) for g in explained.groups),
        *((p.low, p.value, p.high) for d in explained.decomposition for p in d.features),
        *((p.low, p.mean, p.high) for d in explained.dependence or () for p in d.parts),
        *((f.r2_low, f.r2, f.r2_high) for f in explained.fidelity),
        *((f.error_low, f.error, f.error_high) for f in explained.fidelity),
    ]
    yield "how many intervals of explanations are not around their figure", sum(map(_is_off, middles)), 0


def _is_off(interval: tuple[float | None, float | None, float | None]) -> bool:
    low, middle, high = interval
    if low is None or middle is None or high is None:
        return False
    return low > high or not _alike((low + high) / 2, middle, ROUNDING)


def _gaps(gaps: Iterable[Decomposition], evidence: Evidence, near: float) -> Pairs:
    rates: Mapping[Group, float | None] = {
        (r.attribute, r.group): r.value for r in evidence.rates if r.metric == SELECTION_RATE
    }
    for gap in gaps:
        parts = sum(p.value for p in gap.features)
        yield "whether the parts of a gap sum to it", _alike(parts, gap.total, near), True
        if gap.output != DECISION or gap.kind != "extreme":
            continue
        high, low = (rates.get((gap.attribute, g)) for g in (gap.highest, gap.lowest))
        known = high is not None and low is not None
        yield "whether a gap explained is between groups of the audit", known, True
        if high is not None and low is not None:
            yield "whether the gap explained is that of the tables", _alike(gap.total, high - low, near), True


def _sums(explained: Explanations, person: Person, near: float) -> bool:
    if person.base is None:
        return True
    output = person.score
    if explained.output == DECISION:
        output = float(bool(person.favourable))
    elif explained.output == LOG_ODDS:
        output = float(log_odds(np.array(person.score)))
    return _alike(person.base + sum(s.value for s in person.shap), output, near)


def _alike(a: float, b: float, near: float) -> bool:
    return bool(abs(a - b) <= near * max(1.0, abs(a), abs(b)))
