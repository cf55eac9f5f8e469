"""The chapters of the report, in order; each file builds the blocks of its own from the sources."""

from __future__ import annotations

from reports.blocks import Section, Sources
from reports.sections import (
    board,
    bounds,
    checks,
    classes,
    closing,
    compared,
    data,
    explanations,
    further,
    history,
    law,
    measures,
    mitigation,
    pairs,
    regression,
    scope,
)


def sections_of(sources: Sources) -> tuple[Section, ...]:
    """All chapters; those on what was not done say so."""
    decides = sources.evidence.regression is None
    chapters = (
        board.section(sources),
        scope.reading(sources),
        scope.section(sources),
        scope.protocol(sources),
        data.section(sources),
        measures.norms(sources) if decides else None,
        measures.section(sources) if decides else None,
        regression.section(sources),
        classes.section(sources),
        further.section(sources),
        law.section(sources) if decides else None,
        explanations.section(sources),
        mitigation.section(sources),
        history.section(sources),
        compared.section(sources),
        pairs.section(sources) if decides else None,
        bounds.section(sources) if decides else None,
        closing.limits(sources),
        checks.lacking(sources),
        checks.crosswalk(sources),
        closing.glossary(sources),
        closing.verify(sources),
        closing.signatures(sources),
    )
    return tuple(c for c in chapters if c is not None)
