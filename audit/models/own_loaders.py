"""How a model in its own environment is loaded; beside own_worker.py, and like it without dependencies.

Each way runs what the file holds: a person has consented to exactly these bytes.
"""

from __future__ import annotations

import collections
import importlib
import importlib.util
import os
import sys


def load(kind, path):
    """(model, adapter or None). Runs what the file holds: a person has consented to exactly these bytes."""
    if ":" in kind:
        module, _, name = kind.partition(":")
        return getattr(importlib.import_module(module), name)(path)
    return WAYS[kind].load(path)


def _joblib(path):
    import joblib

    return joblib.load(path)


def _skops(path):
    import skops.io

    return skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))


def _pickled(path, library):
    with open(path, "rb") as stream:
        return importlib.import_module(library).load(stream)


def _statsmodels(path):
    from statsmodels.iolib.smpickle import load_pickle

    return Statsmodels(load_pickle(path))


def _catboost(path):
    import catboost

    plain = catboost.CatBoost()
    plain.load_model(path)
    loss = str((plain.get_all_params() or {}).get("loss_function", ""))
    if (plain.classes_ is not None and len(plain.classes_)) or loss in (
        "Logloss",
        "CrossEntropy",
        "MultiClass",
        "MultiClassOneVsAll",
    ):
        model = catboost.CatBoostClassifier()
    else:
        model = catboost.CatBoostRegressor()
    model.load_model(path)
    return model


def _mlflow(folder):
    """The model of its own library where MLmodel names one (its probabilities and classes are there), else pyfunc."""
    with open(os.path.join(folder, "MLmodel"), encoding="utf-8") as stream:
        lines = stream.read().splitlines()
    flavors, inside = {}, None
    for line in lines:
        name = line.strip().rstrip(":")
        if line.startswith("  ") and not line.startswith("   ") and line.rstrip().endswith(":"):
            inside = flavors.setdefault(name, {})
        elif line.startswith("    ") and inside is not None and ":" in line:
            key, _, value = line.strip().partition(":")
            inside[key] = value.strip().strip("'\"")
        elif not line.startswith(" "):
            inside = None
    code = os.path.join(folder, "code")
    if os.path.isdir(code):
        sys.path.insert(0, code)
    if "pickled_model" in flavors.get("sklearn", {}):
        # The file that mlflow.sklearn.load_model would open, without MLflow, which an environment need not have.
        place = os.path.join(folder, flavors["sklearn"]["pickled_model"])
        if os.path.realpath(place).startswith(os.path.realpath(folder) + os.sep) and not place.endswith(".skops"):
            return load("cloudpickle" if flavors["sklearn"].get("serialization_format") == "cloudpickle" else "joblib",
                         place)  # fmt: skip
    import mlflow

    for name in ("sklearn", "lightgbm", "xgboost", "catboost"):
        if name in flavors:
            return importlib.import_module("mlflow." + name).load_model(folder)
    return mlflow.pyfunc.load_model(folder)


class Statsmodels:
    """Results of statsmodels: `predict` gives a mean, which of a binary family is the probability of 1."""

    def __init__(self, results):
        self.results = results
        inner = getattr(results, "model", None)
        family = type(getattr(inner, "family", None)).__name__
        self.binary = type(inner).__name__ in ("Logit", "Probit") or family == "Binomial"
        self.names = list(getattr(inner, "exog_names", None) or ())
        self.formula = hasattr(inner, "formula")

    def mean(self, rows):
        import numpy

        if self.formula:
            return numpy.asarray(self.results.predict(rows), dtype=float)
        rows = rows.copy()
        for name in ("const", "Intercept", "intercept"):
            if name in self.names and name not in rows.columns:
                rows[name] = 1.0
        named = all(n in rows.columns for n in self.names)
        return numpy.asarray(self.results.predict(rows[self.names] if named else rows), dtype=float)


class Keras:
    """A network; its last activation says whether the output is a probability."""

    def __init__(self, path):
        if "KERAS_BACKEND" not in os.environ:
            for name in ("tensorflow", "torch", "jax"):
                if importlib.util.find_spec(name) is not None:
                    os.environ["KERAS_BACKEND"] = name
                    break
        import keras

        self.model = keras.models.load_model(path, compile=False)
        last = self.model.layers[-1]
        self.activation = getattr(getattr(last, "activation", last), "__name__", type(last).__name__).lower()
        self.width = int(self.model.output_shape[-1])

    def table(self, rows):
        import numpy

        values = numpy.asarray(rows, dtype="float32")
        return numpy.asarray(self.model.predict(values, verbose=0), dtype=float).reshape(len(values), -1)


Way = collections.namedtuple("Way", "load what copy")
_LIBRARY = "the file, with that library"
_FAMILY = "a file of that library, its classes or its family read from it"
WAYS = {
    "joblib": Way(_joblib, _LIBRARY, "joblib"),
    "pickle": Way(lambda path: _pickled(path, "pickle"), _LIBRARY, "pickle"),
    "cloudpickle": Way(lambda path: _pickled(path, "cloudpickle"), _LIBRARY, "cloudpickle"),
    "mlflow": Way(
        _mlflow,
        "a folder with `MLmodel`: its scikit-learn pickle, else the flavour's own loader (needs mlflow there)",
        "pickle",
    ),
    "catboost": Way(_catboost, _FAMILY, None),
    "statsmodels": Way(_statsmodels, _FAMILY, None),
    "keras": Way(Keras, _FAMILY, None),
    "skops": Way(_skops, "a skops file of another version of scikit-learn, all its types allowed", None),
}
"""`load` in a case file -> what loads the model, what that is, and the way in which a fresh copy of it is written
and loaded again (None: there is none). `module:function` is not listed."""
