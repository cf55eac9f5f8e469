"""How wide and how high text is set in the report's font, before it is set: what fits on one page, what in a column.

Widths are those of DejaVu Sans, from the copy that comes with matplotlib; a test holds the heights against real pages.
Lengths are points (1/72 inch).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from math import ceil

from reports import blocks as d

MM = 72 / 25.4
PAGE = 170 * MM
"""The width of a page's text."""
WHOLE_WORD = 200.0
"""A word up to this width is never broken by its column; longer ones are (fingerprints)."""
CELL_SIZE, CELL_PADDING = 7.6, 3.2 * MM
TALL, STEP, STEPS, MOST_TRIED = 4, 3.0, 8, 12
"""Lines from which on a row is tall; percent of the page moved at a time, how often, judged by so many rows."""
CALM = 0.05
"""Of a column's width: what is given beyond its longest word, since a shaper sets a little otherwise."""


@lru_cache(maxsize=2)
def _advances(bold: bool) -> dict[int, float]:
    """Character -> its advance in ems."""
    from importlib.util import find_spec
    from pathlib import Path

    from fontTools.ttLib import TTFont

    spec = find_spec("matplotlib")
    if spec is None or spec.origin is None:
        return {}
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    with TTFont(Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / name, lazy=True) as font:
        widths, em = font["hmtx"].metrics, font["head"].unitsPerEm
        return {code: widths[glyph][0] / em for code, glyph in font.getBestCmap().items()}


@lru_cache(maxsize=16384)
def width(text: str, size: float, bold: bool = False) -> float:
    """The width of a line of text; a character that the font lacks counts as a whole em."""
    known = _advances(bold)
    return size * sum(known.get(ord(c), 1.0) for c in text)


@lru_cache(maxsize=16384)
def lines(text: str, room: float, size: float, bold: bool = False) -> int:
    """How many lines the text takes in a column `room` wide."""
    return sum(_lines(line, room, size, bold) for line in text.split("\n"))


def _lines(text: str, room: float, size: float, bold: bool) -> int:
    count, used, blank = 1, 0.0, width(" ", size, bold)
    for word in text.split(" "):
        w = width(word, size, bold)
        if used and used + blank + w > room:
            count, used = count + 1, 0.0
        if w > room:
            count += ceil(w / room) - 1
            w = w % room
        used += w + (blank if used else 0.0)
    return count


# --- columns ---


def columns(table: d.Table) -> tuple[float, ...]:
    """Percent of the page for each column: as asked for, and wide enough for its longest word where the page allows."""
    n = len(table.columns)
    asked = [100 * w / sum(table.widths) for w in table.widths] if table.widths else [100 / n] * n
    need = [
        min(100.0, 100 * (1 + CALM) * (_longest(head, [row[i] for row in table.rows]) + CELL_PADDING) / PAGE)
        for i, head in enumerate(table.columns)
    ]
    lacking = sum(max(0.0, w - a) for w, a in zip(need, asked, strict=True))
    spare = [max(0.0, a - w) for w, a in zip(need, asked, strict=True)]
    if sum(spare) < lacking:
        return tuple(asked)
    share = lacking / sum(spare) if lacking else 0.0
    widths = [w if a < w else a - share * s for w, a, s in zip(need, asked, spare, strict=True)]
    return tuple(_balanced(table, widths, need))


def _balanced(table: d.Table, widths: list[float], need: Sequence[float]) -> list[float]:
    """Where cells are tall, width goes from columns that can spare it to those that fill rows, while that shortens the
    table."""
    now = _tall(table, widths)
    if max(now, default=0) < TALL:
        return widths
    for _ in range(STEPS):
        best, total = None, sum(now)
        for i in range(len(widths)):
            for j in range(len(widths)):
                if i == j or widths[j] - STEP < need[j]:
                    continue
                tried = [w + STEP * ((k == i) - (k == j)) for k, w in enumerate(widths)]
                if (height := sum(_tall(table, tried))) < total:
                    best, total = tried, height
        if best is None:
            return widths
        widths, now = best, _tall(table, best)
    return widths


