"""Limits and who may be harmed, the glossary, how to verify, and the signatures."""

from __future__ import annotations

from audit.documents import record_in
from audit.documents.evidence import Data, Evidence
from audit.metrics import EQUAL_OPPORTUNITY, SELECTION_RATE, TRUE_NEGATIVE_RATE, TRUE_POSITIVE_RATE
from audit.numbers import are, many
from audit.sizes import unit
from audit.values import Gap
from reports import setting, words
from reports.about import SAME, UNKNOWN
from reports.blocks import Block, Notice, Paragraph, Points, Section, Signatures, Sources, Table
from reports.extra import Before, Checkpoint
from reports.manifest import NAME, Manifest, report_number
from reports.sections import find
from reports.sign import SignedLevel

LEVEL_UNSAID = "PAdES; the level is stated in the signature"


def limits(sources: Sources) -> Section:
    """What these figures cannot show, and who may be harmed all the same."""
    evidence = sources.evidence
    small = [
        words.name_of(c.group)
        for c in evidence.counts
        if len(c.attribute) == 1 and not c.suppressed and 0 < c.rows < 100
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
    return Section("limits", "Limits, and who may be harmed", (*_harm(evidence), Points(tuple(items))))


def _harm(evidence: Evidence) -> tuple[Block, ...]:
    """Who gets the favourable decision least often, and who is wrongly refused most often, attribute by attribute."""
    rows = []
    for attribute in find.printed(evidence):
        chosen = find.gap(evidence, SELECTION_RATE, attribute)
        merit = find.gap(evidence, EQUAL_OPPORTUNITY, attribute)
        rows.append((words.by(attribute), _least(evidence, chosen), _least(evidence, merit)))
    if not rows:
        return ()
    return (
        Table(
            "Who receives the favourable decision least often",
            ("By", "Of all in the group", "Of those in the group whose outcome merits it"),
            tuple(rows),
            "",
            (20, 40, 40),
        ),
    )


def _least(evidence: Evidence, gap: Gap | None) -> str:
    if gap is None or gap.value is None:
        return "not estimable"
    metric = gap.metric
    if metric == EQUAL_OPPORTUNITY:
        positive = evidence.data.positive == evidence.data.favourable
        metric = TRUE_POSITIVE_RATE if positive else TRUE_NEGATIVE_RATE
    rate = find.rate(evidence, metric, gap.attribute, gap.lowest or ())
    if rate is None or rate.value is None:
        return f"{words.name_of(gap.lowest)}; gap {words.points(gap)}"
    cell = words.rate_cell(rate).replace("\n", ", ")
    return f"{words.name_of(gap.lowest)}: {cell}"


def glossary(sources: Sources) -> Section:
    """Every term that the report uses."""
    return Section("glossary", "Glossary", (Table("Terms", ("Term", "Meaning"), words.glossary(), "", (26, 74)),))


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
                    "in cube.json: a rate is one sum of cells over another. Each line of statements.intoto.jsonl is an "
                    "in-toto statement in a DSSE envelope, signed by the auditor; model.cdx.json is a model card that "
                    "any CycloneDX tool reads.",
                    "Assay's documentation has a page, verify-without-assay, with a short script that does all this "
                    "and computes the rates and gaps. Take it from there, not from whoever gave you this report.",
                    "Add “--log DIR” where the issuer keeps a log of reports. It shows that this report is in it, that "
                    "no decision was cut off, and that the log itself was not rolled back.",
                    "Compare the signer's certificate fingerprint with one that you were given by another way.",
                )
            ),
            Table("Embedded files", ("File", "Bytes", "SHA-256"), listed, "", (20, 11, 69)),
            *_set_with(sources),
        ),
    )


def _set_with(sources: Sources) -> tuple[Block, ...]:
    """The versions and fonts that these pages come out with byte for byte."""
    tool, fonts = sources.manifest.tool, sources.manifest.extra.get(setting.FONTS, {})
    listed = [(name, setting.version_text(tool[name])) for name in setting.NAMES if name in tool]
    listed += [(f"font {setting.plain_font(n, digest)}", f"SHA-256 {digest}") for n, digest in sorted(fonts.items())]
    if not listed:
        return ()
    note = "With these, Assay makes this file again byte for byte. With others, pages can only be looked at."
    return (Table("What set these pages", ("Program or font", "Version"), tuple(listed), note, (24, 76)),)


