"""Wide Parquet files whose columns are read once: the evidence that DuckDB makes by itself, byte for byte."""

from __future__ import annotations

import datetime
import decimal
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import cli
from audit.quality.missing import WRITTEN
from audit.scale import beside, columns

WORDS = [*WRITTEN, "", " ", "\xa0", " n/a\t", "\r\n", "\u2003", "a", "b", "é", "no"]
DAY = np.datetime64("2020-01-01T00:00:00", "us").item()


def table(rows: int, seed: int = 0) -> pa.Table:
    """Features of every kind that is read once, each with missing values; one row in twenty is there again."""
    rng = np.random.default_rng(seed)

    def some(values: Sequence[Any], kind: pa.DataType | None = None) -> pa.Array:
        gone = rng.random(rows) < 0.1
        return pa.array([None if g else v for g, v in zip(gone, values, strict=True)], kind)

    few = rng.integers(0, 9, rows).tolist()
    words = [WORDS[i] for i in rng.integers(0, len(WORDS), rows)]
    out = {
        "x0": some(rng.normal(size=rows).round(1).tolist(), pa.float32()),
        "x1": pa.array(rng.choice([0.0, -0.0, np.inf, -np.inf, np.nan, 1.5], rows)),
        "x2": some(few, pa.int16()),
        "x3": some([v > 4 for v in few]),
        "x4": some(words),
        "x5": some(words, pa.large_string()).dictionary_encode(),
        "x6": some([f"name {i}" for i in rng.integers(0, rows, rows)]),
        "x7": some([decimal.Decimal(v) / 4 for v in few], pa.decimal128(9, 2)),
        "x8": some([(DAY + datetime.timedelta(v)).date() for v in few]),
        "x9": some([DAY + datetime.timedelta(seconds=v) for v in few], pa.timestamp("us")),
        "whole": pa.array(few, pa.uint8()),
        "codes": some(few).dictionary_encode(),
        "kind": pa.array(
            [f"kind {i}" for i in rng.permutation(np.arange(rows) % 60)]
        ),  # as many of each: who comes first
        "Town": some(rng.choice(["u", "v", "nan", " "], rows).tolist()),
        "town": some(rng.choice([-1.0, 1.0, 2.0], rows).tolist()),
        "label": some(rng.choice(["yes", "no"], rows).tolist()),
        "decision": pa.array(rng.choice(["yes", "no"], rows)),
        "part": pa.array(rng.choice(["learn", "audit"], rows)),
    }
    made = pa.table(out)
    return pa.concat_tables([made, made.slice(0, rows // 20)])


def case_of(folder: Path, tables: Sequence[pa.Table], split: bool = False, **written: Any) -> Path:
    for i, one in enumerate(tables):
        pq.write_table(one, folder / f"d{i}.parquet", **{"row_group_size": 600, **written})
    features = [c for c in tables[0].column_names if c not in ("Town", "town", "label", "decision", "part")]
    says = 'split = "part"\naudit = "audit"\n' if split else ""
    (folder / "case.toml").write_text(
        f'[case]\nname = "t"\npurpose = "t"\n[data]\npath = "d{"*" if len(tables) > 1 else 0}.parquet"\n'
        'engine = "duckdb"\nlabel = "label"\npositive = "yes"\nsensitive = ["Town", "town"]\nbins = { town = [0] }\n'
        f'features = {json.dumps(features)}\n{says}[model]\ndecision = "decision"\n'
    )
    return folder / "case.toml"


def audited(case: Path) -> list[bytes]:
    assert cli.main(["audit", str(case), "--out", str(case.parent / "run"), "--draws", "50"]) in (0, 3)
    return [(case.parent / "run" / name).read_bytes() for name in ("evidence.json", "cube.json")]


@pytest.fixture
def once(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Slices of four columns, and whether each table was read once."""
    answers: list[bool] = []
    read = columns.read_once

    def seen(*given: Any) -> columns.Once | None:
        result = read(*given)
        answers.append(result is not None)
        return result

    monkeypatch.setattr(beside, "COLUMNS_AT_ONCE", 4)
    monkeypatch.setattr(beside, "read_once", seen)
    return answers


def by_itself(case: Path) -> list[bytes]:
    """The same audit, in which DuckDB is asked for everything."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(beside, "read_once", lambda *_: None)
        return audited(case)


@pytest.mark.parametrize("few", [False, True], ids=["all rows", "some rows and kinds"])
@pytest.mark.parametrize("shape", ["one file", "split", "files"])
def test_it_is_what_duckdb_finds(
    shape: str, few: bool, once: list[bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [table(1_500 + 400 * i, i) for i in range(3 if shape == "files" else 1)]
    case = case_of(tmp_path, many, shape == "split")
    monkeypatch.setattr(columns, "CELLS", 4 * 700)  # some rows at a time, and groups of rows in part together
    if few:
        monkeypatch.setattr(beside, "SAMPLE", 300)
        monkeypatch.setattr(beside, "KINDS", 200)
    result = audited(case)
    assert once == [True]
    assert result == by_itself(case)
    quality = json.loads(result[0])["quality"]
    rows = pa.concat_tables(many)
    if shape == "split":
        rows = rows.filter(pa.compute.equal(rows["part"], "audit"))
    counts = {c["column"]: (c["missing"], c["written"]) for c in quality["missing"]["columns"]}
    assert counts["x1"] == (int(np.isnan(rows["x1"].to_numpy()).sum()), 0)
    blank = [" ", "\t", "\r", "\n", "\xa0"]
    words = [v for v in rows["x4"].to_pylist() if v is not None and v.strip("".join(blank)) in {*WRITTEN, ""}]
    assert counts["x4"] == (rows["x4"].null_count, len(words))
    assert counts["x4"][1] > 0 < counts["x5"][1]
    assert ("drawn" in quality["proxies"]) == few
    assert (quality["duplicates"]["sketch"] is not None) == few


def test_texts_of_many_kinds_among_codes(once: list[bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few kinds in one group of rows, many in another: the rows drawn hold texts of both."""
    monkeypatch.setattr(columns.columnar, "MOST_KINDS", 20)
    monkeypatch.setattr(columns, "CELLS", 4 * 600)
    rows = table(2_000)
    same = pa.array(["same"] * 600 + rows["x6"].to_pylist()[600:])
    case = case_of(tmp_path, [rows.set_column(6, "x6", same)])
    assert audited(case) == by_itself(case)
    assert once == [True]


@pytest.mark.parametrize("many", [1, 40, 200])  # 5 x 4 of groups, three times as many with the label
def test_combinations_up_to_so_many(
    many: int, once: list[bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for where in (columns, beside):
        monkeypatch.setattr(where, "MOST", many)
    case = case_of(tmp_path, [table(1_500)])
    result = audited(case)
    assert result == by_itself(case)
    assert once == [True]
    assert ("missing" in json.loads(result[0])["quality"]) == (many == 200)


def test_each_column_is_read_once_some_rows_at_a_time(
    once: list[bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: Counter[str] = Counter()
    read = pq.ParquetFile.iter_batches

    def seen(self: pq.ParquetFile, most: int, *, columns: list[str]) -> Any:
        asked.update(columns)
        assert most * len(columns) <= 2_000
        return read(self, most, columns=columns)

    monkeypatch.setattr(columns, "CELLS", 2_000)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", seen)
    audited(case_of(tmp_path, [table(1_500)]))
    assert once == [True]
    names = [c for c in table(2).column_names if c != "part"]
    assert asked == Counter(names)


def lists(rows: int) -> pa.Array:
    return pa.array([[1]] * rows)


OTHERS = {
    "finer times": ("x", lambda n: pa.array([DAY] * n, pa.timestamp("ns"))),
    "zones": ("x", lambda n: pa.array([DAY] * n, pa.timestamp("us", "UTC"))),
    "half numbers": ("x", lambda n: pa.array(np.arange(n, dtype=np.float16))),
    "the number of a row": ("File_Row_Number", lambda n: pa.array(range(n))),
    "long texts": ("x", lambda n: pa.array([f"{i} " * 4_000 for i in range(n)])),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_what_only_duckdb_takes_is_left_to_it(
    kind: str, once: list[bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns, "HEAVY", 2**20)
    rows = table(1_000)
    name, of = OTHERS[kind]
    case = case_of(tmp_path, [rows.append_column(name, of(rows.num_rows))])
    assert audited(case) == by_itself(case)
    assert once == [False]


def test_files_that_differ_in_a_kind_are_left_to_duckdb(once: list[bool], tmp_path: Path) -> None:
    rows = table(1_000)
    case = case_of(tmp_path, [rows, rows.set_column(0, "x0", rows["x0"].cast(pa.float64()))])
    assert audited(case) == by_itself(case)
    assert once == [False]


def test_columns_that_hold_lists_do_not_matter(once: list[bool], tmp_path: Path) -> None:
    rows = table(1_000)
    case = case_of(tmp_path, [rows.append_column("x", lists(rows.num_rows))])
    assert audited(case) == by_itself(case)
    assert once == [True]


def broken_text(rows: pa.Table) -> pa.Table:
    texts = pa.array([b"a\xff\xfeb"] * rows.num_rows, pa.binary())
    return rows.set_column(4, "x4", pa.chunked_array([texts.view(pa.string())]))


@pytest.mark.parametrize("how", ["text", "page"])
def test_what_is_broken_is_refused_as_ever(
    how: str, once: list[bool], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = table(1_000)
    case = case_of(tmp_path, [broken_text(rows) if how == "text" else rows])
    file = tmp_path / "d0.parquet"
    if how == "page":
        start = pq.read_metadata(file).row_group(0).column(6).data_page_offset
        content = bytearray(file.read_bytes())
        content[start : start + 200] = bytes([255] * 200)
        file.write_bytes(content)
    messages = []
    for patched in (False, True):
        with pytest.MonkeyPatch.context() as patch:
            if patched:
                patch.setattr(beside, "read_once", lambda *_: None)
            assert cli.main(["audit", str(case), "--out", str(tmp_path / "run")]) == 2
        messages.append(capsys.readouterr().err.splitlines()[-4:])
    assert messages[0] == messages[1]
    assert "cannot be counted" in " ".join(messages[0])
    assert once == [False]


def test_of_more_rows_than_numbers_may_be_put_aside_of_duckdb_is_asked(
    once: list[bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beside, "PUT_ASIDE", 8 * 1_050)
    case = case_of(tmp_path, [table(1_000)])
    assert audited(case) == by_itself(case)
    assert once == []
