"""What a loop's record says while it runs, as blocks: where it stands, its norms, the gate, groups, what it did.

The chapter of a report on a loop (reports.sections.history) says of series.json in the same words what both know.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from audit.documents.series import LoopEvent
from audit.documents.watch import GroupNow, NormNow, Noticed, PutAside, ShadowNow, Watch
from audit.findings import p_words
from audit.numbers import are, brief, fixed, many, percent
from debias.loop.modes import STANDS
from reports.blocks import Block, Heading, Notice, Paragraph, Points, Table
from reports.sections.history import AUTOMATIC, taken

SERIOUS = ("CONFIRMED", "FROZEN", "DATA_INCIDENT", "APPROVAL", "ROLLED_BACK")
NORM = {
    "inside": "inside",
    "outside": "clearly outside",
    "undecided": "cannot be told",
    "not_estimable": "not estimable",
}
STATUS = {"harmed": "wronged more often", "undecided": "UNDECIDED", "watched": "judged with every batch"}
HOLDS = {True: "holds", False: "does not hold", None: "too early to say"}
FIRST_OF_CHECKS = {False: 0, None: 1, True: 2}
LAST, NAMED = 40, 8


def standing(watch: Watch) -> list[Block]:
    """Where it stands, in plain words, and what came so far."""
    text = f"{watch.state.replace('_', ' ')}. {STANDS[watch.state]}"
    run = f"Policy {watch.policy.version}. Running model {watch.running[:12]}."
    blocks: list[Block] = [
        Notice(text) if watch.state in SERIOUS else Paragraph(text),
        Paragraph(f"{taken(watch)} {run}"),
    ]
    return [*blocks, Notice(AUTOMATIC)] if watch.policy.automatic else blocks


def noticed(notices: Sequence[Noticed]) -> list[Block]:
    """What went wrong beside the feed, the newest first: a file passed over, an alert that was not taken."""
    if not notices:
        return []
    newest = notices[-1]
    out: list[Block] = [Notice(f"Noticed on {_second(newest.last)} (UTC): {newest.words}")]
    if len(notices) > 1:
        rows = tuple((_second(n.last), n.words, str(n.times)) for n in reversed(notices))
        out.append(Table("What was noticed beside the feed, newest first", ("Last", "What", "How often"), rows))
    return out


def norm_name(norm: NormNow) -> str:
    """selection rate difference by sex"""
    return f"{norm.metric.replace('_', ' ')} {norm.kind} by {' and '.join(norm.attribute)}"


def norms(watch: Watch) -> list[Block]:
    """Where each norm stands under the running model."""
    heads = ("Norm", "By", "Limit", "Measured", "At all times together, 95 %", "Where it stands",
             "People in the smaller group")  # fmt: skip
    rows = tuple(
        (
            f"{n.metric.replace('_', ' ')}, {n.kind}",
            " and ".join(n.attribute),
            brief(n.limit),
            fixed(n.value, 3),
            str(n.reason) if n.value is None else f"{fixed(n.low, 3)} to {fixed(n.high, 3)}",
            NORM[str(n.status)],
            str(n.people),
        )
        for n in watch.norms
    )
    return [Table("Norms and where the running model stands", heads, rows)] if rows else []


def takeaway(name: str, norm: NormNow) -> str:
    """One norm's course in a sentence."""
    if norm.value is None:
        return f"{name}: not estimable ({norm.reason})."
    stands = NORM[str(norm.status)]
    return (
        f"{name}: {fixed(norm.value, 3)} so far; the widest gap of all groups is between {fixed(norm.low, 3)} and "
        f"{fixed(norm.high, 3)} at all times together; limit {brief(norm.limit)}: {stands}. {of_two(norm)}"
    )


def of_two(norm: NormNow) -> str:
    """The two groups named, with what is known of these two: their own interval and p-value, not the widest gap's."""
    named = f"Highest in {norm.highest}, lowest in {norm.lowest}"
    if norm.pair_low is None:
        return f"{named}; nothing is said here of these two alone."
    return (
        f"{named}: of these two between {fixed(norm.pair_low, 3)} and {fixed(norm.pair_high, 3)}, "
        f"{p_words(norm.pair_p)} for no difference between them, adjusted for all pairs of groups and all times."
    )


