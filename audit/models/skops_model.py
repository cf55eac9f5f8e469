"""scikit-learn models from skops files."""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from audit.errors import ModelError
from audit.models.bounds import check_bounds
from audit.models.guards import put_up
from audit.models.loaded import DECISION, PROBABILITY, VALUE, Facts, Loaded, one_line
from audit.models.trust import modules, sections


def import_skops() -> Any:
    """skops.io, without the walk through every module of scikit-learn that its import makes.

    skops asks `sklearn.utils.all_estimators` which names to trust; it gets the same names from our reviewed list.
    Measured: 2.5 s of processor time with the walk, 2.2 s without.
    """
    import sys

    if "skops.io" in sys.modules:
        return sys.modules["skops.io"]
    import sklearn.utils

    listed = [name.rsplit(".", 1) for name in sections()["estimators"]]
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
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            put_up(modules(json.loads(archive.read("schema.json"))))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self.estimator = skops.load(io.BytesIO(content), trusted=[*sections()["reviewed"], *allow])
        check_bounds(self.estimator)
        notes = tuple(dict.fromkeys(one_line(w.message) for w in caught))
        self.facts = _facts(self.estimator, notes)

    def prepare(self, frame: pd.DataFrame) -> Any:
        """The frame, or its bare values for a model that was fitted without column names."""
        return frame if self.facts.features is not None else frame.to_numpy()

    def scores(self, frame: pd.DataFrame, positive: str) -> np.ndarray:
        rows = self.prepare(frame)
        if self.facts.task == "regression":
            return np.asarray(self.estimator.predict(rows), dtype=np.float64)
        index = self.class_index(positive)
        if self.facts.output == PROBABILITY:
            return self._probabilities(rows)[:, index]
        decided = np.asarray(self.estimator.predict(rows))
        return np.array([str(v) == self.facts.classes[index] for v in decided.tolist()], dtype=np.float64)

    def class_scores(self, frame: pd.DataFrame) -> np.ndarray:
        rows = self.prepare(frame)
        if self.facts.output == PROBABILITY:
            return self._probabilities(rows)
        decided = np.array([str(v) for v in np.asarray(self.estimator.predict(rows)).tolist()], dtype=object)
        hit: np.ndarray = decided[:, None] == np.array(self.facts.classes, dtype=object)[None, :]
        return hit.astype(np.float64)

    def _probabilities(self, rows: Any) -> np.ndarray:
        table: np.ndarray = np.asarray(self.estimator.predict_proba(rows), dtype=np.float64)
        if table.ndim != 2 or table.shape[1] != len(self.facts.classes):
            raise ModelError(
                "the model's predict_proba gives a table of another shape",
                got=table.shape,
                expected=f"a column for each of its {len(self.facts.classes)} classes",
                todo="check the estimator; predict_proba must follow scikit-learn's convention",
            )
        return table


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
        raise ModelError(
            "the model decides several things at once",
            got=f"{len(classes)} outputs",
            expected="one decision a row",
            todo="save one model for each output and audit them one by one",
        )
    labels: tuple[str, ...]
    if classes is None:
        if _is_classifier(estimator):
            raise ModelError(
                "the model is not fitted",
                got=f"{one_line(name)} without `classes_`",
                expected="a fitted classifier",
                todo="call fit before saving it",
            )
        task, output, labels = "regression", VALUE, ()
    else:
        labels = tuple(str(c) for c in np.asarray(classes).tolist())
        task = "classification"
        output = PROBABILITY if hasattr(estimator, "predict_proba") else DECISION
        if output == DECISION:
            notes = (*notes, "the model gives no probabilities: each score is its decision, 1 or 0")
    return Facts(
        estimator=one_line(name),
        classes=labels,
        features=features,
        columns=None if columns is None else int(columns),
        task=task,
        output=output,
        notes=notes,
    )


def _is_classifier(estimator: Any) -> bool:
    from sklearn.base import is_classifier

    try:
        return bool(is_classifier(estimator))
    except Exception:
        # An estimator of a person's own may lack scikit-learn's tags.
        return False
