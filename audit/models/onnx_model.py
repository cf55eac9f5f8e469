"""ONNX models, run by onnxruntime on the processor.

Inputs: one tensor of all columns, or one tensor of shape (n, 1) per column named as the column. Outputs: probabilities
as a tensor (n, classes), or as one dict a row (ZipMap), beside them the label that the graph itself decides; or one
tensor alone, as networks have it. Class names come from the classifier's labels in the graph; without them classes are
places, "0" and "1". An output that no Sigmoid or Softmax made is no probability: logits, margins or a value, of which
no decision follows by itself. Tensors are float32 in most files: scores carry about seven digits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from audit.errors import ModelError
from audit.models.loaded import (
    DECISION,
    PROBABILITY,
    RAW,
    VALUE,
    Facts,
    Loaded,
    needs,
    one_class,
    one_line,
    places,
    several,
)
from audit.models.protobuf import onnx_classes, onnx_maker
from audit.numbers import brief, many
from audit.sentences import NO_PROBABILITIES

_PROBABILITIES = ("Sigmoid", "Softmax", "HardSigmoid")
"""Nodes whose output is a probability."""

_LABELS = ("tensor(string)", "tensor(int64)", "tensor(int32)", "tensor(bool)")

_TYPES: dict[str, Any] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
    "tensor(string)": object,
}


_FLOATS = ("tensor(float)", "tensor(double)")


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a graph's outputs say: the fields of Facts by these names."""

    task: str
    output: str
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()


