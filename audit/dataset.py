"""Measures of a data set before any model: who is in it, and how labels differ between a group and all others.

Names and definitions: the pre-training bias literature (Das et al. 2021, "Fairness measures for machine learning in
finance"). Here d is the group and a is everyone else with a known value:

class_imbalance = (n_a - n_d) / (n_a + n_d); difference_in_proportions_of_labels = q_a - q_d, q the share with the
favourable outcome; kl_divergence = sum P_a log(P_a / P_d) over labels present in both, in nats; js_divergence the
Jensen-Shannon divergence in nats (not its square root); lp_norm the Euclidean distance; total_variation_distance half
the L1 distance; kolmogorov_smirnov the largest difference; conditional_demographic_disparity the mean over strata,
weighted by their size, of (share of the unfavourable outcomes that fall to d) - (share of the favourable ones).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from audit.cube import Floats, Margin
from audit.values import UNKNOWN, DatasetMeasure

_VERSUS = "group against all others with a known value"


def dataset_measures(margins: Mapping[tuple[str, ...], Margin]) -> tuple[DatasetMeasure, ...]:
    """All eight measures for every group of every margin but the one of everyone."""
    out: list[DatasetMeasure] = []
    for attribute, margin in margins.items():
        if not attribute:
            continue
        labels = _label_weights(margin)
        known = np.array([UNKNOWN not in g for g in margin.groups]) & ~margin.withheld
        people = np.where(margin.weighted, margin.w.sum(axis=(1, 2)), margin.rows)
        for g, group in enumerate(margin.groups):
            if margin.withheld[g]:
                out += [_none(n, attribute, group, "withheld: fewer people than the floor") for n in _NAMES]
                continue
            others = known.copy()
            others[g] = False
            out += _measures(attribute, group, people, labels, g, others, margin.meaning.labelled)
            out.append(conditional(margins, attribute, group))
    return tuple(out)


_NAMES = (
    "class_imbalance",
    "difference_in_proportions_of_labels",
    "kl_divergence",
    "js_divergence",
    "lp_norm",
    "total_variation_distance",
    "kolmogorov_smirnov",
    "conditional_demographic_disparity",
)

_CONVENTION = {
    "class_imbalance": "(n_others - n_group) / (n_others + n_group), -1 to 1",
    "difference_in_proportions_of_labels": "favourable share of the others minus that of the group",
    "kl_divergence": "KL(others || group) in nats over labels present in both",
    "js_divergence": "Jensen-Shannon divergence in nats, equal weights",
    "lp_norm": "Euclidean distance between label shares",
    "total_variation_distance": "half the L1 distance between label shares",
    "kolmogorov_smirnov": "largest difference between label shares",
}


def _label_weights(margin: Margin) -> Floats:
    """(G, 2): weight of unfavourable and favourable outcomes; unknown labels take no part."""
    by_label: Floats = margin.w.sum(axis=2)[:, :2]
    return by_label if margin.meaning.favourable_is_positive else by_label[:, ::-1]


def _none(name: str, attribute: tuple[str, ...], group: tuple[str, ...], reason: str) -> DatasetMeasure:
    return DatasetMeasure(name, attribute, group, None, _CONVENTION.get(name, _VERSUS), False, reason)


def _measures(
    attribute: tuple[str, ...],
    group: tuple[str, ...],
    people: Floats,
    labels: Floats,
    g: int,
    others: np.ndarray,
    labelled: bool,
) -> list[DatasetMeasure]:
    n_group, n_others = float(people[g]), float(people[others].sum())
    values: dict[str, float] = {}
    if n_group + n_others > 0:
        values["class_imbalance"] = (n_others - n_group) / (n_others + n_group)
    d, a = labels[g], labels[others].sum(axis=0)
    reason = "no outcome column" if not labelled else ""
    if not reason and d.sum() == 0:
        reason = "0 people of this group have a known outcome"
    if not reason and a.sum() == 0:
        reason = "0 people outside this group have a known outcome"
    if not reason:
        values |= distances(a / a.sum(), d / d.sum())
    return [
        DatasetMeasure(n, attribute, group, values[n], _CONVENTION[n])
        if n in values
        else _none(n, attribute, group, reason or "0 people")
        for n in _NAMES[:-1]
    ]


@lru_cache(maxsize=4)
def strata_of(margin: Margin, attribute: tuple[str, ...]) -> tuple[tuple[list[int], dict[tuple[str, ...], int]], ...]:
    """The groups of `margin` that are alike in all columns but `attribute`: their places, and that of each value."""
    mine = [margin.attribute.index(a) for a in attribute]
    rest = [k for k in range(len(margin.attribute)) if k not in mine]
    found: dict[tuple[str, ...], tuple[list[int], dict[tuple[str, ...], int]]] = {}
    for i, g in enumerate(margin.groups):
        group = tuple(g[k] for k in mine)
        if not margin.withheld[i] and UNKNOWN not in group:
            members, place = found.setdefault(tuple(g[k] for k in rest), ([], {}))
            members.append(i)
            place[group] = i
    return tuple(found.values())


def distances(a: Floats, d: Floats) -> dict[str, float]:
    """The six distances between two label distributions, each shape (2,), favourable last."""
    both = (a > 0) & (d > 0)
    mean = (a + d) / 2

    def kl(p: Floats, q: Floats) -> float:
        use = (p > 0) & (q > 0)
        return float(np.sum(p[use] * np.log(p[use] / q[use])))

    gap = np.abs(a - d)
    return {
        "difference_in_proportions_of_labels": float(a[-1] - d[-1]),
        "kl_divergence": float(np.sum(a[both] * np.log(a[both] / d[both]))),
        "js_divergence": (kl(a, mean) + kl(d, mean)) / 2,
        "lp_norm": float(np.sqrt(np.sum(gap**2))),
        "total_variation_distance": float(gap.sum() / 2),
        "kolmogorov_smirnov": float(gap.max()),
    }


def conditional(
    margins: Mapping[tuple[str, ...], Margin], attribute: tuple[str, ...], group: tuple[str, ...]
) -> DatasetMeasure:
    """Conditional on all other sensitive columns that were audited together with this one, the widest such margin."""
    name = "conditional_demographic_disparity"
    wider = [m for key, m in margins.items() if set(attribute) < set(key)]
    if not wider:
        return _none(name, attribute, group, "no further sensitive column to condition on")
    margin = max(wider, key=lambda m: len(m.attribute))
    given = tuple(a for a in margin.attribute if a not in attribute)
    convention = f"mean over strata of {', '.join(given)}, weighted by size"
    labels = _label_weights(margin)
    total = weight = 0.0
    for members, place in strata_of(margin, attribute):
        bad, good = labels[members].sum(axis=0)
        if bad == 0 or good == 0:
            continue
        bad_d, good_d = labels[place[group]] if group in place else (0.0, 0.0)
        total += (bad + good) * (bad_d / bad - good_d / good)
        weight += bad + good
    if weight == 0:
        return _none(name, attribute, group, f"0 strata of {', '.join(given)} have both outcomes")
    return DatasetMeasure(name, attribute, group, float(total / weight), convention)
