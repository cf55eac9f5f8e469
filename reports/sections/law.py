"""The tables that law and custom ask for. No pass mark exists in them, and none is printed."""

from __future__ import annotations

from collections.abc import Sequence

from audit.documents.evidence import Evidence, FourFifths, LawGroup, LawTable
from reports import words
from reports.blocks import Block, Heading, Notice, Paragraph, Section, Sources, Table
from reports.sections import find


def section(sources: Sources) -> Section:
    """Local Law 144 tables on decisions and scores, and the four-fifths rule of thumb."""
    evidence = sources.evidence
    law = evidence.law
    title = "Tables of law and custom"
    if not law:
        return Section("law", title, (Notice("No such table was made: the audit is older than these tables."),))
    shown = find.printed(evidence)
    blocks: list[Block] = [
        Paragraph(
            "An impact ratio is a group's rate divided by the highest rate. New York City's Local Law 144 asks for it "
            "by sex, by race or ethnicity, and by both. Groups under 2 % of the people may be left out before the "
            "highest rate is chosen; the auditor who signs answers for leaving them out. People of unknown group are "
            "counted apart. The law sets no pass mark, and neither does this report."
        )
    ]
    # The rule asks for scoring rates where a tool scores, and for selection rates where it decides.
    scored = law.local_law_144_scores if evidence.model.kind == "score" else []
    for table in (*law.local_law_144, *scored):
        if table.attribute in shown and table.groups:
            blocks.append(_table(evidence, table))
    if law.local_law_144_scores and not scored:
        blocks.append(Paragraph("Scoring rates, the shares above the median score, are in the embedded evidence."))
    lines = [x for x in law.four_fifths if x.attribute in shown]
    if lines:
        blocks += [Heading("The four-fifths rule of thumb"), _four_fifths(lines)]
    return Section("law", title, tuple(blocks))


def _table(evidence: Evidence, table: LawTable) -> Table:
    scores = table.metric == "scoring_rate"
    rows = tuple(_row(evidence, table, r, scores) for r in table.groups[: find.MOST_ROWS])
    out = [r for r in table.groups if r.left_out]
    notes = [f"Unknown group, counted apart: {table.unknown:,} people.", find.cut(len(table.groups))]
    if out:
        named = "; ".join(
            f"{words.name_of(r.group)} ({r.people:,} people, rate {words.share(r.rate)})" for r in out[:8]
        )
        more = f"; and {len(out) - 8} more" if len(out) > 8 else ""
        notes.append(f"Left out as {out[0].reason}: {named}{more}.")
    if scores:
        between = table.median_between
        about = "" if between is None else f" (between {between[0]:.6g} and {between[1]:.6g})"
        notes.append(f"Scored means: above the median score of all, {table.median:.6g}{about}.")
    what, counted = ("Scoring", "Above the median") if scores else ("Selection", "Selected")
    several = any(r.headed != r.people for r in table.groups)
    who, counted = ("People (rows)", f"{counted}, rows") if several else ("People", counted)
    columns = ("Group", who, counted, f"{what} rate", *(() if scores else ("95 % interval",)), "Impact ratio")
    return Table(
        f"{what} rates and impact ratios by {words.by(table.attribute)}",
        columns,
        rows,
        " ".join(n for n in notes if n),
        (36, 16, 16, 16, 16) if scores else (31, 13, 13, 14, 15, 14),
    )


def _row(evidence: Evidence, table: LawTable, r: LawGroup, scores: bool) -> tuple[str, ...]:
    """Rates here count people, not weights; the interval is the one of the evidence where that counts people too."""
    interval: tuple[str, ...] = ()
    if not scores:
        rate = find.rate(evidence, "selection_rate", table.attribute, r.group)
        counted = rate is not None and evidence.data.weight is None
        interval = ((words.bracket(rate.low, rate.high) if counted and rate else "") or "–",)
    return (
        words.name_of(r.group),
        words.count(r.people) + (f" ({r.rows:,})" if r.headed != r.people else ""),
        words.count(r.selected),
        words.share(r.rate),
        *interval,
        "left out" if r.left_out else "not estimable" if r.impact_ratio is None else f"{r.impact_ratio:.3f}",
    )


def _four_fifths(lines: Sequence[FourFifths]) -> Table:
    rows = tuple(
        (
            words.name_of(line.group),
            words.name_of(line.highest),
            words.number(line.ratio),
            "below 0.80" if line.below_four_fifths else "0.80 or above",
            words.p_words(line.p_value),
            words.count(line.people) + (", few" if line.few_people else ""),
        )
        for line in lines[: find.MOST_ROWS]
    )
    return Table(
        "Each group's selection rate over the highest one, beside 0.80",
        ("Group", "Highest group", "Ratio", "Against 0.80", "p-value", "People"),
        rows,
        "A rule of thumb of 29 CFR 1607.4(D), which also speaks of significance and of small numbers. A ratio below "
        "0.80 in few people may be chance, and one above it may still be a real difference. The p-values are of single "
        "pairs and not adjusted. Intervals of the lowest ratios stand with the gaps. " + find.cut(len(lines), "lines"),
        (26, 26, 10, 14, 12, 12),
    )
