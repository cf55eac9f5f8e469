"""Logistic pipelines with shared work: columns are encoded once, and fits start from the base fit.

    plan = Linear(parts); plan.base; plan(recipe)      # scores (m,) of the rows measured

Numbers standardised (a missing one as the mean, and a 1 of its own), categories as 0/1, logistic regression with an L2
penalty of 1: what scikit-learn's StandardScaler, OneHotEncoder and LogisticRegression(C=1) make. A change of what comes
in touches that column's part of the score alone; a fit starts from the base parameters with the base Hessian (a chord
method), and goes over to Newton with step halving where that is slow. The optimum is the same: tests compare cold fits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.linalg import cho_factor, cho_solve

from audit.cube import Floats, Ints
from audit.load.values import coded
from debias.whatif.table import Parts, Recipe

MOST_VALUES = 200
NEAR = 1e-4
"""The largest entry of the gradient at which a fit has arrived; parameters are then right to about as much."""
CHORDS = 25


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One feature of training rows and of rows measured. numbers: raw values, NaN where missing; or codes of names,
    len(names) for a value that training rows lack."""

    numbers: tuple[Floats, Floats] | None
    codes: tuple[Ints, Ints] | None
    width: int


def column_of(train: pd.Series, test: pd.Series) -> Column:
    """Read once, whatever rows are learned from later."""
    if pd.api.types.is_numeric_dtype(train) and not pd.api.types.is_bool_dtype(train):
        return Column(tuple(_float(s) for s in (train, test)), None, 2)  # type: ignore[arg-type]
    codes, names = coded(train)
    count = np.bincount(codes[codes >= 0], minlength=len(names))
    most = np.argsort(-count, kind="stable")[:MOST_VALUES]
    place = np.full(len(names) + 1, len(most) + 1, dtype=np.int64)
    place[most] = np.arange(len(most))
    place[-1] = len(most)  # missing is a value of its own
    known = {names[k]: i for i, k in enumerate(most.tolist())}
    other, other_names = coded(test)
    into = np.array([*(known.get(n, len(most) + 1) for n in other_names), len(most)], dtype=np.int64)
    return Column(None, (place[codes], into[other]), len(most) + 1)


def _float(series: pd.Series) -> Floats:
    return pd.to_numeric(series, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)


def _scaler(values: Floats, how: str) -> tuple[float, float, float]:
    """(what a missing one is, what is subtracted, what is divided by), from the rows learned from."""
    known = values[np.isfinite(values)]
    if not len(known):
        return 0.0, 0.0, 1.0
    mean = float(known.mean())
    if how == "none":
        return mean, 0.0, 1.0
    if how == "range":
        low, high = float(known.min()), float(known.max())
        return mean, low, (high - low) or 1.0
    if how == "quartiles":
        a, b, c = np.quantile(known, [0.25, 0.5, 0.75])
        return mean, float(b), float(c - a) or 1.0
    filled = np.where(np.isfinite(values), values, mean)
    return mean, mean, float(filled.std()) or 1.0


def _block(column: Column, side: int, rows: Ints | None, learned: Ints | None, scale: str) -> Any:
    """The columns of one feature, sparse. learned: training rows that the scaler is made of."""
    if column.numbers is not None:
        train = column.numbers[0] if learned is None else column.numbers[0][learned]
        fill, middle, spread = _scaler(train, scale)
        values = column.numbers[side] if rows is None else column.numbers[side][rows]
        gone = ~np.isfinite(values)
        return sparse.csr_array(np.column_stack([(np.where(gone, fill, values) - middle) / spread, gone]))
    assert column.codes is not None
    codes = column.codes[side] if rows is None else column.codes[side][rows]
    known = codes < column.width
    at = np.concatenate([[0], np.cumsum(known)])
    return sparse.csr_array((np.ones(int(known.sum())), codes[known], at), shape=(len(codes), column.width))


