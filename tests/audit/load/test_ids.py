"""Ids are names by the door: 007 and 7 are two people in every engine, and tables still join."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import cli
from tests.audit.load.test_careless import workbook

CASE = """[case]
name = "x"
purpose = "y"
[data]
label = "y"
positive = "1"
path = "{path}"
{roles}
[model]
decision = "d"
"""


def rows(ids: Sequence[Any]) -> pd.DataFrame:
    n = range(len(ids))
    return pd.DataFrame(
        {"pid": ids, "g": ["mw"[i % 2] for i in n], "y": [i // 2 % 2 for i in n], "d": [i // 3 % 2 for i in n]}
    )


def put(frame: pd.DataFrame, path: Path) -> None:
    if path.suffix == ".xlsx":
        workbook(path, [[*frame.columns], *frame.to_numpy().tolist()])
    elif path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path)


def notes(folder: Path, path: str, roles: str) -> str:
    (folder / "case.toml").write_text(CASE.format(path=path, roles=roles))
    assert cli.main(["audit", str(folder / "case.toml"), "--out", str(folder / "out")]) == 0
    evidence: dict[str, Any] = json.loads((folder / "out" / "evidence.json").read_text())
    return "\n".join(evidence["notes"])


PADDED = [f"{i:05d}" if twice else str(i) for i in range(1000, 1100) for twice in (0, 1)]


@pytest.mark.parametrize(("path", "engine"), [("m.csv", ""), ("m.xlsx", ""), ("m.csv", 'engine = "duckdb"')])
def test_007_and_7_are_two_where_cluster_is_also_id(path: str, engine: str, tmp_path: Path) -> None:
    put(rows(PADDED), tmp_path / path)
    noted = notes(tmp_path, path, f'id = "pid"\ncluster = "pid"\nsensitive = ["g"]\n{engine}')
    assert "200 measured rows are of 200 people" in noted


@pytest.mark.parametrize("engine", ["", 'engine = "duckdb"'])
@pytest.mark.parametrize(("ids", "same"), [(PADDED, False), ([f"{i // 2}{'.0' * (i % 2)}" for i in range(200)], True)])
def test_ids_alone_are_told_apart_alike(ids: list[str], same: bool, engine: str, tmp_path: Path) -> None:
    put(rows(ids), tmp_path / "m.csv")
    noted = notes(tmp_path, "m.csv", f'id = "pid"\nsensitive = ["g"]\n{engine}')
    assert ("200 measured rows have 100 different ids" in noted) is same
    assert ("different id" in noted) is same


ZEROS = [f"{i:04d}" for i in range(200)]
WHOLE: list[Any] = list(range(200))


@pytest.mark.parametrize(
    ("main", "side", "ids", "theirs", "said"),
    [
        ("csv", "parquet", ZEROS, ZEROS, False),
        ("parquet", "csv", ZEROS, ZEROS, False),
        ("csv", "csv", ZEROS, ZEROS, False),
        ("parquet", "parquet", WHOLE, WHOLE, False),
        ("csv", "parquet", ZEROS, WHOLE, True),
        ("parquet", "csv", WHOLE, ZEROS, True),
    ],
)
def test_side_tables_join_by_name(
    main: str, side: str, ids: list[Any], theirs: list[Any], said: bool, tmp_path: Path
) -> None:
    put(rows(ids).drop(columns="g"), tmp_path / f"m.{main}")
    put(rows(theirs)[["pid", "g"]], tmp_path / f"s.{side}")
    noted = notes(tmp_path, f"m.{main}", f'id = "pid"\nsensitive = ["g"]\nsensitive_path = "s.{side}"')
    assert "no match" not in noted
    assert "not used" not in noted
    assert ("holds numbers in 'pid'" in noted) is said


def test_two_names_of_one_number_are_not_joined_as_one(tmp_path: Path) -> None:
    """The rows 007 and 7 beside whole numbers: 7 is 7, and whose group 007 has is unknown."""
    put(rows([*ZEROS[:-1], "7"]).drop(columns="g"), tmp_path / "m.csv")
    put(rows(WHOLE)[["pid", "g"]], tmp_path / "s.parquet")
    noted = notes(tmp_path, "m.csv", 'id = "pid"\nsensitive = ["g"]\nsensitive_path = "s.parquet"')
    assert "1 of 200 rows has no match" in noted


def test_one_group_is_counted_in_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(rows(ZEROS).assign(g=["z"] * 190 + [""] * 10), tmp_path / "m.csv")
    (tmp_path / "case.toml").write_text(CASE.format(path="m.csv", roles='sensitive = ["g"]\nengine = "duckdb"'))
    assert cli.main(["audit", str(tmp_path / "case.toml"), "--out", str(tmp_path / "out")]) == 2
    assert "'z' in 190 measured rows, 10 unknown" in " ".join(capsys.readouterr().err.split())
