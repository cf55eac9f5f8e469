"""Audits of many intersections: what evidence.json tells group by group, and what it leaves to the cube beside it.

Eight attributes have 84 intersections of two or three, and a record for every group, rate and pair of each is 25 MB;
cube.json has the counts that all of it follows from in a hundredth of that. So where there are more than MOST
intersections, those of the widest gaps in selection are told in full, KEPT of them and all that a norm names; of the
others the counts and the gaps of OF_THE_REST stand there. `left_to_cube` names them, `rates_of` makes their rates, and
verification makes everything and compares what is told. Up to MOST nothing is left out. The arms of mitigation.json
are told by the same rule, all of them of the original's widest.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from audit.cube import Margin
from audit.documents import record_in
from audit.documents.evidence import LeftToCube
from audit.files import canonical
from audit.findings import NormResult
from audit.metrics import ACCURACY, EQUAL_OPPORTUNITY, EQUALIZED_ODDS, SELECTION_RATE, metrics_for
from audit.numbers import are, many
from audit.values import DatasetMeasure, Gap, Measures, Pair, Rate, Reach

MOST = 12
KEPT = 6
OF_THE_REST = (SELECTION_RATE, ACCURACY, EQUAL_OPPORTUNITY, EQUALIZED_ODDS)
KEY = "left_to_cube"
Names = tuple[str, ...]
T = TypeVar("T", Rate, DatasetMeasure, Pair, Reach)


def left_to_cube(
    margins: Sequence[Margin], gaps: Sequence[Gap], norms: Sequence[Mapping[str, Any]],
    *, document: str = "evidence.json", cube: str = "cube.json",
) -> LeftToCube | None:  # fmt: skip
    """Which intersections are left to the cube, in the order of the margins; None where all are told.

    document, cube: what the sentence calls the two.
    """
    crossed = [m.attribute for m in margins if len(m.attribute) > 1]
    if len(crossed) <= MOST:
        return None
    width = {g.attribute: g.value for g in gaps if (g.metric, g.kind) == (SELECTION_RATE, "difference")}

    def wide(attribute: Names) -> float:
        value = width.get(attribute)
        return -1.0 if value is None else value

    judged = record_in(tuple[NormResult, ...], list(norms), "evidence.json")
    shown = {n.attribute for n in judged} | set(sorted(crossed, key=lambda a: -wide(a))[:KEPT])
    left = tuple(a for a in crossed if a not in shown)
    if not left:
        return None
    groups = sum(len(m.groups) for m in margins if m.attribute in left)
    why = (
        f"Of {many(len(crossed), 'intersection')} {len(crossed) - len(left)} {are(len(crossed) - len(left))} told "
        "group by group: those with the widest gaps in selection, and those that a norm names. Of the other "
        f"{len(left)} ({many(groups, 'group')}) the counts and the gaps of {many(len(OF_THE_REST), 'measure')} stand "
        f"in {document}; all else about them follows from {cube}, and was counted in every adjusted p-value."
    )
    return LeftToCube(left, groups, OF_THE_REST, why)


def told_of(measures: Measures, left: LeftToCube | None) -> Measures:
    """What evidence.json has of the measures; the same as `thinned` of all of it."""
    if left is None:
        return measures
    gone = set(left.attributes)

    def kept(records: tuple[T, ...]) -> tuple[T, ...]:
        return tuple(r for r in records if r.attribute not in gone)

    gaps = tuple(g for g in measures.gaps if g.attribute not in gone or g.metric in OF_THE_REST)
    return replace(
        measures, rates=kept(measures.rates), gaps=gaps, dataset=kept(measures.dataset), pairs=kept(measures.pairs),
        power=kept(measures.power),
    )  # fmt: skip


def thinned(document: Mapping[str, Any], left: LeftToCube | None) -> dict[str, Any]:
    """The entries of evidence.json without the records on groups of intersections that are left to the cube."""
    if left is None:
        return dict(document)
    gone = set(left.attributes)
    return {k: v if k == "counts" else _without(v, gone) for k, v in document.items()}


def _without(entry: Any, gone: set[Names]) -> Any:
    if isinstance(entry, dict):
        return {k: _without(v, gone) if isinstance(v, dict | list | tuple) else v for k, v in entry.items()}
    if isinstance(entry, list | tuple) and any(isinstance(v, dict) for v in entry[:1]):
        return [_without(v, gone) for v in entry if not _left(v, gone)]
    return entry


def _left(record: Mapping[str, Any], gone: set[Names]) -> bool:
    if tuple(record.get("attribute") or ()) not in gone:
        return False
    if "kind" in record:
        return record.get("metric") not in OF_THE_REST
    return "group" in record or "higher" in record


def with_left(evidence: dict[str, Any], left: LeftToCube | None, names: Collection[str]) -> dict[str, Any]:
    """evidence.json with its entries `names` thinned, and with what was left out named; a note says so too."""
    out = evidence | thinned({k: v for k, v in evidence.items() if k in names}, left)
    was = (out.pop(KEY, None) or {}).get("why")
    notes = [n for n in out.get("notes", []) if n != was]
    if left is None:
        return out | {"notes": notes}
    attributes = [list(a) for a in left.attributes]
    named = {"attributes": attributes, "groups": left.groups, "gaps_of": list(left.gaps_of), "why": left.why}
    return out | {"notes": [*notes, left.why], KEY: named}


def written(evidence: Mapping[str, Any]) -> bytes:
    """evidence.json as bytes: a value a line, but for a wide audit without blanks."""
    return canonical(evidence, compact=KEY in evidence)


def rates_of(margin: Margin, metric: str | None, alpha: float) -> list[Rate]:
    """One rate of a margin's groups, or all, of an intersection that is left to the cube; no rates of scores."""
    from audit.measure import group_rates

    wanted = [m for m in metrics_for(margin.meaning) if metric in (None, m.name)]
    return [r for m in wanted for r in group_rates(margin, m, alpha)]
