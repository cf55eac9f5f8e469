"""The worker of a model in its own environment: one file without dependencies, for Python 3.8 or later.

It runs under the interpreter that the model was made with, inside Assay's walls (audit/sandbox/launch.py), with that
environment's libraries and nothing of Assay. It speaks the frames of audit/models/wire.py: length, header as JSON,
blocks of numbers; nothing that crosses can execute. What loading executes, a person has consented to.

A model is whatever has `predict`. Its classes are its `classes_`; where there are none, those that its answers show.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import io
import json
import os
import platform
import struct
import sys
import warnings

_SIBLING = os.path.join(os.path.dirname(os.path.abspath(__file__)), "own_loaders.py")
_SPEC = importlib.util.spec_from_file_location("_assay_own_loaders", _SIBLING)
loaders = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(loaders)

_HEAD = struct.Struct("<QI")
_NAMES = {"f": "<f{}", "i": "<i{}", "u": "<u{}", "b": "|b1"}


class Refused(Exception):
    """What a person can mend: (problem, got, expected, todo)."""

    def __init__(self, problem, got="", expected="", todo=""):
        super().__init__(problem)
        self.parts = {"problem": problem, "got": got, "expected": expected, "todo": todo}


# -- the line ----------------------------------------------------------------------------------------------------


def serve(incoming, outgoing, settings):
    """Answer frames until the input ends; the exit code."""
    warnings.simplefilter("ignore")
    # Nothing is drawn in here.
    sys.modules["matplotlib"] = None
    source, served = os.fdopen(incoming, "rb", buffering=0), None
    limit = int(settings["memory_bytes"])
    while True:
        try:
            fields, arrays = _read(source, limit)
        except EOFError:
            return 0
        try:
            if fields["do"] == "load":
                served = Served(fields)
                facts, outputs = dict(served.facts(), isolation=list(settings["held"])), {}
            else:
                facts, outputs = served.run(fields, arrays)
            answer = _pack(dict(facts, ok=True), outputs)
        except MemoryError:
            answer = _pack({"ok": False, "kind": "memory"}, {})
        except Refused as error:
            answer = _pack(dict(error.parts, ok=False, kind="input"), {})
        except BaseException as error:
            # Whatever a model raises, SystemExit and KeyboardInterrupt included, is an answer and not the end.
            answer = _pack({"ok": False, "kind": "raised", "message": _error_text(error)}, {})
        for block in answer:
            view = memoryview(block)
            while len(view):
                view = view[os.write(outgoing, view[: 2**20]) :]


def _error_text(error):
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def _take(source, count):
    block = bytearray(count)
    view, at = memoryview(block), 0
    while at < count:
        got = source.readinto(view[at:])
        if not got:
            raise EOFError
        at += got
    return block


def _read(source, limit):
    total, head = _HEAD.unpack(bytes(_take(source, _HEAD.size)))
    if total > limit:
        raise MemoryError
    header = json.loads(bytes(_take(source, head)).decode())
    arrays = {}
    for described in header["arrays"]:
        arrays[described["name"]] = _array(described, _take(source, described["bytes"]))
    _take(source, header["table"])
    return header["fields"], arrays


def _array(described, block):
    if described["dtype"] == "text":
        return json.loads(bytes(block).decode())
    import numpy

    return numpy.frombuffer(bytes(block), dtype=described["dtype"]).reshape(described["shape"]).copy()


def _pack(fields, arrays):
    described, blocks = [], []
    for name, value in arrays.items():
        if isinstance(value, list):
            block, dtype, shape = json.dumps([str(v) for v in value]).encode(), "text", [len(value)]
        elif isinstance(value, bytes):
            block, dtype, shape = value, "|u1", [len(value)]
        else:
            import numpy

            array = numpy.ascontiguousarray(value)
            dtype = _NAMES[array.dtype.kind].format(array.dtype.itemsize).replace("<u1", "|u1").replace("<i1", "|i1")
            block, shape = array.astype(dtype).tobytes(), list(array.shape)
        described.append({"name": name, "dtype": dtype, "shape": shape, "bytes": len(block)})
        blocks.append(block)
    header = json.dumps({"fields": fields, "arrays": described, "table": 0}).encode()
    return [_HEAD.pack(len(header) + sum(len(b) for b in blocks), len(header)) + header] + blocks


# -- the table ---------------------------------------------------------------------------------------------------


def _table(columns, arrays):
    """The rows as this environment's data frame; without pandas, as an array, or as lists."""
    data = {}
    for at, column in enumerate(columns):
        kind, values = column["kind"], arrays[f"c{at}"]
        if kind == "object":
            gone = None if column["missing"] == "none" else float("nan")
            values = [gone if v is None else v for v in json.loads(values[0])]
        data[column["name"]] = values
    try:
        import pandas
    except ImportError:
        rows = list(zip(*data.values()))
        try:
            import numpy
        except ImportError:
            return rows
        return numpy.array(rows)
    frame = pandas.DataFrame({at: _series(pandas, c, data[c["name"]], arrays, at) for at, c in enumerate(columns)})
    frame.columns = [c["name"] for c in columns]
    return frame


