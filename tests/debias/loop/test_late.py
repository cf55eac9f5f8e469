"""Outcomes that come after they were due: taken whenever they come, and the figures are those of outcomes in time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cli
from tests.debias.loop.fed import bodies
from tests.debias.loop.test_seen import CASE, NORMS, go, people

TPR = """
[[norm]]
metric = "true_positive_rate"
kind = "difference"
limit = 0.9
promote = 0.8
"""
BATCHES = 9


def feed(folder: Path, when: dict[int, int], *, cut: bool = False) -> dict[str, Any]:
    """Batches with outcomes in files of their own. when: after which batch the rest of a batch comes, if not in
    time; of batch k under the number -k - 1 none comes in time. cut: stop and go on after each batch.
    """
    (folder / "in").mkdir(parents=True)
    (folder / "late").mkdir()
    (folder / "policy.toml").write_text(NORMS + TPR)
    (folder / "case.toml").write_text(CASE.format(watch='label_delay = 1\nlabels = "late/*.csv"'))
    rng = np.random.default_rng(5)
    frames = [people(rng, k, n=120) for k in range(BATCHES)]
    frames[0].drop(columns="repaid").to_parquet(folder / "first.parquet")
    out: dict[str, Any] = {}
    for k, frame in enumerate(frames):
        frame.drop(columns="repaid").to_parquet(folder / "in" / f"{k}.parquet")
        outcomes = frame[["who", "repaid"]]
        first = outcomes.iloc[:0] if -k - 1 in when else outcomes.iloc[:70] if k in when else outcomes
        first.to_csv(folder / "late" / f"{k}-a.csv", index=False)
        for old, then in when.items():
            batch = -old - 1 if old < 0 else old
            if then == k:
                rest = frames[batch][["who", "repaid"]].iloc[70 if old >= 0 else 0 :]
                rest.to_csv(folder / "late" / f"{batch}-b.csv", index=False)
        settle(folder)
        if cut or k == BATCHES - 1 or k in when.values():
            out = go(folder)
    return out


def settle(folder: Path) -> None:
    import os

    for path in [*(folder / "in").iterdir(), *(folder / "late").iterdir()]:
        os.utime(path, (1_700_000_000 + path.stat().st_size, 1_700_000_000 + path.stat().st_size))


def figures(document: dict[str, Any]) -> Any:
    norms = [{k: n[k] for k in ("key", "value", "low", "high", "people", "log_e")} for n in document["norms"]]
    return norms, [{k: g[k] for k in ("group", "people", "outcomes", "wrong")} for g in document["groups"]]


@pytest.fixture(scope="module")
def intime(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return feed(tmp_path_factory.mktemp("intime") / "x", {})


@pytest.mark.parametrize("cut", [False, True])
def test_late_outcomes_are_counted_when_they_come_and_give_the_figures_of_those_in_time(
    tmp_path: Path, intime: dict[str, Any], cut: bool
) -> None:
    late = feed(tmp_path / "x", {1: 4, 3: 6, -3: 7}, cut=cut)
    assert figures(late) == figures(intime)
    items = [b for b in bodies(tmp_path / "x" / "out") if b["kind"] == "late"]
    entries = [(b["facts"]["batch"], b["facts"]["outcomes"]) for b in items]
    # In one run from batch 4 on the first of them is in time.
    assert entries == [("1.parquet", 50), ("3.parquet", 50), ("2.parquet", 120)][0 if cut else 1 :]
    assert items[-1]["words"] == "120 outcomes of batch 2.parquet came late and are counted."
    unused = [b["words"] for b in bodies(tmp_path / "x" / "out") if b["kind"] == "outcomes"]
    assert len(unused) == 1
    assert unused[0].startswith("The outcomes of batch 2.parquet are not used: only 0 of 120")
    assert cli.main(["watch", str(tmp_path / "x" / "case.toml"), "--out", str(tmp_path / "x" / "out"), "--check"]) == 0


def test_outcomes_that_never_come_are_waited_for_and_the_rest_counts(tmp_path: Path) -> None:
    document = feed(tmp_path / "x", {2: 99})
    assert sum(g["outcomes"] for g in document["groups"] if g["attribute"] == "sex") == (BATCHES - 1) * 120 - 50
    assert "late" not in [b["kind"] for b in bodies(tmp_path / "x" / "out")]
