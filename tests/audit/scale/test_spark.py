"""Spark itself, with the pyspark that scripts/environments.sh puts beside Assay's own packages, and Java.

One process of Spark counts every case; what it found is held against the rows in memory.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import cli
from audit.load import sha256_of
from audit.scale.narrow import HOW
from tests.audit.scale import test_missing
from tests.audit.scale.test_frames import SPARK, TRAPS, case_text, in_memory, placed, table_of

pytestmark = pytest.mark.environments
ROOT = Path(__file__).resolve().parents[3]
PLACE = Path(os.environ.get("ASSAY_ENVIRONMENTS", Path(tempfile.gettempdir()) / "assay-environments"))
LOCAL = 'engine = "spark"\nspark = { master = "local[2]" }\n'
SCORES = {"few": 'score = "few"', "many": 'score = "many"\nthreshold = 0.4'}


def with_spark(*arguments: str, **changed: str) -> subprocess.CompletedProcess[str]:
    """A Python that has pyspark, as `make spark` would."""
    assert (PLACE / "spark" / "pyspark").is_dir(), "run scripts/environments.sh"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(PLACE / "spark")]), **changed}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env=environment, cwd=ROOT, timeout=1500
    )


def trained() -> pd.DataFrame:
    """Rows with a text, a number with holes, a group that the model reads, and an outcome of three values."""
    rng = np.random.default_rng(1)
    rows = 240
    frame = pd.DataFrame(
        {
            "group of": rng.choice(["a", "b", " "], rows),
            "age": rng.integers(18, 80, rows).astype(float),
            "x": rng.normal(size=rows),
            "town": rng.choice(["north", "south"], rows),
            "split": rng.choice([1.0, 2.0], rows),
        }
    )
    frame.loc[:9, "x"] = np.nan
    frame["y"] = np.where(frame.x.fillna(0) + rng.normal(size=rows) > 0, "yes", "no")
    frame["three"] = np.where(rng.random(rows) < 0.3, "later", frame["y"])
    return frame


NUMBERS = ["age", "x"]


def skops_of(folder: Path, label: str = "y") -> Path:
    import skops.io
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    frame, words = trained(), ["town", "group of"]
    encode = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), words), remainder="passthrough")
    model = make_pipeline(encode, HistGradientBoostingClassifier(max_iter=5, random_state=0))
    skops.io.dump(model.fit(frame[[*words, *NUMBERS]], frame[label]), folder / "m.skops")
    return folder / "m.skops"


def lightgbm_of(folder: Path) -> Path:
    import lightgbm

    frame = trained()
    model = lightgbm.LGBMClassifier(n_estimators=5, verbose=-1, n_jobs=1).fit(frame[NUMBERS], frame.y == "yes")
    model.booster_.save_model(folder / "m.txt")
    return folder / "m.txt"


def xgboost_of(folder: Path) -> Path:
    import xgboost

    frame = trained()
    xgboost.XGBClassifier(n_estimators=5, n_jobs=1).fit(frame[NUMBERS], frame.y == "yes").save_model(folder / "m.json")
    return folder / "m.json"


def onnx_of(folder: Path) -> Path:
    from audit.models.convert import convert

    convert(lightgbm_of(folder), None, folder / "m.onnx", trained(), NUMBERS)
    return folder / "m.onnx"


MODELS = {
    "skops": skops_of, "three": lambda folder: skops_of(folder, "three"), "lightgbm": lightgbm_of,
    "xgboost": xgboost_of, "onnx": onnx_of,
}  # fmt: skip


def model_case(folder: Path, model: Path, engine: str) -> Path:
    """A case of a model that reads a group, measured on one part of the rows."""
    trained().to_parquet(folder / "people.parquet")
    own = "three" if folder.name == "three" else "y"
    words = "" if model.suffix == ".skops" else 'classes = { 0 = "no", 1 = "yes" }\n'
    text = case_text('path = "people.parquet"', f'path = "{model.name}"\n{words}', engine)
    features = '["town", "group of", "age", "x"]' if model.suffix == ".skops" else '["age", "x"]'
    more = f'features = {features}\nsplit = "split"\naudit = "2"\ntrain = "1"\n[model]'
    (folder / "case.toml").write_text(text.replace('label = "y"', f'label = "{own}"').replace("[model]", more))
    return folder / "case.toml"


SEX, SEX_AND_AGE = '"sex"', '"sex", "age"'
FLOOR = 100
AUDITS = {
    **{name: (own, "", None) for name, own in test_missing.OWN.items()},
    "no sample": (test_missing.OWN["decision"], "spark = { sample = 0 }\n", None),
    "floor": (test_missing.OWN["decision"], f"spark = {{ floor = {FLOOR} }}\n", FLOOR),
}
"""Cases of a split, with rows without a decision in the part that is not measured."""
FEW = ("decision", "few scores")


def people() -> pa.Table:
    rng = np.random.default_rng(0)
    sex = rng.choice(["f", "m"], 300).tolist() + ["d"] * 9
    return pa.table({"sex": sex, "y": rng.choice(["yes", "no"], 309), "d": rng.choice(["yes", "no"], 309)})


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """What Spark found: each trap, weights with scores and a split, a folder of parts, and a frame of a notebook."""
    folder = tmp_path_factory.mktemp("spark")
    tables = {name: (table_of(trap), 'decision = "Decision"', "") for name, trap in TRAPS.items()}
    more = 'weight = "w"\nsplit = "split"\naudit = "2"\n'
    tables |= {name: (table_of(TRAPS["truth"]), own, more) for name, own in SCORES.items()}
    for name, (table, own, text) in tables.items():
        (folder / name).mkdir()
        placed(folder / name, table, own, SPARK + text)
    (folder / "parts" / "people").mkdir(parents=True)
    whole = table_of(TRAPS["blanks"])
    pq.write_table(whole[:50], folder / "parts" / "people" / "part-0.parquet")
    pq.write_table(whole[50:].select(whole.column_names[::-1]), folder / "parts" / "people" / "part-1.parquet")
    (folder / "parts" / "case.toml").write_text(case_text('path = "people"', 'decision = "Decision"', SPARK))
    (folder / "delta" / "people" / "_delta_log").mkdir(parents=True)
    (folder / "delta" / "case.toml").write_text(case_text('path = "people"', 'decision = "Decision"', SPARK))
    for name, make in MODELS.items():
        (folder / name).mkdir()
        model_case(folder / name, make(folder / name), SPARK)
    (folder / "audits").mkdir()
    pq.write_table(test_missing.people(), folder / "audits" / "people.parquet")
    for name, (own, more, _) in AUDITS.items():
        test_missing.case_of(folder / "audits" / name, own, SPARK + more, SEX if "floor" in more else SEX_AND_AGE)
    (folder / "narrow").mkdir()
    pq.write_table(test_missing.few_kinds(), folder / "narrow" / "people.parquet")
    for name in FEW:
        test_missing.case_of(folder / "narrow" / name, test_missing.OWN[name], SPARK + test_missing.NARROW, SEX)
    pq.write_table(people(), folder / "frame.parquet")
    done = with_spark(str(Path(__file__).parent / "in_spark.py"), str(folder))
    assert done.returncode == 0, done.stderr[-3000:]
    return folder, json.loads((folder / "found.json").read_text())


@pytest.mark.parametrize("name", [*TRAPS, *SCORES, *MODELS, "parts"])
def test_the_cube_is_that_of_the_rows(counted: tuple[Path, dict[str, Any]], name: str) -> None:
    folder, result = counted
    assert "error" not in result[name], result[name]
    text = (folder / name / "case.toml").read_text().replace(SPARK, "")
    memory = folder / name / "memory.toml"
    memory.write_text(text.replace('path = "people"', 'path = "people/*.parquet"'))
    expected = in_memory(memory)
    assert result[name]["levels"] == [list(v) for v in expected.levels]
    np.testing.assert_array_equal(result[name]["n"], expected.n)
    np.testing.assert_allclose(result[name]["w"], expected.w, rtol=1e-12)
    np.testing.assert_allclose(result[name]["w2"], expected.w2, rtol=1e-12)
    if name == "few" or name in MODELS:
        assert expected.scores is not None
        np.testing.assert_array_equal(result[name]["scores"][0], expected.scores.at)
        np.testing.assert_array_equal(result[name]["scores"][1], expected.scores.n)
    path = folder / name / ("people/*.parquet" if name == "parts" else "people.parquet")
    assert result[name]["sha256"] == sha256_of(path)
    assert result[name]["said"]["sha256_of"] == "the files"


@pytest.mark.parametrize("name", AUDITS)
def test_an_audit_in_spark_finds_the_missing_values_of_the_rows(
    counted: tuple[Path, dict[str, Any]], tmp_path: Path, name: str
) -> None:
    own, _, floor = AUDITS[name]
    table = test_missing.people()
    if floor is not None:
        sex, part = table["sex"].to_pandas(), table["part"].to_pandas()
        rows = sex[part == "measure"].value_counts()
        small = set(rows[rows < floor].index)
        assert small == {"nan", " "}, "groups by themselves until names are given here"
        table = table.filter(pa.array(~sex.isin(small)))
    pq.write_table(table, tmp_path / "people.parquet")
    case = test_missing.case_of(tmp_path / "case", own, "", SEX if floor is not None else SEX_AND_AGE)
    evidence = json.loads((counted[0] / "audits" / name / "spark" / "evidence.json").read_bytes())
    assert evidence["data"]["engine"] == "spark"
    assert evidence["quality"]["missing"] == test_missing.in_memory(tmp_path, case)


@pytest.mark.parametrize("name", FEW)
def test_of_few_kinds_of_rows_an_audit_in_spark_finds_what_memory_does(
    counted: tuple[Path, dict[str, Any]], tmp_path: Path, name: str
) -> None:
    table = test_missing.few_kinds()
    pq.write_table(table, tmp_path / "people.parquet")
    case = test_missing.case_of(tmp_path / "case", test_missing.OWN[name], test_missing.NARROW, SEX)
    evidence = json.loads((counted[0] / "narrow" / name / "spark" / "evidence.json").read_bytes())
    assert evidence["quality"]["missing"] == test_missing.in_memory(tmp_path, case)
    memory = json.loads((tmp_path / "memory" / "evidence.json").read_bytes())
    for key in ("rows", "repeated", "alike"):
        assert evidence["quality"]["duplicates"][key] == memory["quality"]["duplicates"][key] > 0
    assert evidence["quality"]["duplicates"]["sketch"] is None
    assert evidence["quality"]["proxies"]["drawn"]["rows"] == 40_000
    assert evidence["quality"]["proxies"]["drawn"]["how"] == HOW


def test_text_of_another_order_is_told_apart_by_its_letters(counted: tuple[Path, dict[str, Any]]) -> None:
    """As the rows themselves are: F and f are two groups, NAN and nan two words, one of which says missing."""
    letters = counted[1]["letters"]
    assert letters["groups"] == ["F", "f", "m"]
    assert letters["written"]["town"] == letters["nan"] > 0


def test_a_delta_table_is_not_read_as_plain_files(counted: tuple[Path, dict[str, Any]]) -> None:
    assert "has no Delta" in counted[1]["delta"]["error"]


def test_a_frame_of_a_notebook_gives_the_figures_of_its_rows(counted: tuple[Path, dict[str, Any]]) -> None:
    folder, result = counted
    assert result["notebook"] == {"equal": True, "gaps": True}
    assert not (folder / "notebook" / "data.parquet").exists()
    evidence = json.loads((folder / "notebook" / "evidence.json").read_bytes())
    assert evidence["data"]["engine"] == "spark"
    assert evidence["data"]["source"]["schema"] == "sex string, y string, d string"
    assert evidence["data"]["source"]["sha256_of"] == "what was counted"
    assert cli.main(["audit", str(folder / "notebook" / "case.toml"), "--out", str(folder / "again")]) == 2


def test_a_model_file_is_asked_about_a_frame_of_a_notebook(counted: tuple[Path, dict[str, Any]]) -> None:
    folder, result = counted
    assert result["asked"] == {"equal": True, "gaps": True}
    evidence = json.loads((folder / "asked" / "evidence.json").read_bytes())
    assert (evidence["data"]["engine"], evidence["model"]["format"]) == ("spark", "skops")
    assert "held for all 240 rows" in " ".join(evidence["notes"])


def test_small_groups_stay_in_the_cluster(counted: tuple[Path, dict[str, Any]]) -> None:
    assert counted[1]["floor"] == ["f", "m"]


def test_rows_are_counted_before_they_are_moved(counted: tuple[Path, dict[str, Any]]) -> None:
    """Spark's plan: each task counts its part, then the parts are added up; no Python runs on the rows."""
    recorded = (Path(__file__).parent / "spark_plan.txt").read_text().split()
    assert counted[1]["plan"] == recorded


