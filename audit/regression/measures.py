"""The `regression` entry of evidence.json: predictions, outcomes and residuals by group, and the gaps between groups.

A residual is prediction - outcome. Averages have Student limits on the effective number of people (Kish); the root mean
squared error has limits on the logarithm of the mean square (delta method). Gaps: audit.stats.mean_gap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import stdtrit

from audit import stats
from audit.cube import Margin
from audit.gaps import KINDS, Settings, comparable, gap_record, reference_index, seed_of
from audit.measure import adjusted
from audit.numbers import brief
from audit.pairs import with_pairs
from audit.regression.distance import distances
from audit.regression.moments import P2, R2, R4, Y2, A, Moments, P, R, Y
from audit.sentences import WITHHELD
from audit.values import Gap, Rate, to_json


@dataclass(frozen=True, slots=True)
class MeanRow:
    """One figure of a group. total, squares: its sum and sum of squares (moments.py); over: 0 everyone, 1 people whose
    outcome is known. ratio: never below 0, so that lowest / highest says something."""

    name: str
    title: str
    question: str
    total: int
    squares: int
    over: int = 1
    ratio: bool = False


MEANS: dict[str, MeanRow] = {
    row.name: row
    for row in (
        MeanRow("mean_prediction", "Mean prediction", "What does the model say on average?", P, P2, over=0),
        MeanRow("mean_outcome", "Mean outcome", "What came true on average?", Y, Y2),
        MeanRow(
            "mean_residual", "Mean residual",
            "How far does the model say too much (above 0) or too little (below 0) on average?", R, R2,
        ),
        MeanRow(
            "mean_absolute_error", "Mean absolute error",
            "How far off is the model on average, in either direction?", A, R2, ratio=True,
        ),
        MeanRow(
            "root_mean_squared_error", "Root mean squared error",
            "How far off is it where large errors count more?", R2, R4, ratio=True,
        ),
    )
}  # fmt: skip
AMONG = ("people with a prediction", "people whose outcome is known")
SIDES = {
    "high": "A high prediction is good for a person: a residual below 0 (prediction under the outcome) counts against "
    "them.",
    "low": "A low prediction is good for a person: a residual above 0 (prediction over the outcome) counts against "
    "them.",
    "": "The case does not say which direction is good for a person (`favourable` under [data]).",
}


def regression_measures(margins: Sequence[Margin], settings: Settings) -> dict[str, Any] | None:
    """The entry, or None where the margins have no predictions. Comparisons are adjusted over all of them."""
    mine = [m for m in margins if isinstance(m.beside, Moments)]
    if not mine:
        return None
    rates: list[Rate] = []
    unadjusted: list[Gap] = []
    more: dict[int, dict[str, Any]] = {}
    keys: list[tuple[tuple[str, ...], str]] = []
    tested: dict[tuple[tuple[str, ...], str], float] = {}
    for margin in mine:
        rates += [r for metric in MEANS for r in group_averages(margin, metric, settings)]
        if not margin.attribute:
            continue
        for hypothesis, gap, extra in (*average_gaps(margin, settings), *distances(margin, settings)):
            key = (margin.attribute, hypothesis)
            if gap.p_value is not None:
                tested.setdefault(key, gap.p_value)
            more[len(unadjusted)] = extra
            keys.append(key)
            unadjusted.append(gap)
    filled, _ = with_pairs(adjusted(unadjusted, keys, tested), keys, tested, {})
    gaps = [to_json(g) | more[i] for i, g in enumerate(filled)]
    moments = moments_of(mine[0])
    return {
        "residual": "prediction - outcome",
        "favourable": mine[0].meaning.favourable or None,
        "direction": SIDES[mine[0].meaning.favourable],
        "family": len(tested),
        "edges": {
            "from": float(moments.edges[0]),
            "width": moments.width,
            "bins": len(moments.edges) - 1,
            "at": moments.edges.tolist(),
        },
        "rates": [to_json(r) for r in rates],
        "gaps": gaps,
        "histograms": [h for m in mine if len(m.attribute) <= 1 for h in _histograms(m)],
    }


def moments_of(margin: Margin) -> Moments:
    """The sums of a margin that has them."""
    assert isinstance(margin.beside, Moments)
    return margin.beside


def _histograms(margin: Margin) -> list[dict[str, Any]]:
    """People per bin of the prediction, as [bin, people]; None where the group is withheld."""
    hist = moments_of(margin).hist_n
    out = []
    for g, group in enumerate(margin.groups):
        cells = None if margin.withheld[g] else [[b, int(hist[g, b])] for b in np.flatnonzero(hist[g]).tolist()]
        out.append({"attribute": list(margin.attribute), "group": list(group), "people": cells})
    return out


def average(margin: Margin, g: int, metric: str) -> tuple[float, float, float]:
    """Average, its standard error and the effective number of people; NaN where nobody, or one person, is counted.

    For the root mean squared error these are of the mean square.
    """
    moments = moments_of(margin)
    row = MEANS[metric]
    first, second, among = row.total, row.squares, row.over
    w, w2 = moments.w[g, among], moments.w2[g, among]
    if w <= 0:
        return float("nan"), float("nan"), 0.0
    mean = moments.sums[g, first] / w
    variance = max(moments.sums[g, second] / w - mean**2, 0.0)
    n = float(w**2 / w2)
    error = float(np.sqrt(variance / (n - 1))) if n > 1 else float("nan")
    centre = moments.centre if metric in ("mean_prediction", "mean_outcome") else 0.0
    return float(mean + centre), error, n


def group_averages(margin: Margin, metric: str, settings: Settings) -> list[Rate]:
    """One average of each group with its interval."""
    moments = moments_of(margin)
    among = MEANS[metric].over
    root = metric == "root_mean_squared_error"
    name = f"student{'-log' if root else ''}-{brief(100 * (1 - settings.alpha))}" + (
        "-effective-n" if margin.weighted else ""
    )
    out = []
    for g, group in enumerate(margin.groups):
        mean, error, n = average(margin, g, metric)
        weight = float(moments.w[g, among])
        size = weight if margin.weighted else round(weight)
        if not np.isfinite(mean):
            reason = f"0 {AMONG[among]} (of {int(margin.n[g].sum())} in the group)"
            if margin.withheld[g]:
                reason = WITHHELD
            out.append(Rate(metric, margin.attribute, group, None, None, 0, None, None, name, False, reason, 0.0))
            continue
        half = float(stdtrit(n - 1, 1 - settings.alpha / 2)) * error if n >= 2 else float("nan")
        low, high = mean - half, mean + half
        if root:
            factor = np.exp(min(half / mean, 700.0)) if mean > 0 else float("nan")
            mean, low, high = float(np.sqrt(mean)), float(np.sqrt(mean / factor)), float(np.sqrt(mean * factor))
        elif metric == "mean_absolute_error":
            low = max(low, 0.0)
        known = bool(np.isfinite(high)) and high > low
        down, up = (low, high) if known else (None, None)
        out.append(
            Rate(
                metric,
                margin.attribute,
                group,
                mean,
                None,
                size,
                down,
                up,
                name,
                True,
                None,
                n,
                int(moments.n[g, among]),
            )
        )
    return out


def average_gaps(margin: Margin, settings: Settings) -> list[tuple[str, Gap, dict[str, Any]]]:
    """The gaps of the averages, each with its hypothesis; that of residuals says who is worse off."""
    members = comparable(margin, settings.floor)
    reference = reference_index(margin, members, settings)
    out: list[tuple[str, Gap, dict[str, Any]]] = []
    for metric, row in MEANS.items():
        among = row.over
        averages = [average(margin, int(g), metric) for g in members]
        values = np.array([v for v, _, _ in averages], dtype=np.float64)
        errors = np.array([e for _, e, _ in averages], dtype=np.float64)
        sizes = np.array([n for _, _, n in averages], dtype=np.float64)
        if metric == "root_mean_squared_error":
            values = np.sqrt(values)
            errors = np.divide(errors, 2 * values, out=np.full_like(errors, np.nan), where=values > 0)
        for kind in KINDS if row.ratio else KINDS[:1]:
            result = stats.mean_gap(
                values, errors, kind=kind, seed=seed_of(settings, margin.attribute, metric), draws=settings.draws,
                alpha=settings.alpha, reference=reference, what=metric.replace("_", " "), sizes=sizes,
            )  # fmt: skip
            if kind == "ratio" and result.p_value is not None:
                result = replace(result, p_value=out[-1][1].p_value)
            gap = gap_record(metric, margin, kind, result, members, settings, AMONG[among])
            extra: dict[str, Any] = {}
            if metric == "mean_residual":
                side = {"high": gap.lowest, "low": gap.highest}.get(margin.meaning.favourable)
                extra = {"worse_off": None if side is None else list(side)}
            out.append((metric, gap, extra))
    return out
