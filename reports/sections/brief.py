"""The body's chapters on people, decisions and what was tried: short. The annex has all of each."""

from __future__ import annotations

from audit.documents.base import Names
from audit.documents.evidence import Evidence
from audit.metrics import (
    ACCURACY,
    EQUAL_OPPORTUNITY,
    EQUALIZED_ODDS,
    FALSE_POSITIVE_RATE,
    SELECTION_RATE,
    TRUE_POSITIVE_RATE,
)
from audit.numbers import are, many
from audit.sizes import unit, weighed
from reports import words
from reports.blocks import Block, Heading, Notice, Paragraph, Section, Sources, Table
from reports.sections import find, measures, mitigation, search
from reports.sections.data import people_by

MOST_GROUPS = 10
MOST_ATTRIBUTES = 6
MOST_WORSE = 6
GAPS = (SELECTION_RATE, EQUAL_OPPORTUNITY, EQUALIZED_ODDS, ACCURACY)
RATES = (SELECTION_RATE, TRUE_POSITIVE_RATE, FALSE_POSITIVE_RATE)


def people(sources: Sources) -> Section:
    """Who was measured, by each attribute alone."""
    evidence = sources.evidence
    data = evidence.data
    total = data.audited_rows
    blocks: list[Block] = [Paragraph(weighed(data))] if weighed(data) else []
    blocks += [people_by(evidence, a, total, MOST_GROUPS) for a in _alone(evidence)]
    notes = [n for n in evidence.notes if "suppress" in n or "left out" in n or "withheld" in n]
    blocks += [Notice(words.unquoted(n)) for n in notes[:3]]
    return Section("people", "Who was measured", tuple(blocks))


def _alone(evidence: Evidence) -> list[Names]:
    return find.attributes(evidence, alone=True)[:MOST_ATTRIBUTES]


def results(sources: Sources) -> Section:
    """The rates and gaps that page 1 speaks of."""
    evidence = sources.evidence
    blocks: list[Block] = []
    alone = _alone(evidence)
    for attribute in alone:
        blocks.append(Heading(f"By {words.by(attribute)}"))
        if len(alone) <= 3:
            blocks += measures.chart_of(evidence, SELECTION_RATE, attribute)
        if table := measures.rates_by(evidence, "Rates", RATES, attribute, MOST_GROUPS):
            blocks.append(table)
        blocks.append(measures.gaps_by(evidence, attribute, GAPS))
    if table := _crossed(evidence):
        blocks.append(table)
    left = len(find.attributes(evidence, alone=True)) - len(alone)
    if left:
        blocks.append(Notice(f"{many(left, 'more attribute')} {are(left)} in the embedded evidence."))
    return Section("results", "Rates and gaps", tuple(blocks))


def _crossed(evidence: Evidence) -> Table | None:
    """For each intersection the two groups that are furthest apart."""
    rows = []
    for attribute in find.printed(evidence):
        gap = find.gap(evidence, SELECTION_RATE, attribute)
        if len(attribute) > 1 and gap is not None and gap.value is not None:
            low, high = words.apart(words.name_of(gap.lowest), words.name_of(gap.highest), 46)
            rows.append((words.by(attribute), low, high, f"{words.width(gap)} [{words.span(gap)}]"))
    if not rows:
        return None
    heads = ("By", "Lowest", "Highest", "Apart [95 %]")
    return Table("Selection rate by several attributes at once", heads, tuple(rows), "", (18, 28, 28, 26))


def tried(sources: Sources) -> Section:
    """What was tried, what it reached, what got worse, whom it moves; short."""
    m = sources.mitigation
    title = "What was tried"
    if m is None:
        text = (
            "A search was made; nobody has picked a candidate of it."
            if sources.search
            else "No mitigation has been tried."
        )
        return Section("tried", title, (Notice(text),))
    test = words.part(m.splits.test, m.notes)
    blocks: list[Block] = [
        Paragraph(
            f"{m.title}: {m.words} The figures are of {test} {unit(sources.evidence.data)} that neither model "
            "learned from. In the middle stands the original with only its threshold moved, so that it selects as many "
            "as the candidate: a gain that it shares is a moved threshold."
        ),
        mitigation.arms_of(m, alone=True),
    ]
    if m.needs_sensitive_at_decision:
        blocks.append(Notice(words.unquoted(str(m.notice))))
    blocks += mitigation.worse_of(m, MOST_WORSE)
    blocks.append(mitigation.flips_of(m, MOST_GROUPS))
    chosen = search.picked(sources) if sources.search else None
    if chosen is not None:
        blocks.append(chosen)
    blocks.append(Paragraph(mitigation.decided(m)))
    return Section("tried", title, tuple(blocks))
