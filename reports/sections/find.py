"""Looking records up in the evidence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

Record = dict[str, Any]


def one(records: Iterable[Record], **wanted: object) -> Record | None:
    """The first record whose fields equal `wanted`, or None."""
    return next((r for r in records if all(r.get(k) == v for k, v in wanted.items())), None)


def every(records: Iterable[Record], **wanted: object) -> list[Record]:
    """All of them."""
    return [r for r in records if all(r.get(k) == v for k, v in wanted.items())]


def attributes(evidence: Record, *, alone: bool = False) -> list[list[str]]:
    """The attributes and intersections that were audited, in order."""
    found: list[list[str]] = []
    for gap in evidence["gaps"]:
        if gap["attribute"] not in found and not (alone and len(gap["attribute"]) > 1):
            found.append(gap["attribute"])
    return found


def rate(evidence: Record, metric: str, attribute: Sequence[str], group: Sequence[str]) -> Record | None:
    """One rate of one group."""
    return one(evidence["rates"], metric=metric, attribute=list(attribute), group=list(group))


def gap(evidence: Record, metric: str, attribute: Sequence[str], kind: str = "difference") -> Record | None:
    """One gap."""
    return one(evidence["gaps"], metric=metric, attribute=list(attribute), kind=kind)
