"""How a printed report lies on its pages, read from the PDF: full pages, tables that run on, words cut in two."""

from __future__ import annotations

import io
import re
from collections import Counter
from dataclasses import dataclass

import pikepdf
import pypdfium2

from reports.blocks import Document, Heading, Keys, Lead, Notice, Paragraph, Points, Table
from reports.glyphs import printable

TOP, FOOT = 60.0, 48.0
"""Points at the top and the foot of a page that hold its running head and its number."""
LONGEST = 24
"""Letters of a word that a column should never cut; fingerprints are longer."""


@dataclass(frozen=True)
class Pages:
    """text: of each page; filled: the share of each page down to its lowest line or picture."""

    text: tuple[str, ...]
    filled: tuple[float, ...]


def pages_of(pdf: bytes) -> Pages:
    texts, filled = [], []
    with pypdfium2.PdfDocument(pdf) as document:
        for page in document:
            page_text = page.get_textpage()
            texts.append(page_text.get_text_range())
            boxes = [page_text.get_rect(i) for i in range(page_text.count_rects())]
            low = [b[1] for b in boxes if b[1] > FOOT and b[3] < page.get_height() - TOP]
            height = page.get_height() - TOP - FOOT
            filled.append((page.get_height() - TOP - min(low, default=page.get_height() - TOP)) / height)
    return Pages(tuple(texts), tuple(filled))


def tables_of(pdf: bytes) -> list[list[int]]:
    """Of each table of the structure tree, how many rows of its body stand on each page that it is on."""
    out = []
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        number = {page.objgen: i for i, page in enumerate(opened.pages)}

        def page_of(item: pikepdf.Object) -> int | None:
            if isinstance(item, pikepdf.Dictionary):
                if "/Pg" in item:
                    return number[item.Pg.objgen]
                return next((p for k in kids(item) if (p := page_of(k)) is not None), None)
            return None

        for item in opened.objects:
            if isinstance(item, pikepdf.Dictionary) and item.get("/S") == pikepdf.Name.TBody:
                rows = [page_of(row) for row in kids(item)]
                out.append(list(Counter(p for p in rows if p is not None).values()))
    return out


def kids(item: pikepdf.Dictionary) -> list[pikepdf.Object]:
    result = item.get("/K")
    return list(result) if isinstance(result, pikepdf.Array) else [] if result is None else [result]


def cut_words(document: Document, pages: Pages) -> list[str]:
    """Words of the document that stand less often on the pages in one piece than it holds them: a column cut them."""
    printed = Counter(w for text in pages.text for w in text.replace("\ufffe", "-").split())
    wanted = Counter(w for text in texts_of(document) for w in printable(text).split())
    return sorted(w for w, n in wanted.items() if 2 < len(w) <= LONGEST and printed[w] < n and _plain(w))


def _plain(word: str) -> bool:
    """Signs for which a reader of PDF gives other ones are left out."""
    return re.fullmatch(r"[A-Za-z0-9.,:;%+_/()<>=\[\]]+", word) is not None


def texts_of(document: Document) -> list[str]:
    out = []
    for section in document.sections:
        for b in section.blocks:
            if isinstance(b, Lead | Paragraph | Notice | Heading):
                out.append(b.text)
            elif isinstance(b, Points):
                out += b.items
            elif isinstance(b, Keys):
                out += [f"{k.label} {k.value} {k.text}" for k in b.items]
            elif isinstance(b, Table):
                out += [b.caption, b.note, *b.columns, *(c for row in b.rows for c in row)]
    return out
