"""Whether what is drawn says what is expected, in places that a reader takes in the right order.

Signs are matched with the expected text in the order in which they are drawn; then the places are looked at: each piece
below the one before it, cells in their row and their column, lines one below the other, nothing drawn across, above or
too faintly under any of it, one look for each kind. Whatever is otherwise raises Unsure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from reports.verify.pages.drawn import Page, Picture, Run
from reports.verify.pages.expected import Begin, Cell, Entry, Frame, Grid, Image, Item, Leaf
from reports.verify.pages.geometry import Box, Colour
from reports.verify.pages.unsure import Unsure
from reports.verify.pages.visible import nothing_across

MARKER_COLOUR = (0.043137, 0.482353, 0.709804)
NUMBER_COLOUR = (0.317647, 0.376471, 0.423529)
MARKER = re.compile(r"(•|\d+\.) ?")
HEAD, FOOT = 70.0, 50.0
"""Pixels at the top and the bottom of a page where only its running head and foot stand."""
ABOVE, BELOW = 0.75, 0.2
"""Of the size: how far signs reach from their baseline. A small x reaches .55."""
LEVEL = 1.5
SPARE = 0.5
_FIGURES = re.compile(r"[\d.,%−+]")


@dataclass(slots=True)
class Spot:
    """Where a leaf stands: its runs with their pages, in order."""

    leaf: Leaf
    runs: list[tuple[int, Run]]

    @property
    def pages(self) -> set[int]:
        return {page for page, _ in self.runs}

    def on(self, page: int) -> list[Run]:
        return [run for p, run in self.runs if p == page]


@dataclass(slots=True)
class Placed:
    """What was matched. repeated: heads of tables that go on over a page, in addition to `spots`."""

    spots: list[Spot] = field(default_factory=list)
    repeated: list[Spot] = field(default_factory=list)
    pictures: list[tuple[int, Picture, Image]] = field(default_factory=list)
    begins: dict[str, int] = field(default_factory=dict)
    markers: list[tuple[int, Run]] = field(default_factory=list)
    numbers: list[tuple[int, Run]] = field(default_factory=list)
    words: int = 0


def place(
    pages: Sequence[Page], items: Sequence[Item], frames: dict[str, tuple[int, Box]], running: str, number: str
) -> Placed:
    """frames: page (from 0) and box of each signature field. Raises Unsure."""
    matcher = _Matcher(pages, frames)
    for at, page in enumerate(pages):
        _margins(page, at, len(pages), running, number)
    out = matcher.match(items)
    _markers(out)
    _entries(out, items)
    _looks(out.spots + out.repeated)
    for at, page in enumerate(pages):
        nothing_across(page, at, [box for p, box in frames.values() if p == at])
    return out


def _in_margin(page: Page, run: Run, at: int) -> bool:
    return at > 0 and (run.y < HEAD or run.y > page.height - FOOT)


def _margins(page: Page, at: int, of: int, running: str, number: str) -> None:
    runs = iter([(at, run) for run in page.runs if _in_margin(page, run, at)])
    if at > 0:
        cursor = _Cursor(list(runs))
        for text in (running, f"Report {number}", "Assay", f"Page {at + 1} of {of}"):
            _leaf(Leaf("margin", text, ()), cursor)
        cursor.end()


class _Cursor:
    """Runs still to be matched."""

    def __init__(self, runs: list[tuple[int, Run]]) -> None:
        self.runs, self.next = runs, 0

    def peek(self) -> tuple[int, Run]:
        if self.next >= len(self.runs):
            raise Unsure("the pages end before their text does")
        return self.runs[self.next]

    def end(self) -> None:
        if self.next != len(self.runs):
            page, run = self.runs[self.next]
            raise Unsure(f"page {page + 1} says more than it should: “{run.text[:60]}”")


def _leaf(leaf: Leaf, cursor: _Cursor) -> Spot:
    """The runs that spell the leaf's text. Raises Unsure."""
    text, at = leaf.text, 0
    spot = Spot(leaf, [])
    last: tuple[int, Run] | None = None
    while at < len(text):
        page, run = cursor.peek()
        said = run.text
        if last is not None:
            if page != last[0] or run.y > last[1].y + 0.3 * run.size:
                broken = at
                while at < len(text) and text[at] in " \n":
                    at += 1
                if broken == at and _FIGURES.match(text[at - 1]) and _FIGURES.match(text[at]):
                    raise Unsure(f"page {page + 1}: a number is broken over two lines in “{text[:60]}”")
                if page == last[0] and run.y - last[1].y < 0.9 * run.size:
                    raise Unsure(f"page {page + 1}: lines too close in “{text[:60]}”")
            elif abs(run.y - last[1].y) > 0.1 or not -SPARE <= run.x0 - last[1].x1 <= 8:
                raise Unsure(f"page {page + 1}: “{said[:40]}” is apart from the words before it")
        if not text.startswith(said, at):
            said = said.rstrip(" ")
            if not said or not text.startswith(said, at):
                raise Unsure(f"page {page + 1} says “{run.text[:60]}”; expected “{text[at : at + 60]}”")
        at += len(said)
        spot.runs.append((page, run))
        last = (page, run)
        cursor.next += 1
    return spot


