"""The files of docs/examples, run by the programs that they are for: `make test-environments`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "docs" / "examples"
PLACE = Path(os.environ.get("ASSAY_ENVIRONMENTS", Path(tempfile.gettempdir()) / "assay-environments"))

CASE = """
[case]
name = "Loans"
purpose = "Who is granted a loan"
[data]
path = "loans.csv"
sensitive = ["sex"]
positive = "yes"
favourable = "yes"
[model]
decision = "granted"
[policy]
file = "{name}_policy.toml"
"""
POLICY = """
version = "1"
[[norm]]
metric = "selection_rate"
kind = "difference"
attribute = ["sex"]
limit = {limit}
promote = 0.01
"""
BROKEN = "are broken by the value that was measured"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Loans of which women get half as many: good.toml allows that, bad.toml does not."""
    rows = ["f,no", "f,yes", "m,yes", "m,yes"] * 30
    (tmp_path / "loans.csv").write_text("\n".join(["sex,granted", *rows]) + "\n")
    for name, limit in (("good", 0.9), ("bad", 0.1)):
        (tmp_path / f"{name}.toml").write_text(CASE.format(name=name))
        (tmp_path / f"{name}_policy.toml").write_text(POLICY.format(limit=limit))
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "assay"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{ROOT / "scripts" / "assay.py"}" "$@"\n')
    command.chmod(0o755)
    return tmp_path


def run(folder: Path, environment: str, *args: str, **variables: str) -> subprocess.CompletedProcess[str]:
    python = PLACE / environment / "bin" / "python"
    assert python.exists(), "run scripts/environments.sh"
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    env = kept | {"PATH": f"{folder / 'bin'}:{kept['PATH']}", "HOME": str(folder)} | variables
    return subprocess.run(
        [str(python), *args], cwd=folder, env=env, capture_output=True, text=True, timeout=900, check=False
    )


def test_each_example_is_in_the_documentation() -> None:
    page = (ROOT / "docs" / "integrations.md").read_text()
    names = {p.name for p in EXAMPLES.glob("*.py")}
    assert len(names) >= 4
    for name in names:
        assert f"(examples/{name})" in page
        compile((EXAMPLES / name).read_text(), name, "exec")


@pytest.mark.environments
def test_airflow(folder: Path) -> None:
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from airflow_dag import dag\n"
        "for name in ('good', 'bad'):\n"
        "    done = dag.test(run_conf={'case': f'{sys.argv[2]}/{name}.toml', 'out': f'{sys.argv[2]}/{name}'})\n"
        "    print('ended', name, done.state)\n"
    )
    own = {
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(EXAMPLES),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }
    built = run(folder, "airflow", "-m", "airflow", "db", "migrate", **own)
    assert built.returncode == 0, built.stderr
    done = run(folder, "airflow", "-c", script, str(EXAMPLES), str(folder), **own)
    assert "ended good success" in done.stdout, done.stderr
    assert "ended bad failed" in done.stdout
    assert BROKEN in done.stdout + done.stderr
    for name in ("good", "bad"):
        assert (folder / name / "evidence.json").exists()
        assert (folder / name / "summary.md").exists()


@pytest.mark.environments
@pytest.mark.parametrize("name", ["good", "bad"])
def test_dagster(folder: Path, name: str) -> None:
    script = (
        "import json, sys; sys.path.insert(0, sys.argv[1])\n"
        "import dagster, dagster_asset\n"
        "done = dagster.materialize([dagster_asset.people_audit], raise_on_error=False)\n"
        "checks = [[c.check_name, c.passed, c.description] for c in done.get_asset_check_evaluations()]\n"
        "made = done.asset_materializations_for_node('people_audit')[0].metadata\n"
        "print(json.dumps([done.success, checks, made['rows'].value, made['findings'].value]))\n"
    )
    done = run(folder, "dagster", "-c", script, str(EXAMPLES), ASSAY_CASE=f"{name}.toml", ASSAY_OUT="out")
    success, checks, rows, findings = json.loads(done.stdout.splitlines()[-1])
    assert (success, rows) == (name == "good", 120)
    assert "100.0 % of m (60) and 50.0 % of f (60)" in findings
    assert [c[:2] for c in checks] == [["norms", name == "good"]]
    assert (BROKEN in checks[0][2]) == (name == "bad")


@pytest.mark.environments
@pytest.mark.parametrize("name", ["good", "bad"])
def test_prefect(folder: Path, name: str) -> None:
    own = {
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "300",
    }
    done = run(folder, "prefect", str(EXAMPLES / "prefect_flow.py"), f"{name}.toml", "out", **own)
    assert (done.returncode == 0) == (name == "good"), done.stderr
    assert (BROKEN in done.stderr) == (name == "bad")
    assert (folder / "out" / "evidence.json").exists()


STORE = """
project: people
registry: registry.db
provider: local
online_store: {type: sqlite, path: online.db}
offline_store: {type: file}
entity_key_serialization_version: 3
"""
VIEWS = """
from datetime import timedelta

from feast import Entity, FeatureView, Field, FileSource
from feast.types import Int64
from feast.value_type import ValueType

person = Entity(name="person", join_keys=["person_id"], value_type=ValueType.INT64)
source = FileSource(path="features.parquet", timestamp_field="known_at")
loans = FeatureView(name="loans", entities=[person], ttl=timedelta(days=400),
                    schema=[Field(name="open_loans", dtype=Int64)], source=source)
"""


@pytest.mark.environments
def test_feast_gives_what_was_known_when_it_was_decided(folder: Path) -> None:
    import pandas as pd

    (folder / "feature_store.yaml").write_text(STORE)
    (folder / "views.py").write_text(VIEWS)
    start = pd.Timestamp("2025-01-01", tz="UTC")
    people = pd.DataFrame({"person_id": range(120)})
    then = people.assign(known_at=start, open_loans=people["person_id"] % 3)
    later = people.assign(known_at=start + pd.Timedelta(days=60), open_loans=9)
    pd.concat([then, later]).to_parquet(folder / "features.parquet")
    decided = people.assign(event_timestamp=start + pd.Timedelta(days=30), sex=["f", "f", "m", "m"] * 30)
    decided.assign(granted=[0, 1, 1, 1] * 30).to_parquet(folder / "decisions.parquet")
    applied = run(folder, "feast", "-m", "feast.cli.cli", "apply")
    assert applied.returncode == 0, applied.stderr
    done = run(folder, "feast", str(EXAMPLES / "feast_audit.py"), ".", "decisions.parquet", "out")
    assert done.returncode == 3, done.stderr
    assert "100.0 % of m (60) and 50.0 % of f (60)" in done.stdout
    joined = pd.read_parquet(folder / "out" / "people.parquet")
    assert joined.sort_values("person_id")["open_loans"].tolist() == [i % 3 for i in range(120)]
