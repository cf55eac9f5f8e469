"""What the loop did: how each norm's gap moved, events, decisions by people, and the trail that it rests on."""

from __future__ import annotations

from collections.abc import Sequence

from audit.documents.series import LoopEvent, Point, Series, Standing
from audit.documents.watch import Watch
from audit.numbers import are, brief, many
from reports import words
from reports.blocks import Block, Figure, Heading, Lead, Notice, Paragraph, Section, Sources, Table
from reports.chart_sequence import sequence

MOST = 40


AUTOMATIC = "This policy lets the loop change the model without a person's approval."


def taken(loop: Series | Watch) -> str:
    """How much came, in a sentence."""
    return (
        f"{many(loop.batches, 'batch')} with {many(loop.rows, 'person')} {are(loop.batches, 'was', 'were')} taken; "
        f"outcomes are due for {loop.matured:,} of them."
    )


def section(sources: Sources) -> Section | None:
    """The chapter, or None where no loop ran."""
    series = sources.history
    if not series:
        return None
    policy = series.policy
    kinds = [e.kind for e in series.events]
    blocks: list[Block] = [
        Lead(f"{taken(series)} The loop stands at {series.state}."),
        Paragraph(
            f"It found a norm broken or a group harmed {words_times(kinds.count('confirmed'))}, changed the model "
            f"{words_times(kinds.count('promoted'))}, went back {words_times(kinds.count('rolled_back'))}, and had "
            f"{many(kinds.count('incident'), 'batch')} that could not be used. The policy changed "
            f"{words_times(kinds.count('policy'))}."
        ),
    ]
    if policy.automatic:
        blocks.append(Notice(AUTOMATIC))
    for norm in series.norms:
        blocks += _moved(norm, series.timeline)
    blocks += _recomputable(series.timeline)
    blocks += _decisions(series.decisions)
    blocks += _events(series.events)
    blocks += _trail(series)
    return Section("history", "What the loop did", tuple(blocks))


def _recomputable(timeline: Sequence[Point]) -> list[Block]:
    sources = [n.source for p in timeline for n in p.norms]
    if not sources:
        return []
    text = (
        f"Of {many(len(sources), 'figure')} after batches, {sources.count('counts'):,} can be recomputed from "
        "series.json."
    )
    if withheld := sources.count("withheld"):
        text += f" {withheld:,} {words.are(withheld)} withheld, since too few people of a group came since the figure "
        text += "before."
    if bare := sources.count("loop"):
        text += f" {bare:,} cannot be recomputed: their counts are small or were not kept. They are rounded."
    return [Paragraph(text)]


def words_times(count: int) -> str:
    """How often, in words."""
    return {0: "never", 1: "once", 2: "twice"}.get(count, many(count, "time"))


def _moved(norm: Standing, timeline: Sequence[Point]) -> list[Block]:
    points = []
    for p in timeline:
        judged = next((n for n in p.norms if n.key == norm.key), None)
        if judged is None or p.number is None or judged.value is None or judged.low is None or judged.high is None:
            continue
        points.append((p.number, judged.value, judged.low, judged.high))
    name = f"{words.capital(words.metric(norm.metric))}, {norm.kind} by {words.by(norm.attribute)}"
    if not points:
        return [Heading(name), Paragraph("It could not be judged in any batch.")]
    at = points[-1]
    text = (
        f"{words.number(at[1])} {words.bracket(at[2], at[3], percent=False)} after batch {at[0]}; "
        f"the limit is {brief(norm.limit)}"
    )
    return [
        Heading(name),
        Figure(
            sequence(points, norm.limit),
            f"{name} after each batch with its confidence sequence: {text}.",
            f"{name}: {text}. Grey: the confidence sequence, which holds at all batches together. It is counted "
            "afresh when the model changes.",
        ),
    ]


def _decisions(decisions: Sequence[LoopEvent]) -> list[Block]:
    if not decisions:
        return [Heading("Decisions on models"), Paragraph("No challenger was promoted, turned down or taken back.")]
    rows = tuple(
        (
            _day(d.time),
            str(d.kind).replace("_", " "),
            str(d.model or d.running)[:12],
            _who(d),
            str(d.reason or d.words),
        )
        for d in decisions[-MOST:]
    )
    return [
        Heading("Decisions on models"),
        Table("What was done, by whom and why", ("When", "What", "Model", "By", "Why"), rows, "", (14, 13, 16, 15, 42)),
    ]


def _who(decision: LoopEvent) -> str:
    if decision.by:
        return str(decision.by)
    return "the loop, without a person" if decision.kind == "promoted" else "the loop"


def _events(events: Sequence[LoopEvent]) -> list[Block]:
    shown = events[-MOST:]
    more = f" The last {MOST} of {len(events):,} are printed; series.json has the others." if len(events) > MOST else ""
    rows = tuple((str(e.seq), _day(e.time), str(e.kind).replace("_", " "), str(e.words), str(e.after)) for e in shown)
    table = Table(
        "What was found and done, in order",
        ("Entry", "When", "Kind", "In words", "State after"),
        rows,
        "Batches in which nothing happened are left out." + more,
        (8, 14, 13, 47, 18),
    )
    return [Heading("Events"), table] if rows else []


def _trail(series: Series) -> list[Block]:
    trail = series.trail
    text = f"The trail has {many(trail.entries, 'entry')}, the last of {_day(trail.time)}."
    if trail.links:
        head = trail.links[-1]
        text += f" Its head is {head.hash}, sealed as {head.seal}. Hashes, times and seals are in series.json."
    else:
        text += " It was not beside the run, so its chain is not embedded."
    return [Heading("The record this rests on"), Paragraph(text)]


def _day(time: str | None) -> str:
    return str(time)[:16].replace("T", " ")
