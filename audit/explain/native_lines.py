"""What a line behind a pipeline's encoders answers on rows put together from two people, without building the rows.

A column of text behind one-hot encoding adds one number to a line's sum: its weight times its value, known for each
person. SciPy adds those up in the order of the columns, from nought, so that no partial sum can be taken over from the
row before: every number of every row is added, but added is all that is done. What the sum becomes (an intercept, a
curve, a decision) is asked of the model's own last step, of one column whose weight is one.

Believed where it is the model's own answer to the last bit (`native_sums.held`), so that rows which a library adds up
in another order (those that are not sparse) are asked about.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import numpy.typing as npt

from audit.explain.kinds import Bools, Floats, Ints, RefusedError
from audit.explain.native_encoded import Encoded
from audit.models.hybrids import still

ROWS, COLUMNS = 2048, 32
"""That are added up at a time: half a megabyte, which stays near the processor (bench/walks.py)."""


class Line:
    """The answers to rows made of the people that `encoded` holds. Raises RefusedError where its last step is no line
    over sparse rows."""

    def __init__(self, encoded: Encoded) -> None:
        weights = getattr(encoded.last, "coef_", None)
        if encoded.slots is None or not isinstance(weights, np.ndarray) or weights.size != encoded.width:
            raise RefusedError("its last step is no line over sparse rows")
        places, values = encoded.slots
        self._own = encoded.own
        self._added = np.ascontiguousarray((values * weights.ravel()[places]).T)
        last: Any = copy.copy(encoded.last)
        last.coef_ = np.ones((*weights.shape[:-1], 1))
        last.n_features_in_ = 1
        self._link = encoded.of(last)

    def scores(self, rank: npt.NDArray[Any], inner: Ints, first: Ints, second: Ints) -> Floats:
        """(E,): the answer to each row of the walks, in their order."""
        # Row k of a walk has what stands in `after` where turns < k. Each walk, and each the other way round.
        turns = np.concatenate([rank, np.where(rank == still(rank), -1, rank)])
        after, before = np.concatenate([first, second]), np.concatenate([second, first])
        often = np.tile(inner.astype(np.int64), 2)
        ends = np.cumsum(often)
        total = np.empty(int(often.sum()))
        start = 0
        while start < len(often):
            done = int(ends[start - 1]) if start else 0
            stop = max(start + 1, int(np.searchsorted(ends, done + ROWS, side="right")))
            part = slice(start, stop)
            total[done : ends[stop - 1]] = self._walked(turns[part], often[part], after[part], before[part])
            start = stop
        return np.asarray(self._link(total[:, None]), dtype=np.float64)

    def _walked(self, turns: npt.NDArray[Any], often: Ints, after: Ints, before: Ints) -> Floats:
        total = np.zeros(int(often.sum()))
        ahead = np.clip(turns.T[self._own], 0, often)
        runs = np.stack([ahead, often - ahead], axis=2)
        ends = np.stack([before, after], axis=1)
        for at in range(0, len(self._own), COLUMNS):
            part = slice(at, at + COLUMNS)
            cells = np.repeat(self._added[part][:, ends].ravel(), runs[part].ravel())
            added = cells.reshape(len(runs[part]), len(total))
            added[0] += total
            total = np.add.reduce(added, axis=0)
        return total

    def mixed(self, mask: Bools, first: Ints, second: Ints) -> Floats:
        """(E,): the answer to each row of `audit.models.hybrids.Hybrids`."""
        turned = np.ascontiguousarray(mask.T)
        second = second.astype(np.intp)
        apart = first - second
        total = np.zeros(len(mask))
        for own, added in zip(self._own.tolist(), self._added, strict=True):
            total += added.take(second + apart * turned[own])
        return np.asarray(self._link(total[:, None]), dtype=np.float64)
