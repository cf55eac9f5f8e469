"""The mitigated model as ONNX, asked as an audit asks and compared with the skops file on all test rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from audit.errors import ModelError
from audit.evidence import sha256
from audit.models.arrays import arrays_in
from audit.models.loaded import same_class
from audit.numbers import brief
from audit.passing import passing
from debias.candidate import Candidate
from debias.task import Task

ONNX = "mitigated.onnx"
TOLERANCE = 1e-5


@dataclass(frozen=True, slots=True, eq=False)
class Exported:
    """content is None where there is no ONNX file, and reason says why; missing: a library is not installed.

    difference is the largest between the two files' scores over `rows` test rows; decisions_differ counts those that
    fall on the other side of the threshold.
    """

    content: bytes | None
    reason: str | None
    difference: float | None = None
    rows: int = 0
    decisions_differ: int = 0
    missing: ModelError | None = None

    def to_json(self) -> dict[str, Any]:
        """The key `onnx` of mitigation.json."""
        if self.content is None:
            return {"file": None, "reason": self.reason}
        return {
            "file": ONNX,
            "sha256": sha256(self.content),
            "rows": self.rows,
            "difference": self.difference,
            "tolerance": TOLERANCE,
            "decisions_differ": self.decisions_differ,
        }


@dataclass(frozen=True, slots=True)
class _Graph:
    """What the operation `to_onnx` answers; onnx is empty where there is a reason."""

    onnx: bytes
    reason: str


def export_onnx(task: Task, candidate: Candidate, allow: Sequence[str] = ()) -> Exported:
    """Convert in the model's own process, then ask the new file in another. Never raises for what cannot be converted.

    Two people of the same columns must get the same answer from both files: where a score differs by more than 1e-5
    there is no ONNX file.
    """
    from audit.models import Worker

    if candidate.format != "skops":
        why = (
            f"{candidate.method.title} leaves the audited model as it is and puts a rule around it ({candidate.file}), "
            "which is no ONNX graph; convert the audited model and apply the rule to its scores."
        )
        if task.case.model.python is not None:
            why = f"The candidate is a {candidate.format} file of the model's own environment: use `assay convert`."
        return Exported(None, why)
    test = task.splits.test
    also = candidate.parameters.get("sensitive_inputs", [])
    columns = list(dict.fromkeys([*task.features, *also]))
    frame, positive = task.frame[columns].iloc[test], str(task.case.data.positive)
    with passing() as place:
        before, after = place / candidate.file, place / ONNX
        before.write_bytes(candidate.content)
        try:
            with Worker(before, allow=tuple(allow)) as worker:
                names, classes = worker.info.features, worker.info.classes
                at = same_class(classes, positive)
                # A copy of the audited estimator has its classes, which the case may call otherwise.
                own = next((k for k, v in task.case.model.classes.items() if v == positive), positive)
                positive = positive if at is not None else own
                reply = worker.call("to_onnx", frame, positive=np.array(positive))
        except ModelError as error:
            return Exported(None, error.problem, missing=error)
        graph = arrays_in(_Graph, reply)
        content = graph.onnx
        if not content:
            return Exported(None, graph.reason)
        after.write_bytes(content)
        try:
            with Worker(after) as worker:
                # A graph of one input has no names; it takes the columns as the model ordered them.
                score = worker.scores(frame if names is None else frame[list(names)], positive)
        except ModelError as error:
            return Exported(None, f"it was written and cannot be used: {error.problem} ({error.got})")
    wanted = candidate.score_of(test)
    assert wanted is not None
    difference = float(np.abs(score - wanted).max())
    if difference > TOLERANCE:
        return Exported(None, f"its scores differ by up to {brief(difference, 2)} where {brief(TOLERANCE)} is allowed")
    decided = (score >= (candidate.threshold if candidate.threshold is not None else 0.5)).astype(np.int64)
    return Exported(content, None, difference, len(test), int((decided != candidate.decide(test)).sum()))
