"""The permutation method against values on paper, exact enumeration and the axioms."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.explain.hiding import reactions
from audit.explain.outputs import Rule, log_odds, transform
from audit.explain.permutation_shap import CellTable, plan_walks, walk
from audit.explain.sampled import explain_people, explain_sampled, slopes
from audit.explain.strata import bands, luck
from audit.models.hybrids import BLOCK_BYTES

PLAIN = {"value": transform("value", Rule(0.5))}


def exact(predict: Callable[[pd.DataFrame], np.ndarray], row: pd.DataFrame, background: pd.DataFrame) -> np.ndarray:
    """Shapley values by every order and every background row: the definition."""
    names = list(row.columns)
    orders = list(permutations(range(len(names))))
    out = np.zeros(len(names))
    for k in range(len(background)):
        frames = []
        for order in orders:
            now = background.iloc[[k]].copy()
            frames.append(now)
            for j in order:
                now = now.copy()
                now[names[j]] = row[names[j]].to_numpy()
                frames.append(now)
        values = predict(pd.concat(frames, ignore_index=True)).reshape(len(orders), len(names) + 1)
        for order, line in zip(orders, values, strict=True):
            for place, j in enumerate(order):
                out[j] += (line[place + 1] - line[place]) / len(orders) / len(background)
    return out


def numbers(rows: int, columns: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(rng.normal(size=(rows, columns)), columns=[f"x{j}" for j in range(columns)])


def people(
    predict: Callable[[pd.DataFrame], np.ndarray], rows: pd.DataFrame, back: pd.DataFrame, **kw: int
) -> np.ndarray:
    return explain_people(predict, rows, back, PLAIN, **kw).outputs["value"].values


def test_product_and_sum_by_hand() -> None:
    """f = x0 x1 + x2 at (2, 3, 5) against (0, 0, 1): the product of 6 is shared evenly."""
    rows = pd.DataFrame({"x0": [2.0], "x1": [3.0], "x2": [5.0]})
    back = pd.DataFrame({"x0": [0.0], "x1": [0.0], "x2": [1.0]})
    got = people(lambda f: (f.x0 * f.x1 + f.x2).to_numpy(), rows, back)
    np.testing.assert_allclose(got, [[3.0, 3.0, 4.0]], atol=1e-12)
    # Against (1, 1, 1): x0 alone gives 1, with x1 there 3; x1 alone gives 2, with x0 there 4.
    got = people(lambda f: (f.x0 * f.x1 + f.x2).to_numpy(), rows, back + 1.0 - back.x2.iloc[0] * np.array([0, 0, 1.0]))
    np.testing.assert_allclose(got, [[2.0, 3.0, 4.0]], atol=1e-12)


def test_linear_closed_form_over_a_background_of_more_than_100_rows() -> None:
    rows, back = numbers(4, 5, 0), numbers(250, 5, 1)
    weights = np.array([1.0, -2.0, 0.5, 0.0, 3.0])
    got = people(lambda f: f.to_numpy() @ weights + 7.0, rows, back)
    np.testing.assert_allclose(got, (rows.to_numpy() - back.to_numpy().mean(axis=0)) * weights, atol=1e-10)


@pytest.mark.parametrize("features", [2, 3, 4, 5])
def test_enumeration(features: int) -> None:
    """Interactions of two features come out exactly; deeper ones within the orders' noise."""
    rows, back = numbers(1, features, 3), numbers(4, features, 4)

    def pairs(f: pd.DataFrame) -> np.ndarray:
        x = f.to_numpy()
        return x.sum(axis=1) + x[:, 0] * x[:, -1] + np.sin(x[:, 0]) * np.cos(x[:, 1])

    np.testing.assert_allclose(people(pairs, rows, back)[0], exact(pairs, rows, back), atol=1e-12)

    def deep(f: pd.DataFrame) -> np.ndarray:
        return np.asarray(np.exp(f.to_numpy().sum(axis=1)), dtype=np.float64)

    got = people(deep, rows, back, rounds=400)[0]
    np.testing.assert_allclose(got, exact(deep, rows, back), atol=0.05 * np.abs(got).max())


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_axioms(seed: int) -> None:
    rows, back = numbers(3, 4, seed), numbers(6, 4, seed + 1)
    rows["x1"], back["x1"] = rows.x0, back.x0

    def one(f: pd.DataFrame) -> np.ndarray:
        # Symmetric in x0 and x1; x3 is a dummy.
        return np.asarray(f.x0 * f.x1 + np.tanh(f.x2) * (f.x0 + f.x1), dtype=np.float64)

    def two(f: pd.DataFrame) -> np.ndarray:
        return np.asarray(f.x2**2 - f.x0, dtype=np.float64)

    a = people(one, rows, back, rounds=1, seed=seed)
    # Exact for pairs in each walk only up to the triple x2 (x0 + x1); symmetry is of the mean over both orders.
    np.testing.assert_allclose(a[:, 3], 0.0, atol=1e-15)
    np.testing.assert_allclose(a[:, 0], a[:, 1], atol=1e-10)
    b = people(two, rows, back, rounds=1, seed=seed)
    both = people(lambda f: 2 * one(f) - 3 * two(f), rows, back, rounds=1, seed=seed)
    np.testing.assert_allclose(both, 2 * a - 3 * b, atol=1e-10)
    np.testing.assert_allclose(a.sum(axis=1), one(rows) - one(back).mean(), atol=1e-10)


