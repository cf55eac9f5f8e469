"""The one expression on frames of other engines: pandas, Arrow and DuckDB here, Spark in test_spark.py.

The cube is that of the rows in memory, with all that a column can hold.
"""

from __future__ import annotations

import datetime as dt
import decimal
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import narwhals as nw
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import cli
from audit import engines
from audit.classes.code import classes_of
from audit.code import code_rows
from audit.cube import Cube, cube_of
from audit.decide import decide
from audit.errors import AssayError
from audit.load import load_case, load_rows
from audit.load.engines import FRAME
from audit.scale import kinds as kinds_module
from audit.scale.frames import Held, count_held

ENGINES: dict[str, Callable[[pa.Table], Any]] = {
    "pandas": lambda t: t.to_pandas(),
    "arrow": lambda t: t,
    "lazy": lambda t: nw.from_native(t.to_pandas()).lazy().to_native(),
    "duckdb": lambda t: duckdb.sql("SELECT * FROM t"),
}
UTC = dt.UTC


def at(year: int, hour: int = 0, zone: dt.timezone | None = None) -> dt.datetime:
    return dt.datetime(year, 1, 1, hour, tzinfo=zone)


TRAPS: dict[str, pa.Array] = {
    "texts like numbers": pa.array(["1", "1.0", "01", "1e0"]),
    "numbers that are written in many ways": pa.array([1e7, 1e-05, 2.0, -0.0]),
    "zero and minus zero": pa.array([0.0, -0.0, 1.0, 2.0]),
    "not a number and nothing": pa.array([float("nan"), None, 1.5, 2.5]),
    "whole numbers": pa.array([1, 2, 3, None], pa.int8()),
    "narrow floats": pa.array([0.1, 0.2, 0.3, None], pa.float32()),
    "truth": pa.array([True, False, None, True]),
    "decimals": pa.array([decimal.Decimal(x) for x in ("1.10", "2.00", "3.25", "4.00")], pa.decimal128(9, 2)),
    "dates": pa.array([dt.date(2020, 1, 1), dt.date(1969, 12, 31), None, dt.date(2020, 1, 2)]),
    "times of day": pa.array([at(2020), at(2020, 12), None, at(1960)]),
    "times in a zone": pa.array([at(2020, 0, UTC), at(2020, 13, UTC), None, None], pa.timestamp("us", tz="UTC")),
    "missing words": pa.array(["nan", "", "N/A", "null"]),
    "marks": pa.array(["it's", 'say "x"', "a\x1fb", "%s {0} \\n"]),
    "letters in two writings": pa.array(["\u00e9", "e\u0301", "E", "e"]),
    "blanks": pa.array([" a", "a", "a ", "A"]),
}  # fmt: skip
ROWS = 160
FEW_EDGES = "bins = { age = [25, 40, 60] }\n"


def table_of(trap: pa.Array, seed: int = 0) -> pa.Table:
    """People whose groups have the values of a trap, in a column whose name is two words."""
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 80, ROWS).astype(float)
    age[:9] = np.nan
    few, many = rng.integers(0, 101, ROWS) / 100, np.append(rng.beta(2, 3, ROWS - 1), 0.5)
    return pa.table(
        {
            "decision": rng.choice(["no", "yes"], ROWS),
            "Decision": rng.choice(["yes", "no"], ROWS),
            "group of": trap.take(pa.array(np.arange(ROWS) % len(trap))),
            "age": pa.array(age, from_pandas=True),
            "y": pa.array(rng.choice(np.array(["yes", "no", None], dtype=object), ROWS)),
            "few": few,
            "many": many,
            "w": rng.exponential(100, ROWS),
            "split": rng.choice([1.0, 2.0], ROWS),
        }
    )


def case_text(path: str, own: str, more: str = "", sensitive: str = '"group of", "age"') -> str:
    return (
        f'[case]\nname = "t"\npurpose = "p"\n[data]\n{path}\nlabel = "y"\npositive = "yes"\nfavourable = "yes"\n'
        f"sensitive = [{sensitive}]\n{FEW_EDGES}{more}\n[model]\n{own}\n"
    )


def placed(folder: Path, table: pa.Table, own: str, more: str = "") -> Path:
    """The table as a file, and its case."""
    pq.write_table(table, folder / "people.parquet")
    (folder / "case.toml").write_text(case_text('path = "people.parquet"', own, more))
    return folder / "case.toml"


