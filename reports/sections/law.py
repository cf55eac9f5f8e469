"""The tables that law and custom ask for. No pass mark exists in them, and none is printed."""

from __future__ import annotations

from typing import Any

from reports import words
from reports.blocks import Block, Heading, Notice, Paragraph, Section, Sources, Table
from reports.sections import find


def section(sources: Sources) -> Section:
    """Local Law 144 tables on decisions and scores, and the four-fifths rule of thumb."""
    law = sources.evidence.get("law")
    if not law:
        return Section("law", "Tables of law and custom", (Notice("No such table was made."),))
    blocks: list[Block] = [
        Paragraph(
            "New York City's Local Law 144 asks for these tables; it sets no pass mark, and neither does this report. "
            "An impact ratio is a group's rate divided by the highest rate. Groups under 2 % of the people may be left "
            "out; they are taken out before the highest rate is chosen. People of unknown group are counted apart."
        )
    ]
    for table in (*law["local_law_144"], *law["local_law_144_scores"]):
        blocks.append(_table(table))
    if law["four_fifths"]:
        blocks += [Heading("The four-fifths rule of thumb"), _four_fifths(law["four_fifths"])]
    return Section("law", "Tables of law and custom", tuple(blocks))


def _table(table: dict[str, Any]) -> Table:
    scores = table["metric"] == "scoring_rate"
    rows = tuple(
        (
            words.name_of(r["group"]),
            words.count(r["people"]),
            words.count(r["selected"]),
            words.share(r["rate"]),
            "left out" if r["left_out"] else "–" if r["impact_ratio"] is None else f"{r['impact_ratio']:.3f}",
        )
        for r in table["groups"][: find.MOST_ROWS]
    )
    out = [r for r in table["groups"] if r["left_out"]]
    note = f"Unknown: {table['unknown']:,} people."
    if out:
        named = "; ".join(
            f"{words.name_of(r['group'])} ({r['people']:,} people, rate {words.share(r['rate'])})" for r in out[:8]
        )
        note += f" Left out as {out[0]['reason']}: {named}."
    if scores:
        note += f" Scored means: above the median score of all, {table['median']:.4f}."
    what = "Scoring rates" if scores else "Selection rates"
    counted = "Above the median" if scores else "Selected"
    return Table(
        f"{what} and impact ratios by {words.by(table['attribute'])}",
        ("Group", "People", counted, "Rate", "Impact ratio"),
        rows,
        note,
        (36, 16, 16, 16, 16),
    )


def _four_fifths(lines: list[dict[str, Any]]) -> Table:
    rows = tuple(
        (
            words.name_of(line["group"]),
            words.name_of(line["highest"]),
            f"{line['ratio']:.3f}",
            "below 0.80" if line["below_four_fifths"] else "0.80 or above",
            words.p_words(line["p_value"]),
            "few people" if line["few_people"] else "–",
        )
        for line in lines[: find.MOST_ROWS]
    )
    return Table(
        "Each group's selection rate over the highest one",
        ("Group", "Highest group", "Ratio", "Against 0.80", "p-value", "Warning"),
        rows,
        "A rule of thumb of 29 CFR 1607.4(D). A ratio below 0.80 in few people may be chance, and one above it may "
        "still be a real difference; p-values here are of single pairs and not adjusted.",
        (26, 26, 10, 14, 12, 12),
    )
