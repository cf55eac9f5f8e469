"""What a sum of trees answers on the rows of walks, a tree at a time and without the rows.

On a walk (`audit.models.hybrids`) a column has the one row's value up to its turn and the other's from then on. So a
leaf is reached by rows that follow each other: each node on the way to it whose feature sends one of the two rows there
and not the other cuts their places off at that feature's turn. A tree tells apart a dozen stretches of a walk, however
many columns turn; the library goes through it once for every row.

The numbers are added up in the library's order and in its precision, from where it starts. They are believed where they
are the model's own answers to the last bit, on walks between rows of the base (`held`); else it is asked itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.explain import native_trees, tree_read
from audit.explain.kinds import Bools, Floats, Ints
from audit.explain.owners import Opened
from audit.explain.tree_read import TINY, Tree
from audit.models.hybrids import Base, Walks, still

LEAST_STEPS = 60
"""Steps of a walk that a tree can notice, on average, from which on this is faster than the library on shorter walks
(`native_walks`). Measured: bench/walks.py and bench/growth.py --only explained."""
CELLS = 2**21
"""Rows times trees that are added up at a time."""
LEAST = np.float32(-88.7)
"""XGBoost takes no log-odds to be less."""
TRIED, TURNING = 60, 17
"""Walks on which the sums are tried, and how many columns turn on each."""

Link = Callable[[npt.NDArray[Any]], npt.NDArray[Any]]
Summing = tuple[Sequence[Tree], npt.NDArray[Any], Link]
"""(the trees, with what each adds; what their sum starts from, in its precision; from the sum to the score)."""


class Sums:
    """Trees over the rows of a base. matrix (n, E), own (E,): as `native_trees.seen` gives them."""

    def __init__(self, trees: Sequence[Tree], matrix: Floats, own: Ints, start: npt.NDArray[Any], link: Link) -> None:
        sizes = np.array([len(t.left) for t in trees])
        self._roots = np.cumsum(sizes) - sizes
        self._tree = np.repeat(np.arange(len(trees)), sizes)
        self._inside = np.concatenate([t.left >= 0 for t in trees])
        self._left, self._right = (
            np.concatenate([getattr(t, name) + root for t, root in zip(trees, self._roots, strict=True)])
            for name in ("left", "right")
        )
        self._column = np.concatenate([t.feature for t in trees])
        self._threshold = np.concatenate([t.threshold for t in trees])
        self._missing_left = np.concatenate([t.missing_left for t in trees])
        self._zero_missing = np.concatenate(
            [np.zeros(len(t.left), dtype=bool) if t.zero_missing is None else t.zero_missing for t in trees]
        )
        self._value = np.concatenate([t.value for t in trees]).astype(start.dtype)
        self._listed = np.full(len(self._left), -1)
        listed = [(t, int(root), node) for t, root in zip(trees, self._roots, strict=True) for node in t.listed]
        for place, (_, root, node) in enumerate(listed):
            self._listed[root + node] = place
        self._goes = np.array([t.goes_left(node, matrix[:, t.feature[node]]) for t, _, node in listed], dtype=bool)
        self._matrix, self._own, self._start, self._link = np.ascontiguousarray(matrix), own, start, link

    def scores(self, rank: npt.NDArray[Any], inner: Ints, first: Ints, second: Ints) -> Floats:
        """(E,): the answer to each row of the walks, in their order."""
        turns = np.concatenate([rank, np.where(rank == still(rank), -1, rank)]).astype(np.int64)
        after, before = np.concatenate([first, second]), np.concatenate([second, first])
        often = np.tile(inner.astype(np.int64), 2)
        total = np.full(int(often.sum()), self._start, dtype=self._start.dtype)
        at_once = max(1, CELLS // len(total))
        for k in range(0, len(self._roots), at_once):
            for line in self._answers(self._roots[k : k + at_once], turns, often, after, before):
                total += line
        return np.asarray(self._link(total), dtype=np.float64)

    def _answers(self, roots: Ints, turns: Ints, often: Ints, after: Ints, before: Ints) -> npt.NDArray[Any]:
        """(trees, E): what each tree adds. Row k = 1 ... often[w] of walk w has column j from after[w] where
        turns[w, j] < k, else from before[w]."""
        walk = np.tile(np.flatnonzero(often), len(roots))
        node = np.repeat(roots, np.count_nonzero(often))
        low, high = np.ones(len(walk), dtype=np.int64), often[walk]
        reached = []
        while len(node):
            inside = self._inside[node]
            reached.append([a[~inside] for a in (node, walk, low, high)])
            node, walk, low, high = (a[inside] for a in (node, walk, low, high))
            column = self._column[node]
            turn = turns[walk, self._own[column]]
            late, early = (self._goes_left(node, column, rows[walk]) for rows in (after, before))
            apart = late != early
            left, right = self._left[node], self._right[node]
            from_turn = np.where(apart, np.maximum(low, turn + 1), low)
            to_turn = np.minimum(high, turn)
            a, b = from_turn <= high, apart & (low <= to_turn)
            node = np.concatenate([np.where(late, left, right)[a], np.where(early, left, right)[b]])
            walk = np.concatenate([walk[a], walk[b]])
            low, high = np.concatenate([from_turn[a], low[b]]), np.concatenate([high[a], to_turn[b]])
        node, walk, low, high = (np.concatenate(parts) for parts in zip(*reached, strict=True))
        order = np.lexsort((low, walk, self._tree[node]))
        return np.repeat(self._value[node[order]], (high - low + 1)[order]).reshape(len(roots), int(often.sum()))

    def _goes_left(self, node: Ints, column: Ints, row: Ints) -> Bools:
        x = self._matrix[row, column]
        left: Bools = np.where(np.isnan(x), self._missing_left[node], x <= self._threshold[node])
        left = np.where(self._zero_missing[node] & (np.abs(x) <= TINY), self._missing_left[node], left)
        if len(self._goes):
            listed = self._listed[node]
            left = np.where(listed >= 0, self._goes[listed, row], left)
        return left


def sums(at: Opened, trees: Sequence[Tree], matrix: Floats, own: Ints) -> Sums:
    """For the trees that `native_trees.seen` gives of a model taken apart, and the rows that they see."""
    trees, start, link = _LIBRARIES[native_trees.kind_of(at)](at, trees)
    return Sums(trees, matrix, own, start.reshape(()), link)


def rows_tried(people: int) -> int:
    """Rows of so many people that are encoded or asked about to try what answers in a model's place."""
    return 2 * people + 2 * TRIED * (TURNING - 1)


