"""What the honest comparison rests on: nothing is learned from the test rows, and many tests at once are paid for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.case import Case, DataSpec, ModelSpec
from audit.code import Decisions, code_rows
from audit.cube import cube_of, margins_of
from audit.load import load_policy
from audit.stats import holm
from debias.compare import CLOSE, flips_of, matched_decisions
from debias.mitigate import run_mitigate

DRAWS = 40
pytestmark = pytest.mark.usefixtures("all_here", "coarse_calibration")


def people(n: int = 1000) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    sex = rng.choice(["Female", "Male"], n)
    race = rng.choice(["A", "B"], n)
    merit = rng.normal(size=n)
    good = merit + 1.1 * (sex == "Male") + 0.4 * (race == "A") + rng.normal(scale=0.6, size=n) > 1
    return pd.DataFrame(
        {
            "merit": merit,
            "proxy": (sex == "Male") + rng.normal(scale=0.5, size=n),
            "sex": sex,
            "race": race,
            "outcome": np.where(good, "paid", "late"),
            "score": 1 / (1 + np.exp(-(merit + (sex == "Male") - 0.8))),
            "split": np.where(np.arange(n) % 5 < 3, "train", "test"),
        }
    )


def case_in(folder: Path, frame: pd.DataFrame) -> Case:
    frame.to_parquet(folder / "people.parquet")
    data = DataSpec(
        path=folder / "people.parquet",
        label="outcome",
        positive="paid",
        favourable="paid",
        sensitive=("sex", "race"),
        split="split",
        train="train",
        audit="test",
        features=("merit", "proxy"),
    )
    return Case("People", "Who gets a loan", data, ModelSpec("score", column="score", threshold=0.5), load_policy(None))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, all_here: None) -> list[tuple[dict[str, Any], bytes]]:
    """As it is, and with every test row's features, score and outcome turned upside down."""
    items = []
    frame = people()
    spoilt = frame.copy()
    test = (frame["split"] == "test").to_numpy()
    for column in ("merit", "proxy", "score"):
        spoilt.loc[test, column] = frame.loc[test, column].to_numpy()[::-1]
    spoilt.loc[test, "outcome"] = np.where(frame.loc[test, "outcome"] == "paid", "late", "paid")
    for table in (frame, spoilt):
        folder = tmp_path_factory.mktemp("untouched")
        document = run_mitigate(case_in(folder, table), "constrained_boosting", folder / "run", draws=DRAWS)
        items.append((document, (folder / "run" / "mitigated.skops").read_bytes()))
    return items


def test_nothing_is_learned_or_chosen_on_the_test_rows(runs: list[tuple[dict[str, Any], bytes]]) -> None:
    """The same model to the byte, the same trees kept; the figures are others.

    Nor do the test rows' outcomes and groups move the baseline's threshold: the same scores in another order, beside
    other outcomes, give the same one.
    """
    (one, model), (other, again) = runs
    assert model == again
    assert one["parameters"] == other["parameters"]
    assert one["arms"]["matched"]["threshold"] == other["arms"]["matched"]["threshold"]
    assert one["splits"] == other["splits"]
    assert one["arms"]["candidate"]["accuracy"] != other["arms"]["candidate"]["accuracy"]


def test_the_baseline_selects_as_many_where_the_original_has_learned_from_the_validation_rows(tmp_path: Path) -> None:
    """Scores that are surer of the rows that were learned from select another share of the rest at one threshold."""
    frame = people()
    known = frame["split"] == "train"
    sure = np.where(frame["outcome"] == "paid", 0.97, 0.02) + 0.01 * frame["score"]
    frame["score"] = np.where(known, sure, frame["score"])
    document = run_mitigate(case_in(tmp_path, frame), "constrained_boosting", tmp_path / "run", draws=DRAWS)
    arms = document["arms"]
    assert (
        arms["matched"]["selection_rate"] == arms["candidate"]["selection_rate"] != arms["original"]["selection_rate"]
    )
    assert not any("selects as many" in n for n in document["notes"])


