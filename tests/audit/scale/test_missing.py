"""Missing values and repeated rows where rows stay: those of the rows in memory, to the last count.

Of Spark itself tests/audit/scale/test_spark.py asks the same tables, through the whole audit.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import scipy.stats

import cli
from audit.engines import SPARK
from audit.gaps import Settings
from audit.load import check, load_case
from audit.quality import groups_of
from audit.quality.missing import WRITTEN, missing_of
from audit.scale import beside, narrow
from audit.scale.beside import HASH, DataProfile, Place, profile
from audit.scale.frames import Held, banded, count_and_look
from audit.scale.kinds import PEOPLE, arrow
from audit.scale.missing import BLANKS, SAID, added_up
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


def looked(case: Any, table: Held) -> DataProfile:
    """What is looked at beside the cube, in another engine, where all rows are one kind by hash."""
    counts = count_and_look(case, table, (), True)

    def hashed(frame: Any, columns: Any, part: int) -> Any:
        return frame.with_columns(nw.lit(1).alias(HASH))

    def drawn(columns: Any, rows: int, of: int, seed: int) -> pa.Table:
        return arrow(counts.mine.select(*columns).head(rows))

    def lacking(frame: Any, columns: Any) -> Any:
        schema = frame.collect_schema()
        words = {c: f"regexp_matches({c}, '{SAID}')" for c in columns if schema[c] == nw.String}
        numbers = {c: f"isnan({c})" for c in columns if schema[c].is_float()}
        return nw.from_native(
            nw.to_native(frame).filter(
                " OR ".join(f"{c} IS NULL OR {(words | numbers).get(c, False)}" for c in columns)
            )
        )

    place = Place(table.source, counts.mine, hashed, drawn, "the first rows", table.sample, table.floor,
                  banded=lambda frame: banded(case, table, frame), cells=counts.cells, whole=counts.whole,
                  lacking=lacking)  # fmt: skip
    return profile(case, counts.counted, place, 0)


def of_counts(case: Any, table: Held) -> Any:
    """The same entry, counted in another engine."""
    counts = looked(case, table).counted.result()[0]
    assert counts is not None
    names = [*check.features_of(case, table.columns), case.data.label, *case.data.sensitive]
    empty, words = ({c: by[c] for c in dict.fromkeys(names)} for by in (counts.missing, counts.written))
    settings = Settings(draws=50)
    return json.loads(json.dumps(missing_of(empty, words, counts.rows, groups_of(case, counts.frame), settings)))


def as_in_spark(table: pa.Table, floor: int | None = None) -> Held:
    """In DuckDB, asked in the words that are for Spark."""
    return replace(held(table, "duckdb", floor), engine=SPARK)


@pytest.mark.parametrize("own", OWN)
@pytest.mark.parametrize("at_once", [40, 2])
def test_missing_values_are_those_of_memory(
    tmp_path: Path, own: str, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beside, "LACKING_AT_ONCE", at_once)
    table = people()
    pq.write_table(table, tmp_path / "people.parquet")
    case = case_of(tmp_path / "case", OWN[own])
    expected = in_memory(tmp_path, case)
    assert of_counts(load_case(case), as_in_spark(table)) == expected
    seen = {c["column"]: c for c in expected["columns"]}
    assert all(seen[c]["missing"] and seen[c]["written"] for c in ("town", "Town"))
    assert all(seen[c]["missing"] and not seen[c]["written"] for c in ("income", "age", "whole"))
    assert expected["gaps"]


def test_a_group_that_lacks_nothing_is_counted_too(tmp_path: Path) -> None:
    numbers = [None, float("nan"), 1.0, *(float(i) for i in range(597))]
    sex = ["f"] * 300 + ["m"] * 300
    roles = {"y": ["yes", "no"] * 300, "part": ["measure", "measure", "learn"] * 200, "d": ["no", "yes", "yes"] * 200}
    table = pa.table({"sex": sex, "x": numbers} | roles)
    pq.write_table(table, tmp_path / "people.parquet")
    case = case_of(tmp_path / "case", OWN["decision"], "", '"sex"')
    assert of_counts(load_case(case), as_in_spark(table)) == in_memory(tmp_path, case)


def test_of_too_many_combinations_nothing_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "MOST", 3)
    table = people()
    pq.write_table(table, tmp_path / "people.parquet")
    case = load_case(case_of(tmp_path / "case", OWN["decision"]))
    assert looked(case, as_in_spark(table)).counted.result() == (None, None)


def test_a_floor_is_of_the_bands_of_numbers(tmp_path: Path) -> None:
    """Of each age there are fewer than the floor, of each band there are not; and an age is not to leave."""
    table = people()
    table = table.filter(pc.is_in(table.column("sex"), pa.array(["f", "m"])))
    pq.write_table(table, tmp_path / "people.parquet")
    case = case_of(tmp_path / "case", OWN["decision"])
    expected = in_memory(tmp_path, case)
    assert of_counts(load_case(case), as_in_spark(table, floor=30)) == expected


NARROW = 'features = ["town", "whole", "odd"]\n'
"""Columns that have few kinds of rows together."""


def few_kinds(rows: int = 60_000) -> pa.Table:
    """Of few kinds of rows, many of which are there once, and some hundreds of times."""
    table = people().select(["sex", "town", "whole", "y", "part", "d", "few"])
    own = [None if v == 0 else float("nan") if v == 1 else float(v) for v in np.arange(ROWS) % 3]
    table = table.append_column("odd", pa.array(own, pa.float64()))
    rng = np.random.default_rng(1)
    return table.take(pa.array((len(table) * rng.beta(1, 4, rows)).astype(int)))


@pytest.mark.parametrize("own", ["decision", "few scores"])
def test_few_kinds_of_rows_are_grouped_once_and_tell_the_rest(
    tmp_path: Path, own: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = few_kinds()
    pq.write_table(table, tmp_path / "people.parquet")
    case = case_of(tmp_path / "case", OWN[own], NARROW, '"sex"')
    expected = in_memory(tmp_path, case)
    memory = json.loads((tmp_path / "memory" / "evidence.json").read_bytes())["quality"]["duplicates"]
    source = as_in_spark(table)
    once: list[Any] = []

    class Once:
        """The frame, for one grouping of all rows."""

        def __init__(self, frame: Any) -> None:
            self.frame = frame

        def __getattr__(self, name: str) -> Any:
            if name not in ("collect_schema", "head"):
                once.append(name)
            return getattr(self.frame, name)

    assert of_counts(load_case(case), replace(source, frame=Once(source.frame))) == expected
    assert once.count("select") == 1, once
    monkeypatch.setattr(beside, "KINDS", 100)  # of a table that is hashed one part would be looked at
    seen = looked(load_case(case), source)
    assert (seen.how, seen.sample is not None and len(seen.sample)) == (narrow.HOW, beside.SAMPLE)
    kinds = seen.counted.result()[1]
    assert kinds is not None
    rows = memory["rows"]
    in_engine = (rows - int(kinds.kinds.sum()), rows - int(kinds.singles.sum()), kinds.part)
    assert in_engine == (memory["repeated"], memory["alike"], 1)


def test_a_sample_of_few_kinds_is_one_of_the_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each draw without replacement; over many seeds each kind has its share (chi-squared, SciPy)."""
    table = few_kinds(6000)
    pq.write_table(table, tmp_path / "people.parquet")
    case = load_case(case_of(tmp_path / "case", OWN["decision"], NARROW, '"sex"'))
    counts = count_and_look(case, as_in_spark(table), (), True)
    whole = counts.whole
    assert whole is not None
    columns = [c for c in whole.column_names if c != PEOPLE]
    rows = int(pc.sum(whole.column(PEOPLE)).as_py())
    every = narrow.drawn(whole, columns, 10**6, 0)
    once = added_up(every.append_column(PEOPLE, pa.array([1] * rows)), columns, [PEOPLE])
    assert once.to_pandas().equals(added_up(whole, columns, [PEOPLE]).to_pandas())
    drawn = pa.concat_tables([narrow.drawn(whole, columns, 300, seed) for seed in range(200)])
    assert drawn.num_rows == 200 * 300
    index = {repr(r): i for i, r in enumerate(whole.select(columns).to_pylist())}
    seen = np.bincount([index[repr(r)] for r in drawn.to_pylist()], minlength=len(whole))
    expected = whole.column(PEOPLE).to_numpy() / rows * len(drawn)
    common = expected >= 20
    f_obs, f_exp = np.append(seen[common], seen[~common].sum()), np.append(expected[common], expected[~common].sum())
    assert scipy.stats.chisquare(f_obs, f_exp).pvalue > 0.001
    first, again = (narrow.drawn(whole, columns, 300, 4).to_pandas() for _ in range(2))
    assert first.equals(again)


