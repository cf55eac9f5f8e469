"""Blocks where there is no page: as HTML for a notebook, as text for a terminal. All text is escaped."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from markupsafe import escape

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
    """Lines of text; a drawing is told by what it shows."""
    return "\n\n".join(part for b in blocks if (part := _text(b, width)))


def _text(block: Block, width: int) -> str:
    match block:
        case Heading(text):
            return f"{text}\n{'-' * min(len(text), width)}"
        case Paragraph(text) | Lead(text) | Notice(text):
            return textwrap.fill(text, width)
        case Points(items):
            return "\n".join(textwrap.fill(f"- {item}", width, subsequent_indent="  ") for item in items)
        case Keys(items):
            return "\n".join(textwrap.fill(f"{k.label}: {k.value} {k.text}", width) for k in items)
        case Table(caption, columns, rows, note):
            cells = [[cell.replace("\n", " ") for cell in row] for row in (columns, *rows)]
            wide = [max(len(row[i]) for row in cells) for i in range(len(columns))]
            lines = ["  ".join(c.ljust(w) for c, w in zip(row, wide, strict=True)).rstrip() for row in cells]
            below = [textwrap.fill(note.strip(), width)] if note.strip() else []
            return "\n".join([f"{caption}:", *lines, *below])
        case Figure(_, alt, _):
            return textwrap.fill(alt, width)
        case Signatures():
            return ""
