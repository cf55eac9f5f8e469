"""Loss and gap of one point of a search, from its counts alone, and which points are on the front.

Both follow from the published margins in search.json, so that a verifier computes them again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from audit import stats
from audit.cube import Margin
from audit.cube_json import margins_from_json
from audit.documents import record_in
from audit.documents.base import Names, Record
from audit.documents.search import Loss, Place, Trial, WidestGap
from audit.errors import DataError
from audit.fractions import correlations, effective
from audit.gaps import Settings, comparable, reference_index, seed_of
from audit.measure import group_rates
from audit.metrics import ACCURACY, SELECTION_RATE, Metric, metrics_for, parts_of
from audit.policy import Policy
from debias.methods.method import BOUNDED_LOSS, CONSTRAINTS


@dataclass(frozen=True, slots=True)
class Figures:
    """One point on the rows to choose on. Shares from 0 to 1, with 95 % intervals.

    loss: the share of decisions that are not the outcome (Wilson). gap: the widest over the attributes, each with a
    simultaneous interval over its groups at alpha / (number of attributes); high bounds all of them at once. attribute
    is the one with the largest upper bound. Under bounded loss gap is the error of the group that errs most, named in
    group, each group's by Wilson at alpha / (number of groups of all attributes).
    """

    loss: float
    loss_low: float
    loss_high: float
    gap: float
    gap_low: float
    gap_high: float
    attribute: str
    selection_rate: float
    group: str | None = None

    def to_json(self) -> dict[str, Any]:
        gap = {"value": self.gap, "low": self.gap_low, "high": self.gap_high, "attribute": [self.attribute]}
        return {
            "loss": {"value": self.loss, "low": self.loss_low, "high": self.loss_high},
            "gap": gap if self.group is None else gap | {"group": [self.group]},
            "selection_rate": self.selection_rate,
        }


def figures_of(margins: Sequence[Margin], aim: str, attributes: Sequence[str], settings: Settings) -> Figures:
    """The figures of one way of deciding. Raises DataError where no attribute has two groups to compare."""
    by = {m.attribute: m for m in margins}
    everyone = by[()]
    metrics = {m.name: m for m in metrics_for(everyone.meaning)}
    accuracy = group_rates(everyone, metrics[ACCURACY], settings.alpha)[0]
    selected = group_rates(everyone, metrics[SELECTION_RATE], settings.alpha)[0]
    if accuracy.value is None or accuracy.low is None or accuracy.high is None or selected.value is None:
        raise DataError("the loss cannot be estimated", got=accuracy.reason or "", todo="bring rows with outcomes")
    if aim == BOUNDED_LOSS:
        worst = _worst(by, metrics[ACCURACY], attributes, settings)
        return Figures(1 - accuracy.value, 1 - accuracy.high, 1 - accuracy.low, **worst, selection_rate=selected.value)
    parts = parts_of(CONSTRAINTS[aim].metric, everyone.meaning)
    shared = replace(settings, alpha=settings.alpha / len(attributes))
    gaps = {}
    reasons = []
    for attribute in attributes:
        margin = by[(attribute,)]
        members = comparable(margin, settings.floor)
        strata, together = [], []
        for name in parts:
            x, n = effective(margin, [metrics[name]])[name]
            strata.append((x[members], n[members]))
            joint = correlations(margin, metrics[name])
            together.append(None if joint is None else joint[np.ix_(members, members)])
        result = stats.largest_gap(
            strata,
            seed=seed_of(shared, margin.attribute, aim),
            draws=shared.draws,
            alpha=shared.alpha,
            reference=reference_index(margin, members, shared),
            joint=together,
        )
        if result.value is None or result.low is None or result.high is None:
            reasons.append(f"by {attribute}: {result.reason}")
        else:
            gaps[attribute] = (result.value, result.low, result.high)
    if not gaps:
        raise DataError(
            "no gap can be estimated on the rows to choose on",
            got="; ".join(reasons),
            expected="two groups with people to compare",
            todo="name another attribute, or bring more rows",
        )
    most = max(gaps, key=lambda a: (gaps[a][2], a))
    return Figures(
        loss=1 - accuracy.value,
        loss_low=1 - accuracy.high,
        loss_high=1 - accuracy.low,
        gap=max(v for v, _, _ in gaps.values()),
        gap_low=max(low for _, low, _ in gaps.values()),
        gap_high=gaps[most][2],
        attribute=most,
        selection_rate=selected.value,
    )


def _worst(
    by: Mapping[tuple[str, ...], Margin], accuracy: Metric, attributes: Sequence[str], settings: Settings
) -> dict[str, Any]:
    """gap, gap_low, gap_high, attribute and group of the group that errs most. Raises DataError where none is known."""
    members = {a: comparable(by[(a,)], settings.floor) for a in attributes}
    alpha = settings.alpha / max(1, sum(len(m) for m in members.values()))
    errors = []
    for attribute, known in members.items():
        rates = group_rates(by[(attribute,)], accuracy, alpha)
        errors += [
            (1 - r.value, 1 - r.high, 1 - r.low, attribute, r.group[0])
            for r in (rates[g] for g in known)
            if r.value is not None and r.low is not None and r.high is not None
        ]
    if not errors:
        raise DataError(
            "no group's error can be estimated on the rows to choose on",
            expected="a group with people whose outcomes are known",
            todo="name another attribute, or bring more rows",
        )
    value, _, _, attribute, group = max(errors, key=lambda f: (f[0], f[3], f[4]))
    return {
        "gap": value,
        "gap_low": max(f[1] for f in errors),
        "gap_high": max(f[2] for f in errors),
        "attribute": attribute,
        "group": group,
    }


@dataclass(frozen=True, slots=True)
class Words:
    """What a search weighs against wrong decisions, as printed: in full, in short, and what is better."""

    full: str
    short: str
    better: str


def words_of(aim: str) -> Words:
    """The words for an aim."""
    if aim == BOUNDED_LOSS:
        return Words("the error of the worst group", "worst group's error", "with a smaller error of the worst group")
    return Words(f"the gap in {CONSTRAINTS[aim].figure.replace('_', ' ')}", "gap", "with a narrower gap")


def aims_for(policy: Policy) -> list[str]:
    """What a search can aim at, first what a norm of the policy is about."""
    stand_for = {row.metric: row.name for row in CONSTRAINTS.values()}
    normed = [stand_for[n.metric] for n in policy.norms if n.metric in stand_for]
    return list(dict.fromkeys([*normed, *CONSTRAINTS]))


def front_of(
    points: Sequence[tuple[float, float] | None], beside: Sequence[tuple[float, float] | None] = ()
) -> list[bool]:
    """Which points no other one beats: none is at least as low in both and lower in one. Of equal points the first.

    beside: what is there anyway, such as the original: it beats, and stands on no front itself.
    """
    known = [p for p in (*points, *beside) if p is not None]
    seen: set[tuple[float, float]] = set()
    out = []
    for p in points:
        beaten = p is None or p in seen or any(q != p and q[0] <= p[0] and q[1] <= p[1] for q in known)
        if p is not None:
            seen.add(p)
        out.append(not beaten)
    return out


ORIGINAL_BEATS = "candidates and the original"


class Placed(Record, frozen=True):
    """An entry of search.json as far as its two objectives go."""

    loss: Loss | None = None
    gap: WidestGap | None = None


class _Fronted(Record, frozen=True):
    original: Placed
    trials: tuple[Placed, ...]
    front_among: str = ""


class _Aim(Record, frozen=True):
    constraint: str
    attributes: Names


class _Counted(Record, frozen=True):
    asked: _Aim
    counts: dict[str, Any]
    settings: dict[str, Any]


def front_in(document: Mapping[str, Any]) -> list[bool]:
    """The front of search.json. Until `front_among` says that the original takes part, it is of candidates alone."""
    search = record_in(_Fronted, document, "search.json")
    beside = [objectives(search.original)] if search.front_among == ORIGINAL_BEATS else []
    return front_of([objectives(t) for t in search.trials], beside)


def objectives(entry: Placed | Trial | Place) -> tuple[float, float] | None:
    """The two objectives of an entry of search.json, or None where it has none."""
    if entry.loss is None or entry.gap is None:
        return None
    return entry.loss.value, entry.gap.high


def figures_again(document: Mapping[str, Any], margins: Sequence[Any]) -> dict[str, Any]:
    """The figures of one entry of search.json from its counts, as they are written there."""
    search = record_in(_Counted, document, "search.json")
    read = margins_from_json({**search.counts, "margins": list(margins)})
    settings = Settings.from_json(search.settings)
    return figures_of(read, search.asked.constraint, search.asked.attributes, settings).to_json()
