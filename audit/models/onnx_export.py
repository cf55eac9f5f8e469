"""The operation `to_onnx`: a fitted model as ONNX. Runs in the model's own process.

Assay's own pipelines (encoder or correlation remover, then trees) are written node by node in double precision, which
the public converters cannot: they know no categories in histogram gradient boosting, and single precision moves values
across thresholds. Every other estimator goes through skl2onnx, with onnxmltools for LightGBM inside.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd

from audit.errors import ModelError
from audit.models.arrays import arrays_in
from audit.models.formats import FORMATS
from audit.models.loaded import Loaded, one_line
from audit.models.onnx_trees import Forest, Unsupported, add_histogram, add_lightgbm, link_of
from audit.models.ops import PositiveClass
from audit.models.protobuf import CLASSES_KEY
from audit.numbers import brief

TOLERANCE = 1e-5
OPSET, ML_OPSET, IR = 21, 5, 10


def to_onnx(model: Loaded, frame: pd.DataFrame | None, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Write the model as ONNX and compare it with itself on `frame` (n rows).

    arrays: `positive`, the class whose scores are compared. Returns `onnx` (uint8; empty where it cannot be), `reason`
    (text; empty where it can), `difference` (the largest over the rows). Raises ModelError where a converter is
    not installed.
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import skl2onnx  # noqa: F401
    except ImportError as error:
        raise ModelError(
            "the model cannot be written as ONNX: a library is missing",
            got=f"no module {error.name}",
            expected="onnxruntime, skl2onnx and onnxmltools beside Assay",
            todo="run `make extra` (or `pip install -r requirements/extra.txt`) and try again; the skops file is whole",
        ) from error
    assert frame is not None
    positive = arrays_in(PositiveClass, arrays).positive
    writers = [globals()[name] for name in FORMATS[model.format].onnx]
    if not writers:
        able = ", ".join(f.name for f in FORMATS.values() if f.onnx)
        return _refused(f"the model has the format {model.format}; {able} are converted")
    wanted = _outputs(model, frame, positive)
    reasons: list[str] = []
    for write in writers:
        try:
            content = write(model.estimator, frame)
        except Unsupported as error:
            reasons.append(one_line(error))
            continue
        except Exception as error:
            reasons.append(f"{type(error).__name__}: {one_line(error)}")
            continue
        try:
            far = _difference(content, frame, positive, wanted)
        except Exception as error:
            reasons.append(f"it was written and cannot be run: {type(error).__name__}: {one_line(error)}")
            continue
        if far <= TOLERANCE:
            return {
                "onnx": np.frombuffer(content, dtype=np.uint8),
                "reason": np.array(""),
                "difference": np.array(far),
            }
        reasons.append(f"its scores differ by up to {brief(far, 2)} where {brief(TOLERANCE)} is allowed")
    return _refused("; ".join(dict.fromkeys(reasons)))


def _refused(reason: str) -> dict[str, Any]:
    return {"onnx": np.zeros(0, dtype=np.uint8), "reason": np.array(reason), "difference": np.array(np.nan)}


def _outputs(model: Loaded, frame: pd.DataFrame, positive: str) -> np.ndarray:
    """(n, k) what a model says: its numbers, the scores of one of two classes, or those of each class."""
    facts = model.facts
    if facts.task != "regression" and len(facts.classes) > 2:
        return model.class_scores(frame)
    return model.scores(frame, positive).reshape(-1, 1)


def _difference(content: bytes, frame: pd.DataFrame, positive: str, wanted: np.ndarray) -> float:
    from audit.models.onnx_model import OnnxModel

    model = OnnxModel(content)
    outputs = _outputs(model, frame, positive)
    if outputs.shape != wanted.shape:
        raise ModelError(
            "the ONNX file has another number of outputs", got=str(outputs.shape), expected=str(wanted.shape)
        )
    return how_far_apart(outputs, wanted, model.facts.task)


def how_far_apart(outputs: np.ndarray, wanted: np.ndarray, task: str) -> float:
    """The largest difference; of a number that is predicted, as a part of the largest number where that is above 1."""
    unit = max(1.0, float(np.abs(wanted).max(initial=0.0))) if task == "regression" else 1.0
    return float(np.abs(outputs - wanted).max(initial=0.0)) / unit


# -- the public converters -----------------------------------------------------------------------------------------


def _double(estimator: Any, frame: pd.DataFrame) -> bytes:
    return _converted(estimator, frame, double=True)


def _single(estimator: Any, frame: pd.DataFrame) -> bytes:
    return _converted(estimator, frame, double=False)


def _converted(estimator: Any, frame: pd.DataFrame, *, double: bool) -> bytes:
    from onnx import helper
    from skl2onnx import convert_sklearn, update_registered_converter
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import FunctionTransformer

    try:
        from lightgbm import LGBMClassifier
        from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm
        from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes

        update_registered_converter(
            LGBMClassifier,
            "LightGbmLGBMClassifier",
            calculate_linear_classifier_output_shapes,
            convert_lightgbm,
            options={"nocl": [True, False], "zipmap": [True, False, "columns"]},
        )
    except ImportError:
        pass  # then a pipeline with LightGBM is refused by skl2onnx, in its words
    number = DoubleTensorType if double else FloatTensorType
    types = [
        (str(c), number([None, 1]) if frame[c].dtype.kind in "biuf" else StringTensorType([None, 1]))
        for c in frame.columns
    ]
    if not isinstance(estimator, Pipeline):
        # Alone, many an estimator takes one input only: a first step puts the columns side by side.
        estimator = Pipeline([("columns", FunctionTransformer()), ("model", estimator)])
    model = convert_sklearn(
        estimator,
        "model",
        types,
        options={id(estimator): {"zipmap": False}} if hasattr(estimator, "classes_") else None,
        target_opset={"": 18, "ai.onnx.ml": 3},
    )
    if (classes := getattr(estimator, "classes_", None)) is not None:
        # Not every converter writes their names.
        helper.set_model_props(model, {CLASSES_KEY: json.dumps([str(c) for c in np.asarray(classes).tolist()])})
    body: bytes = model.SerializeToString()
    return body


def _lightgbm(booster: Any, frame: pd.DataFrame) -> bytes:
    """A Booster in double precision, a column an input."""
    link, outputs = link_of(booster)
    forest, graph = Forest(targets=outputs), _Graph()
    add_lightgbm(forest, booster)
    graph.nodes.append(forest.to_node(_concatenated(graph, frame), "raw"))
    return _linked(graph, "raw", link, [str(k) for k in range(max(2, outputs))])


def _linked(graph: _Graph, raw: str, link: str, classes: list[str]) -> bytes:
    """The finished file of trees whose sums are `raw`: a number, or probabilities."""
    if link in ("", "Exp"):
        return _model(graph, graph.add(link, raw) if link else raw, [])
    if link == "Softmax":
        graph.add("Softmax", raw, out="probabilities", axis=1)
        return _model(graph, "probabilities", classes)
    return _two(graph, graph.add("Sigmoid", raw), classes)


def _two(graph: _Graph, yes: str, classes: list[str]) -> bytes:
    no = graph.add("Sub", graph.constant(np.array([[1.0]])), yes)
    graph.add("Concat", no, yes, out="probabilities", axis=1)
    return _model(graph, "probabilities", classes)


def _concatenated(graph: _Graph, frame: pd.DataFrame) -> str:
    """The columns side by side, (n, F) double. Raises Unsupported for one of words."""
    from onnx import TensorProto, helper

    names = [str(c) for c in frame.columns]
    if words := [c for c in names if frame[c].dtype.kind not in "biuf"]:
        raise Unsupported(f"columns of words, which the library itself encodes: {', '.join(words[:5])}")
    graph.inputs += [helper.make_tensor_value_info(c, TensorProto.DOUBLE, [None, 1]) for c in names]
    return graph.add("Concat", *names, axis=1) if len(names) > 1 else names[0]


def _xgboost(booster: Any, frame: pd.DataFrame) -> bytes:
    """A Booster by onnxmltools, in single precision as XGBoost itself compares; one tensor of all columns."""
    from onnxmltools import convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType

    if any(frame[c].dtype.kind not in "biuf" for c in frame.columns):
        raise Unsupported("columns of words, which the library itself encodes")
    bare = booster.copy()
    bare.feature_names = bare.feature_types = None  # its converter knows columns by f0, f1 ... only
    model = convert_xgboost(bare, initial_types=[("input", FloatTensorType([None, frame.shape[1]]))])
    body: bytes = model.SerializeToString()
    return body


# -- Assay's own pipelines ---------------------------------------------------------------------------------------------


class _Graph:
    """Nodes and constants as they are added."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.inputs: list[Any] = []
        self._made = 0

    def name(self) -> str:
        self._made += 1
        return f"t{self._made}"

    def constant(self, values: Any) -> str:
        from onnx import numpy_helper

        name = self.name()
        self.constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def add(self, kind: str, *inputs: str, out: str | None = None, **attributes: Any) -> str:
        from onnx import helper

        name = out or self.name()
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name


