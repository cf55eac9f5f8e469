"""What a person could change: the plausible values of each actionable feature and what reaching them costs.

Cost is counted in percentiles (Ustun, Spangher & Liu 2019): how large a share of the audited people one passes on the
way from one's own value to the new one. A change of category has no way to measure; it costs what two people picked at
random are apart on a continuous number, a third. Features that change together cost their largest change of a number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.case import Recourse
from audit.errors import CaseError, nearest
from audit.explain.kinds import Floats, Ints
from audit.explain.neighbours import is_category
from audit.load.values import name_of

CATEGORY = 1.0 / 3.0
"""The cost of another category: E|U - V| of two independent uniform percentiles."""
STEPS = 12
"""Values tried for a number (quantiles of what audited people have) and for a category (the most common)."""


@dataclass(frozen=True, slots=True, eq=False)
class Unit:
    """One thing to change: a column, or several that change together.

    donors (C,): audited rows that have the plausible values. cost (N, C): what it costs each audited person to get
    there; infinite where the person has it already, may not go that way, or where their own value is not known.
    """

    columns: tuple[str, ...]
    donors: Ints
    cost: Floats


def units(spec: Recourse, frame: pd.DataFrame) -> tuple[Unit, ...]:
    """The units of a case over its audited people `frame` (N, M).

    Raises CaseError for an actionable column that the model does not take, and for a range or direction that does not
    suit the column's type.
    """
    columns = [str(c) for c in frame.columns]
    for column in spec.actionable:
        if column not in columns:
            raise CaseError(
                f"`actionable` in [recourse] names {column!r}, which the model does not take",
                got=repr(column),
                expected="a column of the model",
                todo=nearest(column, columns),
            )
        _suits(spec, frame[column])
    grouped = {c: t for t in spec.together for c in t}
    parts = dict.fromkeys(grouped.get(c, (c,)) for c in spec.actionable)
    return tuple(_unit(part, spec, frame) for part in parts)


def _suits(spec: Recourse, column: pd.Series) -> None:
    name, text = str(column.name), is_category(column)
    if (text and (name in spec.ranges or name in spec.direction)) or (not text and name in spec.values):
        raise CaseError(
            f"the range or direction of {name!r} in [recourse] does not suit the column",
            got="numbers or a direction for a column of text" if text else "texts for a column of numbers",
            expected="a list of texts" if text else "two numbers, the smaller first",
            todo="correct it in [recourse]",
        )


def _unit(part: tuple[str, ...], spec: Recourse, frame: pd.DataFrame) -> Unit:
    allowed = np.ones(len(frame), dtype=bool)
    for name in part:
        allowed &= _plausible(spec, frame[name])
    places = np.flatnonzero(allowed)
    own = np.column_stack([_ranks(frame[name])[0] for name in part])
    known = np.logical_and.reduce([frame[name].notna().to_numpy() for name in part])
    if len(part) == 1 and not is_category(frame[part[0]]):
        donors = _steps(frame[part[0]], places)
    else:
        donors = _common(own, places)
    cost = np.full((len(frame), len(donors)), np.inf)
    if len(donors):
        change = np.zeros_like(cost)
        possible = np.broadcast_to(known[:, None], cost.shape).copy()
        differs = np.zeros(cost.shape, dtype=bool)
        for name in part:
            codes, percentile = _ranks(frame[name])
            differs |= codes[:, None] != codes[donors][None, :]
            if percentile is None:
                continue
            step = percentile[donors][None, :] - percentile[:, None]
            change = np.fmax(change, np.abs(step))
            if spec.direction.get(name) == "increase":
                possible &= step >= 0
            elif spec.direction.get(name) == "decrease":
                possible &= step <= 0
        change[change == 0] = CATEGORY
        cost = np.where(possible & differs, change, np.inf)
    return Unit(part, donors, cost)


def _plausible(spec: Recourse, column: pd.Series) -> npt.NDArray[np.bool_]:
    """Whose value of `column` another person could take."""
    name, known = str(column.name), column.notna().to_numpy()
    if name in spec.values:
        wanted = set(spec.values[name])
        return np.array([k and name_of(v) in wanted for k, v in zip(known, column, strict=True)], dtype=bool)
    if name in spec.ranges:
        numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
        low, high = spec.ranges[name]
        return np.asarray(known & (numbers >= low) & (numbers <= high))
    return np.asarray(known, dtype=bool)


def _ranks(column: pd.Series) -> tuple[Ints, Floats | None]:
    """(N,) codes of the values, and for numbers their mid-percentiles: the share below and half the share equal."""
    codes, values = pd.factorize(column, use_na_sentinel=True)
    if is_category(column):
        return codes.astype(np.int64), None
    count = np.bincount(codes[codes >= 0], minlength=len(values)).astype(np.float64)
    order = np.argsort(np.asarray(values, dtype=np.float64), kind="stable")
    below = np.empty(len(values))
    below[order] = np.cumsum(count[order]) - count[order]
    middle = (below + 0.5 * count) / max(1.0, count.sum())
    return codes.astype(np.int64), np.append(middle, np.nan)[codes]


def _steps(column: pd.Series, places: Ints) -> Ints:
    """One row for each of up to STEPS values spread over the quantiles of the plausible rows."""
    if not len(places):
        return places
    numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)[places]
    distinct = np.unique(numbers)
    wanted = distinct
    if len(distinct) > STEPS:
        wanted = np.unique(np.quantile(numbers, np.linspace(0, 1, STEPS), method="nearest"))
        # Where many people share a value, quantiles coincide: the gaps are filled from the values themselves.
        between = np.linspace(0, 1, STEPS - len(wanted) + 2)[1:-1]
        wanted = np.union1d(wanted, np.quantile(distinct, between, method="nearest"))
    first = {float(v): int(p) for v, p in zip(numbers[::-1], places[::-1], strict=True)}
    return np.array([first[float(v)] for v in wanted], dtype=np.int64)


def _common(codes: Ints, places: Ints) -> Ints:
    """One row for each of the STEPS most common combinations of values among the plausible rows."""
    if not len(places):
        return places
    _, first, count = np.unique(codes[places], axis=0, return_index=True, return_counts=True)
    often = np.lexsort((first, -count))[: STEPS if codes.shape[1] == 1 else 2 * STEPS]
    return np.asarray(places[np.sort(first[often])], dtype=np.int64)


def unseen(spec: Recourse, frame: pd.DataFrame) -> list[str]:
    """The texts of the ranges that no audited person has, as `column = text`; they are not tried."""
    out = []
    for name, wanted in spec.values.items():
        known = {name_of(v) for v in pd.unique(frame[name].dropna())} if name in frame.columns else set()
        out += [f"{name} = {w}" for w in wanted if w not in known]
    return out


def changed(frame: pd.DataFrame, people: Ints, parts: Sequence[Unit], choice: Ints) -> pd.DataFrame:
    """The rows of `people` (n,) with `choice` (n, U) made: -1 keeps a unit, c takes its c-th value."""
    source = {
        name: np.where(choice[:, u] < 0, people, unit.donors[np.maximum(choice[:, u], 0)])
        for u, unit in enumerate(parts)
        if len(unit.donors)
        for name in unit.columns
    }
    data = {j: frame.iloc[:, j].take(source.get(str(c), people)).array for j, c in enumerate(frame.columns)}
    return pd.DataFrame(data).set_axis(frame.columns, axis=1)