class OnnxModel(Loaded):
    """An onnxruntime.InferenceSession."""

    format = "onnx"

    def __init__(self, content: bytes) -> None:
        self.estimator = _session(content)
        self._inputs = self.estimator.get_inputs()
        outputs = self.estimator.get_outputs()
        _check_inputs(self._inputs)
        self._single = len(self._inputs) == 1
        width = self._inputs[0].shape[1] if self._single and len(self._inputs[0].shape) == 2 else None
        self._map = next((o.name for o in outputs if o.type.startswith("seq(map(")), None)
        self._table = next((o.name for o in outputs[1:] if o.type in _FLOATS), None)
        # The graph's own decision: a tensor of labels, which stands first where there is more than one.
        labels = [o.name for o in outputs if o.type in _LABELS]
        self._label = labels[0] if len(labels) == 1 or labels[:1] == [outputs[0].name] else None
        sizes = {g.shape[0] for g in self._inputs if g.shape and isinstance(g.shape[0], int)}
        self._batch = sizes.pop() if len(sizes) == 1 else None
        classes = onnx_classes(content)
        answer = self._answer(content, outputs, classes)
        notes = answer.notes
        if self._label is None and answer.output == PROBABILITY:
            notes = (*notes, "the ONNX file holds no decision: the class of the highest probability is taken")
        self.facts = Facts(
            estimator=one_line(f"onnx({self.estimator.get_modelmeta().producer_name or 'graph'})"),
            classes=answer.classes,
            features=None if self._single else tuple(str(g.name) for g in self._inputs),
            columns=width if isinstance(width, int) else None if self._single else len(self._inputs),
            task=answer.task,
            output=answer.output,
            decides=answer.output not in (VALUE, RAW),
            notes=notes,
            named=bool(classes),
        )

    def _answer(self, content: bytes, outputs: list[Any], classes: tuple[str, ...]) -> _Answer:
        """What the outputs are. Raises ModelError where they are several decisions, or words that nothing lists."""
        if self._map or self._table:
            return _Answer("classification", PROBABILITY, classes or ("0", "1"))
        numbers = next((o for o in outputs if o.type in _FLOATS), None)
        if numbers is not None:
            self._table = numbers.name
            return self._of_numbers(numbers, onnx_maker(content, numbers.name), classes)
        if not classes and (self._label is None or outputs[0].type == "tensor(string)"):
            raise ModelError(
                "the ONNX model decides in words, and the file does not say which there are",
                got=f"an output of {outputs[0].type} and no class labels in the graph",
                expected="probabilities beside the labels, or a classifier that names its classes",
                todo="export it with its probabilities; or write its decisions into a column of the table, and "
                'name that under [model], `decision = "COLUMN"`, in place of `path`',
            )
        return _Answer("classification", DECISION, classes or ("0", "1"), (NO_PROBABILITIES,))

    def _of_numbers(self, output: Any, maker: str, classes: tuple[str, ...]) -> _Answer:
        """What one tensor of numbers says, by the node that makes it."""
        last = output.shape[-1] if len(output.shape) == 2 else 1
        many = last if isinstance(last, int) and last > 1 else 0
        is_probability = bool(classes) or maker in _PROBABILITIES
        if many and maker in ("Sigmoid", "HardSigmoid") and self._label is None:
            raise several(f"{many} outputs of {maker}, each a decision of its own")
        if is_probability:
            return _Answer("classification", PROBABILITY, classes or tuple(str(c) for c in range(many or 2)))
        note = f"no Sigmoid and no Softmax makes the ONNX model's output ({maker or 'a node unknown'} does)"
        if many:
            return _Answer("classification", RAW, tuple(str(c) for c in range(many)), (note,))
        return _Answer("regression", VALUE, (), (note,))

    def prepare(self, frame: pd.DataFrame) -> dict[str, np.ndarray]:
        """The feed of the session. Raises ModelError for values that do not turn into the input's type."""
        if self._single:
            only = self._inputs[0]
            return {only.name: _cast(frame.to_numpy(), only, "the columns")}
        return {g.name: _cast(frame[g.name].to_numpy().reshape(-1, 1), g, repr(g.name)) for g in self._inputs}

    def scores(self, frame: pd.DataFrame, positive: str) -> np.ndarray:
        feed = self.prepare(frame)
        if self.facts.task == "regression":
            return np.asarray(self._run(self._table, feed), dtype=np.float64).reshape(len(frame))
        if self.facts.output == DECISION:
            decided = places(self._run(self._label, feed), self.facts.classes)
            hit: np.ndarray = decided == self.class_index(positive)
            return hit.astype(np.float64)
        return one_class(self._columns(feed, len(frame)), self.class_index(positive), self.facts.output)

    def class_scores(self, frame: pd.DataFrame) -> np.ndarray:
        if self.facts.output == DECISION:
            return super().class_scores(frame)
        table = self._columns(self.prepare(frame), len(frame))
        return table if table.shape[1] > 1 else np.column_stack([1 - table[:, 0], table[:, 0]])

    def decided(self, frame: pd.DataFrame) -> np.ndarray | None:
        if not self.facts.decides:
            return None
        if self._label is None:
            return super().decided(frame)
        return places(self._run(self._label, self.prepare(frame)), self.facts.classes)

    def _run(self, name: str | None, feed: dict[str, np.ndarray]) -> Any:
        """One output for all rows. A graph that takes a fixed number of rows is asked that many at a time, the last
        ones filled up with the last row."""
        count, size = len(next(iter(feed.values()))), self._batch
        if size is None or size in (0, count) or not count:
            return self.estimator.run([name], feed)[0]
        parts = []
        for at in range(0, count, size):
            part = {k: v[np.minimum(np.arange(at, at + size), count - 1)] for k, v in feed.items()}
            parts.append(self.estimator.run([name], part)[0][: count - at])
        return [row for part in parts for row in part] if isinstance(parts[0], list) else np.concatenate(parts)

    def _columns(self, feed: dict[str, np.ndarray], count: int) -> np.ndarray:
        """(n, classes), or (n, 1) where one column stands for the second of two classes."""
        if self._map:
            rows = self._run(self._map, feed)
            # A dict's keys are the labels; their order is the graph's.
            keys = list(rows[0]) if rows else []
            order = places([str(k) for k in keys], self.facts.classes) if self.facts.named else np.arange(len(keys))
            values = np.array([[row[k] for k in keys] for row in rows], dtype=np.float64).reshape(count, len(keys))
            table = np.empty_like(values)
            table[:, order] = values
        else:
            table = np.asarray(self._run(self._table, feed), dtype=np.float64).reshape(count, -1)
        if table.shape[1] not in ((1, 2) if len(self.facts.classes) == 2 else (len(self.facts.classes),)):
            raise ModelError(
                "the ONNX model's probabilities have another shape than its classes",
                got=f"shape {table.shape}",
                expected=f"({count}, {len(self.facts.classes)})",
                todo="export the model with one probability for each class",
            )
        if self._label is None and self.facts.output == PROBABILITY and table.shape[1] > 1:
            sums = table.sum(axis=1)
            if not np.allclose(sums, 1, atol=1e-3):
                raise several(
                    f"{many(table.shape[1], 'probability')} a row that add up to {brief(sums.min())} to "
                    f"{brief(sums.max())}"
                )
        return table


def _cast(values: np.ndarray, model_input: Any, what: str) -> np.ndarray:
    kind = _TYPES[model_input.type]
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
            expected=f"values for {model_input.type}",
            todo="code the columns as training did, or export the pipeline that codes them",
        ) from error


def _session(content: bytes) -> Any:
    """An onnxruntime.InferenceSession. Raises ModelError."""
    try:
        import onnxruntime
    except ImportError as error:
        raise needs("onnxruntime", "onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 2
    options.inter_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has no class of its own for them
        raise ModelError(
            "onnxruntime does not load this ONNX file",
            got=one_line(error),
            expected=f"a graph that onnxruntime {onnxruntime.__version__} runs",
            todo="load it with onnxruntime where it was exported; with skl2onnx, options={'zipmap': False} and "
            "float32 inputs help most often",
        ) from error


def _check_inputs(inputs: list[Any]) -> None:
    for model_input in inputs:
        if model_input.type not in _TYPES:
            raise ModelError(
                "the ONNX model takes a kind of input that a table does not have",
                got=f"{model_input.name!r}: {model_input.type}",
                expected="tensors of numbers, truth values or text",
                todo="export the model so that it takes the columns of the table",
            )
