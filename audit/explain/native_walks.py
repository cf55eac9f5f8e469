"""Walks of a model of trees, asked about only where a tree can notice the step.

A tree sees of a number on which side of its thresholds it lies. Where two rows have a column on the same side of every
threshold of every tree, no step of that column changes an answer; so of the rows of a walk (`audit.models.hybrids`)
those are asked about before and after which something moved, and the others have the answer of the row before them.
Long walks are not asked about at all where what their trees add up to is what the model answers (`native_sums.py`).
Behind encoders people are encoded once (`native_encoded.py`, `native_lines.py`), also for rows that are not of walks.
Every answer is the model's own, to the last bit.

Made in the worker's process, of models whose trees are read (`tree_read.py`). That the trees were read rightly is tried
on the model itself, for each base: rows with and without the cells that are said not to matter are answered alike, and
rows of other walks as the trees add up, or all rows are asked about.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.explain import native, native_trees
from audit.explain.kinds import Bools, Floats, Ints, RefusedError
from audit.explain.native_encoded import Encoded, Margins, encoded_of
from audit.explain.native_lines import Line
from audit.explain.native_sums import LEAST_STEPS, Sums, held, rows_tried, sums
from audit.explain.owners import NoMapError, Opened
from audit.explain.tree_read import TINY, Tree
from audit.models.hybrids import Base, Hybrids, Walks, places_on, still, unpacked

T = TypeVar("T")
M = TypeVar("M", Encoded, Line)
LEAST_SAVED = 0.8
"""Walks are shortened where no more than this part of their rows is left."""
PROBES = 500
FORMATS = ("skops", "lightgbm", "xgboost")


@dataclass(frozen=True, slots=True, eq=False)
class _TreesRead:
    """A model taken apart; its trees; the base as they see it (n, E), and whose columns these are (E,)."""

    at: Opened
    trees: Sequence[Tree]
    matrix: Floats
    own: Ints


def _tried(work: Callable[[Any], T | None]) -> cached_property[T | None]:
    """Looked at once. None where it fails: what a library has against rows that are ours alone is no fault of the
    model; the rows themselves are asked about."""

    def known(own: Any) -> T | None:
        try:
            return work(own)
        except Exception:
            return None

    out = cached_property(known)
    out.__doc__ = work.__doc__
    return out


class Shortener:
    """For one base and model: which cells no tree tells apart, what the trees add up to, and its people encoded."""

    def __init__(self, model: Any, base: pd.DataFrame, positive: str) -> None:
        self._asked = model, base, positive
        self._rows = 0

    @_tried
    def _trees(self) -> _TreesRead | None:
        return _read(*self._asked)

    @_tried
    def codes(self) -> Ints | None:
        """(n, M): equal codes of a column go the same way at every node of every tree. None where trees are not read,
        or that does not hold."""
        codes = None if self._trees is None else _codes(self._trees, self._asked[1].shape)
        return codes if codes is not None and _holds(*self._asked, codes) else None

    @_tried
    def sums(self) -> Sums | None:
        """What answers in place of the model, to the last bit; None where trees are not read, or that does not hold."""
        if self._trees is None:
            return None
        read = self._trees
        added = sums(read.at, read.trees, read.matrix, read.own)
        return added if held([_on_walks(added)], *self._asked) else None

    @_tried
    def _behind(self) -> Encoded | None:
        return encoded_of(*self._asked) if _is_known(*self._asked[:2]) else None

    @_tried
    def line(self) -> Line | None:
        """What adds up a line behind a pipeline's encoders, as `encoded`; None where that does not hold, or there is
        none."""
        return self._held(Line)

    @_tried
    def encoded(self) -> Encoded | None:
        """What asks the last step of a pipeline alone, with the same answers to the last bit; None where that does not
        hold, or there are no encoders that keep columns apart."""
        return self._held(lambda behind: behind)

    def _held(self, answering: Callable[[Encoded], M]) -> M | None:
        """What answers about walks and hybrids, where it is right about both: also about the margins that decisions are
        made of, where it decides."""
        behind, (model, base, positive) = self._behind, self._asked
        if behind is None:
            return None
        tried = [(behind, model)] + ([(behind.by_margin(), Margins(model))] if behind.decides else [])
        for one, own in tried:
            candidate = answering(one)
            if not held([_on_walks(candidate), _on_hybrids(candidate)], own, base, positive):
                return None
        return answering(behind)

    def scores(self, arrays: dict[str, np.ndarray]) -> Floats | None:
        """(rows,): the answers to the rows of long walks, or of many rows behind encoders; None where the model itself
        is to be asked."""
        noticed = self._noticed(arrays) if "walk.rank" in arrays else None
        if noticed is not None and int(noticed.sum()) >= LEAST_STEPS * max(len(noticed), 1) and self.sums is not None:
            return self.sums.scores(*_parts(arrays))
        base = self._asked[1]
        none = np.zeros(0, dtype=np.int32)
        self._rows += 2 * int(arrays.get("walk.inner", none).sum()) + len(arrays.get("hybrid.first", none))
        # People are encoded once, and not each row, where that is tried on fewer rows than were asked about so far.
        if self._rows < rows_tried(len(base)):
            return None
        answering = self.line or self.encoded
        try:
            return None if answering is None else self._by(answering, arrays)
        except Exception:  # what the last step has against these rows, the model may have not
            return None

    def _by(self, answering: Encoded | Line, arrays: dict[str, np.ndarray]) -> Floats:
        if "hybrid.mask" in arrays:
            return answering.mixed(*unpacked(arrays, self._asked[1].shape[1]))
        short = dict(arrays)
        place = self.shorten(short)
        answers = answering.scores(*_parts(short))
        return answers if place is None else answers[place]

    def _noticed(self, arrays: dict[str, np.ndarray]) -> Bools | None:
        """(P, M): the steps of each walk that a tree can notice; None where trees are not read."""
        if self.codes is None:
            return None
        rank, _, first, second = _parts(arrays)
        moves: Bools = (rank != still(rank)) & (self.codes[first] != self.codes[second])
        return moves

    def shorten(self, arrays: dict[str, np.ndarray]) -> Ints | None:
        """Puts shorter walks in place of those in `arrays`. The place of each row's answer among theirs, (rows,); None
        where nothing is changed."""
        moves = self._noticed(arrays) if "walk.rank" in arrays else None
        if moves is None:
            return None
        rank, inner, *_ = _parts(arrays)
        inner = inner.astype(np.int64)
        often = moves.sum(axis=1)
        if 2 * int((often + 1).sum()) > LEAST_SAVED * 2 * int(inner.sum()):
            return None
        starts = np.cumsum(inner + 1) - (inner + 1)
        moved = np.zeros(int((inner + 1).sum()), dtype=np.int64)
        walk, column = np.nonzero(moves)
        at = starts[walk] + rank[walk, column]
        moved[at] = 1
        before = np.cumsum(moved) - moved
        before -= before[starts].repeat(inner + 1)
        turned = np.full_like(rank, still(rank))
        turned[walk, column] = before[at] + 1
        # Row k has what turned before k: so many steps that move. A shorter walk has a row for none and one for all.
        on, k = places_on(inner)
        place = (np.cumsum(often + 1) - (often + 1))[on] + before[starts[on] + k]
        arrays.update({"walk.rank": turned, "walk.inner": (often + 1).astype(np.int32)})
        return np.concatenate([place, int((often + 1).sum()) + place])


def _on_walks(answering: Sums | Encoded | Line) -> Callable[[Walks], Floats]:
    return lambda walks: answering.scores(*_parts(walks.arrays()))


def _on_hybrids(answering: Encoded | Line) -> Callable[[Walks], Floats]:
    def mixed(walks: Walks) -> Floats:
        rows = walks.hybrids()
        return answering.mixed(rows.mask, rows.first, rows.second)

    return mixed


def _parts(arrays: dict[str, np.ndarray]) -> tuple[npt.NDArray[Any], Ints, Ints, Ints]:
    rank, inner, first, second = (arrays[f"walk.{name}"] for name in ("rank", "inner", "first", "second"))
    return rank, inner, first, second


def _is_known(model: Any, base: pd.DataFrame) -> bool:
    """Whether what answers is of a file and a library that are read, and there are two rows to try it on."""
    return len(base) > 1 and getattr(model, "format", None) in FORMATS and _libraries_own(model.estimator)


def _read(model: Any, base: pd.DataFrame, positive: str) -> _TreesRead | None:
    """None where trees are not read."""
    if not _is_known(model, base):
        return None
    known = len(base)
    hybrids = native_trees.probes(base, known // 2)
    try:
        at = native.opened(model, base.shape[1], positive)
        if not native.is_trees(at):
            return None
        at = native.with_rows(model, at, pd.concat([base, hybrids.frame()], ignore_index=True))
        trees, matrix, own, _ = native_trees.seen(at, known, hybrids)
    except (RefusedError, NoMapError):
        return None
    return _TreesRead(at, trees, matrix[:known], own)


def _codes(read: _TreesRead, shape: tuple[int, int]) -> Ints:
    out = np.zeros(shape, dtype=np.int64)
    for column, codes in _by_column(read.trees, read.matrix):
        # Of several columns made of one: what either tells apart.
        both = out[:, read.own[column]] * (int(codes.max()) + 1) + codes
        out[:, read.own[column]] = np.unique(both, return_inverse=True)[1]
    return out


def _by_column(trees: Sequence[Tree], matrix: Floats) -> list[tuple[int, Ints]]:
    """(column, codes (n,)) of each column that a tree looks at."""
    inside = [np.flatnonzero(t.left >= 0) for t in trees]
    feature = np.concatenate([t.feature[n] for t, n in zip(trees, inside, strict=True)])
    threshold = np.concatenate([t.threshold[n] for t, n in zip(trees, inside, strict=True)])
    listed = {int(t.feature[node]) for t in trees for node in t.listed}
    zeros = any(t.zero_missing is not None and bool(t.zero_missing.any()) for t in trees)
    order = np.lexsort((threshold, feature))
    feature, threshold = feature[order], threshold[order]
    out = []
    for column in np.unique(feature).tolist():
        x = matrix[:, column]
        if column in listed:
            codes = np.unique(x, return_inverse=True)[1]
        else:
            own = threshold[slice(*np.searchsorted(feature, [column, column + 1]))]
            codes = np.searchsorted(own, x, side="left")  # how many thresholds it lies above
            codes = np.where(np.isnan(x), len(own) + 1, codes)
            codes = np.where(np.abs(x) <= TINY, len(own) + 2, codes) if zeros else codes
        out.append((column, codes.astype(np.int64)))
    return out


def _holds(model: Any, base: pd.DataFrame, positive: str, codes: Ints) -> bool:
    """Whether the model answers rows put together from two of the base as it does without what is said not to matter,
    to the last bit."""
    rng = np.random.default_rng(1)
    mask = rng.random((PROBES, base.shape[1])) < rng.random((PROBES, 1))
    first, second = (rng.integers(0, len(base), PROBES) for _ in range(2))
    rows = Base(base)
    with_all = Hybrids(rows, mask, first, second).frame()
    without = Hybrids(rows, mask & (codes[first] != codes[second]), first, second).frame()
    scores: list[npt.NDArray[Any]] = [np.asarray(model.scores(f, positive)) for f in (with_all, without)]
    return bool(np.array_equal(scores[0], scores[1]))


def _libraries_own(estimator: Any) -> bool:
    """Whether the estimator, and each step of a pipeline, is of a library whose trees are read."""
    kind = type(estimator)
    if kind.__module__.partition(".")[0] not in ("sklearn", "lightgbm", "xgboost"):
        return False
    return kind.__name__ != "Pipeline" or all(
        step in (None, "passthrough") or _libraries_own(step) for _, step in estimator.steps
    )
