"""The sums of products that a row's surrogate is fitted from, over the neighbours that serve all rows.

A column says of each neighbour whether it is in the row's bin. With few bins that is often so, and the sums are one
product of dense matrices, which grows with the square of the columns. Of thirty categories one neighbour in thirty
shares a row's, and of two columns one in nine hundred: then only those are added up.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from audit.explain.kinds import Floats, Ints

DENSE, FIXED = 100, 100_000
"""How many cells of a dense product take as long as one pair of columns that a neighbour shares, and how many such
pairs take as long as the rest of adding up pairs. Measured."""


class Neighbours:
    """near (S, M): the bins of the neighbours, `most` and less."""

    def __init__(self, near: Ints, most: int) -> None:
        # A column after the other, in as few bytes as hold the codes: three times as fast as rows of 64 bits.
        self._turned = np.ascontiguousarray(near.T.astype(np.int16 if most < 2**15 else np.int64))
        # Of each column the neighbours by their bins, and where each bin begins.
        self._by_bin = np.argsort(self._turned, axis=1, kind="stable").astype(np.int32)
        place = np.arange(len(self._turned))[:, None] * (most + 1)
        often = np.bincount((place + self._turned).ravel(), minlength=len(self._turned) * (most + 1))
        self._often = often.reshape(-1, most + 1)
        self._begin = np.cumsum(self._often, axis=1) - self._often

    def moments(self, own: Ints, root: Floats, far: Floats, out: Floats) -> None:
        """Puts the sums of products of (1, the M columns of 0 and 1, the output `far`) of one row into `out`
        (M + 2, M + 2). own (M,): its bins, -1 for one that no neighbour has; root (M + 1,): the root of a neighbour's
        weight, by how many columns it shares."""
        neighbours, features = len(far), len(own)
        most = neighbours * features**2 / DENSE - FIXED
        count = np.where(own < 0, 0, self._often[np.arange(features), own])
        if int(count.sum()) ** 2 <= most * neighbours:  # at the least there are so many pairs, evenly shared
            shared = self._sharing(own, count)
            columns = np.bincount(shared, minlength=neighbours)
            if int(columns @ columns) <= most:
                _sparse(shared, count, root[columns] ** 2, far, out)
                return
        self._dense(own, root, far, out)

    def _sharing(self, own: Ints, count: Ints) -> npt.NDArray[np.int32]:
        """The neighbours that share the row's bin of each column, `count` (M,) of them, one column after the other."""
        begin = self._begin[np.arange(len(own)), own] + np.arange(len(own)) * self._by_bin.shape[1]
        return self._by_bin.ravel()[np.repeat(begin - (np.cumsum(count) - count), count) + np.arange(int(count.sum()))]

    def _dense(self, own: Ints, root: Floats, far: Floats, out: Floats) -> None:
        same = self._turned == own.astype(self._turned.dtype)[:, None]
        scaled = np.empty((len(own) + 2, len(far)))
        scaled[0] = root.take(np.add.reduce(same, axis=0, dtype=np.min_scalar_type(len(own))))
        np.multiply(same, scaled[0], out=scaled[1:-1])
        np.multiply(far, scaled[0], out=scaled[-1])
        out[:] = scaled @ scaled.T


def _sparse(shared: npt.NDArray[np.int32], count: Ints, weight: Floats, far: Floats, out: Floats) -> None:
    from scipy.sparse import csr_matrix

    features = len(count)
    begin = np.concatenate([[0], np.cumsum(count)]).astype(np.int32)
    by_row = csr_matrix((weight[shared], shared, begin), shape=(features, len(far))).T.tocsr()
    column, mass = by_row.indices.astype(np.int64), by_row.data
    # Each of a neighbour's shared columns with each that comes after it.
    each = np.arange(len(column))
    later = np.repeat(by_row.indptr[1:], np.diff(by_row.indptr)) - each - 1
    one = np.repeat(each, later)
    other = np.arange(len(one)) + np.repeat(each + 1 - (np.cumsum(later) - later), later)
    pairs = np.bincount(column[one] * features + column[other], weights=mass[one], minlength=features**2)
    inner = out[1:-1, 1:-1]
    inner[:] = pairs.reshape(features, features)
    inner += inner.T
    alone = np.bincount(column, weights=mass, minlength=features)
    np.fill_diagonal(inner, alone)
    out[0, 1:-1] = out[1:-1, 0] = alone
    pulled = weight * far
    by_column = np.repeat(np.arange(features), count)
    out[-1, 1:-1] = out[1:-1, -1] = np.bincount(by_column, weights=pulled[shared], minlength=features)
    out[0, 0], out[-1, -1] = weight.sum(), pulled @ far
    out[0, -1] = out[-1, 0] = pulled.sum()
