"""Small groups told honestly: each intersection's rate drawn towards what its parts alone foretell. Shown beside the
counted rate, never in place of it, and never judged by a norm.

The groups of an intersection borrow from each other as in structured regression (Herlihy, Truong, Chouldechova & Dudik,
"A structured regression approach for evaluating model performance across intersectional subgroups", FAccT 2024): main
effects of the attributes by logistic regression on counts, and around them a beta-binomial whose spread is that of the
data (empirical Bayes; Efron & Morris 1973). A group of many people keeps its own rate; one of three people mostly has
that of its parts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv, betaln, expit

from audit.cube import Margin
from audit.metrics import (
    ACCURACY,
    FALSE_POSITIVE_RATE,
    POSITIVE_PREDICTIVE_VALUE,
    SELECTION_RATE,
    TRUE_POSITIVE_RATE,
    metrics_for,
)
from audit.numbers import are, many
from audit.values import UNKNOWN, to_json

Floats = npt.NDArray[np.float64]

RIDGE = 0.5
"""A weak normal prior on each main effect (standard deviation 1.4 in log-odds): a level without a yes stays finite."""
STRENGTHS = np.geomspace(1.0, 300.0, 18)
"""How many people the main effects may count as."""
FEWEST_GROUPS = 4
SMOOTHED = (SELECTION_RATE, ACCURACY, TRUE_POSITIVE_RATE, FALSE_POSITIVE_RATE, POSITIVE_PREDICTIVE_VALUE)


@dataclass(frozen=True, slots=True)
class Smoothed:
    """One group's rate. counted: numerator / denominator; borrowed: the share of `value` that comes from other groups.

    low, high: a 95 % interval of the group's own rate given all groups. strength: how many people the main effects
    count as. value is None where nothing can be borrowed, with the reason.
    """

    metric: str
    attribute: tuple[str, ...]
    group: tuple[str, ...]
    numerator: int
    denominator: int
    counted: float | None
    value: float | None
    low: float | None
    high: float | None
    borrowed: float | None
    strength: float | None
    reason: str | None = None


def smoothed_rates(margins: Iterable[Margin]) -> list[dict[str, Any]]:
    """The `smoothed` entry of evidence.json: every published group of every intersection, one row a metric."""
    out: list[Smoothed] = []
    for margin in margins:
        if len(margin.attribute) >= 2:
            out += _of_margin(margin)
    return [to_json(s) for s in out]


def _of_margin(margin: Margin) -> list[Smoothed]:
    kept = [
        i for i, g in enumerate(margin.groups) if not margin.withheld[i] and UNKNOWN not in g and margin.rows[i] > 0
    ]
    groups = [margin.groups[i] for i in kept]
    why = None
    if margin.weighted or (margin.people != margin.rows).any():
        why = "with weights or repeated people the counts are no independent yes and no, and nothing is borrowed"
    elif len(groups) < FEWEST_GROUPS:
        why = f"only {many(len(groups), 'group')} {are(len(groups))} there to borrow from"
    out = []
    for metric in metrics_for(margin.meaning):
        if metric.name not in SMOOTHED or (metric.needs_label and not margin.meaning.labelled):
            continue
        x = margin.n[kept][:, metric.numerator].sum(axis=1)
        n = margin.n[kept][:, metric.denominator].sum(axis=1)
        fit = smooth(x, n, design(groups)) if why is None and (n > 0).sum() >= FEWEST_GROUPS else None
        reason = why or (None if fit else "too few groups have people of this kind")
        for i, group in enumerate(groups):
            counted = float(x[i] / n[i]) if n[i] else None
            value, low, high, borrowed, strength = (None, None, None, None, None) if fit is None else fit.of(i)
            out.append(
                Smoothed(
                    metric.name, margin.attribute, group, int(x[i]), int(n[i]), counted, value, low, high, borrowed,
                    strength, reason,
                )
            )  # fmt: skip
    return out


def design(groups: Sequence[tuple[str, ...]]) -> Floats:
    """(G, 1 + levels): a constant, and every level of each attribute as 0 and 1, so that no level is a reference and
    names decide nothing; the ridge makes the solution one."""
    columns = [np.ones(len(groups))]
    for place in range(len(groups[0])):
        levels = dict.fromkeys(g[place] for g in groups)
        columns += [np.array([g[place] == level for g in groups], dtype=np.float64) for level in levels]
    return np.stack(columns, axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """All of shape (G,): the smoothed rate, its interval, and the share borrowed; strength is one number."""

    value: Floats
    low: Floats
    high: Floats
    borrowed: Floats
    strength: float

    def of(self, i: int) -> tuple[float, float, float, float, float]:
        """Value, low, high, borrowed, strength of one group."""
        return (
            float(self.value[i]), float(self.low[i]), float(self.high[i]), float(self.borrowed[i]), self.strength,
        )  # fmt: skip


def smooth(x: npt.NDArray[np.int64], n: npt.NDArray[np.int64], columns: Floats) -> Fit:
    """Rates of x out of n (G,), drawn towards the main effects in `columns` (G, K), which are those of a `design`.

    The interval is that of a beta with the mean and variance of the mixture over STRENGTHS, widened by what is not
    known of the main effects themselves. A strength is as likely as its data are with the main effects integrated out
    (Laplace's approximation; as restricted likelihood does, Patterson & Thompson 1971): at their best fit alone data
    look more additive than they are, and intervals of small groups come out too short (Morris 1983).
    """
    x, n = np.asarray(x, dtype=np.float64), np.asarray(n, dtype=np.float64)
    ones = np.nonzero(columns)[1].reshape(len(columns), -1)
    logs, each, spread = [], [], []
    beta = np.zeros(columns.shape[1])
    for strength in STRENGTHS[::-1]:
        # A count of n people who share a spread tells the main effects as much as this many who do not.
        heard = (strength + 1) / (n + strength)
        beta, covariance = main_effects(x * heard, n * heard, columns, beta)
        mean = np.clip(expit(columns @ beta), 1e-6, 1 - 1e-6)
        of_mean = (mean * (1 - mean)) ** 2 * variances(ones, covariance)
        a, b = strength * mean, strength * (1 - mean)
        best = (betaln(x + a, n - x + b) - betaln(a, b)).sum() - RIDGE * (beta[1:] ** 2).sum() / 2
        logs.append(best + np.linalg.slogdet(covariance)[1] / 2 - np.log(strength) / 2)
        value = (x + a) / (n + strength)
        each.append(value)
        spread.append(value * (1 - value) / (n + strength + 1) + (strength / (n + strength)) ** 2 * of_mean)
    weight = np.exp(np.array(logs) - max(logs))
    weight = (weight / weight.sum())[:, None]
    value = (weight * each).sum(axis=0)
    variance = (weight * (np.array(spread) + np.square(each))).sum(axis=0) - value**2
    total = np.maximum(value * (1 - value) / variance - 1, 1e-3)  # a beta of this mean and variance
    low, high = (betaincinv(value * total, (1 - value) * total, q) for q in (0.025, 0.975))
    strengths = STRENGTHS[::-1, None]
    borrowed = (weight * strengths / (n + strengths)).sum(axis=0)
    return Fit(value, low, high, borrowed, float(np.exp((weight * np.log(strengths)).sum())))


def variances(ones: npt.NDArray[np.int64], covariance: Floats) -> Floats:
    """(G,) of each group's sum of effects, those at `ones` (G, few): columns @ covariance @ columns.T has no others."""
    out = np.zeros(len(ones))
    for k in ones.T:
        for other in ones.T:
            out += covariance[k, other]
    return out


def main_effects(x: Floats, n: Floats, columns: Floats, start: Floats | None = None) -> tuple[Floats, Floats]:
    """Logistic regression of counts by Newton's method, a ridge on all but the constant: (coefficients, covariance)."""
    penalty = np.full(columns.shape[1], RIDGE)
    penalty[0] = 1e-6
    beta = np.zeros(columns.shape[1]) if start is None else start
    hessian = np.eye(columns.shape[1])
    for _ in range(50):
        p = expit(columns @ beta)
        hessian = columns.T @ (columns * (n * p * (1 - p))[:, None]) + np.diag(penalty)
        step = np.linalg.solve(hessian, columns.T @ (x - n * p) - penalty * beta)
        largest = float(np.abs(step).max())
        beta = beta + step * min(1.0, 2.0 / max(largest, 1e-12))
        if largest < 1e-10:
            break
    return beta, np.asarray(np.linalg.inv(hessian), dtype=np.float64)