class _Matcher:
    """Walks the items and the runs side by side, with the lowest place used so far on each page."""

    def __init__(self, pages: Sequence[Page], frames: dict[str, tuple[int, Box]]) -> None:
        self.frames = frames
        self.out = Placed()
        body: list[tuple[int, Run]] = []
        self.pictures: list[tuple[int, Picture]] = []
        for at, page in enumerate(pages):
            for run in page.runs:
                if _in_margin(page, run, at):
                    continue
                if run.colour == MARKER_COLOUR and MARKER.fullmatch(run.text):
                    self.out.markers.append((at, run))
                elif run.colour == NUMBER_COLOUR and run.text.isdigit() and run.x0 > page.width - 120:
                    self.out.numbers.append((at, run))
                else:
                    body.append((at, run))
            self.pictures += [(at, picture) for picture in page.pictures]
        self.cursor = _Cursor(body)
        self.floor: dict[int, float] = {}
        self.page = 0

    def match(self, items: Sequence[Item]) -> Placed:
        begins: str | None = None
        for item in items:
            if isinstance(item, Begin):
                begins = item.section
            elif isinstance(item, Leaf | Entry):
                spot = self._down(_leaf(item if isinstance(item, Leaf) else item.leaf, self.cursor))
                if begins is not None:
                    self.out.begins[begins], begins = min(spot.pages), None
            elif isinstance(item, Grid):
                self._grid(item)
            elif isinstance(item, Image):
                self._picture(item)
            else:
                self._frame(item)
        self.cursor.end()
        if self.pictures:
            raise Unsure("a picture too many")
        self.out.words = sum(len(spot.leaf.text.split()) for spot in self.out.spots)
        return self.out

    def _down(self, spot: Spot) -> Spot:
        self.out.spots.append(spot)
        for page in sorted(spot.pages):
            runs = spot.on(page)
            self._below(page, top(runs), bottom(runs), spot.leaf.text)
        return spot

    def _below(self, page: int, upper: float, lower: float, text: str) -> None:
        if page < self.page or upper < self.floor.get(page, 0.0) - SPARE:
            raise Unsure(f"page {page + 1}: “{text[:60]}” does not stand below what comes before it")
        self.page = page
        self.floor[page] = lower

    def _picture(self, item: Image) -> None:
        if not self.pictures:
            raise Unsure("a picture is missing")
        page, picture = self.pictures.pop(0)
        self._below(page, picture.box[1], picture.box[3], "a picture")
        self.out.pictures.append((page, picture, item))

    def _frame(self, item: Frame) -> None:
        if item.field not in self.frames:
            raise Unsure(f"no box for {item.field}")
        page, box = self.frames[item.field]
        self._below(page, box[1], box[3], item.field)

    def _grid(self, grid: Grid) -> None:
        columns = max(map(len, (grid.head, *grid.rows)))
        reach: list[tuple[float, float]] = [(float("inf"), float("-inf"))] * columns
        page: int | None = None
        for row in grid.rows or ((),):
            if grid.head and (page is None or (row and self.cursor.peek()[0] != page)):
                spots = self._row(grid.head, reach, last=True)
                (self.out.spots if page is None else self.out.repeated).extend(spots)
            if row:
                spots = self._row(row, reach, last=False)
                self.out.spots.extend(spots)
            page = self.page
        for (_, high), (low, _) in pairwise(reach):
            if high > low + SPARE:
                raise Unsure(f"page {self.page + 1}: columns of a table run into each other")

    def _row(self, row: Sequence[Cell], reach: list[tuple[float, float]], *, last: bool) -> list[Spot]:
        """Match a row and look at its places. last: its cells are level at their last lines, as heads are."""
        spots: list[Spot] = []
        level: list[float] = []
        for i, cell in enumerate(row):
            floor = float("-inf")
            within = [_leaf(leaf, self.cursor) for leaf in cell if leaf.text]
            for spot in within:
                runs = [run for _, run in spot.runs]
                if top(runs) < floor - SPARE:
                    raise Unsure(f"“{spot.leaf.text[:60]}” does not stand below what comes before it")
                floor = bottom(runs)
                low, high = reach[i]
                reach[i] = (min(low, *(r.x0 for r in runs)), max(high, *(r.x1 for r in runs)))
            if within:
                level.append(within[-1].runs[-1][1].y if last else within[0].runs[0][1].y)
            spots += within
        pages = {page for spot in spots for page in spot.pages}
        if len(pages) > 1:
            raise Unsure("a row of a table goes on over a page")
        if pages:
            if max(level) - min(level) > LEVEL:
                raise Unsure(f"page {min(pages) + 1}: the cells of a row are not level: “{spots[0].leaf.text[:60]}”")
            runs = [run for spot in spots for _, run in spot.runs]
            self._below(min(pages), top(runs), bottom(runs), spots[0].leaf.text)
        return spots