@pytest.mark.parametrize(
    "kind",
    [
        "floor",
        "no sample",
        "a small sample",
        "more kinds than drawn",
        "weights",
        "bands",
        "bands with a floor",
        "more kinds than expected",
        "other rows",
        "many columns",
    ],
)
def test_kinds_of_rows_are_fetched_only_where_they_may(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = few_kinds().append_column("age", pa.array(np.arange(60_000) % 80 * 1.0))
    table = table.append_column("w", pa.array(np.ones(60_000)))
    pq.write_table(table, tmp_path / "people.parquet")
    table = table.append_column("other", pa.array(np.arange(60_000.0)))
    more = NARROW if kind != "other rows" else 'features = ["other"]\n'
    more += 'weight = "w"\n' if kind == "weights" else ""
    bands = '"sex", "age"' if "bands" in kind else '"sex"'
    case = load_case(case_of(tmp_path / "case", OWN["few scores"], more, bands))
    floor = 5_000 if kind == "floor" else 5 if kind == "bands with a floor" else None
    drawn = {"no sample": 0, "a small sample": 10_000, "more kinds than drawn": 300}.get(kind)
    source = replace(as_in_spark(table, floor=floor), sample=drawn)
    if kind == "many columns":
        assert count_and_look(case, source, (), True).whole is not None
        monkeypatch.setattr(narrow, "WIDE", 5)
    if kind == "more kinds than drawn":
        monkeypatch.setattr(narrow.base, "PROBE", 100)
        monkeypatch.setattr(narrow, "_promising", lambda *_: True)
    if kind == "more kinds than expected":
        assert count_and_look(case, source, (), True).whole is not None
        monkeypatch.setattr(narrow, "FEW", 400)
        monkeypatch.setattr(narrow, "_promising", lambda *_: True)
    assert count_and_look(case, source, (), True).whole is None
    counts, kinds = looked(case, source).counted.result()
    assert counts is not None
    assert kinds is not None
    if kind == "floor":
        assert not counts.frame["sex"].isna().any()
        assert not kinds.frame["sex"].isna().any()
    if "bands" in kind:
        assert max(counts.frame["age"].nunique(), kinds.frame["age"].nunique()) <= 3
