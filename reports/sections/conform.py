"""The same data in the words of other tools, for people who must compare with a figure made elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from audit.conform import AIF360, CLARIFY, TOOLS
from audit.documents.evidence import Conformed, Evidence
from audit.documents.rows import Individual
from reports import words
from reports.blocks import Block, Heading, Paragraph, Table
from reports.sections import find


def rows_of(conformed: Sequence[Conformed], individual: Individual | None = None) -> list[tuple[str, str, str, str]]:
    """Tool, figure, of whom, value: single attributes only; those that need rows behind the others of their tool."""
    near = individual.neighbours if individual is not None else None
    flipped = near.clarify_flip_test.values if near is not None and near.clarify_flip_test is not None else ()
    of_rows: list[tuple[str, str, str, str]] = []
    asked = [(v.attribute, v.group) for v in conformed if v.tool == CLARIFY]
    for f in flipped:
        if (f.attribute, f.group) not in asked:
            continue
        who = f"{words.by(f.attribute)}: {words.name_of(f.group)}"
        of_rows.append((TOOLS[CLARIFY].title, "FT", who, words.number(f.value)))
    if near is not None and near.aif360_consistency is not None:
        of_rows.append((TOOLS[AIF360].title, "consistency", "everyone", words.number(near.aif360_consistency)))
    out = []
    for v in conformed:
        if len(v.attribute) != 1:
            continue
        who = words.by(v.attribute) + (f": {words.name_of(v.group)}" if v.group else "")
        tool = TOOLS[v.tool]
        out += [(tool.title, name, who, words.number(v.values[name])) for name in tool.shown if name in v.values]
    titles = [tool.title for tool in TOOLS.values()]
    return sorted([*out, *of_rows], key=lambda r: titles.index(r[0]))


def blocks(evidence: Evidence) -> list[Block]:
    """One table for the single attributes, each attribute's first group of Clarify; none where nothing was compared."""
    conformance = evidence.conformance
    if not conformance or not conformance.values:
        return []
    first: dict[tuple[str, ...], Conformed] = {}
    for v in conformance.values:
        if len(v.attribute) == 1:
            first.setdefault((v.tool, *v.attribute), v)
    rows = rows_of(list(first.values()), evidence.individual)
    note = " ".join(f"{TOOLS[t].title}: {text}." for t, text in conformance.tools.items())
    return [
        Heading("In the words of other tools"),
        Paragraph(
            "Tools differ in sign, in who is compared with whom, and in what zero over zero is. These figures are "
            "for comparing with one made elsewhere; the report's own stand above."
        ),
        Table(
            "Figures under the names and conventions of other tools",
            ("Tool", "Figure", "By", "Value"),
            tuple(rows[: find.MOST_ROWS]),
            f"{note} Without interval. All groups and figures stand in the evidence. A dash: no finite number.",
            (14, 42, 30, 14),
        ),
    ]
