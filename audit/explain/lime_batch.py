"""LIME for many rows at once: lime 0.2.0.1's default tabular mode, its generator reset before each row.

lime asks the model about S neighbours of each of N rows, N calls of S rows. Its neighbourhood does not depend on the
row; only the 0/1 coding (same bin as the row?) does. So one call over S + N rows serves all, and what remains is one
small weighted least-squares problem a row, solved for all rows together from their moment matrices.

Row order and batch size change nothing: each row's numbers come from its own moments alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from audit.explain.kinds import Bools, Floats, Ints, Predict, Step
from audit.explain.lime_moments import Neighbours
from audit.explain.neighbours import Column, as_floats, encode, learn, sample

SAMPLES = 5000
CHUNK = 64
CHUNK_BYTES = 2**22
"""Of the moments that are held at once, of a row at least."""
_FORWARD_UP_TO = 6  # lime's "auto": forward selection up to six features


@dataclass(frozen=True, slots=True, eq=False)
class Lime:
    """Local surrogates of n rows.

    weights (n, M): the effect of sharing the row's bin or category, 0 where not chosen; chosen (n, M); intercept, r2
    (weighted), local, score (n,): the surrogate's and the model's output; varies (n, M): whether any neighbour lies
    outside the row's bin, without which lime can say nothing; codes (n, M) with `columns` to describe the bins.
    """

    features: tuple[str, ...]
    weights: Floats
    chosen: Bools
    intercept: Floats
    r2: Floats
    local: Floats
    score: Floats
    varies: Bools
    codes: Ints
    columns: tuple[Column, ...]
    seed: int
    samples: int

    def rules(self, row: int) -> tuple[str, ...]:
        """The bin of each feature of a row, in words."""
        return tuple(c.describe(int(k)) for c, k in zip(self.columns, self.codes[row], strict=True))


def lime_batch(
    predict: Predict,
    rows: pd.DataFrame,
    reference: pd.DataFrame | Sequence[Column],
    *,
    num_features: int | None = None,
    samples: int = SAMPLES,
    seed: int = 0,
    selection: str = "auto",
    categorical: Sequence[str] = (),
    step: Step | None = None,
) -> Lime:
    """Explain every row of `rows` with one call of the model over samples - 1 + n rows.

    reference : rows that bins and frequencies come from (lime's training data), or `neighbours.learn` of them.
    num_features : how many features a surrogate may keep; None for all. selection : "auto" (forward selection up to
    six features, else the highest weights), "forward_selection", "highest_weights" or "none", as in lime.
    """
    columns = learn(reference, categorical) if isinstance(reference, pd.DataFrame) else tuple(reference)
    names = tuple(c.name for c in columns)
    near, neighbours = sample(columns, samples - 1, seed)
    own = as_floats(columns, rows)
    answers = np.asarray(predict(pd.concat([neighbours, own], ignore_index=True)), dtype=np.float64)
    far, score = answers[: samples - 1], answers[samples - 1 :]
    codes = encode(columns, rows)
    drawn = Neighbours(near, int(max(near.max(initial=0), codes.max(initial=0))))
    keep = len(columns) if num_features is None else min(num_features, len(columns))
    if selection == "auto":
        selection = "forward_selection" if keep <= _FORWARD_UP_TO else "highest_weights"
    if selection == "none":
        keep = len(columns)
    parts = []
    chunk = max(1, min(CHUNK, CHUNK_BYTES // (8 * (len(columns) + 2) ** 2)))
    for start in range(0, len(rows), chunk):
        part = slice(start, start + chunk)
        parts.append(_surrogates(drawn, far, codes[part], score[part], keep, selection))
        if step is not None:
            step(min(start + chunk, len(rows)), len(rows))
    empty = np.zeros((0, len(columns)))
    weights, chosen, intercept, r2, local, varies = (
        (np.concatenate(p) for p in zip(*parts, strict=True))
        if parts
        else (empty, empty > 0, empty[:, 0], empty[:, 0], empty[:, 0], empty > 0)
    )
    return Lime(names, weights, chosen, intercept, r2, local, score, varies, codes, columns, seed, samples)


def _moments(drawn: Neighbours, far: Floats, codes: Ints, score: Floats) -> Floats:
    """(n, M + 2, M + 2): weighted sums of products of (1, the 0/1 columns, the output), the row itself included."""
    count, features = codes.shape
    # lime's kernel of the distance d = sqrt(columns that differ): sqrt(exp(-d^2 / width^2)), width = .75 sqrt(M).
    width = float(np.sqrt(features) * 0.75)
    kernel = np.sqrt(np.exp(-(np.sqrt(np.arange(features + 1.0)) ** 2) / width**2))
    root = np.sqrt(kernel)[::-1].copy()  # by how many columns are the same
    out = np.empty((count, features + 2, features + 2))
    for i in range(count):
        drawn.moments(codes[i], root, far, out[i])
        itself = np.append(np.ones(features + 1), score[i])
        out[i] += itself[:, None] * itself
    return out


def _surrogates(
    drawn: Neighbours, far: Floats, codes: Ints, score: Floats, keep: int, selection: str
) -> tuple[Floats, Bools, Floats, Floats, Floats, Bools]:
    # Outputs are taken around their mean: the moments then keep their digits.
    middle = float(far.mean())
    moments = _moments(drawn, far - middle, codes, score - middle)
    total = moments[:, 0, 0]
    mean = moments[:, 0, 1:] / total[:, None]
    spread = moments[:, 1:, 1:] - total[:, None, None] * mean[:, :, None] * mean[:, None, :]
    features = codes.shape[1]
    a, c, yy = spread[:, :features, :features], spread[:, :features, features], spread[:, features, features]
    varies = np.diagonal(a, axis1=1, axis2=2) > 1e-9
    if selection == "forward_selection":
        chosen = _forward(a, c, keep, varies)
    elif selection == "highest_weights" and keep < features:
        first = np.abs(_ridge(a, c, 0.01, np.ones(codes.shape, dtype=bool)))
        order = np.argsort(-first, axis=1, kind="stable")[:, :keep]
        chosen = np.zeros(codes.shape, dtype=bool)
        np.put_along_axis(chosen, order, True, axis=1)
    else:
        chosen = np.ones(codes.shape, dtype=bool)
    weights = _ridge(a, c, 1.0, chosen)
    intercept = mean[:, features] - (mean[:, :features] * weights).sum(axis=1) + middle
    left = yy - 2 * (weights * c).sum(axis=1) + np.einsum("ni,nij,nj->n", weights, a, weights)
    flat = yy <= 1e-12 * total
    r2 = np.where(flat, np.where(left <= 1e-12 * total, 1.0, 0.0), 1.0 - left / np.where(flat, 1.0, yy))
    return weights, chosen, intercept, r2, intercept + weights.sum(axis=1), varies


def _ridge(a: Floats, c: Floats, alpha: float, used: Bools) -> Floats:
    """(a + alpha I) w = c over the used features of each row; the others get 0."""
    features = a.shape[1]
    matrix = a.copy() if used.all() else np.where(used[:, :, None] & used[:, None, :], a, 0.0)
    matrix[:, np.arange(features), np.arange(features)] += np.where(used, alpha, 1.0)
    return np.asarray(np.linalg.solve(matrix, np.where(used, c, 0.0)[:, :, None])[:, :, 0], dtype=np.float64)


def _forward(a: Floats, c: Floats, keep: int, varies: Bools) -> Bools:
    """The feature that raises weighted R2 most, one after the other, for all rows: the first of equals, as lime."""
    a, c = a.copy(), c.copy()
    count, features = c.shape
    chosen = np.zeros((count, features), dtype=bool)
    start = np.diagonal(a, axis1=1, axis2=2).copy()
    index = np.arange(count)
    for _ in range(keep):
        own = np.diagonal(a, axis1=1, axis2=2)
        free = varies & (own > 1e-10 * np.maximum(start, 1e-300))
        gain = np.divide(c**2, own, out=np.zeros_like(c), where=free)
        gain[chosen] = -1.0
        best = np.argmax(gain, axis=1)
        chosen[index, best] = True
        pivot = np.where(free[index, best], own[index, best], np.inf)
        column = a[index, :, best]
        c = c - column * (c[index, best] / pivot)[:, None]
        a = a - column[:, :, None] * column[:, None, :] / pivot[:, None, None]
    return chosen


def stability(runs: Sequence[Lime], top: int = 5) -> tuple[Floats, Floats]:
    """Over runs with different seeds: the mean overlap of the `top` features between pairs of runs (n,), 1 is always
    the same; and the standard deviation of each weight (n, M)."""
    weights = np.stack([r.weights for r in runs])
    top = min(top, weights.shape[2])
    marks = np.zeros(weights.shape)
    np.put_along_axis(marks, np.argsort(-np.abs(weights), axis=2, kind="stable")[:, :, :top], 1.0, axis=2)
    pairs = [(i, j) for i in range(len(runs)) for j in range(i)]
    overlap = np.mean([(marks[i] * marks[j]).sum(axis=1) / top for i, j in pairs], axis=0)
    return np.asarray(overlap, dtype=np.float64), np.asarray(weights.std(axis=0, ddof=1), dtype=np.float64)
