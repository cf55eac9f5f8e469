"""Scope and independence, and the protocol: what was fixed before any result was seen."""

from __future__ import annotations

from reports.blocks import Notice, Paragraph, Points, Section, Sources, Table


def section(sources: Sources) -> Section:
    """What was audited, what the model saw, and how it was run."""
    evidence = sources.evidence
    data, model = evidence["data"], evidence["model"]
    if model["kind"] == "path":
        isolation = ", ".join(model.get("isolation") or ()) or "none stated"
        where = (
            f"Decisions come from a model file ({model['format']}, {model['estimator']}); it decides "
            f"“{data['positive']}” where its score is at least {model['threshold']:g}. It ran in a process of its own. "
            f"Isolation that really ran: {isolation}."
        )
    elif model["kind"] == "score":
        where = (
            f"Decisions come from the column of scores “{model['column']}”, positive from {model['threshold']:g} up. "
            "No model was loaded."
        )
    else:
        where = f"Decisions come from the column “{model['column']}”. No model was loaded."
    excluded = ", ".join(data["excluded"]) or "none named"
    points = [
        f"Data: {data['rows']:,} rows and {len(data['columns'])} columns; {data['audited_rows']:,} rows were measured"
        + (f" (those for which “{data['split']}” says so)." if data.get("split") else "."),
        where,
        f"Sensitive attributes: {', '.join(data['sensitive'])}. Columns kept from the model: {excluded}.",
        f"Columns that the model may use: {', '.join(data['features']) or 'not known'}.",
    ]
    return Section(
        "scope",
        "Scope and independence",
        (
            Points(tuple(points)),
            Paragraph(
                "Who made the model, who made this audit, and whether one depends on the other, Assay cannot know. The "
                "auditor who signs answers for it."
            ),
        ),
    )


def protocol(sources: Sources) -> Section:
    """How figures were made."""
    evidence = sources.evidence
    s = evidence["settings"]
    points = [
        f"Every figure follows from counts of people by group, outcome and decision (the cube, embedded here) with "
        f"seed {s['seed']} and {s['draws']:,} draws. Anyone can compute it again.",
        "The interval of a rate is Wilson's. The interval of the widest gap holds for all pairs of groups at once; it "
        "comes from Newcombe's limits with a critical value that allows for the search. A percentile bootstrap is not "
        "used: it never covers a gap of nought.",
        "The p-value of a gap comes from permuting people over the groups. It answers one question: would so wide a "
        "gap appear by chance if all groups were alike?",
        f"{evidence['family']} distinct comparisons were made; p-values in this report are adjusted for all of them "
        "(Holm). A rate and its complement count as one.",
        f"Groups of fewer than {s['floor']} people take no part in gaps where two larger groups remain. Groups under "
        f"{evidence['cube']['floor'] or s['floor']} people are withheld here, and others where a withheld one could be "
        "found by subtraction.",
        "A value that cannot be estimated says so with the count at fault. It is never printed as 0 or 1.",
    ]
    packages = ", ".join(f"{k} {v}" for k, v in evidence["tool"]["packages"].items())
    deviations = sources.manifest.extra.get("deviations")
    return Section(
        "protocol",
        "Protocol",
        (
            Points(tuple(points)),
            Paragraph(f"Deviations from this protocol: {deviations}" if deviations else "No deviation is recorded."),
            Table("What it was made with", ("Item", "Value"), (
                ("Assay", evidence["tool"]["version"]),
                ("Packages", packages),
                ("Policy", f"{evidence['policy']['version']}, sha256 {evidence['policy']['sha256']}"),
                ("Cube", f"sha256 {evidence['cube']['sha256']}"),
            ), widths=(20, 80)),
            Notice(f"Sources of every metric's definition are named in the evidence. Terms: see {_GLOSSARY}."),
        ),
    )  # fmt: skip


_GLOSSARY = "the glossary"
