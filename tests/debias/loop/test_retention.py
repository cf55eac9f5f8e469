"""Rows are kept no longer than the case says, and no shorter than they are needed; history is taken like news."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

import cli
from audit.load import load_case
from debias.loop.run import run_watch
from tests.debias.loop.fed import hashes, people, write_case

ROOT = Path(__file__).resolve().parents[3]


def fed(folder: Path, days: int, more: str) -> Path:
    """A loop over a table, or with "-" over standard input, outcomes three batches late."""
    frame = people(days, size=150, gap=0.0)
    source = '{ url = "duckdb:///t.duckdb", table = "t", key = "id" }\nsettle = 0.01'
    write_case(folder, people(2), more=more.replace("TABLE", f"source = {source}"), delay=3, batch="150")
    watch = ["watch", str(folder / "case.toml"), "--out", str(folder / "out")]
    if "TABLE" in more:
        with duckdb.connect(str(folder / "t.duckdb")) as c:
            c.register("came", frame)
            c.execute("CREATE TABLE t AS SELECT * FROM came")
        assert cli.main(watch) == 0
    else:
        lines = "".join(json.dumps(row) + "\n" for row in frame.to_dict("records"))
        done = subprocess.run(
            [sys.executable, str(ROOT / "cli.py"), *watch], input=lines.encode(), capture_output=True, timeout=300,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()
    return folder / "out"


def there(out: Path) -> list[int]:
    """Which of the batches that came OUT still has the rows of."""
    numbered = sorted(int(p.stem) for p in (out / "incoming").glob("0*"))
    return [n if n < 100 else (n + 1) // 150 - 1 for n in numbered]


def test_rows_go_when_they_are_old_and_counted(tmp_path: Path) -> None:
    kept, few = fed(tmp_path / "all", 12, "TABLE"), fed(tmp_path / "few", 12, "TABLE\nkeep = 5")
    assert hashes(few) == hashes(kept), "the trail is the same"
    assert there(kept) == list(range(12))
    # The first two are the reference; of the others the newest five.
    assert there(few) == [0, 1, 7, 8, 9, 10, 11]
    assert cli.main(["watch", str(tmp_path / "few" / "case.toml"), "--out", str(few)]) == 0
    assert there(few) == [0, 1, 7, 8, 9, 10, 11], "what is gone is not fetched again"


def test_what_waits_for_its_outcomes_stays(tmp_path: Path) -> None:
    few = fed(tmp_path, 6, 'source = "-"\nkeep = 1')
    assert there(few) == [0, 1, 3, 4, 5]
    document = json.loads((few / "watch.json").read_bytes())
    assert (document["batches"], document["matured"]) == (6, 3)


def test_files_of_a_folder_are_not_ours(tmp_path: Path) -> None:
    write_case(tmp_path, people(2), more='source = "in/*.csv"\nsettle = 0\nkeep = 1', delay=0)
    (tmp_path / "in").mkdir()
    for k, (_, day) in enumerate(people(5).groupby("day")):
        day.to_csv(tmp_path / "in" / f"{k}.csv", index=False)
    run_watch(load_case(tmp_path / "case.toml"), tmp_path / "out")
    assert len(list((tmp_path / "in").glob("*.csv"))) == 5


def test_history_that_comes_after_the_news_is_counted_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Days 8 to 11 first, then day 2, and day 11 once more of other people: only day 2 is older."""
    write_case(tmp_path, people(2), more='source = "in/*.csv"\nsettle = 0', delay=0)
    (tmp_path / "in").mkdir()
    days = dict(list(people(12).groupby("day")))
    for k, day in enumerate([8, 10, 11]):
        days[day].to_csv(tmp_path / "in" / f"{k}.csv", index=False)
    run_watch(load_case(tmp_path / "case.toml"), tmp_path / "out")
    assert "older than" not in capsys.readouterr().err
    for k, day in enumerate([2, 11], 3):
        days[day].assign(id=days[day]["id"] + 100_000).to_csv(tmp_path / "in" / f"{k}.csv", index=False)
    run_watch(load_case(tmp_path / "case.toml"), tmp_path / "out")
    errors = capsys.readouterr().err
    assert "3.csv holds rows from 2 to 2, older than others counted before." in errors
    assert "4.csv" not in errors
    assert json.loads((tmp_path / "out" / "watch.json").read_bytes())["batches"] == 5


@pytest.mark.parametrize("value", ["0", "-1", '"all"', "true"])
def test_keep_is_a_number_of_batches(value: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_case(tmp_path, people(2))
    case = tmp_path / "case.toml"
    case.write_text(case.read_text() + f"keep = {value}\n")
    assert cli.main(["watch", str(case), "--out", str(tmp_path / "out")]) == 2
    assert "a whole number from 1 on" in capsys.readouterr().err