def _series(pandas, column, values, arrays, at):
    """One column as pandas has it; words of a category and what is missing come in blocks of their own."""
    kind = column["kind"]
    if kind == "object":
        return pandas.Series(values, dtype=object)
    if kind == "category":
        words = json.loads(arrays[f"w{at}"][0])
        return pandas.Series(pandas.Categorical.from_codes(values, words, ordered=column["ordered"]))
    if kind == "time":
        series = pandas.Series(values.view("datetime64[ns]"))
        return series.dt.tz_localize("UTC").dt.tz_convert(column["zone"]) if column["zone"] else series
    series = pandas.Series(values)
    if kind == "nullable":
        series = series.astype(column["dtype"])
        series[arrays[f"m{at}"].astype(bool)] = pandas.NA
    return series


# -- asking ------------------------------------------------------------------------------------------------------


def _several(got):
    return Refused(
        "the model decides several things at once",
        got,
        "one decision a row",
        "save one model for each output and audit them one by one; or write the one output that decides into a column "
        'of the table and name that under [model], `decision = "COLUMN"`, in place of `path`',
    )


class Served:
    """A loaded model, and what can be asked of it."""

    def __init__(self, fields):
        self.kind, self.path = fields["load"], fields["path"]
        if fields.get("folder"):
            sys.path.insert(0, fields["folder"])
        try:
            self.model = loaders.load(self.kind, self.path)
        except ImportError as error:
            raise Refused(
                "the model needs a module that its environment does not have",
                _error_text(error),
                "an environment in which the model loads",
                "install it there (" + sys.executable + " -m pip install ...), or name another `python`",
            ) from error
        except AttributeError as error:
            raise Refused(
                "the model refers to code that its environment does not have",
                _error_text(error),
                "the classes and functions that the model was made with",
                "put them into a file beside the model, with a function that takes the path and gives the model, and "
                'write load = "FILE:FUNCTION" (without .py)',
            ) from error
        if not (hasattr(self.model, "predict") or isinstance(self.model, (loaders.Statsmodels, loaders.Keras))):
            raise Refused(
                "what is in the file does not predict",
                type(self.model).__name__,
                "a fitted model with a `predict`",
                "save the whole pipeline, its last step included",
            )
        self.groups = ()
        self.classes, self.output, self.named, self.decides, self.notes = self._known()

    # what it is

    def _known(self):
        """(classes as values, output, named, decides, notes)."""
        model = self.model
        if isinstance(model, loaders.Statsmodels):
            if not model.binary:
                return (), "value", True, False, []
            note = "statsmodels gives the probability of 1 and no decision: positive from 0.5 up"
            return (0, 1), "probability", False, True, [note]
        if isinstance(model, loaders.Keras):
            return self._known_of_network()
        if self._reads():
            note = "the model reads sensitive values at the decision and draws at random; it is asked with seed 0"
            return (0, 1), "decision", False, True, [note]
        if hasattr(model, "_pmf_predict"):  # fairlearn's reductions: labels are 0 and 1
            note = "the model draws at random; it is asked with seed 0"
            return (0, 1), "probability", False, True, [note]
        return self._known_by_classes() or self._known_by_type()

    def _known_of_network(self):
        model = self.model
        many = tuple(range(max(2, model.width)))
        if model.activation == "sigmoid" and model.width > 1:
            raise _several(f"a layer of {model.width} sigmoids, each a decision of its own")
        if model.activation in ("sigmoid", "softmax"):
            note = "the network holds no decision: the class of the highest probability is taken"
            return many, "probability", False, True, [note]
        note = "the network's last activation is " + model.activation + ": its output is no probability"
        return (many, "raw", False, False, [note]) if model.width > 1 else ((), "value", True, False, [note])

    def _known_by_classes(self):
        """As scikit-learn's classifiers say it; None for a model without `classes_`."""
        try:
            classes = getattr(self.model, "classes_", None)
        except Exception:
            classes = None
        if isinstance(classes, list) and classes and not isinstance(classes[0], (str, int, float, bool)):
            raise _several(f"{len(classes)} outputs")
        if classes is None or not len(classes):
            return None
        values = tuple(classes.tolist() if hasattr(classes, "tolist") else classes)
        if hasattr(self.model, "predict_proba"):
            return values, "probability", True, True, []
        return values, "decision", True, True, ["the model gives no probabilities: each score is its decision, 1 or 0"]

    def _known_by_type(self):
        kind = getattr(self.model, "_estimator_type", None)
        if kind is None:
            kind = getattr(_tags(self.model), "estimator_type", None)
        if kind == "outlier_detector":
            note = "an outlier detector: class 1 is an ordinary row, class -1 an outlier"
            return (-1, 1), "decision", True, True, [note]
        if kind == "regressor":
            return (), "value", True, False, []
        return (), "unknown", True, True, []

    def _reads(self):
        """Whether `predict` wants to know people's groups."""
        return "sensitive_features" in _parameters(getattr(self.model, "predict", None))

    def facts(self):
        model = self.model
        inner = getattr(model, "model", None) if isinstance(model, loaders.Keras) else model
        name = type(getattr(model, "results", inner)).__name__
        steps = getattr(model, "steps", None)
        if steps:
            name = "{}({})".format(name, ", ".join(type(step).__name__ for _, step in steps))
        features, columns = None, None
        for owner in (model, getattr(model, "estimator_", None), getattr(model, "best_estimator_", None)):
            names = getattr(owner, "feature_names_in_", None)
            if names is None:
                names = getattr(owner, "feature_names_", None)
            if names is not None and len(names):
                features = [str(n) for n in names]
                break
        if features is None:
            columns = getattr(model, "n_features_in_", None)
        keys = []
        if self._reads():
            rule = getattr(model, "interpolated_thresholder_", model)
            keys = [str(k) for k in getattr(rule, "interpolation_dict", {})]
        versions = {"python": platform.python_version()}
        for library in ("numpy", "pandas", "sklearn", "lightgbm", "xgboost", "catboost", "fairlearn", "imblearn",
                        "category_encoders", "statsmodels", "keras", "tensorflow", "torch", "mlflow"):  # fmt: skip
            if library in sys.modules:
                versions[library] = str(getattr(sys.modules[library], "__version__", "?"))
        return {
            "estimator": name,
            "classes": [str(c) for c in self.classes],
            "features": features,
            "columns": None if columns is None else int(columns),
            "task": "regression" if self.output == "value" else "classification",
            "output": self.output,
            "notes": self.notes,
            "named": self.named,
            "decides": self.decides,
            "groups": keys,
            "versions": versions,
        }

    # what it answers

    def run(self, fields, arrays):
        rows = _table(fields["columns"], arrays) if "columns" in fields else None
        self.groups = tuple(fields.get("groups") or ())
        if fields["do"] == "scores":
            return {}, {"scores": self.scores(rows, fields["positive"])}
        what = fields["op"]
        if what == "answer":
            positive = arrays["positive"][0]
            outputs = {"scores": self.scores(rows, positive)}
            if self.decides:
                outputs["decided"] = self.decided(rows)
            return {}, outputs
        if what == "class_scores":
            return {}, {"scores": self.table(rows)}
        if what == "classes":
            return self.learn_classes(rows), {}
        if what == "refit":
            return {}, self.refit(rows, arrays)
        if what == "convert":
            return {}, self.convert(rows, arrays)
        raise Refused("this is not done by a model in its own environment", what)

    def _predict_arguments(self, rows):
        """(rows, keywords) as the model's `predict` takes them."""
        if self.groups:
            groups = rows[list(self.groups)]
            rows = rows.drop(columns=[g for g in self.groups if g not in self._features()])
            return rows, {"sensitive_features": groups.iloc[:, 0] if len(self.groups) == 1 else groups}
        return rows, {}

    def _features(self):
        return self.facts()["features"] or []

    def _rows(self, rows):
        """A model that was fitted without names is given bare values."""
        if hasattr(rows, "to_numpy") and getattr(self.model, "n_features_in_", None) is not None:
            return rows if hasattr(self.model, "feature_names_in_") else rows.to_numpy()
        return rows

    def predicted(self, rows):
        import numpy

        rows, more = self._predict_arguments(rows)
        if "random_state" in _parameters(self.model.predict):
            more["random_state"] = 0
        y_pred = numpy.asarray(self.model.predict(self._rows(rows), **more))
        if y_pred.ndim > 1 and y_pred.size > len(rows):
            raise _several(str(y_pred.size // max(len(rows), 1)) + " answers a row")
        return y_pred.reshape(-1)

    def table(self, rows):
        """(n, classes)."""
        import numpy

        model = self.model
        if isinstance(model, loaders.Statsmodels):
            mean = model.mean(rows)
            return numpy.column_stack([1 - mean, mean])
        if isinstance(model, loaders.Keras):
            scores = model.table(rows)
            return numpy.column_stack([1 - scores[:, 0], scores[:, 0]]) if scores.shape[1] == 1 else scores
        if self.output == "decision":
            return (self.decided(rows)[:, None] == numpy.arange(len(self.classes))[None, :]).astype(float)
        inputs = self._rows(rows)
        scores = model._pmf_predict(inputs) if hasattr(model, "_pmf_predict") else model.predict_proba(inputs)
        scores = numpy.asarray(scores, dtype=float)
        if scores.shape != (len(rows), len(self.classes)):
            raise Refused("the model's predict_proba gives a table of another shape", str(scores.shape))
        return scores

    def scores(self, rows, positive):
        import numpy

        if self.output == "value":
            if isinstance(self.model, loaders.Statsmodels):
                return self.model.mean(rows)
            if isinstance(self.model, loaders.Keras):
                return self.model.table(rows)[:, 0]
            return self.predicted(rows).astype(float)
        names = [str(c) for c in self.classes]
        if positive not in names:
            raise Refused("the model has no class of this name", positive, ", ".join(names))
        at = names.index(positive)
        scores = self.table(rows)
        if self.output != "raw":
            return scores[:, at]
        others = numpy.delete(scores, at, axis=1)
        most = others.max(axis=1)
        return scores[:, at] - most - numpy.log(numpy.exp(others - most[:, None]).sum(axis=1))

    def decided(self, rows):
        import numpy

        if isinstance(self.model, (loaders.Statsmodels, loaders.Keras)):
            return self.table(rows).argmax(axis=1).astype("int64")
        labels = [str(v) for v in self.predicted(rows).tolist()]
        places = {}
        for at, value in enumerate(self.classes):
            places[str(value)] = at
        for word in set(labels) - set(places):
            try:  # 1.0 of a class 1, True of a class "True"
                places[word] = next(at for at, v in enumerate(self.classes) if float(v) == float(_true_or_false(word)))
            except (StopIteration, TypeError, ValueError):
                raise Refused("the model decides for a class that it does not name", word,
                              ", ".join(str(c) for c in self.classes)) from None  # fmt: skip
        return numpy.array([places[word] for word in labels], dtype="int64")

    def learn_classes(self, rows):
        """A model that names no classes: what it answers, on all rows."""
        y_pred = self.predicted(rows)
        if y_pred.dtype.kind == "f" and not all(float(v).is_integer() for v in set(y_pred.tolist())):
            self.classes, self.output, self.decides = (), "value", False
            return self.facts()
        seen = sorted(set(y_pred.tolist()), key=str)
        if len(seen) > 50 or len(seen) < 2:
            raise Refused(
                "the model names no classes, and its answers do not show two to fifty",
                f"{len(seen)} different answers in {len(y_pred)} rows",
                "a model with `classes_`, or decisions of which both occur",
                "give the model an attribute classes_",
            )
        self.classes, self.output, self.decides = tuple(seen), "decision", True
        self.notes = ["the model names no classes; those of its answers are " + ", ".join(repr(str(s)) for s in seen)]
        return self.facts()

    # fitted again, and converted

    def refit(self, rows, arrays):
        """A clone fitted on these rows, written by the environment's joblib or cloudpickle."""
        import numpy
        from sklearn.base import clone

        try:
            fresh = clone(self.model)
        except Exception as error:
            raise Refused("its own library cannot make a fresh copy of the model", _error_text(error)) from error
        if "seed" in arrays:
            unset = [k for k, v in fresh.get_params(deep=True).items()
                     if v is None and (k == "random_state" or k.endswith("__random_state"))]  # fmt: skip
            fresh.set_params(**dict.fromkeys(unset, int(arrays["seed"])))
        words = {str(c): c for c in self.classes}
        labels = [words[v] for v in arrays["labels"]]
        weight = arrays.get("sample_weight")
        keyword = _weights_of(fresh)
        inputs = self._rows(rows)
        if weight is not None and keyword is not None:
            fresh.fit(inputs, numpy.array(labels), **{keyword: weight})
        else:
            fresh.fit(inputs, numpy.array(labels))
        effect = -1 if weight is None else int(keyword is not None)
        note = "none given" if weight is None else ("given as " + keyword if keyword else "it takes no weights")
        return {
            "model": _written(fresh, self.kind),
            "weights": [note],
            "weights_used": numpy.array(int(weight is not None and keyword is not None)),
            "weights_effect": numpy.array(effect),
        }

    def convert(self, rows, arrays):
        """The model as skops or ONNX by this environment's library; `tried` is what it answers on the rows."""
        to = arrays["to"][0]
        if to == "skops":
            try:
                import skops.io
            except ImportError as error:
                raise Refused(
                    "the model's environment has no skops", _error_text(error), "skops beside the model",
                    "run `" + sys.executable + " -m pip install skops` and try again",
                ) from error  # fmt: skip
            content = skops.io.dumps(self.model)
        else:
            content = self._onnx(rows)
        import numpy

        return {
            "content": numpy.frombuffer(content, dtype="uint8"),
            "scores": self.table(rows) if self.output in ("probability", "decision") else self.predicted(rows)[:, None],
            "decided": self.decided(rows) if self.decides else numpy.zeros(0, dtype="int64"),
        }

    def _onnx(self, rows):
        if hasattr(self.model, "save_model") and type(self.model).__module__.startswith("catboost"):
            place = os.path.join(os.environ.get("TMPDIR", "/tmp"), "model.onnx")
            self.model.save_model(place, format="onnx")
            with open(place, "rb") as stream:
                return stream.read()
        try:
            from skl2onnx import convert_sklearn
            from skl2onnx.common.data_types import FloatTensorType, StringTensorType
        except ImportError as error:
            raise Refused(
                "the model's environment has no skl2onnx", _error_text(error), "skl2onnx beside the model",
                "run `" + sys.executable + " -m pip install skl2onnx` and try again",
            ) from error  # fmt: skip
        numeric = {c: rows[c].dtype.kind in "biuf" for c in rows.columns}
        apart = [(str(c), (FloatTensorType if numeric[c] else StringTensorType)([None, 1])) for c in rows.columns]
        # One tensor of all columns, for estimators that take no columns by name.
        ways = [apart] + ([[("rows", FloatTensorType([None, len(apart)]))]] if all(numeric.values()) else [])
        reason = ""
        for types in ways:
            try:
                return convert_sklearn(self.model, "model", types, options=_no_zipmap(self.model)).SerializeToString()
            except Exception as error:
                reason = _error_text(error)
        raise Refused("skl2onnx does not write this model as ONNX", reason, "a model that it knows",
                      "write it as skops, or audit it in its own environment")  # fmt: skip


def _no_zipmap(model):
    return {id(model): {"zipmap": False}} if hasattr(model, "predict_proba") else None


def _tags(model):
    try:
        from sklearn.utils import get_tags

        return get_tags(model)
    except Exception:
        return None


def _true_or_false(text):
    return {"True": 1, "False": 0}.get(text, text)


def _parameters(function):
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):
        return {}


def _weights_of(estimator):
    steps = getattr(estimator, "steps", None)
    if steps:
        inner = _weights_of(steps[-1][1])
        return None if inner is None else f"{steps[-1][0]}__{inner}"
    return "sample_weight" if "sample_weight" in _parameters(estimator.fit) else None


def _written(model, kind):
    stream = io.BytesIO()
    if kind == "joblib":
        import joblib

        joblib.dump(model, stream)
    else:
        importlib.import_module("cloudpickle" if kind == "cloudpickle" else "pickle").dump(model, stream)
    return stream.getvalue()