def held(ways: Sequence[Callable[[Walks], Floats]], model: Any, base: pd.DataFrame, positive: str) -> bool:
    """Whether the model answers as each of the ways does, to the last bit: two rows put together of each row of the
    base and another, and the rows of walks between some."""
    rng = np.random.default_rng(2)
    known, columns = base.shape
    first = np.concatenate([np.arange(known), rng.integers(0, known, TRIED)])
    second = rng.integers(0, known, len(first))
    mixed = rng.random((known, columns)) < rng.random((known, 1))
    order = rng.permuted(np.tile(np.arange(columns, dtype=np.int32), (TRIED, 1)), axis=1)
    rank = np.concatenate([mixed, np.where(order < TURNING, order, still(order))]).astype(np.int32)
    inner = np.repeat([1, min(TURNING, columns) - 1], [known, TRIED])
    walks = Walks(Base(base), rank, inner, first, second)
    own = np.asarray(model.scores(walks.frame(), positive), dtype=np.float64)
    return all(own.tobytes() == way(walks).tobytes() for way in ways)


def _one_of_two(index: int | None, last: Link) -> Link:
    """From the sum for the second class to the score of the class `index`; of a regression the sum is the score."""
    if index is None:
        return lambda total: total
    return last if index == 1 else lambda total: 1 - last(total)


def _logistic(total: npt.NDArray[Any]) -> npt.NDArray[Any]:
    from scipy.special import expit

    return np.asarray(expit(total))


def _hist(at: Opened, trees: Sequence[Tree]) -> Summing:
    return trees, np.asarray(at.last._baseline_prediction, dtype=np.float64), _one_of_two(at.index, _logistic)


def _boosting(at: Opened, trees: Sequence[Tree]) -> Summing:
    scale = 2.0 if at.last.loss == "exponential" else 1.0
    start = np.asarray(at.last._raw_predict_init(at.encoded[:1]), dtype=np.float64)
    return trees, start * scale, _one_of_two(at.index, _logistic)


def _lightgbm(at: Opened, trees: Sequence[Tree]) -> Summing:
    return trees, np.zeros(1), _one_of_two(at.index, _logistic)


class _Start(msgspec.Struct, frozen=True):
    base_score: str


class _Learner(msgspec.Struct, frozen=True):
    learner_model_param: _Start


class _Config(msgspec.Struct, frozen=True):
    """Of XGBoost's own settings, what its sums start from."""

    learner: _Learner


def _xgboost(at: Opened, trees: Sequence[Tree]) -> Summing:
    """In single precision, from the log-odds of `base_score`."""
    config = msgspec.json.decode(native_trees.booster_of(at.last).save_config(), type=_Config)
    start = np.float32(config.learner.learner_model_param.base_score.strip("[]"))
    if at.index is not None:
        start = np.float32(-math.log(float(np.float32(1) / start - np.float32(1))))
    # Of a file without its wrapper the first class's share is taken in double precision (`models.loaded.one_class`).
    wide = np.float32 if hasattr(at.last, "get_booster") else np.float64
    link = _one_of_two(at.index, lambda total: _logistic(np.maximum(total, LEAST)).astype(wide))
    return trees, np.asarray(start), link


def _forest(at: Opened, trees: Sequence[Tree]) -> Summing:
    """The mean is taken at the end, and not of each tree."""
    return tree_read.of_forest(at.last, at.index, mean=False), np.zeros(1), lambda total: total / len(trees)


_LIBRARIES: dict[str, Callable[[Opened, Sequence[Tree]], Summing]] = {
    "hist": _hist, "boosting": _boosting, "lightgbm": _lightgbm, "xgboost": _xgboost, "forest": _forest,
}  # fmt: skip
