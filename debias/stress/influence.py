"""Which rows of the training data move a figure most, to first order: for ranking candidates, never for reporting.

A logistic surrogate of the decision; the figure made smooth in the score; one Newton factor. Turning an outcome, losing
a row or altering a value changes the sum of gradients, and so the parameters by -H^-1 of that (Koh & Liang 2017).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.linalg import cho_factor, cho_solve

from audit.cube import Floats, Ints
from audit.load.values import coded
from audit.metrics import Metric

RIDGE = 1.0
SHARP = 0.5
"""How far, in log-odds, a decision is smeared."""
MOST_VALUES = 20


@dataclass(frozen=True, slots=True, eq=False)
class Encoder:
    """Columns as numbers: categories as 0/1, numbers standardised, a missing one as the mean and a 1 of its own."""

    parts: tuple[tuple[str, Any], ...]

    def __call__(self, frame: pd.DataFrame) -> Floats:
        return np.column_stack([np.ones(len(frame)), *(self.column(frame[c], how) for c, how in self.parts)])

    def column(self, column: pd.Series, how: Any) -> Floats:
        if isinstance(how, tuple) and isinstance(how[0], float):
            values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
            gone = np.isnan(values)
            return np.column_stack([np.where(gone, 0.0, (values - how[0]) / how[1]), gone])
        codes, names = coded(column)
        place = {n: i for i, n in enumerate(how)}
        into = np.array([*(place.get(n, -1) for n in names), -1], dtype=np.int64)[codes]
        out = np.zeros((len(column), len(how)))
        rows = np.flatnonzero(into >= 0)
        out[rows, into[rows]] = 1
        return out

    def slice_of(self, name: str) -> slice:
        at = 1
        for column, how in self.parts:
            width = 2 if isinstance(how[0], float) else len(how)
            if column == name:
                return slice(at, at + width)
            at += width
        raise KeyError(name)


def encoder_of(frame: pd.DataFrame) -> Encoder:
    """Fitted on `frame`. Columns with one value alone, or with text that says who a row is, are left out."""
    parts: list[tuple[str, Any]] = []
    for name in frame.columns:
        column = frame[name]
        if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
            values = column.to_numpy(dtype=np.float64, na_value=np.nan)
            if np.isfinite(values).any() and np.nanstd(values) > 0:
                parts.append((str(name), (float(np.nanmean(values)), float(np.nanstd(values)))))
        elif not pd.api.types.is_datetime64_any_dtype(column):
            codes, names = coded(column)
            count = np.bincount(codes[codes >= 0], minlength=len(names))
            most = tuple(names[k] for k in np.argsort(-count, kind="stable")[:MOST_VALUES])
            if len(most) > 1:
                parts.append((str(name), most))
    return Encoder(tuple(parts))


def newton(x: Floats, y: Ints, start: Floats | None = None, ridge: float = RIDGE, most: int = 40) -> Floats:
    """Logistic regression by Newton with step halving (the first coefficient is not held back). Parameters (d,)."""
    theta = np.zeros(x.shape[1]) if start is None else start.copy()
    held = np.full(x.shape[1], ridge)
    held[0] = 1e-9

    def loss(t: Floats) -> float:
        z = x @ t
        return float(np.logaddexp(0, z).sum() - (y * z).sum() + 0.5 * (held * t * t).sum())

    now = loss(theta)
    for _ in range(most):
        p = 1 / (1 + np.exp(-np.clip(x @ theta, -500, 500)))
        gradient = x.T @ (p - y) + held * theta
        step = np.linalg.solve(x.T @ (x * (p * (1 - p))[:, None]) + np.diag(held + 1e-9), gradient)
        size = 1.0
        while size > 1e-6:
            there = loss(theta - size * step)
            if there <= now:
                break
            size /= 2
        theta = theta - size * step
        if size <= 1e-6 or now - there < 1e-9 * (1 + abs(now)):
            return theta
        now = there
    return theta


class Influence:
    """x (n, d), y (n,): what was learned from; xv, yv: the rows on which a figure is looked at."""

    def __init__(self, x: Floats, y: Ints, xv: Floats) -> None:
        self.x, self.y, self.xv = x, y, xv
        self.theta = newton(x, y)
        self.p = 1 / (1 + np.exp(-np.clip(x @ self.theta, -500, 500)))
        h = x.T @ (x * (self.p * (1 - self.p))[:, None]) + np.eye(x.shape[1]) * RIDGE
        self._factor = cho_factor(h)
        z = np.clip(xv @ self.theta / SHARP, -500, 500)
        self.soft = 1 / (1 + np.exp(-z))
        self.slope = self.soft * (1 - self.soft) / SHARP

    def direction(self, weight: Floats) -> Floats:
        """H^-1 of the gradient of sum(weight * soft decision); weight (rows looked at,)."""
        solution: Floats = cho_solve(self._factor, self.xv.T @ (weight * self.slope))
        return solution

    def flip(self, v: Floats) -> Floats:
        """By how much the figure changes where row i's outcome is turned (n,)."""
        return np.asarray(-(2 * self.y - 1) * (self.x @ v))

    def drop(self, v: Floats) -> Floats:
        """The same where row i is lost; where it stands twice, the opposite."""
        return np.asarray((self.p - self.y) * (self.x @ v))

    def alter(self, v: Floats, x: Floats) -> Floats:
        """The same where row i becomes row i of x."""
        p = 1 / (1 + np.exp(-np.clip(x @ self.theta, -500, 500)))
        return np.asarray((self.p - self.y) * (self.x @ v) - (p - self.y) * (x @ v))


def rate_weight(metric: Metric, label: Ints, soft: Floats, rows: Any) -> tuple[float, Floats]:
    """A smooth rate among `rows` (m,) and its derivative by each row's soft decision (m,)."""
    num, den = metric.numerator.astype(np.float64), metric.denominator.astype(np.float64)
    a1, a0, b1, b0 = num[label, 1], num[label, 0], den[label, 1], den[label, 0]
    x = float((rows * (a1 * soft + a0 * (1 - soft))).sum())
    n = float((rows * (b1 * soft + b0 * (1 - soft))).sum())
    if n <= 0:
        return float("nan"), np.zeros(len(label))
    return x / n, np.asarray(rows * ((a1 - a0) - x / n * (b1 - b0)) / n)
