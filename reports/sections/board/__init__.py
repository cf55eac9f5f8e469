"""Page 1, the decision: what is decided, who fares worse in people, how sure, the options side by side, what is asked.

Names are cut where they differ, and lists end early, so that it stays one page; the chapters behind carry everything.
Its sentences are for people who know no statistics: a test measures their reading grade.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from audit.numbers import many
from reports import fit
from reports.blocks import Block, Heading, Lead, Notice, Paragraph, Points, Section, Sources
from reports.sections.board.asked import conditions_of, decision_asked_for, sign
from reports.sections.board.found import keys, more_of, most_people, short_of, unseen, worse_off
from reports.sections.board.options import options, ranged
from reports.sections.board.said import LABELS, facts, model_notices, opening
from reports.undrawn import notice, scripts_of

__all__ = ["LABELS", "more_of", "most_people", "opening", "section", "short_of", "worse_off"]


LESS = (
    ("norms", 4), ("norms", 3), ("found", 3), ("unseen", 4), ("norms", 2), ("notices", 1), ("unseen", 3), ("found", 2),
    ("norms", 1), ("unseen", 2),
)  # fmt: skip
"""What is shortened first, and to how many."""


@dataclass(frozen=True, slots=True)
class Measure:
    """How much of what also stands behind goes on the page: norms, points found and not seen, notices."""

    norms: int = 5
    found: int = 5
    unseen: int = 5
    notices: int = 2


def section(sources: Sources) -> Section:
    """The page; it ends with the decision that is asked for and where to sign. The fullest that one page holds."""
    blocks: tuple[Block, ...] = ()
    for measure in _measures():
        blocks = tuple(_blocks(sources, measure))
        if fit.fits(sources.evidence.case.name, blocks):
            break
    return Section("board", "For the board: the decision on one page", blocks)


def _measures() -> Iterator[Measure]:
    """From the fullest to the shortest; what is asked of the board, and who fares worse in people, always stay."""
    measure = Measure()
    yield measure
    for name, most in LESS:
        measure = replace(measure, **{name: most})
        yield measure


def _blocks(sources: Sources, most: Measure) -> list[Block]:
    evidence = sources.evidence
    return [
        Lead(opening(evidence)),
        Paragraph(facts(evidence)),
        *([Notice(notice(scripts))] if (scripts := scripts_of(sources.manifest)) else []),
        *model_notices(evidence, most.notices),
        *keys(sources),
        Heading("Who fares worse, and how sure that is"),
        Points(_cut(worse_off(evidence, ranged(sources, most.norms)), most.found, "Rates and gaps")),
        Heading("What could not be seen"),
        Points(_cut(unseen(sources), most.unseen, "Limits")),
        *options(sources, most.norms),
        Heading("What you are asked"),
        Paragraph(decision_asked_for(sources)),
        conditions_of(sources),
        *sign(sources),
    ]


def _cut(items: Sequence[str], most: int, where: str) -> tuple[str, ...]:
    """The first of them; the last line says how many more there are, and where."""
    if len(items) <= most:
        return tuple(items)
    left = len(items) - most + 1
    return (*items[: most - 1], f"{many(left, 'more point')}: see the chapter “{where}”.")
