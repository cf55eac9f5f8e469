"""scikit-learn models from skops files."""

from __future__ import annotations

import contextlib
import io
import json
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from audit.errors import ModelError
from audit.models.bounds import check_bounds
from audit.models.guards import put_up
from audit.models.loaded import DECISION, PROBABILITY, VALUE, Facts, Loaded, one_a_row, one_line, places, several
from audit.models.trust import modules, sections
from audit.numbers import many
from audit.sentences import NO_PROBABILITIES


def import_skops() -> Any:
    """skops.io, without the walk through every module of scikit-learn that its import makes.

    skops asks `sklearn.utils.all_estimators` which names to trust; it gets the same names from our reviewed list.
    Measured: 2.5 s of processor time with the walk, 2.2 s without.
    """
    import sys

    if (loaded := sys.modules.get("skops.io")) is not None:
        return loaded
    import sklearn.utils

    listed = [name.rsplit(".", 1) for name in sections().estimators]
    original = sklearn.utils.all_estimators
    sklearn.utils.all_estimators = lambda *a, **k: [(n, type(n, (), {"__module__": m})) for m, n in listed]
    try:
        import skops.io
    finally:
        sklearn.utils.all_estimators = original
    return skops.io


class SkopsModel(Loaded):
    """A fitted scikit-learn estimator (or one with its interface)."""

    format = "skops"

    def __init__(self, content: bytes, allow: Sequence[str]) -> None:
        skops = import_skops()
        self._made_with = made_with(content)
        self._prepared: _Last | None = None
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            put_up(modules(json.loads(archive.read("schema.json"))))
        with warnings.catch_warnings(record=True) as caught, self._versions():
            warnings.simplefilter("always")
            self.estimator = skops.load(io.BytesIO(content), trusted=[*sections().reviewed, *allow])
        check_bounds(self.estimator)
        self._typed = _typed(self.estimator)
        notes = tuple(dict.fromkeys(one_line(w.message) for w in caught))
        self.facts = _facts(self.estimator, notes)

    @contextlib.contextmanager
    def _versions(self) -> Iterator[None]:
        """A failure of a model that another version of scikit-learn saved is told as that. Raises ModelError."""
        try:
            yield
        except ModelError:
            raise
        except Exception as error:
            import sklearn

            here, there = str(sklearn.__version__), self._made_with
            if there is None or there.split(".")[:2] == here.split(".")[:2]:
                raise
            raise ModelError(
                "the model was saved by another version of scikit-learn, and does not work under the one here",
                got=f"saved by scikit-learn {there}, loaded by {here}: {type(error).__name__}: {one_line(error)}",
                expected="the same version, or one that reads the other's files",
                todo='name the interpreter that it was made with: under [model] `python = "../venv/bin/python"` and '
                '`load = "skops"`; or fit and save it again under the version here',
            ) from error

    def _predict(self, rows: Any) -> np.ndarray:
        with self._versions():
            return one_a_row(self.estimator.predict(rows), len(rows))

    @contextlib.contextmanager
    def once(self) -> Iterator[None]:
        """`predict` and `predict_proba` of scikit-learn's own estimators go through the same steps, and most decide by
        the probabilities: within, what a step answers to an object is kept for the next who asks about that object."""
        kept: list[tuple[Any, str]] = []
        self._prepared = _Last(self._prepare)
        try:
            for part in _steps(self.estimator):
                for name in _SHARED:
                    method = getattr(part, name, None)
                    if method is not None and name not in vars(part):
                        setattr(part, name, _Last(method))
                        kept.append((part, name))
            yield
        finally:
            self._prepared = None
            for part, name in kept:
                delattr(part, name)

    def prepare(self, frame: pd.DataFrame) -> Any:
        """The frame, or its bare values for a model that was fitted without column names."""
        return self._prepare(frame) if self._prepared is None else self._prepared(frame)

    def _prepare(self, frame: pd.DataFrame) -> Any:
        if self.facts.features is None:
            return frame.to_numpy()
        return frame if self._typed is None else self._typed(frame)

    def scores(self, frame: pd.DataFrame, positive: str) -> np.ndarray:
        rows = self.prepare(frame)
        if self.facts.task == "regression":
            return np.asarray(self._predict(rows), dtype=np.float64)
        index = self.class_index(positive)
        if self.facts.output == PROBABILITY:
            return self._probabilities(rows)[:, index]
        same: np.ndarray = np.equal(places(self._predict(rows), self.facts.classes), index)
        return same.astype(np.float64)

    def decided(self, frame: pd.DataFrame) -> np.ndarray | None:
        if not self.facts.decides:
            return None
        return places(self._predict(self.prepare(frame)), self.facts.classes)

    def class_scores(self, frame: pd.DataFrame) -> np.ndarray:
        rows = self.prepare(frame)
        if self.facts.output == PROBABILITY:
            return self._probabilities(rows)
        decided = places(self._predict(rows), self.facts.classes)
        hit: np.ndarray = decided[:, None] == np.arange(len(self.facts.classes))[None, :]
        return hit.astype(np.float64)

    def _probabilities(self, rows: Any) -> np.ndarray:
        with self._versions():
            table: np.ndarray = np.asarray(self.estimator.predict_proba(rows), dtype=np.float64)
        if table.ndim != 2 or table.shape[1] != len(self.facts.classes):
            raise ModelError(
                "the model's predict_proba gives a table of another shape",
                got=table.shape,
                expected=f"a column for each of its {many(len(self.facts.classes), 'class')}",
                todo="check the estimator; predict_proba must follow scikit-learn's convention",
            )
        return table


