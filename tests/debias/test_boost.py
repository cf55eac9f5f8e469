"""Constrained boosting: it holds the true gap at a bounded cost, is deterministic, needs no sensitive value."""

from __future__ import annotations

import numpy as np
import pytest

from audit.errors import DataError
from debias.methods.boost import Boosted, BoostSettings, _choose, boost, bounds_of, gap_of

FEW = BoostSettings(trees=60, leaves=8)


def people(seed: int = 0, n: int = 4000) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Features of which one stands in for the group, the label, two sensitive attributes (2 and 3 groups)."""
    rng = np.random.default_rng(seed)
    sex, race = rng.integers(0, 2, n), rng.integers(0, 3, n)
    merit = rng.normal(size=n)
    proxy = sex + rng.normal(scale=0.5, size=n)
    x = np.column_stack(
        [merit + rng.normal(scale=0.8, size=n), proxy, rng.normal(size=n), race + rng.normal(scale=0.7, size=n)]
    )
    label = (merit + 0.9 * sex + 0.3 * race - 0.9 + rng.normal(scale=0.7, size=n) > 0).astype(np.int64)
    return x, label, sex, race


def run(
    constraint: str, tolerance: float, parts: list[str], seed: int = 0, **more: object
) -> tuple[Boosted, float, float]:
    """The run, its gap and its accuracy on people it never saw."""
    import lightgbm as lgb

    x, label, sex, race = people(seed)
    named = [(p, {"sex": sex, "race": race, "both": sex * 3 + race}[p]) for p in parts]
    learn = np.arange(len(label)) % 4 != 0
    bounds, small = bounds_of(constraint, named, label, 1, learn)
    assert small == []
    done = boost(x, label, None, bounds, learn, tolerance=tolerance, settings=FEW, **more)  # type: ignore[arg-type]
    x, label, sex, race = people(seed + 100, 20_000)
    named = [(p, {"sex": sex, "race": race, "both": sex * 3 + race}[p]) for p in parts]
    fresh, _ = bounds_of(constraint, named, label, 1, np.ones(len(label), dtype=bool))
    positive = (lgb.Booster(model_str=done.text).predict(x) >= 0.5).astype(float)
    return done, gap_of(fresh, positive, np.ones(len(label))), float((positive == label).mean())


@pytest.mark.parametrize("constraint", ["demographic_parity", "equal_opportunity", "equalized_odds"])
@pytest.mark.parametrize("parts", [["sex"], ["sex", "race", "both"]])
def test_the_gap_is_held_on_people_never_seen(constraint: str, parts: list[str]) -> None:
    free, wide, best = run(constraint, 1.0, parts)
    held, gap, accuracy = run(constraint, 0.05, parts)
    assert free.met
    assert wide > 0.1
    assert held.gap < 0.06
    assert gap < 0.6 * wide
    assert accuracy > best - 0.04


def test_a_tighter_tolerance_gives_a_smaller_gap() -> None:
    gaps = [run("demographic_parity", tolerance, ["sex"])[0].gap for tolerance in (1.0, 0.2, 0.1, 0.02)]
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[-1] <= 0.02 + 0.01


def test_no_bound_is_plain_boosting() -> None:
    """With nothing to hold, the trees are LightGBM's own for log-loss (its start value included)."""
    import lightgbm as lgb

    x, label, _, _ = people()
    learn = np.arange(len(label)) % 4 != 0
    done = boost(x, label, None, [], learn, tolerance=0.1, settings=FEW)
    plain = lgb.train(
        {"objective": "binary", "num_leaves": 8, "verbosity": -1, "deterministic": True, "force_row_wise": True},
        lgb.Dataset(x[learn], label[learn]),
        num_boost_round=done.kept,
    )
    assert lgb.Booster(model_str=done.text).predict(x) == pytest.approx(plain.predict(x), abs=1e-5)


def test_all_rows_may_be_learned_from() -> None:
    x, label, sex, _ = people()
    learn = np.ones(len(label), dtype=bool)
    bounds, _ = bounds_of("demographic_parity", [("sex", sex)], label, 1, learn)
    done = boost(x, label, None, bounds, learn, tolerance=0.05, settings=FEW)
    assert done.met
    assert done.gap == pytest.approx(done.gap_fit[done.kept - 1])
    assert (done.gap_fit[done.kept :] > 0.05).all()