def signatures(sources: Sources, *, alone: bool = False) -> Section:
    """Boxes for the auditor and each member; alone: of a page that is posted by itself, the auditor's box only."""
    if alone:
        return Section("signatures", "Signature", (Signatures(sources.manifest.signers),))
    return Section(
        "signatures",
        "Signatures",
        (
            Paragraph(
                "The auditor's signature stands for how this report was made. It is not a judgement on the decision "
                "under audit. A member's signature states approval or rejection, with a reason and conditions. A "
                "rejection stays in the file, whatever follows."
            ),
            *_quorum(sources),
            *_register(sources),
            Signatures(sources.manifest.signers),
        ),
    )


def _quorum(sources: Sources) -> tuple[Block, ...]:
    members, quorum = sources.manifest.members, sources.manifest.quorum
    if not members:
        return ()
    return (Paragraph(f"Approvals needed: {quorum} of {len(members)}."),)


def _register(sources: Sources) -> tuple[Block, ...]:
    """The board's earlier decisions on this case, as the log of reports held them when this one was issued."""
    lines = sources.said.register
    if not lines:
        return ()
    rows = tuple(
        (
            str(line.when)[:10],
            str(line.who),
            "approved" if line.decision == "approve" else "rejected",
            f"{line.number}\n{_on(line, sources.manifest.case)}",
            str(line.conditions or "–"),
            str(line.until or "–"),
        )
        for line in lines[: find.MOST_ROWS]
    )
    note = f"From the log of reports, as it was before this one. {find.cut(len(lines), 'decisions')}".strip()
    heads = ("When", "Who", "What", "Report", "Conditions", "Until")
    table = Table("Earlier decisions on this case", heads, rows, note, (12, 16, 11, 23, 26, 12))
    others = sum(line.on != SAME for line in lines)
    if not others:
        return (table,)
    words = (
        f"{others} of {many(len(lines), 'earlier decision')} {are(others, 'was', 'were')} not on this model "
        "and this data"
    )
    return (Notice(f"{words}, or it is not recorded whether they were. They do not speak for this report."), table)


def _on(line: Before, case: str) -> str:
    """What an earlier decision was about, beside its report's number."""
    name = case if line.case is None else line.case
    return str(line.on or UNKNOWN) + (f", as “{name}”" if name != case else "")


def _level(manifest: Manifest) -> str:
    """What the manifest says of the signature, in the words of a level and no others. Raises ValueError."""
    level_words = manifest.extra.get("level_words", LEVEL_UNSAID)
    if level_words != LEVEL_UNSAID and level_words not in {f"{level}: {level.meaning}" for level in SignedLevel}:
        raise ValueError("the level of the signature is told in other words than its own")
    return str(level_words)


def _measured(data: Data) -> tuple[str, str]:
    """How many of the rows were measured; of how many people, where one has several rows."""
    text = f"{data.audited_rows:,} of {words.rows_in(data)} in the data"
    return (
        ("People measured", text)
        if unit(data) == "people"
        else ("Rows measured", f"{text}, of {many(data.people, 'person')}")
    )


def identity(sources: Sources) -> Section:
    """The last page: what the file is, by fingerprints."""
    facts = _facts(sources, report_number(sources.manifest))
    return Section("identity", "This file", (Table("About this file", ("Item", "Value"), facts, "", (24, 76)),))


def _facts(sources: Sources, number: str) -> tuple[tuple[str, str], ...]:
    evidence, manifest = sources.evidence, sources.manifest
    model = evidence.model
    members = ", ".join(s.name for s in manifest.members) or "none named"
    if manifest.members:
        members += f" ({manifest.quorum} of {len(manifest.members)} must approve)"
    rows = [
        ("Report", number),
        ("Issued", words.date(manifest.issued)),
        ("Auditor", manifest.auditor.name),
        ("Board members asked", members),
        _measured(evidence.data),
        ("Signature", _level(manifest)),
        ("Data, SHA-256", evidence.data.sha256),
    ]
    if model.sha256:
        rows.append(("Model, SHA-256", model.sha256))
    else:
        rows.append(("Model", f"none; decisions are in the column “{model.column}” of the data"))
    rows += [
        ("Policy", str(evidence.policy.version)),
        ("Policy, SHA-256", evidence.policy.sha256),
        ("Counts, SHA-256", evidence.cube.sha256),
        ("Made with", f"Assay {evidence.tool.version}"),
    ]
    if stated := manifest.extra.get("checkpoint"):
        checkpoint = record_in(Checkpoint, stated, NAME)
        rows.append(("Log before this report", f"{many(checkpoint.size, 'entry')}, root {checkpoint.root}"))
        rows.append(("Key of the log", checkpoint.key))
    return tuple(rows)
