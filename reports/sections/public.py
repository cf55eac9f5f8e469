"""Page 2, for the public: what is decided, what was found, what was done, how to complain. It can be posted alone."""

from __future__ import annotations

from collections.abc import Mapping

from audit.documents.evidence import Evidence
from audit.numbers import many
from reports import words
from reports.blocks import Block, Heading, Lead, Paragraph, Points, Section, Sources
from reports.sections import board, find
from reports.sections.board.said import CAUSE, NO_OUTCOME, REFUSED


def section(sources: Sources) -> Section:
    """Nothing on this page needs another page."""
    evidence = sources.evidence
    case = evidence.stated
    blocks: list[Block] = [
        Lead(board.opening(evidence)),
        Heading("Who decides about whom"),
        Paragraph(_who(case)),
        Heading("What was found"),
        Points(tuple(_finding_lines(sources))),
        Heading("What was done about it"),
        Paragraph(_done(sources)),
        Heading("What is not known"),
        Points(tuple(_open(evidence))),
        Heading("How to ask or complain"),
        Paragraph(
            f"Write to: {case['contact']}"
            if "contact" in case
            else "No address was given for questions and complaints. Ask whoever made the decision about you."
        ),
        Heading("How to check this page"),
        Paragraph(
            f"{sources.manifest.auditor.name} made this check and signed it on {words.date(sources.manifest.issued)}. "
            "The counts behind it are inside this file, and no person can be found in them. Anyone can work out the "
            "figures again with the free program Assay: “assay verify FILE”."
        ),
    ]
    return Section("public", "For the public: one page", tuple(blocks))


def _who(case: Mapping[str, str]) -> str:
    parts = [f"{board.LABELS[k]}: {str(case[k]).rstrip('.')}." for k in board.LABELS if k in case and k != "contact"]
    return " ".join(parts) if parts else "It was not stated who decides, about whom, and with which system."


def _finding_lines(sources: Sources) -> list[str]:
    evidence = sources.evidence
    out = []
    for attribute in find.attributes(evidence, alone=True)[:3]:
        pair = board.most_people(evidence, attribute)
        short = None if pair is None else board.short_of(evidence, pair)
        if pair is None or short is None:
            continue
        names = words.apart(words.name_of(pair.higher), words.name_of(pair.lower), 60)
        top, bottom = (f"“{name}”" for name in names)
        out.append(
            f"By {words.attribute(evidence.stated, attribute, 60)}: if {bottom} got it as often as {top}, "
            f"{board.more_of(evidence, short[0])} would have it."
        )
    return [*out, *board.worse_off(evidence)] or ["No two groups could be compared."]


def _done(sources: Sources) -> str:
    m = sources.mitigation
    if m is None and sources.search is not None:
        return f"A search tried other ways of deciding: {len(sources.search.trials)}. Nobody has picked one so far."
    if m is None:
        return "No other way of deciding has been tried so far."
    decision = m.decision
    text = f"Another way was tried ({m.title.lower()}) and compared with the one in use."
    clear = sum(bool(c.worse and c.clear) for c in m.changes)
    text += f" {many(clear, 'figure')} would get worse with it." if clear else ""
    if not decision:
        return text + " Nobody has decided yet whether to take it."
    return text + f" It was {'accepted' if decision.accepted else 'rejected'}."


def _open(evidence: Evidence) -> list[str]:
    out = [CAUSE, NO_OUTCOME if evidence.data.label is None else REFUSED]
    missing = [r for r in evidence.rates if not r.estimable]
    if missing:
        out.append("How some small groups fare: too few people are in them.")
    return out
