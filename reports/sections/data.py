"""Who is in the data, and how outcomes differ before any model."""

from __future__ import annotations

from reports import charts, words
from reports.blocks import Block, Figure, Heading, Notice, Paragraph, Section, Sources, Table
from reports.sections import find

NAMES = (
    ("class_imbalance", "Class imbalance"),
    ("difference_in_proportions_of_labels", "Label difference"),
    ("kl_divergence", "KL"),
    ("js_divergence", "JS"),
    ("lp_norm", "L2"),
    ("total_variation_distance", "TVD"),
    ("kolmogorov_smirnov", "KS"),
    ("conditional_demographic_disparity", "CDD"),
)
MOST_ROWS = 60


def section(sources: Sources) -> Section:
    """People and outcomes by attribute and intersection; the eight measures per attribute."""
    evidence = sources.evidence
    total = evidence["data"]["audited_rows"]
    blocks: list[Block] = [Paragraph(f"{total:,} people were measured. Who they are, and what their outcomes were:")]
    for attribute in find.attributes(evidence):
        counts = find.every(evidence["counts"], attribute=attribute)
        rows = []
        for c in counts[:MOST_ROWS]:
            base = find.rate(evidence, "base_rate", attribute, c["group"])
            known = base is not None and base["estimable"]
            rows.append(
                (
                    words.name_of(c["group"]),
                    "withheld" if c["suppressed"] else words.count(c["rows"]),
                    "–" if c["suppressed"] else words.share(c["rows"] / total if total else None),
                    words.share(base["value"]) if known and base else "not estimable",
                    words.interval(base["low"], base["high"]) if known and base else str(base and base["reason"]),
                    "–" if c["suppressed"] else words.count(c["unknown_label"]),
                )
            )
        by = words.by(attribute)
        blocks.append(Heading(f"By {by}"))
        blocks.append(
            Table(
                f"People and favourable outcomes by {by}",
                ("Group", "People", "Share", "Base rate", "95 % interval", "Outcome unknown"),
                tuple(rows),
                _cut(len(counts)),
                (26, 12, 12, 14, 22, 14),
            )
        )
        if len(attribute) == 1:
            blocks += [*_chart(evidence, attribute), _measures(evidence, attribute)]
    for note in evidence["notes"]:
        blocks.append(Notice(note))
    return Section("data", "Who is in the data", tuple(blocks))


def _cut(rows: int) -> str:
    return "" if rows <= MOST_ROWS else f"{MOST_ROWS} of {rows} groups are printed; all are in the embedded evidence."


def _chart(evidence: find.Record, attribute: list[str]) -> list[Block]:
    rates = list(find.every(evidence["rates"], metric="base_rate", attribute=attribute))[:20]
    if not any(r["estimable"] for r in rates):
        return []
    gap = find.gap(evidence, "base_rate", attribute)
    by = words.by(attribute)
    alt = f"Base rates by {by} with 95 % intervals."
    if gap and gap["value"] is not None:
        alt += (
            f" Highest: {words.name_of(gap['highest'])}; lowest: {words.name_of(gap['lowest'])}; "
            f"the gap is {words.points(gap)}."
        )
    drawn = charts.dots([charts.Dot(words.name_of(r["group"]), r["value"], r["low"], r["high"]) for r in rates])
    return [Figure(drawn, alt, f"Share with the favourable outcome by {by}, with 95 % intervals")]


def _measures(evidence: find.Record, attribute: list[str]) -> Table:
    records = find.every(evidence["dataset"], attribute=attribute)
    groups = list(dict.fromkeys(tuple(r["group"]) for r in records))[:MOST_ROWS]
    rows = []
    for group in groups:
        mine = {r["metric"]: r for r in records if tuple(r["group"]) == group}
        rows.append((words.name_of(group), *(words.number(mine[m]["value"]) if m in mine else "–" for m, _ in NAMES)))
    return Table(
        f"Measures of the data by {words.by(attribute)}, each group against everyone else",
        ("Group", *(n for _, n in NAMES)),
        tuple(rows),
        "Nought means no difference. A dash means not estimable; the evidence says why, and names each formula. Class "
        "imbalance runs from -1 (everyone) to 1 (no one). KL, JS: Kullback-Leibler and Jensen-Shannon divergence in "
        "nats; L2: Euclidean distance; TVD: total variation distance; KS: Kolmogorov-Smirnov distance; CDD: "
        "conditional demographic disparity.",
        (20, 12, 12, 9, 9, 9, 9, 9, 11),
    )
