"""Each person counts once: the same people in another file, and people with several rows; through the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cli
from audit.cube import UNLABELLED, CodedRows, Meaning
from audit.policy import Norm
from audit.watch.monitor import feed, open_monitor
from debias.loop.once import People, hashes_of
from tests.debias.loop.fed import bodies, hashes
from tests.debias.loop.test_seen import CASE, NORMS, go, people


def begin(folder: Path, watch: str = "", roles: str = 'id = "who"') -> None:
    (folder / "in").mkdir()
    (folder / "policy.toml").write_text(NORMS)
    (folder / "case.toml").write_text(CASE.format(watch=watch).replace('id = "who"', roles))


def test_the_same_people_in_other_files_count_once(tmp_path: Path) -> None:
    begin(tmp_path)
    rng = np.random.default_rng(0)
    batches = [people(rng, k, n=100) for k in range(4)]
    batches[0].to_parquet(tmp_path / "first.parquet")
    for k, frame in enumerate(batches):
        frame.to_parquet(tmp_path / "in" / f"a{k}.parquet")
    # Under another name and in another order; half of one batch with half of new people.
    batches[1].sample(frac=1, random_state=1).to_parquet(tmp_path / "in" / "b0.parquet")
    new = people(rng, 9, n=50)
    pd.concat([batches[2].iloc[:50], new]).to_parquet(tmp_path / "in" / "b1.parquet")
    document = go(tmp_path)
    assert document["rows"] == 450
    assert sum(g["people"] for g in document["groups"] if g["attribute"] == "sex") == 450
    mapping = {b["facts"]["batch"]: b for b in bodies(tmp_path / "out") if "again" in b["facts"]}
    assert mapping["b0.parquet"]["kind"] == "duplicate"
    assert "all its 100 rows are of people who were counted before" in mapping["b0.parquet"]["words"]
    assert "50 people (50 rows of people who were counted before are left out)" in mapping["b1.parquet"]["words"]


def test_they_are_known_after_a_restart_and_when_outcomes_come_due(tmp_path: Path) -> None:
    begin(tmp_path, "label_delay = 1")
    rng = np.random.default_rng(1)
    one, two = people(rng, 0, n=100), people(rng, 1, n=100)
    one.to_parquet(tmp_path / "first.parquet")
    one.to_parquet(tmp_path / "in" / "a.parquet")
    assert go(tmp_path)["rows"] == 100
    pd.concat([one.iloc[:30], two]).to_parquet(tmp_path / "in" / "b.parquet")
    assert go(tmp_path)["rows"] == 200
    people(rng, 2, n=100).to_parquet(tmp_path / "in" / "c.parquet")
    document = go(tmp_path)
    assert document["rows"] == 300
    assert sum(g["outcomes"] for g in document["groups"] if g["attribute"] == "sex") == 200
    assert cli.main(["watch", str(tmp_path / "case.toml"), "--out", str(tmp_path / "out"), "--check"]) == 0


def test_who_was_counted_cannot_be_edited(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import sqlite3

    begin(tmp_path)
    frame = people(np.random.default_rng(2), 0, n=60)
    frame.to_parquet(tmp_path / "first.parquet")
    frame.to_parquet(tmp_path / "in" / "a.parquet")
    go(tmp_path)
    with sqlite3.connect(tmp_path / "out" / "watch.db") as connection:
        connection.execute("update people set hashes = x'0011223344556677'")
    connection.close()
    capsys.readouterr()
    assert cli.main(["watch", str(tmp_path / "case.toml"), "--out", str(tmp_path / "out"), "--check"]) == 4
    assert "who was counted in batch number 0" in capsys.readouterr().err


def test_of_a_cluster_one_row_counts_in_a_batch_and_over_batches(tmp_path: Path) -> None:
    begin(tmp_path, roles='cluster = "who"')
    rng = np.random.default_rng(3)
    frame = people(rng, 0, n=90)
    frame.to_parquet(tmp_path / "first.parquet")
    pd.concat([frame, frame.iloc[:40]]).to_parquet(tmp_path / "in" / "a.parquet")
    pd.concat([frame.iloc[50:], people(rng, 1, n=60)]).to_parquet(tmp_path / "in" / "b.parquet")
    document = go(tmp_path)
    assert document["rows"] == 150
    assert len(hashes(tmp_path / "out")) > 2
    assert json.loads((tmp_path / "out" / "watch.json").read_bytes())["state"] == "HEALTHY"


MEANING = Meaning("yes", "no", "yes")


def test_counting_every_row_of_a_person_finds_gaps_where_there_are_none() -> None:
    """200 people with ten rows each, decided alike in nine of ten; no gap. Why one row of each counts: an e-process
    over all rows fires far more often than its alpha of .05, over the first row of each it keeps to it."""
    fired = {"every row": 0, "one row": 0}
    norm = Norm("selection_rate", "difference", ("sex",), 0.0, 0.0, 0.05)
    runs = 40
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        who = rng.permutation(np.repeat(np.arange(200), 10))
        own = rng.random(200) < 0.5
        sex = rng.integers(0, 2, 200)
        decision = np.where(rng.random(2000) < 0.9, own[who], rng.random(2000) < 0.5).astype(np.int64)
        first = ~pd.Series(who).duplicated().to_numpy()
        for name, use in (("every row", np.ones(2000, dtype=bool)), ("one row", first)):
            code, d = sex[who][use], decision[use]
            label = np.full(len(d), UNLABELLED)
            rows = CodedRows(("sex",), (("F", "M"),), code[:, None], label, d, None, None, MEANING)
            monitor = open_monitor([norm], ["sex"], MEANING, groups={("sex",): ("F", "M")})
            fired[name] += feed(monitor, rows, labelled=False).watched[0].crossed_at is not None
    assert fired["every row"] > 0.15 * runs
    assert fired["one row"] <= 0.05 * runs + 3


def test_a_value_is_one_however_it_is_written_and_nobody_is_taken_for_another() -> None:
    a, known = hashes_of(pd.Series([7, 8, None, 9], dtype="Int64"))
    b, _ = hashes_of(pd.Series(["7", "8", "x", "9"]))
    c, _ = hashes_of(pd.Series([7.0, 8.0, np.nan, 9.0]))
    assert known.tolist() == [True, True, False, True]
    assert a[known].tolist() == b[[0, 1, 3]].tolist() == c[[0, 1, 3]].tolist()
    rng, counted, ledger = np.random.default_rng(0), set(), People()
    for _ in range(40):
        new = rng.integers(0, 5000, 100).astype(np.uint64)
        assert ledger.seen(new).tolist() == [int(v) in counted for v in new]
        ledger.add(new)
        counted |= {int(v) for v in new}


def test_a_file_about_the_others_is_no_batch_and_one_that_grows_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begin(tmp_path)
    text = (tmp_path / "case.toml").read_text().replace('source = "in/*.parquet"', 'source = "in"')
    (tmp_path / "case.toml").write_text(text)
    rng = np.random.default_rng(4)
    frame = people(rng, 0, n=80)
    frame.to_parquet(tmp_path / "first.parquet")
    frame.to_csv(tmp_path / "in" / "a.csv", index=False)
    for name in ("README.txt", ".hidden.csv", "a.csv.done", "manifest.json", "_SUCCESS", "notes.md"):
        (tmp_path / "in" / name).write_text("who,sex\nx,y\n")
    document = go(tmp_path)
    assert (document["batches"], document["rows"]) == (1, 80)
    with (tmp_path / "in" / "a.csv").open("a") as stream:
        stream.write("new,F,a,50,yes,no\n")
    people(rng, 1, n=80).to_csv(tmp_path / "in" / "b.csv", index=False)
    capsys.readouterr()
    go(tmp_path)
    assert "a.csv has other bytes than when it was counted" in capsys.readouterr().err
    people(rng, 2, n=80).to_csv(tmp_path / "in" / "c.csv", index=False)
    document = go(tmp_path)
    assert document["rows"] == 240
