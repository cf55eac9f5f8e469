"""The chapters of the report, in order; each file builds the blocks of its own from the sources."""

from __future__ import annotations

from reports.blocks import Section, Sources
from reports.sections import board, closing, data, explanations, measures, mitigation, scope


def sections_of(sources: Sources) -> tuple[Section, ...]:
    """All chapters; those on what was not done say so."""
    return (
        board.section(sources),
        scope.section(sources),
        scope.protocol(sources),
        data.section(sources),
        measures.norms(sources),
        measures.section(sources),
        explanations.section(sources),
        mitigation.section(sources),
        closing.limits(sources),
        closing.lacking(sources),
        closing.crosswalk(sources),
        closing.glossary(sources),
        closing.verify(sources),
        closing.signatures(sources),
    )
