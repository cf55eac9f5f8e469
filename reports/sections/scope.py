"""How to read the report, scope and independence, and the protocol: what was fixed before any result was seen."""

from __future__ import annotations

from audit.documents.evidence import Evidence
from audit.numbers import are, brief, many
from audit.sizes import measured, unit
from audit.suppress import FLOOR
from reports import charts, words
from reports.blocks import Block, Figure, Notice, Paragraph, Points, Section, Sources, Table
from reports.extra import Differences


def reading(sources: Sources) -> Section:
    """The few conventions that every figure follows."""
    positive, favourable = sources.evidence.data.positive, sources.evidence.data.favourable
    return Section(
        "reading",
        "How to read the figures",
        (
            Figure(
                charts.legend(),
                "A dot marks the measured rate; a line through it runs from the low to the high end of its interval.",
                "A dot is what was measured; the line is its 95 % interval",
            ),
            Points(
                (
                    "“8.3 % [7.6, 9.0]” is a measured share with its 95 % interval: in 95 of 100 such audits the "
                    "interval holds the true value. “452 of 5,421” are the people (rows) behind it; with weights, "
                    "“1,234 (for 5,421)” are the rows measured and the population that they stand for.",
                    "A gap is the highest rate minus the lowest, in points: from 8 % to 26 % is 18 points. A ratio is "
                    "the lowest divided by the highest. A smaller gap, and a ratio nearer to 1, mean less apart.",
                    *(
                        ()
                        if positive is None
                        else (
                            f"“Favourable” means “{favourable}”, the value that is good for the person. “Positive” "
                            f"means “{positive}”, the value that the model predicts or scores.",
                        )
                    ),
                    "“Not estimable” means that too few people stand behind a value. It is never printed as 0 or 1.",
                    "Words that are not of every day are explained in the glossary.",
                )
            ),
        ),
    )


def _comparisons(evidence: Evidence) -> str:
    """How many were, and of what where there is more than one family."""
    if evidence.classes is not None and evidence.regression is None:
        return f"{evidence.family} (and, over all classes, {evidence.classes.family}) comparisons were"
    n = evidence.family if evidence.regression is None else evidence.regression.family
    return f"{many(n, 'comparison')} {are(n, 'was', 'were')}"


def _rule(sources: Sources) -> str:
    """How a score becomes a decision."""
    data, model = sources.evidence.data, sources.evidence.model
    if sources.evidence.regression is not None:
        return "a number is predicted; nothing is decided"
    if model.rule == "predict":
        return "what the model itself decides (its own predict)"
    if model.threshold is None:
        return "the class with the highest score"
    if model.kind == "score":
        return f"“{data.positive}” from a score of {brief(model.threshold)} up"
    return f"“{data.positive}” where the score is at least {brief(model.threshold)}"


def section(sources: Sources) -> Section:
    """What was audited, what the model saw, and how it was run."""
    evidence = sources.evidence
    data, model = evidence.data, evidence.model
    measured = f"{data.audited_rows:,}" + (f" (those for which “{data.split}” says so)" if data.split else "")
    rows = [("Data", f"{words.rows_in(data)} rows, {many(len(data.columns), 'column')}"), ("Rows measured", measured)]
    if model.kind == "path":
        isolation = ", ".join(model.isolation or ()) or "none stated"
        rows += [
            ("Decisions", f"a model file ({model.format}): {model.estimator}"),
            ("Rule", _rule(sources)),
            ("How the model ran", f"in a process of its own; isolation that really ran: {isolation}"),
        ]
    elif model.kind == "endpoint" and model.served is not None:
        served = model.served
        rows += [
            ("Decisions", f"a model at an endpoint ({model.format}): {model.estimator}"),
            ("Rule", _rule(sources)),
            ("Identity of the model", f"{served.identity}: what answers cannot be looked at from here"),
            ("Asked", f"from {served.started} to {served.ended}, in batches of {served.batch:,}"),
        ]
    elif model.kind == "score":
        rows += [
            ("Decisions", f"the column of scores “{model.column}”; no model was loaded"),
            ("Rule", _rule(sources)),
        ]
    else:
        rows.append(("Decisions", f"the column “{model.column}”; no model was loaded"))
    rows += [
        ("Outcome", f"the column “{data.label}”" if data.label else "none: the data hold no outcomes"),
        ("Sensitive attributes", ", ".join(data.sensitive)),
        ("Survey weight", f"the column “{data.weight}”" if data.weight else "none: each row counts once"),
        ("Kept from the model", ", ".join(data.excluded) or "none named"),
        ("Given to the model", ", ".join(data.features) or "not known"),
    ]
    return Section(
        "scope",
        "Scope and independence",
        (
            Table("What was audited", ("Item", "Here"), tuple(rows), "", (24, 76)),
            Paragraph(
                "Assay cannot know who made the model, who made this audit, and whether one depends on the other. The "
                "auditor who signs answers for it."
            ),
        ),
    )


