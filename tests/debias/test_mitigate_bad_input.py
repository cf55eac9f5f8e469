"""What mitigation is given in the wild: groups without rows or outcomes, aims out of reach, a sensitive feature.

Weights that an estimator ignores are trap 4 in test_mitigate.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import cli
from audit.case import Case, DataSpec, ModelSpec
from audit.errors import InputError
from audit.load import dump_case, load_policy, load_rows
from debias.mitigate import run_mitigate
from debias.pareto import run_search
from debias.task import task_of

DRAWS = 40
pytestmark = pytest.mark.usefixtures("all_here", "coarse_calibration")


def people(n: int = 900, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    sex = rng.choice(["Female", "Male"], n)
    merit = rng.normal(size=n)
    proxy = (sex == "Male") + rng.normal(scale=0.6, size=n)
    good = merit + 1.2 * (sex == "Male") + rng.normal(scale=0.8, size=n) > 0.9
    return pd.DataFrame(
        {
            "merit": merit,
            "proxy": proxy,
            "sex": sex,
            "race": rng.choice(["A", "B"], n, p=[0.7, 0.3]),
            "outcome": np.where(good, "paid", "late"),
            "split": np.where(np.arange(n) % 5 < 3, "train", "test"),
            "score": 1 / (1 + np.exp(-(1.2 * merit + proxy - 1))),
        }
    )


def case_in(folder: Path, frame: pd.DataFrame, features: tuple[str, ...] = ("merit", "proxy")) -> Case:
    frame.to_parquet(folder / "people.parquet")
    data = DataSpec(
        path=folder / "people.parquet", label="outcome", positive="paid", favourable="paid", sensitive=("sex", "race"),
        split="split", train="train", audit="test", features=features,
    )  # fmt: skip
    model = ModelSpec("score", None, column="score", threshold=0.5)
    return Case("People", "Who gets a loan", data, model, load_policy(None))


def one_outcome(frame: pd.DataFrame) -> pd.DataFrame:
    """No woman of the training rows has paid."""
    frame.loc[(frame["sex"] == "Female") & (frame["split"] == "train"), "outcome"] = "late"
    return frame


def test_a_group_absent_from_training_is_named_and_still_decided(tmp_path: Path) -> None:
    frame = people()
    rare = np.flatnonzero(frame["split"] == "test")[:40]
    frame.loc[rare, "race"] = "D"
    case = case_in(tmp_path, frame)
    mitigation = run_mitigate(case, "constrained_boosting", tmp_path / "run", draws=DRAWS, attributes=["race"])
    assert any("nothing was learned about them: Female / D, Male / D" in n for n in mitigation["notes"])
    rates = mitigation["arms"]["candidate"]["rates"]
    d = next(r for r in rates if r["metric"] == "selection_rate" and r["group"] == ["D"])
    assert d["denominator"] == 40
    assert d["estimable"]
    searched = run_search(case, tmp_path / "search", trials=1, methods=["constrained_boosting"], attributes=["race"])
    assert searched["trials"][0]["failed"] is None


@pytest.mark.parametrize("method", ["reweighing", "constrained_boosting", "group_thresholds"])
def test_a_single_outcome_in_a_group_is_said_whatever_the_method(method: str, tmp_path: Path) -> None:
    case = case_in(tmp_path, one_outcome(people()))
    mitigation = run_mitigate(case, method, tmp_path / "run", draws=DRAWS, attributes=["sex"])
    frame = people()
    rows = int((frame["sex"].eq("Female") & frame["split"].eq("train")).sum())
    notes = [n for n in mitigation["notes"] if n.startswith("Every training row is 'late' in Female (")]
    assert len(notes) == 1
    # The count is of the rows learned from: three quarters of the case's training rows.
    count = int(notes[0].split("Female (")[1].split(" rows")[0])
    assert abs(count - 0.75 * rows) <= 4


def test_a_gap_among_people_that_training_did_not_have_is_refused_or_said(tmp_path: Path) -> None:
    case = case_in(tmp_path, one_outcome(people()))
    with pytest.raises(InputError, match="no two groups large enough"):
        run_mitigate(
            case, "constrained_boosting", tmp_path / "run", constraint="equal_opportunity", attributes=["sex"]
        )  # fmt: skip
    assert not (tmp_path / "run").exists()
    mitigation = run_mitigate(
        case, "constrained_boosting", tmp_path / "run", constraint="equalized_odds", attributes=["sex"], draws=DRAWS
    )
    assert any("no gap among them was held" in n for n in mitigation["notes"])
    # Nothing is held between them, so nothing was met; the gap that there is stands beside.
    assert mitigation["constraint"]["met"] is None
    assert mitigation["constraint"]["by"][0]["value"] > 0


def test_groups_with_both_outcomes_are_not_said(tmp_path: Path) -> None:
    frame = people()
    few = np.flatnonzero(frame["split"] == "train")[:8]
    frame.loc[few, ["race", "outcome"]] = ["C", "late"]
    case = case_in(tmp_path, frame)
    # Nor are so few people that the outcome of each would be told.
    assert not any("Every training row" in n for n in task_of(case, load_rows(case, everything=True), 0).notes)


def test_an_aim_out_of_reach_ends_with_3_and_says_the_best(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = case_in(tmp_path, people())
    dump_case(case, tmp_path / "case.toml")
    asked = ["mitigate", str(tmp_path / "case.toml"), "--method", "reweighing", "--tolerance", "0.0001", "--gate"]
    assert cli.main([*asked, "--out", str(tmp_path / "run")]) == 3
    document: dict[str, Any] = json.loads((tmp_path / "run" / "mitigation.json").read_bytes())
    assert document["constraint"]["met"] is False
    errors = capsys.readouterr().err
    assert (
        f"a gap of {document['constraint']['reached']:.3f} on the test rows, the best that reweighing reached" in errors
    )
    assert "Expected: at most 0.0001" in errors


def test_a_boosting_that_cannot_reach_the_tolerance_names_the_smallest_gap(tmp_path: Path) -> None:
    case = case_in(tmp_path, people())
    mitigation = run_mitigate(case, "constrained_boosting", tmp_path / "run", tolerance=0.0, draws=DRAWS)
    notes = next(n for n in mitigation["notes"] if "was not reached" in n)
    assert "The tolerance of 0 was not reached" in notes
    assert float(notes.split("smallest gap was ")[1].split(". ")[0]) > 0


def test_a_sensitive_feature_is_said_and_leaves_when_asked(tmp_path: Path) -> None:
    case = case_in(tmp_path, people(), ("merit", "proxy", "sex"))
    mitigation = run_mitigate(case, "constrained_boosting", tmp_path / "run", draws=DRAWS)
    assert any("reads the sensitive column sex as a feature" in n and "`exclude`" in n for n in mitigation["notes"])
    assert "sex" in mitigation["data"]["features"]
    without = case_in(tmp_path, people(), ("merit", "proxy"))
    notes = task_of(without, load_rows(without, everything=True), 0).notes
    assert not any("reads the sensitive column" in n for n in notes)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ([], "it is not clear what to do"),
        (["--method", "reweighing", "--method", "resampling"], "it is not clear what to do"),
        (["--method", "reweighing", "--pick", "3"], "it is not clear what to do"),
        (["--search", "--pick", "3"], "it is not clear what to do"),
        (["--search", "--gate"], "a search tries many candidates"),
        (["--search", "--tolerance", "0.1"], "a search tries many candidates"),
        (["--search", "--trials", "0"], "number of trials"),
        (["--pick", "3"], "a reason and a name"),
        (["--pick", "3", "--reason", "narrow"], "no search to pick from"),
    ],
)
def test_what_the_command_line_refuses(
    asked: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dump_case(case_in(tmp_path, people(200)), tmp_path / "case.toml")
    assert cli.main(["mitigate", str(tmp_path / "case.toml"), *asked, "--out", str(tmp_path / "run")]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_search_and_pick_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dump_case(case_in(tmp_path, people()), tmp_path / "case.toml")
    start = ["mitigate", str(tmp_path / "case.toml"), "--out", str(tmp_path / "run")]
    assert cli.main([*start, "--search", "--trials", "2", "--method", "constrained_boosting"]) == 0
    output = capsys.readouterr().out
    assert "2 candidates tried" in output
    assert "original" in output
    assert cli.main([*start, "--pick", "1", "--reason", "narrow", "--by", "Bo", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["choice"]["by"] == "Bo"
    assert document["search"]["trial"] == 1


def test_a_gap_that_cannot_be_estimated_is_never_a_number(tmp_path: Path) -> None:
    """Groups too small on the validation rows: the note says so in words, and no "nan" is printed."""
    import cli

    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"sex": ["f", "m"] * 40, "x": rng.random(80)})
    frame["y"] = (rng.random(80) < frame["x"]).astype(int)
    frame["s"] = frame["x"]
    frame.to_csv(tmp_path / "d.csv", index=False)
    (tmp_path / "case.toml").write_text(
        '[case]\nname = "n"\npurpose = "p"\n[data]\npath = "d.csv"\nlabel = "y"\npositive = "1"\nsensitive = ["sex"]\n'
        '[model]\nscore = "s"\nthreshold = 0.5\n'
    )
    out = tmp_path / "out"
    items = ["mitigate", str(tmp_path / "case.toml"), "--method", "group_thresholds", "--out", str(out)]
    assert cli.main([*items, "--constraint", "equal_opportunity"]) == 0
    text = (out / "mitigation.json").read_text()
    assert "nothing was aimed at" in text
    assert "was nan" not in text