class Linear:
    """One plan for all variants of one task."""

    title = "logistic regression (numbers standardised, categories as 0/1)"

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.names = [str(c) for c in parts.train.columns]
        self.columns = {c: column_of(parts.train[c], parts.test[c]) for c in self.names}
        self.blocks = {
            c: (_block(k, 0, None, None, "standard"), _block(k, 1, None, None, "standard"))
            for c, k in self.columns.items()
        }
        self.x = self._joined([self.blocks[c][0] for c in self.names], len(parts.label))
        self.theta = fit(self.x, parts.label.astype(np.float64), None, np.zeros(self.x.shape[1]), None)
        self.hessian = hessian(self.x, self.theta, None)
        self._solve = solver(self.hessian)
        at = np.cumsum([1, *(self.columns[c].width for c in self.names)]).tolist()
        self.places = {c: slice(a, b) for c, a, b in zip(self.names, at[:-1], at[1:], strict=True)}
        self.part = {c: self.blocks[c][1] @ self.theta[self.places[c]] for c in self.names}
        self.log_odds = self.theta[0] + np.sum([self.part[c] for c in self.names], axis=0)
        self.base = _logistic(self.log_odds)

    @staticmethod
    def _joined(blocks: list[Any], rows: int) -> Any:
        return sparse.hstack([sparse.csr_array(np.ones((rows, 1))), *blocks], format="csr")

    def __call__(self, recipe: Recipe) -> Floats:
        """Scores (m,) of the rows measured. Pure: plans may be asked by several threads."""
        if recipe.threshold is not None:
            return self.base
        if recipe.asked:
            z = self.log_odds.copy()
            for name, altered in recipe.asked.items():
                new = column_of(self.parts.train[name], altered)
                z += _block(new, 1, None, None, "standard") @ self.theta[self.places[name]] - self.part[name]
            return _logistic(z)
        return self._fitted(recipe)

    def _fitted(self, recipe: Recipe) -> Floats:
        names = [c for c in self.names if c not in recipe.without]
        columns = {c: column_of(*recipe.columns[c]) if c in recipe.columns else self.columns[c] for c in names}
        again = recipe.rows is not None or recipe.scale != "standard"
        blocks = []
        for c in names:
            if c not in recipe.columns and not again:
                blocks.append(self.blocks[c])
            elif c not in recipe.columns and columns[c].codes is not None:
                first = self.blocks[c][0]
                blocks.append((first if recipe.rows is None else first[recipe.rows], self.blocks[c][1]))
            else:
                blocks.append(
                    (
                        _block(columns[c], 0, recipe.rows, recipe.rows, recipe.scale),
                        _block(columns[c], 1, None, recipe.rows, recipe.scale),
                    )
                )
        label = self.parts.label if recipe.label is None else recipe.label
        label = label if recipe.rows is None else label[recipe.rows]
        start, use = [self.theta[:1]], [np.zeros(1, dtype=np.int64)]
        same = recipe.scale == "standard"
        for c in names:
            kept = c not in recipe.columns
            same &= kept
            start.append(self.theta[self.places[c]] if kept else np.zeros(columns[c].width))
            use.append(np.arange(self.places[c].start, self.places[c].stop))
        solve = None
        if same:
            picked = np.concatenate(use)
            if recipe.without:
                solve = solver(self.hessian[np.ix_(picked, picked)])
            else:
                solve = self._solve
        x = self._joined([b[0] for b in blocks], len(label))
        theta = fit(
            x, label.astype(np.float64), recipe.weight, np.concatenate(start) if same else np.zeros(x.shape[1]), solve
        )
        return _logistic(self._joined([b[1] for b in blocks], len(self.parts.test)) @ theta)


def _logistic(z: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(z, -700, 700))))


def _held(width: int) -> Floats:
    out = np.ones(width)
    out[0] = 0.0
    return out


def hessian(x: Any, theta: Floats, weight: Floats | None) -> Floats:
    """Of the penalised loss at theta, dense (d, d)."""
    p = _logistic(x @ theta)
    d = p * (1 - p) if weight is None else weight * p * (1 - p)
    scaled = sparse.csr_array((x.data * np.repeat(d, np.diff(x.indptr)), x.indices, x.indptr), shape=x.shape)
    found: Floats = (x.T @ scaled).toarray() + np.diag(_held(x.shape[1]) + 1e-8)
    return found


def solver(h: Floats) -> Callable[[Floats], Floats]:
    factor = cho_factor(h)
    return lambda g: np.asarray(cho_solve(factor, g))


def fit(x: Any, y: Floats, weight: Floats | None, start: Floats, solve: Callable[[Floats], Floats] | None) -> Floats:
    """The minimum of sum(weight * logistic loss) + |theta|^2 / 2 without the first. From `start`; solve: H^-1 g with a
    Hessian near by, or None. Steps are halved until the loss falls (plain Newton diverges from some starts)."""
    held = _held(x.shape[1])
    xt = x.T.tocsr()

    def at(theta: Floats) -> tuple[float, Floats]:
        z = x @ theta
        each = np.logaddexp(0, z) - y * z
        total = each.sum() if weight is None else (weight * each).sum()
        return float(total + 0.5 * (held * theta * theta).sum()), z

    theta = start
    loss, z = at(theta)
    chords = 0 if solve is None else CHORDS
    for step in range(chords + 60):
        residual = _logistic(z) - y
        if weight is not None:
            residual = weight * residual
        gradient = xt @ residual + held * theta
        if np.abs(gradient).max() <= NEAR:
            break
        if step < chords:
            assert solve is not None
            direction = solve(gradient)
        else:
            direction = np.linalg.solve(hessian(x, theta, weight), gradient)
        size = 1.0
        while size > 1e-8:
            new = theta - size * direction
            there, z_there = at(new)
            if there <= loss:
                break
            size /= 2
        else:
            if step >= chords:
                break
            chords = step + 1
            continue
        slow = loss - there < 1e-3 * abs(gradient @ direction)
        theta, loss, z = new, there, z_there
        if slow and step < chords:
            chords = step + 1
    return theta
