"""How far the predictions of two groups lie apart as distributions, from histograms with the same edges.

Kolmogorov-Smirnov: the largest |F1 - F2|. At the edges it is known, and counting puts edges where it is largest; within
a bin it can be larger, so the true value of the sample lies between the value at the edges and the largest rise that
the bins allow. Interval: Dvoretzky, Kiefer & Wolfowitz (1956) with Massart's constant (1990), for all groups at once
(Bonferroni). p-value: Kolmogorov's law of the pair that stands out most, times the number of pairs; bins make it
larger, never smaller.

Wasserstein (earth mover's) distance of order 1: the area between F1 and F2, in the unit of the label, as if people were
spread evenly within a bin; `bins` says between what values it lies wherever they are. Interval: by the triangle
inequality the error is at most the sum of both groups' distances from their own truth, whose law is drawn (parametric
bootstrap; Bickel & Freedman 1981), for all pairs at once; what the bins can change is added at both ends.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from audit import stats
from audit.cube import Floats, Margin
from audit.gaps import Settings, comparable, gap_record, reference_index, seed_of
from audit.numbers import brief, many
from audit.regression.moments import Moments
from audit.values import Gap

MOST_DRAWS = 500
AMONG = "people with a prediction"
MANY = 40
"""With more groups than this the Wasserstein distance has no interval: the draws would take too long."""


def distances(margin: Margin, settings: Settings) -> list[tuple[str, Gap, dict[str, Any]]]:
    """Both distances of the pair that is farthest apart. `bins`: between what values the exact distance of the sample
    lies, whatever happens within the bins.
    """
    moments = margin.beside
    assert isinstance(moments, Moments)
    members = comparable(margin, settings.floor)
    members = members[moments.w[members, 0] > 0]
    reference = reference_index(margin, members, settings)
    if len(members) < 2:
        reason = "fewer than two groups with people to compare"
        nothing = stats.GapResult(None, None, None, None, None, None, None, "histograms", False, reason)
        return [
            (h, gap_record(m, margin, "difference", nothing, members, settings, AMONG), {"bins": None})
            for h, m in (("distribution", "kolmogorov_smirnov"), ("wasserstein", "wasserstein_distance"))
        ]  # fmt: skip
    weight = moments.hist_w[members]
    n = moments.w[members, 0] ** 2 / moments.w2[members, 0]
    share = weight / weight.sum(axis=1, keepdims=True)
    rise = np.cumsum(share, axis=1)
    ks = _kolmogorov(rise, n, settings, reference)
    area = _wasserstein(share, rise, n, moments.widths, settings, reference, seed_of(settings, margin.attribute, "w1"))
    out = []
    for hypothesis, metric, (result, between) in (
        ("distribution", "kolmogorov_smirnov", ks),
        ("wasserstein", "wasserstein_distance", area),
    ):
        record = gap_record(metric, margin, "difference", result, members, settings, AMONG)
        out.append((hypothesis, record, {"bins": list(between)}))
    return out


def _over(reference: int | None) -> str:
    return "all pairs of groups" if reference is None else "all groups against the reference"


def _rows(groups: int, reference: int | None) -> list[tuple[int, np.ndarray]]:
    """Each group with those to compare it with, every pair once."""
    if reference is not None:
        return [(reference, np.array([g for g in range(groups) if g != reference]))]
    return [(i, np.arange(i + 1, groups)) for i in range(groups - 1)]


def _ordered(rise: Floats, i: int, j: int) -> tuple[int, int]:
    """The group whose predictions are higher on average first: less of it lies below each edge."""
    return (i, j) if rise[i].sum() <= rise[j].sum() else (j, i)


def _kolmogorov(
    rise: Floats, n: Floats, settings: Settings, reference: int | None
) -> tuple[stats.GapResult, tuple[float, float]]:
    before = np.concatenate([np.zeros((len(rise), 1)), rise[:, :-1]], axis=1)
    near = np.sqrt(np.log(2 * len(n) / settings.alpha) / (2 * n))
    best, surest, low, high, upper, pairs = (-1.0, 0, 0), (-1.0, 0.0, 1.0), 0.0, 0.0, 0.0, 0
    near_two, of_two = 0.0, 1.0
    for i, others in _rows(len(rise), reference):
        d = np.abs(rise[i] - rise[others]).max(axis=1)
        most = np.maximum(rise[i] - before[others], rise[others] - before[i]).max(axis=1)
        most = np.maximum(most, d)
        low, high = (
            max(low, float((d - near[i] - near[others]).max())),
            max(high, float((most + near[i] + near[others]).max())),
        )
        size = n[i] * n[others] / (n[i] + n[others])
        k = int((d * np.sqrt(size)).argmax())
        if d[k] * np.sqrt(size[k]) > surest[0]:
            surest = float(d[k] * np.sqrt(size[k])), float(d[k]), float(size[k])
        k = int(d.argmax())
        if d[k] > best[0]:
            best, upper = (float(d[k]), i, int(others[k])), float(most[k])
            near_two, of_two = float(near[i] + near[others[k]]), float(size[k])
        pairs += len(others)
    from scipy.stats import kstwo  # here, since it takes a second to load

    p = min(1.0, pairs * stats.above_nought(kstwo.sf(surest[1], max(1, round(surest[2])))))
    own = stats.above_nought(kstwo.sf(best[0], max(1, round(of_two))))
    method = (
        f"largest distance of two distribution functions over {_over(reference)}, at {rise.shape[1]} edges of bins; "
        f"{brief(100 * (1 - settings.alpha))} % simultaneous Dvoretzky-Kiefer-Wolfowitz interval; Kolmogorov "
        f"p-value times {pairs} pairs"
    )
    top, bottom = _ordered(rise, best[1], best[2])
    value = best[0]
    result = stats.GapResult(
        value, min(max(low, 0.0), value), min(max(high, value), 1.0), p, top, bottom, 0, method, True, None, (),
        max(value - near_two, 0.0), min(upper + near_two, 1.0), own, pairs,
    )  # fmt: skip
    return result, (value, min(upper, 1.0))


def areas_between(a: Floats, b: Floats, widths: Floats) -> tuple[Floats, Floats, Floats]:
    """The area between distribution functions a and b (..., B) at the right edges of bins: spread evenly within bins,
    and the least and the largest whatever lies where.
    """
    a0, b0 = (np.concatenate([np.zeros((*x.shape[:-1], 1)), x[..., :-1]], axis=-1) for x in (a, b))
    left, right = a0 - b0, a - b
    both = np.abs(left) + np.abs(right)
    # Where the functions cross within a bin the area is two triangles.
    crossed = np.divide(left**2 + right**2, 2 * both, out=np.zeros_like(both), where=both > 0)
    even = np.where(left * right < 0, crossed, both / 2)
    least = np.maximum(np.maximum(a0 - b, b0 - a), 0.0)
    most = np.maximum(np.abs(a - b0), np.abs(b - a0))
    return (even * widths).sum(axis=-1), (least * widths).sum(axis=-1), (most * widths).sum(axis=-1)


def _wasserstein(
    share: Floats, rise: Floats, n: Floats, widths: Floats, settings: Settings, reference: int | None, seed: int
) -> tuple[stats.GapResult, tuple[float, float]]:
    groups = len(rise)
    half = None
    draws = min(settings.draws, MOST_DRAWS)
    if groups <= MANY:
        rng = np.random.default_rng(seed)
        off = np.empty((groups, draws))
        # In an order of its own, so that groups renamed meet the same draws.
        for g in sorted(range(groups), key=lambda g: (float(n[g]), rise[g].tolist())):
            size = max(1, round(float(n[g])))
            drawn = rng.multinomial(size, share[g] / share[g].sum(), size=draws) / size
            off[g] = areas_between(np.cumsum(drawn, axis=1), rise[g], widths)[0]
        scale = np.sqrt((off**2).mean(axis=1))
        largest = np.zeros(draws)
        for i, others in _rows(groups, reference):
            both = scale[i] + scale[others]
            ratio = np.divide(
                off[i] + off[others], both[:, None], out=np.zeros((len(others), draws)), where=both[:, None] > 0
            )
            largest = np.maximum(largest, ratio.max(axis=0))
        half = float(np.quantile(largest, 1 - settings.alpha)) * scale
    best, between, low, high, pairs = (-1.0, 0, 0), (0.0, 0.0), 0.0, 0.0, 0
    for i, others in _rows(groups, reference):
        d, least, most = areas_between(np.broadcast_to(rise[i], rise[others].shape), rise[others], widths)
        if half is not None:
            low = max(low, float((least - half[i] - half[others]).max()))
            high = max(high, float((most + half[i] + half[others]).max()))
        k, pairs = int(d.argmax()), pairs + len(others)
        if d[k] > best[0]:
            best, between = (float(d[k]), i, int(others[k])), (float(least[k]), float(most[k]))
    value = best[0]
    method = (
        f"area between two distribution functions over {_over(reference)}, in the label's unit, from "
        f"{many(len(widths), 'bin')}, which can change it by at most "
        f"{brief(max(value - between[0], between[1] - value), 3)}; "
    )
    method += (
        f"no interval over more than {MANY} groups"
        if half is None
        else f"{brief(100 * (1 - settings.alpha))} % simultaneous interval from {draws} draws, seed {seed}, and bins"
    )
    top, bottom = _ordered(rise, best[1], best[2])
    two: dict[str, Any] = {}
    if half is not None:
        near = float(half[top] + half[bottom])
        two = {"pair_low": max(between[0] - near, 0.0), "pair_high": between[1] + near, "pairs": pairs}
    result = stats.GapResult(
        value, None if half is None else min(low, value), None if half is None else max(high, value), None, top, bottom,
        0, method + "; no p-value of its own", True, None, **two,
    )  # fmt: skip
    return result, between
