"""People with several rows, counted by DuckDB in one scan or two, are those of the rows in memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import cli
from audit.scale import people as people_module

CASE = """[case]
name = "n"
purpose = "p"
[data]
path = "d.{kind}"
label = "y"
positive = "yes"
sensitive = ["g", "h"]
cluster = "who"
[model]
decision = "d"
"""


def rows(how: str, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    who = rng.integers(0, 150, 900)
    if how.startswith("one has"):
        who = np.append(who, np.full(int(how.split()[2].replace(",", "")), 7))
    frame = pd.DataFrame({"who": who - 40, "g": np.array(["a", "b", "c"])[who % 3], "h": np.where(who % 5, "x", "z")})
    taste = np.linspace(0.1, 0.9, 150)[who]
    frame["y"] = np.where(rng.random(len(who)) < taste, "yes", "no")
    frame["d"] = np.where(rng.random(len(who)) < taste, "yes", "no")
    if how.endswith("alike"):
        frame.loc[900:, ["y", "d"]] = "yes"
    if how == "unknown outcomes":
        frame.loc[rng.random(len(who)) < 0.2, "y"] = None
    if how == "some are in two groups":
        frame.loc[::97, "g"] = "b"
    if how == "text":
        frame["who"] = "p" + frame.who.astype(str)
    if how == "one decision":
        frame["d"] = "yes"
    if how == "numbers with halves":
        frame["who"] = frame.who + 0.5
    return frame


def evidence(folder: Path, frame: pd.DataFrame, kind: str, large: bool, monkeypatch: pytest.MonkeyPatch) -> Any:
    frame.to_parquet(folder / "d.parquet") if kind == "parquet" else frame.to_csv(folder / "d.csv", index=False)
    (folder / "case.toml").write_text(CASE.format(kind=kind))
    with monkeypatch.context() as patch:
        patch.setattr("audit.run.is_large", lambda _: large)
        code = cli.main(["audit", str(folder / "case.toml"), "--out", str(folder / "out"), "--draws", "50"])
    return json.loads((folder / "out" / "evidence.json").read_bytes()) if code == 0 else code


@pytest.mark.parametrize(
    ("how", "kind", "one_scan"),
    [
        ("each is in one group", "parquet", True),
        ("each is in one group", "csv", True),
        ("unknown outcomes", "parquet", True),
        ("text", "parquet", True),
        ("one decision", "csv", True),
        ("some are in two groups", "parquet", False),
        ("one has 1,500 rows", "parquet", False),
        ("one has 32,768 alike", "parquet", False),
        ("one has 300,000 alike", "parquet", False),
        ("numbers with halves", "parquet", None),
    ],
)
def test_the_database_tells_of_people_what_the_rows_tell(
    how: str, kind: str, one_scan: bool | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame, seen, alone = rows(how), [], people_module._alone

    def watched(*inputs: Any) -> Any:
        seen.append(alone(*inputs))
        return seen[-1]

    monkeypatch.setattr(people_module, "_alone", watched)
    a, b = (evidence(tmp_path, frame, kind, large, monkeypatch) for large in (False, True))
    assert [result is not None for result in seen] == ([] if one_scan is None else [one_scan])
    for key in ("rates", "gaps", "pairs", "counts", "norms"):
        assert json.dumps(a[key]) == json.dumps(b[key]), key
    everyone = next(c for c in b["counts"] if not c["attribute"])
    assert everyone["people"] == frame.who.nunique()
    # By pandas.
    for mine in (c for c in b["counts"] if c["attribute"] == ["g"]):
        assert mine["people"] == frame[frame.g == mine["group"][0]].who.nunique()


@pytest.mark.parametrize("two", [False, True])
@pytest.mark.parametrize("text", [False, True])
def test_rows_of_nobody_are_refused_with_their_number(
    text: bool, two: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = rows("some are in two groups" if two else "each is in one group")
    frame["who"] = ("p" + frame.who.astype(str)) if text else frame.who.astype("Int64")
    frame.loc[[3, 4, 5], "who"] = None
    for large in (False, True):
        assert evidence(tmp_path, frame, "parquet", large, monkeypatch) == 2
        errors = capsys.readouterr().err
        assert "3 of 900" in errors
        assert "'who'" in errors