def _tall(table: d.Table, shares: Sequence[float]) -> list[int]:
    """The lines of each row."""
    rooms = [share / 100 * PAGE - CELL_PADDING for share in shares]
    return [max(lines(c, r, CELL_SIZE) for c, r in zip(row, rooms, strict=True)) for row in table.rows[:MOST_TRIED]]


def _longest(head: str, cells: Sequence[str]) -> float:
    words = [w for cell in dict.fromkeys(cells) for w in _WORD.findall(cell)]
    widths = [width(w, CELL_SIZE, False) for w in sorted(set(words), key=len)[-40:]]
    widths += [width(w, CELL_SIZE, True) for w in _WORD.findall(head)]
    return max((w for w in widths if w <= WHOLE_WORD), default=0.0)


_WORD = re.compile(r"\[?[^\s\[]+")


# --- the height of the first page ---

ROOM = 262 * MM
"""The height of the first page's text, as in report.css."""
SLACK = 8.0


def fits(title: str, blocks: Sequence[d.Block]) -> bool:
    """Whether page 1 holds the case's name and these blocks, set as report.css sets #board."""
    big = 10.5 if len(title) > 60 else 15.0
    head = 1.2 * big * lines(title, PAGE, big, bold=True) + 7.8 * 1.5 + 2.6 * MM
    return head + 13.2 + 1.6 + 3.4 * MM + height(blocks) <= ROOM - SLACK


def height(blocks: Sequence[d.Block]) -> float:
    """The height of these blocks one below the other; of two margins that meet the larger counts."""
    total = margin = 0.0
    for block in blocks:
        above, inside, below = _height(block)
        total += max(margin, above) + inside
        margin = below
    return total + margin


def _height(block: d.Block) -> tuple[float, float, float]:
    """Margin above, height, margin below, as report.css has them for #board."""
    if isinstance(block, d.Lead):
        return 0.0, 12.42 * lines(block.text, PAGE, 9.0), 1.4 * MM
    if isinstance(block, d.Paragraph):
        return 0.0, 11.15 * lines(block.text, PAGE, 8.2), 1 * MM
    if isinstance(block, d.Notice):
        return 0.0, 10.34 * lines(block.text, PAGE - 4.8 * MM - 2.4, 7.6) + 2 * MM, 1.2 * MM
    if isinstance(block, d.Heading):
        return 1.8 * MM, 10.8 * lines(block.text, PAGE, 9.0, bold=True), 0.6 * MM
    if isinstance(block, d.Points):
        each = [11.15 * lines(i, PAGE - 4.5 * MM, 8.2) for i in block.items]
        return 0.0, sum(each) + 0.5 * MM * (len(each) - 1), 1 * MM
    if isinstance(block, d.Keys):
        room = (PAGE - 4 * MM * (len(block.items) - 1)) / len(block.items) - 4.8 * MM
        inside = [
            10.6 * lines(k.label, room, 7.8)
            + 15.6 * lines(k.value, room, 13.0, bold=True)
            + 9.62 * lines(k.text, room, 7.4)
            for k in block.items
        ]
        return 0.0, max(inside) + 2.6 * MM + 1.6, 1.2 * MM
    if isinstance(block, d.Table):
        return 0.6 * MM, _table(block), (1.4 if block.note else 1.2) * MM
    raise TypeError(f"a {type(block).__name__} has no place on page 1")


def _table(table: d.Table) -> float:
    rooms = [share / 100 * PAGE - 2.8 * MM for share in columns(table)]

    def row(cells: Sequence[str], bold: bool = False) -> float:
        return 9.36 * max(lines(c, r, 7.2, bold) for c, r in zip(cells, rooms, strict=True)) + 1.4 * MM

    total = 10.14 * lines(table.caption, PAGE, 7.8, bold=True) + 1.2 * MM
    total += row(table.columns, bold=True) + 0.8 + sum(row(r) + 0.4 for r in table.rows)
    return total + (1.2 * MM + 10.15 * lines(table.note, PAGE, 7.0) if table.note else 0.0)
