"""Blocks where there is no page: as HTML for a notebook, as text for a terminal. All text is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import zip_longest
from typing import Any

from markupsafe import escape
from wcwidth import ljust, wrap
from wcwidth import width as width_of

from audit.printable import printable
from reports.blocks import Block, Figure, Heading, Keys, Lead, Notice, Paragraph, Points, Signatures, Table

WIDTH = 100


def html_of(blocks: Sequence[Block]) -> str:
    """An HTML fragment: no style of its own, no address."""
    return "".join(_html(b) for b in blocks)


def _html(block: Block) -> str:
    match block:
        case Heading(text):
            return f"<h4>{escape(text)}</h4>"
        case Paragraph(text) | Lead(text):
            return f"<p>{escape(text)}</p>"
        case Notice(text):
            return f"<p><strong>{escape(text)}</strong></p>"
        case Points(items):
            return f"<ul>{''.join(f'<li>{escape(item)}</li>' for item in items)}</ul>"
        case Keys(items):
            return "".join(
                f"<p>{escape(k.label)}: <strong>{escape(k.value)}</strong> {escape(k.text)}</p>" for k in items
            )
        case Table(caption, columns, rows, note):
            head = "".join(f"<th>{escape(c)}</th>" for c in columns)
            body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
            below = f"<p><small>{escape(note)}</small></p>" if note.strip() else ""
            return f"<table><caption>{escape(caption)}</caption><tr>{head}</tr>{body}</table>{below}"
        case Figure(svg, _, caption):
            return f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>"
        case Signatures():
            return ""


def text_of(blocks: Sequence[Block], width: int = WIDTH) -> str:
    """Lines of text; a drawing is told by what it shows. Control characters of a name never reach the terminal."""
    return "\n\n".join(printable(part) for b in blocks if (part := _text(b, width)))


def _filled(text: str, width: int, subsequent_indent: str = "") -> str:
    return "\n".join(wrap(text, width, subsequent_indent=subsequent_indent))


def _text(block: Block, width: int) -> str:
    match block:
        case Heading(text):
            return f"{text}\n{'-' * min(len(text), width)}"
        case Paragraph(text) | Lead(text) | Notice(text):
            return _filled(text, width)
        case Points(items):
            return "\n".join(_filled(f"- {item}", width, subsequent_indent="  ") for item in items)
        case Keys(items):
            return "\n".join(_filled(f"{k.label}: {k.value} {k.text}", width) for k in items)
        case Table():
            return _table(block, width)
        case Figure(_, alt, _):
            return _filled(alt, width)
        case Signatures():
            return ""


GAP = "  "
LEAST = 7
"""Letters that a column keeps, at least; where not even that fits, a row is a paragraph of its own."""


def _table(table: Table, width: int) -> str:
    """Columns as wide as their cells, and narrower by wrapping where the line is too short."""
    cells = [[cell.strip() for cell in row] for row in (table.columns, *table.rows)]
    wide = [max(width_of(part) for row in cells for part in row[i].split("\n")) for i in range(len(table.columns))]
    spare = width - len(GAP) * (len(wide) - 1)
    below = [_filled(table.note.strip(), width)] if table.note.strip() else []
    if spare < LEAST * len(wide):
        return "\n".join([f"{table.caption}:", *(_record(cells[0], row, width) for row in cells[1:]), *below])
    while sum(wide) > spare:
        wide[wide.index(max(wide))] -= 1
    lines = []
    for row in cells:
        parts = [_wrapped(cell, w) for cell, w in zip(row, wide, strict=True)]
        for line in zip_longest(*parts, fillvalue=""):
            lines.append(GAP.join(ljust(part, w) for part, w in zip(line, wide, strict=True)).rstrip())
    rule = "-" * min(width, sum(wide) + len(GAP) * (len(wide) - 1))
    head = max(len(_wrapped(cell, w)) for cell, w in zip(cells[0], wide, strict=True))
    return "\n".join([f"{table.caption}:", *lines[:head], rule, *lines[head:], *below])


def _wrapped(cell: str, width: int) -> list[str]:
    return [line for part in cell.split("\n") for line in wrap(part, width) or [""]]


def _record(columns: Sequence[str], row: Sequence[str], width: int) -> str:
    pairs = "; ".join(
        f"{name}: {' '.join(cell.split())}" for name, cell in zip(columns[1:], row[1:], strict=True) if cell
    )
    return _filled(f"- {row[0]}: {pairs}", width, subsequent_indent="  ")


def plain_of(blocks: Sequence[Block]) -> list[dict[str, Any]]:
    """The blocks as JSON: `kind` and the fields. Of a drawing, what it shows."""
    return [{"kind": type(b).__name__.lower(), **_fields(b)} for b in blocks]


def _fields(block: Block) -> dict[str, Any]:
    fields = asdict(block)
    fields.pop("svg", None)
    fields.pop("widths", None)
    return fields
