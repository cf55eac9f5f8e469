"""Power: against statsmodels, against simulated audits, and by the door."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from statsmodels.stats.power import NormalIndPower
from statsmodels.stats.proportion import power_proportions_2indep

import cli
from audit.stats import largest_gap, people_needed, power_of, smallest_gap


@pytest.mark.parametrize("rate", [0.05, 0.3, 0.5, 0.8])
@pytest.mark.parametrize("gap", [0.04, 0.1, 0.15])
@pytest.mark.parametrize(("n", "m"), [(60, 60), (100, 900), (900, 100)])
@pytest.mark.parametrize("alpha", [0.05, 0.005])
def test_the_power_is_that_of_statsmodels(rate: float, gap: float, n: int, m: int, alpha: float) -> None:
    expected = power_proportions_2indep(gap, rate, n, ratio=m / n, alpha=alpha).power
    # statsmodels: prop1 = rate + gap among n, prop2 = rate among m = ratio * n.
    assert float(power_of(rate + gap, rate, n, m, alpha)) == pytest.approx(float(expected), abs=1e-9)


@pytest.mark.parametrize("rate", [0.02, 0.3, 0.5, 0.97])
@pytest.mark.parametrize(("n", "m"), [(40, 400), (300, 300), (5000, 200)])
def test_the_smallest_gap_is_seen_four_times_in_five_and_a_smaller_one_less_often(rate: float, n: int, m: int) -> None:
    gap = float(smallest_gap(rate, n, m))
    powers = [float(power_of(rate + s * gap, rate, n, m)) for s in (-1, 1) if -1e-9 <= rate + s * gap <= 1 + 1e-9]
    assert min(powers) >= 0.8 - 1e-6 or max(powers) == pytest.approx(0.8, abs=1e-6)
    smaller = [float(power_of(rate + s * 0.98 * gap, rate, n, m)) for s in (-1, 1) if 0 <= rate + s * 0.98 * gap <= 1]
    assert min(smaller) < 0.8


def test_no_gap_is_seen_where_there_is_nobody_or_hardly_anyone() -> None:
    assert np.isnan(smallest_gap(0.5, [0, 3, 50], [100, 3, 0])).all()


def test_people_needed_are_about_what_the_arcsine_formula_of_statsmodels_says() -> None:
    result = people_needed(0.3, 0.1, [0.5, 0.5])
    assert result is not None
    effect = 2 * (np.arcsin(np.sqrt(0.4)) - np.arcsin(np.sqrt(0.3)))
    expected = NormalIndPower().solve_power(effect, power=0.8, alpha=0.05, ratio=1.0)
    assert result[0] == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize(("shares", "gap", "rate"), [([0.5, 0.5], 0.2, 0.3), ([0.2, 0.8], 0.2, 0.5)])
def test_an_audit_of_so_many_people_finds_the_gap_in_about_four_of_five(
    shares: list[float], gap: float, rate: float
) -> None:
    """The permutation test of the audit itself; three standard errors of .8 in 400 runs are .06."""
    n = people_needed(rate, gap, shares)
    assert n is not None
    rng = np.random.default_rng(0)
    seen = []
    for _ in range(400):
        x = rng.binomial(n, [rate + gap, rate])
        p = largest_gap([(x, n)], seed=0).p_value
        seen.append(p is not None and p <= 0.05)
    assert 0.74 <= np.mean(seen) <= 0.9


def run(*words: str) -> int:
    return cli.main(["plan", *words])


def test_plan_says_people_and_rows(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--groups", "women=0.2,men=0.8", "--gap", "0.1", "--rate", "0.3", "--json") == 0
    plain = json.loads(capsys.readouterr().out)
    assert [g["group"] for g in plain["groups"]] == ["women", "men"]
    assert plain["people"] == plain["rows"] == sum(g["people"] for g in plain["groups"])
    assert run("--groups", "women=0.2,men=0.8", "--gap", "0.1", "--rate", "0.3", "--rows", "4", "--json") == 0
    like = json.loads(capsys.readouterr().out)
    assert like["people"] == plain["people"]  # always decided alike: each more row says nothing
    assert like["rows"] == 4 * plain["people"]
    assert run("--groups", "women=0.2,men=0.8", "--gap", "0.1", "--rate", "0.3", "--rows", "4", "--alike", "0") == 0
    output = capsys.readouterr().out
    assert "rows" in output
    assert f"{-(-plain['people'] // 4):,} people" in output or f"{-(-plain['people'] // 4) + 1:,} people" in output
    assert run("--groups", "2", "--gap", "0.1", "--weights", "1", "--json") == 0
    weighted = json.loads(capsys.readouterr().out)
    assert run("--groups", "2", "--gap", "0.1", "--json") == 0
    assert weighted["people"] == pytest.approx(2 * json.loads(capsys.readouterr().out)["people"], rel=0.01)


@pytest.mark.parametrize(
    "words",
    [
        ("--groups", "1", "--gap", "0.1"), ("--groups", "a=1", "--gap", "0.1"), ("--groups", "a=1,a=2", "--gap", "0.1"),
        ("--groups", "a=x,b=1", "--gap", "0.1"), ("--groups", "2", "--gap", "10"), ("--groups", "2", "--gap", "0"),
        ("--groups", "2", "--gap", "0.9"), ("--groups", "2", "--gap", "nan"), ("--groups", "2", "--gap", "1e-9"),
        ("--groups", "2", "--gap", "0.1", "--rows", "0.5"), ("--groups", "2", "--gap", "0.1", "--power", "1"),
    ],
)  # fmt: skip
def test_what_cannot_be_planned_is_refused_in_one_message(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*words) == 2
    errors = capsys.readouterr().err
    assert "Expected" in errors
    assert "Traceback" not in errors


def test_beside_no_gap_found_stands_what_would_have_been(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = "".join(f"{'ab'[i % 2]},{int(i % 4 < 2)}\n" for i in range(200)) + "c,1\nc,0\n" * 10
    (tmp_path / "d.csv").write_text("g,d\n" + rows)
    (tmp_path / "case.toml").write_text(
        '[case]\nname = "c"\npurpose = "p"\n[data]\npath = "d.csv"\npositive = "1"\nsensitive = ["g"]\n'
        '[model]\ndecision = "d"\n'
    )
    assert cli.main(["audit", str(tmp_path / "case.toml"), "--out", str(tmp_path / "out")]) == 0
    evidence = json.loads((tmp_path / "out" / "evidence.json").read_text())
    mapping = {r["group"][0]: r for r in evidence["power"] if r["metric"] == "selection_rate"}
    assert list(mapping) == ["a", "b", "c"]
    assert mapping["c"]["detectable"] > mapping["a"]["detectable"] > 0.15
    assert mapping["c"]["level"] == pytest.approx(0.05 / 3)
    expected = power_proportions_2indep(-mapping["b"]["detectable"], 0.5, 100, ratio=1, alpha=0.05 / 3).power
    assert float(expected) == pytest.approx(0.8, abs=1e-6)
    widest = max(r["detectable"] for r in mapping.values())
    assert f"a gap of {100 * widest:.1f} points would have been told from chance" in capsys.readouterr().out
