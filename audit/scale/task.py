"""What a task of Spark does with a model: starts the sandboxed process that an audit in memory starts, and asks it.

It runs in the Python of an executor. What goes wrong is raised as one line, which the other side reads
(`audit.scale.ask`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa

from audit.about import VERSION
from audit.asked import linked
from audit.errors import AssayError, ModelError
from audit.load import columnar
from audit.load.rows import without_missing_words
from audit.models.loaded import class_index

if TYPE_CHECKING:
    from audit.models import Worker

OPEN, CLOSE = "<<assay ", " assay>>"
"""Around a message in Spark's own text of an error."""
MEASURED, OWN, SCORE, WALLS = "m", "own", "score", "walls"


class TaskSpec(msgspec.Struct, frozen=True):
    """What the tasks are told. file: the model's name among Spark's files; sha256: of its bytes; says: what it said of
    itself where the audit began; columns: the places and names of what it is given; groups: which of them are
    sensitive; keep: the places of what is counted; several: it decides among more than two classes.
    """

    version: str
    file: str
    sha256: str
    allow: tuple[str, ...]
    says: tuple[str, ...]
    own: str
    link: str | None
    several: bool
    columns: tuple[tuple[str, str], ...]
    groups: tuple[str, ...]
    keep: tuple[str, ...]


def says(worker: Worker) -> tuple[str, ...]:
    """What a model says of itself, to be held against what it says elsewhere."""
    info = worker.info
    return (info.format, info.estimator, info.task, info.output, *info.classes, "|", *(info.features or ()))


def scored(text: str, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Each batch with what the model decides and says of its rows, and what held around the process that it ran in.

    text: `TaskSpec` as JSON. Raises RuntimeError with the message of an AssayError.
    """
    try:
        yield from _scored(msgspec.json.decode(text, type=TaskSpec), batches)
    except AssayError as error:
        raise RuntimeError(f"{OPEN}{json.dumps(error.to_json())}{CLOSE}") from None


def _scored(spec: TaskSpec, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    from pyspark import SparkFiles

    from audit.models import Worker

    if spec.version != VERSION:
        raise ModelError(
            "Spark's workers have another version of Assay",
            got=VERSION,
            expected=spec.version,
            todo="install the same version there",
        )
    worker: Worker | None = None
    try:
        for batch in batches:
            if not batch.num_rows:
                continue
            if worker is None:  # a task without rows starts nothing
                worker = Worker(Path(SparkFiles.get(spec.file)), allow=spec.allow).__enter__()
                _same(spec, worker)
            yield _one(spec, worker, batch)
    finally:
        if worker is not None:
            worker.close()


def _same(spec: TaskSpec, worker: Worker) -> None:
    """Raises ModelError where the file or what was made of it is not what the audit began with."""
    actual = (worker.info.sha256, *says(worker))
    if actual != (spec.sha256, *spec.says):
        differs = next((a, b) for a, b in zip((*actual, ""), (spec.sha256, *spec.says, ""), strict=False) if a != b)
        raise ModelError(
            "a worker of Spark has another model than the audit began with",
            got=differs[0],
            expected=differs[1],
            todo="give Spark's workers the same versions of Assay and of the model's library",
        )


def _one(spec: TaskSpec, worker: Worker, batch: pa.RecordBatch) -> pa.RecordBatch:
    table = pa.Table.from_batches([batch])
    mine = np.asarray(batch.column(MEASURED), dtype=bool)
    own, score = np.zeros(len(mine), dtype=np.int64), np.zeros(len(mine))
    walls = np.full(len(mine), "", dtype=object)
    if mine.any():
        asked = table.select([place for place, _ in spec.columns]).rename_columns([name for _, name in spec.columns])
        frame = rows_for_model(asked.filter(pa.array(mine)), spec.groups)
        own[mine], score[mine] = _answers(spec, worker, frame)
        walls[mine] = ", ".join(worker.info.isolation)
    arrays = [batch.column(name) for name in spec.keep]
    return pa.RecordBatch.from_arrays(
        [*arrays, pa.array(own), pa.array(score), pa.array(walls, pa.string())], [*spec.keep, OWN, SCORE, WALLS]
    )


def rows_for_model(table: pa.Table, groups: Sequence[str]) -> pd.DataFrame:
    """Rows as reading the file in memory gives them."""
    frame = columnar.frame_of(columnar.plain_columns("the table", table)[0])
    return without_missing_words(frame, [g for g in groups if g in frame.columns])


def _answers(spec: TaskSpec, worker: Worker, frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """(n,) the place of the class decided among several; else 1 or 0, or -1 where the file decides nothing; and (n,)
    scores."""
    answer = worker.answer(frame, spec.own)
    score = linked(answer.score) if spec.link is not None else answer.score
    if spec.several:
        place = worker.class_scores(frame).argmax(axis=1) if answer.decided is None else answer.decided
        return place, score
    if answer.decided is None:
        return np.full(len(frame), -1, dtype=np.int64), score
    return (answer.decided == class_index(worker.info.classes, spec.own)).astype(np.int64), score
