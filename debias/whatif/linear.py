"""Logistic pipelines with shared work: columns are encoded once, and fits start from the base fit.

    plan = Linear(parts); plan.base; plan(recipe)      # scores (m,) of the rows measured

Numbers standardised (a missing one as the mean, and a 1 of its own), categories as 0/1, logistic regression with an L2
penalty of 1: what scikit-learn's StandardScaler, OneHotEncoder and LogisticRegression(C=1) make. A change of what comes
in touches that column's part of the score alone; a fit starts from the base parameters with the base Hessian
(logistic.py). The optimum is the same: tests compare cold fits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from audit.cube import Floats, Ints
from audit.load.values import coded
from debias.whatif.logistic import Design, fit, hessian, logistic, solver
from debias.whatif.table import Parts, Recipe

MOST_VALUES = 200


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One feature of training rows and of rows measured. numbers: raw values, NaN where missing; or codes of names,
    len(names) for a value that training rows lack. width: of its parameters."""

    numbers: tuple[Floats, Floats] | None
    codes: tuple[Ints, Ints] | None
    width: int


def column_of(train: pd.Series, test: pd.Series) -> Column:
    """Read once, whatever rows are learned from later."""
    if pd.api.types.is_numeric_dtype(train) and not pd.api.types.is_bool_dtype(train):
        numbers = _float(train), _float(test)
        return Column(numbers, None, 1 + int(not np.isfinite(numbers[0]).all()))
    codes, names = coded(train)
    count = np.bincount(codes[codes >= 0], minlength=len(names))
    most = np.argsort(-count, kind="stable")[:MOST_VALUES]
    # By name: an order by counts would hang on the rows learned from, and of equal splits a tree takes the first.
    most = np.array(sorted(most.tolist(), key=lambda k: names[k]), dtype=np.int64)
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


def _scaled_columns(column: Column, side: int, rows: Ints | None, learned: Ints | None, scale: str) -> list[Floats]:
    """The columns of a number: scaled, and where training rows have gaps a 1 for a gap. learned: training rows that the
    scaler is made of."""
    assert column.numbers is not None
    fill, middle, spread = _scaler(column.numbers[0] if learned is None else column.numbers[0][learned], scale)
    values = column.numbers[side] if rows is None else column.numbers[side][rows]
    gone = ~np.isfinite(values)
    some = gone.any()
    scaled = ((np.where(gone, fill, values) if some else values) - middle) / spread
    return [scaled] if column.width == 1 else [scaled, gone.astype(np.float64)]


def places_of(columns: Mapping[str, Column]) -> dict[str, slice]:
    """Where the parameters of each feature stand: numbers first, in the order of a Design."""
    out, at = {}, 1
    for codes in (False, True):
        for name, column in columns.items():
            if (column.codes is not None) is codes:
                out[name] = slice(at, at + column.width)
                at += column.width
    return out


def design(
    columns: Sequence[Column], side: int, rows: Ints | None = None, learned: Ints | None = None, scale: str = "standard"
) -> Design:
    """One side's rows (side 0: learned from, 1: measured) as a fit takes them."""
    first = next((f[side] for c in columns if (f := c.numbers or c.codes) is not None), np.zeros(0))
    size = len(first) if rows is None else len(rows)
    dense = [np.ones(size)]
    for c in columns:
        if c.numbers is not None:
            dense += _scaled_columns(c, side, rows, learned, scale)
    coded_ = [(c.codes[side] if rows is None else c.codes[side][rows], c.width) for c in columns if c.codes is not None]
    return Design(np.column_stack(dense), tuple(c for c, _ in coded_), tuple(w for _, w in coded_))


class Linear:
    """One plan for all variants of one task."""

    title = "logistic regression (numbers standardised, categories as 0/1)"

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.names = [str(c) for c in parts.train.columns]
        self.columns = {c: column_of(parts.train[c], parts.test[c]) for c in self.names}
        self.places = places_of(self.columns)
        self.x, self.asked = (design(list(self.columns.values()), side) for side in (0, 1))
        self.theta = fit(self.x, parts.label.astype(np.float64), None, np.zeros(self.x.width))
        self.hessian = hessian(self.x, self.theta, None)
        self._solve = solver(self.hessian)
        self.part = {c: self._share(self.columns[c], self.theta[self.places[c]]) for c in self.names}
        self.log_odds = self.asked @ self.theta
        self.base = logistic(self.log_odds)

    @staticmethod
    def _share(column: Column, theta: Floats) -> Floats:
        """What one feature adds to the log-odds (m,) of the rows measured."""
        if column.codes is not None:
            return np.append(theta, 0.0)[column.codes[1]]
        return np.asarray(np.column_stack(_scaled_columns(column, 1, None, None, "standard")) @ theta)

    def __call__(self, recipe: Recipe) -> Floats:
        """Scores (m,) of the rows measured. Pure: plans may be asked by several threads."""
        if recipe.same:
            return self.base
        if recipe.asked:
            z = self.log_odds.copy()
            for name, altered in recipe.asked.items():
                new = column_of(self.parts.train[name], altered)
                z += self._share(new, self.theta[self.places[name]]) - self.part[name]
            return logistic(z)
        return self._fitted(recipe)

    def _fitted(self, recipe: Recipe) -> Floats:
        columns = {
            c: column_of(*recipe.columns[c]) if c in recipe.columns else self.columns[c]
            for c in self.names
            if c not in recipe.without
        }
        plain = recipe.scale == "standard" and not recipe.columns and not recipe.without
        x, asked = self.x, self.asked
        if not plain or recipe.rows is not None:
            every = list(columns.values())
            x = design(every, 0, recipe.rows, recipe.rows, recipe.scale)
            asked = design(every, 1, None, recipe.rows, recipe.scale)
        label = self.parts.label if recipe.label is None else recipe.label
        label = label if recipe.rows is None else label[recipe.rows]
        places = places_of(columns)
        start, like = np.zeros(x.width), recipe.scale == "standard"
        start[0] = self.theta[0]
        for c, column in columns.items():
            # Numbers that were cut or ranked are still standardised: the base parameters and Hessian are near.
            same = c not in recipe.columns or (column.numbers is not None and self.columns[c].numbers is not None)
            same &= column.width == self.columns[c].width
            like &= same
            if same:
                start[places[c]] = self.theta[self.places[c]]
        solve = None
        if like and recipe.without:
            order = sorted(columns, key=lambda c: places[c].start)
            use = np.concatenate([[0], *(np.arange(self.places[c].start, self.places[c].stop) for c in order)])
            solve = solver(self.hessian[np.ix_(use, use)])
        elif like:
            solve = self._solve
        if recipe.scale != "standard":
            start[:] = 0.0
        theta = fit(x, label.astype(np.float64), recipe.weight, start, solve)
        return logistic(asked @ theta)
