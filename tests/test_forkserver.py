"""Processes that tests fork are what the product starts: children of ours, behind the same walls, their ends told."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from audit.errors import ModelError
from audit.models import process
from audit.models.worker import Worker
from tests import forkserver


def test_a_forked_process_has_the_walls_and_the_answers_of_one_that_was_started(
    sample_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = pd.read_parquet(sample_data / "german_credit_split.parquet").head(50)
    seen = []
    for started in (False, True):
        if started:
            monkeypatch.setattr(process, "subprocess", subprocess)
        with Worker(sample_data / "german_credit.skops") as worker:
            assert worker.info.isolation
            assert worker._held is not None
            assert type(worker._held.child._process) is (subprocess.Popen if started else forkserver.Forked)
            with open(f"/proc/{worker._held.child.pid}/stat") as stat:
                assert int(stat.read().rpartition(")")[2].split()[1]) == os.getpid(), "its parent"
            seen.append((worker.info, worker.scores(rows, "2").tolist()))
    assert seen[0] == seen[1]


def test_the_end_of_a_forked_process_is_told(sample_data: Path) -> None:
    rows = pd.read_parquet(sample_data / "german_credit_split.parquet").head(5)
    with Worker(sample_data / "german_credit.skops") as worker:
        assert worker.info
        assert worker._held is not None
        os.kill(worker._held.child.pid, signal.SIGKILL)
        with pytest.raises(ModelError, match="crashed"):
            worker.scores(rows, "2")
