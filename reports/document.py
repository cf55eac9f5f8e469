"""One frozen Document from the files of a run folder: the PDF and the screen both draw it.

Everything in it follows from the bytes given, so that a verifier can build it again and compare.
"""

from __future__ import annotations

from collections.abc import Mapping

from audit.documents import Documents
from audit.documents.evidence import Data
from audit.sizes import unit
from reports import words
from reports.blocks import (
    Block,
    Document,
    Figure,
    Heading,
    Key,
    Keys,
    Lead,
    Notice,
    Paragraph,
    Points,
    Section,
    Signatures,
    Sources,
    Table,
)
from reports.extra import read_extra
from reports.manifest import Manifest, report_number
from reports.sections import sections_of
from reports.sign import SignedLevel

LEVEL_UNSAID = "PAdES; the level is stated in the signature"

__all__ = [
    "Block",
    "Document",
    "Figure",
    "Heading",
    "Key",
    "Keys",
    "Lead",
    "Notice",
    "Paragraph",
    "Points",
    "Section",
    "Signatures",
    "Sources",
    "Table",
    "build_document",
    "report_number",
]


def build_document(files: Mapping[str, bytes], *, manifest: Manifest) -> Document:
    """The report on `files`: evidence.json, cube.json, and explain.json, search.json, mitigation.json where made.

    Raises DataError where evidence.json is missing.
    """
    documents = Documents.of(files)
    sources = Sources(
        manifest=manifest,
        evidence=documents.evidence,
        cube=documents.cube_head,
        explain=documents.explanations,
        mitigation=documents.mitigation,
        people=bool(manifest.extra.get("people", False)),
        search=documents.search,
        history=documents.series,
        earlier=documents.earlier,
        said=read_extra(manifest.extra),
    )
    evidence = sources.evidence
    number = report_number(manifest)
    return Document(
        title=manifest.title,
        case=evidence.case.name,
        purpose=evidence.case.purpose,
        issued=words.date(manifest.issued),
        language=manifest.language,
        number=number,
        cover=_cover(sources, number),
        sections=sections_of(sources),
    )


def _level(manifest: Manifest) -> str:
    """What the manifest says of the signature, in the words of a level and no others. Raises ValueError."""
    given = manifest.extra.get("level_words", LEVEL_UNSAID)
    if given != LEVEL_UNSAID and given not in {f"{level}: {level.meaning}" for level in SignedLevel}:
        raise ValueError("the level of the signature is told in other words than its own")
    return str(given)


def _measured(data: Data) -> tuple[str, str]:
    """How many of the rows were measured; of how many people, where one has several rows."""
    text = f"{data.audited_rows:,} of {words.rows_in(data)} in the data"
    return (
        ("People measured", text) if unit(data) == "people" else ("Rows measured", f"{text}, of {data.people:,} people")
    )


def _cover(sources: Sources, number: str) -> tuple[tuple[str, str], ...]:
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
    if checkpoint := manifest.extra.get("checkpoint"):
        rows.append(("Log before this report", f"{checkpoint['size']:,} entries, root {checkpoint['root']}"))
        rows.append(("Key of the log", str(checkpoint["key"])))
    return tuple(rows)