def _rests_on(evidence: Evidence) -> tuple[str, ...]:
    """How intervals are made where rows are not people, each with one vote."""
    data, out = evidence.data, []
    if data.weight:
        out.append(
            "Rows have weights. Intervals and tests take the linearised variance of the weighted rates (Binder 1983; "
            "Wolter 2007). Counts are of rows measured; the population that they stand for is said apart."
        )
    if unit(data) == "rows":
        out.append(
            f"{measured(data)} were measured. Intervals and tests take each person with all rows as one (linearised "
            "variances over people); figures of scores, and of several classes, as if all rows of a person were alike. "
            "Subgroups, like people and missing values take each row by itself."
        )
    return tuple(out)


def protocol(sources: Sources) -> Section:
    """How figures were made."""
    evidence = sources.evidence
    s = evidence.settings
    points = (
        f"Every rate, gap and interval follows from counts of people by group, outcome and decision. The counts are "
        f"embedded here, with seed {s.seed} and {many(s.draws, 'draw')}. Anyone can compute the figures again.",
        *_rests_on(evidence),
        "The interval of a rate is Wilson's. The interval of the widest gap holds for all pairs of groups at once. It "
        "is made of Newcombe's limits, with a critical value that allows for the search. A percentile bootstrap is not "
        "used: it never covers a gap of zero.",
        "Where two groups are named, the interval is of these two and holds for all pairs at once; the p-value is of "
        "these two alone, adjusted for all pairs in the audit. The p-value of all groups together comes from permuting "
        "people over the groups: how often would so wide a gap appear if all groups were alike? It does not say who "
        "differs.",
        f"{_comparisons(evidence)} made. Each p-value is adjusted for all of them (Holm). A rate and "
        "its complement, such as found and missed, count as one.",
        f"Groups of fewer than {many(s.floor, 'person')} take no part in gaps where two larger groups remain. "
        f"Groups under {many(evidence.cube.floor or s.floor, 'person')} are "
        "withheld, and others where a withheld one could be "
        "found by subtraction.",
    )
    packages = ", ".join(f"{k} {v}" for k, v in evidence.tool.packages.items())
    text = (
        f"Measured with Assay {evidence.tool.version}, {packages}. The cover has the fingerprints of the data, "
        "the policy and the counts."
    )
    return Section(
        "protocol",
        "Protocol",
        (
            Points(points),
            *_fixed(sources),
            Paragraph(text),
        ),
    )


def _fixed(sources: Sources) -> tuple[Block, ...]:
    """What was fixed before the results, since when, and what was done otherwise."""
    extra = sources.said
    protocol, deviations, watched = extra.protocol, extra.deviations, extra.monitoring
    if protocol is None:
        text = "No file with a protocol of its own was given: what was fixed before the results is not on record."
    else:
        text = f"The auditor's protocol is the file {protocol.file}, SHA-256 {protocol.sha256}."
        if protocol.logged:
            text += f" The log of reports has known it since {protocol.logged[:10]}, before this report was made."
        else:
            text += " The log of reports does not know it, so nothing shows that it is older than the results."
    blocks: list[Block] = [Paragraph(text)]
    if deviations:
        blocks += [Paragraph("Deviations, as the auditor states them:"), Points(tuple(str(d) for d in deviations))]
    else:
        blocks.append(Paragraph("No deviation is recorded."))
    if extra.differences is not None:
        text = differencing_sentence(extra.differences)
        blocks.append(Notice(text) if extra.differences.reason else Paragraph(text))
    if watched:
        blocks.append(
            Paragraph(
                f"Monitoring went on over {many(watched.batches, 'batch')} with {many(watched.people, 'person')}, "
                f"up to {watched.time[:10]}: {many(watched.changes, 'change')} of the model in use, "
                f"{many(watched.incidents, 'incident')} with the feed. The record is the file {watched.file}, SHA-256 "
                f"{watched.sha256}; it is not embedded here."
            )
        )
    return tuple(blocks)


def differencing_sentence(differences: Differences) -> str:
    """What a report prints of its comparison with earlier ones."""
    compared, near = differences.compared, [str(n) for n in differences.near]
    if differences.reason:
        other = f"report {', '.join(near)}" if near else "the earlier audit that it is compared with"
        return (
            f"Some counts differ by fewer than {FLOOR} people from those of {other}. Who has both can tell what a few "
            f"people's groups, outcomes or decisions are. It was issued all the same, for this reason: "
            f"“{differences.reason}”"
        )
    if not compared:
        return "No earlier report on these people is in the log."
    return (
        f"The counts were held against those of {many(compared, 'earlier report')} on these "
        f"people in the log: none differs by fewer than {FLOOR} people."
    )
