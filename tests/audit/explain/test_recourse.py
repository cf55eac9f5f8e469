"""Recourse: by hand, against every combination, and a planted gap between groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_ind

from audit.case import Recourse
from audit.errors import CaseError
from audit.explain.change import CATEGORY, STEPS, Unit, changed, units, unseen
from audit.explain.outputs import Rule
from audit.explain.recourse import search
from audit.explain.recourse_gap import Finding, absent, groups

UP = Rule(0.5)
Model = Callable[[pd.DataFrame], np.ndarray]


def ten() -> pd.DataFrame:
    """Hours 10, 20, .. 100; jobs a, b in turn."""
    return pd.DataFrame({"hours": np.arange(10, 101, 10), "job": ["a", "b"] * 5, "other": np.zeros(10)})


def hours(frame: pd.DataFrame) -> np.ndarray:
    return frame["hours"].to_numpy(dtype=np.float64) / 100


def test_the_cost_is_the_share_of_people_passed() -> None:
    (unit,) = units(Recourse(("hours",)), ten())
    # mid-percentiles .05, .15, .. .95: ten values, each .1 from the next
    assert len(unit.donors) == 10
    assert unit.cost[0, 1] == pytest.approx(0.1)
    assert unit.cost[0, 9] == pytest.approx(0.9)
    assert np.isinf(unit.cost[0, 0])  # the value that the person has


def test_equal_values_share_their_percentile() -> None:
    frame = pd.DataFrame({"x": [1, 1, 1, 2]})
    (unit,) = units(Recourse(("x",)), frame)
    # F(1) = 1.5 / 4, F(2) = 3.5 / 4
    assert unit.cost[0, 1] == pytest.approx(0.5)


def test_the_least_change_by_hand() -> None:
    parts = units(Recourse(("hours",)), ten())
    result = search(hours, ten(), np.array([0, 3]), parts, UP, 100)
    # 10 hours must become 50: four people passed; 40 must become 50: one.
    assert [f.cost for f in result] == [pytest.approx(0.4), pytest.approx(0.1)]
    assert [f.score for f in result] == [0.5, 0.5]
    assert all(f.complete for f in result)


def test_a_refusal_may_be_the_high_score() -> None:
    parts = units(Recourse(("hours",)), ten())
    (result,) = search(hours, ten(), np.array([9]), parts, Rule(0.5, favourable_is_positive=False), 100)
    assert result.score == pytest.approx(0.4)
    assert result.cost == pytest.approx(0.6)


def test_ranges_and_directions_hold() -> None:
    inputs = Recourse(("hours",), {"hours": (10.0, 40.0)})
    (result,) = search(hours, ten(), np.array([0]), units(inputs, ten()), UP, 100)
    assert result.choice is None
    assert result.cost is None
    assert result.complete
    inputs = Recourse(("hours",), direction={"hours": "decrease"})
    (result,) = search(hours, ten(), np.array([3]), units(inputs, ten()), UP, 100)
    assert result.choice is None
    assert result.complete
    (unit,) = units(inputs, ten())
    assert np.isfinite(unit.cost[3]).sum() == 3  # 10, 20, 30


def test_another_category_costs_a_third_and_only_named_texts_are_tried() -> None:
    def by_job(frame: pd.DataFrame) -> np.ndarray:
        return (frame["job"] == "b").to_numpy(dtype=np.float64)

    (result,) = search(by_job, ten(), np.array([0]), units(Recourse(("job",)), ten()), UP, 10)
    assert result.cost == pytest.approx(CATEGORY)
    inputs = Recourse(("job",), values={"job": ("a", "smith")})
    (none,) = search(by_job, ten(), np.array([0]), units(inputs, ten()), UP, 10)
    assert none.choice is None
    assert unseen(inputs, ten()) == ["job = smith"]


def test_columns_that_go_together_take_values_that_stand_together() -> None:
    frame = pd.DataFrame({"degree": ["school", "school", "first", "master"] * 3, "years": [10, 10, 13, 15] * 3})
    inputs = Recourse(("degree", "years"), together=(("degree", "years"),), direction={"years": "increase"})
    (unit,) = units(inputs, frame)
    pairs = {tuple(r) for r in frame.iloc[unit.donors].itertuples(index=False)}
    assert pairs == {("school", 10), ("first", 13), ("master", 15)}
    built = changed(frame, np.array([0]), [unit], np.array([[list(frame.iloc[unit.donors].years).index(13)]]))
    assert built.iloc[0].tolist() == ["first", 13]
    # F(10) = .25, F(13) = .625: the number's way, nothing more for the degree
    assert unit.cost[0].min() == pytest.approx(0.375)
    assert np.isinf(unit.cost[3]).all()  # a master cannot go further


def test_an_unknown_value_is_left_alone() -> None:
    frame = ten().astype({"hours": float})
    frame.loc[0, "hours"] = np.nan
    (unit,) = units(Recourse(("hours",)), frame)
    assert np.isinf(unit.cost[0]).all()
    assert not frame["hours"].iloc[unit.donors].isna().any()


def test_few_values_where_there_are_many() -> None:
    frame = pd.DataFrame({"x": np.r_[np.full(500, 40.0), np.linspace(0, 100, 500)]})
    (unit,) = units(Recourse(("x",)), frame)
    assert 8 <= len(unit.donors) <= STEPS  # ties at 40 do not eat the quantiles
    assert len(set(frame["x"].iloc[unit.donors])) == len(unit.donors)


def random_case(seed: int) -> tuple[pd.DataFrame, tuple[Unit, ...], Model]:
    rng = np.random.default_rng(seed)
    n = 60
    frame = pd.DataFrame(
        {
            "a": rng.normal(size=n).round(1),
            "b": rng.integers(0, 4, n),
            "c": rng.choice(["u", "v", "w"], n),
            "fixed": rng.normal(size=n),
        }
    )
    weight = {"u": -0.5, "v": rng.normal(), "w": rng.normal()}

    def model(f: pd.DataFrame) -> np.ndarray:
        z = f["a"] * f["b"] - 1.5 + f["c"].map(weight) + 0.5 * f["fixed"] - 0.3 * (f["b"] - 1) ** 2
        return np.asarray(1 / (1 + np.exp(-z.to_numpy(dtype=np.float64))))

    return frame, units(Recourse(("a", "b", "c")), frame), model


def every(frame: pd.DataFrame, person: int, parts: Sequence[Unit], model: Model) -> float:
    """The least cost over the whole grid, by asking about all of it."""
    grid = np.array(list(product(*[range(-1, len(u.donors)) for u in parts])))
    cost = sum(np.where(grid[:, u] < 0, 0, part.cost[person, grid[:, u]]) for u, part in enumerate(parts))
    score = model(changed(frame, np.full(len(grid), person), parts, grid))
    return float(np.min(np.asarray(cost)[score >= 0.5], initial=np.inf))


@pytest.mark.parametrize("seed", range(6))
def test_against_every_combination(seed: int) -> None:
    frame, parts, model = random_case(seed)
    before = frame.copy()
    refused = np.flatnonzero(model(frame) < 0.5)[:8]
    least = [every(frame, p, parts, model) for p in refused]
    whole = search(model, frame, refused, parts, UP, 10_000)
    assert all(f.complete for f in whole)
    assert [np.inf if f.cost is None else f.cost for f in whole] == pytest.approx(least)
    # A small budget never claims more than it knows, and what it finds does turn the decision.
    for f, best, person in zip(search(model, frame, refused, parts, UP, 3), least, refused, strict=True):
        if f.choice is not None:
            assert f.cost is not None
            assert f.cost >= best - 1e-9
            built = changed(frame, np.array([person]), parts, f.choice[None, :])
            assert model(built)[0] >= 0.5
        if f.complete:
            assert (np.inf if f.cost is None else f.cost) == pytest.approx(best)
    pd.testing.assert_frame_equal(frame, before)


def test_only_actionable_columns_change() -> None:
    frame, parts, model = random_case(1)
    refused = np.flatnonzero(model(frame) < 0.5)[:8]
    for f, person in zip(search(model, frame, refused, parts, UP, 500), refused, strict=True):
        if f.choice is not None:
            built = changed(frame, np.array([person]), parts, f.choice[None, :])
            assert built["fixed"].iloc[0] == frame["fixed"].iloc[person]
            assert list(built.dtypes) == list(frame.dtypes)


def test_a_model_of_decisions_only_has_recourse_too() -> None:
    """Nothing leads the greedy search where the score is 0 or 1; the order of cost still finds the least."""
    frame, parts, model = random_case(2)
    flat: Model = lambda f: (model(f) >= 0.5).astype(np.float64)
    refused = np.flatnonzero(model(frame) < 0.5)[:6]
    least = [every(frame, p, parts, model) for p in refused]
    result = search(flat, frame, refused, parts, UP, 10_000)
    assert [np.inf if f.cost is None else f.cost for f in result] == pytest.approx(least)


def test_the_grid_may_be_too_large_to_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audit.explain.recourse.GRID", 50)
    frame, parts, model = random_case(3)
    refused = np.flatnonzero(model(frame) < 0.5)[:6]
    for f, person in zip(search(model, frame, refused, parts, UP, 10_000), refused, strict=True):
        best = every(frame, person, parts, model)
        assert (np.inf if f.cost is None else f.cost) >= best - 1e-9
        assert f.tried < 1000


def test_refusals_name_the_nearest_column() -> None:
    with pytest.raises(CaseError, match="does not take") as caught:
        units(Recourse(("hour",)), ten())
    assert "did you mean 'hours'?" in caught.value.message
    for wrong in (
        Recourse(("job",), {"job": (1.0, 2.0)}),
        Recourse(("job",), direction={"job": "increase"}),
        Recourse(("hours",), values={"hours": ("a",)}),
    ):
        with pytest.raises(CaseError, match="does not suit the column"):
            units(wrong, ten())


def planted(gap: float, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray, Model]:
    rng = np.random.default_rng(seed)
    group = rng.choice(["f", "m"], 1200)
    frame = pd.DataFrame({"pay": rng.uniform(0, 1, 1200), "is_f": (group == "f") * 1.0})
    return frame, group, lambda f: (f["pay"] - gap * f["is_f"]).to_numpy(dtype=np.float64) / 1.0


def entry(gap: float, **more: int) -> dict:
    frame, group, model = planted(gap)
    finding = Finding.of(Recourse(("pay",)), model, frame, UP)
    good = UP.favourable(model(frame))
    return groups(
        finding,
        Recourse(("pay",)),
        {"sex": group},
        np.ones(len(frame), dtype=bool),
        good,
        more.get("rows", 150),
        200,
        more.get("seed", 0),
    )


def test_a_planted_gap_in_the_cost_is_found_and_its_absence_is_not() -> None:
    """Everyone needs pay .5, or .5 + gap: the mean way is .25, or (.5 + gap) / 2, in percentiles of a uniform."""
    result = next(g for g in entry(0.3)["gaps"] if g["of"] == "cost")
    assert result["highest"] == ["f"]
    assert result["lowest"] == ["m"]
    assert 0 < result["low"] <= result["value"] <= result["high"]
    assert result["low"] <= 0.15 + 1 / STEPS
    assert result["high"] >= 0.15 - 1 / STEPS
    assert result["people"] == 300
    none = next(g for g in entry(0.0)["gaps"] if g["of"] == "cost")
    assert none["low"] < 0.0 < none["high"]


def test_what_is_said_of_two_of_three_groups_is_theirs_and_not_that_of_the_widest_gap() -> None:
    """Welch's limits of SciPy and Newcombe's of statsmodels for these two, at the level that three pairs leave each."""
    rng = np.random.default_rng(1)
    group = rng.choice(["a", "b", "c"], 900, p=[0.5, 0.4, 0.1])
    frame = pd.DataFrame({"pay": rng.uniform(0, 1, 900), "is_c": (group == "c") * 1.0})

    def model(f: pd.DataFrame) -> np.ndarray:
        return (f["pay"] - 0.02 * f["is_c"]).to_numpy(dtype=np.float64)

    finding = Finding.of(Recourse(("pay",)), model, frame, UP)
    good = UP.favourable(model(frame))
    result = groups(finding, Recourse(("pay",)), {"g": group}, np.ones(900, dtype=bool), good, 900, 200, 0)
    gap = next(g for g in result["gaps"] if g["of"] == "cost")
    cost = {}
    for name in (gap["highest"][0], gap["lowest"][0]):
        refused = np.flatnonzero((group == name) & (good == 0))
        cost[name] = np.array([f.cost for f in finding.search(refused, 200)])
    welch = ttest_ind(cost[gap["highest"][0]], cost[gap["lowest"][0]], equal_var=False)
    ends = welch.confidence_interval(1 - 0.05 / 3)
    assert (gap["low"], gap["high"]) == (pytest.approx(ends.low), pytest.approx(ends.high))
    assert gap["p_value"] == pytest.approx(min(1.0, 3 * welch.pvalue))
    assert gap["low"] < 0  # the widest gap of all cannot fall under 0; that of two named groups can
    assert any(f"95 % interval of these two {gap['low']:.2f} to {gap['high']:.2f}" in n for n in result["notice"])


def test_a_group_without_recourse_shows_in_the_share() -> None:
    e = entry(0.7)
    share = next(g for g in e["gaps"] if g["of"] == "share")
    assert share["value"] == 1.0
    assert share["highest"] == ["m"]
    assert share["low"] > 0.9
    women = next(g for g in e["groups"] if g["group"] == ["f"])
    assert women["found"] == 0
    assert women["cost"] is None
    assert women["rows"] == 150
    cost = next(g for g in e["gaps"] if g["of"] == "cost")
    assert not cost["estimable"]
    assert "fewer than two groups" in cost["reason"]
    assert any("cannot be estimated" in n for n in e["notice"])


def test_the_same_seed_gives_the_same_people() -> None:
    assert entry(0.2, rows=40) == entry(0.2, rows=40)
    assert entry(0.2, rows=40) != entry(0.2, rows=40, seed=1)


def test_groups_with_few_refused_are_left_out() -> None:
    frame, _, model = planted(0.2)
    small = np.array(["many"] * 1191 + ["few"] * 9)
    finding = Finding.of(Recourse(("pay",)), model, frame, UP)
    e = groups(
        finding, Recourse(("pay",)), {"g": small}, np.ones(1200, dtype=bool), np.zeros(1200), 50, 20, 0
    )  # fmt: skip
    assert [g["group"] for g in e["groups"]] == [["many"]]
    assert e["gaps"] == []


def test_a_person_in_words() -> None:
    finding = Finding.of(Recourse(("hours",)), hours, ten(), UP)
    (result,) = finding.search(np.array([3]), 100)
    report = finding.person(3, result)
    assert report["changes"] == [
        {"steps": [{"feature": "hours", "from": "40", "to": "50"}], "cost": pytest.approx(0.1)}
    ]
    assert report["words"].startswith("The decision turns with hours from 40 to 50 (cost 0.10); no cheaper")
    inputs = Recourse(("hours",), {"hours": (10.0, 40.0)})
    finding = Finding.of(inputs, hours, ten(), UP)
    (result,) = finding.search(np.array([0]), 100)
    report = finding.person(0, result)
    assert not report["found"]
    assert report["words"].startswith("None found: none of all")


def test_without_the_table_the_document_says_so() -> None:
    report = absent()
    assert not report["sought"]
    assert "[recourse]" in report["reason"]