def held(table: pa.Table, engine: str, floor: int | None = None) -> Held:
    columns = tuple(table.column_names)
    frame = nw.from_native(ENGINES[engine](table.rename_columns([f"c{i}" for i in range(len(columns))])))
    return Held(frame, columns, engine if engine == engines.DUCKDB else engines.SPARK, "people", floor)


def in_memory(case_file: Path) -> Cube:
    case = load_case(case_file)
    rows = load_rows(case)
    frame = rows.frame[rows.audit]
    classes = classes_of(case, rows.frame) if case.model.is_asked else ()
    return cube_of(code_rows(case, frame, decide(case, frame, rows.features, classes=classes)[0]))


def same(a: Cube, b: Cube) -> None:
    assert (a.attributes, a.levels, a.meaning, a.weighted) == (b.attributes, b.levels, b.meaning, b.weighted)
    np.testing.assert_array_equal(a.n, b.n)
    np.testing.assert_allclose(a.w, b.w, rtol=1e-12)
    np.testing.assert_allclose(a.w2, b.w2, rtol=1e-12)
    if a.scores is not None and b.scores is not None and a.scores.exact:
        np.testing.assert_array_equal(a.scores.at, b.scores.at)
        np.testing.assert_array_equal(a.scores.n, b.scores.n)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("trap", TRAPS)
def test_what_a_column_can_hold_is_counted_alike(tmp_path: Path, engine: str, trap: str) -> None:
    table = table_of(TRAPS[trap])
    case = placed(tmp_path, table, 'decision = "Decision"')
    same(cube_of(count_held(load_case(case), held(table, engine)).coded), in_memory(case))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("own", ['decision = "decision"', 'score = "few"', 'score = "many"\nthreshold = 0.4'])
def test_weights_scores_and_a_split_are_counted_alike(tmp_path: Path, engine: str, own: str) -> None:
    table = table_of(TRAPS["truth"])
    case = placed(tmp_path, table, own, 'weight = "w"\nsplit = "split"\naudit = "2"\n')
    result = count_held(load_case(case), held(table, engine))
    same(cube_of(result.coded), in_memory(case))
    assert (result.rows, result.people) == (ROWS, sum(table["split"].to_numpy() == 2))


@pytest.mark.parametrize("engine", ["arrow", "duckdb"])
@pytest.mark.parametrize("shift", [0.0, -0.4, 1e9])
def test_many_scores_come_back_in_bins_that_hold_who_they_should(tmp_path: Path, engine: str, shift: float) -> None:
    """Every row lies in its bin, whatever one far score does to the range; a bin holds a thousandth, or one score."""
    rng = np.random.default_rng(1)
    n = 6000
    score = rng.beta(2, 3, n) + min(shift, 0.0)
    score[:100] = 0.25
    score[100] += max(shift, 0.0)
    sex = rng.choice(["f", "m"], n)
    table = pa.table({"s": score, "sex": sex, "y": rng.choice(["yes", "no"], n)})
    pq.write_table(table, tmp_path / "people.parquet")
    (tmp_path / "case.toml").write_text(
        '[case]\nname = "t"\npurpose = "p"\n[data]\npath = "people.parquet"\nlabel = "y"\npositive = "yes"\n'
        'sensitive = ["sex"]\n[model]\nscore = "s"\nthreshold = 0.3\n'
    )
    cube = cube_of(count_held(load_case(tmp_path / "case.toml"), held(table, engine)).coded)
    assert cube.scores is not None
    at, top = cube.scores.at, cube.scores.top
    place = np.searchsorted(at, score, side="right") - 1
    assert (score <= top[place]).all()
    for g, name in enumerate(cube.levels[0]):
        expected = np.bincount(place[sex == name], minlength=len(at))
        np.testing.assert_array_equal(cube.scores.n[g].sum(axis=0), expected)
    counts = np.bincount(place, minlength=len(at))
    assert counts[top > at].max() <= 3 * n / 1000 + 1
    assert counts.max() == 100
    np.testing.assert_array_equal(
        cube.n.sum(axis=(1,)), [np.bincount(score[sex == s] >= 0.3, minlength=2) for s in "fm"]
    )


def test_small_combinations_stay_where_they_are(tmp_path: Path) -> None:
    """And nothing that is left says how many they were."""
    sex = ["f"] * 30 + ["m"] * 30 + ["d"] * 4
    table = pa.table({"sex": sex, "d": ["yes", "no"] * 32})
    pq.write_table(table, tmp_path / "people.parquet")
    (tmp_path / "case.toml").write_text(
        '[case]\nname = "t"\npurpose = "p"\n[data]\npath = "people.parquet"\npositive = "yes"\nsensitive = ["sex"]\n'
        '[model]\ndecision = "d"\n'
    )
    for engine in ENGINES:
        result = count_held(load_case(tmp_path / "case.toml"), held(table, engine, floor=10))
        assert result.coded.levels == (("f", "m"),)
        assert (result.rows, result.people) == (60, 60)
        assert any("fewer than 10 rows" in n and "4" not in n for n in result.notes)
    with pytest.raises(AssayError, match="no combination with 100 rows"):
        count_held(load_case(tmp_path / "case.toml"), held(table, "duckdb", floor=100))


