"""The replays that ship: the script makes them, each holds what it says, and its norms hold before the shift."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

REPLAYS = Path(__file__).resolve().parents[1] / "sample_data" / "replays"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("assay_replays", REPLAYS / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def table(name: str) -> pd.DataFrame:
    return pd.read_parquet(REPLAYS / f"{name}.parquet")


def test_made_again_they_hold_the_same_people(script: ModuleType, tmp_path: Path) -> None:
    script.make(tmp_path)
    for name in (*script.NAMES, "census"):
        pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / f"{name}.parquet"), table(name))
    for name in ("model.skops", "census.skops"):
        assert (tmp_path / name).read_bytes() == (REPLAYS / name).read_bytes()


def test_each_has_its_batches_and_the_model_never_saw_its_people(script: ModuleType) -> None:
    adult = pd.read_parquet(REPLAYS.parent / "adult.parquet")
    learnt = np.random.default_rng(0).permutation(len(adult))[: script.LEARN]
    _, people = script.adult()
    assert len(people) == len(adult) - script.LEARN == len(np.setdiff1d(adult.index, learnt))
    for name in script.NAMES:
        sizes = table(name).groupby("batch").size()
        assert list(sizes.index) == list(range(script.BATCHES))
        assert (sizes == script.SIZE).all()


def test_what_was_planted_is_there_and_nothing_before_it(script: ModuleType) -> None:
    quiet = table("quiet")
    for name in script.NAMES:
        before = table(name)[lambda f: f["batch"] < script.PLANTED]
        assert abs((before["sex"] == "Female").mean() - 0.333) < 0.02, name
        assert before["hours-per-week"].max() <= 99
    late = {name: table(name)[lambda f: f["batch"] >= script.PLANTED] for name in script.NAMES}
    assert (late["mix"]["sex"] == "Female").mean() > 0.48
    assert late["benign"]["age"].mean() > quiet["age"].mean() + 3
    rich = {n: f["income"] == ">50K" for n, f in late.items()}
    clerical = {n: f["occupation"] == "Adm-clerical" for n, f in late.items()}
    assert rich["harm"][clerical["harm"]].mean() > 0.7 > 0.2 > rich["quiet"][clerical["quiet"]].mean()
    black = {n: f["race"] == "Black" for n, f in late.items()}
    assert rich["noise"][black["noise"]].mean() > rich["quiet"][black["quiet"]].mean() + 0.1
    assert abs(rich["noise"][~black["noise"]].mean() - rich["quiet"][~black["quiet"]].mean()) < 0.02
    feed = table("feed")
    assert (feed.groupby("batch")["hours-per-week"].median() > 1000).sum() == 3


def test_census_is_in_the_order_of_its_years() -> None:
    years = table("census")["year"].to_numpy()
    assert set(years.tolist()) == {94, 95}
    assert (np.diff(years) >= 0).all()
