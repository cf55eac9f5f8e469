"""Who is in the data, and how outcomes differ before any model."""

from __future__ import annotations

from audit.dataset import MEASURES
from audit.documents.base import Names
from audit.documents.evidence import Evidence
from audit.metrics import BASE_RATE
from audit.numbers import are, many
from audit.sizes import measured, unit, weighed
from audit.values import UNKNOWN
from reports import charts, words
from reports.blocks import Block, Figure, Heading, Lead, Notice, Section, Sources, Table
from reports.sections import find, quality

MOST_NOTES = 20


def section(sources: Sources) -> Section:
    """People and outcomes by attribute and intersection; the eight measures per attribute."""
    evidence = sources.evidence
    total = evidence.data.audited_rows
    unknown = sum(c.rows for c in evidence.counts if len(c.attribute) == 1 and c.group == (UNKNOWN,))
    labelled = find.one(evidence.counts, attribute=())
    data = evidence.data
    text = " ".join((f"{measured(data)} were measured.", weighed(data))).strip()
    if labelled is not None and labelled.unknown_label is not None:
        text += f" The outcome is unknown for {labelled.unknown_label:,} of them."
    if unknown:
        text += f" Sensitive values are missing {many(unknown, 'time')}; those {unit(data)} form the group “(unknown)”."
    blocks: list[Block] = [Lead(text)]
    for attribute in find.printed(evidence):
        blocks.append(Heading(f"By {words.by(attribute)}"))
        if len(attribute) == 1:
            blocks += _chart(evidence, attribute)
        blocks.append(people_by(evidence, attribute, total))
        if len(attribute) == 1 and (table := _measures(evidence, attribute)):
            blocks.append(table)
    blocks += quality.blocks(sources)
    notes = evidence.notes
    blocks += [Notice(words.unquoted(note)) for note in notes[:MOST_NOTES]]
    if len(notes) > MOST_NOTES:
        blocks.append(
            Notice(
                f"{many(len(notes) - MOST_NOTES, 'more note')} "
                f"{are(len(notes) - MOST_NOTES, 'stands', 'stand')} in the embedded evidence."
            )
        )
    if left := find.not_printed(evidence):
        blocks.append(
            Notice(f"{many(left, 'more attribute')} or intersections are not printed; all are in the evidence.")
        )
    return Section("data", "Who is in the data", tuple(blocks))


def people_by(evidence: Evidence, attribute: Names, total: int, most: int = find.MOST_ROWS) -> Table:
    """Rows, share and outcomes of each group; of many groups those that `find.kept` names."""
    counts = find.every(evidence.counts, attribute=attribute)
    shown = find.kept(evidence, attribute, most)
    what = words.capital(unit(evidence.data))
    several = what == "Rows"
    rows = []
    for c in [c for c in counts if c.group in shown]:
        base = find.rate(evidence, BASE_RATE, attribute, c.group)
        known = base is not None and base.estimable
        hidden = c.suppressed
        rows.append(
            (
                words.name_of(c.group),
                "withheld" if hidden else words.count(c.rows) + (f" of {many(c.people, 'person')}" if several else ""),
                "–" if hidden else words.share(c.rows / total if total else None),
                words.share(base.value) if known and base else "not estimable",
                words.bracket(base.low, base.high) if known and base else str(base.reason if base else "–"),
                "–" if hidden else words.count(c.unknown_label),
            )
        )
    if evidence.regression is not None:
        return Table(
            f"{what} by {words.by(attribute)}",
            ("Group", what, "Share of all", "Outcome unknown"),
            tuple((*r[:3], r[5]) for r in rows),
            find.cut(len(counts), most=most),
            (40, 20, 20, 20),
        )
    return Table(
        f"{what} and favourable outcomes by {words.by(attribute)}",
        ("Group", what, "Share of all", "Favourable outcome", "95 % interval", "Outcome unknown"),
        tuple(rows),
        find.cut(len(counts), most=most),
        (30, 13, 13, 15, 15, 14),
    )


def _chart(evidence: Evidence, attribute: Names) -> list[Block]:
    rates = find.every(evidence.rates, metric=BASE_RATE, attribute=attribute)
    gap = find.gap(evidence, BASE_RATE, attribute)
    shown = find.drawn(rates, gap)
    if not any(r.estimable for r in shown):
        return []
    by = words.by(attribute)
    alt = f"Share with the favourable outcome by {by}, with 95 % intervals."
    if gap and gap.value is not None:
        alt += (
            f" Lowest: {words.name_of(gap.lowest)}; highest: {words.name_of(gap.highest)}; "
            f"the gap is {words.points(gap)}."
        )
    drawn = charts.dots([charts.Dot(words.name_of(r.group), r.value, r.low, r.high, 0, words.behind(r)) for r in shown])
    who = f"{unit(evidence.data)}{find.some(len(rates))}"
    return [Figure(drawn, alt, f"Who has the favourable outcome, by {by}: share, 95 % interval, {who}")]


def _measures(evidence: Evidence, attribute: Names) -> Table | None:
    records = find.every(evidence.dataset, attribute=attribute)
    if not records:
        return None
    groups = list(dict.fromkeys(tuple(r.group) for r in records))
    rows = []
    if evidence.regression is not None:
        return None  # class imbalance alone, which the shares of the table above say
    shown = set(find.kept(evidence, attribute))
    for group in (g for g in groups if g in shown):
        mine = {r.metric: r for r in records if tuple(r.group) == group}
        rows.append((words.name_of(group), *(words.number(mine[m].value) if m in mine else "–" for m in MEASURES)))
    return Table(
        f"Measures of the data by {words.by(attribute)}, each group against everyone else",
        ("Group", *(row.short for row in MEASURES.values())),
        tuple(rows),
        "Descriptions of these rows, without interval. Zero means no difference. A dash means not estimable; the "
        "evidence says why, and names each formula. Class imbalance runs from −1 (everyone) to 1 (no one). Label "
        "difference: the others' share of favourable outcomes minus the group's. KL, JS: Kullback-Leibler and "
        "Jensen-Shannon divergence in nats; L2: Euclidean distance; TVD: total variation distance; KS: "
        "Kolmogorov-Smirnov distance; CDD: conditional demographic disparity. " + find.cut(len(groups)),
        (21, 13, 13, 9, 8, 8, 8, 8, 12),
    )