def _own(estimator: Any, frame: pd.DataFrame) -> bytes:
    """The graph of Pipeline(ColumnTransformer[, CorrelationRemover], trees), or of trees on numbers. Raises Unsupported
    for any other."""
    from sklearn.pipeline import Pipeline

    graph = _Graph()
    if not isinstance(estimator, Pipeline):
        if getattr(estimator, "_preprocessor", None) is not None:
            raise Unsupported("trees that encode categories themselves")
        steps, inner, x = [estimator], None, _concatenated(graph, frame)
    elif len(estimator.steps) not in (2, 3):
        raise Unsupported("not a pipeline of Assay's own")
    else:
        steps = [step for _, step in estimator.steps]
        x, inner = _prepared(graph, steps[0], frame, steps[-1])
    if len(steps) == 3:
        x = _removed(graph, steps[1], x)
    forest, shares, start, link = _trees(steps[-1], inner)
    graph.nodes.append(forest.to_node(x, "raw"))
    sums = graph.add("Add", "raw", graph.constant(start))
    classes = [str(c) for c in np.asarray(getattr(estimator, "classes_", ())).tolist()]
    if len(shares) > 1:
        return _two(
            graph, graph.add("MatMul", graph.add("Sigmoid", sums), graph.constant(shares.reshape(-1, 1))), classes
        )
    return _linked(graph, sums, link, classes)