@pytest.mark.parametrize("x", [np.zeros((50, 1)), np.full((50, 1), np.nan), np.arange(50.0)[:, None]])
def test_nothing_to_grow_is_said_once(x: np.ndarray, capfd: pytest.CaptureFixture[str]) -> None:
    """Constant features; and too few rows for two leaves. LightGBM adds no line of its own."""
    with pytest.raises(DataError, match="no tree could be grown"):
        boost(x, np.arange(50) % 2, None, [], np.arange(50) < 35, tolerance=0.1)
    assert capfd.readouterr() == ("", "")


def test_same_seed_same_text_and_inputs_stay() -> None:
    x, label, sex, _ = people()
    kept = x.copy(), label.copy(), sex.copy()
    learn = np.arange(len(label)) % 4 != 0
    bounds, _ = bounds_of("demographic_parity", [("sex", sex)], label, 1, learn)
    texts = {boost(x, label, None, bounds, learn, tolerance=0.05, settings=FEW, seed=3).text for _ in range(2)}
    assert len(texts) == 1
    for a, b in zip(kept, (x, label, sex), strict=True):
        assert np.array_equal(a, b)


def test_the_best_reached_is_said_where_the_constraint_cannot_be_met() -> None:
    """A label that is the group itself: three trees cannot close the gap."""
    n = 1000
    sex = np.arange(n) % 2
    x = sex[:, None] + np.random.default_rng(0).normal(scale=0.01, size=(n, 1))
    learn = np.arange(n) % 5 != 0
    bounds, _ = bounds_of("demographic_parity", [("sex", sex)], sex, 1, learn)
    settings = BoostSettings(trees=3, step=0.0)
    done = boost(x, sex, None, bounds, learn, tolerance=0.01, settings=settings)
    assert not done.met
    assert done.gap == pytest.approx(1.0, abs=0.01)


def test_small_groups_are_left_out_and_named() -> None:
    group = np.array([0] * 200 + [1] * 200 + [2] * 7)
    label = np.tile([0, 1], 204)[:407]
    bounds, small = bounds_of("demographic_parity", [("race", group)], label, 1, np.ones(407, dtype=bool))
    assert small == [("race", 2, 7)]
    assert bounds[0].groups == 2
    assert set(bounds[0].group[400:]) == {-1}


def test_one_outcome_is_refused() -> None:
    with pytest.raises(DataError, match="one outcome"):
        boost(np.zeros((50, 1)), np.ones(50, dtype=int), None, [], np.arange(50) < 40, tolerance=0.1)


def test_survey_weights_count() -> None:
    """A row of weight 3 pulls as three rows do: the bounded rates are weighted."""
    x, label, sex, _ = people(1, 3000)
    learn = np.arange(len(label)) % 4 != 0
    weight = np.where(label == 1, 3.0, 1.0)
    bounds, _ = bounds_of("demographic_parity", [("sex", sex)], label, 1, learn)
    done = boost(x, label, weight, bounds, learn, tolerance=0.05, settings=FEW)
    import lightgbm as lgb

    positive = (lgb.Booster(model_str=done.text).predict(x) >= 0.5).astype(float)
    assert gap_of(bounds, positive, weight) == pytest.approx(done.gap)
    assert gap_of(bounds, positive, np.ones(len(label))) != pytest.approx(done.gap, abs=1e-4)


@pytest.mark.parametrize(
    ("gaps", "errors", "kept"),
    [
        pytest.param([0.0, 0.2, 0.1, 0.1], [0.1, 0.1, 0.3, 0.3], (4, True), id="alike: the longest; exactly it holds"),
        pytest.param([0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.2, 0.3], (3, True), id="the first of the second half counts"),
        pytest.param([0.0, 0.0, 0.0], [0.1, 0.2, 0.3], (2, True), id="of three the second half begins at the second"),
        pytest.param([0.0, 0.3, 0.2, 0.2], [0.1, 0.1, 0.1, 0.1], (4, False), id="none holds: the smallest gap"),
        pytest.param([0.0, 0.0, 0.1, 0.1 + 1e-9], [0.5, 0.5, 0.5, 0.0], (3, True), id="just over is not inside"),
        pytest.param([0.1, 0.1, 0.1, 0.1], [0.0, 0.0, 0.2, 0.2 + 1e-9], (3, True), id="an error just over is more"),
    ],
)  # fmt: skip
def test_which_trees_are_kept(gaps: list[float], errors: list[float], kept: tuple[int, bool]) -> None:
    """As `boost` says: of the second half, inside the tolerance, the fewest errors; else the smallest gap."""
    assert _choose(np.array(gaps), np.array(errors), 0.1) == kept
