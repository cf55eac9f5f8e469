"""Rates that rest on scores: the area under the ROC curve, the average score, and the calibration error.

They follow from the counts per score of the cube. Where scores are binned, a score stands for its bin's middle; the
average is exact all the same, since its sums are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from audit import stats
from audit.cube import Floats, Margin, Scores
from audit.gaps import KINDS, Settings, gap_record, reference_index, seed_of
from audit.values import Gap, Rate

BINS = 10
"""Equal bins over 0..1 of the calibration error (Naeini, Cooper & Hauskrecht 2015)."""


def score_rates(margin: Margin, settings: Settings) -> list[Rate]:
    """Three rates of each group, or none where the margin has no scores."""
    if margin.scores is None:
        return []
    out: list[Rate] = []
    for g in range(len(margin.groups)):
        out += [_area(margin, g, settings), _mean(margin, g, settings), _calibration(margin, g, settings)]
    return out


def _record(
    margin: Margin, g: int, metric: str, value: float, error_or_limits: tuple[float, float], n: float, name: str,
    reason: str,
) -> Rate:  # fmt: skip
    """A rate from a value and its limits; NaN makes it not estimable, for `reason`."""
    if margin.withheld[g]:
        reason = "withheld: the group, or one that could be found by subtraction, is smaller than the floor"
    known = bool(np.isfinite(value)) and not margin.withheld[g]
    low, high = error_or_limits
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


def _scores(margin: Margin) -> Scores:
    assert margin.scores is not None
    return margin.scores


def _area(margin: Margin, g: int, settings: Settings) -> Rate:
    s = _scores(margin)
    area, low, high, _ = stats.area_interval(_sized(s, g, 1), _sized(s, g, 0), settings.alpha)
    positives, negatives = int(s.n[g, 1].sum()), int(s.n[g, 0].sum())
    reason = f"it needs both outcomes: {positives} with the positive one, {negatives} without (known labels)"
    name = _name("delong-wilson", settings)
    return _record(margin, g, "roc_auc", area, (low, high), positives + negatives, name, reason)


def _sized(s: Scores, g: int, label: int) -> Floats:
    """Weights per score scaled to the effective number of people (Kish)."""
    w, squares = s.w[g, label], s.w2[g, label].sum()
    scaled: Floats = w * (w.sum() / squares) if squares > 0 else w
    return scaled


def _mean(margin: Margin, g: int, settings: Settings) -> Rate:
    mean, error, n = mean_and_error(margin, g)
    limits = stats.mean_interval(mean, error, settings.alpha)
    reason = f"0 people with a score (of {int(margin.n[g].sum())} in the group)"
    return _record(
        margin, g, "mean_score", mean, (float(limits[0]), float(limits[1])), n, _name("normal", settings), reason
    )


def mean_and_error(margin: Margin, g: int) -> tuple[float, float, float]:
    """The average score of a group, its standard error (effective n), and the sum of weights."""
    s = _scores(margin)
    w, w2 = margin.w[g].sum(), margin.w2[g].sum()
    if w <= 0:
        return float("nan"), float("nan"), 0.0
    mean = s.total[g].sum() / w
    variance = max(s.squares[g].sum() / w - mean**2, 0.0)
    effective = w**2 / w2
    error = np.sqrt(variance / max(effective - 1, 1)) if effective > 1 else float("nan")
    return float(mean), float(error), float(w)


def reliability(margin: Margin, g: int) -> tuple[Floats, Floats, Floats]:
    """Per calibration bin: weight, average score, share with the positive outcome. (BINS,) each; NaN where empty."""
    s = _scores(margin)
    middle = s.at if s.exact else s.at + (s.at[1] - s.at[0]) / 2
    place = np.clip((middle * BINS).astype(np.int64), 0, BINS - 1)
    negative = np.bincount(place, s.w[g, 0], minlength=BINS).astype(np.float64)
    positive = np.bincount(place, s.w[g, 1], minlength=BINS)
    n: Floats = negative + positive
    score = np.bincount(place, (s.w[g, 0] + s.w[g, 1]) * middle, minlength=BINS)
    with np.errstate(invalid="ignore", divide="ignore"):
        return n, score / n, positive / n


def reliability_curves(margins: Sequence[Margin], settings: Settings) -> list[dict[str, Any]]:
    """Reliability curves of everyone and of each group of each attribute: per score bin the share that came true.

    Nothing where scores are no probabilities. Intervals: Wilson on the effective number of people.
    """
    out: list[dict[str, Any]] = []
    for margin in margins:
        s = margin.scores
        if s is None or len(margin.attribute) > 1 or not s.at.size or s.at[0] < 0 or s.at[-1] > 1:
            continue
        for g, group in enumerate(margin.groups):
            n, score, share = reliability(margin, g)
            squares = s.w2[g, :2].sum()
            if n.sum() <= 0 or margin.withheld[g]:
                continue
            here = np.flatnonzero(n > 0)
            effective = n[here] * (n.sum() / squares)
            low, high = stats.wilson(share[here] * effective, effective, settings.alpha)
            points = [
                {
                    "from": b / BINS, "to": (b + 1) / BINS, "people": float(n[b]), "mean_score": float(score[b]),
                    "share": float(share[b]), "low": float(low[i]), "high": float(high[i]),
                }
                for i, b in enumerate(here.tolist())
            ]  # fmt: skip
            out.append({"attribute": list(margin.attribute), "group": list(group), "points": points})
    return out


def _calibration(margin: Margin, g: int, settings: Settings) -> Rate:
    value, low, high, _, n = calibration(margin, g, settings.alpha)
    s = _scores(margin)
    if s.at.size and (s.at[0] < 0 or s.at[-1] > 1):
        reason = f"scores are not probabilities: they run from {s.at[0]:g} to {s.at[-1]:g}"
    else:
        reason = f"0 people with a score and a known outcome (of {int(margin.n[g].sum())} in the group)"
    name = f"bound-{100 * (1 - settings.alpha):g}-over-{BINS}-bins"
    return _record(margin, g, "calibration_error", value, (low, high), n, name, reason)


def calibration(margin: Margin, g: int, alpha: float) -> tuple[float, float, float, float, float]:
    """Expected calibration error, a conservative interval, a standard error, and the weight it rests on.

    The plain estimate is too high in small groups. The interval adds up the bins' own limits at a Bonferroni level,
    so it covers at least as often as it says.
    """
    s = _scores(margin)
    nothing = (float("nan"),) * 4
    if not s.at.size or s.at[0] < 0 or s.at[-1] > 1:
        return (*nothing, 0.0)
    n, score, share = reliability(margin, g)
    total = n.sum()
    if total <= 0:
        return (*nothing, 0.0)
    here = n > 0
    squares = s.w2[g, :2].sum()
    effective = n[here] * (total / squares)
    off = score[here] - share[here]
    weight = n[here] / total
    low, high = stats.wilson(share[here] * effective, effective, alpha / here.sum())
    nearest = np.where((score[here] >= low) & (score[here] <= high), 0.0, np.minimum(
        np.abs(score[here] - low), np.abs(score[here] - high)
    ))  # fmt: skip
    farthest = np.maximum(np.abs(score[here] - low), np.abs(score[here] - high))
    error = np.sqrt(np.sum(weight**2 * share[here] * (1 - share[here]) / effective))
    return (
        float(np.sum(weight * np.abs(off))),
        float(np.sum(weight * nearest)),
        float(min(1.0, np.sum(weight * farthest))),
        float(error),
        float(total),
    )


def _name(kind: str, settings: Settings) -> str:
    return f"{kind}-{100 * (1 - settings.alpha):g}"


def score_gaps(margin: Margin, members: npt.NDArray[np.int64], settings: Settings) -> list[tuple[str, Gap]]:
    """The gaps of the three rates with their hypotheses, as measure._gaps wants them."""
    if margin.scores is None:
        return []
    parts: dict[str, tuple[list[float], list[float], str]] = {}
    areas = [stats.area_interval(_sized(margin.scores, g, 1), _sized(margin.scores, g, 0)) for g in members]
    parts["roc_auc"] = ([a for a, *_ in areas], [e for *_, e in areas], "people with a known outcome")
    means = [mean_and_error(margin, g) for g in members]
    parts["mean_score"] = ([m for m, _, _ in means], [e for _, e, _ in means], "people with a score")
    out: list[tuple[str, Gap]] = []
    for metric, (values, errors, among) in parts.items():
        for kind in KINDS:
            result = stats.mean_gap(
                values,
                errors,
                kind=kind,
                seed=seed_of(settings, margin.attribute, metric),
                draws=settings.draws,
                alpha=settings.alpha,
                reference=reference_index(margin, members, settings),
                what=metric.replace("_", " "),
            )
            if kind == "ratio" and result.p_value is not None:
                result = replace(result, p_value=out[-1][1].p_value)
            out.append((metric, gap_record(metric, margin, kind, result, members, settings, among)))
    bounds = _calibration_gaps(margin, members, settings.alpha, reference_index(margin, members, settings))
    for kind, result in zip(KINDS, bounds, strict=True):
        record = gap_record("calibration_error", margin, kind, result, members, settings, "people with a known outcome")
        out.append(("calibration_error", record))
    return out


def _calibration_gaps(
    margin: Margin, members: npt.NDArray[np.int64], alpha: float, reference: int | None
) -> tuple[stats.GapResult, stats.GapResult]:
    """Gaps of calibration errors from bounds that hold for all groups at once (Bonferroni); no p-value.

    The plain error is too high in small groups, so that a test of equal plain errors would find the group sizes.
    """
    found = [calibration(margin, g, alpha / max(len(members), 1))[:3] for g in members]
    method = f"plain errors; interval from {100 * (1 - alpha):g} % bounds that hold for all groups at once; no p-value"
    usable = [i for i, c in enumerate(found) if np.isfinite(c[0])]
    left_out = tuple(i for i in range(len(found)) if i not in usable)
    if len(usable) < 2 or (reference is not None and reference not in usable):
        reason = "fewer than two groups have scores from 0 to 1 and known outcomes"
        nothing = stats.GapResult(None, None, None, None, None, None, None, method, False, reason, left_out)
        return nothing, nothing
    pairs = [(i, j) for i in usable for j in usable if i != j and (reference is None or reference in (i, j))]
    highest, lowest = max(pairs, key=lambda p: found[p[0]][0] - found[p[1]][0])
    value = found[highest][0] - found[lowest][0]
    low = max(0.0, max(found[i][1] - found[j][2] for i, j in pairs))
    high = max(found[i][2] - found[j][1] for i, j in pairs)
    difference = stats.GapResult(
        value, min(low, value), min(1.0, high), None, highest, lowest, 0, method, True, None, left_out
    )
    if found[highest][0] == 0:
        reason = "0 over 0: no group has any calibration error"
        return difference, stats.GapResult(None, None, None, None, None, None, None, method, False, reason, left_out)
    ratio = found[lowest][0] / found[highest][0]
    least = min(found[j][1] / found[i][2] for i, j in pairs)
    most = min(1.0, min(found[j][2] / found[i][1] if found[i][1] > 0 else 1.0 for i, j in pairs))
    return difference, stats.GapResult(
        ratio, min(least, ratio), max(most, ratio), None, highest, lowest, 0, method, True, None, left_out
    )
