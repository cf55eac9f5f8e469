"""From the columns a model's last step sees back to the columns that a person knows.

A one-hot, ordinal, imputing or scaling step makes each of its output columns from one input column, so attributions of
the outputs may be summed per input, exactly. Steps that mix columns (PCA, polynomials, hashing, ...) have no such
map and are refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.explain.kinds import Ints


class NoMapError(Exception):
    """The step mixes columns; the message names it."""


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """A pipeline taken apart: its last step, the rows as that step sees them, and whose columns they are.

    own (columns,): the column of the data that each encoded column is made of. index: the place of the class explained,
    None for a regression. sign: -1 where the library's output is of the other class. output: what it is.
    """

    last: Any
    name: str
    top: str
    encoded: Any
    own: Ints
    index: int | None
    sign: float
    output: str


ONE_TO_ONE = frozenset(
    [
        "StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler", "PowerTransformer", "QuantileTransformer",
        "OrdinalEncoder", "Binarizer",
    ]
)  # fmt: skip
"""Steps of scikit-learn whose j-th output column is made of the j-th input column alone."""


def owners(step: Any, columns: int) -> Ints:
    """Which of its `columns` inputs each output column of a fitted transformer is made of. Raises NoMapError."""
    if step == "passthrough" or step is None:
        return _each_its_own(step, columns)
    if step == "drop":
        return np.empty(0, dtype=np.int64)
    name = type(step).__name__
    if type(step).__module__.split(".")[0] != "sklearn" or name not in _OWNERS:
        raise NoMapError(name)
    return _OWNERS[name](step, columns)


def _each_its_own(_: Any, columns: int) -> Ints:
    return np.arange(columns, dtype=np.int64)


def _pipeline(step: Any, columns: int) -> Ints:
    own = _each_its_own(step, columns)
    for _, inner in step.steps:
        own = own[owners(inner, len(own))]
    return own


def _one_hot(step: Any, columns: int) -> Ints:
    return np.repeat(np.arange(columns, dtype=np.int64), _one_hot_widths(step))


def _imputer(step: Any, columns: int) -> Ints:
    if step.add_indicator or len(step.statistics_) != columns or _drops_empty(step):
        raise NoMapError("SimpleImputer with an indicator or with empty columns")
    return _each_its_own(step, columns)


def _function(step: Any, columns: int) -> Ints:
    if step.func is not None:
        raise NoMapError("FunctionTransformer")
    return _each_its_own(step, columns)


def _drops_empty(step: Any) -> bool:
    gone = pd.isna(np.asarray(step.statistics_, dtype=object))
    return bool(np.any(gone)) and not getattr(step, "keep_empty_features", False)


def _one_hot_widths(step: Any) -> npt.NDArray[np.int64]:
    widths = getattr(step, "_n_features_outs", None)
    if widths is None:
        raise NoMapError("OneHotEncoder of another version")
    return np.asarray(widths, dtype=np.int64)


def _column_transformer(step: Any, _: int) -> Ints:
    names = [str(n) for n in getattr(step, "feature_names_in_", [])]
    total = int(step.n_features_in_)
    out = {}
    for name, inner, wanted in step.transformers_:
        part = step.output_indices_[name]
        width = part.stop - part.start
        if not width:
            continue  # dropped, or nothing chosen: its place is that of whatever comes next
        places = _places(wanted, names, total)
        own = places[owners(inner, len(places))]
        if len(own) != width:
            raise NoMapError(f"ColumnTransformer ({name})")
        out[part.start] = own
    parts = [out[k] for k in sorted(out)]
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)


_OWNERS: dict[str, Callable[[Any, int], Ints]] = {
    **dict.fromkeys(ONE_TO_ONE, _each_its_own),
    "Pipeline": _pipeline,
    "ColumnTransformer": _column_transformer,
    "OneHotEncoder": _one_hot,
    "SimpleImputer": _imputer,
    "FunctionTransformer": _function,
}
"""Steps of scikit-learn that have a map, by name; any other is refused."""


def _places(wanted: Any, names: list[str], total: int) -> Ints:
    """What a ColumnTransformer's column choice names, as positions."""
    if isinstance(wanted, str):
        wanted = [wanted]
    if isinstance(wanted, slice):
        if isinstance(wanted.start, str) or isinstance(wanted.stop, str):
            raise NoMapError("ColumnTransformer with a slice of names")
        return np.arange(total, dtype=np.int64)[wanted]
    chosen = np.atleast_1d(np.asarray(wanted, dtype=object))
    if len(chosen) and all(isinstance(c, bool | np.bool_) for c in chosen):
        return np.flatnonzero(chosen.astype(bool)).astype(np.int64)
    try:
        return np.array([names.index(c) if isinstance(c, str) else int(c) % total for c in chosen], dtype=np.int64)
    except (ValueError, TypeError) as error:
        raise NoMapError("ColumnTransformer with a choice of columns that is not kept") from error


def summed(values: npt.NDArray[np.float64], own: Ints, columns: int) -> npt.NDArray[np.float64]:
    """Attributions (n, E) of encoded columns summed to (n, columns)."""
    out = np.zeros((columns, values.shape[0]))
    np.add.at(out, own, values.T)
    return out.T
