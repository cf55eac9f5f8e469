"""What a document is made of: frozen blocks, sections, and the sources they follow from. No HTML in any of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from audit.documents import Documents
from audit.documents.evidence import CubeHead, Evidence
from audit.documents.explanations import Explanations
from audit.documents.mitigation import Mitigation
from audit.documents.search import Search
from audit.documents.series import Series
from audit.documents.stress import Stress, Whatif
from reports.extra import Extra
from reports.manifest import Manifest, SignerSlot


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Plain text."""

    text: str


@dataclass(frozen=True, slots=True)
class Lead:
    """Opening words of a chapter, a little larger."""

    text: str


@dataclass(frozen=True, slots=True)
class Key:
    """One figure that stands out: what it is, its value, and what it rests on (interval, counts)."""

    label: str
    value: str
    text: str


@dataclass(frozen=True, slots=True)
class Keys:
    """Figures side by side, four at most."""

    items: tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class Points:
    """A list of sentences."""

    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that must not be overlooked."""

    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under named columns; the first column heads its row. `note` stands below.

    A cell may hold several lines (newline). widths: percent of each column; none means equal widths.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    widths: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing as SVG; `alt` states what it shows."""

    svg: str
    alt: str
    caption: str


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading inside a section."""

    text: str


@dataclass(frozen=True, slots=True)
class Signatures:
    """A framed box for each signer, filled when they sign."""

    signers: tuple[SignerSlot, ...]


Block = Paragraph | Lead | Keys | Points | Notice | Table | Figure | Heading | Signatures


@dataclass(frozen=True, slots=True)
class Section:
    """One chapter. `id` is its anchor."""

    id: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """The whole report. `number` names it everywhere."""

    title: str
    case: str
    purpose: str
    issued: str
    language: str
    number: str
    sections: tuple[Section, ...]


@dataclass(frozen=True, slots=True)
class Sources:
    """The parsed files that a report is made of; what was not made is None. said: what the manifest says beyond the
    files."""

    manifest: Manifest
    evidence: Evidence
    cube: CubeHead
    explain: Explanations | None
    mitigation: Mitigation | None
    people: bool
    search: Search | None = None
    history: Series | None = None
    earlier: Evidence | None = None
    presets: dict[str, Any] | None = None
    said: Extra = field(default_factory=Extra)
    documents: Documents = field(default_factory=lambda: Documents({}))
    stress: Stress | None = None
    whatif: Whatif | None = None