def _model(graph: _Graph, output: str, classes: list[str]) -> bytes:
    """The finished file: label (n,) and probabilities (n, classes); without classes a number, (n, 1)."""
    from onnx import TensorProto, helper

    if not classes:
        graph.add("Identity", output, out="value")
        return _file(graph, [helper.make_tensor_value_info("value", TensorProto.DOUBLE, [None, 1])], classes)
    first = graph.add("ArgMax", "probabilities", axis=1, keepdims=0)
    graph.add(
        "LabelEncoder",
        first,
        out="label",
        domain="ai.onnx.ml",
        keys_int64s=list(range(len(classes))),
        values_strings=classes,
        default_string=classes[0],
    )
    outputs = [
        helper.make_tensor_value_info("label", TensorProto.STRING, [None]),
        helper.make_tensor_value_info("probabilities", TensorProto.DOUBLE, [None, len(classes)]),
    ]
    return _file(graph, outputs, classes)


def _file(graph: _Graph, outputs: list[Any], classes: list[str]) -> bytes:
    from onnx import helper

    body = helper.make_graph(graph.nodes, "assay", graph.inputs, outputs, initializer=graph.constants)
    model = helper.make_model(
        body,
        producer_name="assay",
        ir_version=IR,
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)],
    )
    if classes:
        helper.set_model_props(model, {CLASSES_KEY: json.dumps(classes)})
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _prepared(graph: _Graph, prepare: Any, frame: pd.DataFrame, model: Any) -> tuple[str, Any]:
    """The columns of the transformer side by side, (n, F) double, and the estimator's own preparation, if any."""
    from onnx import TensorProto, helper
    from sklearn.compose import ColumnTransformer

    if not isinstance(prepare, ColumnTransformer) or prepare.sparse_output_:
        raise Unsupported("a first step that is no dense ColumnTransformer")
    names = [str(c) for c in frame.columns]
    if names != [str(c) for c in prepare.feature_names_in_]:
        raise Unsupported("columns in another order than in training")
    text = {c for c in names if frame[c].dtype.kind not in "biuf"}
    for c in names:
        kind = TensorProto.STRING if c in text else TensorProto.DOUBLE
        graph.inputs.append(helper.make_tensor_value_info(c, kind, [None, 1]))
    inner = getattr(model, "_preprocessor", None)
    parts: list[str] = []
    for _, step, columns in prepare.transformers_:
        chosen = [names[c] if isinstance(c, int | np.integer) else str(c) for c in columns]
        if chosen and not (isinstance(step, str) and step == "drop"):
            parts += _columns_of(graph, step, chosen, text)
    return (graph.add("Concat", *parts, axis=1) if len(parts) > 1 else parts[0]), inner


