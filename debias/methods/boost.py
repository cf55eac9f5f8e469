"""Constrained boosting: one run of gradient boosting under a bound on the gap between groups.

The Lagrangian is log-loss + sum over groups of lambda_g (r_g - r_mid). Trees descend on it with r_g smoothed (a sigmoid
in place of the threshold); the multipliers ascend on the *true* gap, of thresholded decisions, after every tree: the
two-player game of Cotter et al. (2019, "Optimization with non-differentiable constraints", proxy-Lagrangian), played
with boosting as in Cruz et al. (2023, FairGBM). Deterministic; nothing sensitive is read when a person is decided.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from audit.errors import DataError

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
LEAST = 30
"""A group with fewer training rows under a constraint is left out of it: its rate is mostly chance."""


@dataclass(frozen=True, slots=True)
class BoostSettings:
    """trees, learning_rate, leaves as in LightGBM.

    step: how fast multipliers rise; sharpness: slope of the smoothed threshold.
    """

    trees: int = 100
    learning_rate: float = 0.1
    leaves: int = 31
    least_in_leaf: int = 20
    step: float = 1.0
    sharpness: float = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """One partition of the rows whose rates may differ by at most the tolerance.

    group (n,) is the number of each row's group, -1 for rows that do not count (another label, or a group too small).
    """

    name: str
    group: Ints
    groups: int


@dataclass(frozen=True, slots=True, eq=False)
class Boosted:
    """The trees as LightGBM text, how many of all were kept, and the largest gap after each of them on both parts."""

    text: str
    kept: int
    gap_fit: Floats
    gap_choose: Floats
    multipliers: dict[str, list[float]]
    met: bool


def bounds_of(
    constraint: str, partitions: Sequence[tuple[str, Ints]], label: Ints, merit: int, least: int = LEAST
) -> tuple[list[Bound], list[tuple[str, int, int]]]:
    """The bounds that a constraint means, and (name, group, rows) of each group too small to take part.

    partitions: (name, group (n,)) for each attribute or intersection; merit is the label (0 or 1) that deserves the
    favourable decision: equal opportunity bounds the rate among those, equalized odds among each label.
    """
    among: list[tuple[str, npt.NDArray[np.bool_]]] = [("", np.ones(len(label), dtype=bool))]
    if constraint == "equal_opportunity":
        among = [("", label == merit)]
    elif constraint == "equalized_odds":
        among = [(" among positives", label == 1), (" among negatives", label == 0)]
    bounds, small = [], []
    for name, group in partitions:
        for words, rows in among:
            size = np.bincount(group[rows], minlength=int(group.max()) + 1)
            place = np.full(len(size), -1, dtype=np.int64)
            large = np.flatnonzero(size >= least)
            place[large] = np.arange(len(large))
            small += [(name + words, int(g), int(size[g])) for g in np.flatnonzero((size < least) & (size > 0))]
            if len(large) >= 2:
                bounds.append(Bound(name + words, np.where(rows, place[group], -1), len(large)))
    return bounds, small


def gap_of(bounds: Sequence[Bound], positive: Floats, weight: Floats) -> float:
    """The largest gap over all bounds of decisions positive (n,)."""
    return max((float(np.nanmax(r) - np.nanmin(r)) for r in (_rates(b, positive, weight) for b in bounds)), default=0.0)


def _rates(bound: Bound, positive: Floats, weight: Floats) -> Floats:
    group = bound.group + 1
    total = np.bincount(group, weight, minlength=bound.groups + 1)[1:]
    hit = np.bincount(group, weight * positive, minlength=bound.groups + 1)[1:]
    out: Floats = np.divide(hit, total, out=np.full(bound.groups, np.nan), where=total > 0)
    return out


class _Multipliers:
    """lambda+ and lambda- of each group of one bound: prices of being too far above and below the middle."""

    def __init__(self, bound: Bound, weight: Floats, tolerance: float, step: float) -> None:
        self.bound = bound
        self.tolerance = tolerance
        self.step = step
        self.above = np.zeros(bound.groups)
        self.below = np.zeros(bound.groups)
        self.share = np.bincount(bound.group + 1, weight, minlength=bound.groups + 1)[1:] / weight.sum()

    def rise(self, rates: Floats) -> None:
        middle = (rates.max() + rates.min()) / 2
        away = rates - middle
        self.above = np.maximum(0.0, self.above + self.step * (away - self.tolerance / 2))
        self.below = np.maximum(0.0, self.below + self.step * (-away - self.tolerance / 2))

    def price(self, rates: Floats) -> Floats:
        """d Lagrangian / d (smoothed decision of a row), (groups + 1,), index 0 for rows that do not count."""
        signed = self.above - self.below
        # The middle moves with the two extreme groups.
        left = signed.sum()
        signed = signed.copy()
        signed[int(rates.argmax())] -= left / 2
        signed[int(rates.argmin())] -= left / 2
        return np.concatenate([[0.0], signed / self.share])


def boost(
    x: Floats,
    label: Ints,
    weight: Floats | None,
    bounds: Sequence[Bound],
    x_choose: Floats,
    label_choose: Ints,
    weight_choose: Floats | None,
    bounds_choose: Sequence[Bound],
    *,
    tolerance: float,
    threshold: float = 0.5,
    categories: int = 0,
    names: Sequence[str] | None = None,
    settings: BoostSettings | None = None,
    seed: int = 0,
) -> Boosted:
    """One boosting run. x (n, F) has its `categories` first columns categorical; label (n,) in 0, 1.

    Trees are grown on x; how many are kept is chosen on both parts together: of the second half of the run, the
    prefix with the lowest error whose gap is within the tolerance, else the one with the smallest gap. Raises
    DataError where there is one outcome only.
    """
    import lightgbm as lgb

    settings = settings or BoostSettings()
    w = _normal(weight, len(label))
    v = _normal(weight_choose, len(label_choose))
    base = float(np.average(label, weights=w))
    if not 0 < base < 1:
        raise DataError("the training rows have one outcome only", got=f"{len(label)} rows", todo="check the label")
    start = float(np.log(base / (1 - base)))
    cut = float(np.log(threshold / (1 - threshold))) if 0 < threshold < 1 else (np.inf if threshold >= 1 else -np.inf)
    parameters = {
        "num_leaves": settings.leaves,
        "learning_rate": settings.learning_rate,
        "min_data_in_leaf": settings.least_in_leaf,
        "objective": "none",
        "verbosity": -1,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
    }
    data: dict[str, Any] = {
        "categorical_feature": list(range(categories)),
        "params": parameters,
        "free_raw_data": False,
    }
    if names is not None:
        data["feature_name"] = list(names)
    train = lgb.Dataset(x, label, init_score=np.full(len(label), start), **data)
    choose = lgb.Dataset(x_choose, label_choose, init_score=np.full(len(label_choose), start), reference=train)
    booster = lgb.Booster(parameters, train)
    booster.add_valid(choose, "choose")
    prices = [_Multipliers(b, w, tolerance, settings.step) for b in bounds]
    k = settings.sharpness
    both = [_pooled(a, b) for a, b in zip(bounds, bounds_choose, strict=True)]
    pooled_weight = np.concatenate([w, v])
    gaps_fit: list[float] = []
    gaps_choose: list[float] = []
    gaps_both: list[float] = []
    errors: list[float] = []
    raw: list[Floats] = [np.full(len(label), start)]

    def gradients(preds: Floats, _: Any) -> tuple[Floats, Floats]:
        p = 1 / (1 + np.exp(-preds))
        gradient, curve = w * (p - label), w * p * (1 - p)
        if prices:
            smooth = 1 / (1 + np.exp(-k * (preds - cut)))
            slope = k * smooth * (1 - smooth)
            pull = np.zeros(len(label))
            positive = (preds >= cut).astype(np.float64)
            for m in prices:
                rates = _rates(m.bound, positive, w)
                m.rise(rates)
                pull += m.price(rates)[m.bound.group + 1]
            gradient = gradient + w * pull * slope
        return gradient, curve

    def kept_preds(preds: Floats, _: Any) -> tuple[str, float, bool]:
        raw[0] = preds
        return "gap", 0.0, False

    for _ in range(settings.trees):
        if booster.update(fobj=gradients):
            break
        booster.eval_train(kept_preds)
        fit_positive = (raw[0] >= cut).astype(np.float64)
        booster.eval_valid(kept_preds)
        choose_positive = (raw[0] >= cut).astype(np.float64)
        pooled = np.concatenate([fit_positive, choose_positive])
        gaps_fit.append(gap_of(bounds, fit_positive, w))
        gaps_choose.append(gap_of(bounds_choose, choose_positive, v))
        gaps_both.append(gap_of(both, pooled, pooled_weight))
        errors.append(float(np.average(choose_positive != label_choose, weights=v)))
    kept, met = _choose(np.array(gaps_both), np.array(errors), tolerance)
    return Boosted(
        _as_probability(booster, kept, start),
        kept,
        np.array(gaps_fit),
        np.array(gaps_choose),
        {m.bound.name: (m.above - m.below).tolist() for m in prices},
        met,
    )


def _normal(weight: Floats | None, n: int) -> Floats:
    return np.ones(n) if weight is None else weight * (n / weight.sum())


def _pooled(a: Bound, b: Bound) -> Bound:
    return Bound(a.name, np.concatenate([a.group, b.group]), a.groups)


def _choose(gaps: Floats, errors: Floats, tolerance: float) -> tuple[int, bool]:
    """How many trees to keep, 1-based, and whether the tolerance holds there."""
    late = np.arange(len(gaps)) >= len(gaps) // 2
    inside = late & (gaps <= tolerance)
    if inside.any():
        best = np.flatnonzero(inside & (errors <= errors[inside].min() + 1e-12))[-1]
        return int(best) + 1, True
    smallest = np.flatnonzero(late & (gaps <= gaps[late].min() + 1e-12))[-1]
    return int(smallest) + 1, False


def _as_probability(booster: Any, kept: int, start: float) -> str:
    """LightGBM text that predicts probabilities: the start value goes into the first tree, the objective is named."""
    first = booster.dump_model(num_iteration=1)["tree_info"][0]
    for leaf in range(first["num_leaves"]):
        booster.set_leaf_output(0, leaf, booster.get_leaf_output(0, leaf) + start)
    text: str = booster.model_to_string(num_iteration=kept)
    return text.replace("\nfeature_names=", "\nobjective=binary sigmoid:1\nfeature_names=", 1)
