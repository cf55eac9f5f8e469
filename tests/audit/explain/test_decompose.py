"""What the gap is made of: exact totals, values on paper, proxies."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from audit.explain.decompose import GroupMean, group_means, splits
from audit.explain.kinds import Attributions
from audit.explain.outputs import Rule, transform
from audit.explain.proxies import associations
from audit.explain.sample import choose, rare
from audit.explain.sampled import explain_sampled


def people(rows: int, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Group B has less pay; tenure does not depend on the group; noise is not used by the model."""
    rng = np.random.default_rng(seed)
    group = rng.choice(["A", "B", "C"], rows, p=[0.6, 0.3, 0.1])
    pay = rng.normal(0, 1, rows) - 1.0 * (group == "B") + 0.5 * (group == "C")
    return pd.DataFrame({"pay": pay, "tenure": rng.normal(0, 1, rows), "noise": rng.normal(0, 1, rows)}), group


def model(frame: pd.DataFrame) -> np.ndarray:
    z = 1.5 * frame.pay + frame.tenure + 0.5 * frame.pay * frame.tenure
    return np.asarray(1 / (1 + np.exp(-z)), dtype=np.float64)


def made(
    rows: int, sample: int, output: str = "decision", threshold: float = 0.5, **kw: int
) -> tuple[Attributions, tuple[GroupMean, ...], np.ndarray, np.ndarray]:
    frame, group = people(rows)
    rule = Rule(threshold, favourable_is_positive=True)
    chosen = choose({"g": group}, np.ones(rows, dtype=bool), sample, 40, 0)
    back = frame.sample(100, random_state=3)
    change = {output: transform(output, rule)}
    explanation = explain_sampled(model, frame.iloc[chosen.rows], back, change, **kw).outputs[output]
    level = change[output](model(frame))
    everyone = {g: np.flatnonzero(group == g) for g in chosen.groups["g"]}
    means = group_means(explanation.values, explanation.base, level[chosen.rows], chosen.groups["g"], everyone, level)
    return explanation, means, level, group


@pytest.mark.parametrize("threshold", [0.5, 0.8])
@pytest.mark.parametrize("sample", [3000, 300])
def test_the_parts_sum_to_the_difference_of_selection_rates_of_all_people(threshold: float, sample: int) -> None:
    result, means, level, group = made(3000, sample, threshold=threshold)
    assert isinstance(result, Attributions)
    rate = {g: level[group == g].mean() for g in "ABC"}
    parts = splits(means)
    assert [s.kind for s in parts] == ["extreme", "rest", "rest", "rest"]
    assert (parts[0].high, parts[0].low) == ("C", "B")
    assert parts[0].total == pytest.approx(rate["C"] - rate["B"], abs=1e-12)
    for split in parts:
        assert split.value.sum() == pytest.approx(split.total, abs=1e-12)
        assert split.value[2] == 0.0
        assert abs(split.value[1]) < 4 * split.error[1]
    assert parts[0].value[0] > 5 * parts[0].error[0]
    rest = level[group != "B"].mean()
    assert next(s for s in parts if s.high == "B").total == pytest.approx(rate["B"] - rest, abs=1e-12)


def test_a_linear_model_by_hand() -> None:
    """f = 2 x: the gap of 2 (mean of A - mean of B) is all x's, whatever the background."""
    frame = pd.DataFrame({"x": [1.0, 3.0, 0.0, 0.0], "y": [5.0, 1.0, 2.0, 9.0]})
    change = {"value": transform("value", Rule(0.5))}
    explanation = explain_sampled(lambda f: 2 * f.x.to_numpy(), frame, frame.iloc[[1, 3]], change).outputs["value"]
    lists = {"A": np.array([0, 1]), "B": np.array([2, 3])}
    level = 2 * frame.x.to_numpy()
    (split,) = splits(group_means(explanation.values, explanation.base, level, lists, lists, level))
    assert (split.high, split.low, split.total) == ("A", "B", 4.0)
    np.testing.assert_allclose(split.value, [4.0, 0.0], atol=1e-12)


def test_weights_give_the_weighted_gap() -> None:
    frame, group = people(500)
    weight = np.random.default_rng(1).uniform(0.5, 3, 500)
    change = {"decision": transform("decision", Rule(0.5))}
    explanation = explain_sampled(model, frame, frame.iloc[:80], change).outputs["decision"]
    level = change["decision"](model(frame))
    lists = {g: np.flatnonzero(group == g) for g in "ABC"}
    means = group_means(explanation.values, explanation.base, level, lists, lists, level, weight, weight)
    total = {g: float(weight[lists[g]].sum()) for g in "ABC"}
    for split in splits(means, total):
        assert split.value.sum() == pytest.approx(split.total, abs=1e-12)
    assert means[0].output == pytest.approx(np.average(level[lists["A"]], weights=weight[lists["A"]]))
    rest = np.average(level[group != "A"], weights=weight[group != "A"])
    assert splits(means, total)[1].total == pytest.approx(means[0].output - rest, abs=1e-12)


