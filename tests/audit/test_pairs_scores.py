"""Gaps of scores and of numbers tell of the two groups that they name. References: SciPy's Welch test, its intervals
and Kolmogorov-Smirnov test, and the audit of the two groups alone.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import cli
from audit.evidence import pick
from audit.gaps import Settings
from audit.score_rates import score_gaps
from bench.coverage_scores import people

CASE = """[case]
name = "n"
purpose = "p"
[data]
path = "d.csv"
label = "y"
{positive}
sensitive = ["g"]
[model]
{model}
"""


def audit(folder: Path, frame: pd.DataFrame, model: str, positive: str = 'positive = "1"') -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    frame.to_csv(folder / "d.csv", index=False)
    (folder / "case.toml").write_text(CASE.format(model=model, positive=positive))
    assert cli.main(["audit", str(folder / "case.toml"), "--out", str(folder / "out")]) == 0
    return json.loads((folder / "out" / "evidence.json").read_bytes())


def of(gaps: list[dict[str, Any]], metric: str, kind: str = "difference") -> dict[str, Any]:
    return next(g for g in gaps if g["metric"] == metric and g["kind"] == kind and g["attribute"] == ["g"])


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, dict[str, Any], Path]:
    """a and b are surely apart; c, of 14 people, is by chance the farthest."""
    rng = np.random.default_rng(9)
    group = np.repeat(["a", "b", "c"], [600, 500, 14])
    score = rng.normal(0, 1, len(group)) + np.where(group == "b", 0.35, 0) + np.where(group == "c", 0.5, 0)
    frame = pd.DataFrame(
        {"g": group, "s": score.round(3), "y": (rng.random(len(group)) < 1 / (1 + np.exp(-score))) * 1}
    )
    folder = tmp_path_factory.mktemp("scored")
    return frame, audit(folder / "three", frame, 'score = "s"\nthreshold = 0.0'), folder


def test_a_gap_of_scores_has_the_p_and_the_interval_of_its_two_groups(
    scored: tuple[pd.DataFrame, dict[str, Any], Path],
) -> None:
    frame, evidence, folder = scored
    gap = of(evidence["gaps"], "mean_score")
    assert {gap["highest"][0], gap["lowest"][0]} == {"a", "c"}
    high, low = (frame.s[frame.g == gap[k][0]] for k in ("highest", "lowest"))
    welch = stats.ttest_ind(high, low, equal_var=False)
    # All groups together are surely apart; these two may not be.
    assert gap["p_adjusted"] < 0.001
    assert gap["pair_p_value"] == pytest.approx(welch.pvalue, abs=0.04)
    assert gap["pair_p_adjusted"] > gap["pair_p_value"] > 0.02
    # Between Welch's limits for two alone, and those at a third of the level (limits follow skewness, hence some room).
    alone, three = (welch.confidence_interval(1 - a) for a in (0.05, 0.05 / 3))
    assert three.low - 0.15 <= gap["pair_low"] < alone.low
    assert alone.high < gap["pair_high"] <= three.high + 0.15
    assert gap["pair_low"] < 0 < gap["low"]
    assert gap["pairs"] == 3
    two = audit(folder / "two", frame[frame.g != "b"], 'score = "s"\nthreshold = 0.0')
    assert of(two["gaps"], "mean_score")["p_value"] == gap["pair_p_value"]
    area = of(evidence["gaps"], "roc_auc")
    named = [area["highest"][0], area["lowest"][0]]
    two = audit(folder / "area", frame[frame.g.isin(named)], 'score = "s"\nthreshold = 0.0')
    same = of(two["gaps"], "roc_auc")
    assert same["p_value"] == area["pair_p_value"]
    assert (area["pair_low"], area["pair_high"]) != (area["low"], area["high"])
    assert area["pair_low"] < same["pair_low"] < same["pair_high"] < area["pair_high"]


def test_a_gap_of_numbers_has_welchs_p_and_words_of_its_two_groups(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(7)
    group = np.repeat(["a", "b", "c"], [500, 400, 14])
    off = rng.normal(0, 3, len(group)) + np.where(group == "b", 1.5, 0) + np.where(group == "c", -1.0, 0)
    y = rng.integers(20, 60, len(group))
    frame = pd.DataFrame({"g": group, "y": y, "s": np.rint(y + off)})
    evidence = audit(tmp_path / "r", frame, 'score = "s"', 'task = "regression"\nfavourable = "high"')
    gaps = evidence["regression"]["gaps"]
    gap = of(gaps, "mean_residual")
    parts = [(frame.s - frame.y)[frame.g == gap[k][0]] for k in ("highest", "lowest")]
    assert gap["pair_p_value"] == pytest.approx(stats.ttest_ind(*parts, equal_var=False).pvalue, rel=1e-6)
    assert gap["p_value"] != gap["pair_p_value"]
    output = capsys.readouterr().out
    assert f"95 % interval of these two {gap['pair_low']:.3f} to {gap['pair_high']:.3f}" in output
    assert "for these two, adjusted for" in output
    assert "all groups tested together: " in output
    ks = of(gaps, "kolmogorov_smirnov")
    parts = [frame.s[frame.g == ks[k][0]] for k in ("highest", "lowest")]
    expected = stats.ks_2samp(*parts, method="asymp")
    assert ks["value"] == pytest.approx(expected.statistic)
    assert ks["pair_p_value"] == pytest.approx(expected.pvalue, rel=1e-6)
    assert ks["pair_low"] <= ks["value"] <= ks["pair_high"]
    earth = of(gaps, "wasserstein_distance")
    assert earth["pair_low"] <= earth["value"] <= earth["pair_high"]
    assert earth["pair_p_adjusted"] is None


def test_two_that_are_named_for_being_farthest_are_held_in_most_runs() -> None:
    """No difference among five groups: the interval of the two named holds 0, and that of two alone does so seldom."""
    rng, sizes, held, alone = np.random.default_rng(2), [20, 30, 30, 50, 80], 0, 0
    for run in range(150):
        score = rng.normal(0.5, 0.1, sum(sizes))
        margin = people(sizes, score, rng.integers(0, 2, len(score)))
        gap = pick([g for m, g in score_gaps(margin, np.arange(5), Settings(seed=run, draws=400)) if m == "mean_score"],
                   kind="difference")  # fmt: skip
        held += gap.pair_low <= 0 <= gap.pair_high
        at = np.repeat([f"g{i}" for i in range(5)], sizes)
        two = stats.ttest_ind(score[at == gap.highest[0]], score[at == gap.lowest[0]], equal_var=False)
        alone += two.pvalue > 0.05
    assert held / 150 >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / 150)
    assert alone / 150 < 0.85
