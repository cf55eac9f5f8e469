"""What a person sees of `convert` through its door: every stage in its place, and no stage again.

Of `report` and `verify` tests/audit/test_funnel.py asks, of the others tests/test_progress.py.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import cli
from audit import progress
from tests.shared import ROOT, in_order, stages_told

SAID = re.compile(r"^(?P<stage>[^(\n]+?) \((?P<at>\d+) of (?P<of>\d+)\)[^\n]* \.\.\.$", re.MULTILINE)


def told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str]
) -> list[tuple[str, int, int]]:
    """(stage, its place, of how many) of each line that a person sees where nothing is short enough to be silent."""
    monkeypatch.setattr(progress, "SILENT_SECONDS", -1.0)
    seen = stages_told(monkeypatch)
    capsys.readouterr()
    assert cli.main(words) == 0
    # Only the stages' beginnings: what goes on for longer is told again (tests/test_progress.py).
    lines = [(m["stage"], int(m["at"]), int(m["of"])) for m in SAID.finditer(capsys.readouterr().err)]
    in_order(seen)
    return list(dict.fromkeys(lines))


def plan(command: str) -> list[tuple[str, int, int]]:
    stages = progress.PLANS[command]
    return [(stage, n, len(stages)) for n, stage in enumerate(stages, 1)]


def test_a_model_that_is_converted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model, data = (str(ROOT / "sample_data" / f"german_credit.{end}") for end in ("skops", "parquet"))
    words = ["convert", model, "--out", str(tmp_path / "m.onnx"), "--data", data]
    assert told(monkeypatch, capsys, words) == plan("convert")
