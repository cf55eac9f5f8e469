"""Looking records up in the evidence, and choosing what is printed of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

from audit.documents.base import Names
from audit.metrics import EQUAL_OPPORTUNITY, SELECTION_RATE
from audit.numbers import many
from audit.values import Count, Gap, Rate

T = TypeVar("T")


class Measured(Protocol):
    """What holds rates, gaps and counts: the evidence, or an arm of a mitigation."""

    @property
    def rates(self) -> tuple[Rate, ...]: ...
    @property
    def gaps(self) -> tuple[Gap, ...]: ...
    @property
    def counts(self) -> tuple[Count, ...]: ...


MOST_ROWS = 40
MOST_DRAWN = 12
"""Groups in one chart, which no page can divide."""
MOST_ATTRIBUTES = 12
MOST_INTERSECTIONS = 4


def one(records: Iterable[T], **wanted: object) -> T | None:
    """The first record whose fields equal `wanted`, or None."""
    return next((r for r in records if all(getattr(r, k) == v for k, v in wanted.items())), None)


def every(records: Iterable[T], **wanted: object) -> list[T]:
    """All of them."""
    return [r for r in records if all(getattr(r, k) == v for k, v in wanted.items())]


def attributes(evidence: Measured, *, alone: bool = False) -> list[Names]:
    """The attributes and intersections that were audited, in order."""
    audited: list[Names] = []
    measured: list[Gap | Count] = list(evidence.gaps) or [c for c in evidence.counts if c.attribute]
    for entry in measured:
        if entry.attribute not in audited and not (alone and len(entry.attribute) > 1):
            audited.append(entry.attribute)
    return audited


def printed(evidence: Measured) -> list[Names]:
    """What has tables of its own: the first attributes, and the intersections of the widest gaps in selection."""
    audited = attributes(evidence)
    alone = [a for a in audited if len(a) == 1][:MOST_ATTRIBUTES]
    crossed = sorted((a for a in audited if len(a) > 1), key=lambda a: -_width(evidence, a))[:MOST_INTERSECTIONS]
    return [a for a in audited if a in alone or a in crossed]


def not_printed(evidence: Measured) -> int:
    """How many attributes and intersections have no tables of their own."""
    return len(attributes(evidence)) - len(printed(evidence))


def _width(evidence: Measured, attribute: Names) -> float:
    selection_gap = gap(evidence, SELECTION_RATE, attribute)
    return selection_gap.value if selection_gap and selection_gap.value is not None else -1.0


def rate(evidence: Measured, metric: str, attribute: Sequence[str], group: Sequence[str]) -> Rate | None:
    """One rate of one group."""
    return one(evidence.rates, metric=metric, attribute=tuple(attribute), group=tuple(group))


def gap(evidence: Measured, metric: str, attribute: Sequence[str], kind: str = "difference") -> Gap | None:
    """One gap."""
    return one(evidence.gaps, metric=metric, attribute=tuple(attribute), kind=kind)


def people(evidence: Measured, attribute: Sequence[str], group: Sequence[str]) -> int | None:
    """Rows in one group, unweighted; None where they are withheld."""
    count = one(evidence.counts, attribute=tuple(attribute), group=tuple(group))
    return None if count is None or count.suppressed else int(count.rows)


def kept(evidence: Measured, attribute: Sequence[str], most: int = MOST_ROWS) -> list[Names]:
    """The groups of an attribute that are printed: of many, both ends of every gap, then the largest; in order."""
    counts = [c for c in evidence.counts if c.attribute == tuple(attribute)]
    groups = [c.group for c in counts]
    if len(groups) <= most:
        return groups
    gaps = [g for g in evidence.gaps if g.attribute == tuple(attribute)]
    gaps.sort(key=lambda g: (g.metric != SELECTION_RATE, g.metric != EQUAL_OPPORTUNITY))
    return some_of(groups, ends(gaps), {c.group: c.rows or 0 for c in counts}, most)


def ends(gaps: Iterable[Gap]) -> list[Names]:
    return [group for g in gaps for group in (g.highest, g.lowest) if group]


def some_of(
    groups: Sequence[Names], first: Sequence[Names], size: Mapping[Names, float], most: int = MOST_ROWS
) -> list[Names]:
    """Of many groups those that are printed: up to half of them from `first`, then the largest; in their order."""
    if len(groups) <= most:
        return list(groups)
    largest = sorted(groups, key=lambda g: -(size.get(g) or 0))
    chosen: list[Names] = []
    for group in (*first[: most // 2], *largest):
        if group not in chosen and group in groups and len(chosen) < most:
            chosen.append(group)
    return [g for g in groups if g in chosen]


def drawn(rates: Sequence[Rate], gap: Gap | None) -> list[Rate]:
    """The rates that a chart has room for: of many, both ends of the gap and the largest groups; in order."""
    if len(rates) <= MOST_DRAWN:
        return list(rates)
    ends = () if gap is None else (gap.highest, gap.lowest)
    chosen = sorted(rates, key=lambda r: (r.group not in ends, -(r.denominator or 0)))[:MOST_DRAWN]
    return [r for r in rates if r in chosen]


def some(of: int) -> str:
    """What a chart's caption says where it does not draw every group."""
    return "" if of <= MOST_DRAWN else f" ({MOST_DRAWN} of {many(of, 'group')})"


def cut(rows: int, what: str = "groups", most: int = MOST_ROWS) -> str:
    """What a table's note says where rows are left out of print."""
    return "" if rows <= most else f"{most} of {rows:,} {what} are printed; all are in the embedded evidence."
