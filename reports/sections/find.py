"""Looking records up in the evidence, and choosing what is printed of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

Record = dict[str, Any]

MOST_ROWS = 40
MOST_ATTRIBUTES = 12
MOST_INTERSECTIONS = 4


def one(records: Iterable[Record], **wanted: object) -> Record | None:
    """The first record whose fields equal `wanted`, or None."""
    return next((r for r in records if all(r.get(k) == v for k, v in wanted.items())), None)


def every(records: Iterable[Record], **wanted: object) -> list[Record]:
    """All of them."""
    return [r for r in records if all(r.get(k) == v for k, v in wanted.items())]


def attributes(evidence: Record, *, alone: bool = False) -> list[list[str]]:
    """The attributes and intersections that were audited, in order."""
    found: list[list[str]] = []
    for gap in evidence["gaps"] or [c for c in evidence["counts"] if c["attribute"]]:
        if gap["attribute"] not in found and not (alone and len(gap["attribute"]) > 1):
            found.append(gap["attribute"])
    return found


def printed(evidence: Record) -> list[list[str]]:
    """What has tables of its own: the first attributes, and the intersections of the widest gaps in selection."""
    found = attributes(evidence)
    alone = [a for a in found if len(a) == 1][:MOST_ATTRIBUTES]
    crossed = sorted((a for a in found if len(a) > 1), key=lambda a: -_width(evidence, a))[:MOST_INTERSECTIONS]
    return [a for a in found if a in alone or a in crossed]


def not_printed(evidence: Record) -> int:
    """How many attributes and intersections have no tables of their own."""
    return len(attributes(evidence)) - len(printed(evidence))


def _width(evidence: Record, attribute: list[str]) -> float:
    found = gap(evidence, "selection_rate", attribute)
    return found["value"] if found and found["value"] is not None else -1.0


def rate(evidence: Record, metric: str, attribute: Sequence[str], group: Sequence[str]) -> Record | None:
    """One rate of one group."""
    return one(evidence["rates"], metric=metric, attribute=list(attribute), group=list(group))


def gap(evidence: Record, metric: str, attribute: Sequence[str], kind: str = "difference") -> Record | None:
    """One gap."""
    return one(evidence["gaps"], metric=metric, attribute=list(attribute), kind=kind)


def people(evidence: Record, attribute: Sequence[str], group: Sequence[str]) -> int | None:
    """Rows in one group, unweighted; None where they are withheld."""
    found = one(evidence["counts"], attribute=list(attribute), group=list(group))
    return None if found is None or found["suppressed"] else int(found["rows"])


def cut(rows: int, what: str = "groups") -> str:
    """What a table's note says where rows are left out of print."""
    return "" if rows <= MOST_ROWS else f"{MOST_ROWS} of {rows:,} {what} are printed; all are in the embedded evidence."
