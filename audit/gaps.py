"""How to measure (Settings), which groups take part in a gap, and the record of one gap."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from audit import stats
from audit.cube import Margin
from audit.values import UNKNOWN, Gap

KINDS = ("difference", "ratio")
HANDFUL = 5
"""So few decisions of the rarer kind, and under FEW of all, decide between nobody."""
FEW = 0.05


@dataclass(frozen=True, slots=True)
class Settings:
    """How to measure. `floor`: groups of fewer people take no part in a gap while two others remain.

    order: intersections of up to so many attributes. reference: attribute -> group that gaps are taken against.
    repeated: (rows, people) by `id` where rows of one person are taken for people: no norm is then called inside.
    """

    seed: int = 0
    draws: int = 2000
    alpha: float = 0.05
    floor: int = 10
    order: int = 3
    reference: Mapping[str, str] = field(default_factory=dict)
    repeated: tuple[int, int] | None = None

    def to_json(self) -> dict[str, object]:
        return {
            "seed": self.seed,
            "draws": self.draws,
            "alpha": self.alpha,
            "floor": self.floor,
            "order": self.order,
            "reference": dict(self.reference),
            **({} if self.repeated is None else {"repeated": list(self.repeated)}),
        }

    @staticmethod
    def from_json(data: Mapping[str, object]) -> Settings:
        return Settings(**{k: tuple(v) if isinstance(v, list) else v for k, v in data.items()})  # type: ignore[arg-type]


def comparable(margin: Margin, floor: int) -> npt.NDArray[np.int64]:
    """Indexes of the groups that take part in gaps: known, not withheld, not empty, not under the floor.

    Where fewer than two groups reach the floor, all that are not empty take part.
    """
    known = np.array([UNKNOWN not in g for g in margin.groups], dtype=bool) & ~margin.withheld & (margin.rows > 0)
    enough = known & (margin.people >= floor)
    return np.flatnonzero(enough if enough.sum() >= 2 else known)


def idle_reason(margin: Margin) -> str | None:
    """Why gaps in decisions say nothing of how groups are treated: (nearly) everyone gets the same decision."""
    people = margin.n.sum(axis=(0, 1))
    total, rarer = int(people.sum()), int(people.min())
    if total == 0 or (rarer and (rarer > HANDFUL or rarer > FEW * total)):
        return None
    name = margin.meaning.positive if people[1] > people[0] else margin.meaning.negative
    unit = "people" if (margin.people == margin.rows).all() else "rows"
    who = f"all {total:,} {unit}" if rarer == 0 else f"all but {rarer} of {total:,} {unit}"
    return f"nothing is decided between people: {who} get the same decision, {name!r}"


def idle(gap: Gap, reason: str | None) -> Gap:
    """The gap marked so; its ratio is not estimable: whatever it is, it does not come of decisions."""
    if reason is None or (gap.value is None and gap.kind != "ratio"):
        return gap
    if gap.kind != "ratio":
        return replace(gap, idle=reason)
    return replace(
        gap, value=None, low=None, high=None, p_value=None, highest=None, lowest=None, estimable=False, reason=reason,
        idle=reason, pair_low=None, pair_high=None, pair_p_value=None, pairs=None,
    )  # fmt: skip


def seed_of(settings: Settings, *names: object) -> int:
    """A seed of its own for each gap, so that no figure depends on the order of the others."""
    return zlib.crc32(repr((settings.seed, *names)).encode())


def reference_index(margin: Margin, members: npt.NDArray[np.int64], settings: Settings) -> int | None:
    """Where the reference group stands among the members, or None."""
    if not all(a in settings.reference for a in margin.attribute):
        return None
    group = tuple(settings.reference[a] for a in margin.attribute)
    at = [i for i, g in enumerate(members) if margin.groups[g] == group]
    return at[0] if at else None


def gap_record(
    name: str,
    margin: Margin,
    kind: str,
    result: stats.GapResult,
    members: npt.NDArray[np.int64],
    settings: Settings,
    among: str,
) -> Gap:
    """A stats.GapResult over `members` as the record of evidence.json."""

    def group(index: int | None) -> tuple[str, ...] | None:
        return None if index is None else margin.groups[members[index]]

    reason = result.reason
    if not result.estimable and len(members) < 2:
        sizes = ", ".join(f"{'/'.join(g)}: {n}" for g, n in zip(margin.groups, margin.rows, strict=True))
        reason = f"fewer than two groups with people to compare ({sizes})"
    elif not result.estimable:
        reason = f"{result.reason} (counted among {among})"
    reference = reference_index(margin, members, settings)
    method = result.method
    if result.estimable and result.left_out:
        missing = ["/".join(margin.groups[members[g]]) for g in result.left_out]
        shown = ", ".join(missing[:8]) + (f" and {len(missing) - 8} more" if len(missing) > 8 else "")
        method += f"; groups that cannot be estimated take no part in that rate: {shown}"
    return Gap(
        metric=name,
        attribute=margin.attribute,
        kind=kind,
        value=result.value,
        low=result.low,
        high=result.high,
        p_value=result.p_value,
        p_adjusted=None,
        highest=group(result.highest),
        lowest=group(result.lowest),
        reference=group(reference),
        method=method,
        estimable=result.estimable,
        reason=reason,
        pair_low=result.pair_low,
        pair_high=result.pair_high if result.pair_high is None or np.isfinite(result.pair_high) else None,
        pair_p_value=result.pair_p,
        pairs=result.pairs,
    )
