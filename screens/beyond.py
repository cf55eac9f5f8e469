"""Beyond rates and gaps, one question at a time: the report's answer, and a chart above it to point at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st
from msgspec.structs import replace

from audit import numbers
from audit.documents.evidence import Curve, Evidence
from audit.findings import name_of, percent
from audit.numbers import many
from audit.suppress import FLOOR
from reports.blocks import Heading
from reports.sections.further import ASKED, MOST, PARTS, TITLE, chosen, points, where
from screens import charts, draw, parts, state


@dataclass(frozen=True, slots=True)
class Chart:
    """What a chart says in a sentence, and what it is drawn from. mark: where a line is drawn."""

    takeaway: str
    dots: list[charts.Dot]
    title: str
    mark: float | None = None


def show(evidence: Evidence, attribute: Sequence[str]) -> None:
    """The questions that this evidence can answer."""
    narrow = about(evidence, tuple(attribute))
    answers = {p.question: (k, blocks) for k, p in PARTS.items() if (blocks := p.blocks(narrow) or p.blocks(evidence))}
    if not answers:
        return
    st.header(TITLE)
    key, blocks = answers[st.selectbox("Question", list(answers), key="beyond")]
    if key in CHARTS and (chart := CHARTS[key](narrow)) is not None:
        st.write(state.escape(chart.takeaway))
        figure = charts.dots(chart.dots, title=f"{chart.title}, 95 % intervals", mark=chart.mark)
        parts.chart(figure, key=f"{key}-chart", alt=chart.takeaway)
    draw.blocks([block for block in blocks if not isinstance(block, Heading)])


def about(evidence: Evidence, attribute: tuple[str, ...]) -> Evidence:
    """Of lists with an entry for each attribute those of this one; all of them where it has none."""

    def mine(entries: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(f for f in entries if f.attribute == attribute) or entries

    individual, alike, funnel, other = (
        evidence.individual, evidence.like_with_like, evidence.funnel, evidence.conformance,
    )  # fmt: skip
    if individual is not None:
        near = individual.neighbours
        near = near if near is None else replace(near, by_group=mine(near.by_group))
        individual = replace(individual, neighbours=near, model_flips=mine(individual.model_flips or ()))
    return replace(
        evidence,
        individual=individual,
        like_with_like=None if alike is None else replace(alike, pairs=mine(alike.pairs)),
        funnel=None if funnel is None else replace(funnel, figures=mine(funnel.figures)),
        conformance=None if other is None else replace(other, values=mine(other.values)),
        ranking=mine(evidence.ranking),
        reliability=mine(evidence.reliability),
        predictive_parity=mine(evidence.predictive_parity),
    )


def _slices(evidence: Evidence) -> Chart | None:
    rows = chosen(evidence.slices.found) if evidence.slices is not None else []
    if not rows:
        return None
    first = rows[0]
    takeaway = (
        f"{where(first)}: {percent(first.rate)} of {first.people:,} are {ASKED[first.question]}, "
        f"{percent(first.rate_of_others)} of the others."
    )
    dots = [charts.Dot(where(f), f.difference, f.low, f.high, f.people) for f in rows]
    return Chart(takeaway, dots, "Above all others, in points", 0.0)


def _individual(evidence: Evidence) -> Chart | None:
    near = evidence.individual.neighbours if evidence.individual is not None else None
    rows = near.by_group if near is not None else ()
    worst = max(rows, key=lambda g: g.flip_test or 0.0, default=None)
    if worst is None:
        return None
    takeaway = "Nobody like a group's people is clearly better off outside it."
    if worst.flip_test is not None and (worst.flip_low or 0) > 0:
        takeaway = f"People like {name_of(worst.group)} in other groups are better off, by {_points(worst.flip_test)}."
    dots = [charts.Dot(name_of(g.group), g.flip_test, g.flip_low, g.flip_high, g.people) for g in rows]
    return Chart(takeaway, dots, "Better off outside the group, in points", 0.0)


def _points(share: float) -> str:
    return numbers.points(share)


def _flips(evidence: Evidence) -> Chart | None:
    flips = evidence.individual.model_flips if evidence.individual is not None else None
    rows = sorted(flips or (), key=lambda f: -f.value)[:MOST]
    if not rows:
        return None
    first = rows[0]
    turned = f"{percent(first.value)} of {many(first.people, 'decision')} turn."
    takeaway = f"From {name_of(first.group)} to {name_of(first.to)}: {turned}"
    dots = [charts.Dot(f"{name_of(f.group)} to {name_of(f.to)}", f.value, f.low, f.high, f.people) for f in rows]
    return Chart(takeaway, dots, "Decisions that turn")


def _ranking(evidence: Evidence) -> Chart | None:
    rows = [(r, t) for r in evidence.ranking if len(r.attribute) == 1 for t in r.top if t.top == 0.1]
    if not rows:
        return None
    least, one = min(rows, key=lambda pair: pair[1].ratio or 0.0)
    takeaway = (
        f"{name_of(least.group)} are {percent(least.share)} of all people and {percent(one.share)} of the first tenth."
    )
    dots = [charts.Dot(name_of(r.group), t.share, t.low, t.high, r.people) for r, t in rows]
    return Chart(takeaway, dots, "Share of the first tenth")


def _curves(curves: Sequence[Curve], title: str) -> Chart | None:
    rows = [(c, p) for c in curves[:6] if c.attribute for p in c.points if p.people >= FLOOR]
    rows.sort(key=lambda pair: pair[1].start)
    dots = [charts.Dot(points(p.start, p.to), p.share, p.low, p.high, p.people, name_of(c.group)) for c, p in rows]
    return Chart(f"{title}, by group.", dots, title) if dots else None


CHARTS: dict[str, Callable[[Evidence], Chart | None]] = {
    "slices": _slices,
    "individual": _individual,
    "flips": _flips,
    "ranking": _ranking,
    "reliability": lambda e: _curves(e.reliability, "Share with the outcome by band of score"),
    "predictive_parity": lambda e: _curves(e.predictive_parity, "Share with the outcome by points"),
}
