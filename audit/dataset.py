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

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from audit.cube import Floats, Margin
from audit.values import UNKNOWN, DatasetMeasure

VERSUS = "group against all others with a known value"


def dataset_measures(margins: Mapping[tuple[str, ...], Margin]) -> tuple[DatasetMeasure, ...]:
    """Every measure for every group of every margin but the one of everyone."""
    out: list[DatasetMeasure] = []
    for attribute, margin in margins.items():
        if not attribute:
            continue
        labels = _label_weights(margin)
        known = np.array([UNKNOWN not in g for g in margin.groups]) & ~margin.withheld
        people = np.where(margin.weighted, margin.w.sum(axis=(1, 2)), margin.rows)
        for g, group in enumerate(margin.groups):
            if margin.withheld[g]:
                out += [_none(n, attribute, group, "withheld: fewer people than the floor") for n in MEASURES]
                continue
            others = known.copy()
            others[g] = False
            out += _measures(attribute, group, people, labels, g, others, margin.meaning.labelled)
            out.append(conditional(margins, attribute, group))
    return tuple(out)


def _label_difference(a: Floats, d: Floats) -> float:
    return float(a[-1] - d[-1])


def kl_divergence(p: Floats, q: Floats) -> float:
    """KL(p || q) in nats, over what is present in both."""
    use = (p > 0) & (q > 0)
    return float(np.sum(p[use] * np.log(p[use] / q[use])))


def _js_divergence(a: Floats, d: Floats) -> float:
    mean = (a + d) / 2
    return (kl_divergence(a, mean) + kl_divergence(d, mean)) / 2


def _lp_norm(a: Floats, d: Floats) -> float:
    return float(np.sqrt(np.sum(np.abs(a - d) ** 2)))


def _total_variation(a: Floats, d: Floats) -> float:
    return float(np.abs(a - d).sum() / 2)


def _kolmogorov_smirnov(a: Floats, d: Floats) -> float:
    return float(np.abs(a - d).max())


@dataclass(frozen=True, slots=True)
class DataMeasureRow:
    """One measure of the data before any model. short: the head of a column. convention: the formula, in words.

    of: the function of two distributions over the outcomes, those of everyone else and of the group, each (K,), the
    favourable one last; None for one that follows from other counts.
    """

    name: str
    title: str
    short: str
    convention: str
    of: Callable[[Floats, Floats], float] | None = None


CLASS_IMBALANCE = "class_imbalance"
LABEL_DIFFERENCE = "difference_in_proportions_of_labels"
CONDITIONAL = "conditional_demographic_disparity"
MEASURES: dict[str, DataMeasureRow] = {
    row.name: row
    for row in (
        DataMeasureRow(
            CLASS_IMBALANCE, "Class imbalance", "Class imbalance",
            "(n_others - n_group) / (n_others + n_group), -1 to 1",
        ),
        DataMeasureRow(
            LABEL_DIFFERENCE, "Difference in proportions of labels", "Label difference",
            "favourable share of the others minus that of the group", _label_difference,
        ),
        DataMeasureRow(
            "kl_divergence", "Kullback-Leibler divergence", "KL",
            "KL(others || group) in nats over labels present in both", kl_divergence,
        ),
        DataMeasureRow(
            "js_divergence", "Jensen-Shannon divergence", "JS",
            "Jensen-Shannon divergence in nats, equal weights", _js_divergence,
        ),
        DataMeasureRow("lp_norm", "L2 distance", "L2", "Euclidean distance between label shares", _lp_norm),
        DataMeasureRow(
            "total_variation_distance", "Total variation distance", "TVD",
            "half the L1 distance between label shares", _total_variation,
        ),
        DataMeasureRow(
            "kolmogorov_smirnov", "Kolmogorov-Smirnov distance", "KS",
            "largest difference between label shares", _kolmogorov_smirnov,
        ),
        DataMeasureRow(CONDITIONAL, "Conditional demographic disparity", "CDD", VERSUS),
    )
}  # fmt: skip


def _label_weights(margin: Margin) -> Floats:
    """(G, 2): weight of unfavourable and favourable outcomes; unknown labels take no part."""
    by_label: Floats = margin.w.sum(axis=2)[:, :2]
    return by_label if margin.meaning.favourable_is_positive else by_label[:, ::-1]


def _none(name: str, attribute: tuple[str, ...], group: tuple[str, ...], reason: str) -> DatasetMeasure:
    return DatasetMeasure(name, attribute, group, None, MEASURES[name].convention, False, reason)


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
    both = n_group + n_others
    values = {CLASS_IMBALANCE: (n_others - n_group) / both} if both > 0 else {}
    d, a = labels[g], labels[others].sum(axis=0)
    reason = "no outcome column" if not labelled else ""
    if not reason and d.sum() == 0:
        reason = "0 people of this group have a known outcome"
    if not reason and a.sum() == 0:
        reason = "0 people outside this group have a known outcome"
    if not reason:
        values |= distances(a / a.sum(), d / d.sum())
    return [
        DatasetMeasure(n, attribute, group, values[n], row.convention)
        if n in values
        else _none(n, attribute, group, reason or "0 people")
        for n, row in MEASURES.items()
        if n != CONDITIONAL
    ]


@lru_cache(maxsize=4)
def strata_of(margin: Margin, attribute: tuple[str, ...]) -> tuple[tuple[list[int], dict[tuple[str, ...], int]], ...]:
    """The groups of `margin` that are alike in all columns but `attribute`: their places, and that of each value."""
    mine = [margin.attribute.index(a) for a in attribute]
    rest = [k for k in range(len(margin.attribute)) if k not in mine]
    strata: dict[tuple[str, ...], tuple[list[int], dict[tuple[str, ...], int]]] = {}
    for i, g in enumerate(margin.groups):
        group = tuple(g[k] for k in mine)
        if not margin.withheld[i] and UNKNOWN not in group:
            members, place = strata.setdefault(tuple(g[k] for k in rest), ([], {}))
            members.append(i)
            place[group] = i
    return tuple(strata.values())


def distances(a: Floats, d: Floats) -> dict[str, float]:
    """The distances between two distributions (K,), the favourable value last, by the names of the measures."""
    return {row.name: row.of(a, d) for row in MEASURES.values() if row.of is not None}


def conditional(
    margins: Mapping[tuple[str, ...], Margin], attribute: tuple[str, ...], group: tuple[str, ...]
) -> DatasetMeasure:
    """Conditional on all other sensitive columns that were audited together with this one, the widest such margin."""
    name = CONDITIONAL
    wider = [m for key, m in margins.items() if set(attribute) < set(key)]
    if not wider:
        return _none(name, attribute, group, "no further sensitive column to condition on")
    margin = max(wider, key=lambda m: len(m.attribute))
    conditioned_on = tuple(a for a in margin.attribute if a not in attribute)
    convention = f"mean over strata of {', '.join(conditioned_on)}, weighted by size"
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
        return _none(name, attribute, group, f"0 strata of {', '.join(conditioned_on)} have both outcomes")
    return DatasetMeasure(name, attribute, group, float(total / weight), convention)
