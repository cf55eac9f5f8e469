"""From attributions of many rows to what explain.json says of everyone and of groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from audit.documents.explanations import Importance
from audit.explain.decompose import GroupMean, Split
from audit.explain.kinds import Attributions, Floats, Ints
from audit.explain.lime_batch import Lime
from audit.explain.proxies import NOTABLE, Association
from audit.numbers import brief
from audit.values import to_json

Z95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class GapPart:
    """A feature's part of a gap, with its standard error. association: with the attribute."""

    feature: str
    value: float
    error: float
    low: float
    high: float
    seen: bool
    association: float | None
    association_measure: str | None


@dataclass(frozen=True, slots=True)
class SplitGap:
    """A gap between two groups in one output, feature by feature: an entry of `decomposition`."""

    attribute: tuple[str, ...]
    kind: str
    output: str
    highest: tuple[str, ...]
    lowest: tuple[str, ...]
    total: float
    features: tuple[GapPart, ...]
    proxies: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return to_json(self) | {"features": [to_json(p) for p in self.features]}


def importance(attributions: Attributions, places: Ints, weight: Floats | None = None) -> list[Importance]:
    """Mean |attribution| of each feature over `places`, largest first, with a 95 % interval.

    Exact values: the mean and its normal interval over rows. Sampled values: sizes of noisy numbers are too large on
    average, and (sign of one half) x (other half) is too small; mean_abs is the middle of the two, and low and high are
    the lower end of the small one's and the upper end of the large one's normal interval.
    """
    w = np.ones(len(places)) if weight is None else weight[places]

    def interval(values: Floats) -> tuple[Floats, Floats]:
        mean = np.average(values, axis=0, weights=w)
        size = len(places)
        error = np.sqrt((w[:, None] ** 2 * (values - mean) ** 2).sum(axis=0)) / w.sum()
        return mean, error * np.sqrt(size / max(1, size - 1))

    large, large_error = interval(np.abs(attributions.values[places]))
    small, small_error = large, large_error
    if attributions.first is not None and attributions.second is not None:
        one, two = attributions.first[places], attributions.second[places]
        small, small_error = interval(0.5 * (np.sign(one) * two + np.sign(two) * one))
        small = np.clip(small, 0.0, large)
    low, high = np.maximum(0.0, small - Z95 * small_error), large + Z95 * large_error
    middle = 0.5 * (small + large)
    order = np.lexsort((np.arange(len(middle)), -middle))
    return [
        Importance(
            attributions.features[j],
            rounded(middle[j]),
            rounded(low[j]),
            rounded(high[j]),
        )
        for j in order
    ]


def rounded(value: Any) -> float:
    """Twelve significant digits: enough for every check, and the same text on every machine that is close."""
    return float(brief(float(value), 12))


def group_entries(attribute: str, features: Sequence[str], means: Sequence[GroupMean]) -> list[dict[str, Any]]:
    """The `groups` entries of one attribute."""
    return [
        {
            "attribute": [attribute], "group": [m.group], "feature": f, "mean": rounded(m.mean[j]),
            "low": rounded(m.mean[j] - Z95 * m.error[j]), "high": rounded(m.mean[j] + Z95 * m.error[j]),
            "rows": m.rows, "people": m.people,
        }
        for m in means
        for j, f in enumerate(features)
    ]  # fmt: skip


def split_entry(
    attribute: str,
    output: str,
    features: Sequence[str],
    split: Split,
    unseen: Sequence[str],
    association: Mapping[str, Association],
) -> SplitGap:
    """One gap split over features, those with zero that the model never saw included."""
    parts = [
        GapPart(
            feature=f, value=rounded(split.value[j]), error=rounded(split.error[j]),
            low=rounded(split.value[j] - Z95 * split.error[j]), high=rounded(split.value[j] + Z95 * split.error[j]),
            seen=True,
            association=rounded(association[f].value) if f in association else None,
            association_measure=association[f].measure if f in association else None,
        )
        for j, f in enumerate(features)
    ]  # fmt: skip
    parts += [GapPart(f, 0.0, 0.0, 0.0, 0.0, False, None, None) for f in unseen]
    parts.sort(key=lambda p: (-abs(p.value), p.feature))
    proxies = tuple(
        p.feature for p in parts if p.feature != attribute and p.seen and (p.association or 0) >= NOTABLE
        and split.total != 0 and p.value * split.total > 0
    )  # fmt: skip
    return SplitGap(
        (attribute,),
        split.kind,
        output,
        (split.high,),
        (split.low,),
        rounded(split.total),
        tuple(parts),
        proxies,
    )


def fidelity(lime: Lime, groups: Mapping[str, Ints]) -> list[dict[str, Any]]:
    """LIME's local fit per group: mean weighted R2 and mean |surrogate - model| at the row, with 95 % intervals.

    A worse fit for one group is a finding about explanations (Balagopalan et al. 2022).
    """
    out = []
    for group, places in groups.items():
        entry: dict[str, Any] = {"group": [group], "rows": len(places)}
        for name, values in (("r2", lime.r2[places]), ("error", np.abs(lime.local - lime.score)[places])):
            mean = float(values.mean())
            half = Z95 * float(values.std(ddof=1)) / np.sqrt(len(values)) if len(values) > 1 else None
            entry[name] = rounded(mean)
            entry[f"{name}_low"] = None if half is None else rounded(mean - half)
            entry[f"{name}_high"] = None if half is None else rounded(mean + half)
        out.append(entry)
    return out
