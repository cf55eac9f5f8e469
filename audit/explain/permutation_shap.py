"""The permutation method for any model, many rows at once.

A walk starts at a background row and changes one feature after the other, in random order, into the row explained; what
the output does at each change is the feature's share (Shapley 1953; Strumbelj and Kononenko 2014). Every order is
also walked in reverse (antithetic: exact for interactions of two features; Mitchell et al. 2022). The shares of one
walk sum to f(row) - f(background row) exactly. Features that are equal in both rows cost nothing and get zero.

All walks run side by side: a few large calls of the model instead of one call a row, each of so many rows as a bounded
number of bytes holds. Several outputs (probability, decision, log-odds) share the calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.explain.kinds import Bools, Floats, Ints, Predict, Step, ask
from audit.explain.outputs import Transform
from audit.models.hybrids import Base, Walks, places_on, rows_in_block, still


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Which walks to take: walk i goes from background row `back[i]` to row `row[i]` in the order `order[i]`.

    row, back (P,); order (P, M): each line a permutation of the features.
    """

    row: Ints
    back: Ints
    order: Ints


def plan_walks(scores: Floats, rows: int, features: int, draws: int, seed: int) -> Plan:
    """`draws` walks for each of `rows` rows, half h of them drawn independently of the other half.

    Backgrounds are stratified by their score: a half's draws take one background from each of equal parts of the
    background ordered by score, which removes most of the noise a background adds. `draws` is made even.
    Walk k of row i stands at i * draws + k; even k belong to the first half.

    scores (L,): the background's. Raises nothing; draws < 2 counts as 2.
    """
    rng = np.random.default_rng(seed)
    half = max(1, (draws + 1) // 2)
    draws = 2 * half
    ranked = np.argsort(scores, kind="stable")
    # A random place in stratum k of `half`, for both halves: even and odd walks.
    stratum = np.tile(np.repeat(np.arange(half), 2), rows)
    place = (stratum + rng.random(rows * draws)) / half * len(ranked)
    back = ranked[np.minimum(place.astype(np.int64), len(ranked) - 1)]
    order = rng.permuted(np.tile(np.arange(features), (rows * draws, 1)), axis=1)
    return Plan(np.repeat(np.arange(rows), draws), back, order)


def plan_person(rows: int, background: int, features: int, rounds: int, seed: int) -> Plan:
    """Every row against every background row, `rounds` orders each: additive to the background's mean exactly."""
    order = np.concatenate(
        [
            # A stream of its own for each row: who else is explained changes nothing.
            np.random.default_rng([seed, i]).permuted(np.tile(np.arange(features), (background * rounds, 1)), axis=1)
            for i in range(rows)
        ]
        or [np.zeros((0, features), dtype=np.int64)]
    )
    row = np.repeat(np.arange(rows), background * rounds)
    back = np.tile(np.repeat(np.arange(background), rounds), rows)
    return Plan(row, back, order)


class CellTable:
    """Rows and background as one table of cells that hybrids are put together from, keeping every dtype."""

    def __init__(self, rows: pd.DataFrame, background: pd.DataFrame) -> None:
        both = pd.concat([rows, background[list(rows.columns)]], ignore_index=True)
        self.names = [str(c) for c in rows.columns]
        self._columns = [both.iloc[:, j] for j in range(both.shape[1])]
        codes = [pd.factorize(c, use_na_sentinel=True)[0] for c in self._columns]
        self._codes = np.column_stack(codes) if codes else np.zeros((len(both), 0), dtype=np.int64)
        self._offset = len(rows)

    def differs(self, row: Ints, back: Ints) -> Bools:
        """(P, M): where row and background row have different values (missing equals missing)."""
        out: Bools = self._codes[row] != self._codes[self._offset + back]
        return out

    def codes(self, column: int) -> Ints:
        """Equal values of a column have equal codes; missing is -1."""
        return np.asarray(self._codes[:, column], dtype=np.int64)

    @cached_property
    def base(self) -> Base:
        """Rows, and after them the background."""
        return Base(pd.concat(self._columns, axis=1).set_axis(self.names, axis=1))

    def cells(self, source: Ints) -> pd.DataFrame:
        """(E, M): the value of each column from the row named."""
        data = {i: c.take(source[:, i]).reset_index(drop=True) for i, c in enumerate(self._columns)}
        return pd.DataFrame(data).set_axis(self.names, axis=1)

    def walks(self, rank: npt.NDArray[Any], inner: Ints, row: Ints, back: Ints) -> Walks:
        """The rows between background row and row, and the other way round; see `Walks`."""
        return Walks(self.base, rank, inner, row, self._offset + back)


def walk(
    predict: Predict,
    table: CellTable,
    plan: Plan,
    row_scores: Floats,
    back_scores: Floats,
    transforms: Mapping[str, Transform],
    step: Step | None = None,
    chunk_rows: int | None = None,
) -> tuple[dict[str, Floats], int]:
    """Take the walks. Returns per output the shares (P, M) of each walk, and how many rows the model was asked.

    row_scores (n,), back_scores (L,): the model's scores of the rows and of the background.
    """
    walks, features = plan.order.shape
    chunk_rows = chunk_rows or rows_in_block(features)
    shares = {name: np.zeros((walks, features)) for name in transforms}
    differs = table.differs(plan.row, plan.back)
    steps = differs.sum(axis=1)
    cost = 2 * np.maximum(steps - 1, 0)
    cumulated = np.concatenate([[0], np.cumsum(cost)])
    start = 0
    while start < walks:
        stop = int(np.searchsorted(cumulated, cumulated[start] + chunk_rows, side="right")) - 1
        stop = min(max(stop, start + 1), walks)
        part = slice(start, stop)
        _walk_part(
            predict,
            table,
            Plan(plan.row[part], plan.back[part], plan.order[part]),
            differs[part],
            row_scores,
            back_scores,
            transforms,
            {name: s[part] for name, s in shares.items()},
        )
        start = stop
        if step is not None:
            step(start, walks)
    return shares, int(cumulated[-1])


def _walk_part(
    predict: Predict,
    table: CellTable,
    plan: Plan,
    differs: Bools,
    row_scores: Floats,
    back_scores: Floats,
    transforms: Mapping[str, Transform],
    shares: Mapping[str, Floats],
) -> None:
    walks, features = plan.order.shape
    index = np.arange(walks)[:, None]
    # rank[p, j]: when feature j changes on walk p, counting only features that differ.
    moving = np.take_along_axis(differs, plan.order, axis=1)
    rank = np.empty((walks, features), dtype=np.int16 if features < 2**15 - 1 else np.int32)
    rank[index, plan.order] = np.where(moving, np.cumsum(moving, axis=1) - 1, still(rank))
    steps = differs.sum(axis=1)
    inner = np.maximum(steps - 1, 0)
    walk_of, k = places_on(inner)
    ahead = np.full((walks, features + 2), np.nan)
    behind = np.full((walks, features + 2), np.nan)
    ahead[:, 0] = behind[np.arange(walks), steps] = back_scores[plan.back]
    behind[:, 0] = row_scores[plan.row]
    ahead[np.arange(walks), steps] = row_scores[plan.row]
    # A walk without a step: both ends are the same row in the model's eyes.
    if len(walk_of):
        scores = ask(predict, table.walks(rank, inner, plan.row, plan.back))
        ahead[walk_of, k] = scores[: len(walk_of)]
        behind[walk_of, k] = scores[len(walk_of) :]
    p, j = np.nonzero(differs)
    r = rank[p, j]
    for name, change in transforms.items():
        forward, backward = change(ahead), change(behind)
        shares[name][p, j] = 0.5 * (forward[p, r + 1] - forward[p, r] + backward[p, r] - backward[p, r + 1])
