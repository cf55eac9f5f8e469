"""Everyone (or all but a handful) gets the same decision: nothing is decided, and no norm reads "inside"."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import mean_absolute_error

from cli import main


def audited(
    folder: Path, frame: pd.DataFrame, capsys: pytest.CaptureFixture[str], *, model: str = 'decision = "decided"',
    data: str = 'positive = "yes"', label: str | None = "truth",
) -> tuple[dict[str, Any], str]:  # fmt: skip
    frame.to_csv(folder / "rows.csv", index=False)
    named = f'label = "{label}"\n' if label else ""
    (folder / "case.toml").write_text(
        f'[case]\nname = "t"\npurpose = "p"\n[data]\npath = "rows.csv"\n{named}{data}\nsensitive = ["sex"]\n'
        f"[model]\n{model}\n"
    )
    assert main(["audit", str(folder / "case.toml"), "--out", str(folder / "run")]) == 0
    return json.loads((folder / "run" / "evidence.json").read_bytes()), capsys.readouterr().out


def frame_of(chosen: dict[str, int], people: int = 200) -> pd.DataFrame:
    sex = np.repeat(list(chosen), people)
    decided = np.concatenate([np.where(np.arange(people) < k, "yes", "no") for k in chosen.values()])
    return pd.DataFrame({"sex": sex, "truth": np.tile(["yes", "no", "no", "yes"], len(sex) // 4), "decided": decided})


@pytest.mark.parametrize(
    ("chosen", "who"),
    [
        ({"f": 0, "m": 0}, "all 400 people get the same decision, 'no'"),
        ({"f": 200, "m": 200}, "all 400 people get the same decision, 'yes'"),
        ({"f": 1, "m": 2}, "all but 3 of 400 people get the same decision, 'no'"),
        ({"f": 198, "m": 200}, "all but 2 of 400 people get the same decision, 'yes'"),
    ],
)
def test_no_norm_is_inside_where_nothing_is_decided(
    chosen: dict[str, int], who: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evidence, message = audited(tmp_path, frame_of(chosen), capsys)
    assert "inside" not in {n["status"] for n in evidence["norms"]}
    selection = {g["kind"]: g for g in evidence["gaps"] if g["metric"] == "selection_rate"}
    assert selection["ratio"]["value"] is None
    assert who in selection["ratio"]["reason"]
    assert f"Nothing is decided between people: {who}." in evidence["notes"]
    assert f"Nothing is decided between people: {who}" in message
    assert "inside the norm" not in message


def test_a_few_decisions_that_all_fall_on_one_small_group_are_told_as_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Four of 400 people, all of a group of twelve."""
    frame = frame_of({"f": 0, "m": 0})
    frame.loc[:11, "sex"] = "x"
    frame.loc[:3, "decided"] = "yes"
    evidence, _ = audited(tmp_path, frame, capsys)
    gap = next(g for g in evidence["gaps"] if g["metric"] == "selection_rate" and g["kind"] == "ratio")
    assert gap["value"] == 0
    norms = [n for n in evidence["norms"] if n["metric"] == "selection_rate"]
    assert {n["status"] for n in norms} != {"not_estimable"}


def test_groups_without_a_decision_of_either_kind_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evidence, _ = audited(tmp_path, frame_of({"f": 0, "m": 80, "x": 200}), capsys)
    assert "By sex: nobody is decided 'yes' in f (200); nobody is decided 'no' in x (200)." in evidence["notes"]


def test_scores_that_are_all_the_same_say_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame = frame_of({"f": 100, "m": 100}).assign(score=0.7)
    evidence, _ = audited(tmp_path, frame, capsys, model='score = "score"')
    assert "Scores tell nobody apart: every one of 400 is 0.7." in evidence["notes"]
    assert "inside" not in {n["status"] for n in evidence["norms"]}


