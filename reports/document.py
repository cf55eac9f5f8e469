"""One frozen Document from the files of a run folder: the PDF and the screen both draw it.

Everything in it follows from the bytes given, so that a verifier can build it again and compare.
"""

from __future__ import annotations

from collections.abc import Mapping

from audit.documents import Documents
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
from reports.undrawn import on_page, renamed, scripts_of

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
    documents = renamed(Documents.of(files), scripts_of(manifest))
    return Sources(
        manifest=manifest,
        evidence=documents.evidence,
        cube=documents.cube_head,
        explain=documents.explanations,
        mitigation=documents.mitigation,
        people=bool(manifest.extra.get("people", False)),
        search=documents.search,
        history=documents.series,
        earlier=documents.earlier,
        presets=documents.plain("presets.json") if "presets.json" in documents else None,
        stress=documents.stress,
        whatif=documents.whatif,
        said=read_extra(manifest.extra),
        documents=documents,
    )


def build_document(files: Mapping[str, bytes], *, manifest: Manifest) -> Document:
    """The report on `files` (`sources_of`). Raises DataError where evidence.json is missing."""
    sources = sources_of(files, manifest)
    evidence = sources.evidence
    number = report_number(manifest)
    scripts = scripts_of(manifest)
    sections = sections_of(sources)
    return Document(
        title=manifest.title,
        case=evidence.case.name,
        purpose=evidence.case.purpose,
        issued=words.date(manifest.issued),
        language=manifest.language,
        number=number,
        sections=on_page(sections, scripts) if scripts else sections,
    )
