"""Attributions of many rows from a few walks each, against one named background."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from audit.explain.kinds import PERMUTATION, TOLERANCES, Attributions, Floats, Predict, Step, gate
from audit.explain.outputs import Transform
from audit.explain.permutation_shap import CellTable, Plan, plan_person, plan_walks, walk
from audit.explain.strata import bands, luck


@dataclass(frozen=True, slots=True, eq=False)
class Sampled:
    """Attributions per output, how many rows the model was asked for them, and why they are sampled (None: they are
    not, or nothing else was tried)."""

    outputs: Mapping[str, Attributions]
    asked: int
    why: str | None = None


def slopes(shares: Floats, total: Floats, base: Floats) -> tuple[Floats, Floats]:
    """How each feature's share moves with the output of the row and of the background row: (c, b), each (M,).

    Least squares of shares (n, M) on a constant, total (n,) and base (n,). As shares sum to total - base, the c sum
    to 1 and the b to -1. What is constant, or collinear, teaches nothing; its slope is each feature's part of all the
    movement there is.
    """
    size = np.abs(shares).sum(axis=0)
    even = size / size.sum() if size.sum() > 0 else np.zeros(shares.shape[1])
    varies = [bool(np.ptp(v) > 1e-9 * max(1.0, float(np.abs(v).max()))) if len(v) else False for v in (total, base)]
    design = np.column_stack([np.ones(len(total)), *(v for v, u in zip((total, base), varies, strict=True) if u)])
    if np.linalg.matrix_rank(design) < design.shape[1]:
        return even, -even
    coefficients = np.linalg.lstsq(design, shares, rcond=None)[0]
    c = coefficients[1] if varies[0] else even
    return c, coefficients[-1] if varies[1] else -even


def explain_sampled(
    predict: Predict,
    rows: pd.DataFrame,
    background: pd.DataFrame,
    transforms: Mapping[str, Transform],
    *,
    draws: int = 4,
    seed: int = 0,
    row_scores: Floats | None = None,
    back_scores: Floats | None = None,
    step: Step | None = None,
) -> Sampled:
    """Shares for each of `rows`, from `draws` walks a row in two independent halves.

    A row meets `draws` rows of the background and not all of them. What the luck of the draw does is estimated from
    each feature's own values (`strata.luck`), and what the base value is then still off by, which is known exactly, is
    taken out along `slopes`: base is the background's mean for every row, and base + shares is the row's output.
    """
    row_scores = predict(rows) if row_scores is None else row_scores
    back_scores = predict(background) if back_scores is None else back_scores
    plan = plan_walks(back_scores, len(rows), rows.shape[1], draws, seed)
    shares, asked = walk(predict, CellTable(rows, background), plan, row_scores, back_scores, transforms, step)
    names = tuple(str(c) for c in rows.columns)
    # A second, separate look at the rows: a model that answers differently the second time fails the gate.
    again = predict(rows) if len(rows) else row_scores
    out = {}
    strata = bands(rows, background)
    for name, change in transforms.items():
        off = luck(shares[name], plan.row, plan.back, strata)
        out[name] = _combine(name, names, shares[name], off, plan, change, row_scores, back_scores, again)
    return Sampled(out, asked + len(rows) * 2 + len(background))


def _combine(
    name: str,
    names: Sequence[str],
    shares: Floats,
    off: Floats,
    plan: Plan,
    change: Transform,
    row_scores: Floats,
    back_scores: Floats,
    again: Floats,
) -> Attributions:
    count = len(row_scores)
    draws = len(plan.row) // count if count else 2
    total, level = change(row_scores), change(back_scores)
    center = float(level.mean())
    walks = (shares - off).reshape(count, draws, len(names))
    # What is left of the base value's error once each feature's own share of it is taken out.
    left = (level[plan.back] - center + off.sum(axis=1)).reshape(count, draws)
    _, b = slopes(walks.mean(axis=1), total, left.mean(axis=1))

    def settle(part: slice) -> Floats:
        return np.asarray(walks[:, part].mean(axis=1) - left[:, part].mean(axis=1)[:, None] * b, dtype=np.float64)

    first, second = settle(slice(0, None, 2)), settle(slice(1, None, 2))
    values = 0.5 * (first + second)
    base = np.full(count, center)
    passed = gate(values, base, change(again), TOLERANCES[PERMUTATION])
    return Attributions(PERMUTATION, name, tuple(names), values, base, passed, None, first, second)


def explain_people(
    predict: Predict,
    rows: pd.DataFrame,
    background: pd.DataFrame,
    transforms: Mapping[str, Transform],
    *,
    rounds: int = 2,
    seed: int = 0,
    row_scores: Floats | None = None,
    back_scores: Floats | None = None,
    step: Step | None = None,
) -> Sampled:
    """Shares for a few rows, each against every background row: the base value is the background's mean exactly.

    With two rounds or more, `first` and `second` are from separate orders; their distance is the method's own noise.
    """
    row_scores = predict(rows) if row_scores is None else row_scores
    back_scores = predict(background) if back_scores is None else back_scores
    features, size = rows.shape[1], len(background)
    plan = plan_person(len(rows), size, features, rounds, seed)
    shares, asked = walk(predict, CellTable(rows, background), plan, row_scores, back_scores, transforms, step)
    again = predict(rows) if len(rows) else row_scores
    out = {}
    for name, change in transforms.items():
        walks = shares[name].reshape(len(rows), size, rounds, features)
        values = walks.mean(axis=(1, 2))
        base = np.full(len(rows), float(change(back_scores).mean()))
        passed = gate(values, base, change(again), TOLERANCES[PERMUTATION])
        halves = [None, None]
        if rounds > 1:
            halves = [walks[:, :, r::2].mean(axis=(1, 2)) for r in (0, 1)]
        names = tuple(str(c) for c in rows.columns)
        out[name] = Attributions(PERMUTATION, name, names, values, base, passed, None, halves[0], halves[1])
    return Sampled(out, asked + 2 * len(rows) + size)
