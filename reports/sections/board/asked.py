"""What is asked of the board: the decision, conditions to tick with owner and day, the day of review, where to sign."""

from __future__ import annotations

import datetime as dt

from audit.numbers import are, many
from reports import conditions, words
from reports.about import SAME
from reports.blocks import Block, Paragraph, Sources, Table

BOX = "\u2610"


def decision_asked_for(sources: Sources) -> str:
    members, quorum = sources.manifest.members, sources.manifest.quorum
    ways = ["It may go on as it is.", "It may go on with these conditions.", "It may not go on."]
    if sources.mitigation is not None:
        ways.insert(1, "It may go on with the candidate in its place.")
    # Each box stays with its words on one line.
    text = "   ".join(f"{BOX} {way}".replace(" ", "\u00a0") for way in ways)
    if members:
        text += f" {many(quorum, 'approval')} of {len(members)} {are(quorum)} needed."
    return text + " No figure decides this for you." + _before(sources)


def _before(sources: Sources) -> str:
    """The board's earlier decisions on this case, counted; the table is in the chapter Signatures."""
    lines = sources.said.register
    if not lines:
        return ""
    approvals = sum(line.decision == "approve" for line in lines)
    counted = f"{many(approvals, 'approval')}, {many(len(lines) - approvals, 'rejection')}"
    text = f" Before, on this case: {counted}, the last on {max(str(line.when)[:10] for line in lines)}."
    others = sum(line.on != SAME for line in lines)
    return text + (f" {others} of them not known to be on this model and this data." if others else "")


def conditions_of(sources: Sources) -> Block:
    asked = conditions.read(sources.manifest.extra.get("conditions", ()))
    if not asked:
        return Paragraph("No condition is proposed.")
    rows = tuple((f"{BOX} {c.number}", c.text, c.owner or "", c.due or "") for c in asked[: conditions.MOST])
    more = len(asked) - conditions.MOST
    note = f"{many(more, 'more condition')} of earlier reports stand in the register." if more > 0 else ""
    return Table("Conditions to tick", ("No.", "Condition", "Owner", "By (day)"), rows, note, (8, 58, 20, 14))


def sign(sources: Sources) -> list[Block]:
    day = dt.date.fromisoformat(sources.said.review) if sources.said.review else None
    when = "" if day is None else words.date(dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC))
    text = f"Day of review: {when}." if when else "Day of review: to be set."
    if sources.manifest.members:
        return [Paragraph(f"{text} Members sign in the chapter Signatures, each with a reason.")]
    empty = (("\u00a0\n\u00a0", "", ""),)
    return [Paragraph(f"{text} No member is named in this report. Whoever decides signs here:"),
            Table("Signature", ("Name", "Date", "Signature"), empty, "", (34, 20, 46))]  # fmt: skip