def test_the_command_line_begins_and_ends_a_session_of_its_own(tmp_path: Path) -> None:
    table = table_of(TRAPS["blanks"])
    case = placed(tmp_path, table, 'score = "few"', LOCAL)
    command = ["-m", "cli", "audit", str(case), "--json", "--out", str(tmp_path / "spark")]
    done = with_spark(*command)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout)["data"]["engine"] == "spark"
    assert "Traceback" not in done.stderr
    assert "WARN" not in done.stderr
    memory = placed(tmp_path, table, 'score = "few"')
    assert cli.main(["audit", str(memory), "--out", str(tmp_path / "memory")]) == 0
    assert (tmp_path / "spark" / "cube.json").read_bytes() == (tmp_path / "memory" / "cube.json").read_bytes()


def test_a_model_is_asked_by_the_tasks_and_gives_the_cube_of_memory(tmp_path: Path) -> None:
    model = skops_of(tmp_path)
    case = model_case(tmp_path, model, LOCAL)
    done = with_spark("-m", "cli", "audit", str(case), "--json", "--out", str(tmp_path / "spark"))
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Warning" not in done.stderr
    model_case(tmp_path, model, "")
    assert cli.main(["audit", str(case), "--out", str(tmp_path / "memory")]) == 0
    assert (tmp_path / "spark" / "cube.json").read_bytes() == (tmp_path / "memory" / "cube.json").read_bytes()
    spark, memory = (json.loads((tmp_path / n / "evidence.json").read_bytes()) for n in ("spark", "memory"))
    same = ("sha256", "format", "estimator", "isolation", "threshold", "rule", "compared")
    assert {k: spark["model"][k] for k in same} == {k: memory["model"][k] for k in same}
    rows = memory["data"]["audited_rows"]
    assert f"held for all {rows} rows" in " ".join(spark["notes"])
    assert spark["quality"]["missing"] == memory["quality"]["missing"]
    assert spark["quality"]["proxies"] == memory["quality"]["proxies"]
    assert spark["slices"] == memory["slices"]
    assert spark["quality"]["duplicates"]["repeated"] == memory["quality"]["duplicates"]["repeated"]


def test_a_package_that_the_workers_lack_is_named(tmp_path: Path) -> None:
    case = model_case(tmp_path, lightgbm_of(tmp_path), LOCAL)
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    done = with_spark(
        "-m", "cli", "audit", str(case), "--out", str(tmp_path / "o"), PYSPARK_PYTHON=str(bare / "bin/python")
    )
    assert done.returncode == 2, done.stderr[-3000:]
    assert "a package is missing where Spark's workers run" in done.stderr
    assert "'pyarrow'" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_java_there_is_one_sentence(tmp_path: Path) -> None:
    case = placed(tmp_path, table_of(TRAPS["blanks"]), 'score = "few"', LOCAL)
    done = with_spark("-m", "cli", "audit", str(case), "--out", str(tmp_path / "o"), PATH="", JAVA_HOME="")
    assert done.returncode == 2
    assert "Spark needs Java" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_cluster_that_loses_a_worker_gives_the_same_cube(tmp_path: Path) -> None:
    done = with_spark("bench/spark.py", "--cluster", "--rows", "4000000", "--folder", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert "one was killed when" in done.stdout
