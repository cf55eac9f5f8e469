"""Constrained boosting: one run of gradient boosting under a bound on the gap between groups.

The Lagrangian is log-loss + sum over groups of lambda_g (r_g - r_mid). Trees descend on it with r_g smoothed (a sigmoid
in place of the threshold); the multipliers ascend on the *true* gap, of thresholded decisions, after every tree: the
two-player game of Cotter et al. (2019, "Optimization with non-differentiable constraints", proxy-Lagrangian), played
with boosting as in Cruz et al. (2023, FairGBM). Bounded group loss (Agarwal, Dudik & Wu 2019) has lambda_g (e_g -
bound) in the place of the gap: e_g is the true error, on rows not learned from where there are any, and log-loss stands
in for it in the trees. Deterministic; nothing sensitive is read when a person is decided.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from audit.errors import DataError
from debias.methods.bounds import LEAST, Bound, bounds_of, gap_of, share_of
from debias.methods.multipliers import GapMultipliers, LossMultipliers, Multipliers

__all__ = ["AIM", "LEAST", "BoostSettings", "Boosted", "Bound", "boost", "bounds_of", "gap_of"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
AIM = 0.9
"""The share of the tolerance that the multipliers press towards, so that the gap ends inside, not at the edge."""


@dataclass(frozen=True, slots=True)
class BoostSettings:
    """trees, learning_rate, leaves as in LightGBM.

    step: how fast multipliers rise; sharpness: slope of the smoothed threshold.
    """

    trees: int = 100
    learning_rate: float = 0.1
    leaves: int = 31
    least_in_leaf: int = 20
    step: float = 2.0
    sharpness: float = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Boosted:
    """The trees as LightGBM text, how many were kept, the largest gap after each on both parts, and the last on all."""

    text: str
    kept: int
    gap_fit: Floats
    gap_held: Floats
    multipliers: dict[str, list[float]]
    gap: float
    met: bool


def boost(
    x: Floats,
    label: Ints,
    weight: Floats | None,
    bounds: Sequence[Bound],
    learn: npt.NDArray[np.bool_],
    *,
    tolerance: float,
    threshold: float = 0.5,
    categories: int = 0,
    settings: BoostSettings | None = None,
    seed: int = 0,
    loss_from: float | None = None,
) -> Boosted:
    """One boosting run. x (n, F) has its `categories` first columns categorical; label (n,) in 0, 1.

    Trees are grown on the rows of `learn` (n,). How many of them are kept is chosen on all rows: of the second half of
    the run, the prefix within the tolerance that errs least on the rows not learned from, else the one with the
    smallest gap; where all rows are learned from, the longest such prefix. With loss_from (bounded loss) what must not
    exceed the tolerance is the largest group's error less loss_from, and `gap` stands for that. Raises DataError where
    there is one outcome only, or no tree can be grown.
    """
    import lightgbm as lgb

    settings = settings or BoostSettings()
    everyone = _normal(weight, len(label))
    y, w = label[learn], everyone[learn]
    v = everyone[~learn]
    base = float(np.average(y, weights=w))
    if not 0 < base < 1:
        raise DataError("the training rows have one outcome only", got=f"{len(y)} rows", todo="check the label")
    if not 0 < threshold < 1:
        raise DataError("the threshold cannot be learned for", got=threshold, expected="a probability between 0 and 1")
    start = float(np.log(base / (1 - base)))
    cut = float(np.log(threshold / (1 - threshold)))
    parameters = {
        "num_leaves": settings.leaves,
        "learning_rate": settings.learning_rate,
        "min_data_in_leaf": settings.least_in_leaf,
        # Else a table in which no feature can be split is refused, with a line on stderr that nothing can silence.
        "feature_pre_filter": False,
        "objective": "none",
        "verbosity": -1,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        # More threads gain little on tables of this size, and lose much when the cores are shared.
        "num_threads": 1,
    }
    data: dict[str, Any] = {
        "categorical_feature": list(range(categories)),
        "params": parameters,
        "free_raw_data": False,
    }
    first = x[learn][:1]
    same = (x[learn] == first) | (np.isnan(x[learn]) & np.isnan(first))
    train = lgb.Dataset(x[learn], y, init_score=np.full(len(y), start), **data)
    nothing = DataError(
        "no tree could be grown",
        got=f"{len(y)} training rows",
        expected=f"features that tell at least {settings.least_in_leaf} rows apart from the others",
        todo="bring more rows or features, or choose another method",
    )
    if same.all():
        raise nothing
    booster = lgb.Booster(parameters, train)
    if len(v):
        held = lgb.Dataset(
            x[~learn], label[~learn], init_score=np.full(len(v), start), reference=train, params=parameters
        )
        booster.add_valid(held, "held")
    multipliers: list[Multipliers] = [
        GapMultipliers(b, everyone, learn, AIM * tolerance, settings.step)
        if loss_from is None
        else LossMultipliers(b, everyone, learn, AIM * tolerance, settings.step, loss_from)
        for b in bounds
    ]
    outcome = {True: y, False: label[~learn]}
    k = settings.sharpness
    hits: dict[bool, list[list[Floats]]] = {True: [], False: []}
    errors: list[float] = []

    def count(part: bool, positive: npt.NDArray[np.bool_]) -> list[Floats]:
        counted = positive if loss_from is None else positive != outcome[part]
        hits[part].append([m.count(part, counted if even else (w if part else v) * counted) for m in multipliers])
        return hits[part][-1]

    # Of the odds against, the one costly function of a round, both the probability and the smoothed decision follow.
    shift = float(np.exp(cut))
    # Scores may run far out; beyond this nothing changes but the risk of an overflow.
    far = 300 / max(k, 1.0)
    even = weight is None

    def gradients(preds: Floats, _: Any) -> tuple[Floats, Floats]:
        against = np.exp(np.clip(-preds, -far, far))
        p = 1 / (1 + against)
        gradient, curve = p - y, p * (1 - p)
        found = count(True, preds >= cut)
        if multipliers and loss_from is not None:
            # A training error flatters; the last count of the other rows does not.
            part = not hits[False] or not len(v)
            more = w.copy()
            for m, hit in zip(multipliers, found if part else hits[False][-1], strict=True):
                rates = share_of(hit, m.total[part])
                m.rise(rates)
                more += w * m.price(rates)[m.place[True]]
            return gradient * more, curve * more
        if multipliers:
            pull: Floats | float = 0.0
            for m, hit in zip(multipliers, found, strict=True):
                rates = hit / m.total[True]
                m.rise(rates)
                pull = pull + m.price(rates)[m.place[True]]
            smooth = 1 / (1 + (against * shift) ** k)
            gradient += pull * (k * smooth * (1 - smooth))
        return (gradient, curve) if even else (w * gradient, w * curve)

    def on_held(preds: Floats, _: Any) -> tuple[str, float, bool]:
        positive = preds >= cut
        count(False, positive)
        errors.append(float(np.average(positive != label[~learn], weights=v)))
        return "error", errors[-1], False

    def on_learned(preds: Floats, _: Any) -> tuple[str, float, bool]:
        count(True, preds >= cut)
        return "seen", 0.0, False

    for _ in range(settings.trees):
        if booster.update(fobj=gradients):
            break
        if len(v):
            booster.eval_valid(on_held)
        else:
            # Nothing to choose on: no error to tell the prefixes apart, so the longest that holds the gap is kept.
            count(False, np.zeros(0, dtype=bool))
            errors.append(0.0)
    if not errors:
        raise nothing
    # A round's gradient saw the trees before it: the first count is of no tree, and the last trees are still to count.
    booster.eval_train(on_learned)
    fit, other = hits[True][1 : len(errors)] + hits[True][-1:], hits[False]
    gaps_fit = np.array(
        [_widest(multipliers, [h / m.total[True] for h, m in zip(at, multipliers, strict=True)]) for at in fit]
    )
    gaps_held = np.array(
        [
            _widest(multipliers, [share_of(h, m.total[False]) for h, m in zip(at, multipliers, strict=True)])
            for at in other
        ]
    )
    gaps = np.array(
        [
            _widest(
                multipliers,
                [(a + b) / (m.total[True] + m.total[False]) for a, b, m in zip(one, two, multipliers, strict=True)],
            )
            for one, two in zip(fit, other, strict=True)
        ]
    )
    if loss_from is not None and len(v):
        # What the trees learned from says little of the error; where it is counted at all, it is counted here.
        gaps = gaps_held
    kept, met = _choose(gaps, np.array(errors), tolerance)
    return Boosted(
        _as_probability(booster, kept, start),
        kept,
        gaps_fit,
        gaps_held,
        {m.name: m.multipliers() for m in multipliers},
        float(gaps[kept - 1]),
        met,
    )


def _widest(multipliers: Sequence[Multipliers], rates: Sequence[Floats]) -> float:
    """What is widest over all bounds; 0 where nothing is bound."""
    widths = (m.width(r) for m, r in zip(multipliers, rates, strict=True))
    return max((width for width in widths if width is not None), default=0.0)


def _normal(weight: Floats | None, n: int) -> Floats:
    return np.ones(n) if weight is None else weight * (n / weight.sum())


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
