"""Two audits side by side: each shared rate and gap before, now, and what changed, from the two evidence files alone.

Rates: Newcombe's hybrid score interval (1998, method 10) of the difference of independent proportions, pooled z test.
Gaps (differences): MOVER (Zou & Donner 2008) from the two intervals; the p-value is that of the interval's side towards
nought. Holm over all that is compared. On the same data file the people are the same: then neither is given, since both
suppose independent people.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from audit.stats.adjust import holm
from audit.stats.intervals import newcombe
from reports.manifest import strict_json

EARLIER = {"evidence.json": "earlier-evidence.json", "cube.json": "earlier-cube.json"}
Z = 1.959963984540054
MIRRORS = {
    "false_discovery_rate": "positive_predictive_value", "false_negative_rate": "true_positive_rate",
    "false_omission_rate": "negative_predictive_value", "true_negative_rate": "false_positive_rate",
}  # fmt: skip
"""One less the other: the same change with another sign. It is told, and counted among the comparisons, once."""
TPR = "true_positive_rate"
"""Its gap is equal opportunity's."""


@dataclass(frozen=True, slots=True)
class Change:
    """One figure in both audits. group: empty for a gap. low, high, p_adjusted: None on the same people.

    people: behind a rate, before and now; None for a gap.
    """

    metric: str
    attribute: tuple[str, ...]
    group: tuple[str, ...]
    before: float
    now: float
    low: float | None
    high: float | None
    p_adjusted: float | None
    people: tuple[int, int] | None = None

    @property
    def clear(self) -> bool:
        """Whether chance alone explains it badly, with all that is compared."""
        return self.p_adjusted is not None and self.p_adjusted < 0.05

    @property
    def excludes_nought(self) -> bool:
        """Whether its own interval is on one side of no change."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)

    @property
    def change(self) -> float:
        return self.now - self.before


def parsed(files: Mapping[str, bytes]) -> dict[str, Any] | None:
    """The embedded earlier evidence, or None."""
    name = EARLIER["evidence.json"]
    return strict_json(files[name], name) if name in files else None


def same_people(now: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    """Whether both were measured on one data file."""
    return bool(now["data"]["sha256"] == before["data"]["sha256"])


def changes(now: Mapping[str, Any], before: Mapping[str, Any]) -> tuple[Change, ...]:
    """Each rate of single attributes and each difference in both audits, in the order of the newer."""
    paired = same_people(now, before)
    raw: list[tuple[Any, ...]] = []
    old = {_key(r): r for r in before["rates"]}
    for r in now["rates"]:
        b = old.get(_key(r))
        if r["metric"] not in MIRRORS and len(r["attribute"]) == 1 and b and _counted(r) and _counted(b):
            x1, n1, x0, n0 = r["numerator"], r["denominator"], b["numerator"], b["denominator"]
            low, high = newcombe(x1, n1, x0, n0)
            raw.append((r, b, float(low), float(high), _pooled(x1, n1, x0, n0)))
    old = {_key(g): g for g in before["gaps"]}
    told = {(g["metric"], tuple(g["attribute"])) for g in now["gaps"]}
    for g in now["gaps"]:
        b = old.get(_key(g))
        if g["metric"] in MIRRORS or (g["metric"] == TPR and ("equal_opportunity", tuple(g["attribute"])) in told):
            continue
        if g["kind"] == "difference" and b and _bounded(g) and _bounded(b):
            raw.append((g, b, *mover(g, b)))
    adjusted = holm(np.array([t[4] for t in raw])) if raw else ()
    return tuple(
        Change(
            t[0]["metric"], tuple(t[0]["attribute"]), tuple(t[0].get("group", ())), t[1]["value"], t[0]["value"],
            None if paired else t[2], None if paired else t[3], None if paired else float(p),
            (int(t[1]["denominator"]), int(t[0]["denominator"])) if "denominator" in t[0] else None,
        )
        for t, p in zip(raw, adjusted, strict=True)
    )  # fmt: skip


def mover(now: Mapping[str, Any], before: Mapping[str, Any]) -> tuple[float, float, float]:
    """Interval and p-value of now - before from value, low and high of each."""
    change = now["value"] - before["value"]
    down = math.hypot(now["value"] - now["low"], before["high"] - before["value"])
    up = math.hypot(now["high"] - now["value"], before["value"] - before["low"])
    side = down if change > 0 else up
    p = 1.0 if change == 0 else 0.0 if side == 0 else math.erfc(Z * abs(change) / side / math.sqrt(2))
    return change - down, change + up, p


def _pooled(x1: int, n1: int, x0: int, n0: int) -> float:
    share = (x1 + x0) / (n1 + n0)
    error = math.sqrt(share * (1 - share) * (1 / n1 + 1 / n0))
    return 1.0 if error == 0 else math.erfc(abs(x1 / n1 - x0 / n0) / error / math.sqrt(2))


def mix_and_rate(
    now: Mapping[str, Any], before: Mapping[str, Any]
) -> list[tuple[tuple[str, ...], float, float, float]]:
    """By attribute: the change of everyone's selection rate, its part within groups, and the part of the mix."""
    from audit.quality.periods import within_and_mix

    out: list[tuple[tuple[str, ...], float, float, float]] = []
    selected = [{(*r["attribute"], *r["group"]): r for r in e["rates"] if _selection(r)} for e in (before, now)]
    for attribute in dict.fromkeys((r["attribute"][0],) for r in selected[1].values()):
        keys = [k for k in selected[0] | selected[1] if k[0] == attribute[0]]
        n0, x0, n1, x1 = (
            np.array([float(s[k][part]) if k in s else 0.0 for k in keys])
            for s in selected
            for part in ("denominator", "numerator")
        )
        if n0.sum() > 0 and n1.sum() > 0:
            out.append((attribute, *within_and_mix(n0, x0, n1, x1)))
    return out


def _selection(r: Mapping[str, Any]) -> bool:
    return r["metric"] == "selection_rate" and len(r["attribute"]) == 1 and _counted(r)


def _key(r: Mapping[str, Any]) -> tuple[Any, ...]:
    return r["metric"], tuple(r["attribute"]), tuple(r.get("group", ())), r.get("kind")


def _counted(r: Mapping[str, Any]) -> bool:
    return bool(r["estimable"] and r["interval"] == "wilson-95" and r["denominator"])


def _bounded(g: Mapping[str, Any]) -> bool:
    return bool(g["estimable"]) and None not in (g["value"], g["low"], g["high"])