_SHARED = ("transform", "predict_proba", "_raw_predict")


class _Last:
    """A method that remembers its last answer, by the very object that it was asked about and nothing else."""

    def __init__(self, method: Callable[..., Any]) -> None:
        self._method = method
        self._asked: Any = None
        self._answer: Any = None

    def __call__(self, rows: Any, *more: Any, **named: Any) -> Any:
        if more or named:
            return self._method(rows, *more, **named)
        if self._asked is not rows:
            self._answer = self._method(rows)
            self._asked = rows
        return self._answer


def _steps(estimator: Any) -> Iterator[Any]:
    """The steps of a pipeline, and of pipelines in it, as far as they are scikit-learn's own; else the estimator."""
    if type(estimator).__module__.partition(".")[0] != "sklearn":
        return
    if type(estimator).__name__ == "Pipeline":
        for _, step in estimator.steps:
            yield from _steps(step)
    else:
        yield estimator


def _typed(estimator: Any) -> Callable[[pd.DataFrame], pd.DataFrame] | None:
    """Of a wrapper around a booster that was trained on pandas' categories: a table with the categories of training,
    which the wrapper itself wants to be given. None of every other model."""
    kind = type(estimator).__module__.partition(".")[0]
    if kind == "lightgbm" and estimator.booster_.pandas_categorical:
        from audit.models.lightgbm_model import LightgbmModel

        inner = LightgbmModel(estimator.booster_.model_to_string().encode())
        return lambda frame: inner.prepare(frame).set_axis(list(frame.columns), axis=1)
    if kind == "xgboost" and "c" in (estimator.get_booster().feature_types or ()):
        from audit.models.xgboost_model import XgboostModel

        return XgboostModel(bytes(estimator.get_booster().save_raw("ubj"))).typed
    return None


def made_with(content: bytes) -> str | None:
    """The version of scikit-learn that the file says it was saved by, or None."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            waiting: list[Any] = [json.loads(archive.read("schema.json"))]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node
        elif isinstance(node, dict):
            entry = node.get("_sklearn_version")
            if isinstance(entry, dict) and isinstance(version := entry.get("content"), str):
                return one_line(version.strip('"'), 40)
            waiting += node.values()
    return None


def _facts(estimator: Any, notes: tuple[str, ...]) -> Facts:
    name = type(estimator).__name__
    steps = getattr(estimator, "steps", None)
    if steps:
        name = f"{name}({', '.join(type(step).__name__ for _, step in steps)})"
    if not hasattr(estimator, "predict"):
        raise ModelError(
            "what is in the file does not predict",
            got=one_line(name),
            expected="a fitted classifier or regressor with a `predict`",
            todo="save the whole pipeline, its last step included",
        )
    names = getattr(estimator, "feature_names_in_", None)
    features = None if names is None else tuple(str(n) for n in names)
    columns = getattr(estimator, "n_features_in_", None)
    classes = getattr(estimator, "classes_", None)
    if isinstance(classes, list):
        raise several(f"{len(classes)} outputs")
    labels: tuple[str, ...]
    if classes is None:
        if _is(estimator, "is_classifier"):
            raise ModelError(
                "the model is not fitted",
                got=f"{one_line(name)} without `classes_`",
                expected="a fitted classifier",
                todo="call fit before saving it",
            )
        if _is(estimator, "is_clusterer"):
            raise ModelError(
                "the model sorts rows into groups of its own making, and decides nothing",
                got=one_line(name),
                expected="a fitted classifier or regressor",
                todo="write what is decided for each of its groups into a column of the table, and name that under "
                '[model], `decision = "COLUMN"`, in place of `path`',
            )
        task, output, labels = "regression", VALUE, ()
        if _is(estimator, "is_outlier_detector"):
            task, output, labels = "classification", DECISION, ("-1", "1")
            notes = (*notes, "an outlier detector: class 1 is an ordinary row, class -1 an outlier")
    else:
        labels = tuple(str(c) for c in np.asarray(classes).tolist())
        task = "classification"
        output = PROBABILITY if hasattr(estimator, "predict_proba") else DECISION
    if output == DECISION:
        notes = (*notes, NO_PROBABILITIES)
    return Facts(
        estimator=one_line(name),
        classes=labels,
        features=features,
        columns=None if columns is None else int(columns),
        task=task,
        output=output,
        decides=output != VALUE,
        notes=notes,
    )


def _is(estimator: Any, kind: str) -> bool:
    """What scikit-learn's function of this name says; no where an estimator of a person's own lacks its tags."""
    import sklearn.base

    try:
        return bool(getattr(sklearn.base, kind)(estimator))
    except Exception:
        return False
