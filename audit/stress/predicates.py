"""Who is hit: conditions on features, attributes and the outcome, and conjunctions of one to three of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.cube import Ints
from audit.load.values import coded
from audit.numbers import brief
from audit.quality.codes import Group

MOST_VALUES = 10
EDGES = (0.2, 0.4, 0.6, 0.8)
MISSING = "(missing)"


@dataclass(frozen=True, slots=True)
class Literal:
    """column stands to value as `how` says: "is", "at least" or "below". personal: about a sensitive attribute or the
    outcome."""

    column: str
    how: str
    value: str
    personal: bool = False

    def words(self) -> str:
        return f"{self.column} {self.how} {self.value}"


@dataclass(frozen=True, slots=True, eq=False)
class Literals:
    """holds (n, l): which literal is true of which row."""

    names: tuple[Literal, ...]
    holds: npt.NDArray[np.float32]

    @property
    def personal(self) -> npt.NDArray[np.bool_]:
        return np.array([x.personal for x in self.names], dtype=bool)

    def rows(self, predicate: Sequence[int]) -> npt.NDArray[np.bool_]:
        """The rows (n,) of which all of these literals are true."""
        return np.asarray((self.holds[:, list(predicate)] > 0).all(axis=1), dtype=bool)


def literals_of(
    frame: pd.DataFrame,
    features: Sequence[str],
    groups: Sequence[Group],
    label: Ints,
    names: tuple[str, str],
    about: str | None,
) -> Literals:
    """Of every feature, attribute and the outcome `about` (its 0 and 1 are `names`); true of some rows, not of all."""
    sensitive = {g.attribute for g in groups}
    literals: list[tuple[Literal, npt.NDArray[np.bool_]]] = []
    for feature in features:
        if feature not in sensitive:
            literals += _of(frame[feature])
    for group in groups:
        literals += [(Literal(group.attribute, "is", n, True), group.codes == i) for i, n in enumerate(group.levels)]
    if about is not None:
        literals += [(Literal(about, "is", n, True), label == i) for i, n in enumerate(names)]
    kept = [(x, rows) for x, rows in literals if 0 < rows.sum() < len(rows)]
    if not kept:
        return Literals((), np.zeros((len(frame), 0), dtype=np.float32))
    return Literals(tuple(x for x, _ in kept), np.column_stack([r for _, r in kept]).astype(np.float32))


def _of(column: pd.Series) -> list[tuple[Literal, npt.NDArray[np.bool_]]]:
    name = str(column.name)
    numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    if pd.api.types.is_datetime64_any_dtype(column):
        return []
    missing = column.isna().to_numpy(dtype=bool)
    out = [(Literal(name, "is", MISSING), missing)] if missing.any() else []
    values = column.to_numpy(dtype=np.float64, na_value=np.nan) if numeric else None
    if values is not None and len(np.unique(values[~missing])) > MOST_VALUES:
        for edge in np.unique(np.quantile(values[~missing], EDGES, method="inverted_cdf")):
            out.append((Literal(name, "at least", brief(edge)), values >= edge))
            out.append((Literal(name, "below", brief(edge)), values < edge))
        return out
    codes, names = coded(column)
    count = np.bincount(codes[codes >= 0], minlength=len(names))
    if len(names) > len(column) / 5:
        return out  # it says who a person is
    most = np.lexsort((np.arange(len(names)), -count))[:MOST_VALUES]
    return out + [(Literal(name, "is", names[k]), codes == k) for k in most.tolist()]


def singles_and_pairs(count: int) -> tuple[Ints, Ints]:
    """The two literals of each predicate (P,), the same twice for a single one."""
    first, second = np.triu_indices(count)
    return first.astype(np.int64), second.astype(np.int64)
