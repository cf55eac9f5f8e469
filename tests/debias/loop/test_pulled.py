"""Batches that are fetched from a table that grows in DuckDB; refusals. PostgreSQL: test_postgres.py."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import duckdb
import pandas as pd
import pytest

import cli
from audit.load import load_case
from audit.load.cases import dump_case
from tests.debias.loop.fed import bodies, people, write_case

# What a URL would read as an A is a part of the name.
TABLE = 'source = { url = "duckdb:///served %41.duckdb", table = "main.served people", key = "id" }\nsettle = 0.05'


def run(folder: Path, *more: str) -> int:
    return cli.main(["watch", str(folder / "case.toml"), "--out", str(folder / "out"), *more])


def insert(folder: Path, frame: pd.DataFrame) -> None:
    with duckdb.connect(str(folder / "served %41.duckdb")) as c:
        c.register("came", frame)
        c.execute('CREATE TABLE IF NOT EXISTS "served people" AS SELECT * FROM came LIMIT 0')
        c.execute('INSERT INTO "served people" SELECT * FROM came')


def test_a_table_that_grows_is_the_loop_of_the_same_rows_in_files(tmp_path: Path) -> None:
    frame = people(6, size=150)
    table, files = tmp_path / "table", tmp_path / "files"
    write_case(table, frame[:300], more=TABLE, batch="150")
    insert(table, frame[:400])
    assert run(table) == 0
    assert json.loads((table / "out" / "watch.json").read_bytes())["batches"] == 2, "a batch that is not full waits"
    insert(table, frame[400:])
    assert run(table) == 0
    assert run(table) == 0, "nothing is new"
    assert run(table, "--check") == 0
    write_case(files, frame[:300], more='source = "in/*.parquet"\nsettle = 0', batch="150")
    (files / "in").mkdir()
    for k in range(6):
        frame[150 * k : 150 * (k + 1)].to_parquet(files / "in" / f"{k}.parquet")
    assert run(files) == 0
    mine, theirs = (json.loads((f / "out" / "watch.json").read_bytes()) for f in (table, files))
    assert mine["rows"] == theirs["rows"] == 900
    for key in ("norms", "groups", "state", "matured"):
        assert mine[key] == theirs[key]
    # What was fetched is never fetched again, though its file is gone: the trail knows it.
    first = sorted((table / "out" / "incoming").glob("*.parquet"))[0]
    first.unlink()
    assert run(table) == 0
    assert not first.exists()
    assert sum(b["kind"] == "duplicate" for b in bodies(table / "out")) == 0


def test_a_row_that_is_committed_late_is_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows count once their keys were seen `settle` seconds ago: a smaller key that comes meanwhile has its place."""
    frame = people(2, size=150)
    write_case(tmp_path, frame, more=TABLE.replace("0.05", "0.06"), batch="100")
    insert(tmp_path, frame.drop(index=50))
    real, late = time.sleep, [frame.iloc[[50]]]

    def wait(seconds: float) -> None:
        if seconds == 0.06 and late:
            insert(tmp_path, late.pop())
        real(seconds)

    monkeypatch.setattr("debias.loop.pulled.time.sleep", wait)
    assert run(tmp_path) == 0
    parts = [pd.read_parquet(p) for p in sorted((tmp_path / "out" / "incoming").glob("*.parquet"))]
    assert pd.concat(parts)["id"].tolist() == list(range(300))


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ('{ url = "duckdb:///served %41.duckdb", table = "nobody", key = "id" }', "the table 'nobody' cannot be read"),
        ('{ url = "duckdb:///served %41.duckdb", table = "served people", key = "when" }', "cannot be read"),
        ('{ url = "duckdb:///served %41.duckdb", table = "served people", key = "town" }', "a key of type str"),
        (
            '{ url = "duckdb:///served %41.duckdb", table = "served people", key = "day" }',
            "is the same in several rows",
        ),
        ('{ url = "duckdb:///gone.duckdb", table = "t", key = "id" }', "cannot be read now"),
        ('{ url = "mysql://host/db", table = "t", key = "id" }', "'url' in source cannot be used"),
        ('{ url = "postgresql://me:secret-word@host/db", table = "t", key = "id" }', "holds a password"),
        ('{ url = "duckdb:///served %41.duckdb", table = "t" }', "key"),
        ('"s3://bucket/in/*.csv"', "-m pip install fsspec s3fs`"),
        ('"gs://bucket/in/*.csv"', "-m pip install fsspec gcsfs`"),
        ('"abfs://bucket/in/*.csv"', "-m pip install fsspec adlfs`"),
        ('"memory://bucket/in/*.csv"', "-m pip install fsspec`"),
    ],
)
def test_a_source_that_cannot_be_read_is_said_in_one_message(
    source: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)  # as in a fresh clone
    write_case(tmp_path, people(2), batch="100")
    insert(tmp_path, people(2))
    case = tmp_path / "case.toml"
    case.write_text(case.read_text() + f"source = {source}\nsettle = 0.01\n")
    assert run(tmp_path) == 2
    output = capsys.readouterr()
    assert words in output.err
    assert "secret-word" not in output.err + output.out
    assert "Traceback" not in output.err


def test_an_address_of_files_here_is_the_folder_and_needs_no_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    place = tmp_path / "came in"
    place.mkdir()
    write_case(tmp_path, people(2), more=f'source = "{place.as_uri()}/*.csv"\nsettle = 0.0')
    people(2).to_csv(place / "a.csv", index=False)
    assert "%20" in (tmp_path / "case.toml").read_text()
    assert run(tmp_path) == 0
    assert [b["facts"]["batch"] for b in bodies(tmp_path / "out") if b["kind"] == "batch"] == ["a.csv"]


def test_the_source_stands_in_the_case_that_is_written(tmp_path: Path) -> None:
    write_case(tmp_path, people(2), more=TABLE, batch="100")
    case = load_case(tmp_path / "case.toml")
    dump_case(case, tmp_path / "again.toml")
    assert load_case(tmp_path / "again.toml").watch == case.watch
