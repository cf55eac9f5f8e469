"""What DuckDB counts is what is counted in memory, on Parquet and CSV, with all that data can hold."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from audit.case import Case, DataSpec, ModelSpec
from audit.code import code_rows
from audit.cube import Cube, cube_of
from audit.decide import decide
from audit.errors import CaseError, DataError
from audit.gaps import Settings
from audit.load import load_policy, load_rows
from audit.run import run_audit
from audit.scale import source
from audit.scale.count import count
from audit.scale.source import is_large

pytestmark = pytest.mark.usefixtures("coarse_calibration")


def people(rows: int = 3000, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "sex": rng.choice(["Female", "Male", "nan", 'it\'s "x"'], rows, p=[0.4, 0.4, 0.1, 0.1]),
            "(n)": rng.choice([1, 2, 3], rows),
            "age": rng.integers(18, 80, rows).astype(float),
            "y": rng.choice(["yes", "no"], rows),
            "d": rng.choice(["yes", "no"], rows),
            "few": rng.integers(0, 101, rows) / 100,
            "many": rng.beta(2, 3, rows),
            "w": rng.exponential(100, rows),
            "split": rng.choice([1.0, 2.0], rows),
            "who": rng.integers(0, rows // 3, rows),
        }
    )
    frame["name"] = "p" + frame["who"].astype(str)
    frame.loc[:40, "sex"] = None
    frame.loc[30:60, "age"] = np.nan
    frame.loc[rng.random(rows) < 0.1, "y"] = None
    # On the edge of a bin, and on the threshold: the database has to put them where numpy does.
    frame.loc[100:199, "many"] = np.arange(100) / 1000 * 7
    frame.loc[200:220, "many"] = 0.5
    return frame


def case_of(folder: Path, kind: str, model: ModelSpec, frame: pd.DataFrame | None = None, **roles: object) -> Case:
    frame = people() if frame is None else frame
    path = folder / f"people.{kind}"
    if kind == "parquet":
        frame.astype({"sex": "category"}).to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep=";" if kind == "csv" else ",")
    data = DataSpec(path, "y", "yes", "yes", ("sex", "(n)", "age"), bins={"age": (25.0, 40.0, 60.0)})
    return Case("c", "p", replace(data, **roles), model, load_policy(None))  # type: ignore[arg-type]


def same(a: Cube, b: Cube) -> None:
    assert (a.attributes, a.levels, a.meaning, a.weighted) == (b.attributes, b.levels, b.meaning, b.weighted)
    np.testing.assert_array_equal(a.n, b.n)
    np.testing.assert_allclose(a.w, b.w, rtol=1e-12)
    np.testing.assert_allclose(a.w2, b.w2, rtol=1e-12)
    assert (a.clusters is None) == (b.clusters is None)
    if a.clusters is not None and b.clusters is not None:
        assert a.clusters.sets == b.clusters.sets
        for field in ("counts", "left", "right"):
            np.testing.assert_array_equal(getattr(a.clusters, field), getattr(b.clusters, field))
        np.testing.assert_allclose(a.clusters.products, b.clusters.products, rtol=1e-9)
    assert (a.scores is None) == (b.scores is None)
    if a.scores is not None and b.scores is not None:
        assert a.scores.exact == b.scores.exact
        np.testing.assert_array_equal(a.scores.at, b.scores.at)
        np.testing.assert_array_equal(a.scores.top, b.scores.top)
        np.testing.assert_array_equal(a.scores.n, b.scores.n)
        assert list(a.areas) == list(b.areas)
        for attribute, area in a.areas.items():
            np.testing.assert_allclose(area, b.areas[attribute], atol=1e-8)
        for field in ("w", "w2", "total") if a.scores.parts is None else ("w", "w2", "total", "parts"):
            np.testing.assert_allclose(getattr(a.scores, field), getattr(b.scores, field), rtol=1e-9, atol=1e-9)


MODELS = {
    "decision": ModelSpec("decision", column="d"),
    "few": ModelSpec("score", column="few"),
    "many": ModelSpec("score", column="many"),
}


ROLES: list[dict[str, str]] = [
    {}, {"cluster": "name"}, {"split": "split", "audit": "2"}, {"weight": "w", "cluster": "who"}
]  # fmt: skip
"""Each with each model in Parquet; text, which is only read otherwise, meets each of them and each model."""


@pytest.mark.parametrize(
    ("kind", "model", "roles"),
    [("parquet", model, roles) for model in MODELS for roles in ROLES]
    + [
        (kind, list(MODELS)[(i + n) % 3], roles)
        for n, kind in enumerate(("csv", "csv.gz"))
        for i, roles in enumerate(ROLES)
    ],
    ids=str,
)
def test_the_cube_is_that_of_the_rows(tmp_path: Path, kind: str, model: str, roles: dict[str, str]) -> None:
    case = case_of(tmp_path, kind, MODELS[model], **roles)
    rows = load_rows(case)
    frame = rows.frame[rows.audit]
    expected = cube_of(code_rows(case, frame, decide(case, frame, ())[0]))
    result = count(case)
    same(cube_of(result.coded), expected)
    assert (result.rows, result.people, result.sha256) == (len(rows.frame), len(frame), rows.sha256)
    assert result.columns == rows.columns
    assert result.notes == rows.notes


def test_scores_beyond_0_and_1_are_binned_alike(tmp_path: Path) -> None:
    frame = people()
    frame["many"] = (frame["many"] - 0.4) * 37
    case = case_of(tmp_path, "parquet", ModelSpec("score", column="many", threshold=0.25, threshold_given=True), frame)
    rows = load_rows(case)
    same(cube_of(count(case).coded), cube_of(code_rows(case, rows.frame, decide(case, rows.frame, ())[0])))


def test_every_figure_of_the_evidence_is_the_same_and_so_are_the_bytes_of_a_second_run(tmp_path: Path) -> None:
    case = case_of(tmp_path, "parquet", MODELS["few"])
    settings = Settings(draws=100, order=2)
    a = run_audit(case, tmp_path / "a", settings, large=False).evidence
    b = run_audit(case, tmp_path / "b", settings, large=True).evidence
    for key in ("rates", "gaps", "dataset", "counts", "family", "norms", "findings", "cube"):
        assert json.dumps(a[key]) == json.dumps(b[key]), key
    assert (a["data"]["engine"], b["data"]["engine"]) == ("memory", "duckdb")
    for model, roles in (("few", {}), ("many", {"cluster": "who"})):
        weighted = case_of(tmp_path, "parquet", MODELS[model], weight="w", sensitive=("sex", "(n)"), bins={}, **roles)
        run_audit(weighted, tmp_path / "c", settings, large=True)
        run_audit(weighted, tmp_path / "d", settings, large=True)
        assert (tmp_path / "c" / "evidence.json").read_bytes() == (tmp_path / "d" / "evidence.json").read_bytes()


def test_several_files_are_one_data_set(tmp_path: Path) -> None:
    frame = people()
    whole = case_of(tmp_path, "parquet", MODELS["few"], frame)
    for i, part in enumerate((frame[:1000], frame[1000:].iloc[:, ::-1])):
        part.to_parquet(tmp_path / f"part-{i}.parquet")
    parts = replace(whole, data=replace(whole.data, path=tmp_path / "part-*.parquet"))
    result = count(parts)
    same(cube_of(result.coded), cube_of(count(whole).coded))
    assert result.sha256 == load_rows(parts).sha256


def test_large_files_with_decisions_in_a_column_are_counted_by_the_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parquet = case_of(tmp_path, "parquet", MODELS["few"])
    csv = case_of(tmp_path, "csv", MODELS["few"])
    assert not is_large(parquet)
    assert not is_large(csv)
    monkeypatch.setattr(source, "LARGE_ROWS", 3000)
    assert is_large(parquet)
    assert is_large(csv)
    assert not is_large(replace(parquet, model=ModelSpec("path", path=tmp_path / "m.skops")))
    assert run_audit(parquet, tmp_path / "o", Settings(draws=50)).evidence["data"]["engine"] == "duckdb"
    (tmp_path / "people.csv").write_bytes("a;b\n1;\xe9\n".encode("cp1252") * 1000)
    assert not is_large(csv)


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "parquet"])
@pytest.mark.parametrize(("limit", "at"), [("LARGE_ROWS", 6000), ("LARGE_VALUES", 6000 * 11), ("LARGE_BYTES", 200_000)])
def test_a_file_is_large_by_rows_by_values_or_by_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, limit: str, at: int
) -> None:
    """A few bytes a row or many, packed or not: it goes by what reading it would take."""
    monkeypatch.setattr(source, "HEAD", 1 << 14)
    wide = people(6000, seed=1)
    narrow = case_of(tmp_path, kind, MODELS["few"], wide)
    for name in ("LARGE_ROWS", "LARGE_VALUES", "LARGE_BYTES"):
        monkeypatch.setattr(source, name, 10**12)
    assert not is_large(narrow)
    if kind == "parquet" and limit == "LARGE_BYTES":
        return
    monkeypatch.setattr(source, limit, int(at * 0.7))
    assert is_large(narrow)
    if limit != "LARGE_BYTES":
        monkeypatch.setattr(source, limit, int(at * 1.4))
        assert not is_large(narrow)


def test_a_packed_file_that_is_broken_is_refused_by_the_reader(tmp_path: Path) -> None:
    case = case_of(tmp_path, "csv", MODELS["few"])
    path = tmp_path / "broken.csv.gz"
    path.write_bytes(b"no gzip at all")
    with pytest.raises(DataError, match=r"broken\.csv\.gz"):
        run_audit(replace(case, data=replace(case.data, path=path)), tmp_path / "o")


@pytest.mark.parametrize("model", ["decision", "few", "many"])
def test_a_missing_decision_or_score_is_refused_with_its_count(tmp_path: Path, model: str) -> None:
    frame = people()
    frame.loc[5:11, str(MODELS[model].column)] = None
    case = case_of(tmp_path, "parquet", MODELS[model], frame)
    with pytest.raises(DataError, match="7 measured rows"):
        count(case)


@pytest.mark.parametrize("roles", [{"sensitive": ("sexx",)}, {"label": "age"}, {"positive": "Yes"}, {"weight": "few"}])
def test_what_the_reader_refuses_is_refused(tmp_path: Path, roles: dict) -> None:  # type: ignore[type-arg]
    frame = people()
    frame["few"] = frame["few"] - 0.5
    case = case_of(tmp_path, "parquet", MODELS["decision"], frame, **{"bins": {}, "sensitive": ("sex",), **roles})
    with pytest.raises((CaseError, DataError)) as mine:
        count(case)
    with pytest.raises(type(mine.value)) as theirs:
        load_rows(case)
    assert mine.value.problem == theirs.value.problem


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_a_broken_file_is_one_message(tmp_path: Path, kind: str) -> None:
    case = case_of(tmp_path, kind, MODELS["decision"])
    content = case.data.path.read_bytes()
    if kind == "csv":
        case.data.path.write_bytes(content + b"1;2;3;4;5;6;7;8;9;10;11;12\n" * 5)
    else:
        case.data.path.write_bytes(content[:-200])
    with pytest.raises(DataError):
        count(case)


def test_beyond_so_many_rows_an_area_is_exact_or_within_a_thousandth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of every group the printed interval's bins reach scikit-learn's area, and no bins move one by more than .001."""
    rng = np.random.default_rng(0)
    frame = people(12_000).assign(sex=rng.choice(["Female", "Male", "Few"], 12_000, p=[0.5, 0.49, 0.01]))
    frame["y"] = np.where(rng.random(12_000) < frame["many"], "yes", "no")
    # A group whose scores all lie in a handful of the bins, and a small one.
    frame.loc[frame["(n)"] == 2, "many"] = 0.4 + rng.random(int((frame["(n)"] == 2).sum())) / 2000
    frame.loc[frame["(n)"] == 3, "many"] = rng.random(int((frame["(n)"] == 3).sum()))
    case = case_of(tmp_path, "parquet", MODELS["many"], frame)
    monkeypatch.setattr(sys.modules["audit.scale.typed"], "AREA_ROWS", 1000)
    evidence = run_audit(case, tmp_path / "a", Settings(draws=50, order=2), large=True).evidence
    items = [r for r in evidence["rates"] if r["metric"] == "roc_auc" and r["value"] is not None]
    binned = [r for r in items if "for-bins" in r["interval"]]
    assert binned
    assert len(binned) < len(items)
    for r in items:
        mine = frame
        for name, value in zip(r["attribute"], r["group"], strict=True):
            mine = mine[mine[name].astype(str) == value] if name != "age" else mine[:0]
        if len(mine):
            near = 0.001 if r in binned else 1e-9
            assert abs(r["value"] - roc_auc_score(mine["y"] == "yes", mine["many"])) <= near
            assert float(r["interval"].split("-and-")[1].split("-")[0]) <= 0.001 if r in binned else True
