"""What stands in for a sensitive attribute: each feature alone, and all of them together.

Alone: Cramer's V (bias-corrected, Bergsma 2013), mutual information in nats (Miller-Madow) and the likelihood-ratio
test of independence, adjusted over all pairs (Benjamini-Hochberg); and the area under the ROC curve with which the
feature tells a group from the rest, on rows whose share it was not computed from. Together: a ridge regression on the
levels of all features, cross-validated. It holds no interactions, so a better predictor may exist: a lower bound.

All on at most MOST rows, drawn by the seed from what stands in them. Numbers are in bands of equal size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from audit import stats
from audit.gaps import Settings, seed_of
from audit.lazy import pandas as pd
from audit.numbers import many
from audit.quality.codes import Group, Ints, Levels, levels_of
from audit.quality.draw import dealt, row_digest, sample
from audit.values import UNKNOWN, to_json

Floats = npt.NDArray[np.float64]

MOST = 10_000
MOST_FEATURES = 200
FOLDS = 5
RIDGE = 10.0
DENSE = 1_000
"""Indicators up to which the regression is solved by elimination."""
NEAR = 1e-8
"""Of the first residual: scores are then right to about as much."""
MOST_STEPS = 1_000
FEW_GROUPS = 6
"""Up to which all folds are learnt in one descent."""


def proxies(
    frame: pd.DataFrame, features: Sequence[str], groups: Sequence[Group], settings: Settings
) -> dict[str, Any]:
    """`features`: each feature against each attribute, strongest first; `together`: all features, per attribute."""
    if not features:
        return {"measured": False, "reason": "no feature was read"}
    digest = row_digest(frame, features, groups)
    place = sample(digest, MOST, seed_of(settings, "proxies"))
    part = frame[list(features[:MOST_FEATURES])].iloc[place]
    coded: list[Levels] = []
    left = list(features[MOST_FEATURES:])
    for feature in features[:MOST_FEATURES]:
        levels = levels_of(part[feature])
        if levels is None:
            left.append(feature)
        else:
            coded.append(levels)
    alone: list[ProxyAlone] = []
    together: list[dict[str, Any]] = []
    for group in groups:
        codes, names, kept = _known(group, place, settings.floor)
        if len(names) < 2:
            together.append(
                _none(group, f"{many(len(names), 'group')} of at least {settings.floor} people in the sample")
            )
            continue
        fold = dealt(digest[place[kept]], FOLDS, seed_of(settings, "folds", group.attribute))
        mine = [Levels(c.column, c.codes[kept], c.names) for c in coded if c.column != group.attribute]
        for c in mine:
            alone.append(_alone(group.attribute, c, codes, names, fold))
        together.append(_together(group, mine, codes, names, fold, settings.alpha))
    adjusted = stats.benjamini_hochberg(np.array([a.p_value for a in alone])).tolist() if alone else []
    explored = [replace(a, p_explore=p) for a, p in zip(alone, adjusted, strict=True)]
    explored.sort(key=lambda a: (a.attribute, -a.cramers_v, a.feature))
    return {
        "measured": True,
        "rows": len(part),
        "of_rows": len(frame),
        "folds": FOLDS,
        "not_used": left,
        "method": "Cramer's V, mutual information and cross-fitted AUC of levels and bands; ridge regression, "
        f"{FOLDS}-fold, without interactions",
        "features": [to_json(a) for a in explored],
        "together": together,
    }


@dataclass(frozen=True, slots=True)
class ProxyAlone:
    """How far one feature goes with one attribute. p_explore: adjusted by Benjamini and Hochberg over all pairs."""

    attribute: tuple[str, ...]
    feature: str
    cramers_v: float
    mutual_information: float
    share_of_entropy: float
    p_value: float
    auc: float
    auc_group: tuple[str, ...]
    rows: int
    p_explore: float | None = None


def _known(group: Group, place: Ints, floor: int) -> tuple[Ints, tuple[str, ...], Ints]:
    """Codes of the people in groups that are known and not small, these groups' names, and the people's places."""
    codes = group.codes[place]
    people = np.bincount(codes, minlength=len(group.levels))
    chosen = [g for g, n in enumerate(group.levels) if n != UNKNOWN and people[g] >= max(floor, FOLDS)]
    table = np.full(len(group.levels), -1, dtype=np.int64)
    table[chosen] = np.arange(len(chosen))
    kept = np.flatnonzero(table[codes] >= 0)
    return table[codes[kept]], tuple(group.levels[g] for g in chosen), kept


def _alone(attribute: str, c: Levels, codes: Ints, names: tuple[str, ...], fold: Ints) -> ProxyAlone:
    table = _table(c.codes, codes, len(c.names), len(names))
    v, information, share, p = (float(x) for x in association(table))
    areas = _areas(_cross_fitted(c, codes, len(names), fold), codes)
    # Of two groups both areas are the same: the larger group is named, whatever the names.
    best = int(np.lexsort((-table.sum(axis=0), -np.round(areas, 9)))[0])
    return ProxyAlone(
        (attribute,),
        c.column,
        float(v),
        float(information),
        float(share),
        float(p),
        float(areas[best]),
        (names[best],),
        len(codes),
    )


def _table(rows: Ints, columns: Ints, r: int, k: int) -> Floats:
    return np.bincount(rows * k + columns, minlength=r * k).reshape(r, k).astype(np.float64)


def association(table: Floats) -> tuple[float, float, float, float]:
    """Cramer's V, mutual information in nats, its share of the columns' entropy, and the p-value of independence.

    table : (levels, groups) counts. V and information are corrected for chance and not below 0.
    """
    from scipy.special import chdtrc

    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    n, (r, k) = table.sum(), table.shape
    if r < 2 or k < 2:
        return 0.0, 0.0, 0.0, 1.0
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / n
    here = table > 0
    plain = float((table[here] / n * np.log(table[here] / expected[here])).sum())
    information = max(0.0, plain - (r - 1) * (k - 1) / (2 * n))
    shares = table.sum(axis=0) / n
    entropy = float(-(shares * np.log(shares)).sum())
    phi2 = max(0.0, float(((table - expected) ** 2 / expected).sum() / n) - (r - 1) * (k - 1) / (n - 1))
    least = min(r - (r - 1) ** 2 / (n - 1), k - (k - 1) ** 2 / (n - 1)) - 1
    v = min(1.0, float(np.sqrt(phi2 / least))) if least > 0 else 0.0
    return (
        v,
        information,
        min(1.0, information / entropy),
        stats.above_nought(chdtrc((r - 1) * (k - 1), max(0.0, 2 * n * plain))),
    )


def _cross_fitted(c: Levels, codes: Ints, groups: int, fold: Ints) -> Floats:
    """(n, groups): the share of each group among people of the same level, computed without the person's own fold."""
    levels = len(c.names)
    tables = np.stack([_table(c.codes[fold == f], codes[fold == f], levels, groups) for f in range(FOLDS)])
    without = tables.sum(axis=0) - tables
    overall = without.sum(axis=1, keepdims=True)
    shrunk = (without + overall / overall.sum(axis=2, keepdims=True)) / (without.sum(axis=2, keepdims=True) + 1)
    out: Floats = shrunk[fold, c.codes]
    return out