def top(runs: Sequence[Run]) -> float:
    return min(run.y - ABOVE * run.size for run in runs)


def bottom(runs: Sequence[Run]) -> float:
    return max(run.y + BELOW * run.size for run in runs)


def _markers(placed: Placed) -> None:
    """Each marker stands before the first line of one list item."""
    firsts = {}
    for spot in placed.spots:
        if "LBody" in spot.leaf.tags and spot.runs:
            page, run = spot.runs[0]
            firsts[page, round(run.y)] = (spot, run)
    for page, run in placed.markers:
        found = next(
            (firsts.pop((page, round(run.y) + i)) for i in (0, 1, -1) if (page, round(run.y) + i) in firsts), None
        )
        if found is None or run.x1 > found[1].x0 + SPARE or found[1].x0 - run.x0 > 40:
            raise Unsure(f"page {page + 1}: a mark of a list without its line")
        if (found[0].leaf.kind == "entry") == run.text.startswith("•"):
            raise Unsure(f"page {page + 1}: a list with other marks")


def _entries(placed: Placed, items: Sequence[Item]) -> None:
    """The contents name the pages where the sections begin, and number them in order."""
    spots = [s for s in placed.spots if s.leaf.kind == "entry"]
    marks = [run.text.strip() for _, run in placed.markers if run.text[0].isdigit()]
    if marks != [f"{i}." for i in range(1, len(spots) + 1)]:
        raise Unsure("the contents are numbered otherwise")
    if len(placed.numbers) != len(spots):
        raise Unsure("the contents name another number of pages")
    sections = [item.section for item in items if isinstance(item, Entry)]
    for spot, section, (page, run) in zip(spots, sections, placed.numbers, strict=True):
        lines = [r for p, r in spot.runs if p == page]
        if (
            not lines
            or not lines[0].y - LEVEL <= run.y <= lines[-1].y + LEVEL
            or run.text != str(placed.begins[section] + 1)
        ):
            raise Unsure(f"the contents name page {run.text} for “{spot.leaf.text[:40]}”")


def _looks(spots: Sequence[Spot]) -> None:
    """All leaves of one kind look alike, so that none is hidden by being small or pale."""
    looks: dict[str, tuple[str, float, Colour | None]] = {}
    for spot in spots:
        for page, run in spot.runs:
            # The number of a chapter has a colour of its own.
            colour = None if spot.leaf.kind == "heading 2" else run.colour
            look = (run.font, round(run.size, 1), colour)
            if looks.setdefault(spot.leaf.kind, look) != look:
                raise Unsure(f"page {page + 1}: “{run.text[:60]}” looks otherwise than its like")
