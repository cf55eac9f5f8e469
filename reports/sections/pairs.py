"""Every pair of groups: how far apart, how surely, and how many people it comes to."""

from __future__ import annotations

from collections.abc import Sequence

from audit.documents.base import Names
from audit.metrics import SELECTION_RATE, TRUE_NEGATIVE_RATE, TRUE_POSITIVE_RATE
from audit.numbers import are, fixed, grouped, many
from audit.values import Pair
from reports import words
from reports.blocks import Block, Paragraph, Section, Sources, Table
from reports.sections import find

HEADS = ("Higher", "Lower", "Apart, points [95 %]", "Ratio [95 %]", "Adjusted p", "Short [95 %]")
WITH_RATE = (21, 14, 14, 14, 14, 9, 14)
SHOWN = (SELECTION_RATE, TRUE_POSITIVE_RATE, TRUE_NEGATIVE_RATE)

LEAD = Paragraph(
    "Two groups at a time. Intervals hold for all pairs of a table at once; p-values are of the two groups alone "
    "and adjusted for every pair of groups in the audit (Holm, each attribute and rate with the same share). "
    "“Short” is how many more of the lower group would be counted at the rate of the higher one, of how many; a "
    "number below 0 says that the lower group may be no worse off. All pairs of all rates are in the embedded "
    "evidence."
)


def section(sources: Sources) -> Section | None:
    """The annex, or None where no two groups could be compared."""
    evidence = sources.evidence
    blocks: list[Block] = []
    single: list[tuple[str, ...]] = []
    for attribute in find.printed(evidence):
        if len(attribute) > 1:
            continue
        for metric in SHOWN:
            pairs = find.every(evidence.pairs, attribute=attribute, metric=metric)
            if any(p.people is not None for p in pairs) or (pairs and metric == SELECTION_RATE):
                if len(pairs) == 1 == pairs[0].pairs:
                    single.append((f"{words.capital(words.metric(metric))}, by {words.by(attribute)}", *_row(pairs[0])))
                else:
                    blocks.append(_table(attribute, metric, pairs))
    if single:
        blocks.append(Table("Where there are but two groups", ("Rate", *HEADS), tuple(single), "", WITH_RATE))
    if not blocks:
        return None
    return Section("pairs", "Every pair of groups", (LEAD, *blocks))


def _table(attribute: Names, metric: str, pairs: Sequence[Pair]) -> Table:
    shown = sorted(pairs, key=lambda p: (-p.difference, p.higher, p.lower))[: find.MOST_ROWS]
    rows = tuple(_row(p) for p in shown)
    listed = (
        ""
        if len(pairs) == pairs[0].pairs
        else (f"{len(pairs):,} of {many(pairs[0].pairs, 'pair')} {are(len(pairs))} listed. ")
    )
    return Table(
        f"{words.capital(words.metric(metric))} by {words.by(attribute)}, pair by pair",
        HEADS,
        rows,
        listed + find.cut(len(pairs), "pairs"),
        (19, 19, 17, 17, 11, 17),
    )


def _row(p: Pair) -> tuple[str, ...]:
    return (
        words.name_of(p.higher),
        words.name_of(p.lower),
        f"{fixed(100 * p.difference, 1)} {words.bracket(p.low, p.high)}",
        "not estimable"
        if p.ratio is None
        else f"{fixed(p.ratio, 3)} {words.bracket(p.ratio_low, p.ratio_high, percent=False)}",
        words.p_words(p.p_adjusted),
        short_of(p).replace(" [", "\n["),
    )


def short_of(p: Pair) -> str:
    """12 of 340 [3, 20]: people; below zero, the lower group may be no worse off."""
    if p.shortfall is None:
        return "–"
    ends = f"[{grouped(p.shortfall_low)}, {grouped(p.shortfall_high)}]".replace("-", words.MINUS)
    return f"{grouped(p.shortfall)} of {p.people:,} {ends}"
