"""The table: ONNX."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tests.audit.models.zoo.boosted import RIGHT
from tests.audit.models.zoo.people import NUMBERS
from tests.audit.models.zoo.rows import KINDS, Kind, Made, good, kind


def _onnx() -> None:
    from onnx import TensorProto, helper, numpy_helper
    from skl2onnx import to_onnx
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import LinearSVC

    def converted(name: str, last: Any, target: str, value: object, zipmap: bool, **more: Any) -> None:
        def make(folder: Path, frame: pd.DataFrame) -> Made:
            rows = frame[NUMBERS].to_numpy(dtype=np.float32)
            model = last.fit(rows, frame[target])
            options = (
                {id(model): {"zipmap": zipmap}} if zipmap is not None and hasattr(model, "predict_proba") else None
            )
            (folder / "m.onnx").write_bytes(to_onnx(model, rows[:1], options=options).SerializeToString())
            return "m.onnx", good(frame, model.predict(rows), value)

        KINDS.append(Kind(name, make, **more))

    weighted = {"class_weight": "balanced", "max_iter": 500}
    converted("ONNX with ZipMap", LogisticRegression(**weighted), "words", "approved", True)
    converted("ONNX without ZipMap, bits", LogisticRegression(**weighted), "bits", 1, False, label="bits", positive="1")
    converted("ONNX, 1 and 2, positive 1", LogisticRegression(**weighted), "steps", 1, False, label="steps",
              positive="1")  # fmt: skip
    converted("ONNX, bits for words", LogisticRegression(**weighted), "bits", 1, False,
              refused=("which of the model's",), choose=(RIGHT,))  # fmt: skip
    converted("ONNX, linear SVC", LinearSVC(), "words", "approved", False)

    def network(name: str, width: int, last: str | None, **more: Any) -> None:
        def make(folder: Path, frame: pd.DataFrame) -> Made:
            rows = frame[NUMBERS].to_numpy(dtype=np.float32)
            fitted = LogisticRegression(max_iter=500).fit(rows, frame["bits"])
            weights, bias = fitted.coef_.T.astype(np.float32), fitted.intercept_.astype(np.float32)
            if width == 2:  # two logits whose difference is the log-odds, neither of them near a probability
                weights, bias = np.hstack([weights * 0.5, weights * 1.5]), np.array([3.0, 3.0 + bias[0]], np.float32)
            nodes = [helper.make_node("Gemm", ["x", "w", "b"], ["z"])]
            if last is not None:
                nodes.append(helper.make_node(last, ["z"], ["p"]))
            out = "z" if last is None else "p"
            graph = helper.make_graph(
                nodes, "network",
                [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 3])],
                [helper.make_tensor_value_info(out, TensorProto.FLOAT, [None, width])],
                [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(bias, "b")],
            )  # fmt: skip
            built = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
            (folder / "m.onnx").write_bytes(built.SerializeToString())
            table = rows @ weights + bias
            return "m.onnx", table[:, 0] >= 0 if width == 1 else table[:, 1] > table[:, 0]

        KINDS.append(Kind(name, make, **more))

    def given(name: str, last: str, rows: int | None, kind: int, shape: list[Any], **more: Any) -> None:
        """A graph that decides itself, or takes a fixed number of rows."""

        def make(folder: Path, frame: pd.DataFrame) -> Made:
            nodes = [helper.make_node("Gemm", ["x", "w", "b"], ["z"])]
            nodes.append(helper.make_node(last, ["z", "o"] if last == "Greater" else ["z"], ["y"]))
            parts = {"w": [[0.0], [0.3], [-0.2]], "b": [-9.0], "o": [0.0]}
            graph = helper.make_graph(
                nodes, "given",
                [helper.make_tensor_value_info("x", TensorProto.FLOAT, [rows, 3])],
                [helper.make_tensor_value_info("y", kind, shape)],
                [numpy_helper.from_array(np.array(v, np.float32), k) for k, v in parts.items()],
            )  # fmt: skip
            built = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
            (folder / "m.onnx").write_bytes(built.SerializeToString())
            return "m.onnx", frame[NUMBERS].to_numpy(np.float32) @ np.array([0.0, 0.3, -0.2], np.float32) > 9

        KINDS.append(Kind(name, make, label="bits", positive="1", **more))

    given("ONNX, true and false", "Greater", None, TensorProto.BOOL, [None, 1], note="gives no probabilities")
    given("ONNX, seven rows at a time", "Sigmoid", 7, TensorProto.FLOAT, [7, 1])

    @kind("ONNX, the label last")
    def label_last(folder: Path, frame: pd.DataFrame) -> Made:
        from sklearn.tree import DecisionTreeClassifier

        rows = frame[NUMBERS].to_numpy(dtype=np.float32)
        model = DecisionTreeClassifier(max_leaf_nodes=12, random_state=0).fit(rows, frame["words"])
        built = to_onnx(model, rows[:1], options={"zipmap": False})
        turned = list(built.graph.output)[::-1]
        del built.graph.output[:]
        built.graph.output.extend(turned)
        (folder / "m.onnx").write_bytes(built.SerializeToString())
        return "m.onnx", good(frame, model.predict(rows))

    network("ONNX network, sigmoid", 1, "Sigmoid", label="bits", positive="1", note="holds no decision")
    network("ONNX network, softmax", 2, "Softmax", label="bits", positive="1")
    network("ONNX network, softmax, for words", 2, "Softmax", refused=("which of the model's",), choose=(RIGHT,))
    network("ONNX network, a logit", 1, None, label="bits", positive="1", refused=("no probability and no decision",),
            choose=('link = "logit"',), note="log-odds")  # fmt: skip
    network("ONNX network, a logit and a threshold", 1, None, lines=("threshold = 0.0",))
    network("ONNX network, two logits", 2, None, label="bits", positive="1", choose=('link = "logit"',),
            refused=("no probability and no decision",))  # fmt: skip


_onnx()
