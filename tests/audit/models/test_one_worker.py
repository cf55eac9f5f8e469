"""One process for a model through the whole of a command, and what that does not change."""

from __future__ import annotations

import contextvars
import json
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import audit.run
import cli
from audit.errors import ModelError
from audit.models import Worker, process
from audit.models.held import job

MODELS = "audit.models.child:serve"


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The process ids of the models' processes that were started."""
    items: list[int] = []
    begin = process.Child.__init__

    def counted(self: process.Child, *inputs: Any, **named: Any) -> None:
        begin(self, *inputs, **named)
        if named.get("serve", MODELS) == MODELS:
            items.append(self.pid)

    monkeypatch.setattr(process.Child, "__init__", counted)
    yield items
    assert not any(map(alive, items))


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


@pytest.fixture(scope="module")
def rows(sample_data: Path) -> pd.DataFrame:
    return pd.read_parquet(sample_data / "german_credit_split.parquet").head(20)


@pytest.fixture
def case(sample_data: Path, tmp_path: Path) -> Path:
    for name in ("german_credit.toml", "german_credit_split.parquet", "german_credit.skops"):
        shutil.copy(sample_data / name, tmp_path / name)
    return tmp_path / "german_credit.toml"


def test_a_mitigation_asks_one_process_for_the_original_and_one_for_the_candidate(
    case: Path, started: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    """The original is opened twice: to be compared with, and to be fitted again. The candidate's bytes are other
    bytes, and never run in the process of what made them."""
    out = case.parent / "run"
    assert cli.main(["mitigate", str(case), "--method", "reweighing", "--out", str(out), "--json"]) == 0
    assert len(started) == 2
    assert json.loads(capsys.readouterr().out)["method"] == "reweighing"


def test_an_audit_of_its_own_measures_after_the_models_process_has_ended(
    case: Path, started: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody asks it again, and what measures needs the memory."""
    left: list[list[int]] = []
    examine = audit.run.examine
    monkeypatch.setattr(
        audit.run, "examine", lambda at: (left.append([p for p in started if alive(p)]), examine(at))[1]
    )
    assert cli.main(["audit", str(case), "--out", str(case.parent / "run")]) == 0
    assert len(started) == 1
    assert left
    assert not any(left)


def test_a_kept_process_states_what_it_stated(sample_data: Path, rows: pd.DataFrame, started: list[int]) -> None:
    path = sample_data / "german_credit.skops"
    with Worker(path) as alone:
        info, right = alone.info, alone.scores(rows, "1")
    with job():
        for _ in range(2):
            with Worker(path, kept=True) as worker:
                assert worker.info == info
                assert worker.scores(rows, "1").tobytes() == right.tobytes()
        assert len(started) == 2
        assert alive(started[1])
        assert not alive(started[0])


def test_other_bytes_other_leave_and_other_limits_are_other_processes(
    sample_data: Path, tmp_path: Path, started: list[int]
) -> None:
    path = tmp_path / "m.skops"
    with job():
        shutil.copy(sample_data / "german_credit.skops", path)
        with Worker(path, kept=True) as first:
            first.info  # noqa: B018
            with Worker(path, allow=["mine.Type"], kept=True):
                assert len(started) == 2
            with Worker(path, limits=process.Limits(wall_seconds=5), kept=True):
                assert len(started) == 3
        # The same name, and another model: what was loaded before is not asked.
        shutil.copy(sample_data / "adult.skops", path)
        with Worker(path, kept=True) as second:
            assert len(started) == 4
            assert second.info.sha256 != first.info.sha256
        # One idle process at a time.
        assert [alive(pid) for pid in started] == [False, False, False, True]


def test_a_kept_process_that_ended_is_not_asked_again(
    sample_data: Path, rows: pd.DataFrame, started: list[int]
) -> None:
    path = sample_data / "german_credit.skops"
    with job():
        with Worker(path, kept=True) as worker:
            assert worker.info
            os.kill(started[0], signal.SIGKILL)
            with pytest.raises(ModelError, match="crashed"):
                worker.scores(rows, "1")
        with Worker(path, kept=True) as worker:
            assert len(worker.scores(rows, "1")) == 20
        assert len(started) == 2


def test_the_processor_time_of_one_life_is_not_all_that_a_long_command_has(
    sample_data: Path, rows: pd.DataFrame, started: list[int]
) -> None:
    """Each use takes less than the limit; together they take more."""
    path, limits = sample_data / "german_credit.skops", process.Limits(cpu_seconds=1)
    with job():
        for _ in range(4):
            with Worker(path, limits=limits, kept=True) as worker:
                worker.info  # noqa: B018
                until = spent(started[-1]) + 0.3
                while spent(started[-1]) < until:
                    assert len(worker.scores(rows, "1")) == 20
    assert 1 < len(started) < 4


def spent(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_process_outlives_the_thread_that_asked_for_it_first_and_not_the_job(
    sample_data: Path, rows: pd.DataFrame, started: list[int]
) -> None:
    path = sample_data / "german_credit.skops"

    def stage() -> None:
        with Worker(path, kept=True) as worker:
            assert len(worker.scores(rows, "1")) == 20

    with job():
        for _ in range(2):
            thread = threading.Thread(target=contextvars.copy_context().run, args=(stage,))
            thread.start()
            thread.join()
        stage()
        assert len(started) == 1
        assert alive(started[0])
