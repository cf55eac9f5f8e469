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


def test_a_model_that_is_converted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "SILENT_SECONDS", -1.0)
    seen = stages_told(monkeypatch)
    model, data = (str(ROOT / "sample_data" / f"german_credit.{end}") for end in ("skops", "parquet"))
    assert cli.main(["convert", model, "--out", str(tmp_path / "m.onnx"), "--data", data]) == 0
    in_order(seen)
    # What goes on for longer is told again: tests/test_progress.py.
    lines = dict.fromkeys((m["stage"], int(m["at"]), int(m["of"])) for m in SAID.finditer(capsys.readouterr().err))
    stages = progress.PLANS["convert"]
    assert list(lines) == [(stage, n, len(stages)) for n, stage in enumerate(stages, 1)]
