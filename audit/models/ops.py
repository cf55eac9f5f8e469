"""What a worker can be asked beside scores: a fixed registry of names.

Each operation is `function(model, frame, arrays) -> dict[str, np.ndarray]`, run inside the child: `model` is a
`audit.models.loaded.Loaded`, `frame` a DataFrame with the model's columns in its order (or None), `arrays` what was
passed to `Worker.call` by name (numbers, or objects that are str). Results are numbers or text, never objects.
A worker runs names from here and nothing else; a room that needs one more adds a row.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from audit.errors import ModelError, nearest
from audit.models.arrays import arrays_in

OPERATIONS: dict[str, str] = {
    "answer": "audit.models.ops:answer",
    "class_scores": "audit.models.ops:class_scores",
    "refit": "audit.models.refit:refit",
    "refit_answer": "audit.models.refit:refit_answer",
    "to_onnx": "audit.models.onnx_export:to_onnx",
    "native_attributions": "audit.explain.native:attributions",
    "native_interactions": "audit.explain.native_pairs:interactions",
}

Operation = Callable[..., dict[str, Any]]


def find(name: str) -> Operation:
    """The operation's function. Raises ModelError for a name that is not in the registry."""
    if name not in OPERATIONS:
        raise ModelError(
            "a worker was asked for an operation that it does not know",
            got=repr(name),
            expected="one of " + ", ".join(sorted(OPERATIONS)),
            todo=nearest(name, OPERATIONS),
        )
    module, function = OPERATIONS[name].split(":")
    operation: Operation = getattr(importlib.import_module(module), function)
    return operation


def class_scores(model: Any, frame: Any, arrays: Any) -> dict[str, Any]:
    """`scores` (n, K): the score of each of the model's classes, in its order."""
    return {"scores": model.class_scores(frame)}


@dataclass(frozen=True, slots=True)
class PositiveClass:
    """The class that is asked about."""

    positive: str


def answer(model: Any, frame: Any, arrays: Any) -> dict[str, Any]:
    """`scores` (n,) of the class `positive`, and `decided` (n,), the place of the class that the model itself decides;
    the latter is left out where nothing in the file decides."""
    positive = arrays_in(PositiveClass, arrays).positive
    with model.once():
        out = {"scores": np.asarray(model.scores(frame, positive), dtype=np.float64)}
        decided = model.decided(frame)
    return out if decided is None else out | {"decided": decided}
