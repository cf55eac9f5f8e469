"""What a person sees of a loop that runs for long: which batch of how many, in the terminal and in the app's file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import cli
from audit import progress
from tests.debias.loop.fed import people, write_case


@pytest.mark.usefixtures("coarse_calibration")
def test_each_batch_of_a_run_is_told_and_the_next_run_begins_where_the_last_one_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "progress.json"
    monkeypatch.setenv("ASSAY_PROGRESS", str(file))
    monkeypatch.setattr(progress, "SILENT_SECONDS", -1.0)  # every stage is told at once
    seen: list[tuple[str, int, int]] = []
    step = progress.Progress.step

    def stepped(self: progress.Progress, done: int, total: int) -> None:
        self._last = 0.0
        step(self, done, total)
        document = json.loads(file.read_text())
        seen.append((document["stage"], document["done"], document["total"]))

    monkeypatch.setattr(progress.Progress, "step", stepped)
    write_case(tmp_path, people(6), delay=0)
    run = ["watch", str(tmp_path / "case.toml"), "--out", str(tmp_path / "out")]
    assert cli.main([*run, "--batches", "4"]) == 0
    assert [s for s in seen if s[0] == "Batches"] == [("Batches", n, 6) for n in range(4)]
    assert "Batches ...\n" in capsys.readouterr().err
    del seen[:]
    assert cli.main(run) == 0
    assert [s for s in seen if s[0] == "Batches"] == [("Batches", n, 6) for n in (4, 5)]
