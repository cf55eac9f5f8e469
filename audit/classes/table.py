"""Counts of (groups) x (label class) x (decided class), beside the two-valued cube. Additive like it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from audit.errors import DataError
from audit.numbers import many

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Arrays = npt.NDArray[Any]

MOST_CLASSES = 50
"""More values than this are a quantity or free text, not classes."""


@dataclass(frozen=True, slots=True, eq=False)
class ClassCodes:
    """Rows as classes: label (n,) indexes names, len(names) where unknown; decided (n,) indexes names."""

    names: tuple[str, ...]
    label: Ints
    decided: Ints


@dataclass(frozen=True, slots=True, eq=False)
class ClassTable:
    """n, w, w2 have shape (..., K + 1, K): label class (the last is an unknown label) by decided class."""

    names: tuple[str, ...]
    n: Ints
    w: Floats
    w2: Floats

    def mapped(self, change: Callable[[Arrays], Arrays]) -> ClassTable:
        """The same classes with every array changed alike."""
        return ClassTable(self.names, change(self.n), change(self.w), change(self.w2))

    def with_squares(self, change: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]) -> ClassTable:
        """The same with other squared weights."""
        return ClassTable(self.names, self.n, self.w, change(self.w2))

    def plus(self, other: Any) -> ClassTable:
        """The sum, over the classes of both. Raises DataError for counts of another kind."""
        if not isinstance(other, ClassTable):
            raise DataError(
                "two batches cannot be added",
                got="one with several classes and one without",
                expected="the same kind of outcome in both",
                todo="audit them apart",
            )
        names = tuple(sorted({*self.names, *other.names}))
        a, b = _spread(self, names), _spread(other, names)
        return ClassTable(names, a.n + b.n, a.w + b.w, a.w2 + b.w2)

    def to_json(self, weighted: bool) -> dict[str, Any]:
        """Sparse, of a list of groups: cells are [group, label, decided, people] and the sums of weights."""
        cells: list[list[float | int]] = []
        for place in np.argwhere(self.n > 0).tolist():
            at = tuple(place)
            more = [float(self.w[at]), float(self.w2[at])] if weighted else []
            cells.append([*place, int(self.n[at]), *more])
        return {"names": list(self.names), "cells": cells}

    @staticmethod
    def from_json(entry: dict[str, Any], groups: int, weighted: bool) -> ClassTable:
        """What `to_json` wrote. Raises KeyError, IndexError, TypeError, ValueError on a damaged entry."""
        names = tuple(str(v) for v in entry["names"])
        if not 2 <= len(names) <= 4 * MOST_CLASSES or len(set(names)) < len(names):
            raise ValueError(many(len(names), "class"))
        n = np.zeros((groups, len(names) + 1, len(names)), dtype=np.int64)
        w, w2 = np.zeros(n.shape), np.zeros(n.shape)
        for cell in entry["cells"]:
            g, label, decided, count = cell[:4]
            if min(g, label, decided) < 0 or count < 0:
                raise ValueError(f"cell {cell}")
            n[g, label, decided] = count
            w[g, label, decided], w2[g, label, decided] = cell[4:6] if weighted else (count, count)
        return ClassTable(names, n, w, w2)


def _spread(table: ClassTable, names: Sequence[str]) -> ClassTable:
    """The same counts on more classes."""
    if tuple(names) == table.names:
        return table
    place = [list(names).index(v) for v in table.names]
    size = len(names)

    def wide(a: Arrays) -> Arrays:
        out = np.zeros((*a.shape[:-2], size + 1, size), dtype=a.dtype)
        out[(..., np.array([*place, size])[:, None], np.array(place)[None, :])] = a
        return out

    return ClassTable(tuple(names), wide(table.n), wide(table.w), wide(table.w2))