def test_a_floor_is_of_measured_rows(tmp_path: Path) -> None:
    """Those of the part that is not measured are no company for a few."""
    sex = ["f"] * 60 + ["m"] * 60 + ["d"] * 60
    part = ["measure", "learn"] * 60 + ["measure"] * 4 + ["learn"] * 56
    table = pa.table({"sex": sex, "d": ["yes", "no", "no"] * 60, "part": part})
    pq.write_table(table, tmp_path / "people.parquet")
    (tmp_path / "case.toml").write_text(
        '[case]\nname = "t"\npurpose = "p"\n[data]\npath = "people.parquet"\npositive = "yes"\nsensitive = ["sex"]\n'
        'split = "part"\naudit = "measure"\ntrain = "learn"\n[model]\ndecision = "d"\n'
    )
    for engine in ENGINES:
        cube = cube_of(count_held(load_case(tmp_path / "case.toml"), held(table, engine, floor=10)).coded)
        assert cube.n.sum() == 60


def test_one_scan_and_one_count_and_only_its_columns(tmp_path: Path) -> None:
    """DuckDB's plan, and Spark's as test_spark.py holds it: rows are counted where they are read."""
    pq.write_table(table_of(TRAPS["truth"]), tmp_path / "t.parquet")
    path = tmp_path / "t.parquet"
    relation = duckdb.sql(f"SELECT decision AS c0, y AS c1, w AS c2 FROM read_parquet('{path}')")
    plans = []
    kept = kinds_module.arrow

    def look(frame: Any) -> pa.Table:
        plans.append(frame.to_native().explain())
        return kept(frame)

    kinds_module.arrow = look
    try:
        kinds_module.kinds(nw.from_native(relation), ["c0", "c1"], most=10)
    finally:
        kinds_module.arrow = kept
    assert plans[0].lower().count("group by") == 1
    assert plans[0].count("READ_PARQUET") == 1
    assert "few" not in plans[0]
    recorded = (Path(__file__).parent / "spark_plan.txt").read_text().split()
    assert recorded[1:] == ["HashAggregate", "HashAggregate", "Project", "FileScan"]


def test_the_case_says_which_engine_counts(tmp_path: Path) -> None:
    table = table_of(TRAPS["blanks"])
    bytes_of = set()
    for engine in ("memory", "duckdb"):
        case = placed(tmp_path, table, 'score = "few"', f'engine = "{engine}"\n')
        assert cli.main(["audit", str(case), "--out", str(tmp_path / engine)]) == 0
        assert f'"engine": "{engine}"' in (tmp_path / engine / "evidence.json").read_text()
        bytes_of.add((tmp_path / engine / "cube.json").read_bytes())
    assert len(bytes_of) == 1


