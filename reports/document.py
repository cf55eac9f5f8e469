"""One frozen Document from the files of a run folder: the PDF and the screen both draw it.

Everything in it follows from the bytes given, so that a verifier can build it again and compare.
"""

from __future__ import annotations

from collections.abc import Mapping

from audit.errors import DataError
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
from reports.manifest import Manifest, report_number, strict_json
from reports.sections import sections_of

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
    "sources_of",
]


def sources_of(files: Mapping[str, bytes], manifest: Manifest) -> Sources:
    """The parsed files: evidence.json, cube.json, and explain.json, search.json, mitigation.json where made.

    Raises DataError where evidence.json is missing.
    """
    if "evidence.json" not in files:
        raise DataError("there is nothing to report on", expected="evidence.json", todo="run `assay audit` first")
    read = {name: strict_json(files[name], name) for name in files if name.endswith(".json")}
    return Sources(
        manifest=manifest,
        evidence=read["evidence.json"],
        cube=read.get("cube.json", {}),
        explain=read.get("explain.json"),
        mitigation=read.get("mitigation.json"),
        people=bool(manifest.extra.get("people", False)),
        search=read.get("search.json"),
        history=read.get("series.json"),
        earlier=read.get("earlier-evidence.json"),
        presets=read.get("presets.json"),
    )


def build_document(files: Mapping[str, bytes], *, manifest: Manifest) -> Document:
    """The report on `files` (`sources_of`). Raises DataError where evidence.json is missing."""
    sources = sources_of(files, manifest)
    evidence = sources.evidence
    number = report_number(manifest)
    return Document(
        title=manifest.title,
        case=evidence["case"]["name"],
        purpose=evidence["case"]["purpose"],
        issued=words.date(manifest.issued),
        language=manifest.language,
        number=number,
        sections=sections_of(sources),
    )
