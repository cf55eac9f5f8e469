"""Inputs at the edge of what can be counted, through the command: no crash, no wrong count, nothing said too surely."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cli import main

HEAD = (
    '[case]\nname = "t"\npurpose = "p"\n[data]\npath = "rows.{kind}"\nlabel = "truth"\n'
    'positive = "yes"\nsensitive = ["sex"]\n'
)


def rows(n: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    return pd.DataFrame(
        {
            "sex": np.resize(["f", "m"], n),
            "truth": rng.choice(["yes", "no"], n),
            "decided": rng.choice(["yes", "no"], n),
        }
    )


def audit(
    folder: Path, frame: pd.DataFrame, data: str, model: str = 'decision = "decided"', kind: str = "csv"
) -> tuple[int, dict[str, Any]]:
    frame.to_csv(folder / "rows.csv", index=False) if kind == "csv" else frame.to_parquet(folder / "rows.parquet")
    (folder / "case.toml").write_text(HEAD.format(kind=kind) + f"{data}\n[model]\n{model}\n")
    code = main(["audit", str(folder / "case.toml"), "--out", str(folder / "run")])
    result = folder / "run" / "evidence.json"
    return code, json.loads(result.read_text()) if result.exists() else {}


@pytest.mark.parametrize("people", [2, 4])
def test_a_few_people_who_stand_in_both_groups_settle_nothing(people: int, tmp_path: Path) -> None:
    """Two people in 600 rows of both groups were "inside" by chance of their answers being alike."""
    frame = rows(600).assign(who=np.repeat(np.arange(people), 600 // people))
    frame["decided"] = frame["truth"] = np.where(np.arange(600) // 2 % 2, "yes", "no")
    code, result = audit(tmp_path, frame, 'cluster = "who"')
    assert code == 0
    assert {n["status"] for n in result["norms"]} <= {"undecided", "not_estimable"}


def test_a_group_that_weighs_nothing_is_nobody(tmp_path: Path) -> None:
    frame = rows().assign(w=1.0)
    frame.loc[frame["sex"] == "f", "w"] = 0.0
    code, result = audit(tmp_path, frame, 'weight = "w"')
    assert code == 0
    of_f = [r for r in result["rates"] if r["group"] == ["f"]]
    assert of_f
    assert all(r["value"] is None and r["reason"] for r in of_f)
    assert not any(v["group"] == ["f"] for v in result.get("conform", {}).get("values", ()))
    assert {n["status"] for n in result["norms"]} == {"not_estimable"}


def test_population_under_one_is_not_told_as_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit(tmp_path, rows().assign(w=1e-5), 'weight = "w"')[0] == 0
    output = capsys.readouterr().out
    assert "standing for 0.002)" in output
    assert "standing for 0)" not in output


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("large", [False, True])
def test_rows_of_nobody_are_counted_as_rows(
    kind: str, large: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The database has kinds of rows in hand, and said "1 of 6" of 400."""
    monkeypatch.setattr("audit.run.is_large", lambda *_: large)
    frame = rows().assign(who=[f"p{i // 100}" for i in range(400)])
    frame.loc[[3, 7, 50], "who"] = None
    assert audit(tmp_path, frame, 'cluster = "who"', kind=kind)[0] == 2
    assert "3 of 400 rows of nobody known" in capsys.readouterr().err


@pytest.mark.parametrize(("factor", "size"), [(1e300, "large"), (1e-300, "small")])
@pytest.mark.parametrize("large", [False, True])
def test_scores_whose_squares_are_lost_are_refused(
    factor: float, size: str, large: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr("audit.run.is_large", lambda *_: large)
    frame = rows(3000).assign(s=np.random.default_rng(0).random(3000) * factor)
    assert audit(tmp_path, frame, "", f'score = "s"\nthreshold = {factor!r}', "parquet")[0] == 2
    assert f"numbers too {size} to compute with" in capsys.readouterr().err


def test_one_outcome_for_all_puts_no_norm_about_outcomes_inside(tmp_path: Path) -> None:
    frame = rows(4000).assign(truth="yes")
    frame["decided"] = np.where(np.arange(4000) // 2 % 2, "yes", "no")
    code, result = audit(tmp_path, frame, "")
    assert code == 0
    status = {(n["metric"], n["kind"]): n["status"] for n in result["norms"]}
    assert status.pop(("selection_rate", "difference")) == "inside"
    assert status.pop(("selection_rate", "ratio")) == "inside"
    assert set(status.values()) == {"not_estimable"}
