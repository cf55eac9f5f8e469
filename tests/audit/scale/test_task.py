"""What a task of Spark does, without Spark: the model in its sandbox, the checks before it, and what is told."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import lightgbm
import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from audit.about import VERSION
from audit.errors import ModelError
from audit.models import Worker
from audit.scale.ask import by_task, told_by_task
from audit.scale.task import TaskSpec, says, scored

COLUMNS = ["age", "x"]


def rows() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame({"age": rng.integers(18, 80, 300).astype(float), "x": rng.normal(size=300)})


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TaskSpec, np.ndarray]:
    folder = tmp_path_factory.mktemp("task")
    frame = rows()
    fitted = lightgbm.LGBMClassifier(n_estimators=5, verbose=-1, n_jobs=1).fit(frame, frame.x > 0)
    fitted.booster_.save_model(folder / "m.txt")
    with Worker(folder / "m.txt") as worker:
        report = TaskSpec(
            VERSION, "m.txt", worker.info.sha256, (), says(worker), "1", None, False, (("c1", "age"), ("c2", "x")), (),
            ("c0",),
        )  # fmt: skip
    return folder, report, fitted.predict_proba(frame)[:, 1]


@pytest.fixture(autouse=True)
def files(model: tuple[Path, TaskSpec, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Spark has put the file."""
    spark = types.ModuleType("pyspark")
    spark.SparkFiles = types.SimpleNamespace(get=lambda name: str(model[0] / name))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pyspark", spark)


def batch(mine: np.ndarray) -> pa.RecordBatch:
    frame = rows()
    return pa.RecordBatch.from_arrays(
        [pa.array(["g"] * 300), pa.array(frame.age), pa.array(frame.x), pa.array(mine)], ["c0", "c1", "c2", "m"]
    )


def asked(report: TaskSpec, *batches: pa.RecordBatch) -> list[pa.RecordBatch]:
    return list(by_task(msgspec.json.encode(report).decode())(iter(batches)))


def test_measured_rows_are_asked_about_and_no_other(model: tuple[Path, TaskSpec, np.ndarray]) -> None:
    _, report, expected = model
    mine = np.arange(300) % 3 > 0
    empty = batch(mine)[:0]
    (result,) = asked(report, empty, batch(mine))
    frame = result.to_pandas()
    assert list(frame.columns) == ["c0", "own", "score", "walls"]
    np.testing.assert_allclose(frame.score[mine], expected[mine], rtol=1e-12)
    np.testing.assert_array_equal(frame.own[mine], expected[mine] > 0.5)
    assert (frame.score[~mine] == 0).all()
    assert set(frame.walls[~mine]) == {""}
    (walls,) = set(frame.walls[mine])
    assert "process" in walls.split(", "), "what held around the process is said"


def test_a_task_without_rows_starts_nothing(model: tuple[Path, TaskSpec, np.ndarray], monkeypatch: Any) -> None:
    monkeypatch.setattr(Worker, "__enter__", lambda self: pytest.fail("a process was started"))
    assert asked(model[1], batch(np.ones(300, dtype=bool))[:0]) == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"version": "0.0.0"}, "another version of Assay"),
        ({"sha256": "0" * 64}, "another model than the audit began with"),
        (
            {"says": ("lightgbm", "another", "classification", "probability", "0", "1", "|", "age", "x")},
            "another model",
        ),
    ],
)
def test_what_is_not_as_it_was_is_not_asked(
    model: tuple[Path, TaskSpec, np.ndarray], changed: dict[str, Any], words: str
) -> None:
    report = msgspec.structs.replace(model[1], **changed)
    with pytest.raises(RuntimeError) as result:
        asked(report, batch(np.ones(300, dtype=bool)))
    # As Spark hands it on: within a text of its own.
    error = told_by_task(RuntimeError(f"An exception was thrown from the Python worker:\n{result.value}\n at java.x"))
    assert isinstance(error, ModelError)
    assert words in error.message


def test_a_worker_that_lacks_a_package_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "audit.scale.task", None)
    with pytest.raises(RuntimeError) as result:
        list(by_task("{}")(iter(())))
    error = told_by_task(result.value)
    assert isinstance(error, ModelError)
    assert "a package is missing where Spark's workers run" in error.message
    assert "audit.scale.task" in error.message
    assert told_by_task(RuntimeError("a failure of Spark's own")) is None
    # What a worker says is data: a kind of error that is none of the three is a ModelError.
    odd = told_by_task(RuntimeError('<<assay {"error": "os", "problem": "p"} assay>>'))
    assert type(odd) is ModelError


def test_a_model_that_fails_in_a_task_is_told_in_its_words(model: tuple[Path, TaskSpec, np.ndarray]) -> None:
    report = msgspec.structs.replace(model[1], columns=(("c1", "age"),))
    with pytest.raises(RuntimeError, match="the data lack columns that the model needs"):
        list(scored(msgspec.json.encode(report).decode(), iter([batch(np.ones(300, dtype=bool))])))
