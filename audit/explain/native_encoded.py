"""Walks and hybrids put together behind a pipeline's encoders: each person is encoded once, and not each row.

Encoders of which each output column is made of one column of the data (`owners.py`) give a row that is made of two
people the encoded cells of these two. So the base is encoded, the rows (`audit.models.hybrids`) are made of encoded
cells, dense or sparse as the pipeline has them, and the pipeline's last step is asked. One-hot encoding of a hundred
columns of text is nine tenths of what asking the pipeline takes. Lines over sparse rows are added up
(`native_lines.py`).

Believed where it is the model's own answer to the last bit (`native_sums.held`); else the pipeline is asked.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.explain import native
from audit.explain.kinds import Bools, Floats, Ints, RefusedError
from audit.models.hybrids import Blocks, built, walked

SOME, WORTH = 500, 0.5
"""Rows on which encoders are measured against the last step; what they have to take of its time, to be passed over."""


class Encoded:
    """Walks and hybrids of a base behind the encoders. encoded (n, E): an array or a CSR matrix; own (E,): the column
    of the data that each column is made of; index: of the class asked about, None for a regression.

    Raises RefusedError for what is no numbers, or sparse with more than one of them for a column of the data."""

    def __init__(self, last: Any, index: int | None, encoded: Any, own: Ints) -> None:
        self.last, self._index, self.own = last, index, own
        self._by_margin = False
        self.slots: list[npt.NDArray[Any]] | None = None
        self.width = encoded.shape[1]
        cells = [encoded]
        if not isinstance(encoded, np.ndarray):
            cells, self.own = _slots(encoded, own)
            self.slots = cells
        if any(c.ndim != 2 or c.dtype.kind not in "iufb" for c in cells):
            raise RefusedError("its encoded rows are no numbers")
        self._ordered = cells[0].flags.c_contiguous
        self._blocks = [
            Blocks(pd.RangeIndex(c.shape[1]), ((list(range(c.shape[1])), np.ascontiguousarray(c.T)),), ())
            for c in cells
        ]

    def scores(self, rank: npt.NDArray[Any], inner: Ints, first: Ints, second: Ints) -> Floats:
        """(E,): the answer to each row of the walks, in their order."""
        turns = np.ascontiguousarray(rank[:, self.own])
        return self._asked_cells([walked(block, turns, inner, first, second) for block in self._blocks])

    def mixed(self, mask: Bools, first: Ints, second: Ints) -> Floats:
        """(E,): the answer to each row of `audit.models.hybrids.Hybrids`."""
        taken = mask[:, self.own]
        return self._asked_cells([built(block, taken, first, second) for block in self._blocks])

    def _asked_cells(self, frames: list[pd.DataFrame]) -> Floats:
        cells = [frame.to_numpy() for frame in frames]
        if self.slots is None:
            return self.asked(np.ascontiguousarray(cells[0]) if self._ordered else cells[0])
        from scipy.sparse import csr_matrix

        places, values = cells
        starts = np.arange(len(places) + 1, dtype=np.int32) * places.shape[1]
        return self.asked(csr_matrix((values.ravel(), places.ravel(), starts), shape=(len(places), self.width)))

    def asked(self, rows: Any) -> Floats:
        """(n,): what the last step answers to encoded rows."""
        return np.asarray(self.of(self.last)(rows), dtype=np.float64)

    def of(self, last: Any) -> Callable[[Any], Any]:
        """What `last` in the last step's place answers of the class asked about."""
        if self._by_margin:
            return lambda rows: last.decision_function(rows)
        if self._index is None:
            return lambda rows: last.predict(rows)
        if self.decides:
            return lambda rows: last.predict(rows) == last.classes_[self._index]
        return lambda rows: last.predict_proba(rows)[:, self._index]

    @property
    def decides(self) -> bool:
        """Whether the last step gives decisions, and no probabilities."""
        return self._index is not None and not hasattr(self.last, "predict_proba")

    def by_margin(self) -> Encoded:
        """The same, answering with what its decisions are made of."""
        other = copy.copy(self)
        other._by_margin = True
        return other


class Margins:
    """A loaded model that answers with what its decisions are made of: many decisions alike tell little of a row."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def scores(self, frame: pd.DataFrame, positive: str) -> Floats:
        """(n,), or (n, K)."""
        return np.asarray(self._model.estimator.decision_function(self._model.prepare(frame)), dtype=np.float64)


def encoded_of(model: Any, base: pd.DataFrame, positive: str) -> Encoded:
    """Raises RefusedError and NoMapError for what has no encoders, or such that mix columns."""
    begun = time.thread_time()
    last, own = native.behind_encoders(model, base.shape[1])
    encoded = native.encode(model, base)
    a_row = (time.thread_time() - begun) / len(base)
    index = model.class_index(positive) if model.facts.classes else None
    if not (isinstance(encoded, np.ndarray) or getattr(encoded, "format", None) == "csr"):
        raise RefusedError("its encoded rows are of another kind")
    if encoded.shape[1] != len(own):
        raise RefusedError("its encoders have columns of nobody's")
    out = Encoded(last, index, encoded, own)
    begun = time.thread_time()
    out.asked(encoded[:SOME])
    if a_row < WORTH * (time.thread_time() - begun) / min(SOME, len(base)):
        raise RefusedError("its encoders take little of its time")
    return out


def _slots(encoded: Any, own: Ints) -> tuple[list[npt.NDArray[Any]], Ints]:
    """Of a CSR matrix (n, E) with at most one value in a row for each column of the data: the place of that value among
    the E and the value, (n, S) each, zero where there is none; and of which column of the data each of the S is, in the
    order of their places. Raises RefusedError."""
    starts = np.diff(own, prepend=-1) != 0
    first, slot = np.flatnonzero(starts), np.cumsum(starts) - 1
    whose = own[first]
    if len(np.unique(whose)) < len(whose):
        raise RefusedError("its encoders put columns in between others")
    row = np.repeat(np.arange(encoded.shape[0]), np.diff(encoded.indptr))
    at = slot[encoded.indices]
    if not (np.diff(row * len(whose) + at) > 0).all():
        raise RefusedError("its encoders have several values for one, or not in the order of their columns")
    places = np.tile(first.astype(encoded.indices.dtype), (encoded.shape[0], 1))
    values = np.zeros(places.shape, dtype=encoded.data.dtype)
    places[row, at], values[row, at] = encoded.indices, encoded.data
    return [places, values], whose
