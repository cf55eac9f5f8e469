"""LightGBM models in LightGBM's own text format.

The text holds no class names, only their places: "0", "1", ...

Categories of pandas columns are in the text, in the order of the categorical columns.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from audit.errors import ModelError
from audit.models.loaded import PROBABILITY, RAW, VALUE, Facts, Loaded, as_category, one_class
from audit.numbers import many
from audit.sentences import SCORES_COLUMN

_BINARY = ("binary", "cross_entropy", "xentropy")
_MANY = ("multiclass", "multiclassova")
_VALUES = (
    "regression regression_l2 l2 regression_l1 l1 huber fair poisson quantile mape gamma tweedie cross_entropy_lambda "
    "lambdarank rank_xendcg"
).split()


def import_lightgbm() -> Any:
    """lightgbm without its scikit-learn wrappers: a Booster needs none, and they are most of the import's time."""
    if "lightgbm" in sys.modules or "sklearn" in sys.modules:
        import lightgbm

        return lightgbm
    sys.modules["sklearn"] = None  # type: ignore[assignment]  # an import then fails as if it were not installed
    try:
        import lightgbm
    finally:
        del sys.modules["sklearn"]
    return lightgbm


class LightgbmModel(Loaded):
    """A lightgbm.Booster."""

    format = "lightgbm"

    def __init__(self, content: bytes) -> None:
        lightgbm = import_lightgbm()
        text = unix(content).decode("utf-8", "replace")
        self._header = _header(text)
        self.estimator = lightgbm.Booster(model_str=text)
        objective = self._header.get("objective", "").split(" ")[0]
        count = int(self._header.get("num_class", "1"))
        names = tuple(self._header["feature_names"].split(" "))
        bare = all(name == f"Column_{at}" for at, name in enumerate(names))
        notes: tuple[str, ...] = ()
        classes: tuple[str, ...]
        if objective in _BINARY:
            classes, task, output = ("0", "1"), "classification", PROBABILITY
        elif objective in _MANY:
            classes, task, output = tuple(str(c) for c in range(count)), "classification", PROBABILITY
        elif objective in _VALUES and count == 1:
            classes, task, output = (), "regression", VALUE
        elif not objective and count == 1:
            # Trained on a function of one's own: what the trees add up to, and no file says what that is.
            classes, task, output = ("0", "1"), "classification", RAW
            notes = ("the LightGBM model has an objective of its own: its output is the sum of its trees",)
        else:
            raise ModelError(
                "the LightGBM model has an objective whose output is no score of a class",
                got=f"objective {objective or 'missing (a function of your own)'!r}, {count} outputs a row",
                expected=f"one of {', '.join((*_BINARY, *_MANY, *_VALUES))}",
                todo=SCORES_COLUMN,
            )
        self.facts = Facts(
            estimator=f"lightgbm.Booster({objective}, {many(self.estimator.num_trees(), 'tree')})",
            classes=classes,
            features=None if bare else names,
            columns=len(names),
            task=task,
            output=output,
            decides=output not in (VALUE, RAW),
            notes=notes,
            named=False,
        )
        self._names = names
        self._categories: list[list[Any]] = _pandas_categories(text)

    def prepare(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The frame with the training's categories; a value that training never saw is missing to the model.

        Raises ModelError for text in a column that was numeric in training.
        """
        rows = frame.set_axis(list(self._names), axis=1)
        columns = self._categorical(rows)
        changed = set(columns)
        for name, categories in zip(columns, self._categories, strict=True):
            rows[name] = as_category(rows[name], categories)
        text = [n for n in self._names if n not in changed and not pd.api.types.is_numeric_dtype(rows[n].dtype)]
        text = [n for n in text if not pd.api.types.is_bool_dtype(rows[n].dtype)]
        if text:
            raise ModelError(
                "the LightGBM model takes numbers where the data have something else",
                got=", ".join(f"{n!r} ({rows[n].dtype})" for n in text[:8]),
                expected="numbers in these columns, as in training",
                todo="code the columns as training did, or save the pipeline that codes them (as skops)",
            )
        return rows

    def _categorical(self, rows: pd.DataFrame) -> list[str]:
        """The names of the columns that were pandas categories in training, in order."""
        if not self._categories:
            return []
        infos = self._header.get("feature_infos", "").split(" ")
        # "[low:high]" is numeric, "0:1:2" categorical, "none" a column that no tree could use.
        listed = [n for n, i in zip(self._names, infos, strict=False) if i != "none" and not i.startswith("[")]
        if len(listed) == len(self._categories):
            return listed
        # Ordered categories are numbers to the trees, and a column that none uses is nothing: of these, what is text.
        likely = [n for n in self._names if n in listed or not pd.api.types.is_numeric_dtype(rows[n].dtype)]
        if len(likely) == len(self._categories):
            return likely
        raise ModelError(
            "the categorical columns of the LightGBM model cannot be told apart",
            got=f"{many(len(listed), 'column')} with categories in the trees",
            expected=f"{len(self._categories)}, as the file's pandas_categorical says",
            todo="train without ordered categories that are not text: as numbers they say the same to its trees",
        )

    def scores(self, frame: pd.DataFrame, positive: str) -> np.ndarray:
        # Before the work: a name that does not fit should not cost a prediction.
        index = self.class_index(positive) if self.facts.classes else None
        raw = np.asarray(self.estimator.predict(self.prepare(frame)), dtype=np.float64)
        return raw if index is None else one_class(raw, index, self.facts.output)

    def class_scores(self, frame: pd.DataFrame) -> np.ndarray:
        if len(self.facts.classes) <= 2:
            return super().class_scores(frame)
        return np.asarray(self.estimator.predict(self.prepare(frame)), dtype=np.float64)


def unix(content: bytes) -> bytes:
    """The text with the line ends that LightGBM wrote: it finds its trees by counted bytes, which a copy through
    Windows or git has changed."""
    return content.replace(b"\r\n", b"\n")


def _header(text: str) -> dict[str, str]:
    header: dict[str, str] = {}
    for line in text.split("\n\n", 1)[0].splitlines():
        key, mark, value = line.partition("=")
        if mark:
            header[key] = value
    if "feature_names" not in header:
        raise ModelError("the LightGBM text has no list of features", expected="a line feature_names=...")
    return header


def _pandas_categories(text: str) -> list[list[Any]]:
    at = text.rfind("\npandas_categorical:")
    if at < 0:
        return []
    line = text[at + 1 :].split("\n", 1)[0].partition(":")[2]
    read: Any = json.loads(line) if line.strip() else None
    ok = isinstance(read, list) and all(isinstance(c, Sequence) and not isinstance(c, str) for c in read)
    return [list(c) for c in read] if ok else []
