"""Rows that a database condensed: people and their products are still those of the rows (pandas, by loops)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from audit.case import Case, DataSpec, ModelSpec
from audit.cube import cube_of
from audit.load import load_policy
from audit.scale.count import count


@pytest.mark.parametrize("across", [False, True], ids=["a person in one group", "a person in several"])
def test_people_of_rows_that_a_database_condensed_are_those_of_the_rows(tmp_path: Path, across: bool) -> None:
    rng = np.random.default_rng(3)
    who = rng.integers(0, 70, 300)
    group = rng.integers(0, 3, 300) if across else who % 3
    frame = pd.DataFrame(
        {"g": np.array(["a", "b", "c"])[group], "who": who, "y": rng.integers(0, 2, 300), "d": rng.integers(0, 2, 300)}
    )
    frame.astype({"y": str, "d": str}).to_parquet(tmp_path / "people.parquet")
    data = DataSpec(tmp_path / "people.parquet", "y", "1", "1", ("g",), cluster="who")
    case = Case("c", "p", data, ModelSpec("decision", column="d"), load_policy(None))
    margin = cube_of(count(case).coded).margin(("g",))
    assert margin.clusters is not None
    by_group = frame.groupby("g").who.nunique()
    assert margin.people.tolist() == [by_group[g] for (g,) in margin.groups]
    if across:
        assert by_group.sum() > frame.who.nunique()
    assert margin.people_in({0, 2}) == frame[frame.g.isin(["a", "c"])].who.nunique()
    each = np.zeros((70, 18))
    for g, person, y, d in frame.itertuples(index=False):
        each[person, [v for (v,) in margin.groups].index(g) * 6 + y * 2 + d] += 1
    result = np.zeros((18, 18))
    c = margin.clusters
    result[c.left, c.right] = result[c.right, c.left] = c.products
    np.testing.assert_array_equal(result, each.T @ each)
