"""The chapters of the report, in order; each file builds the blocks of its own from the sources."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reports.blocks import Section, Sources
from reports.sections import (
    board,
    bounds,
    brief,
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
    public,
    regression,
    scope,
    stress,
)

FULL, SHORT, NONE, SUMMARY = "full", "short", "none", "summary"
ANNEXES = (FULL, SHORT, NONE)
"""How much of the annex is printed, as the manifest records it; "summary" prints the public page alone."""


def sections_of(sources: Sources) -> tuple[Section, ...]:
    """All chapters: the body, then as much of the annex as the manifest says; the file's own facts come last."""
    wanted = annex_of(sources.manifest.extra)
    if wanted == SUMMARY:
        return (public.section(sources), closing.signatures(sources, alone=True))
    decides = sources.evidence.regression is None
    body = (
        board.section(sources),
        public.section(sources),
        scope.section(sources),
        brief.people(sources),
        measures.norms(sources.evidence) if decides else None,
        brief.results(sources) if decides else None,
        regression.section(sources),
        *law.sections(sources),
        brief.tried(sources),
        stress.section(sources),
        history.section(sources),
        closing.limits(sources),
        checks.lacking(sources),
    )
    annex = (
        scope.reading(sources),
        scope.protocol(sources),
        data.section(sources),
        measures.section(sources) if decides else None,
        mitigation.section(sources) if sources.mitigation or sources.search else None,
        classes.section(sources),
        explanations.section(sources),
        compared.section(sources),
        bounds.section(sources) if decides else None,
        *(
            (
                further.section(sources),
                pairs.section(sources) if decides else None,
                closing.glossary(sources),
            )
            if wanted == FULL
            else ()
        ),
    )
    last = (closing.verify(sources), closing.signatures(sources), closing.identity(sources))
    return tuple(c for c in (*body, *(annex if wanted != NONE else ()), *last) if c is not None)


def annex_of(extra: Mapping[str, Any]) -> str:
    """What the manifest says of the annex; everything where it says nothing. Raises ValueError."""
    annex = extra.get("annex", FULL)
    if annex not in (*ANNEXES, SUMMARY):
        raise ValueError("the manifest names no known annex")
    return str(annex)
