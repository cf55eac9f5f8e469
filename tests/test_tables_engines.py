"""Who counts the rows: a row that is added may be named in a case, counts, is named in notes, and stands in docs."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

import cli
from audit.engines import DUCKDB, ENGINES, Engine
from audit.large import in_duckdb
from scripts import tables
from tests.reports import kit

ROOT = Path(__file__).resolve().parents[1]


def counted_elsewhere(*inputs: Any) -> Any:
    """As DuckDB counts, under its own name."""
    return in_duckdb(*inputs)


ROW = Engine("elsewhere", "Elsewhere", "tables that are far", "counts", f"{__name__}:counted_elsewhere", own_rules=True)


def test_an_engine_added_counts_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kit.audited(tmp_path)
    case = tmp_path / "case.toml"
    case.write_text(case.read_text().replace("[model]", 'engine = "elsewhere"\n[model]'))
    asked = ["audit", str(case), "--out", str(tmp_path / "again"), "--draws", "200"]
    assert cli.main(asked) == 2
    assert f"one of {', '.join(ENGINES)}" in capsys.readouterr().err
    monkeypatch.setitem(ENGINES, ROW.name, ROW)
    assert cli.main(asked) == 0
    evidence = json.loads((tmp_path / "again" / "evidence.json").read_bytes())
    assert evidence["data"]["engine"] == "elsewhere"
    assert "The rows were counted by Elsewhere, and stayed there." in evidence["notes"]
    assert (tmp_path / "again" / "cube.json").read_bytes() == (tmp_path / "run" / "cube.json").read_bytes()
    text = (tables.DOCS / "scale.md").read_text(encoding="utf-8")
    assert '| `"elsewhere"` | tables that are far | counts |' in tables.written(text, "engines")


@pytest.mark.parametrize("name", [n for n, row in ENGINES.items() if row.counts])
def test_every_engine_has_what_counts(name: str) -> None:
    assert callable(ENGINES[name].counting())


def test_what_needs_a_reader_of_our_own_is_refused_of_an_engine_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its row says so, and nothing else."""
    kit.audited(tmp_path)
    rows = (tmp_path / "rows.csv").read_text().splitlines()
    (tmp_path / "rows.csv").write_text(
        "\n".join([f"{rows[0]},who", *(f"{r},{i // 2}" for i, r in enumerate(rows[1:]))])
    )
    case = tmp_path / "case.toml"
    case.write_text(case.read_text().replace("[model]", 'cluster = "who"\nengine = "duckdb"\n[model]'))
    asked = ["audit", str(case), "--out", str(tmp_path / "run"), "--draws", "20"]
    assert cli.main(asked) == 0
    row = ENGINES[DUCKDB]
    monkeypatch.setitem(ENGINES, DUCKDB, Engine(row.name, row.title, row.purpose, row.back, row.counts))
    capsys.readouterr()
    assert cli.main(asked) == 2
    assert "`cluster` cannot be used with engine = 'duckdb'" in capsys.readouterr().err


def test_engines_are_named_in_their_table_alone() -> None:
    """Elsewhere its constants are imported; DuckDB's is also the name of its driver."""
    seen: dict[str, set[str]] = {}
    for path in (p for room in ("audit", "debias", "reports", "screens", "assay") for p in (ROOT / room).rglob("*.py")):
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        words = {n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)}
        if here := words & {"duckdb", "spark"}:
            seen[path.relative_to(ROOT).as_posix()] = here
    assert seen.pop("audit/engines.py") == {"duckdb", "spark"}
    assert seen == {
        "assay/_spark.py": {"spark"},
        "audit/load/cases.py": {"duckdb"},
        "audit/load/engines.py": {"spark"},
        "debias/loop/pulled.py": {"duckdb"},
    }