def test_text_missing_values_and_types_reach_the_model_as_they_are() -> None:
    rows = pd.DataFrame({"job": ["a", None], "age": [30, 40], "pay": [np.nan, 2.0], "kind": pd.Categorical(["u", "v"])})
    back = pd.DataFrame(
        {
            "job": ["b", None, "b"],
            "age": [20, 30, 50],
            "pay": [1.0, np.nan, 3.0],
            "kind": pd.Categorical(["u", "u", "v"]),
        }
    )
    seen: list[pd.DataFrame] = []

    def predict(f: pd.DataFrame) -> np.ndarray:
        seen.append(f)
        pay = f.pay.fillna(-1).to_numpy()
        return (f.job == "a") * 1.0 + f.job.isna() * 0.25 + 0.01 * f.age + 0.1 * pay + 0.5 * (f.kind.astype(str) == "v")

    explanation = explain_people(lambda f: np.asarray(predict(f), dtype=np.float64), rows, back, PLAIN).outputs["value"]
    assert explanation.additivity.passed
    for f in seen:
        assert f["age"].dtype == np.int64
        assert isinstance(f["kind"].dtype, pd.CategoricalDtype)
        assert set(f["job"].dropna()) <= {"a", "b"}
    # job: 1 against (0, .25, 0); age 30 against a mean of 33 1/3; pay -1 against 1; kind u against v once in three.
    np.testing.assert_allclose(explanation.values[0], [1 - 0.25 / 3, -1 / 30, -0.2, -1 / 6], atol=1e-12)


def test_equal_features_cost_nothing_and_get_zero() -> None:
    rows, back = numbers(2, 3, 0), numbers(5, 3, 1)
    rows["x2"] = back["x2"] = 4.0
    asked = []

    def predict(f: pd.DataFrame) -> np.ndarray:
        asked.append(len(f))
        return np.asarray(f.x0 * f.x1 * f.x2, dtype=np.float64)

    explanation = explain_people(predict, rows, back, PLAIN, rounds=1)
    assert (explanation.outputs["value"].values[:, 2] == 0.0).all()
    # Two features differ: one step in between, walked both ways, for each of ten pairs.
    assert asked == [2, 5, 20, 2]


def test_a_constant_model_gives_zeros() -> None:
    rows, back = numbers(50, 4, 0), numbers(20, 4, 1)
    changes = {name: transform(name, Rule(0.5)) for name in ("probability", "decision", "log-odds")}
    for result in explain_sampled(lambda f: np.full(len(f), 0.3), rows, back, changes).outputs.values():
        assert (result.values == 0).all()
        assert result.additivity.passed


def test_outputs_and_threshold() -> None:
    rows, back = numbers(40, 3, 0), numbers(30, 3, 1)

    def predict(f: pd.DataFrame) -> np.ndarray:
        return np.asarray(1 / (1 + np.exp(-(f.x0 + 0.5 * f.x1 - f.x2))), dtype=np.float64)

    rule = Rule(0.7, favourable_is_positive=False)
    changes = {name: transform(name, rule) for name in ("probability", "decision", "log-odds")}
    explanation = explain_people(predict, rows, back, changes).outputs
    p = predict(rows)
    for name, level, middle in (
        ("probability", p, predict(back).mean()),
        ("decision", (p < 0.7) * 1.0, (predict(back) < 0.7).mean()),
        ("log-odds", np.log(p / (1 - p)), log_odds(predict(back)).mean()),
    ):
        assert explanation[name].base == pytest.approx(np.full(40, middle))
        np.testing.assert_allclose(explanation[name].values.sum(axis=1) + middle, level, atol=1e-10)
    centre = rows.to_numpy() - back.to_numpy().mean(axis=0)
    np.testing.assert_allclose(explanation["log-odds"].values, centre * [1, 0.5, -1], atol=1e-10)


def test_scores_of_nought_and_one_have_finite_log_odds() -> None:
    assert np.isfinite(log_odds(np.array([0.0, 1.0]))).all()
    assert log_odds(np.array([0.2]))[0] == pytest.approx(np.log(0.25))


def bumpy(f: pd.DataFrame) -> np.ndarray:
    z = f.x0 * f.x1 + (f.x2 > 1.2) * 2.0 - 0.5 * f.x3 * f.x0 * f.x1
    return np.asarray(1 / (1 + np.exp(-z)), dtype=np.float64)


