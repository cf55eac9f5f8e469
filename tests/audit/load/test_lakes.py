"""Tables of Delta Lake and Apache Iceberg: written by their own packages, read as the rows that are live."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import cli

ROOT = Path(__file__).resolve().parents[3]
PLACE = Path(os.environ.get("ASSAY_ENVIRONMENTS", Path(tempfile.gettempdir()) / "assay-environments")) / "lakes"
CASE = (
    '[case]\nname = "t"\npurpose = "p"\n[data]\npath = "{path}"\nlabel = "y"\npositive = "yes"\nfavourable = "yes"\n'
    'sensitive = ["sex"]\n{more}[model]\ndecision = "d"\n'
)


def people(rows: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    words = {"sex": ["f", "m"], "y": ["yes", "no"], "d": ["yes", "no"], "keep": ["a", "b"]}
    return pd.DataFrame({c: rng.choice(v, rows) for c, v in words.items()}).assign(x=rng.normal(size=rows))


def case_of(folder: Path, path: str, more: str = "") -> Path:
    case = folder / f"{path.replace('/', '-').replace('*', 'all')}.toml"
    case.write_text(CASE.format(path=path, more=more))
    return case


def bare(folder: Path, kind: str) -> Path:
    """What a table of this kind looks like, without a package that reads it."""
    inside = {"delta": "_delta_log/00000000000000000000.json", "iceberg": "metadata/v1.metadata.json"}[kind]
    (folder / "table" / inside).parent.mkdir(parents=True)
    (folder / "table" / inside).write_text("{}")
    (folder / "table" / "data").mkdir()
    people().to_parquet(folder / "table" / "data" / "part-0.parquet")
    return folder / "table"


@pytest.mark.parametrize("kind", ["delta", "iceberg"])
def test_without_its_package_one_sentence_says_what_to_install(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, {"delta": "deltalake", "iceberg": "pyiceberg"}[kind], None)
    bare(tmp_path, kind)
    assert cli.main(["audit", str(case_of(tmp_path, "table")), "--out", str(tmp_path / "out")]) == 2
    errors = capsys.readouterr().err
    assert "`make lakes`" in errors
    assert "Traceback" not in errors
    assert cli.main(["check", str(case_of(tmp_path, "table"))]) == 2
    assert "`make lakes`" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["delta", "iceberg"])
@pytest.mark.parametrize("path", ["table/data/*.parquet", "table/data/part-0.parquet", "table/**/*.parquet"])
def test_its_files_are_never_read_as_plain_ones(
    tmp_path: Path, kind: str, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    bare(tmp_path, kind)
    assert cli.main(["audit", str(case_of(tmp_path, path)), "--out", str(tmp_path / "out")]) == 2
    assert "name the folder: path = 'table'" in capsys.readouterr().err


def test_duckdb_does_not_count_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bare(tmp_path, "delta")
    case = case_of(tmp_path, "table", 'engine = "duckdb"\n')
    assert cli.main(["audit", str(case), "--out", str(tmp_path / "out")]) == 2
    assert "cannot be counted by DuckDB here" in capsys.readouterr().err


WRITE = """
import sys, pandas, pyarrow
folder, kind = sys.argv[1:]
frame = pandas.read_parquet(folder + "/people.parquet")
rows = pyarrow.Table.from_pandas(frame, preserve_index=False)
if kind == "delta":
    from deltalake import DeltaTable, write_deltalake
    write_deltalake(folder + "/delta", rows[:250], partition_by=["sex"])
    write_deltalake(folder + "/delta", rows[250:], mode="append")
    DeltaTable(folder + "/delta").delete("keep = 'a'")
else:
    from pyiceberg.catalog.sql import SqlCatalog
    catalog = SqlCatalog("c", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}")
    catalog.create_namespace("n")
    table = catalog.create_table("n.people", schema=rows.schema, location=f"file://{folder}/iceberg")
    table.append(rows[:250]); table.append(rows[250:]); table.delete("keep == 'a'")
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    assert PLACE.is_dir(), "run scripts/environments.sh"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(PLACE)])}
    return subprocess.run(
        [sys.executable, "-W", "ignore", *arguments], capture_output=True, text=True, env=environment, cwd=ROOT
    )


def audited(case: Path, out: Path) -> dict[str, Any]:
    done = run("-m", "cli", "audit", str(case), "--json", "--out", str(out))
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    document: dict[str, Any] = json.loads((out / "evidence.json").read_bytes())
    return document


@pytest.mark.environments
@pytest.mark.parametrize("kind", ["delta", "iceberg"])
def test_the_live_rows_of_a_real_table_are_audited(tmp_path: Path, kind: str) -> None:
    people().to_parquet(tmp_path / "people.parquet")
    written = run("-c", WRITE, str(tmp_path), kind)
    assert written.returncode == 0, written.stderr[-2000:]
    live = people()
    live = live[live.keep == "b"]
    assert sum(pq.read_metadata(f).num_rows for f in (tmp_path / kind).rglob("*.parquet")) > len(live)
    live.to_parquet(tmp_path / "live.parquet")
    result = audited(case_of(tmp_path, kind), tmp_path / "lake")
    plain = audited(case_of(tmp_path, "live.parquet"), tmp_path / "plain")
    assert (tmp_path / "lake" / "cube.json").read_bytes() == (tmp_path / "plain" / "cube.json").read_bytes()
    assert sorted(result["data"]["columns"]) == sorted(plain["data"]["columns"])
    assert result["data"]["source"]["format"] == kind
    assert result["data"]["source"]["version"] not in ("", "none")
    again = audited(case_of(tmp_path, kind), tmp_path / "lake2")
    assert again["data"] == result["data"]
    # A table that was moved names its old place, and one that names another place is not followed there.
    shutil.move(tmp_path / kind, tmp_path / "moved")
    done = run("-m", "cli", "audit", str(case_of(tmp_path, "moved")), "--out", str(tmp_path / "m"))
    if kind == "iceberg":
        assert done.returncode == 2
        assert "names files that are not in its own folder" in done.stderr
    else:
        assert done.returncode == 0, done.stderr[-2000:]
        log = tmp_path / "moved" / "_delta_log" / "00000000000000000002.json"
        (tmp_path / "elsewhere.parquet").write_bytes((tmp_path / "live.parquet").read_bytes())
        stolen = {"path": f"file://{tmp_path}/elsewhere.parquet", "partitionValues": {"sex": "f"}, "size": 1,
                  "modificationTime": 0, "dataChange": True}  # fmt: skip
        (log.parent / "00000000000000000003.json").write_text(json.dumps({"add": stolen}) + "\n")
        done = run("-m", "cli", "audit", str(case_of(tmp_path, "moved")), "--out", str(tmp_path / "m2"))
        assert done.returncode == 2, done.stderr[-2000:]
        assert "names files that are not in its own folder" in done.stderr
