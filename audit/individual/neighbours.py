"""Consistency and the neighbours' flip test on a sample of people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.gaps import Settings, seed_of
from audit.numbers import are, many
from audit.quality.codes import Group, levels_of
from audit.quality.draw import row_digest, sample
from audit.stats.intervals import two_sided
from audit.values import UNKNOWN

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Small = npt.NDArray[np.uint8] | npt.NDArray[np.int64]

MOST = 2000
NEAR = 5
ROWS_AT_ONCE = 64
NEAR_AT_ONCE = 256
"""So that of the largest table, 32 MiB, there is one."""


def consistency(
    frame: pd.DataFrame, features: Sequence[str], groups: Sequence[Group], favourable: Ints, settings: Settings
) -> dict[str, Any]:
    """The `neighbours` entry. favourable (n,): 1 where the decision is the favourable one."""
    used = [f for f in features if f not in {g.attribute for g in groups}]
    if not used or len(frame) <= NEAR:
        return {
            "measured": False,
            "reason": "no feature was read" if not used else f"{many(len(frame), 'person')} {are(len(frame))} too few",
        }
    place = sample(row_digest(frame, used, groups, [favourable]), MOST, seed_of(settings, "neighbours"))
    part = frame.iloc[place]
    points, kinds, skipped = points_of(part, used)
    distance = distances(points, kinds)
    np.fill_diagonal(distance, np.inf)
    decided = favourable[place].astype(np.float64)
    near = nearest_of(distance)
    unlike = np.abs(decided - decided[near].mean(axis=1))
    # AIF360 asks scikit-learn for five neighbours of people among whom the person is: the first is oneself.
    counting = np.abs(decided - (decided + decided[near[:, : NEAR - 1]].sum(axis=1)) / NEAR)
    theirs_by = clarify_flips(part, used, groups, place, decided)
    by_group = []
    for group in groups:
        codes = group.codes[place]
        for g, name in enumerate(group.levels):
            mine = codes == g
            others = np.flatnonzero((codes != g) & np.array([n != UNKNOWN for n in group.levels])[codes])
            if name == UNKNOWN or mine.sum() < settings.floor or len(others) < NEAR:
                continue
            nearest = others[nearest_of(distance[np.ix_(mine, others)])]
            theirs = (decided[nearest].mean(axis=1) > 0.5).astype(np.float64)
            better, worse = int((theirs > decided[mine]).sum()), int((theirs < decided[mine]).sum())
            by_group.append(
                {
                    "attribute": [group.attribute],
                    "group": [name],
                    "people": int(mine.sum()),
                    "consistency": float(1 - unlike[mine].mean()),
                    **_around(1 - unlike[mine], 0.0, settings, "consistency_"),
                    "better_outside": better,
                    "worse_outside": worse,
                    "flip_test": (better - worse) / int(mine.sum()),
                    **_around(theirs - decided[mine], -1.0, settings, "flip_"),
                }
            )
    return {
        "measured": True,
        "people": len(place),
        "of_people": len(frame),
        "neighbours": NEAR,
        "features": [f for f in used if f not in skipped],
        "not_used": skipped,
        "consistency": float(1 - unlike.mean()),
        **_around(1 - unlike, 0.0, settings, "consistency_"),
        "aif360_consistency": float(1 - counting.mean()),
        "clarify_flip_test": theirs_by,
        "by_group": by_group,
    }


def nearest_of(distance: Floats) -> Ints:
    """(n, NEAR): the places of the smallest of each row of (n, m), nearest first, and of equal ones the first."""
    parts = [_nearest(distance[start : start + NEAR_AT_ONCE]) for start in range(0, len(distance), NEAR_AT_ONCE)]
    return np.concatenate(parts) if parts else np.zeros((0, NEAR), dtype=np.int64)


def _nearest(distance: Floats) -> Ints:
    reach = np.partition(distance, NEAR - 1, axis=1)[:, NEAR - 1 : NEAR]
    row, place = np.nonzero(~(distance > reach))  # and what is no number, which comes last
    order = np.lexsort((place, distance[row, place], row))
    first = np.searchsorted(row, np.arange(len(distance)))
    return np.asarray(place[order][first[:, None] + np.arange(NEAR)])


def clarify_flips(
    part: pd.DataFrame, features: Sequence[str], groups: Sequence[Group], place: Ints, decided: Floats
) -> dict[str, Any]:
    """Clarify's FT of each group against all others, by its own rule: scikit-learn's neighbours over the features as
    they are, five of them, or one where the others are fewer than ten. It takes numbers only.
    """
    texts = [f for f in features if not pd.api.types.is_numeric_dtype(part[f])]
    if texts:
        return {"values": [], "reason": f"Clarify's flip test takes numbers only; {texts[0]!r} holds none"}
    points = part[list(features)].to_numpy(dtype=np.float64, na_value=np.nan)
    if not np.isfinite(points).all():
        return {"values": [], "reason": "Clarify's flip test takes no missing values"}
    from sklearn.neighbors import KNeighborsClassifier  # here, since it takes a second to load

    values = []
    for group in groups:
        codes = group.codes[place]
        known = np.array([n != UNKNOWN for n in group.levels])[codes]
        for g, name in enumerate(group.levels):
            mine, others = codes == g, known & (codes != g)
            if name == UNKNOWN or not mine.any() or not others.any():
                continue
            near = KNeighborsClassifier(NEAR if others.sum() >= 10 else 1).fit(points[others], decided[others])
            turned = near.predict(points[mine])
            plus, minus = (decided[mine] > turned).sum(), (decided[mine] < turned).sum()
            value = float((plus - minus) / mine.sum())
            values.append({"attribute": [group.attribute], "group": [name], "people": int(mine.sum()), "value": value})
    return {"values": values, "reason": None}


def _around(values: Floats, least: float, settings: Settings, name: str) -> dict[str, float]:
    """The normal interval of a mean over the people sampled, cut at what is possible; neighbours are taken as given."""
    half = float(two_sided(settings.alpha) * values.std() / np.sqrt(len(values)))
    middle = float(values.mean())
    return {f"{name}low": max(middle - half, least), f"{name}high": min(middle + half, 1.0)}


def points_of(part: pd.DataFrame, features: Sequence[str]) -> tuple[Floats, list[Small], list[str]]:
    """Where people stand: (n, D) standardised numbers (missing at the mean), the codes (n,) of each category, and the
    features that are neither. Two people are 1 apart in a category (squared) where theirs differ.
    """
    numbers: list[Floats] = []
    kinds: list[Small] = []
    skipped: list[str] = []
    for feature in features:
        column = part[feature]
        if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
            values = column.to_numpy(dtype=np.float64, na_value=np.nan)
            known = np.isfinite(values)
            spread = values[known].std() if known.any() else 0.0
            if spread > 0:
                numbers.append(np.where(known, values - values[known].mean(), 0.0) / spread)
        elif (levels := levels_of(column)) is not None:
            kinds.append(levels.codes.astype(np.uint8) if len(levels.names) <= 2**8 else levels.codes)
        else:
            skipped.append(feature)
    return (np.column_stack(numbers) if numbers else np.zeros((len(part), 0))), kinds, skipped


def distances(points: Floats, kinds: Sequence[Small]) -> Floats:
    """Squared distances (n, n), rounded so that equal ones are equal in whatever order they were added up."""
    n = len(points)
    out: Floats = 2 * points @ points.T
    norms = (points**2).sum(axis=1)
    for start in range(0, n, ROWS_AT_ONCE):  # what is counted stays in the processor's cache
        here = slice(start, start + ROWS_AT_ONCE)
        unlike = np.zeros((len(norms[here]), n), dtype=np.int32)
        for codes in kinds:
            unlike += codes[here, None] != codes
        near = np.maximum(norms[here, None] + norms - out[here], 0.0)
        near += unlike
        np.round(near, 9, out=out[here])
    return out