def _columns_of(graph: _Graph, step: Any, chosen: list[str], text: set[str]) -> list[str]:
    """What one part of the transformer makes of the columns chosen for it. Raises Unsupported."""
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder

    if isinstance(step, OrdinalEncoder | OneHotEncoder):
        return [_encoded(graph, step, j, c, c in text) for j, c in enumerate(chosen)]
    passes = (isinstance(step, str) and step == "passthrough") or (
        isinstance(step, FunctionTransformer) and step.func is None
    )
    if not passes and not isinstance(step, SimpleImputer):
        raise Unsupported(f"{type(step).__name__} in the first step")
    if set(chosen) & text:
        raise Unsupported("text columns that are not encoded")
    if passes:
        return chosen
    if np.isnan(step.statistics_).any():
        raise Unsupported("a column without any value in training")
    return [
        graph.add("Where", graph.add("IsNaN", c), graph.constant([[float(value)]]), c)
        for c, value in zip(chosen, step.statistics_, strict=True)
    ]


def _encoded(graph: _Graph, encoder: Any, j: int, column: str, text: bool) -> str:
    """One encoded column: what the encoder itself answers to each of its categories, as a table looked up by value."""
    from onnx import numpy_helper
    from sklearn.preprocessing import OneHotEncoder

    if not text:
        raise Unsupported("numbers as categories")
    known = encoder.categories_[j]
    rows = np.array([[c[0] for c in encoder.categories_]] * (len(known) + 1), dtype=object)
    rows[:-1, j] = known
    rows[-1, j] = "\0 no such value"
    frame = pd.DataFrame(rows, columns=list(getattr(encoder, "feature_names_in_", range(rows.shape[1]))), dtype=object)
    table = encoder.transform(frame)
    if isinstance(encoder, OneHotEncoder):
        offset = [0]
        for i in range(len(encoder.categories_)):
            lost = encoder.infrequent_categories_[i] if hasattr(encoder, "infrequent_categories_") else None
            offset.append(offset[-1] + len(encoder.categories_[i]) - (0 if lost is None else len(lost) - 1))
        table = table[:, offset[j] : offset[j + 1]]
    else:
        table = table[:, j : j + 1]
    words = ["" if pd.isna(c) else str(c) for c in known]
    if len(set(words)) < len(words):
        raise Unsupported("a category that is an empty text beside missing values, or two of one spelling")
    if "" in words and not any(pd.isna(c) for c in known):
        raise Unsupported("a category that is an empty text, which ONNX has in the place of a missing one")
    place = graph.add(
        "LabelEncoder",
        column,
        domain="ai.onnx.ml",
        keys_tensor=numpy_helper.from_array(np.array(words, dtype=object), "keys"),
        values_tensor=numpy_helper.from_array(np.arange(len(words), dtype=np.int64), "values"),
        default_tensor=numpy_helper.from_array(np.array([len(words)], dtype=np.int64), "default"),
    )
    flat = graph.add("Reshape", place, graph.constant(np.array([-1], dtype=np.int64)))
    return graph.add("Gather", graph.constant(np.asarray(table, dtype=np.float64)), flat, axis=0)


