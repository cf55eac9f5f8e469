"""ONNX models, run by onnxruntime on the processor.

Inputs: one tensor of all columns, or one tensor of shape (n, 1) per column named as the column. Outputs: probabilities
as a tensor (n, classes), or as one dict a row (ZipMap). Class names come from the classifier's labels in the graph;
without them, two columns are read as classes 0 and 1. Tensors are float32 in most files: scores carry
about seven digits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from audit.errors import ModelError
from audit.models.loaded import DECISION, PROBABILITY, VALUE, Facts, Loaded, needs, one_line
from audit.models.protobuf import onnx_classes

_TYPES: dict[str, Any] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
    "tensor(string)": object,
}


class OnnxModel(Loaded):
    """An onnxruntime.InferenceSession."""

    format = "onnx"

    def __init__(self, content: bytes) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise needs("onnxruntime", "onnxruntime") from error
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = 2
        options.inter_op_num_threads = 1
        self.estimator = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        self._inputs = self.estimator.get_inputs()
        outputs = self.estimator.get_outputs()
        for given in self._inputs:
            if given.type not in _TYPES:
                raise ModelError(
                    "the ONNX model takes a kind of input that a table does not have",
                    got=f"{given.name!r}: {given.type}",
                    expected="tensors of numbers, truth values or text",
                    todo="export the model so that it takes the columns of the table",
                )
        self._single = len(self._inputs) == 1
        width = self._inputs[0].shape[1] if self._single and len(self._inputs[0].shape) == 2 else None
        self._map = next((o.name for o in outputs if o.type.startswith("seq(map(")), None)
        self._table = next((o.name for o in outputs[1:] if o.type in ("tensor(float)", "tensor(double)")), None)
        floats = [o for o in outputs if o.type in ("tensor(float)", "tensor(double)")]
        notes: tuple[str, ...] = ()
        classes = onnx_classes(content)
        if self._map or self._table:
            task, output = "classification", PROBABILITY
            if not classes:
                classes = ("0", "1")
                notes = ("the ONNX file names no classes: the score is that of the second column",)
        elif floats:
            last = floats[0].shape[-1] if len(floats[0].shape) == 2 else 1
            self._table = floats[0].name
            if isinstance(last, int) and last > 1:
                task, output = "classification", PROBABILITY
                classes = classes or tuple(str(c) for c in range(last))
            else:
                task, output, classes = "regression", VALUE, ()
        else:
            task, output = "classification", DECISION
            notes = ("the model gives no probabilities: each score is its decision, 1 or 0",)
        self._label = outputs[0].name
        self.facts = Facts(
            estimator=one_line(f"onnx({self.estimator.get_modelmeta().producer_name or 'graph'})"),
            classes=classes,
            features=None if self._single else tuple(str(g.name) for g in self._inputs),
            columns=width if isinstance(width, int) else None if self._single else len(self._inputs),
            task=task,
            output=output,
            notes=notes,
        )

    def prepare(self, frame: pd.DataFrame) -> dict[str, np.ndarray]:
        """The feed of the session. Raises ModelError for values that do not turn into the input's type."""
        if self._single:
            only = self._inputs[0]
            return {only.name: _cast(frame.to_numpy(), only, "the columns")}
        return {g.name: _cast(frame[g.name].to_numpy().reshape(-1, 1), g, repr(g.name)) for g in self._inputs}

    def class_index(self, positive: str) -> int:
        """As for others; class 1 of two where the file names no classes."""
        if self.facts.classes == ("0", "1") and self.facts.notes and self.facts.output == PROBABILITY:
            return 1
        return super().class_index(positive)

    def scores(self, frame: pd.DataFrame, positive: str) -> np.ndarray:
        feed = self.prepare(frame)
        if self.facts.task == "regression":
            return np.asarray(self.estimator.run([self._table], feed)[0], dtype=np.float64).reshape(len(frame))
        if self.facts.output == DECISION:
            decided = np.asarray(self.estimator.run([self._label], feed)[0]).reshape(-1)
            return np.array([str(v) == str(positive) for v in decided.tolist()], dtype=np.float64)
        index = self.class_index(positive)
        if self._map:
            rows = self.estimator.run([self._map], feed)[0]
            # The dict's keys are the labels; their order is the graph's.
            wanted = next((k for k in rows[0] if str(k) == self.facts.classes[index]), None) if rows else None
            keys = list(rows[0]) if rows else []
            key = wanted if wanted is not None else keys[index] if keys else None
            return np.array([row[key] for row in rows], dtype=np.float64)
        table = np.asarray(self.estimator.run([self._table], feed)[0], dtype=np.float64)
        if table.ndim != 2 or table.shape[1] != len(self.facts.classes):
            raise ModelError(
                "the ONNX model's probabilities have another shape than its classes",
                got=f"shape {table.shape}",
                expected=f"({len(frame)}, {len(self.facts.classes)})",
                todo="export the model with one probability for each class",
            )
        return table[:, index]


def _cast(values: np.ndarray, given: Any, what: str) -> np.ndarray:
    kind = _TYPES[given.type]
    try:
        if kind is object:
            missing = pd.isna(values)
            text = values.astype(object)
            text[missing] = ""
            return np.vectorize(str, otypes=[object])(text) if text.size else text
        return values.astype(kind)
    except (TypeError, ValueError) as error:
        raise ModelError(
            "the data do not fit the ONNX model's input",
            got=f"{what}: {one_line(error)}",
            expected=f"values for {given.type}",
            todo="code the columns as training did, or export the pipeline that codes them",
        ) from error
