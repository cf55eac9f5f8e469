"""Consistency by hand and against scikit-learn's neighbours; flips of decisions that rest on the attribute alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from audit.case import Case, DataSpec, ModelSpec
from audit.gaps import Settings
from audit.individual import consistency, flips, plan
from audit.load import load_policy
from audit.quality import groups_of
from audit.quality.codes import Group

SETTINGS = Settings(floor=1)


def test_everyone_decided_alike_is_consistent() -> None:
    frame = pd.DataFrame({"x": np.arange(40.0)})
    group = Group("g", np.arange(40) % 2, ("f", "m"))
    result = consistency(frame, ("x",), (group,), np.ones(40, dtype=np.int64), SETTINGS)
    assert result["consistency"] == 1.0
    assert all(g["flip_test"] == 0 for g in result["by_group"])


def test_decisions_by_group_alone_are_caught_by_the_neighbours_outside() -> None:
    """Women and men stand at the same places; only men are chosen: every woman's neighbours outside are."""
    x = np.repeat(np.arange(50.0), 2)
    women = np.arange(100) % 2 == 0
    frame = pd.DataFrame({"x": x, "g": np.where(women, "f", "m")})
    group = Group("g", (~women).astype(np.int64), ("f", "m"))
    result = consistency(frame, ("x", "g"), (group,), (~women).astype(np.int64), SETTINGS)
    by = {g["group"][0]: g for g in result["by_group"]}
    assert (by["f"]["flip_test"], by["m"]["flip_test"]) == (1.0, -1.0)
    assert result["features"] == ["x"]
    assert result["consistency"] < 0.7


def test_consistency_is_that_of_scikit_learns_neighbours() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=300), "z": rng.normal(size=300) * 9, "c": rng.choice(list("abc"), 300)})
    decided = rng.integers(0, 2, 300)
    result = consistency(frame, ("x", "z", "c"), (), decided, SETTINGS)
    numbers = StandardScaler().fit_transform(frame[["x", "z"]])
    points = np.hstack([numbers, OneHotEncoder(sparse_output=False).fit_transform(frame[["c"]]) / np.sqrt(2)])
    near = NearestNeighbors(n_neighbors=6).fit(points).kneighbors(points, return_distance=False)[:, 1:]
    assert result["consistency"] == pytest.approx(1 - np.abs(decided - decided[near].mean(axis=1)).mean())


def test_flips_change_the_attribute_alone(tmp_path: Path) -> None:
    frame = pd.DataFrame({"sex": ["f", "m", "f", "m", None], "age": [20, 30, 40, 50, 60], "x": range(5)})
    data = DataSpec(tmp_path / "d.csv", "y", "1", "1", ("sex", "age"), bins={"age": (35.0,)})
    case = Case("c", "p", data, ModelSpec("path", path=tmp_path / "m.skops"), load_policy(None))
    groups = groups_of(case, frame)
    asked = plan(case, frame, ("sex", "age", "x"), groups, SETTINGS)
    assert asked is not None
    assert asked.frame["sex"].tolist() == ["m", "m", "f", "f"]
    assert asked.frame["x"].tolist() == [0, 2, 1, 3]
    assert frame["sex"].tolist()[:4] == ["f", "m", "f", "m"]
    before = np.array([0, 1, 0, 1, 1])
    result = flips(asked, before, (asked.frame["sex"] == "m").to_numpy().astype(int), 1, SETTINGS)
    assert [(f["group"], f["to"], f["people"], f["to_favourable"], f["to_unfavourable"]) for f in result] == [
        (["f"], ["m"], 2, 2, 0),
        (["m"], ["f"], 2, 0, 2),
    ]
    assert plan(case, frame, ("x",), groups, SETTINGS) is None


def test_too_few_people_or_features_is_said() -> None:
    frame = pd.DataFrame({"x": [1.0, 2.0]})
    assert "2 people" in consistency(frame, ("x",), (), np.array([0, 1]), SETTINGS)["reason"]
    assert consistency(frame, (), (), np.array([0, 1]), SETTINGS)["measured"] is False


def test_each_value_lies_in_its_interval_and_more_people_make_it_narrower() -> None:
    rng = np.random.default_rng(1)
    widths = []
    for n in (100, 1600):
        frame = pd.DataFrame({"x": rng.normal(size=n)})
        group = Group("g", rng.integers(0, 2, n), ("f", "m"))
        result = consistency(frame, ("x",), (group,), rng.integers(0, 2, n), SETTINGS)
        for one in result["by_group"]:
            assert one["consistency_low"] <= one["consistency"] <= one["consistency_high"]
            assert -1 <= one["flip_low"] <= one["flip_test"] <= one["flip_high"] <= 1
        widths.append(result["consistency_high"] - result["consistency_low"])
    assert widths[1] < widths[0] / 3
