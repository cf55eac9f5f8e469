"""What the large path looks at beside the cube: missing values as in memory, repeated rows by a sketch, a sample."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import cli
from audit.scale import beside

ROWS = 2500


def people() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "sex": rng.choice(["f", "m", "nan", " "], ROWS, p=[0.45, 0.45, 0.05, 0.05]),
            "age": rng.integers(18, 80, ROWS).astype(float),
            "income": rng.normal(30, 10, ROWS).round(2),
            "town": rng.choice(["north", "south", "?", " "], ROWS, p=[0.4, 0.4, 0.1, 0.1]),
            "Town": rng.choice(["a", "b", None], ROWS),
            "hours": rng.normal(40, 5, ROWS),
            "y": rng.choice(["yes", "no", None], ROWS),
            "part": rng.choice(["learn", "measure"], ROWS, p=[0.2, 0.8]),
        }
    )
    frame.loc[frame.sex == "f", "income"] = frame.income.where(rng.random(ROWS) > 0.2)
    frame["d"] = np.where(frame.income.fillna(25) + rng.normal(0, 5, ROWS) > 30, "yes", "no")
    # One kind of row is a sixth of all: what is drawn by kinds has to see it, or to do without.
    frame = pd.concat([frame.iloc[[0] * 400], frame[400:]], ignore_index=True)
    frame.loc[:399, "part"] = "measure"
    return frame


def audited(folder: Path, kind: str, engine: str, frame: pd.DataFrame | None = None) -> dict[str, Any]:
    frame = people() if frame is None else frame
    if kind == "parquet":
        frame.to_parquet(folder / "people.parquet")
    else:
        frame.to_csv(folder / "people.csv", index=False)
    case = folder / f"{engine}.toml"
    case.write_text(
        f'[case]\nname = "c"\npurpose = "p"\n[data]\npath = "people.{kind}"\nengine = "{engine}"\nlabel = "y"\n'
        'positive = "yes"\nfavourable = "yes"\nsensitive = ["sex", "age"]\nbins = { age = [30, 60] }\n'
        'split = "part"\naudit = "measure"\ntrain = "learn"\n[model]\ndecision = "d"\n'
    )
    assert cli.main(["audit", str(case), "--out", str(folder / engine), "--draws", "50"]) == 0
    document: dict[str, Any] = json.loads((folder / engine / "evidence.json").read_bytes())
    return document


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_where_all_rows_are_drawn_it_is_what_memory_finds(tmp_path: Path, kind: str) -> None:
    large, memory = (audited(tmp_path, kind, engine) for engine in ("duckdb", "memory"))
    assert large["quality"]["missing"] == memory["quality"]["missing"]
    assert [g["column"] for g in large["quality"]["missing"]["gaps"]]
    for name in ("rows", "repeated", "alike"):
        assert large["quality"]["duplicates"][name] == memory["quality"]["duplicates"][name] > 0
    by_group = [[(r["group"], r["repeated"]) for r in e["quality"]["duplicates"]["by_group"]] for e in (large, memory)]
    assert by_group[0] == by_group[1]
    assert large["quality"]["proxies"] == memory["quality"]["proxies"]
    assert large["slices"] == memory["slices"]
    assert large["individual"]["neighbours"] == memory["individual"]["neighbours"]


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], dict[str, Any]]:
    """An audit that looks at a part of the kinds of rows and draws some rows, twice."""
    folder = tmp_path_factory.mktemp("sampled")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(beside, "KINDS", 200)
        patch.setattr(beside, "SAMPLE", 800)
        first = audited(folder, "parquet", "duckdb")
        second = audited(folder, "parquet", "duckdb")
    return folder / "duckdb", first, second


def test_a_sample_is_called_one_everywhere(
    sampled: tuple[Path, dict[str, Any], dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    run, evidence, again = sampled
    assert again == evidence, "the same rows are drawn again"
    of = evidence["data"]["audited_rows"]
    for entry in (evidence["quality"]["proxies"], evidence["slices"], evidence["individual"]["neighbours"]):
        assert (entry["drawn"]["rows"], entry["drawn"]["of_rows"]) == (800, of)
        assert entry.get("of_rows", entry.get("of_people")) == of
    # The standard error of a share of one half, of rows drawn without replacement.
    error = np.sqrt(0.25 / 800 * (1 - 800 / of))
    assert evidence["slices"]["drawn"]["within"] == pytest.approx(1.96 * error)
    apart = f"{100 * evidence['slices']['drawn']['within']:.1f}"
    words = f"From a sample of 800 of {of:,} rows: a share of all rows lies within {apart} points"
    assert sum(words in n for n in evidence["notes"]) == 1
    capsys.readouterr()
    for chapter in ("data", "further"):
        assert cli.main(["show", str(run), "--chapter", chapter]) == 0
        assert words in " ".join(capsys.readouterr().out.split()), chapter


def test_repeated_rows_lie_within_what_the_sketch_says(
    sampled: tuple[Path, dict[str, Any], dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    run, evidence, _ = sampled
    frame = people()
    mine = frame[frame.part == "measure"].drop(columns=["part", "d"])
    entry = evidence["quality"]["duplicates"]
    assert entry["rows"] == len(mine)
    assert "one part in 11" in entry["sketch"] or "one part in 10" in entry["sketch"]
    exact = int(mine.duplicated().sum())
    assert exact > 300
    # A third of the rows at most, seeded: within the interval, which is far from all.
    assert abs(entry["repeated"] - exact) <= entry["within"] < len(mine) / 4
    capsys.readouterr()
    assert cli.main(["show", str(run), "--chapter", "data"]) == 0
    output = " ".join(capsys.readouterr().out.split())
    assert f"(an estimate by a sketch, within {entry['within']:,} rows, 95 %)" in output
    assert missing_is_exact(evidence, mine)


def missing_is_exact(evidence: dict[str, Any], mine: pd.DataFrame) -> bool:
    mapping = {c["column"]: c for c in evidence["quality"]["missing"]["columns"]}
    return bool(
        mapping["income"]["missing"] == mine.income.isna().sum()
        and mapping["Town"]["missing"] == mine.Town.isna().sum()
        and mapping["town"]["written"] == mine.town.isin(["?", " "]).sum()
    )


def test_the_sketch_holds_what_it_promises_over_many_tables() -> None:
    """95 % intervals of the number of kinds, of tables in which one kind is most of the rows; binomial, 200 tables."""
    import duckdb

    part, hits = 20, 0
    for seed in range(200):
        own = np.random.default_rng(seed).integers(0, 4_000, 3_000) + 10_000 * seed
        values = np.concatenate([own, np.full(7_000, own[0])])
        table = duckdb.from_arrow(pa.table({"v": values}))
        seen = table.filter(f"CAST(hash(v) >> 1 AS BIGINT) % {part} = 0").aggregate("count(DISTINCT v)")
        kinds = int(seen.fetchall()[0][0])
        from audit.large import _within

        hits += abs(part * kinds - len(np.unique(values))) <= _within(kinds, part)
    # Of 200 at 95 %, fewer than 180 has a chance of .0006.
    assert hits >= 180


@pytest.mark.parametrize("names", [("people", "k", "h"), ("m0", "w0", "s"), ("n", "c1", "c0")])
def test_a_column_may_have_the_name_of_a_sum_and_zeros_in_front(tmp_path: Path, names: tuple[str, ...]) -> None:
    rng = np.random.default_rng(1)
    frame = people()[["income", "hours", "y", "d"]]
    for name, values in zip(names, (["01", "1", "02"], ["p", "q"], ["x", "z"]), strict=True):
        frame[name] = rng.choice(values, len(frame))
    frame.to_csv(tmp_path / "people.csv", index=False)
    seen = {}
    for engine in ("duckdb", "memory"):
        case = tmp_path / f"{engine}.toml"
        case.write_text(
            f'[case]\nname = "c"\npurpose = "p"\n[data]\npath = "people.csv"\nengine = "{engine}"\nlabel = "y"\n'
            f'positive = "yes"\nfavourable = "yes"\nsensitive = {list(names)}\n[model]\ndecision = "d"\n'
        )
        assert cli.main(["audit", str(case), "--out", str(tmp_path / engine), "--draws", "50"]) == 0
        seen[engine] = json.loads((tmp_path / engine / "evidence.json").read_bytes())
    large, memory = seen["duckdb"], seen["memory"]
    assert large["quality"]["missing"]["by_group"] == memory["quality"]["missing"]["by_group"]
    by_group = [[(r["group"], r["repeated"]) for r in e["quality"]["duplicates"]["by_group"]] for e in (large, memory)]
    assert by_group[0] == by_group[1]
    assert large["quality"]["proxies"] == memory["quality"]["proxies"]
    assert large["individual"]["neighbours"] == memory["individual"]["neighbours"]


@pytest.mark.parametrize(
    ("sample", "floor", "why"),
    [(0, None, "the case says that no row is drawn"), (40, 10, "where small groups stay in it")],
)
def test_no_row_is_drawn_where_none_may_leave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sample: int, floor: int | None, why: str
) -> None:
    """As the engine's place says: of Spark's own places tests/audit/scale/test_spark.py asks."""
    place = beside.Place

    def closed(source: Any, frame: Any, hashed: Any, _: Any, how: str, **more: Any) -> beside.Place:
        def drawn(*_: object) -> pa.Table:
            raise AssertionError("a row was drawn")

        return place(source, frame, hashed, drawn, how, sample, floor, **more)

    monkeypatch.setattr(beside, "Place", closed)
    result = audited(tmp_path, "parquet", "duckdb")
    assert why in json.dumps(result)
    assert not {"slices", "individual"} & set(result)


def test_a_floor_is_of_whole_groups_and_not_of_the_rows_that_were_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Groups of about a hundred, of whom eight are looked at: not all of their rows are said to be repeated, and who is
    in a combination under the floor is in no number."""
    place = beside.Place
    monkeypatch.setattr(beside, "Place", lambda *given, **more: place(*given[:5], None, 10, **more))
    monkeypatch.setattr(beside, "KINDS", 200)
    frame = people()
    frame["age"] = np.where(np.arange(len(frame)) < 8, 99.0, np.where(frame.age < 50, 20.0, 70.0))
    duplicates = audited(tmp_path, "parquet", "duckdb", frame)["quality"]["duplicates"]
    assert duplicates["sketch"] is not None
    measured = frame[(frame.part == "measure") & (frame.age < 99)]
    assert duplicates["rows"] == len(measured)
    few = [g for g in duplicates["by_group"] if g["attribute"] == ["sex"] and g["rows"] < 200]
    assert few
    assert all(group["repeated"] <= 2 * group["within"] < group["rows"] * 2 for group in few)
    assert all(group["repeated"] < group["rows"] for group in few)


def test_not_a_number_is_missing_in_every_engine(tmp_path: Path) -> None:
    frame = people()
    frame["hours"] = np.where(np.arange(len(frame)) % 3 == 0, np.nan, frame.hours)
    frame.loc[1, "income"] = np.inf  # is a value, if a strange one
    table = pa.Table.from_pandas(frame, preserve_index=False)
    for name in ("hours", "income"):
        at = table.column_names.index(name)
        table = table.set_column(at, name, pa.array(frame[name].to_numpy(), from_pandas=False))
        assert table.column(name).null_count == 0
    seen = {}
    for engine in ("duckdb", "memory"):
        audited(tmp_path, "parquet", engine)
        pq.write_table(table, tmp_path / "people.parquet")
        assert cli.main(["audit", str(tmp_path / f"{engine}.toml"), "--out", str(tmp_path / "n"), "--draws", "50"]) == 0
        seen[engine] = json.loads((tmp_path / "n" / "evidence.json").read_bytes())["quality"]["missing"]
    assert seen["duckdb"] == seen["memory"]
    assert "hours" in json.dumps(seen["memory"])
