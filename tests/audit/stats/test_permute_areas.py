"""Areas of weighted rows: permuting rows with their weights within each outcome, against every arrangement there is."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from audit.stats import areas_p, weighted_areas_p

Rows = tuple[np.ndarray, np.ndarray]  # scores and weights


def area_and_variance(up: Rows, down: Rows) -> tuple[float, float]:
    """By loops over pairs: the weighted area; its linearised variance, blended with one person of the smaller side."""
    (x, w), (y, v) = up, down
    over = np.array([[1.0 if a > b else 0.5 if a == b else 0.0 for b in y] for a in x])
    area = float(w @ over @ v / w.sum() / v.sum())
    sides = []
    for rank, weight in ((over @ v / v.sum(), w), (w @ over / w.sum(), v)):
        people = max(weight.sum() ** 2 / (weight**2).sum(), 1 + 1e-9)
        spread = float((weight**2 * (rank - area) ** 2).sum() / weight.sum() ** 2 * people / (people - 1))
        sides.append((spread, people))
    n = min(s[1] for s in sides)
    if not 1e-9 < area < 1 - 1e-9:
        centre = (area * n + 2) / (n + 4)
        return area, centre * (1 - centre) / (n + 4)
    variance = sides[0][0] + sides[1][0]
    return area, (variance * (n - 1) + area * (1 - area) / n) / n


def cells(score: np.ndarray, weight: np.ndarray, group: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, ...]:
    out = np.zeros((3, 2, len(at)))
    for s, w, g in zip(score, weight, group, strict=True):
        out[:, g, np.searchsorted(at, s)] += (1, w, w * w)
    return tuple(out)


def test_every_arrangement() -> None:
    rng = np.random.default_rng(5)
    x, y = np.array([3.0, 9, 7, 12, 5, 11, 8]), np.array([1.0, 4, 2, 10, 3, 6])
    group = [np.array([0, 0, 0, 1, 1, 1, 1]), np.array([0, 1, 1, 0, 1, 0])]
    w, v = rng.lognormal(0, 0.9, 7), rng.lognormal(0, 0.9, 6)
    for weight, of in ((w, group[0]), (v, group[1])):
        for g in (0, 1):
            weight[of == g] /= weight[of == g].mean()

    def apart(first: np.ndarray, second: np.ndarray) -> float:
        (a, s), (b, t) = (
            area_and_variance((x[i], w[i]), (y[j], v[j])) for i, j in ((first, second), (~first, ~second))
        )
        return abs(a - b) / float(np.sqrt(s + t))

    seen, reached, total = apart(group[0] == 0, group[1] == 0), 0, 0
    for i in combinations(range(7), 3):
        for j in combinations(range(6), 3):
            total += 1
            reached += apart(np.isin(np.arange(7), i), np.isin(np.arange(6), j)) >= seen * (1 - 1e-9)
    at = np.unique([*x, *y])
    sides = cells(x, w, group[0], at), cells(y, v, group[1], at)
    # Draws stop once fifty of them reach what was seen: a relative error of a seventh.
    assert weighted_areas_p(*sides, seed=0, draws=4000) == pytest.approx(reached / total, rel=0.45)


def test_no_weight_scale_or_order_of_groups_decides_and_equal_weights_are_none() -> None:
    rng = np.random.default_rng(2)
    score, group, up = rng.integers(0, 30, 300), rng.integers(0, 2, 300), rng.random(300) < 0.4
    weight, at = rng.lognormal(0, 0.7, 300), np.arange(30.0)

    def p(weight: np.ndarray, group: np.ndarray) -> float:
        return weighted_areas_p(*(cells(score[m], weight[m], group[m], at) for m in (up, ~up)), seed=1, draws=2000)

    assert p(weight, group) == pytest.approx(p(weight * np.where(group == 0, 40.0, 1.0), group), rel=0.45)
    assert p(weight, group) == p(weight, 1 - group)
    n = [cells(score[m], np.ones(m.sum()), group[m], at)[0] for m in (up, ~up)]
    assert p(np.ones(300), group) == pytest.approx(areas_p(*n, seed=1), rel=0.45)
