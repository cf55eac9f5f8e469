"""Rates that rest on scores: the area under the ROC curve, the average score, and the calibration error.

They follow from the counts per score of the cube (audit/scores.py). Where scores are binned, the average is exact, and
so is the area where rows were at hand; otherwise the area's limits are widened by what the bins can move it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from audit import stats
from audit.calibration import bounds, calibration, known_scores
from audit.cube import Floats, Margin
from audit.gaps import KINDS, Settings, gap_record, reference_index, seed_of
from audit.metrics import CALIBRATION_ERROR, MEAN_SCORE, METRICS, ROC_AUC
from audit.numbers import brief, many
from audit.scores import EXACT_SCORES, PARTS, area_bounds
from audit.sentences import WITHHELD
from audit.stats.score_gap import Limits
from audit.values import Gap, Rate


def score_rates(margin: Margin, settings: Settings) -> list[Rate]:
    """Three rates of each group, or none where the margin has no scores."""
    if margin.scores is None:
        return []
    out: list[Rate] = []
    averages = averages_of(margin)
    limits = averages.limits(settings.alpha)
    for g in range(len(margin.groups)):
        out += [_area(margin, g, settings), _mean(margin, g, averages, limits, settings)]
        out.append(_calibration(margin, g, settings))
    return out


def _record(
    margin: Margin, g: int, metric: str, value: float, limits: tuple[float, float], n: float, name: str, reason: str
) -> Rate:
    """A rate from a value and its limits; NaN makes it not estimable, for `reason`."""
    if margin.withheld[g]:
        reason = WITHHELD
    known = bool(np.isfinite(value)) and not margin.withheld[g]
    low, high = limits
    return Rate(
        metric,
        margin.attribute,
        margin.groups[g],
        float(value) if known else None,
        None,
        n if margin.weighted else round(n),
        float(low) if known and np.isfinite(low) else None,
        float(high) if known and np.isfinite(high) else None,
        name,
        known,
        None if known else reason,
        None,
    )


def _area(margin: Margin, g: int, settings: Settings) -> Rate:
    s = known_scores(margin)
    area, low, high, _ = area_of(margin, g, settings.alpha)
    positives, negatives = int(s.n[g, 1].sum()), int(s.n[g, 0].sum())
    reason = f"it needs both outcomes: {positives} with the positive one, {negatives} without (known labels)"
    name = _name("delong-wilson", settings)
    off = blur(margin, g)
    if off > 0:
        low, high, name = max(low - off, 0.0), min(high + off, 1.0), f"{name}-and-{brief(off, 2)}-for-bins"
    return _record(margin, g, ROC_AUC, area, (low, high), positives + negatives, name, reason)


def blur(margin: Margin, g: int) -> float:
    """By how much the bins of scores can move the area of group `g`: 0 where the area is exact."""
    s = known_scores(margin)
    if s.exact or (s.area is not None and np.isfinite(s.area[g])):
        return 0.0
    low, high = area_bounds(s, g)
    return (high - low) / 2 if np.isfinite(low) else 0.0


def bins_note(margins: Sequence[Margin]) -> list[str]:
    """What counting scores in bins changes, where they are so counted."""
    scored = [m for m in margins if m.scores is not None and not m.scores.exact]
    if not scored:
        return []
    most = max((blur(m, g) for m in scored for g in range(len(m.groups))), default=0.0)
    areas = (
        "and areas are exact"
        if most == 0
        else f"are exact; areas can differ by up to {brief(most, 2)}, see their intervals"
    )
    return [
        f"Scores have more than {EXACT_SCORES:,} different values and are counted in "
        f"{many(len(known_scores(scored[0]).at), 'bin')} by rank: averages {areas}."
    ]


def area_of(margin: Margin, g: int, alpha: float) -> tuple[float, float, float, float]:
    """stats.area_interval of a group."""
    s = known_scores(margin)
    squares = (s.w2[g, 1], s.w2[g, 0]) if margin.weighted else None
    exact = None if s.area is None else float(s.area[g])
    return stats.area_interval(s.w[g, 1], s.w[g, 0], alpha, squares, exact)


def averages_of(margin: Margin) -> stats.Averages:
    """The average score of each group and what its limits need; the error of weighted ones is linearised."""
    s = known_scores(margin)
    w, w2 = s.w.sum(axis=1), s.w2.sum(axis=1)
    total = w.sum(axis=1)
    some = np.where(total > 0, total, np.nan)
    mean = s.total.sum(axis=1) / some
    off = s.middle[None, :] - mean[:, None]
    scale = np.nanmax(np.abs(off), axis=1, initial=0.0)
    unit = off / np.where(scale > 0, scale, 1.0)[:, None]
    variance, third = ((w * unit**k).sum(axis=1) / some for k in (2, 3))
    skew = np.divide(third, variance**1.5, out=np.zeros_like(third), where=variance > 0)
    # Effective people: as many as would give the linearised variance, sum w^2 (score - mean)^2 / (sum w)^2.
    linear = (w2 * unit**2).sum(axis=1) / some**2
    kish = some**2 / np.maximum(w2.sum(axis=1), 1e-300)
    size = np.where(linear > 0, variance / np.where(linear > 0, linear, 1.0), kish)
    if margin.weighted:
        fourth = np.divide(w2**3, w**2, out=np.zeros_like(w), where=w > 0)
        squares, fourth = ((a * unit**k).sum(axis=1) for a, k in ((w2, 2), (fourth, 4)))
        spread = variance, (w * unit**4).sum(axis=1) / some
        size = stats.fewer_free(size, s.n.sum(axis=(1, 2)).astype(np.float64), squares, fourth, *spread)
    else:
        size = some
    used = s.w.sum(axis=(0, 1)) > 0
    least, most = (float(s.at[used].min()), float(s.top[used].max())) if used.any() else (0.0, 0.0)
    if s.probabilities:
        least, most = 0.0, 1.0
    variance = variance * scale**2
    return stats.Averages(mean, variance, np.nan_to_num(skew), np.nan_to_num(size), least, most, margin.weighted)


def _mean(margin: Margin, g: int, averages: stats.Averages, limits: tuple[Floats, Floats], settings: Settings) -> Rate:
    reason = f"0 people with a score (of {int(margin.n[g].sum())} in the group)"
    low, high = float(limits[0][g]), float(limits[1][g])
    if known_scores(margin).probabilities:
        low, high = max(low, 0.0), min(high, 1.0)
    return _record(
        margin, g, MEAN_SCORE, float(averages.mean[g]), (low, high), float(margin.w[g].sum()),
        _name("skewed-t", settings), reason,
    )  # fmt: skip


def _calibration(margin: Margin, g: int, settings: Settings) -> Rate:
    value, low, high, n = calibration(margin, g, settings)
    s = known_scores(margin)
    if s.at.size and not s.probabilities:
        reason = f"scores are not probabilities: they run from {brief(s.at[0])} to {brief(s.top[-1])}"
    else:
        reason = f"0 people with a score and a known outcome (of {int(margin.n[g].sum())} in the group)"
    name = f"{_name('inverted', settings)}-over-{PARTS}-bins"
    return _record(margin, g, CALIBRATION_ERROR, value, (low, high), n, name, reason)


def _name(kind: str, settings: Settings) -> str:
    return f"{kind}-{brief(100 * (1 - settings.alpha))}"


def score_gaps(margin: Margin, members: npt.NDArray[np.int64], settings: Settings) -> list[tuple[str, Gap]]:
    """The gaps of the three rates with their hypotheses, as measure._gaps wants them."""
    if margin.scores is None:
        return []
    reference = reference_index(margin, members, settings)
    out: list[tuple[str, Gap]] = []
    for metric in (ROC_AUC, MEAN_SCORE):
        gap = _area_gap if metric == ROC_AUC else _mean_gap
        results = gap(margin, members, settings, reference, seed_of(settings, margin.attribute, metric))
        for kind, result in zip(KINDS, results, strict=True):
            out.append((metric, gap_record(metric, margin, kind, result, members, settings, METRICS[metric].among)))
    for kind, result in zip(KINDS, _calibration_gaps(margin, members, settings.alpha, reference), strict=True):
        metric, among = CALIBRATION_ERROR, METRICS[CALIBRATION_ERROR].among
        out.append((metric, gap_record(metric, margin, kind, result, members, settings, among)))
    return out


def _area_gap(
    margin: Margin, members: npt.NDArray[np.int64], settings: Settings, reference: int | None, seed: int
) -> list[stats.GapResult]:
    s = known_scores(margin)
    areas = [area_of(margin, g, settings.alpha) for g in members]
    off = np.array([blur(margin, g) for g in members])

    @lru_cache(maxsize=8)
    def limits(alpha: float) -> tuple[Floats, Floats]:
        ends = np.array([area_of(margin, g, alpha)[1:3] for g in members]).reshape(-1, 2)
        return np.clip(ends[:, 0] - off, 0, 1), np.clip(ends[:, 1] + off, 0, 1)

    def p_value(groups: list[int], ref: int | None) -> float:
        own = members[groups]
        if margin.weighted:
            each = _rows_each(margin)[own, None]
            p, n = ((s.n[own, side] / each, s.w[own, side] / each, s.w2[own, side] / each**2) for side in (1, 0))
            return stats.weighted_areas_p(p, n, seed=seed, draws=settings.draws, reference=ref)
        p, n = (s.n[own, side].astype(np.float64) for side in (1, 0))
        return stats.areas_p(p, n, seed=seed, draws=settings.draws, reference=ref)

    how = "interval from Wilson limits of DeLong's variance; p-value by permuting groups within each outcome"
    values, errors = np.array([f[0] for f in areas]), np.array([f[3] for f in areas])
    return _both(values, errors, limits, p_value, settings, reference, seed, "roc auc", how)


def _mean_gap(
    margin: Margin, members: npt.NDArray[np.int64], settings: Settings, reference: int | None, seed: int
) -> list[stats.GapResult]:
    s = known_scores(margin)
    every = averages_of(margin)
    own = replace(every, **{f: getattr(every, f)[members] for f in ("mean", "variance", "skew", "size")})

    def p_value(groups: list[int], ref: int | None) -> float:
        rows, w, w2 = (v[members[groups]].sum(axis=1).astype(np.float64) for v in (s.n, s.w, s.w2))
        if not margin.weighted:
            return stats.means_p(s.middle, rows, seed=seed, draws=settings.draws, reference=ref)
        n = w * (own.size[groups] / w.sum(axis=1))[:, None]
        each = _rows_each(margin)[members[groups], None]
        rows, w, w2 = rows / each, w / each, w2 / each**2
        return stats.means_p(s.middle, n, seed=seed, draws=settings.draws, reference=ref, weights=(rows, w, w2))

    how = "interval from limits that follow skewness (Hall); p-value by permuting groups"
    return _both(own.mean, own.errors, own.limits, p_value, settings, reference, seed, "mean score", how)


def _rows_each(margin: Margin) -> Floats:
    """(G,) how many rows count as one person's: people are permuted, of whom a group has so many fewer than rows."""
    clusters = margin.clusters
    return np.ones(len(margin.groups)) if clusters is None or clusters.each is None else clusters.each


