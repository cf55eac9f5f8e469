"""Which groups the documents of a run name: those of its audit, under the same names.

Other bands of an age, or another column of the same file, make other groups; figures of both must not stand in one
report.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from audit.cube import UNLABELLED
from audit.cube_json import margins_from_json
from audit.documents.evidence import Evidence
from audit.documents.explanations import Explanations
from audit.documents.mitigation import Mitigation

Named = Iterable[tuple[str, str]]
"""Columns, and values of them."""


def of_the_same(named: Named, shown: set[tuple[str, str]], words: str) -> Iterator[tuple[str, Any, Any]]:
    """How many groups a document names that the audit does not have."""
    yield f"how many groups of {words} are none of the audit's", len(set(named) - shown), 0


def named_in_cube(cube: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Also those that are withheld: of them the name is told."""
    singles = [m for m in margins_from_json(dict(cube)) if len(m.attribute) == 1]
    return {(m.attribute[0], g[0]) for m in singles for g in m.groups}


def named_in_mitigation(mitigation: Mitigation) -> set[tuple[str, str]]:
    return {group for cube in mitigation.cubes.values() if cube is not None for group in named_in_cube(cube)}


def people_pairs(mitigation: Mitigation, cube: Mapping[str, Any], evidence: Evidence) -> Iterator[tuple[str, Any, Any]]:
    """Where the case splits the rows, a mitigation is measured on those audited, or those with an outcome."""
    whole = next(m for m in margins_from_json(dict(cube)) if not m.attribute)
    if mitigation.splits.made_by == "case" and not evidence.data.rows_at_most:
        rows, most = mitigation.splits.test, evidence.data.audited_rows
        unlabelled = len(whole.n) > UNLABELLED and bool(whole.n[UNLABELLED].any())
        yield "the people of the mitigation", min(rows, most) if unlabelled else rows, rows if unlabelled else most


def named_in_explanations(explained: Explanations) -> Iterator[tuple[str, str]]:
    for mean in explained.groups:
        yield from zip(mean.attribute, mean.group, strict=True)
    for held in explained.fidelity:
        yield from zip(held.attribute, held.group, strict=True)


def named_in(document: Any) -> Iterator[tuple[str, str]]:
    """Of stress.json and whatif.json: `groups` beside a column, or in the counts that stand beside it."""
    if isinstance(document, list):
        for item in document:
            yield from named_in(item)
    elif isinstance(document, dict):
        attribute, counts = document.get("attribute"), document.get("counts")
        groups = document.get("groups", counts.get("groups") if isinstance(counts, dict) else None)
        if isinstance(attribute, list) and len(attribute) == 1 and isinstance(groups, list):
            yield from ((str(attribute[0]), str(g)) for g in groups)
        for item in document.values():
            yield from named_in(item)
