"""What is not known, as bounds: people of unknown group, people without an outcome, outcomes that may be wrong."""

from __future__ import annotations

from collections.abc import Sequence

from audit.documents.evidence import Bound, Evidence, LabelError, Tipping
from audit.numbers import brief, points
from audit.sizes import unit
from reports import words
from reports.blocks import Block, Paragraph, Section, Sources, Table
from reports.sections import find

TITLE = "What is not known, as bounds"


def section(sources: Sources) -> Section | None:
    """The annex, or None where everything is known."""
    bounds = sources.evidence.bounds
    if not bounds or not (bounds.unknown_group or bounds.missing_outcome or bounds.label_error or bounds.not_collected):
        return None
    lead = Paragraph(
        "Some groups and outcomes are not known, or may be recorded wrongly. Bounds say the least and the most "
        "that a gap could be, whatever the truth is. They leave out chance, for which the intervals in the other "
        "chapters stand. Attributes are taken one at a time."
    )
    return Section("bounds", TITLE, (lead, *tables(sources.evidence)))


def tables(evidence: Evidence) -> list[Block]:
    """A table for each thing that is not known, of the figures that rest on it."""
    bounds = evidence.bounds
    if bounds is None:
        return []
    blocks: list[Block] = []
    who = words.capital(unit(evidence.data))
    for part, caption in (
        (bounds.unknown_group, f"{who} whose group is not known: each may belong to any group"),
        (bounds.missing_outcome, f"{who} whose outcome is not known: each may have either"),
    ):
        rows = rows_of(part)
        if rows:
            blocks.append(
                Table(
                    caption,
                    ("Rate", "By", "Not known", "Among the known", "Could be", "Limit and how few could cross it"),
                    rows[: find.MOST_ROWS],
                    find.cut(len(rows), "figures"),
                    (24, 12, 14, 14, 15, 21),
                )
            )
    blocks += _turned(
        "How few wrong outcomes would turn a gap", "wrong outcomes", bounds.label_error,
        "The fewest outcomes of these two groups that, had they been recorded the wrong way round, would bring the gap "
        "to 0, or to the policy's limit where the gap is over it. A small share means that the finding rests on the "
        "labels being right. ",
    )  # fmt: skip
    blocks += _turned(
        "How few people who were never collected would turn a gap", "people", bounds.not_collected,
        "The fewest people who are not in the data that, had they been collected, would bring the gap to 0, or to the "
        "policy's limit where the gap is over it; beside how many of these two groups are there. ",
    )  # fmt: skip
    return blocks


def _turned(caption: str, of: str, entries: Sequence[LabelError], note: str) -> list[Block]:
    """How few of something would bring gaps to 0 or to a limit; nothing where there are none."""
    rows = tuple(_error(e) for e in entries)
    if not rows:
        return []
    heads = ("Rate", "By", "Higher, then lower group", "Apart", "Brought to", f"By so many {of}")
    cut = find.cut(len(rows), "figures")
    return [Table(caption, heads, rows[: find.MOST_ROWS], note + cut, (22, 10, 24, 11, 10, 23))]


def rows_of(entries: Sequence[Bound]) -> tuple[tuple[str, ...], ...]:
    """One row a figure that can be estimated: name, attribute, people, value, bounds, limits."""
    return tuple(
        (
            f"{words.capital(words.metric(e.metric))}, {e.kind}",
            words.by(e.attribute),
            f"{e.unknown:,} of {e.of:,}",
            words.width(e),
            words.span(e),
            "; ".join(tipping_words(t, e.kind, e.unknown) for t in e.tipping) or "–",
        )
        for e in entries
        if e.value is not None
    )


def tipping_words(t: Tipping, kind: str, unknown: int) -> str:
    """0.8: 12 people (9.1 %); placed at worst."""
    limit = f"{brief(100 * t.limit)} points" if kind == "difference" else brief(t.limit)
    if t.people is None:
        return f"{limit}: none ({words.why(t.reason)})"
    back = "back within " if t.beyond else ""
    return f"{back}{limit}: {t.people:,} ({words.share(t.people / unknown)} of them)"


def _error(e: LabelError) -> tuple[str, ...]:
    people = "no number of them" if e.people is None else f"{e.people:,} of {e.of:,} ({words.share(e.share)})"
    return (
        words.capital(words.metric(e.metric)),
        words.by(e.attribute),
        f"{words.name_of(e.higher)}, {words.name_of(e.lower)}",
        points(e.value),
        f"{brief(100 * e.limit)} points",
        people,
    )
