"""A cohort and a moved threshold, from the counts alone, against the rows themselves."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import cli
from audit.cohort import at_threshold, cohort, edges
from audit.cube import Margin
from audit.cube_json import margins_from_json
from audit.errors import DataError
from audit.evidence import pick
from audit.gaps import Settings

HOW = Settings(draws=100)


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, tuple[Margin, ...]]:
    """1,200 people with scores of three digits; four of the group Z."""
    rng, n = np.random.default_rng(2), 1200
    place = tmp_path_factory.mktemp("cohort")
    frame = pd.DataFrame(
        {
            "sex": rng.choice(["f", "m"], n),
            "age": rng.choice(["young", "mid", "old"], n),
            "place": np.where(np.arange(n) < 4, "Z", rng.choice(["X", "Y"], n)),
            "score": rng.random(n).round(3),
        }
    )
    frame["y"] = np.where(rng.random(n) < frame["score"], "yes", "no")
    frame.to_csv(place / "d.csv", index=False)
    (place / "case.toml").write_text(
        '[case]\nname = "c"\npurpose = "who gets it"\n[data]\npath = "d.csv"\nlabel = "y"\npositive = "yes"\n'
        'favourable = "yes"\nsensitive = ["sex", "age", "place"]\n[model]\nscore = "score"\nthreshold = 0.5\n'
    )
    assert cli.main(["audit", str(place / "case.toml"), "--out", str(place / "run")]) == 0
    return frame, margins_from_json(json.loads((place / "run" / "cube.json").read_bytes()))


def test_a_cohort_is_counted_as_its_rows_are(counted: tuple[pd.DataFrame, tuple[Margin, ...]]) -> None:
    frame, margins = counted
    chosen = {"sex": ("f",), "age": ("young", "old")}
    result = cohort(margins, ["sex", "age", "place"], chosen, HOW)
    rows = frame[(frame["sex"] == "f") & frame["age"].isin(["young", "old"]) & (frame["place"] != "Z")]
    assert result.people == len(rows)
    for attribute in ("age", "place"):
        for group, mine in rows.groupby(attribute):
            rate = pick(result.measures.rates, metric="selection_rate", attribute=(attribute,), group=(group,))
            assert rate is not None
            assert rate.value == pytest.approx((mine["score"] >= 0.5).mean())
            merit = mine[mine["y"] == "yes"]
            caught = pick(result.measures.rates, metric="true_positive_rate", attribute=(attribute,), group=(group,))
            assert caught is not None
            assert caught.value == pytest.approx((merit["score"] >= 0.5).mean())
    assert not any("sex" in g.attribute for g in result.measures.gaps)
    # The few of Z are in no figure, not even by subtraction from the whole, and it is said.
    assert ("Z",) not in {r.group for r in result.measures.rates if r.value is not None}
    assert any("place = Z" in note for note in result.notes)
    with pytest.raises(DataError, match="too few people"):
        cohort(margins, ["sex", "age", "place"], {"place": ("Z",)}, HOW)
    with pytest.raises(DataError, match="cannot be counted"):
        cohort(tuple(m for m in margins if len(m.attribute) < 3), ["sex", "age", "place"], chosen, HOW)


def test_a_threshold_moves_as_on_the_rows(counted: tuple[pd.DataFrame, tuple[Margin, ...]]) -> None:
    frame, margins = counted
    margin = next(m for m in margins if m.attribute == ("sex",))
    cuts = edges(margin)
    assert cuts[0] == frame["score"].min()
    assert cuts[-1] > frame["score"].max()
    for at in (cuts[0], cuts[len(cuts) // 3], cuts[-1]):
        result = at_threshold(margins, ("sex",), at, HOW)
        for who, mine in [("f", frame[frame["sex"] == "f"]), (None, frame)]:
            where = {"attribute": (), "group": ()} if who is None else {"attribute": ("sex",), "group": (who,)}
            rate = pick(result.rates, metric="selection_rate", **where)
            right = pick(result.rates, metric="accuracy", **where)
            assert rate is not None
            assert right is not None
            assert rate.value == pytest.approx((mine["score"] >= at).mean())
            assert right.value == pytest.approx(((mine["score"] >= at) == (mine["y"] == "yes")).mean())
    apart = {("f",): 0.3, ("m",): 0.7}
    by_group = at_threshold(margins, ("sex",), apart, HOW)
    everyone = pick(by_group.rates, metric="selection_rate", attribute=(), group=())
    assert everyone is not None
    assert everyone.value == pytest.approx((frame["score"] >= frame["sex"].map({"f": 0.3, "m": 0.7})).mean())
    # Of a small group nothing is shown.
    hidden = at_threshold(margins, ("place",), 0.5, HOW)
    assert all(r.value is None for r in hidden.rates if r.group == ("Z",))
    with pytest.raises(DataError, match="no threshold"):
        edges(Margin(("a",), (("x",),), *[np.zeros((1, 3, 2))] * 3, False, np.zeros(1, bool), None, margin.meaning))
