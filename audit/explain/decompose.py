"""What the gap between groups is made of.

The difference between two groups' mean attributions, summed over the features, is the difference between their mean
outputs (Lundberg 2020, "Explaining quantitative measures of fairness"). With the favourable decision as the output, it
is the difference of selection rates that the audit reports, split over features exactly.

A sample of each group is explained against one background that all groups share, so the background cancels. The
sample's mean output differs a little from that of all the group's people, which is known; the difference is taken along
the regression of the shares on the output (survey sampling's regression estimator; Cochran 1977, ch. 7). So the parts
sum to the gap of *all* audited people and not of the sample. Standard errors are of the regression's residuals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from audit.explain.kinds import Floats, Ints
from audit.explain.sampled import slopes


@dataclass(frozen=True, slots=True, eq=False)
class GroupMean:
    """A group's mean attributions: mean, error (M,), their total + base is the group's mean output over all people."""

    group: str
    people: int
    rows: int
    output: float
    base: float
    mean: Floats
    error: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """The gap `high` - `low` of mean outputs, split over the features: value, error (M,); value sums to total.

    kind: "extreme" (the groups of highest and lowest mean output) or "rest" (a group against all others).
    """

    kind: str
    high: str
    low: str
    total: float
    value: Floats
    error: Floats


def group_means(
    values: Floats,
    base: Floats,
    output: Floats,
    samples: Mapping[str, Ints],
    everyone: Mapping[str, Ints],
    population: Floats,
    weight: Floats | None = None,
    sample_weight: Floats | None = None,
) -> tuple[GroupMean, ...]:
    """Each group's mean attributions, calibrated to the mean output of all its people.

    values (n, M), base, output (n,): the rows explained. samples[group]: places among them. everyone[group]: positions
    among all audited people; population (N,): their output; weight (N,), sample_weight (n,): survey weights.
    """
    own = np.ones(len(output)) if sample_weight is None else sample_weight
    every = np.ones(len(population)) if weight is None else weight
    # All lists explained together: what a point more of output is made of.
    used = np.unique(np.concatenate([*samples.values(), np.empty(0, dtype=np.int64)])).astype(np.int64)
    if not len(used):
        return ()
    along, _ = slopes(values[used], output[used], base[used])
    out = []
    for group, place in samples.items():
        w, people = own[place], everyone[group]
        if not len(place) or w.sum() <= 0 or every[people].sum() <= 0:
            continue
        target = float(np.average(population[people], weights=every[people]))
        here = float(np.average(output[place], weights=w))
        center = float(np.average(base[place], weights=w))
        mean = np.average(values[place], axis=0, weights=w) + along * (target - here)
        left = values[place] - output[place][:, None] * along
        left = left - np.average(left, axis=0, weights=w)
        size = len(place)
        error = np.sqrt((w[:, None] ** 2 * left**2).sum(axis=0)) / w.sum() * np.sqrt(size / max(1, size - 1))
        out.append(GroupMean(group, len(people), size, target, center, mean, error))
    return tuple(out)


def splits(means: Sequence[GroupMean], weights: Mapping[str, float] | None = None) -> tuple[Split, ...]:
    """The extreme pair, and with more than two groups each group against the rest.

    weights: how much each group counts in "the rest"; its number of people where left out.
    """
    if len(means) < 2:
        return ()
    ranked = sorted(means, key=lambda m: (m.output, m.group))
    low, high = ranked[0], ranked[-1]
    out = [
        Split(
            "extreme", high.group, low.group, high.output - low.output, high.mean - low.mean,
            np.hypot(high.error, low.error),
        )
    ]  # fmt: skip
    if len(means) > 2:
        size = {m.group: float(m.people) if weights is None else weights[m.group] for m in means}
        for one in means:
            others = [m for m in means if m is not one]
            share = np.array([size[m.group] for m in others])
            share = share / share.sum()
            mean = np.sum([s * m.mean for s, m in zip(share, others, strict=True)], axis=0)
            error = np.sqrt(np.sum([(s * m.error) ** 2 for s, m in zip(share, others, strict=True)], axis=0))
            output = float(np.sum([s * m.output for s, m in zip(share, others, strict=True)]))
            out.append(
                Split(
                    "rest", one.group, "(all others)", one.output - output, one.mean - mean, np.hypot(one.error, error)
                )
            )
    return tuple(out)
