"""Whether scores mean what they say: calibration error, reliability curves, and calibration by value of points.

Calibration error (Naeini, Cooper & Hauskrecht 2015): over ten equal bins of 0..1, the average distance of the mean
score and the share with the outcome. Its limits: audit/stats/calibrated.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import betaincinv

from audit import stats
from audit.cube import Floats, Margin
from audit.gaps import Settings, seed_of
from audit.metrics import CALIBRATION_ERROR
from audit.scores import PARTS, Scores, part_of

POINTS = 25
"""Up to so many different points are shown one by one; more are put into tenths of the people."""


def known_scores(margin: Margin) -> Scores:
    """The scores of a margin that has some."""
    assert margin.scores is not None
    return margin.scores


def reliability(margin: Margin, g: int) -> tuple[Floats, Floats, Floats]:
    """Per tenth of 0..1: weight, average score, share with the positive outcome. (PARTS,) each; NaN where empty."""
    s = known_scores(margin)
    place = part_of(s.at)
    negative = np.bincount(place, s.w[g, 0], minlength=PARTS).astype(np.float64)
    positive = np.bincount(place, s.w[g, 1], minlength=PARTS)
    n: Floats = negative + positive
    if s.parts is None:
        score = np.bincount(place, (s.w[g, 0] + s.w[g, 1]) * s.middle, minlength=PARTS)
    else:
        score = s.parts[g, :2].sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return n, score / n, positive / n


def _effective(s: Scores, g: int, n: Floats) -> Floats:
    """(PARTS,) people in each tenth, effective where there are weights (Kish 1965)."""
    squares = np.bincount(part_of(s.at), s.w2[g, :2].sum(axis=0), minlength=PARTS)
    return np.divide(n**2, squares, out=np.zeros_like(n), where=squares > 0)


def reliability_curves(margins: Sequence[Margin], settings: Settings) -> list[dict[str, Any]]:
    """Reliability curves of everyone and of each group of each attribute: per tenth of 0..1 the share that came true.

    Nothing where scores are no probabilities. Intervals: Wilson on the effective number of people.
    """
    out: list[dict[str, Any]] = []
    for margin in margins:
        s = margin.scores
        if s is None or len(margin.attribute) > 1 or not s.probabilities:
            continue
        for g, group in enumerate(margin.groups):
            n, score, share = reliability(margin, g)
            if n.sum() <= 0 or margin.withheld[g]:
                continue
            here = np.flatnonzero(n > 0)
            rows = np.bincount(part_of(s.at), s.n[g, :2].sum(axis=0), minlength=PARTS)
            effective = _effective(s, g, n)[here]
            low, high = stats.wilson(share[here] * effective, effective, settings.alpha)
            points = [
                {
                    "from": b / PARTS, "to": (b + 1) / PARTS, "people": float(rows[b]), "mean_score": float(score[b]),
                    "share": float(share[b]), "low": float(low[i]), "high": float(high[i]),
                }
                for i, b in enumerate(here.tolist())
            ]  # fmt: skip
            out.append({"attribute": list(margin.attribute), "group": list(group), "points": points})
    return out


def points_curves(margins: Sequence[Margin], settings: Settings) -> list[dict[str, Any]]:
    """Predictive parity by points, where scores are no probabilities: of the people with these points, how many had the
    outcome, of everyone and of each group of each attribute. Intervals: Wilson on the effective number of people.

    One record for each group: `points` with from, to (one and the same where each value stands alone), people,
    outcome, share, low, high.
    """
    out: list[dict[str, Any]] = []
    bands: list[tuple[int, int]] = []
    for margin in margins:
        s = margin.scores
        if s is None or len(margin.attribute) > 1 or not s.at.size or s.probabilities:
            continue
        if not margin.attribute:
            bands = _bands(s)
        for g, group in enumerate(margin.groups):
            if margin.withheld[g] or not s.n[g, :2].sum():
                continue
            points = [_point(s, g, a, b, settings.alpha) for a, b in bands]
            kept = [p for p in points if p is not None]
            out.append({"attribute": list(margin.attribute), "group": list(group), "points": kept})
    return out


def _bands(s: Scores) -> list[tuple[int, int]]:
    """Places first and last of each band, from the scores of everyone with a known outcome."""
    people = s.n[:, :2].sum(axis=(0, 1))
    used = np.flatnonzero(people)
    if s.exact and len(used) <= POINTS:
        return [(int(a), int(a)) for a in used]
    if not len(used):
        return []
    before = np.cumsum(people) - people
    tenth = (before[used] * PARTS) // people.sum()
    return [(int(used[tenth == t][0]), int(used[tenth == t][-1])) for t in np.unique(tenth)]


def _point(s: Scores, g: int, first: int, last: int, alpha: float) -> dict[str, Any] | None:
    part = slice(first, last + 1)
    n, x = float(s.w[g, :2, part].sum()), float(s.w[g, 1, part].sum())
    if n <= 0:
        return None
    effective = n**2 / float(s.w2[g, :2, part].sum())
    low, high = stats.wilson(np.array([x / n * effective]), np.array([effective]), alpha)
    rows = s.n[g, :2, part]
    return {
        "from": float(s.at[first]), "to": float(s.top[last]), "people": float(rows.sum()),
        "outcome": float(rows[1].sum()), "share": x / n, "low": float(low[0]), "high": float(high[0]),
    }  # fmt: skip


def calibration(margin: Margin, g: int, settings: Settings) -> tuple[float, float, float, float]:
    """Expected calibration error, its limits, and the weight it rests on; NaN where scores are no probabilities."""
    bins = _bins(margin, g)
    if bins is None:
        return float("nan"), float("nan"), float("nan"), 0.0
    weight, score, share, effective, total = bins
    value = float(np.sum(weight * np.abs(score - share)))
    seed = seed_of(settings, margin.attribute, CALIBRATION_ERROR)
    low, high = stats.error_limits(weight, score, share, effective, settings.alpha, seed)
    return value, low, high, total


def _bins(margin: Margin, g: int) -> tuple[Floats, Floats, Floats, Floats, float] | None:
    """Of the tenths that are not empty: part of the weight, mean score, share, effective people; and the weight."""
    s = known_scores(margin)
    if not s.probabilities:
        return None
    n, score, share = reliability(margin, g)
    total = float(n.sum())
    if total <= 0:
        return None
    here = n > 0
    return n[here] / total, score[here], share[here], _effective(s, g, n)[here], total


def bounds(margin: Margin, g: int, alpha: float) -> tuple[float, float, float]:
    """The plain error and limits that hold whatever the bins' true shares are: each bin's exact limits (Clopper &
    Pearson 1934) at a Bonferroni level, put together. NaN where there is no error.
    """
    bins = _bins(margin, g)
    if bins is None:
        return float("nan"), float("nan"), float("nan")
    weight, score, share, n, _ = bins
    x, level = share * n, alpha / len(n) / 2
    low = np.where(x > 0, betaincinv(np.maximum(x, 1e-9), n - x + 1, level), 0.0)
    high = np.where(x < n, betaincinv(x + 1, np.maximum(n - x, 1e-9), 1 - level), 1.0)
    inside = (score >= low) & (score <= high)
    nearest = np.where(inside, 0.0, np.minimum(np.abs(score - low), np.abs(score - high)))
    farthest = np.maximum(np.abs(score - low), np.abs(score - high))
    value = float(np.sum(weight * np.abs(score - share)))
    return value, float(np.sum(weight * nearest)), float(min(1.0, np.sum(weight * farthest)))
