"""Logistic regression on numbers and codes, without the zeros of 0/1 columns; fits that start near their end.

    theta = fit(design, y, weight, start, solve)

The minimum of sum(weight * logistic loss) + |theta|^2 / 2, the intercept not held back: what scikit-learn's
LogisticRegression(C=1) finds. L-BFGS (Nocedal & Wright 2006, algorithm 7.4) whose first matrix is the inverse of a
Hessian near by, so that a variant of a model takes a handful of gradients and no Hessian of its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from audit.cube import Floats, Ints

NEAR = 1e-4
"""The largest entry of the gradient at which a fit has arrived; parameters are then right to about as much."""
MEMORY = 20
PATIENCE = 15
"""Steps after which a Hessian is made anew."""

Solve = Callable[[Floats], Floats]


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """dense (n, k): an intercept and numbers. codes: of each category (n,), `widths` of them known and one more for a
    value that has no parameter. Parameters (d,): those of dense, then of each code."""

    dense: Floats
    codes: tuple[Ints, ...]
    widths: tuple[int, ...]

    @property
    def width(self) -> int:
        return int(self.dense.shape[1]) + sum(self.widths)

    def __matmul__(self, theta: Floats) -> Floats:
        at = self.dense.shape[1]
        z = self.dense @ theta[:at]
        for codes, width in zip(self.codes, self.widths, strict=True):
            z += np.append(theta[at : at + width], 0.0)[codes]
            at += width
        return z

    def back(self, r: Floats) -> Floats:
        """The transpose times r (n,): (d,)."""
        sums = [np.bincount(c, r, minlength=w + 1)[:w] for c, w in zip(self.codes, self.widths, strict=True)]
        return np.concatenate([self.dense.T @ r, *sums])

    def square(self, d: Floats) -> Floats:
        """The transpose times diag(d) times itself: (d, d)."""
        k = self.dense.shape[1]
        out = np.zeros((self.width, self.width))
        scaled = self.dense * d[:, None]
        out[:k, :k] = self.dense.T @ scaled
        columns = [np.ascontiguousarray(c) for c in scaled.T]
        at = k
        for i, (codes, width) in enumerate(zip(self.codes, self.widths, strict=True)):
            mine = slice(at, at + width)
            for j, column in enumerate(columns):
                out[mine, j] = np.bincount(codes, column, minlength=width + 1)[:width]
            out[mine, mine] = np.diag(out[mine, 0])  # dense begins with the intercept
            other = at + width
            for codes2, width2 in zip(self.codes[i + 1 :], self.widths[i + 1 :], strict=True):
                both = np.bincount(codes * (width2 + 1) + codes2, d, minlength=(width + 1) * (width2 + 1))
                out[other : other + width2, mine] = both.reshape(width + 1, width2 + 1)[:width, :width2].T
                other += width2
            at += width
        return np.asarray(np.tril(out) + np.tril(out, -1).T)

    def take(self, rows: Ints) -> Design:
        return Design(self.dense[rows], tuple(c[rows] for c in self.codes), self.widths)


def logistic(z: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(z, -700, 700))))


def _held(width: int) -> Floats:
    out = np.ones(width)
    out[0] = 0.0
    return out


def hessian(x: Design, theta: Floats, weight: Floats | None) -> Floats:
    """Of the penalised loss at theta, (d, d)."""
    p = logistic(x @ theta)
    d = p * (1 - p)
    return x.square(d if weight is None else weight * d) + np.diag(_held(x.width) + 1e-8)


def solver(h: Floats) -> Solve:
    factor = cho_factor(h)
    return lambda g: np.asarray(cho_solve(factor, g))


def fit(x: Design, y: Floats, weight: Floats | None, start: Floats, solve: Solve | None = None) -> Floats:
    """Parameters (d,), from `start`. solve: H^-1 g with a Hessian near by; None: that at the start."""
    held = _held(x.width)

    def at(theta: Floats) -> tuple[float, Floats]:
        """The loss, and the gradient of each row's loss by its log-odds (n,)."""
        z = x @ theta
        small = np.exp(-np.abs(z))
        each = np.maximum(z, 0) - y * z + np.log1p(small)
        residual = np.where(z >= 0, 1.0, small) / (1 + small) - y
        if weight is not None:
            each, residual = weight * each, weight * residual
        return float(each.sum() + 0.5 * (held * theta * theta).sum()), residual

    theta = start
    loss, residual = at(theta)
    gradient = x.back(residual) + held * theta
    pairs: deque[tuple[Floats, Floats, float]] = deque(maxlen=MEMORY)
    for step in range(20 * PATIENCE):
        if np.abs(gradient).max() <= NEAR:
            break
        fresh = solve is None or (step and step % PATIENCE == 0)
        if fresh:
            solve = solver(hessian(x, theta, weight))
            pairs.clear()
        assert solve is not None
        direction = _two_loops(gradient, pairs, solve)
        size, fall = 1.0, float(gradient @ direction)
        while size > 1e-8:
            new = theta - size * direction
            there, residual = at(new)
            if there <= loss - 1e-4 * size * fall + 1e-12 * abs(loss):
                break
            size /= 2
        else:
            if fresh:
                break  # as near as floating point comes
            solve = None
            continue
        new_gradient = x.back(residual) + held * new
        s, change = new - theta, new_gradient - gradient
        if (along := float(s @ change)) > 1e-12:
            pairs.append((s, change, 1 / along))
        theta, loss, gradient = new, there, new_gradient
    return theta


def _two_loops(gradient: Floats, pairs: deque[tuple[Floats, Floats, float]], solve: Solve) -> Floats:
    q = gradient.copy()
    kept = []
    for s, change, rho in reversed(pairs):
        a = rho * float(s @ q)
        q -= a * change
        kept.append(a)
    r = solve(q)
    for (s, change, rho), a in zip(pairs, reversed(kept), strict=True):
        r = r + s * (a - rho * float(change @ r))
    return r
