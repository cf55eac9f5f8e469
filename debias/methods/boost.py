"""Constrained boosting: one run of gradient boosting under a bound on the gap between groups.

The Lagrangian is log-loss + sum over groups of lambda_g (r_g - r_mid). Trees descend on it with r_g smoothed (a sigmoid
in place of the threshold); the multipliers ascend on the *true* gap, of thresholded decisions, after every tree: the
two-player game of Cotter et al. (2019, "Optimization with non-differentiable constraints", proxy-Lagrangian), played
with boosting as in Cruz et al. (2023, FairGBM). Bounded group loss (Agarwal, Dudik & Wu 2019) has lambda_g (e_g -
bound) in the place of the gap: e_g is the true error, on rows not learned from where there are any, and log-loss stands
in for it in the trees. Deterministic; nothing sensitive is read when a person is decided.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from audit.errors import DataError
from audit.numbers import many
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
    settings = settings or BoostSettings()
    everyone = _normal(weight, len(label))
    rows = int(learn.sum())
    base = float(np.average(label[learn], weights=everyone[learn]))
    if not 0 < base < 1:
        raise DataError("the training rows have one outcome only", got=many(rows, "row"), todo="check the label")
    if not 0 < threshold < 1:
        raise DataError("the threshold cannot be learned for", got=threshold, expected="a probability between 0 and 1")
    start = float(np.log(base / (1 - base)))
    nothing = DataError(
        "no tree could be grown",
        got=many(rows, "training row"),
        expected=f"features that tell at least {settings.least_in_leaf} rows apart from the others",
        todo="bring more rows or features, or choose another method",
    )
    first = x[learn][:1]
    same = (x[learn] == first) | (np.isnan(x[learn]) & np.isnan(first))
    if same.all():
        raise nothing
    booster = _booster(x, label, learn, start, categories, settings, seed)
    multipliers: list[Multipliers] = [
        GapMultipliers(b, everyone, learn, AIM * tolerance, settings.step)
        if loss_from is None
        else LossMultipliers(b, everyone, learn, AIM * tolerance, settings.step, loss_from)
        for b in bounds
    ]
    run = _Run(
        multipliers,
        {True: label[learn], False: label[~learn]},
        {True: everyone[learn], False: everyone[~learn]},
        even=weight is None,
        cut=float(np.log(threshold / (1 - threshold))),
        sharpness=settings.sharpness,
        on_errors=loss_from is not None,
    )
    run.grow(booster, settings.trees)
    if not run.errors:
        raise nothing
    gaps_fit, gaps_held, gaps = run.gaps()
    kept, met = _choose(gaps, np.array(run.errors), tolerance)
    return Boosted(
        _as_probability(booster, kept, start),
        kept,
        gaps_fit,
        gaps_held,
        {m.name: m.multipliers() for m in multipliers},
        float(gaps[kept - 1]),
        met,
    )


def _booster(
    x: Floats,
    label: Ints,
    learn: npt.NDArray[np.bool_],
    start: float,
    categories: int,
    settings: BoostSettings,
    seed: int,
) -> Any:
    """A lightgbm.Booster of no tree yet, with the rows that are not learned from, if any, beside it."""
    import lightgbm as lgb

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
    train = lgb.Dataset(
        x[learn],
        label[learn],
        init_score=np.full(int(learn.sum()), start),
        categorical_feature=list(range(categories)),
        params=parameters,
        free_raw_data=False,
    )
    booster = lgb.Booster(parameters, train)
    rest = ~learn
    if rest.any():
        scores = np.full(int(rest.sum()), start)
        held = lgb.Dataset(x[rest], label[rest], init_score=scores, reference=train, params=parameters)
        booster.add_valid(held, "held")
    return booster


class _Run:
    """One run of the game: multipliers that rise with what the trees so far decide, and trees that follow them.

    Parts are told by True (rows learned from) and False (the others, maybe none). hits[part][t][b] is the weight of
    the rows of each group of bound b that count after t trees: the positive ones or, with `on_errors`, those decided
    wrongly. errors[t]: the weighted error on the other rows after t + 1 trees.
    """

    def __init__(
        self,
        multipliers: Sequence[Multipliers],
        outcome: dict[bool, Ints],
        weight: dict[bool, Floats],
        *,
        even: bool,
        cut: float,
        sharpness: float,
        on_errors: bool,
    ) -> None:
        self.multipliers, self.outcome, self.weight = multipliers, outcome, weight
        self.even, self.cut, self.sharpness, self.on_errors = even, cut, sharpness, on_errors
        self.has_others = len(outcome[False]) > 0
        self.hits: dict[bool, list[list[Floats]]] = {True: [], False: []}
        self.errors: list[float] = []
        # Of the odds against, the one costly function of a round, both the probability and the smoothed decision
        # follow. Scores may run far out; beyond `far` nothing changes but the risk of an overflow.
        self.shift = float(np.exp(cut))
        self.far = 300 / max(sharpness, 1.0)

    def grow(self, booster: Any, trees: int) -> None:
        """Add up to `trees` trees; counts are kept after each."""
        for _ in range(trees):
            if booster.update(fobj=self._gradients):
                break
            if self.has_others:
                booster.eval_valid(self._see_others)
            else:
                # Nothing to choose on: no error to tell the prefixes apart, so the longest that holds the gap is kept.
                self._count(False, np.zeros(0, dtype=bool))
                self.errors.append(0.0)
        if self.errors:
            booster.eval_train(self._see_learned)

    def gaps(self) -> tuple[Floats, Floats, Floats]:
        """The widest gap after each tree: on the rows learned from, on the others, and what is chosen by."""
        # A round's gradient saw the trees before it: the first count is of no tree, the last was made after all.
        fit, other = self.hits[True][1 : len(self.errors)] + self.hits[True][-1:], self.hits[False]
        learned = self._widest_of([[h / m.total[True] for h, m in self._by_bound(at)] for at in fit])
        held = self._widest_of([[share_of(h, m.total[False]) for h, m in self._by_bound(at)] for at in other])
        if self.on_errors and self.has_others:
            # What the trees learned from says little of the error; where it is counted at all, it is counted here.
            return learned, held, held
        together = [[a + b for a, b in zip(one, two, strict=True)] for one, two in zip(fit, other, strict=True)]
        everyone = [[h / (m.total[True] + m.total[False]) for h, m in self._by_bound(at)] for at in together]
        return learned, held, self._widest_of(everyone)

    def _by_bound(self, at: Sequence[Floats]) -> Iterator[tuple[Floats, Multipliers]]:
        return zip(at, self.multipliers, strict=True)

    def _widest_of(self, rates: Sequence[Sequence[Floats]]) -> Floats:
        return np.array([_widest(self.multipliers, at) for at in rates])

    def _count(self, part: bool, positive: npt.NDArray[np.bool_]) -> list[Floats]:
        counted = positive != self.outcome[part] if self.on_errors else positive
        weighed = counted if self.even else self.weight[part] * counted
        self.hits[part].append([m.count(part, weighed) for m in self.multipliers])
        return self.hits[part][-1]

    def _gradients(self, preds: Floats, _: Any) -> tuple[Floats, Floats]:
        against = np.exp(np.clip(-preds, -self.far, self.far))
        p = 1 / (1 + against)
        gradient, curve = p - self.outcome[True], p * (1 - p)
        counts = self._count(True, preds >= self.cut)
        if self.on_errors and self.multipliers:
            more = self._by_error(counts)
            return gradient * more, curve * more
        if self.multipliers:
            gradient += self._pull(counts, against)
        w = self.weight[True]
        return (gradient, curve) if self.even else (w * gradient, w * curve)

    def _by_error(self, counts: list[Floats]) -> Floats:
        """How much each row counts, so that groups that err more than they may count more."""
        # A training error flatters; the last count of the other rows does not.
        part = not self.hits[False] or not self.has_others
        w = self.weight[True]
        more = w.copy()
        for hit, m in self._by_bound(counts if part else self.hits[False][-1]):
            rates = share_of(hit, m.total[part])
            m.rise(rates)
            more += w * m.price(rates)[m.place[True]]
        return more

    def _pull(self, counts: list[Floats], against: Floats) -> Floats:
        """What the multipliers add to each row's gradient, by the slope of the smoothed decision."""
        pull: Floats | float = 0.0
        for hit, m in self._by_bound(counts):
            rates = hit / m.total[True]
            m.rise(rates)
            pull = pull + m.price(rates)[m.place[True]]
        smooth = 1 / (1 + (against * self.shift) ** self.sharpness)
        return pull * (self.sharpness * smooth * (1 - smooth))

    def _see_others(self, preds: Floats, _: Any) -> tuple[str, float, bool]:
        positive = preds >= self.cut
        self._count(False, positive)
        self.errors.append(float(np.average(positive != self.outcome[False], weights=self.weight[False])))
        return "error", self.errors[-1], False

    def _see_learned(self, preds: Floats, _: Any) -> tuple[str, float, bool]:
        self._count(True, preds >= self.cut)
        return "seen", 0.0, False


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