def _both(
    values: Floats, errors: Floats, limits: Limits, p_value: Callable[[list[int], int | None], float],
    settings: Settings, reference: int | None, seed: int, what: str, how: str,
) -> list[stats.GapResult]:  # fmt: skip
    """Difference and ratio, which share their p-values."""
    known: dict[tuple[tuple[int, ...], int | None], float] = {}

    def once(groups: list[int], ref: int | None) -> float:
        key = (tuple(groups), ref)
        if key not in known:
            known[key] = p_value(groups, ref)
        return known[key]

    return [
        stats.limits_gap(
            values, errors, limits, p_value=once, kind=kind, seed=seed, draws=settings.draws, alpha=settings.alpha,
            reference=reference, what=what, how=how,
        )
        for kind in KINDS
    ]  # fmt: skip


def _calibration_gaps(
    margin: Margin, members: npt.NDArray[np.int64], alpha: float, reference: int | None
) -> tuple[stats.GapResult, stats.GapResult]:
    """Gaps of calibration errors from bounds that hold for all groups at once (Bonferroni); no p-value.

    The plain error is too high in small groups, so that a test of equal plain errors would find the group sizes; and
    groups whose scores lie elsewhere may be calibrated alike, so that permuting people would find where scores lie.
    """
    estimates = [bounds(margin, g, alpha / max(len(members), 1)) for g in members]
    method = (
        f"plain errors; interval from {brief(100 * (1 - alpha))} % bounds that hold for all groups at once; no p-value"
    )
    usable = [i for i, c in enumerate(estimates) if np.isfinite(c[0])]
    left_out = tuple(i for i in range(len(estimates)) if i not in usable)
    if len(usable) < 2 or (reference is not None and reference not in usable):
        reason = "fewer than two groups have scores from 0 to 1 and known outcomes"
        nothing = stats.GapResult(None, None, None, None, None, None, None, method, False, reason, left_out)
        return nothing, nothing
    error, least, most = np.array(estimates).T
    some = np.array(usable)
    i, j = (some[k] for k in np.nonzero(~np.eye(len(some), dtype=bool)))
    if reference is not None:
        with_it = (i == reference) | (j == reference)
        i, j = i[with_it], j[with_it]
    widest = int((error[i] - error[j]).argmax())
    highest, lowest = int(i[widest]), int(j[widest])
    value = estimates[highest][0] - estimates[lowest][0]
    low = max(0.0, float((least[i] - most[j]).max()))
    high = float((most[i] - least[j]).max())
    (_, low1, high1), (_, low2, high2) = estimates[highest], estimates[lowest]
    difference = stats.GapResult(
        value, min(low, value), min(1.0, high), None, highest, lowest, 0, method, True, None, left_out,
        low1 - high2, high1 - low2, None, len(i) // 2,
    )  # fmt: skip
    if estimates[highest][0] == 0:
        reason = "0 over 0: no group has any calibration error"
        return difference, stats.GapResult(None, None, None, None, None, None, None, method, False, reason, left_out)
    ratio = estimates[lowest][0] / estimates[highest][0]
    near = float((least[j] / most[i]).min())
    over = least[i] > 0
    far = min(1.0, float((most[j[over]] / least[i[over]]).min(initial=1.0)))
    return difference, replace(
        difference, value=ratio, low=min(near, ratio), high=max(far, ratio),
        pair_low=low2 / high1 if high1 > 0 else 0.0, pair_high=high2 / low1 if low1 > 0 else float("inf"),
    )  # fmt: skip
