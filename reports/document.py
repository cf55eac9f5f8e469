"""One frozen Document from the files of a run folder: the PDF and the screen both draw it.

Everything in it follows from the bytes given, so that a verifier can build it again and compare.
"""

from __future__ import annotations

from collections.abc import Mapping

from audit.errors import DataError
from reports.blocks import (
    Block,
    Document,
    Figure,
    Heading,
    Notice,
    Paragraph,
    Points,
    Section,
    Signatures,
    Sources,
    Table,
)
from reports.manifest import Manifest, strict_json
from reports.sections import sections_of

__all__ = [
    "Block",
    "Document",
    "Figure",
    "Heading",
    "Notice",
    "Paragraph",
    "Points",
    "Section",
    "Signatures",
    "Sources",
    "Table",
    "build_document",
]


def build_document(files: Mapping[str, bytes], *, manifest: Manifest) -> Document:
    """The report on `files` (evidence.json and cube.json, and explain.json and mitigation.json where they were made).

    Raises DataError where evidence.json is missing.
    """
    if "evidence.json" not in files:
        raise DataError("there is nothing to report on", expected="evidence.json", todo="run `assay audit` first")
    read = {name: strict_json(files[name], name) for name in files if name.endswith(".json")}
    sources = Sources(
        manifest=manifest,
        evidence=read["evidence.json"],
        explain=read.get("explain.json"),
        mitigation=read.get("mitigation.json"),
        people=bool(manifest.extra.get("people", False)),
    )
    evidence = sources.evidence
    issued = manifest.issued.strftime("%d %B %Y").lstrip("0")
    return Document(
        title=manifest.title,
        case=evidence["case"]["name"],
        purpose=evidence["case"]["purpose"],
        issued=issued,
        language=manifest.language,
        number=str(manifest.extra.get("number", "")),
        cover=_cover(sources, issued),
        sections=sections_of(sources),
    )


def _cover(sources: Sources, issued: str) -> tuple[tuple[str, str], ...]:
    evidence, manifest = sources.evidence, sources.manifest
    model = evidence["model"]
    members = ", ".join(s.name for s in manifest.members) or "none named"
    rows = [
        ("Decision under audit", evidence["case"]["purpose"]),
        ("Issued", issued),
        ("Auditor", manifest.auditor.name),
        ("Board members asked to decide", members),
        ("People measured", f"{evidence['data']['audited_rows']:,}"),
        ("Data, SHA-256", evidence["data"]["sha256"]),
    ]
    if model.get("sha256"):
        rows.append(("Model, SHA-256", model["sha256"]))
    else:
        rows.append(("Decisions", f"column {model.get('column')!r} of the data; no model was loaded"))
    rows += [
        ("Policy", f"{evidence['policy']['version']} ({evidence['policy']['sha256'][:16]})"),
        ("Signature level", str(manifest.extra.get("level_words", "PAdES, level stated in the signature"))),
        ("Made with", f"Assay {evidence['tool']['version']}"),
    ]
    return tuple(rows)
