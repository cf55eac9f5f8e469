"""Missing values that come with the cube where rows stay: those of the rows in memory, to the last count.

Of Spark itself tests/audit/scale/test_spark.py asks the same tables, through the whole audit.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import cli
from audit.engines import SPARK
from audit.gaps import Settings
from audit.load import load_case
from audit.quality import groups_of
from audit.quality.missing import WRITTEN, missing_of
from audit.scale import frames
from audit.scale.frames import Held, count_with_missing
from audit.scale.missing import BLANKS
from tests.audit.scale.test_frames import held

TEXTS = [*WRITTEN, "", *BLANKS, " \r\n", None]
TEXTS += [t for w in WRITTEN for b in BLANKS for t in (f"{b}{w}", f"{w}{b}")] + [f" {w}\t" for w in WRITTEN]
"""Every text that says that there is none, with blanks before, behind, and alone."""
OTHERS = ["no", "nano", "NAN", "- -", "?!", " a", "a ", "\x01", "1.0"]
OWN = {
    "decision": 'decision = "d"',
    "few scores": 'score = "few"',
    "many scores": 'score = "many"\nthreshold = 0.4',
}
ROWS = 1600


def people() -> pa.Table:
    """A group that is missing, blank or in words; a number that is null, not a number, or beyond all numbers; texts."""
    rng = np.random.default_rng(3)
    part = rng.choice(["learn", "measure"], ROWS, p=[0.3, 0.7])
    decision = rng.choice(["yes", "no"], ROWS).astype(object)
    decision[(part == "learn") & (rng.random(ROWS) < 0.5)] = None  # nobody decided about them, or measures them
    numbers = [None if k == 0 else float("nan") if k == 1 else float(v) for k, v in
               zip(rng.integers(0, 9, ROWS), rng.normal(size=ROWS), strict=True)]  # fmt: skip
    numbers[5:7] = [float("inf"), -float("inf")]
    ages = [None if k == 0 else float("nan") if k == 1 else float(v) for k, v in
            zip(rng.integers(0, 12, ROWS), rng.integers(18, 80, ROWS), strict=True)]  # fmt: skip
    ages[5:7] = [float("inf"), -float("inf")]  # in the last band, and in the first
    texts = TEXTS + OTHERS * 12
    return pa.table(
        {
            "sex": pa.array(rng.choice(["f", "m", "nan", " "], ROWS, p=[0.45, 0.45, 0.05, 0.05])),
            "age": pa.array(ages, pa.float64()),
            "town": pa.array([texts[i] for i in rng.integers(0, len(texts), ROWS)]),
            "Town": pa.array([texts[i] for i in rng.integers(0, len(texts), ROWS)]),
            "income": pa.array(numbers, pa.float64()),
            "whole": pa.array([None if v == 0 else int(v) for v in rng.integers(0, 5, ROWS)], pa.int32()),
            "y": pa.array(rng.choice(["yes", "no"], ROWS)),
            "part": pa.array(part),
            "d": pa.array(decision.tolist(), pa.string()),
            "few": pa.array(rng.integers(0, 101, ROWS) / 100),
            "many": pa.array(rng.beta(2, 3, ROWS)),
        }
    )


def case_of(folder: Path, own: str, more: str = "", sensitive: str = '"sex", "age"') -> Path:
    """Of the rows that are measured."""
    folder.mkdir(exist_ok=True)
    bins = "bins = { age = [30, 60] }\n" if "age" in sensitive else ""
    (folder / "case.toml").write_text(
        f'[case]\nname = "c"\npurpose = "p"\n[data]\npath = "../people.parquet"\nlabel = "y"\npositive = "yes"\n'
        f'favourable = "yes"\nsensitive = [{sensitive}]\n{bins}split = "part"\naudit = "measure"\ntrain = "learn"\n'
        f"{more}[model]\n{own}\n"
    )
    return folder / "case.toml"


def in_memory(folder: Path, case: Path) -> Any:
    """What the command finds of the rows."""
    arguments = ["audit", str(case), "--out", str(folder / "memory"), "--draws", "50"]
    assert cli.main(arguments) == 0
    return json.loads((folder / "memory" / "evidence.json").read_bytes())["quality"]["missing"]


def of_counts(case: Any, table: Held) -> Any:
    """The same entry, of what came with the cube."""
    result = count_with_missing(case, table, (), True)
    counts = result.counts
    assert counts is not None
    names = [*result.counted.features, case.data.label, *case.data.sensitive]
    empty, words = ({c: by[c] for c in dict.fromkeys(names)} for by in (counts.missing, counts.written))
    settings = Settings(draws=50)
    return json.loads(json.dumps(missing_of(empty, words, counts.rows, groups_of(case, counts.frame), settings)))


def as_in_spark(table: pa.Table, floor: int | None = None) -> Held:
    """In DuckDB, asked in the words that are for Spark."""
    return replace(held(table, "duckdb", floor), engine=SPARK)


@pytest.mark.parametrize("own", OWN)
def test_missing_values_come_with_the_cube(tmp_path: Path, own: str) -> None:
    table = people()
    pq.write_table(table, tmp_path / "people.parquet")
    case = case_of(tmp_path / "case", OWN[own])
    expected = in_memory(tmp_path, case)
    assert of_counts(load_case(case), as_in_spark(table)) == expected
    seen = {c["column"]: c for c in expected["columns"]}
    assert all(seen[c]["missing"] and seen[c]["written"] for c in ("town", "Town"))
    assert all(seen[c]["missing"] and not seen[c]["written"] for c in ("income", "age", "whole"))
    assert expected["gaps"]


@pytest.mark.parametrize("kind", ["floor", "no sample", "many columns"])
def test_they_come_by_themselves_where_no_row_may_leave_or_columns_are_many(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By combination of scores they would say who lacks what; and each combination would have sums of each column."""
    table = people()
    pq.write_table(table, tmp_path / "people.parquet")
    case = load_case(case_of(tmp_path / "case", OWN["few scores"]))
    source = as_in_spark(table, floor=5 if kind == "floor" else None)
    if kind == "no sample":
        source = replace(source, sample=0)
    if kind == "many columns":
        monkeypatch.setattr(frames, "TOGETHER", 3)
    result = count_with_missing(case, source, (), True)
    assert (result.counts, result.mine) == (None, None)
    assert result.counted.people > 0
