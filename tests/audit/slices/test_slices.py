"""The search finds what was planted, names nothing in noise, and does not reuse the people it searched."""

from __future__ import annotations

import json
from importlib import import_module

import numpy as np
import pandas as pd
import pytest

from audit.gaps import Settings
from audit.quality.codes import Group
from audit.slices import LEAST, search


def people(rows: int, seed: int, planted: float = 0.0) -> tuple[pd.DataFrame, tuple[Group, ...], dict]:  # type: ignore[type-arg]
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({f"c{i}": rng.choice(list("abcd"), rows) for i in range(6)})
    frame["x"] = rng.normal(size=rows)
    sex = rng.integers(0, 2, rows)
    wrong = rng.random(rows) < 0.2 + planted * ((sex == 0) & (frame["c2"] == "b").to_numpy())
    merit = rng.random(rows) < 0.5
    everyone = np.ones(rows, dtype=bool)
    group = (Group("sex", sex.astype(np.int64), ("f", "m")),)
    return frame, group, {"error": (everyone, wrong), "missed": (merit, wrong)}


FEATURES = ("c0", "c1", "c2", "c3", "c4", "c5", "x")


def test_trap_15_ten_searches_in_noise_name_nothing_in_at_least_nine() -> None:
    """What is best of a thousand slices looks real on the people it was found in; on others it is gone."""
    named = 0
    for seed in range(10):
        frame, groups, wrong = people(4000, seed)
        result = search(frame, FEATURES, groups, wrong, Settings(seed=seed))
        assert result["considered"] > 500
        assert result["tested"] == 20
        named += bool(result["found"])
    assert named <= 1


def test_the_best_slice_of_noise_would_pass_on_its_own_people() -> None:
    """The same search confirmed on the searched half itself: this is what the split protects from."""
    from audit.slices.search import _best, _conditions, _key, _test, levels_of

    below = 0
    for seed in range(5):
        frame, _, wrong = people(4000, seed)
        columns = [c for f in FEATURES if (c := levels_of(frame[f], bands=4, most=12)) is not None]
        here, hit = wrong["error"]
        chosen, _ = _best(columns, _conditions(columns)[0], here, hit)
        assert all(k == _key(divmod(k, 100_000)) for c in chosen for k in c)
        below += _test(columns, chosen[0], here, hit, "error", set(), 0.05).p_value < 0.05 / 10
    assert below >= 4


def test_a_planted_slice_is_found_and_named_first() -> None:
    frame, groups, wrong = people(6000, 2, planted=0.35)
    result = search(frame, FEATURES, groups, wrong, Settings())
    first = result["found"][0]
    assert {(w["column"], w["value"]) for w in first["where"]} == {("sex", "f"), ("c2", "b")}
    assert first["sensitive"] == ["sex"]
    assert first["low"] < 0.35 < first["high"]
    assert first["p_adjusted"] < 1e-6
    assert first["rate"] == first["wrong"] / first["people"]


def test_small_slices_are_not_named_and_the_same_seed_gives_the_same() -> None:
    frame, groups, wrong = people(3000, 2, planted=0.4)
    frame["id"] = [f"p{i}" for i in range(3000)]
    result = search(frame, (*FEATURES, "id"), groups, wrong, Settings())
    assert all(f["people"] >= LEAST / 2 for f in result["found"])
    assert all(w["column"] != "id" for f in result["found"] for w in f["where"])
    assert json.dumps(result) == json.dumps(search(frame, (*FEATURES, "id"), groups, wrong, Settings()))


def test_nothing_known_is_said() -> None:
    frame, groups, _ = people(100, 0)
    nobody = np.zeros(100, dtype=bool)
    assert search(frame, FEATURES, groups, {"error": (nobody, nobody)}, Settings())["measured"] is False
    everyone = np.ones(100, dtype=bool)
    assert search(frame, FEATURES, groups, {"error": (everyone, nobody)}, Settings())["found"] == []


def test_of_more_conditions_than_are_looked_at_the_first_count_and_the_rest_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing of a column behind them is asked about; the column in which they end is whole."""
    frame, groups, wrong = people(6000, 2, planted=0.35)
    rest = [f for f in FEATURES if f != "c2"]
    every = search(frame, ["c2", *rest], groups, wrong, Settings())
    assert every["conditions_left_out"] == 0
    monkeypatch.setattr(
        import_module("audit.slices.search"), "MOST_CONDITIONS", 4
    )  # two groups and two of the levels of c2
    result = search(frame, ["c2", *rest], groups, wrong, Settings())
    assert result["conditions_left_out"] == 2 + 4 * 6
    assert result["found"][0]["where"] == every["found"][0]["where"]
    assert result["found"][0]["people"] == every["found"][0]["people"]