SPARK = 'engine = "spark"\n'
REFUSED = {
    "no pyspark": ('path = "people.parquet"', SPARK, 'decision = "decision"', "needs pyspark"),
    "a model of its own environment": ('path = "people.parquet"', SPARK, 'path = "m.pkl"\npython = "python3"\n'
                                       'load = "joblib"', "a model that is asked"),
    "small groups kept and rows drawn": ('table = "t"', SPARK + "spark = { floor = 5, sample = 9 }\n",
                                         'decision = "decision"', "lets single rows out"),
    "an endpoint": ('path = "people.parquet"', SPARK, 'endpoint = { url = "https://h/v2/models/m", protocol = "oip" }',
                    "a model that is asked"),
    "people in several rows": ('path = "people.parquet"', SPARK + 'cluster = "few"\n', 'decision = "decision"',
                               "`cluster` cannot be used"),
    "csv": ('path = "people.csv"', SPARK, 'decision = "decision"', "CSV of any size is counted by DuckDB"),
    "both": ('path = "people.parquet"\ntable = "t"', SPARK, 'decision = "decision"', "a path and a table"),
    "neither": ("", SPARK, 'decision = "decision"', "neither `path` nor `table`"),
    "table without engine": ('table = "t"', "", 'decision = "decision"', 'is for engine = "spark"'),
    "two clusters": ('table = "t"', SPARK + 'spark = { remote = "sc://a", master = "l" }\n', 'decision = "decision"',
                     "names two clusters"),
    "address without format": ('path = "s3://b/t"', SPARK, 'decision = "decision"', "bring deleted rows back"),
    "delta as parquet": ('path = "delta"', SPARK + 'spark = { format = "parquet" }\n', 'decision = "decision"',
                         "is a table of delta"),
    "iceberg as parquet": ('path = "iceberg"', SPARK + 'spark = { format = "parquet" }\n', 'decision = "decision"',
                           "is a table of iceberg"),
    "an empty folder": ('path = "empty"', SPARK, 'decision = "decision"', "holds no Parquet file"),
    "floor": ('table = "t"', SPARK + "spark = { floor = 1 }\n", 'decision = "decision"', "from 2 on"),
    "unknown engine": ('path = "people.parquet"', 'engine = "dask"\n', 'decision = "decision"', "engine"),
    "a frame of a notebook": (f'table = "{FRAME}"', SPARK, 'decision = "decision"', "saveAsTable"),
    "duckdb and a model": ('path = "people.parquet"', 'engine = "duckdb"\n', 'path = "m.skops"', "that is asked"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_is_one_sentence(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, more, own, words = REFUSED[kind]
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)  # type: ignore[arg-type]
    table = table_of(TRAPS["truth"])
    pq.write_table(table, tmp_path / "people.parquet")
    (tmp_path / "people.csv").write_text("decision,y\nyes,yes\n")
    for folder in ("delta/_delta_log", "iceberg/metadata", "empty"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "iceberg/metadata/v1.metadata.json").write_text("{}")
    (tmp_path / "m.skops").write_bytes(b"PK")
    (tmp_path / "case.toml").write_text(case_text(path, own, more))
    assert cli.main(["audit", str(tmp_path / "case.toml"), "--out", str(tmp_path / "out")]) == 2
    errors = capsys.readouterr().err
    assert words in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "out" / "evidence.json").exists()


@pytest.mark.parametrize("command", ["check", "mitigate"])
def test_what_needs_rows_says_that_they_stay_in_spark(
    tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "case.toml").write_text(case_text('table = "people"', 'decision = "decision"', SPARK))
    arguments = [command, str(tmp_path / "case.toml")]
    assert (
        cli.main(arguments + ([] if command == "check" else ["--method", "reweighing", "--out", str(tmp_path / "o")]))
        == 2
    )
    assert "spark" in capsys.readouterr().err.lower()


def test_a_case_in_spark_is_written_as_it_was_read(tmp_path: Path) -> None:
    from audit.load import dump_case

    for path in ('table = "main.people"', 'path = "people"', 'path = "s3://bucket/people"'):
        more = SPARK + 'spark = { remote = "sc://host", floor = 10, format = "parquet" }\n'
        (tmp_path / "case.toml").write_text(case_text(path, 'decision = "decision"', more))
        case = load_case(tmp_path / "case.toml")
        dump_case(case, tmp_path / "again.toml")
        assert load_case(tmp_path / "again.toml").data == case.data


POLARS = """
import sys, tempfile
from pathlib import Path
import polars
from audit.cube import cube_of
from audit.load import load_case
from audit.scale.frames import count_held
from tests.audit.scale import test_frames as here

here.ENGINES["polars"] = polars.from_arrow
here.ENGINES["polars, lazy"] = lambda table: polars.from_arrow(table).lazy()
for trap, values in here.TRAPS.items():
    table = here.table_of(values)
    for own in ('decision = "Decision"', 'score = "few"'):
        case = here.placed(Path(tempfile.mkdtemp()), table, own, 'weight = "w"')
        for engine in ("polars", "polars, lazy"):
            here.same(cube_of(count_held(load_case(case), here.held(table, engine)).coded), here.in_memory(case))
print("equal")
"""


@pytest.mark.environments
def test_polars_counts_alike_too() -> None:
    """With the Polars that scripts/environments.sh puts beside Assay's own packages: every trap, eager and lazy."""
    place = Path(os.environ.get("ASSAY_ENVIRONMENTS", Path(tempfile.gettempdir()) / "assay-environments"))
    root = Path(__file__).resolve().parents[3]
    path = os.pathsep.join([str(root), str(place / "beside")])
    done = subprocess.run([sys.executable, "-c", POLARS], capture_output=True, text=True, cwd=root,
                          env={**os.environ, "PYTHONPATH": path}, timeout=600)  # fmt: skip
    assert done.stdout.strip() == "equal", done.stderr[-2000:]
