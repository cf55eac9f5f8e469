"""Edges of the methods: a probability that lies on the threshold, a group of which nobody is positive, one group alone,
and what is chosen where nobody chose. References: LightGBM's own predictions and defaults, SciPy's derivative."""

from __future__ import annotations

import lightgbm as lgb
import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.special import expit

from debias.methods.boost import BoostSettings, _Run, boost
from debias.methods.bounds import Bound, gap_of
from debias.methods.multipliers import GapMultipliers
from debias.methods.table import AS_THEY_STAND, METHODS
from debias.methods.thresholds import Thresholds


def test_who_lies_on_the_threshold_counts_as_decided_positive() -> None:
    """Half of those with x = 1 paid, so that LightGBM gives them exactly 0.5 after every tree."""
    x = np.tile(np.repeat([0.0, 1.0, 2.0], 40), 4)[:, None]
    part = np.tile(np.arange(40), 12)
    label = np.where(x[:, 0] == 0, part < 10, np.where(x[:, 0] == 1, part < 20, part < 30)).astype(np.int64)
    learn = np.repeat([True, False], 240)
    sex = np.where(x[:, 0] == 1, part % 4 == 0, part % 2 == 0).astype(np.int64)
    settings = BoostSettings(trees=4)
    done = boost(x, label, None, [Bound("sex", sex, 2)], learn, tolerance=1.0, settings=settings)
    assert done.kept == 4
    booster = lgb.Booster(model_str=done.text)
    for trees in range(1, 5):
        p = booster.predict(x, num_iteration=trees)
        assert (np.abs(p - 0.5) < 1e-12).sum() == 160, "they lie on the threshold"
        positive = p >= 0.5 - 1e-12
        for gaps, rows in ((done.gap_fit, learn), (done.gap_held, ~learn)):
            rates = [positive[rows & (sex == g)].mean() for g in (0, 1)]
            assert gaps[trees - 1] == pytest.approx(abs(rates[1] - rates[0]))
    assert done.gap > 0.05


def test_what_nobody_chose_is_as_in_lightgbm() -> None:
    own = lgb.LGBMClassifier().get_params()
    names = {"trees": "n_estimators", "learning_rate": "learning_rate", "leaves": "num_leaves",
             "least_in_leaf": "min_child_samples"}  # fmt: skip
    as_in = {name: own[theirs] for name, theirs in names.items()}
    settings = BoostSettings()
    assert {name: getattr(settings, name) for name in names} == as_in
    assert as_in == AS_THEY_STAND


def test_the_pull_is_the_slope_of_the_smoothed_decision() -> None:
    """A decision is smoothed as the sigmoid of twice how far the log-odds lie above those of the threshold."""
    rng = np.random.default_rng(2)
    odds, cut = rng.normal(size=40), 0.7
    group = np.repeat([0, 1], 20)
    kind = GapMultipliers(Bound("sex", group, 2), np.ones(40), np.ones(40, dtype=bool), 0.05, 0.0)
    kind.above, kind.below = np.array([0.8, 0.0]), np.array([0.0, 0.3])
    outcome = {True: np.zeros(40, dtype=np.int64), False: np.zeros(0, dtype=np.int64)}
    weight = {True: np.ones(40), False: np.zeros(0)}
    run = _Run([kind], outcome, weight, even=True, cut=cut, sharpness=BoostSettings().sharpness, on_errors=False)
    result = run._pull(run._count(True, odds >= cut), np.exp(-odds))

    def lagrangian(f: np.ndarray) -> float:
        rates = np.array([expit(2 * (f[group == g] - cut)).mean() for g in (0, 1)])
        # Which group is the widest is told by the true decisions.
        true = [(odds[group == g] >= cut).mean() for g in (0, 1)]
        middle = (rates[int(np.argmax(true))] + rates[int(np.argmin(true))]) / 2
        return float((kind.above - kind.below) @ (rates - middle))

    assert result / 40 == pytest.approx(approx_fprime(odds, lagrangian, 1e-7), abs=1e-6)


def test_a_group_of_which_nobody_is_positive_is_counted_as_none() -> None:
    group = np.array([0, 0, 1, 2, 2, -1])
    everyone = np.ones(6, dtype=bool)
    kind = GapMultipliers(Bound("sex", group, 3), np.ones(6), everyone, 0.05, 1.0)
    for positive in (np.array([1, 0, 1, 0, 0, 1]), np.zeros(6), np.array([0, 0, 0, 0, 0, 1])):
        wanted = [positive[group == g].sum() for g in range(3)]
        assert kind.count(True, positive.astype(bool)).tolist() == wanted
        assert kind.count(True, positive.astype(float)).tolist() == wanted


@pytest.mark.parametrize("groups", [1, 2, 3])
def test_groups_never_seen_have_the_default_however_few_are_known(groups: int) -> None:
    known = np.linspace(0.2, 0.4, groups)
    done = Thresholds(known, 0.7, (), 0.0, True)
    group = np.array([*range(groups), -1, groups, groups + 5])
    at = [*known, 0.7, 0.7, 0.7]
    for off, decided in ((0.0, 1), (0.01, 1), (-0.01, 0)):
        assert done.decide(np.array(at) + off, group).tolist() == [decided] * len(group)


def test_what_a_search_starts_from_lies_within_what_it_draws_from() -> None:
    for row in METHODS.values():
        for name, span in row.space.items():
            assert span.low < span.high, (row.name, name)
            for start in row.starts:
                assert span.low <= start[name] <= span.high, (row.name, name)


def test_where_nothing_is_bound_there_is_no_gap() -> None:
    everyone = np.ones(4)
    assert gap_of([], everyone, everyone) == 0.0
    assert gap_of([Bound("none count", np.full(4, -1), 2)], everyone, everyone) == 0.0
    halves = Bound("sex", np.array([0, 0, 1, 1]), 2)
    assert gap_of([halves, Bound("none count", np.full(4, -1), 2)], np.array([1.0, 0, 0, 0]), everyone) == 0.5