def test_a_baseline_that_cannot_select_as_many_is_said(tmp_path: Path) -> None:
    """Two scores only: no threshold lies between."""
    frame = people()
    frame["score"] = np.where(frame["score"] > 0.6, 0.8, 0.3)
    document = run_mitigate(case_in(tmp_path, frame), "constrained_boosting", tmp_path / "run", draws=DRAWS)
    arms = document["arms"]
    assert abs(arms["matched"]["selection_rate"] - arms["candidate"]["selection_rate"]) > CLOSE
    note = next(n for n in document["notes"] if "selects as many as the candidate" in n)
    assert f"{100 * arms['matched']['selection_rate']:.1f} %" in note
    assert f"{100 * arms['candidate']['selection_rate']:.1f} %" in note


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans(), st.integers(1, 5)), min_size=1, max_size=30))
def test_no_other_threshold_selects_a_share_nearer_to_the_candidates(rows: list[tuple[int, bool, int]]) -> None:
    score, positive, weight = (np.array(column, dtype=np.float64) for column in zip(*rows, strict=True))
    wanted = float(np.average(positive, weights=weight))
    result, threshold = matched_decisions(score, positive.astype(np.int64), weight)
    assert (result == (score >= threshold)).all()
    reached = abs(float(np.average(result, weights=weight)) - wanted)
    for other in np.arange(-0.5, 7):
        assert reached <= abs(float(np.average(score >= other, weights=weight)) - wanted) + 1e-12


def test_three_arms_of_the_same_people_by_every_group_and_norm(runs: list[tuple[dict[str, Any], bytes]]) -> None:
    document = runs[0][0]
    arms = [document["arms"][name] for name in ("original", "matched", "candidate")]
    keys = [{(r["metric"], tuple(r["attribute"]), tuple(r["group"])) for r in arm["rates"]} for arm in arms]
    assert keys[0] == keys[1] == keys[2]
    assert {("selection_rate", ("sex", "race"), ("Female", "B")), ("accuracy", (), ())} <= keys[0]
    norms = [{(n["metric"], n["kind"], tuple(n["attribute"])) for n in arm["norms"]} for arm in arms]
    assert norms[0] == norms[1] == norms[2]
    assert {attribute for _, _, attribute in norms[0]} >= {("sex",), ("race",)}
    assert all(n["low"] <= n["value"] <= n["high"] for arm in arms for n in arm["norms"] if n["value"] is not None)
    selected = [r for r in arms[2]["rates"] if r["metric"] == "selection_rate" and not r["attribute"]]
    assert selected[0]["denominator"] == document["splits"]["test"]
    # Each change is of those same groups, with one band over all of them at once, and the matched baseline beside it.
    for change in document["changes"]:
        assert change["low"] <= change["delta"] <= change["high"]
        assert change["after"] - change["before"] == pytest.approx(change["delta"], abs=1e-9)
    worse = [c["worse"] and c["clear"] for c in document["changes"]]
    assert worse == sorted(worse, reverse=True)


def test_flips_pay_for_all_groups_at_once(tmp_path: Path) -> None:
    """Holm over every group listed, of McNemar's exact test; by hand for one group."""
    from scipy.stats import binomtest

    frame = people()
    case = case_in(tmp_path, frame)
    before = (frame["score"] >= 0.5).to_numpy(np.int64)
    after = np.where((frame["sex"] == "Female") & (np.arange(len(frame)) % 9 == 0), 1, before)
    case = replace(case, model=ModelSpec("decision", column="decided"))
    coded = code_rows(case, frame, Decisions(before, None, "original"))
    result = flips_of(coded, after, margins_of(cube_of(coded), 3)[0], 1)
    np.testing.assert_allclose([f.p_adjusted for f in result], holm(np.array([f.p_value for f in result])))
    women = next(f for f in result if f.group == ("Female",))
    gains = int(((after == 1) & (before == 0)).sum())
    assert (women.to_favourable, women.to_unfavourable) == (gains, 0)
    assert women.p_value == pytest.approx(binomtest(gains, gains, 0.5).pvalue)
    men = next(f for f in result if f.group == ("Male",))
    assert (men.to_favourable, men.to_unfavourable, men.p_value) == (0, 0, 1.0)
    assert women.p_adjusted > women.p_value
