"""The notebooks of docs/ run from their first cell to their last, as a person would run them."""

from __future__ import annotations

import ast
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


def run(path: Path) -> dict[str, Any]:
    """Every code cell in one namespace; a last line that is an expression is shown as a notebook shows it."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in json.loads(path.read_text())["cells"]:
        if cell["cell_type"] != "code":
            continue
        tree = ast.parse("".join(cell["source"]))
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, path.name, "exec"), names)
        if isinstance(last, ast.Expr):
            shown = eval(compile(ast.Expression(last.value), path.name, "eval"), names)
            getattr(shown, "_repr_html_", lambda: "")()
    return names


def test_there_are_two() -> None:
    assert [p.stem for p in NOTEBOOKS] == ["mitigate", "quickstart"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_runs(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(ROOT / "sample_data" / "german_credit.parquet", tmp_path)
    monkeypatch.chdir(tmp_path)
    names = run(path)
    if path.stem == "quickstart":
        assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
        assert capsys.readouterr().out.strip().splitlines()[-1].startswith("intact and consistent")
    else:
        assert len(names["explained"].people()) == 1
        assert len(names["better"].changes())
