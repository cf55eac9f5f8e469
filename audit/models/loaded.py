"""A model that has been built, inside the child: one small class a format behind one face.

`Loaded` is also what operations of `Worker.call` receive as `model`: `.estimator` is the library's own object
(scikit-learn estimator, lightgbm.Booster, xgboost.Booster, onnxruntime.InferenceSession), `.prepare(frame)` what that
object takes, `.scores(frame, positive)` the scores of one class.
"""

from __future__ import annotations

import abc
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from audit.errors import ModelError, nearest
from audit.numbers import many
from audit.printable import one_line as one_line

PROBABILITY, DECISION, VALUE, RAW = "probability", "decision", "value", "raw"
"""What `scores` gives: a probability; 1 or 0; the number that is predicted; log-odds that nothing has made a
probability of (logits, margins). Of the last two no decision follows before a person says how."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the model says of itself. `features` is None where it knows its columns by position only."""

    estimator: str
    classes: tuple[str, ...]
    features: tuple[str, ...] | None
    columns: int | None
    task: str
    output: str
    notes: tuple[str, ...] = ()
    named: bool = True
    """False where `classes` are places ("0", "1") because the file does not say what its classes are called."""
    decides: bool = True
    """False where nothing in the file decides, so that `decided` gives None."""


class Loaded(abc.ABC):
    """A model of one format. `facts` describe it, `estimator` is the library's object."""

    format: str
    estimator: Any
    facts: Facts

    @abc.abstractmethod
    def scores(self, frame: pd.DataFrame, positive: str) -> np.ndarray:
        """Shape (n,), float64: the probability of `positive`, or 0 and 1, or a regression's value."""

    def class_scores(self, frame: pd.DataFrame) -> np.ndarray:
        """Shape (n, K), float64: the score of each class, in the order of `facts.classes`."""
        names = self.facts.classes
        if len(names) == 2:
            second = self.scores(frame, names[1])
            return np.column_stack([1 - second, second])
        return np.column_stack([self.scores(frame, name) for name in names])

    def decided(self, frame: pd.DataFrame) -> np.ndarray | None:
        """The class that the model itself decides for each row: shape (n,), int64, places in `facts.classes`, as its
        library's own `predict` does it. None where nothing in the file decides (a value, raw outputs)."""
        if not self.facts.decides:
            return None
        table = self.class_scores(frame)
        # Ties go to the first class, as in scikit-learn's, LightGBM's and XGBoost's own classifiers.
        return np.asarray(table.argmax(axis=1), dtype=np.int64)

    def once(self) -> AbstractContextManager[None]:
        """Within, scores and decisions of one frame may share their work; the numbers are the same."""
        return nullcontext()

    def prepare(self, frame: pd.DataFrame) -> Any:
        """What `estimator` takes for `frame` (whose columns are already the model's, in its order)."""
        return frame

    def class_index(self, positive: str) -> int:
        """Where `positive` stands among the classes. Raises ModelError that lists them."""
        return class_index(self.facts.classes, positive)


def class_index(classes: Sequence[str], positive: str) -> int:
    """The index of `positive`: as text, or else as the same number ("1" is 1.0, and true is 1)."""
    names = [str(c) for c in classes]
    wanted = str(positive)
    if wanted in names:
        return names.index(wanted)
    key = _as_number(wanted)
    hits = [i for i, name in enumerate(names) if key is not None and _as_number(name) == key]
    if len(hits) == 1:
        return hits[0]
    raise ModelError(
        "the model has no class of the name of the positive label",
        got=repr(wanted),
        expected=f"one of {', '.join(repr(n) for n in names[:12])}" + (" ..." if len(names) > 12 else ""),
        todo=f"{nearest(wanted, names)} Correct `positive` under [data]",
    )


def same_class(names: Sequence[str], name: str) -> int | None:
    """Where `name` stands among `names` (as class_index finds it), or None."""
    try:
        return class_index(names, name)
    except ModelError:
        return None


def _as_number(text: str) -> float | None:
    truth = {"true": 1.0, "false": 0.0}.get(text.casefold())
    if truth is not None:
        return truth
    try:
        return float(text)
    except ValueError:
        return None


def one_class(raw: np.ndarray, index: int, output: str) -> np.ndarray:
    """The score of one class from (n,) of the second of two, or (n, K) of all. Log-odds are against all the others."""
    if raw.ndim == 2 and raw.shape[1] > 1:
        if output != RAW:
            return raw[:, index]
        others = np.delete(raw, index, axis=1)
        most = others.max(axis=1)
        against: np.ndarray = most + np.log(np.exp(others - most[:, None]).sum(axis=1))
        apart: np.ndarray = raw[:, index] - against
        return apart
    flat = raw.reshape(len(raw))
    if index == 1:
        return flat
    return -flat if output == RAW else 1 - flat


def one_a_row(values: Any, rows: int) -> np.ndarray:
    """What a model's own `predict` gave, (n,) or (n, 1), as (n,). Raises ModelError for several answers a row."""
    y_pred = np.asarray(values)
    if y_pred.ndim > 1 and y_pred.size > max(rows, 1):
        raise several(f"{many(y_pred.size // max(rows, 1), 'answer')} a row")
    return y_pred.reshape(-1)


def several(got: str) -> ModelError:
    """The refusal of a model with more than one output: which of them is the decision is not ours to choose."""
    return ModelError(
        "the model decides several things at once",
        got=got,
        expected="one decision a row",
        todo="save one model for each output and audit them one by one; or write the one output that decides into a "
        'column of the table and name that under [model], `decision = "COLUMN"`, in place of `path`',
    )


def places(values: Any, classes: Sequence[str]) -> np.ndarray:
    """Where each value of a model's own `predict` stands among its classes, (n,) int64. Raises ModelError."""
    labels = [str(v) for v in np.asarray(values).reshape(-1).tolist()]
    known = {name: at for at, name in enumerate(classes)}
    at = {name: known.get(name, same_class(classes, name)) for name in set(labels)}
    strange = sorted(name for name, place in at.items() if place is None)
    if strange:
        raise ModelError(
            "the model decides for classes that it does not name",
            got=", ".join(repr(s) for s in strange[:8]),
            expected=f"one of {', '.join(repr(c) for c in classes[:12])}",
            todo="check `classes_` and `predict` of the model with its own library",
        )
    return np.array([at[name] for name in labels], dtype=np.int64)


def as_category(values: pd.Series, categories: Sequence[Any]) -> pd.Series:
    """`values` with the categories of training, in their order; what is not among them is missing.

    Raises ModelError where training had text and the data have numbers, or the reverse: then nothing would match, and
    a model of missing values would answer in silence.
    """
    present = values.dropna()
    text = {isinstance(v, str) for v in present.head(1000)}
    trained = {isinstance(c, str) for c in categories}
    if len(text) == 1 and len(trained) == 1 and text != trained:
        raise ModelError(
            "a categorical column has another type than in training",
            got=f"{values.name!r} with values such as {present.iloc[0]!r}",
            expected=f"values such as {next(iter(categories))!r}",
            todo="give the column the type of training: text as text, numbers as numbers",
        )
    known: Any = pd.Index(list(categories))
    codes = known.get_indexer(pd.Index(values.astype(object)))
    return pd.Series(pd.Categorical.from_codes(codes, categories=known), index=values.index)


def needs(package: str, extra: str) -> ModelError:
    """The refusal where an optional library is not installed."""
    return ModelError(
        f"this model needs {package}, which is not installed",
        got=f"no module {package}",
        expected=f"{package} beside Assay",
        todo=f"run `pip install {extra}` in Assay's environment and try again",
    )
