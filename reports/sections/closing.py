"""Limits, what the report still lacks, the crosswalk, the glossary, how to verify, and the signatures."""

from __future__ import annotations

from reports import words
from reports.blocks import Block, Notice, Paragraph, Points, Section, Signatures, Sources, Table


def limits(sources: Sources) -> Section:
    """What these figures cannot show, and who may be harmed all the same."""
    evidence = sources.evidence
    small = [
        words.name_of(c["group"])
        for c in evidence["counts"]
        if len(c["attribute"]) == 1 and not c["suppressed"] and 0 < c["rows"] < 100
    ]
    items = [
        "Groups are those that the data name. People who are not in the data, or are in it under a wrong name, are not "
        "in these figures.",
        "A gap between groups does not say what caused it, and no gap does not say that nobody is harmed: two wrongs "
        "in one group can cancel out.",
        "Different criteria cannot all hold at once where base rates differ (Chouldechova 2017; Kleinberg, "
        "Mullainathan & Raghavan 2017). Which one matters here is a choice for people.",
        "The figures are of the rows that were measured. When the people or the world change, they age.",
    ]
    if small:
        items.append(f"Small groups, whose figures are least certain: {', '.join(small[:12])}.")
    return Section("limits", "Limits, and who may be harmed", (Points(tuple(items)),))


def lacking(sources: Sources) -> Section:
    """A completeness check, computed from what is absent."""
    evidence = sources.evidence
    gaps: list[str] = []
    if sources.explain is None or not sources.explain.get("global"):
        gaps.append("an explanation of the decisions")
    if sources.mitigation is None:
        gaps.append("a mitigation, or a reason why none is needed")
    elif not sources.mitigation.get("decision"):
        gaps.append("a person's decision on the candidate, with a reason")
    if evidence["data"].get("label") is None:
        gaps.append("known outcomes: without them no error rate can be measured")
    if not evidence.get("population"):
        gaps.append("a reference population: who is missing from the data cannot be told")
    if evidence["model"]["kind"] == "path" and not evidence["data"].get("split"):
        gaps.append("a statement of which rows the model learned from; figures on those rows flatter it")
    if not sources.manifest.members:
        gaps.append("board members who are asked to decide")
    if not sources.manifest.extra.get("timestamp"):
        gaps.append("a timestamp by an independent authority; the date rests on the signer's clock")
    if not sources.manifest.extra.get("monitoring"):
        gaps.append("the record of continued monitoring")
    if not sources.manifest.extra.get("deviations"):
        gaps.append("a protocol fixed before the results, or a statement that there was none")
    blocks: tuple[Block, ...] = (
        (Paragraph("This report still lacks:"), Points(tuple(f"{g}." for g in gaps)))
        if gaps
        else (Paragraph("Nothing on Assay's list is missing. The list is Assay's, not the law's."),)
    )
    return Section("lacking", "What this report still lacks", blocks)


def crosswalk(sources: Sources) -> Section:
    """Where texts of law and standards ask for something of the kind, and what of it is not here."""
    rows = (
        (
            "EU AI Act, Annex IV(2)(g)",
            "Metrics on potentially discriminatory impacts; dated and signed test reports",
            "The provider's other technical documentation",
        ),
        (
            "EU AI Act, Art. 10",
            "Examination of the data for gaps and possible biases, by group",
            "How data were collected and labelled",
        ),
        (
            "EU AI Act, Art. 72",
            "The evidence that monitoring can start from",
            "The monitoring plan itself",
        ),
        (
            "New York City Local Law 144",
            "Selection rates and impact ratios by group and intersection, unknowns counted apart",
            "Independence of the auditor, publication, notice to candidates; no pass mark exists",
        ),
        (
            "NIST AI RMF, Measure 2.11",
            "Fairness and bias evaluated and documented, with uncertainty",
            "Governance and context mapping",
        ),
        (
            "ISO/IEC 42001",
            "A record for impact assessment and performance evaluation",
            "The management system",
        ),
    )
    return Section(
        "crosswalk",
        "Crosswalk to law and standards",
        (
            Notice("This is a reading aid. It is no legal opinion and claims no compliance."),
            Table("What this report offers, and what it does not cover", ("Text", "Offered here", "Not covered"), rows,
                  "", (24, 40, 36)),
        ),
    )  # fmt: skip


def glossary(sources: Sources) -> Section:
    """Every term that the report uses."""
    return Section("glossary", "Glossary", (Table("Terms", ("Term", "Meaning"), words.GLOSSARY, "", (26, 74)),))


def verify(sources: Sources) -> Section:
    """How to check this document without trusting it."""
    listed = tuple((a.name, f"{a.size:,}", a.sha256) for a in sources.manifest.attachments)
    return Section(
        "verify",
        "How to verify this report offline",
        (
            Points(
                (
                    "With Assay: run “assay verify report.pdf”, or open the screen Report. It checks the signatures, "
                    "that nothing was added or changed since, and computes every rate, gap, interval and p-value again "
                    "from the counts embedded here. It names the check that fails.",
                    "Add “--trust root.pem” to have the signer's identity checked, and “--rerun case.toml” to compute "
                    "everything again from the model and the data.",
                    "Without Assay: “pdfsig report.pdf” (poppler) checks the signatures; “pdfdetach -saveall "
                    "report.pdf” takes out the files below; “sha256sum” compares them with this list. The counts are "
                    "in cube.json: a rate is one sum of cells over another.",
                    "Compare the signer's certificate fingerprint with one that you were given by another way.",
                )
            ),
            Table("Embedded files", ("File", "Bytes", "SHA-256"), listed, "", (22, 14, 64)),
        ),
    )


def signatures(sources: Sources) -> Section:
    """Boxes for the auditor and each member."""
    return Section(
        "signatures",
        "Signatures",
        (
            Paragraph(
                "The auditor's signature stands for how this report was made. It is not a judgement on the decision "
                "under audit. A member's signature states approval or rejection, with a reason."
            ),
            Signatures(sources.manifest.signers),
        ),
    )
