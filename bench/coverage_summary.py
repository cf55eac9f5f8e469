"""What all sections of docs/coverage.md say together: of each kind of interval and test the least and the most, and how
many cells are outside the aim by more than chance. Read from the tables of the page itself.

A kind with cells outside and no reason is NOT EXPLAINED, and a column that is no kind and not left out by name is an
error: so no section can be added, or get worse, unseen.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.coverage_kinds import KINDS, Kind, Row

TITLE = "# How often the intervals are right\n"
LOW, HIGH, SMALL, Z = 93.0, 97.0, 30, 2.576
"""From SMALL people on an interval is to hold in LOW to HIGH of 100, below in at least LOW."""
NOT_EXPLAINED = "NOT EXPLAINED"
SHOWN = frozenset(
    {
        # what a row is of
        "groups", "rate", "average", "truth", "people", "people each", "rows each", "rows a person", "answers",
        "weights", "scores", "figure", "of what", "aim", "audits", "error", "true area", "with the outcome", "without",
        # sizes, and what others would have
        "times as wide", "width", "plain error", "percentile bootstrap", "normal limits hold",
        "DeLong's plain limits hold", "rates held in under 93",
    }
)  # fmt: skip
"""Columns that are no share to be judged."""


@dataclass(frozen=True)
class Seen:
    """The cells of one kind of interval, from SMALL people on or below; or of one kind of test."""

    shares: Sequence[float]
    low: int
    high: int

    def cells(self) -> str:
        if not self.shares:
            return " | | |"
        return f" {len(self.shares)} | {min(self.shares):.1f} | {max(self.shares):.1f} |"


def tables(section: str) -> Iterator[Row]:
    """Every row of every table, heading -> cell."""
    heads: list[str] = []
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if line.startswith("|") else []
        if not cells or all(re.fullmatch(r":?-+:?", cell) for cell in cells):
            heads = heads if cells else []
        elif not heads:
            heads = [f"{head} ({cells[i - 1]})" if cells.count(head) > 1 else head for i, head in enumerate(cells)]
        else:
            yield dict(zip(heads, cells, strict=True))


def unknown(sections: Mapping[str, str]) -> set[str]:
    """Columns that are neither judged nor left out."""
    judged = {(kind.part, kind.column) for kind in KINDS}
    return {
        f"{part}: {head}"
        for part, section in sections.items()
        for row in tables(section)
        for head in row
        if head not in SHOWN and (part, head) not in judged
    }


def runs_of(section: str) -> int:
    match = re.search(r"--runs (\d+)", section)
    return int(match[1]) if match else 0


def seen(kind: Kind, section: str) -> tuple[Seen, Seen]:
    """Of groups from SMALL people on, and of smaller ones. Of a test all stand in the first."""
    kept: tuple[list[float], list[float]] = ([], [])
    out = np.zeros((2, 2), dtype=np.int64)
    for row in tables(section):
        if kind.column not in row or not row[kind.column].strip("–") or not kind.where(row):
            continue
        share, rests = float(row[kind.column]), kind.rests(row, runs_of(section))
        below = 0 if kind.test else int(kind.people(row) < SMALL)
        kept[below].append(share)
        if kind.test:
            out[0] += 0, share > kind.level + error(kind.level, rests)
        else:
            out[below] += share < LOW - error(LOW, rests), share > HIGH + error(HIGH, rests) and not below
    return Seen(kept[0], *out[0].tolist()), Seen(kept[1], *out[1].tolist())


def error(share: float, rests: float) -> float:
    """By how much a true share may be off by chance in 99 of 100 cells; and the rounding of the page."""
    return float(100 * Z * np.sqrt(share / 100 * (1 - share / 100) / rests)) + 0.05


def summary(sections: Mapping[str, str]) -> str:
    """The beginning of the page. Raises ValueError where a column is not known."""
    if strange := unknown(sections):
        raise ValueError(f"columns that bench/coverage_kinds.py does not know: {', '.join(sorted(strange))}")
    held, tests = [], []
    why: dict[tuple[str, str], list[str]] = {}
    for kind in KINDS:
        large, small = seen(kind, sections.get(kind.part, ""))
        if not large.shares and not small.shares:
            continue
        if kind.test:
            tests.append(f"| {kind.said} | {kind.level:g} |{large.cells()} {large.high or ''} |")
        else:
            ends = f"{large.low or ''} | {large.high or ''} |{small.cells()} {small.low or ''} |"
            held.append(f"| {kind.said} |{large.cells()} {ends}")
        for side, cells, reason in _outside(kind, large, small):
            why.setdefault((side, reason), []).append(f"{kind.said} ({cells})")
    reasons = [f"- **{side}**: {'; '.join(of)}. {reason}." for (side, reason), of in why.items()]
    return TEXT.format(
        low=f"{LOW:g}", high=f"{HIGH:g}", small=SMALL, held="\n".join(held), tests="\n".join(tests),
        why="\n".join(reasons) or "Nothing is.",
    )  # fmt: skip


HERE = "Outside the aim in this section: "


def with_reasons(part: str, section: str) -> str:
    """The section, ending with what is outside the aim in it, and why."""
    section = re.sub(rf"\n+{HERE}.*", "", section).strip()
    by_reason: dict[str, list[str]] = {}
    for kind in KINDS:
        if kind.part == part:
            for side, cells, reason in _outside(kind, *seen(kind, section)):
                by_reason.setdefault(reason, []).append(f"{kind.column} ({cells} {side[:1].lower()}{side[1:]})")
    text = " ".join(f"{'; '.join(columns)}. {reason}." for reason, columns in by_reason.items())
    return section + (f"\n\n{HERE}{text}\n" if text else "\n")


def _outside(kind: Kind, large: Seen, small: Seen) -> Iterator[tuple[str, str, str]]:
    """On which side, how many cells of how many, and why."""
    of = len(large.shares) + len(small.shares)
    for count, side, reason in (
        (large.low + small.low, "Too low", kind.low),
        (large.high, "Too many found" if kind.test else f"Over {HIGH:g}, on the safe side", kind.high),
    ):
        if count:
            yield side, f"{count} of {of}", reason[:1].upper() + reason[1:] or NOT_EXPLAINED


TEXT = """Every section below invents people whose truth is known, asks Assay for its figures, and looks whether the
truth is inside; it names the command that made it, with its runs. Each row has its own seed, the CRC-32 of its name in
that program, so that it comes out the same whatever else runs. How far off a row of so many runs is by chance is said
as "a true 95.0 shows as ...": in 95 rows of 100.

## In short: what is outside the aim, and why

Made by bench/coverage.py from the tables below. The aim: an interval of 95 holds the truth in {low} to {high} of 100
where each group has {small} people and more, and in at least {low} where it has fewer; a test finds a difference where
there is none in at most 5 of 100. A cell counts as outside when it is so by more than chance has in 99 of 100 cells.

| interval of | cells, {small} people and more | least | most | too low | over {high} | fewer | least | most | too low |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
{held}

| test: a difference is found where there is none | level | cells | least | most | too many |
| --- | ---: | ---: | ---: | ---: | ---: |
{tests}

Outside, with how many cells of how many, and why:

{why}
"""