def test_standard_errors_are_honest() -> None:
    """Over 60 seeds, the estimates' spread is what the standard error says (rows sampled anew, background fixed)."""
    frame, group = people(4000)
    change = {"decision": transform("decision", Rule(0.5))}
    level = change["decision"](model(frame))
    everyone = {g: np.flatnonzero(group == g) for g in "AB"}
    back = frame.iloc[:60]
    values, errors = [], []
    for seed in range(60):
        chosen = choose({"g": group}, group != "C", 200, 60, seed)
        rows = frame.iloc[chosen.rows]
        explanation = explain_sampled(model, rows, back, change, draws=2, seed=seed).outputs["decision"]
        means = group_means(
            explanation.values, explanation.base, level[chosen.rows], chosen.groups["g"], everyone, level
        )
        split = splits(means)[0]
        values.append(split.value)
        errors.append(split.error)
    spread, message = np.std(values, axis=0)[:2], np.mean(errors, axis=0)[:2]
    assert (spread < 1.35 * message).all()
    assert (spread > 0.6 * message).all()


def test_a_constant_decision_has_no_gap() -> None:
    frame, group = people(200)
    change = {"decision": transform("decision", Rule(0.0))}
    explanation = explain_sampled(model, frame, frame.iloc[:50], change).outputs["decision"]
    lists = {g: np.flatnonzero(group == g) for g in "AB"}
    level = np.ones(200)
    (split,) = splits(group_means(explanation.values, explanation.base, level, lists, lists, level))
    assert split.total == 0.0
    np.testing.assert_allclose(split.value, 0.0, atol=1e-12)
    assert np.isfinite(split.error).all()


def test_one_group_has_no_gap() -> None:
    frame, _ = people(50)
    change = {"value": transform("value", Rule(0.5))}
    explanation = explain_sampled(model, frame, frame, change).outputs["value"]
    lists = {"A": np.arange(50)}
    assert splits(group_means(explanation.values, explanation.base, model(frame), lists, lists, model(frame))) == ()


def test_every_group_is_sampled_and_each_list_is_a_random_sample() -> None:
    group = np.array(["big"] * 2000 + ["small"] * 60 + ["tiny"] * 4)
    keep, small = rare({"g": group}, len(group))
    assert small == {"g": ("tiny",)}
    assert (keep == (group != "tiny")).all()
    chosen = choose({"g": group}, keep, 300, 50, 0)
    assert len(chosen.everyone) == 300
    assert set(chosen.groups["g"]) == {"big", "small"}
    assert len(chosen.groups["g"]["small"]) == 50
    assert (group[chosen.rows[chosen.groups["g"]["small"]]] == "small").all()
    assert not (group[chosen.rows] == "tiny").any()
    assert len(np.unique(chosen.rows)) == len(chosen.rows)
    # How often each of the small group is taken over many seeds: never always, never never.
    taken = np.zeros(len(group))
    for seed in range(60):
        again = choose({"g": group}, keep, 300, 30, seed)
        taken[again.rows[again.groups["g"]["small"]]] += 1
    assert taken[2000:2060].min() > 0
    assert taken[2000:2060].max() < 60


def test_proxies_of_an_attribute_that_the_model_never_saw() -> None:
    rng = np.random.default_rng(0)
    sex = rng.choice(["f", "m"], 4000)
    frame = pd.DataFrame(
        {
            "title": np.where(sex == "f", "Ms", "Mr"),
            "club": np.where(rng.random(4000) < 0.7, sex, "x"),
            "height": rng.normal(165, 7, 4000) + 13 * (sex == "m"),
            "luck": rng.normal(size=4000),
            "city": rng.choice(list("abcdefgh"), 4000),
        }
    )
    mapping = {a.feature: a for a in associations(frame, sex)}
    assert mapping["title"].value == pytest.approx(1.0, abs=0.01)
    assert mapping["title"].measure == "Cramer's V"
    assert mapping["height"].measure == "correlation ratio"
    # A difference of 13 and a deviation of 7: eta^2 = 6.5^2 / (6.5^2 + 7^2).
    assert mapping["height"].value == pytest.approx(6.5 / np.hypot(6.5, 7.0), abs=0.02)
    assert 0.5 < mapping["club"].value < 1.0
    assert mapping["luck"].value < 0.05
    assert mapping["city"].value < 0.05
