"""A batch that does not keep the contract is put aside before anything is learned from it, and can be let in."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cli
from debias.loop.trail import Trail
from tests.debias.loop.fed import bodies, people, write_case

CONTRACT = '[[check]]\ncolumn = "income"\nmissing_at_most = 0.03\n[[check]]\ncolumn = "income"\nbetween = [-50, 200]\n'


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six files; of the fourth, a fifth of the women have no income."""
    folder = tmp_path_factory.mktemp("quarantine")
    write_case(folder, people(2), more='source = "in/*.parquet"', delay=0)
    case = folder / "case.toml"
    (folder / "contract.toml").write_text(CONTRACT)
    case.write_text('contract = "contract.toml"\n' + case.read_text())
    (folder / "in").mkdir()
    for number, (_, frame) in enumerate(people(6).groupby("day")):
        day = frame.reset_index(drop=True)
        if number == 3:
            women = np.flatnonzero(day["sex"] == "F")
            day.loc[women[: len(women) // 5], "income"] = np.nan
        day.to_parquet(folder / "in" / f"day{number}.parquet")
    assert cli.main(["watch", str(case), "--out", str(folder / "out")]) == 0
    return folder


def test_it_is_put_aside_with_its_reason_by_group_and_the_feed_goes_on(watched: Path) -> None:
    result = bodies(watched / "out")
    aside = [b for b in result if b["kind"] == "incident"]
    assert [b["facts"]["batch"] for b in aside] == ["day3.parquet"]
    assert "does not keep 1 check of the contract" in aside[0]["words"]
    assert "of F, 0.0 % of M" in aside[0]["words"]
    used = [b["facts"]["batch"] for b in result if b["kind"] == "batch"]
    assert used == ["day0.parquet", "day1.parquet", "day2.parquet", "day4.parquet", "day5.parquet"]
    with Trail.open(f"sqlite:///{watched / 'out' / 'watch.db'}", write=False) as trail:
        assert trail.seen(aside[0]["facts"]["sha256"]) is None, "nothing of it was counted"


def test_a_person_lets_it_in_when_it_comes_again_and_the_trail_says_who(watched: Path, tmp_path: Path, capsys) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(watched, folder)
    case, out = str(folder / "case.toml"), str(folder / "out")
    assert cli.main(["watch", case, "--out", out, "--release", "day3.parquet"]) == 2
    assert "a release needs a reason" in capsys.readouterr().err
    assert cli.main(["watch", case, "--out", out, "--release", "day1.parquet", "--reason", "x"]) == 2
    assert "no such batch among those put aside" in capsys.readouterr().err
    shutil.copy(folder / "in" / "day3.parquet", folder / "in" / "day6-again.parquet")
    assert cli.main(["watch", case, "--out", out]) == 0, "without a release it stays aside"
    assert bodies(folder / "out")[-1]["kind"] == "incident"
    items = ["--reason", "the form was down for a day", "--by", "Ada", "--json"]
    capsys.readouterr()
    assert cli.main(["watch", case, "--out", out, "--release", "day3.parquet", *items]) == 0
    assert json.loads(capsys.readouterr().out)["by"] == "Ada"
    shutil.copy(folder / "in" / "day3.parquet", folder / "in" / "day7-again.parquet")
    assert cli.main(["watch", case, "--out", out]) == 0
    last = bodies(folder / "out")
    assert last[-1]["kind"] == "batch" or any(
        b["kind"] == "batch" and b["facts"]["batch"] == "day7-again.parquet" for b in last
    )
    assert any("Ada let it in although it does not keep the contract: the form was down" in b["words"] for b in last)
    assert cli.main(["watch", case, "--out", out, "--check"]) == 0


def test_an_empty_batch_is_no_broken_one(watched: Path) -> None:
    from audit.load import load_case
    from debias.loop.quarantine import problem_of

    case = load_case(watched / "case.toml")
    frame = people(1)
    assert problem_of(case, frame.iloc[:0]) is None
    assert problem_of(case, frame) is None
    assert "'income' lies" in str(problem_of(case, pd.concat([frame.assign(income=999.0)])))