def test_the_board_says_that_nothing_is_decided(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from audit.documents.evidence import Evidence
    from audit.documents.read import record_in
    from reports.sections.board.found import _compared

    evidence, _ = audited(tmp_path, frame_of({"f": 1, "m": 2}), capsys)
    known = record_in(Evidence, evidence, "evidence.json")
    gap = next(g for g in known.gaps if g.metric == "selection_rate" and g.kind == "difference")
    assert "Nothing is decided between people" in _compared(known, ("sex",), gap)


def test_one_class_for_everyone_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame = frame_of({"f": 0, "m": 0}).assign(decided="no")
    frame.loc[::5, "truth"] = "later"
    evidence, _ = audited(tmp_path, frame, capsys)
    text = "Nothing is decided between people: everyone who was measured is decided 'no'."
    assert text in evidence["notes"]


def test_predictions_that_are_all_the_same_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame = frame_of({"f": 0, "m": 0}).assign(truth=np.arange(400) % 7, p=3.5)
    evidence, _ = audited(tmp_path, frame, capsys, model='score = "p"', data='task = "regression"')
    assert "Every prediction is the same, 3.5: predictions tell nobody apart." in evidence["notes"]


def test_numbers_that_all_came_out_the_same_leave_predictions_and_errors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = frame_of({"f": 0, "m": 0}).assign(truth=3.5)
    frame["p"] = np.random.default_rng(0).normal(3, 1, 400) + (frame["sex"] == "m")
    evidence, _ = audited(tmp_path, frame, capsys, model='score = "p"', data='task = "regression"')
    result = evidence["regression"]
    rates = {(r["metric"], tuple(r["group"])): r["value"] for r in result["rates"]}
    for sex in ("f", "m"):
        of = frame.loc[frame["sex"] == sex, "p"]
        assert rates["mean_prediction", (sex,)] == pytest.approx(of.mean())
        assert rates["mean_absolute_error", (sex,)] == pytest.approx(mean_absolute_error(np.full(len(of), 3.5), of))
    gap = next(g for g in result["gaps"] if g["metric"] == "mean_outcome")
    assert gap["value"] == pytest.approx(0, abs=1e-6)
    assert gap["p_value"] is None or gap["p_value"] > 0.9
    assert any("Every known outcome in 'truth' is '3.5'. Predictions and how far" in n for n in evidence["notes"])


@pytest.mark.parametrize(("only", "favourable"), [("yes", ""), ("no", ""), ("yes", 'favourable = "no"')])
@pytest.mark.parametrize("model", ['decision = "decided"', 'score = "score"'])
def test_outcomes_that_are_all_the_same_leave_selection_rates(
    model: str, only: str, favourable: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = frame_of({"f": 60, "m": 120}).assign(truth=only)
    frame["score"] = np.where(frame["decided"] == "yes", 0.8, 0.3)
    evidence, _ = audited(tmp_path, frame, capsys, model=model, data=f'positive = "yes"\n{favourable}')
    rates = {tuple(r["group"]): r for r in evidence["rates"] if r["metric"] == "selection_rate"}
    refused = bool(favourable)
    assert rates[("f",)]["value"] == pytest.approx(0.7 if refused else 0.3)
    assert rates[("m",)]["value"] == pytest.approx(0.4 if refused else 0.6)
    absent = "false_positive_rate" if only == "yes" else "true_positive_rate"
    assert all(r["value"] is None and r["reason"] for r in evidence["rates"] if r["metric"] == absent)
    base = {g["kind"]: g for g in evidence["gaps"] if g["metric"] == "base_rate"}
    assert f"all 400 known ones are '{only}'" in base["difference"]["idle"]
    assert any(f"Every known outcome in 'truth' is '{only}'." in n for n in evidence["notes"])


def test_decisions_in_a_third_word_are_still_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame = frame_of({"f": 60, "m": 120}).assign(truth="yes")
    frame.loc[:3, "decided"] = "perhaps"
    frame.to_csv(tmp_path / "rows.csv", index=False)
    (tmp_path / "case.toml").write_text(
        '[case]\nname = "t"\npurpose = "p"\n[data]\npath = "rows.csv"\nlabel = "truth"\npositive = "yes"\n'
        'sensitive = ["sex"]\n[model]\ndecision = "decided"\n'
    )
    assert main(["audit", str(tmp_path / "case.toml"), "--out", str(tmp_path / "run")]) == 2
    assert "values that the label 'truth' does not have" in capsys.readouterr().err


def test_what_learns_from_outcomes_refuses_one_outcome(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame = frame_of({"f": 60, "m": 120}).assign(truth="yes", when=np.arange(400), score=0.4)
    audited(tmp_path, frame, capsys, data='positive = "yes"\ntime = "when"')
    case = str(tmp_path / "case.toml")
    assert main(["watch", case, "--out", str(tmp_path / "w")]) == 2
    assert "one value only" in capsys.readouterr().err
    assert main(["mitigate", case, "--method", "reweighing", "--out", str(tmp_path / "m")]) == 2
    assert "one outcome" in capsys.readouterr().err
