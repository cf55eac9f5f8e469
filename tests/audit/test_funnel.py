"""A process in stages: each rate is of those who got so far; figures follow from counts; a planted stage is found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import fisher_exact
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

import cli
from audit.funnel import figures, passes
from audit.gaps import Settings
from audit.progress import PLANS
from tests.reports import kit
from tests.shared import in_order, printed, stages_told

STAGES = ["screened", "interviewed", "hired"]


def people(n: int = 4000, seed: int = 0, gap: float = 0.25) -> pd.DataFrame:
    """Men and women are screened and hired alike, and interviewed unlike."""
    rng = np.random.default_rng(seed)
    sex = rng.choice(["f", "m"], n)
    screened = rng.random(n) < 0.6
    interviewed = screened & (rng.random(n) < np.where(sex == "m", 0.5 + gap / 2, 0.5 - gap / 2))
    hired = interviewed & (rng.random(n) < 0.4)
    good = rng.random(n) < 0.5
    return pd.DataFrame({"sex": sex, "good": good.astype(int), **{s: v.astype(int) for s, v in
                         zip(STAGES, (screened, interviewed, hired), strict=True)}})  # fmt: skip


def audit(folder: Path, frame: pd.DataFrame, *more: str, stages: str = '["screened", "interviewed", "hired"]') -> int:
    frame.to_csv(folder / "d.csv", index=False)
    (folder / "case.toml").write_text(
        '[case]\nname = "n"\npurpose = "p"\n[data]\npath = "d.csv"\nlabel = "good"\npositive = "1"\n'
        f'sensitive = ["sex"]\nstages = {stages}\n[model]\ndecision = "hired"\n'
    )
    return cli.main(["audit", str(folder / "case.toml"), "--out", str(folder / "out"), "--draws", "200", *more])


def entry(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "out" / "evidence.json").read_text())["funnel"]


def test_counts_rates_and_intervals(tmp_path: Path) -> None:
    frame = people()
    assert audit(tmp_path, frame) == 0
    result = entry(tmp_path)
    for kind, stage, among in (("stage", "interviewed", "screened"), ("cumulative", "interviewed", None)):
        figure = next(f for f in result["figures"] if (f["kind"], f["stage"]) == (kind, stage))
        for rate in figure["rates"]:
            mine = frame[frame["sex"] == rate["group"][0]]
            of = mine if among is None else mine[mine[among] == 1]
            assert (rate["numerator"], rate["denominator"]) == (int(of[stage].sum()), len(of))
            low, high = proportion_confint(rate["numerator"], rate["denominator"], method="wilson")
            assert (rate["low"], rate["high"]) == (pytest.approx(low), pytest.approx(high))


def test_the_stage_where_the_gap_opens_is_named(tmp_path: Path) -> None:
    frame = people()
    assert audit(tmp_path, frame) == 0
    gaps = {f["stage"]: f["gap"] for f in entry(tmp_path)["figures"] if f["kind"] == "stage"}
    assert gaps["interviewed"]["p_adjusted"] < 0.01
    assert (gaps["interviewed"]["highest"], gaps["interviewed"]["lowest"]) == (["m"], ["f"])
    assert gaps["screened"]["p_adjusted"] > 0.05
    assert gaps["hired"]["p_adjusted"] > 0.05
    there = frame[frame["screened"] == 1]
    rates = there.groupby("sex")["interviewed"].mean()
    short = (there["sex"] == "f").sum() * (rates["m"] - rates["f"])
    assert gaps["interviewed"]["short"][0] == pytest.approx(short)
    assert gaps["interviewed"]["short"][1] <= short <= gaps["interviewed"]["short"][2]


def test_two_groups_p_is_fishers(tmp_path: Path) -> None:
    frame = people(300, 3)
    assert audit(tmp_path, frame) == 0
    gap = next(f for f in entry(tmp_path)["figures"] if f["stage"] == "screened" and f["kind"] == "stage")["gap"]
    table = pd.crosstab(frame["sex"], frame["screened"])
    assert gap["p_value"] == pytest.approx(fisher_exact(table)[1], rel=0.35, abs=0.02)  # mid-p and draws


def test_the_outcome_test_is_of_those_picked(tmp_path: Path) -> None:
    frame = people()
    assert audit(tmp_path, frame) == 0
    figure = next(f for f in entry(tmp_path)["figures"] if f["kind"] == "outcome")
    for rate in figure["rates"]:
        mine = frame[(frame["sex"] == rate["group"][0]) & (frame["hired"] == 1)]
        assert (rate["numerator"], rate["denominator"]) == (int(mine["good"].sum()), len(mine))


def test_no_difference_finds_nothing() -> None:
    wrong = 0
    for seed in range(60):
        frame = people(600, seed, gap=0.0)
        through = []
        for sex, mine in frame.groupby("sex"):
            counts = [len(mine), *(int(mine[s].sum()) for s in STAGES)]
            items = [int((mine["good"] & mine["hired"]).sum()), counts[-1]]
            through.append({"attribute": ["sex"], "group": [sex], "through": counts, "found": items})
        wrong += any(f["gap"]["p_adjusted"] <= 0.05 for f in figures(through, STAGES, Settings(draws=200, seed=seed)))
    assert wrong <= 6


def test_who_jumps_a_stage_counts_up_to_it_only(tmp_path: Path) -> None:
    frame = people(200)
    frame.loc[frame.index[:3], ["screened", "interviewed", "hired"]] = [0, 1, 1]
    assert audit(tmp_path, frame) == 0
    result = entry(tmp_path)
    assert any("3 rows pass a stage without" in n for n in result["notes"])
    assert sum(c["through"][3] for c in result["counts"]) == int(frame["hired"].iloc[3:].sum())


@pytest.mark.parametrize(("yes", "no"), [("yes", "no"), ("True", "False"), ("passed", "rejected"), ("Y", "N")])
def test_words_for_passing(yes: str, no: str) -> None:
    column = pd.Series([yes, no, yes, None], name="screened")
    assert passes(column, "1").tolist() == [True, False, True, False]


@pytest.mark.parametrize("word", ["no", "False", "0"])
def test_a_stage_that_nobody_or_everybody_passed_is_one(tmp_path: Path, word: str) -> None:
    every = {"no": "yes", "False": "True", "0": "1"}[word]
    frame = people(400).assign(screened=every, interviewed=word)
    assert audit(tmp_path, frame) == 0
    for c in entry(tmp_path)["counts"]:
        assert c["through"][1] == c["through"][0]
        assert c["through"][2] == 0


@pytest.mark.parametrize("values", [["a", "b"], ["yes", "no", "maybe"], ["seen", "seen"]])
def test_a_stage_that_says_neither_is_refused(
    tmp_path: Path, values: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    frame = people(120)
    frame["screened"] = np.resize(values, 120)
    assert audit(tmp_path, frame) == 2
    assert "'screened' does not say who passed it" in capsys.readouterr().err


def test_one_stage_is_no_funnel(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit(tmp_path, people(100), stages='["hired"]') == 2
    assert "two columns or more in the order of the process" in capsys.readouterr().err


def test_the_report_tells_it_and_verify_counts_it_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pikepdf

    kit.judge_here(monkeypatch)
    frame = people(1500)
    assert audit(tmp_path, frame) == 0
    assert cli.main(["keys", "new", "--name", "A. Auditor", "--out", str(tmp_path / "k.p12"), *password(tmp_path)]) == 0
    report = tmp_path / "r.pdf"
    key = ["--key", str(tmp_path / "k.p12"), *password(tmp_path)]
    seen = stages_told(monkeypatch)
    assert cli.main(["report", str(tmp_path / "out"), *key, "--out", str(report)]) == 0
    in_order(seen)
    assert [stage for stage, _ in seen] == list(PLANS["report"])
    del seen[:]
    assert cli.main(["verify", str(report)]) == 0
    in_order(seen)
    assert seen[-1][0] == PLANS["verify"][-1]
    text = printed(report)
    assert "The process, stage by stage" in text
    assert "would have passed" in text
    with pikepdf.open(report) as opened:
        assert "evidence.json" in opened.attachments


def password(folder: Path) -> list[str]:
    (folder / "password").write_text("a long password")
    return ["--password-file", str(folder / "password")]


def test_what_is_said_of_two_of_three_groups_is_theirs_and_not_that_of_the_widest_gap() -> None:
    """Between Newcombe's limits of statsmodels for these two alone and those at a third of the level."""
    n, x = [400, 300, 40], [200, 156, 24]
    through = [
        {"attribute": ["g"], "group": [name], "through": [n[k], x[k]], "found": None} for k, name in enumerate("abc")
    ]
    figure = next(f for f in figures(through, ["passed"], Settings(draws=500)) if f["kind"] == "stage")
    gap = figure["gap"]
    assert (gap["highest"], gap["lowest"]) == (["c"], ["a"])
    alone, paid = (
        confint_proportions_2indep(x[2], n[2], x[0], n[0], method="newcomb", compare="diff", alpha=a)
        for a in (0.05, 0.05 / 3)
    )
    assert paid[0] - 0.005 <= gap["low"] <= alone[0] < 0
    assert alone[1] <= gap["high"] <= paid[1] + 0.005
    assert gap["short"] == pytest.approx([400 * gap[k] for k in ("value", "low", "high")])
    table = [[x[2], n[2] - x[2]], [x[0], n[0] - x[0]]]
    assert gap["p_value"] == pytest.approx(min(1.0, 3 * fisher_exact(table)[1]), rel=0.35)
