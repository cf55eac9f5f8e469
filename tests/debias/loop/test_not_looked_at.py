"""What a feed may bring so that nothing can be looked at: the loop says so, counts nobody twice, and goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import cli
from debias.loop.trail import Page
from tests.debias.loop.fed import bodies
from tests.debias.loop.feeding import put
from tests.debias.loop.test_once import begin
from tests.debias.loop.test_seen import go, people


def filled(folder: Path, roles: str = 'id = "who"', **columns: Any) -> list[pd.DataFrame]:
    """A loop whose four batches were taken; eight batches of other people."""
    begin(folder, roles=roles)
    rng = np.random.default_rng(0)
    frames = [people(rng, k, n=300).assign(**columns) for k in range(12)]
    frames[0].to_parquet(folder / "first.parquet")
    for k in range(4):
        put(folder / "in" / f"a{k}.parquet", frames[k])
    assert go(folder)["state"] == "HEALTHY"
    return frames[4:]


def words_of(folder: Path, kind: str) -> list[str]:
    return [b["words"] for b in bodies(folder / "out") if b["kind"] == kind]


def test_a_batch_in_which_nobody_is_named_is_not_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frames = filled(tmp_path)
    put(tmp_path / "in" / "b0.parquet", frames[0].drop(columns="who"))
    put(tmp_path / "in" / "b1.parquet", frames[1].assign(who=None))
    document = go(tmp_path)
    assert (document["state"], document["rows"]) == ("DATA_INCIDENT", 1200)
    one, two = words_of(tmp_path, "incident")
    assert "the column 'who' is missing" in one
    assert "nobody has a value in the column 'who'" in two
    capsys.readouterr()
    some = frames[2].assign(who=frames[2]["who"].where(np.arange(300) >= 7))
    put(tmp_path / "in" / "b2.parquet", some)
    document = go(tmp_path)
    assert (document["state"], document["rows"]) == ("HEALTHY", 1500)
    notices = [n["words"] for n in document["notices"] if "without a value in 'who'" in n["words"]]
    assert len(notices) == 1
    assert notices[0].startswith("7 rows of b2.parquet are without a value")
    assert notices[0] in capsys.readouterr().err


def test_a_source_that_is_not_there_ends_the_run_and_the_next_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = filled(tmp_path)
    (tmp_path / "in").rename(tmp_path / "elsewhere")
    capsys.readouterr()
    assert cli.main(["watch", str(tmp_path / "case.toml"), "--out", str(tmp_path / "out")]) == 2
    err = capsys.readouterr().err
    assert "the source under [watch] cannot be read now" in err
    assert str(tmp_path / "in") in err
    (tmp_path / "elsewhere").rename(tmp_path / "in")
    put(tmp_path / "in" / "b0.parquet", frames[0])
    assert go(tmp_path)["rows"] == 1500


@pytest.mark.parametrize("weight", [1e200, 1e-200])
def test_weights_that_cannot_be_added_up_are_an_incident_and_the_loop_goes_on(tmp_path: Path, weight: float) -> None:
    frames = filled(tmp_path, 'id = "who"\nweight = "w"', w=1.0)
    put(tmp_path / "in" / "b0.parquet", frames[0].assign(w=weight))
    assert go(tmp_path)["state"] == "DATA_INCIDENT"
    assert "the weights in 'w' cannot be added up" in words_of(tmp_path, "incident")[0]
    put(tmp_path / "in" / "b1.parquet", frames[1])
    assert go(tmp_path)["state"] == "HEALTHY"


def test_a_row_of_too_large_a_weight_costs_a_row(tmp_path: Path) -> None:
    frames = filled(tmp_path, 'id = "who"\nweight = "w"', w=1.0)
    put(tmp_path / "in" / "b0.parquet", frames[0].assign(w=np.where(np.arange(300) == 3, 1e200, 1.0)))
    document = go(tmp_path)
    assert (document["state"], document["rows"]) == ("HEALTHY", 1499)
    assert document["quarantine"]["reasons"] == {"too large a weight in 'w'": 1}


def test_a_batch_whose_page_cannot_be_kept_is_at_fault_and_not_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its counts are numbers that no JSON holds; where the disk is at fault, the run ends as before."""
    frames = filled(tmp_path)
    put(tmp_path / "in" / "b0.parquet", frames[0])
    real = Page.append

    def refusing(self: Page, kind: str, *args: Any, **more: Any) -> Any:
        if kind == "batch":
            json.dumps(float("nan"), allow_nan=False)
        return real(self, kind, *args, **more)

    monkeypatch.setattr(Page, "append", refusing)
    document = go(tmp_path)
    assert (document["state"], document["rows"]) == ("DATA_INCIDENT", 1200)
    assert "it could not be judged (ValueError" in words_of(tmp_path, "incident")[0]
    monkeypatch.undo()
    put(tmp_path / "in" / "b1.parquet", frames[1])
    assert go(tmp_path)["state"] == "HEALTHY"
    assert cli.main(["watch", str(tmp_path / "case.toml"), "--out", str(tmp_path / "out"), "--check"]) == 0