def test_sampled_values_are_unbiased_and_additive() -> None:
    """Against every background row and many orders; the mean error over rows stays within four standard errors."""
    rows, back = numbers(400, 4, 0), numbers(60, 4, 1)
    truth = people(bumpy, rows, back, rounds=4)
    explanation = explain_sampled(bumpy, rows, back, PLAIN, draws=4, seed=5).outputs["value"]
    assert explanation.additivity.passed
    np.testing.assert_allclose(explanation.values.sum(axis=1) + bumpy(back).mean(), bumpy(rows), atol=1e-10)
    off = explanation.values - truth
    assert (np.abs(off.mean(axis=0)) < 4 * off.std(axis=0) / np.sqrt(len(rows))).all()
    assert (off.std(axis=0) > 0).all()


def test_taking_out_luck_lowers_the_noise_and_keeps_the_mean() -> None:
    """A rare value in the background: without the correction it falls on whoever meets it."""
    rows, back = numbers(600, 3, 0), numbers(100, 3, 1)
    back["x2"] = (np.arange(100) < 8) * 5.0
    rows["x2"] = 0.0

    def predict(f: pd.DataFrame) -> np.ndarray:
        return np.asarray(0.1 * f.x0 + 0.2 * f.x2, dtype=np.float64)

    scores = predict(back)
    plan = plan_walks(scores, 600, 3, 2, 0)
    shares, _ = walk(predict, CellTable(rows, back), plan, predict(rows), scores, PLAIN)
    raw = shares["value"]
    off = luck(raw, plan.row, plan.back, bands(rows, back))
    assert raw[:, 2].std() > 0.2
    assert (raw - off)[:, 2].std() < 0.02
    assert (raw - off)[:, 2].mean() == pytest.approx(-0.08, abs=0.002)


def test_slopes_sum_to_one_and_minus_one() -> None:
    rng = np.random.default_rng(0)
    total, base = rng.normal(size=50), rng.normal(size=50)
    shares = rng.normal(size=(50, 4))
    shares[:, 3] = total - base - shares[:, :3].sum(axis=1)
    c, b = slopes(shares, total, base)
    assert c.sum() == pytest.approx(1)
    assert b.sum() == pytest.approx(-1)
    shares[:, 3] = total - 2.0 - shares[:, :3].sum(axis=1)
    c, b = slopes(shares, total, np.full(50, 2.0))
    assert c.sum() == pytest.approx(1)
    assert b.sum() == pytest.approx(-1)


def test_seed_and_chunks() -> None:
    rows, back = numbers(30, 4, 0), numbers(20, 4, 1)
    one = explain_sampled(bumpy, rows, back, PLAIN, seed=1).outputs["value"].values
    assert (one == explain_sampled(bumpy, rows, back, PLAIN, seed=1).outputs["value"].values).all()
    assert (one != explain_sampled(bumpy, rows, back, PLAIN, seed=2).outputs["value"].values).any()
    scores = bumpy(back)
    plan = plan_walks(scores, 30, 4, 4, 1)
    done = []
    whole, asked = walk(bumpy, CellTable(rows, back), plan, bumpy(rows), scores, PLAIN)
    parts, again = walk(
        bumpy, CellTable(rows, back), plan, bumpy(rows), scores, PLAIN, lambda d, n: done.append((d, n)), 50
    )
    np.testing.assert_allclose(whole["value"], parts["value"], atol=1e-14)
    assert asked == again
    assert len(done) > 5
    assert done[-1] == (120, 120)


def test_people_do_not_depend_on_who_else_is_explained() -> None:
    rows, back = numbers(3, 4, 0), numbers(20, 4, 1)
    together = people(bumpy, rows, back)
    np.testing.assert_allclose(together[:1], people(bumpy, rows.iloc[:1], back), atol=1e-14)


def test_inputs_are_left_alone() -> None:
    rows, back = numbers(5, 3, 0), numbers(6, 3, 1)
    before = rows.copy(), back.copy()
    people(lambda f: f.x0.to_numpy().copy(), rows, back)
    pd.testing.assert_frame_equal(rows, before[0])
    pd.testing.assert_frame_equal(back, before[1])


def test_many_features_are_asked_about_in_blocks_of_as_many_bytes() -> None:
    """So that memory does not grow with the columns; the shares are those of one block."""
    many = 400
    rows, back = numbers(30, many, 2), numbers(8, many, 3)
    asked: list[int] = []

    def predict(frame: pd.DataFrame) -> np.ndarray:
        asked.append(len(frame))
        return frame.to_numpy()[:, :5].prod(axis=1)

    plan = plan_walks(predict(back), len(rows), many, 2, 0)
    scores = predict(rows), predict(back)
    asked.clear()
    items = [walk(predict, CellTable(rows, back), plan, *scores, PLAIN, chunk_rows=c) for c in (None, 10**9)]
    assert len(asked) > 3
    assert max(asked[:-1]) * many * 8 <= BLOCK_BYTES
    assert asked[-1] == sum(asked[:-1]) == items[0][1]
    np.testing.assert_array_equal(items[0][0]["value"], items[1][0]["value"])
    asked.clear()
    assert len(reactions(predict, rows, rows=300)) == many
    assert sum(asked) == 2 * len(rows) * (many + 1)
    assert max(asked) * many * 8 <= BLOCK_BYTES