def events(loop_events: Sequence[LoopEvent]) -> list[Block]:
    """Why the loop did what it did: a sentence each, newest first."""
    rows = tuple((_second(e.time), e.kind.replace("_", " "), e.words) for e in list(reversed(loop_events))[:LAST])
    more = f"{len(loop_events) - LAST:,} earlier ones are in the trail." if len(loop_events) > LAST else ""
    return [Table("What the loop did, newest first", ("When", "What", "Why"), rows, more)] if rows else []


def gate(beside: ShadowNow | None) -> list[Block]:
    """The conditions of the gate, those not met first, and both models on the same people."""
    if beside is None or beside.gate is None:
        return []
    left = {c.name for c in beside.gate.undecided}
    checks = sorted(beside.gate.checks, key=lambda c: FIRST_OF_CHECKS[c.holds])
    rows = tuple((c.words, "undecided" if c.name in left else HOLDS[c.holds]) for c in checks)
    batches = many(beside.batches, "batch")
    return [
        Heading(f"The challenger by {beside.method.replace('_', ' ')}, after {batches}"),
        Table("Conditions of the gate, those not met first", ("Condition", "It"), rows),
        *_both(beside),
    ]


def _both(beside: ShadowNow) -> list[Block]:
    """Before and after: the gaps of both models on the same people."""
    after = {n.key: n for n in beside.theirs}
    rows = tuple((norm_name(n), _gap(n), _gap(after.get(n.key)), brief(n.limit)) for n in beside.ours)
    caption = "Gaps of the running model and of the challenger on the same people"
    return [Table(caption, ("On the same people", "Running model", "Challenger", "Limit"), rows)] if rows else []


def _gap(n: NormNow | None) -> str:
    if n is None or n.value is None:
        return "not estimable"
    return f"{fixed(n.value, 3)} ({fixed(n.low, 3)} to {fixed(n.high, 3)})"


def groups(groups_now: Sequence[GroupNow]) -> list[Block]:
    """Everyone who came, those of whom nothing is known first."""
    if not groups_now:
        return []
    out: list[Block] = [Heading("Is anybody wronged more often than before?")]
    if waiting := [g for g in groups_now if g.status == "undecided"]:
        who = ", ".join(
            f"{g.group} ({g.attribute}: {many(g.outcomes, 'person')} with outcomes)" for g in waiting[:NAMED]
        )
        more = f" and {len(waiting) - NAMED} more" if len(waiting) > NAMED else ""
        out.append(Notice(f"UNDECIDED for {who}{more}: this is no good news about them."))
    heads = ("Group", "People", "With outcomes", "Decided wrongly", "At first", "In the newest batches", "Stands")
    order = tuple(STATUS)
    rows = tuple(
        (
            f"{g.group} ({g.attribute})",
            str(g.people),
            str(g.outcomes),
            str(g.wrong),
            percent(g.first),
            percent(g.newest),
            STATUS.get(g.status, g.status) + (f": {g.reason}" if g.reason else ""),
        )
        for g in sorted(groups_now, key=lambda g: (order.index(g.status), g.attribute, -g.people))
    )
    caption = "Every group that came, and whether it is judged, those harmed or undecided first"
    return [*out, Table(caption, heads, rows)]


def changes(open_changes: Sequence[Any] | None) -> list[Block]:
    """Open changes of who comes, what is decided and what is served."""
    from debias.loop.sentences import change_words

    if not open_changes:
        return []
    return [Notice("Changed, and not yet known to a person:"), Points(tuple(change_words(c) for c in open_changes))]


def aside(put_aside: PutAside) -> list[Block]:
    """Rows and batches that were put aside."""
    from debias.loop.sift import shown

    texts = []
    if put_aside.reasons:
        texts.append(f"Put aside or left out so far: {shown(put_aside.reasons)}. Rows are in the folder quarantine.")
    if put_aside.held:
        texts.append(f"{many(put_aside.held, 'batch')} {are(put_aside.held, 'was', 'were')} put aside.")
    return [Paragraph(text) for text in texts]


def _second(time: str) -> str:
    return time[:19].replace("T", " ")