def _areas(scores: Floats, codes: Ints) -> Floats:
    """The area under the ROC curve of each group against the rest."""
    return np.array([_area(scores[:, g], codes == g) for g in range(scores.shape[1])])


def _area(score: Floats, member: npt.NDArray[np.bool_]) -> float:
    return float(stats.area_under_curve(*_counts(score, member))[0])


def _counts(score: Floats, member: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Members and others at each distinct score, in order."""
    _, at = np.unique(np.round(score, 12), return_inverse=True)
    size = int(at.max()) + 1
    inside = np.bincount(at, member, minlength=size).astype(np.float64)
    return inside, np.bincount(at, ~member, minlength=size).astype(np.float64)


def _together(
    group: Group, mine: Sequence[Levels], codes: Ints, names: tuple[str, ...], fold: Ints, alpha: float
) -> dict[str, Any]:
    scores = out_of_fold(mine, codes, len(names), fold)
    by_group, areas = [], []
    for g, name in enumerate(names):
        area, low, high, _ = stats.area_interval(*_counts(scores[:, g], codes == g), alpha)
        by_group.append(
            {"group": [name], "rows": int((codes == g).sum()), "auc": area, "low": float(low), "high": float(high)}
        )
        areas.append(area)
    weight = np.bincount(codes, minlength=len(names)) / len(codes)
    return {
        "attribute": [group.attribute],
        "estimable": True,
        "reason": None,
        "rows": len(codes),
        "features": len(mine),
        "auc": float((weight * np.array(areas)).sum()),
        "by_group": by_group,
    }


def _none(group: Group, reason: str) -> dict[str, Any]:
    return {
        "attribute": [group.attribute], "estimable": False, "reason": reason, "rows": 0, "features": 0, "auc": None,
        "by_group": [],
    }  # fmt: skip


def out_of_fold(mine: Sequence[Levels], codes: Ints, groups: int, fold: Ints) -> Floats:
    """(n, groups) scores of a ridge regression on indicators of all levels, each row scored by the other folds."""
    offsets = np.cumsum([0, *(len(c.names) for c in mine)])
    width = int(offsets[-1]) + 1
    # A row has one 1 for each column of the file, and one for the constant.
    at = np.column_stack(
        [*(o + c.codes for c, o in zip(mine, offsets[:-1], strict=True)), np.full(len(codes), width - 1)]
    )
    y = (codes[:, None] == np.arange(groups)).astype(np.float64)
    penalty = np.full(width, RIDGE)
    penalty[-1] = 1e-6
    return _solved(at, y, fold, penalty) if width <= DENSE else _descended(at, y, fold, penalty, offsets)


def _solved(at: Ints, y: Floats, fold: Ints, penalty: Floats) -> Floats:
    """By elimination. Sums of 0 and 1 are exact in any order, and in single precision up to 2^24, so that the same rows
    give the same scores on any machine's threads."""
    x = np.zeros((len(y), len(penalty)), dtype=np.float32)
    np.put_along_axis(x, at, 1.0, axis=1)
    blocks = [x[fold == f] for f in range(FOLDS)]
    grams = [(block.T @ block).astype(np.float64) for block in blocks]
    targets = [(block.T @ y[fold == f].astype(np.float32)).astype(np.float64) for f, block in enumerate(blocks)]
    gram, target = sum(grams), sum(targets)
    out = np.zeros_like(y)
    for f, block in enumerate(blocks):
        coefficients = np.linalg.solve(gram - grams[f] + np.diag(penalty), target - targets[f])
        out[fold == f] = block.astype(np.float64) @ coefficients
    return out


def _descended(at: Ints, y: Floats, fold: Ints, penalty: Floats, offsets: Ints) -> Floats:
    """By conjugate gradients (Hestenes & Stiefel 1952) on the sparse indicators, where elimination would take the cube
    of thousands of columns. Rows come in an order of their content, so that sums are the same for a re-sorted file.

    Everybody is in one group, so that the scores of the largest group are what those of the others leave of 1.
    """
    from scipy import sparse

    n, many = at.shape
    starts = np.arange(0, n * many + 1, many, dtype=np.int32)
    x = sparse.csr_array((np.ones(n * many), at.ravel().astype(np.int32), starts), shape=(n, len(penalty)))
    # Of equal groups that of the first row, whatever the names.
    largest = int(np.lexsort((y.argmax(axis=0), -y.sum(axis=0)))[0])
    others = np.delete(np.arange(y.shape[1]), largest)
    out = np.zeros_like(y)
    at_once = FOLDS if len(others) <= FEW_GROUPS else 1
    for first in range(0, FOLDS, at_once):
        folds = np.arange(first, first + at_once)
        learn = np.flatnonzero((fold[:, None] != folds).any(axis=1))
        coefficients = _coefficients(x[learn], y[np.ix_(learn, others)], fold[learn, None] != folds, penalty, offsets)
        for f, of_fold in zip(folds, np.split(coefficients, at_once, axis=1), strict=True):
            left_out = np.flatnonzero(fold == f)
            out[np.ix_(left_out, others)] = x[left_out] @ of_fold
    out[:, largest] = 1 - out.sum(axis=1)
    return out


def _coefficients(x: Any, y: Floats, learns: npt.NDArray[np.bool_], penalty: Floats, offsets: Ints) -> Floats:
    """(indicators, folds x groups), of y (n, groups), learnt for each fold on the rows that `learns` (n, folds) has.
    All in one descent: a pass over the indicators for ten right-hand sides takes far less than five for two.

    offsets: of each column's first indicator, and of the constant. A column's indicators add up to the constant, so
    that shifts of all of a column's coefficients are nearly free, and slow a descent; they are solved for at each step
    (a coarse space: Nicolaides 1987), which takes half of the steps away or more.
    """
    mask = learns.repeat(y.shape[1], axis=1).astype(np.float64)
    ahead = x.tocsc() if y.shape[1] <= FEW_GROUPS else x  # by columns, no sum waits for the one before
    target = x.T @ (np.tile(y, learns.shape[1]) * mask)
    scale = x.T @ mask + penalty[:, None]
    goal = NEAR * np.linalg.norm(target, axis=0)
    coefficients: Floats = np.zeros_like(target)
    residual, free = target, np.empty_like(target)
    levels = np.diff(np.append(offsets, len(penalty)))
    shift = np.append(RIDGE * levels[:-1], 1.0)[:, None]
    rows = learns.sum(axis=0).repeat(y.shape[1])
    joint = rows / (1 + rows * (1 / shift).sum())

    def towards(residual: Floats) -> Floats:
        """The residual by each indicator's own scale, and by the shifts of columns (Sherman & Morrison 1950)."""
        shifts = np.add.reduceat(residual, offsets, axis=0) / shift
        shifts -= joint * shifts.sum(axis=0) / shift
        out: Floats = residual / scale
        out += shifts.repeat(levels, axis=0)
        return out

    near = towards(residual)
    step, size = near, (residual * near).sum(axis=0)
    for _ in range(MOST_STEPS):
        if (np.linalg.norm(residual, axis=0) <= goal).all():
            break
        turned = x.T @ np.multiply(ahead @ step, mask)
        turned += np.multiply(penalty[:, None], step, out=free)
        length = size / np.maximum(np.multiply(step, turned, out=free).sum(axis=0), np.finfo(float).tiny)
        coefficients += np.multiply(length, step, out=free)
        residual -= np.multiply(length, turned, out=free)
        near = towards(residual)
        before, size = size, np.multiply(residual, near, out=free).sum(axis=0)
        step = near + np.multiply(step, size / np.maximum(before, np.finfo(float).tiny), out=step)
    return coefficients