def _removed(graph: _Graph, remover: Any, x: str) -> str:
    """fairlearn's CorrelationRemover: the other columns less their regression on the sensitive ones."""
    if type(remover).__name__ != "CorrelationRemover":
        raise Unsupported(f"{type(remover).__name__} as second step")
    sensitive = [int(remover.lookup_[i]) for i in remover.sensitive_feature_ids]
    others = [i for i in range(int(remover._n_features_in_)) if i not in sensitive]
    s = graph.add("Gather", x, graph.constant(np.array(sensitive, dtype=np.int64)), axis=1)
    z = graph.add("Gather", x, graph.constant(np.array(others, dtype=np.int64)), axis=1)
    away = graph.add("Sub", s, graph.constant(np.asarray(remover.sensitive_mean_, dtype=np.float64).reshape(1, -1)))
    fitted = graph.add(
        "MatMul", away, graph.constant(float(remover.alpha) * np.asarray(remover.beta_, dtype=np.float64))
    )
    return graph.add("Sub", z, fitted)


def _trees(model: Any, inner: Any) -> tuple[Forest, np.ndarray, np.ndarray, str]:
    """Trees, the share of each member in the answer, what is added to the sums (1, outputs), and what is made of them.
    Raises Unsupported."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor, VotingClassifier

    if isinstance(model, HistGradientBoostingClassifier | HistGradientBoostingRegressor):
        if inner is not None:
            _check_identity(inner)
        forest = Forest(targets=int(model.n_trees_per_iteration_))
        start = add_histogram(forest, model)
        if isinstance(model, HistGradientBoostingRegressor):
            return forest, np.ones(1), start, "Exp" if model.loss in ("poisson", "gamma") else ""
        return forest, np.ones(1), start, "Sigmoid" if len(model.classes_) == 2 else "Softmax"
    members, shares = [model], np.ones(1)
    if isinstance(model, VotingClassifier):
        if model.voting != "soft":
            raise Unsupported("a vote of decisions")
        members = list(model.estimators_)
        shares = np.asarray(model.weights if model.weights is not None else np.ones(len(members)), dtype=np.float64)
        shares = shares / shares.sum()
    if any(type(m).__name__ not in ("LGBMClassifier", "LGBMRegressor") for m in members):
        raise Unsupported(f"{type(model).__name__} as last step")
    links = [link_of(m.booster_) for m in members]
    if len(members) > 1 and any(link != ("Sigmoid", 1) for link in links):
        raise Unsupported("a vote of LightGBM models that are not of two classes")
    link, outputs = links[0]
    forest = Forest(targets=outputs if len(members) == 1 else len(members))
    for first, member in enumerate(members):
        add_lightgbm(forest, member.booster_, first)
    return forest, shares, np.zeros((1, forest.targets)), link


def _check_identity(inner: Any) -> None:
    """Histogram gradient boosting encodes categories once more; ours come as 0, 1, 2 ... and must stay so, in place."""
    for name, step, columns in inner.transformers_:
        if name == "remainder" or not len(columns):
            continue
        place = np.flatnonzero(columns) if np.asarray(columns).dtype == bool else np.asarray(columns)
        if hasattr(step, "categories_"):
            if place.tolist() != list(range(len(place))):
                raise Unsupported("categories that do not come first")
            for known in step.categories_:
                real = np.asarray(known, dtype=np.float64)
                real = real[~np.isnan(real)]
                if real.tolist() != list(range(len(real))):
                    raise Unsupported("categories that training on other rows numbered otherwise")
