"""What the pages must say, in order, from the Document: the same that `templates/report.html` prints.

The template and this list are two descriptions of one page. Where they part, pages are looked at in the slow way, and a
test says so.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from reports import blocks as d
from reports.glyphs import SAFE, drawable, printable, right_to_left
from reports.render import CLOSING_WORDS, ROLES
from reports.verify.pages.unsure import NotCovered


@dataclass(frozen=True, slots=True)
class Leaf:
    """A piece of text set by itself. kind: all of one kind look alike. tags: what a screen reader may call it."""

    kind: str
    text: str
    tags: tuple[str, ...]


Cell = tuple[Leaf, ...]
"""Leaves one below the other."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Cells side by side in rows. The head comes again on each page that the rows go on to."""

    head: tuple[Cell, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True)
class Image:
    """A drawing as SVG and what is said of it to who cannot see it."""

    svg: str
    alt: str


@dataclass(frozen=True, slots=True)
class Frame:
    """The box of a signature field."""

    field: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the contents: the page that it names must be the page where section `section` begins."""

    leaf: Leaf
    section: str


@dataclass(frozen=True, slots=True)
class Begin:
    """A section begins with its heading, which follows."""

    section: str


Item = Leaf | Grid | Image | Frame | Entry | Begin


def expected(document: d.Document) -> list[Item]:
    """In the order of the pages. Raises NotCovered for letters that the report's own font lacks, or right to left."""
    items = list(_items(document))
    for text in texts(items):
        if right_to_left(text):
            raise NotCovered("text that is written from right to left")
        if not drawable(text):
            raise NotCovered("letters that another font has to draw")
        if any(0xFB00 <= ord(c) <= 0xFB06 or unicodedata.category(c)[0] == "M" for c in text if ord(c) > SAFE):
            raise NotCovered("letters that are drawn together")
    return items


def texts(items: list[Item]) -> Iterator[str]:
    for leaf in leaves(items):
        yield leaf.text


def leaves(items: list[Item]) -> Iterator[Leaf]:
    for item in items:
        if isinstance(item, Leaf):
            yield item
        elif isinstance(item, Entry):
            yield item.leaf
        elif isinstance(item, Grid):
            for row in (item.head, *item.rows):
                for cell in row:
                    yield from cell


def _items(document: d.Document) -> Iterator[Item]:
    yield _leaf("brand", "Assay", "P")
    yield _leaf("what", "Fairness audit report", "P")
    yield _leaf("title", document.case, "H1")
    yield _leaf("purpose", document.purpose, "P")
    yield _leaf("fact caption", "About this report", "Caption")
    yield Grid(
        tuple((_leaf("fact head", text, "TH"),) for text in ("Item", "Value")),
        tuple(((_cell("fact", label, "TH"),), (_cell("fact value", value, "TD"),)) for label, value in document.cover),
    )
    yield _leaf("small", CLOSING_WORDS, "P")
    first, *rest = document.sections
    yield from _section(first, 1)
    yield _leaf("heading 2", "Contents", "H2")
    for section in document.sections:
        yield Entry(_leaf("entry", section.title, "LBody"), section.id)
    for number, section in enumerate(rest, 2):
        yield from _section(section, number)


def _section(section: d.Section, number: int) -> Iterator[Item]:
    yield Begin(section.id)
    yield _leaf("heading 2", f"{number} {section.title}", "H2")
    board = "board " if section.id == "board" else ""
    for block in section.blocks:
        yield from _block(block, board)


def _block(block: d.Block, board: str) -> Iterator[Item]:
    if isinstance(block, d.Paragraph):
        yield _leaf(board + "text", block.text, "P")
    elif isinstance(block, d.Lead):
        yield _leaf(board + "lead", block.text, "P")
    elif isinstance(block, d.Notice):
        yield _leaf(board + "notice", block.text, "P")
    elif isinstance(block, d.Heading):
        yield _leaf(board + "heading 3", block.text, "H3")
    elif isinstance(block, d.Points):
        for text in block.items:
            yield _leaf(board + "point", text, "LBody")
    elif isinstance(block, d.Keys):
        cells = (
            (_leaf("key label", k.label, "P"), _leaf("key value", k.value, "P"), _cell("key rests", k.text, "P"))
            for k in block.items
        )
        yield Grid((), (tuple(cells),))
    elif isinstance(block, d.Figure):
        yield _leaf("figure caption", block.caption, "Caption")
        yield Image(block.svg, printable(block.alt))
    elif isinstance(block, d.Table):
        yield _leaf(board + "caption", block.caption, "Caption")
        yield Grid(
            tuple((_leaf("head", text, "TH"),) for text in block.columns),
            tuple(
                tuple((_cell("cell", text, "TD" if i else "TH"),) for i, text in enumerate(row)) for row in block.rows
            ),
        )
        if block.note:
            yield _leaf("note", block.note, "P")
    elif isinstance(block, d.Signatures):
        for slot in block.signers:
            yield _leaf("signer", slot.name, "P")
            yield _leaf("role", ROLES[slot.role], "P")
            yield Frame(slot.field)


def _leaf(kind: str, text: str, *tags: str) -> Leaf:
    return Leaf(kind, " ".join(printable(text).split()), tags)


def _cell(kind: str, text: str, *tags: str) -> Leaf:
    """As CSS's `white-space: pre-line` has it: spaces fold, lines stay."""
    return Leaf(kind, "\n".join(" ".join(line.split()) for line in printable(text).split("\n")), tags)
