"""The search: every conjunction of literals times every corruption, from one scoring for each corruption.

The damage of a predicate is a sum over its rows. With L (n, l) the literals and s the change that a row brings to a
cell, L' diag(s) L is that sum for all conjunctions of two literals at once. A predicate of more rows than the budget
allows is hit in part: of its rows a random share r, whose expectation is r times the whole.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audit.cube import Floats, Ints
from audit.stress.figures import Aim, Figures, Moves
from audit.stress.predicates import Literals, singles_and_pairs

LEAST_CHANGED = 5
"""Cells of so few rows' changes are no reason to name a predicate."""
BEAM = 40
"""Pairs from which triples are made, for each figure."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One corruption of one kind of people. effect: how much worse the figure was on the searching half; never printed:
    only what the other half confirms is."""

    corruption: int
    predicate: tuple[int, ...]
    share: float
    effect: float


class Search:
    """The best candidate of each figure, or side of one, overall and among predicates that name no attribute and no
    outcome."""

    def __init__(
        self, figures: Figures, literals: Literals, budget: float, floor: int, base: Floats, weight: Floats | None
    ) -> None:
        self.figures, self.literals, self.floor = figures, literals, floor
        self.rows = len(literals.holds)
        self.most = budget * self.rows
        self.base = base
        self.now = figures.of(base[None])[0]
        self.first, self.second = singles_and_pairs(len(literals.names))
        holds = literals.holds
        self.size = (holds.T @ holds)[self.first, self.second].astype(np.float64)
        # Neither a handful of people nor all but a handful can be named.
        self.named = (self.size >= floor) & (self.rows - self.size >= floor)
        personal = literals.personal
        self.plain = ~(personal[self.first] | personal[self.second])
        self.tried = 0
        aims = len(figures.aims)
        self.best: dict[tuple[int, bool], Candidate] = {}
        self._aims = range(aims)

    def worst(self) -> dict[tuple[int, bool], Candidate]:
        """Of each figure two at most: of the side that is the gap as it stands, and of the one of its other sides that
        is moved most."""
        aims = self.figures.aims
        sides: dict[Aim, list[int]] = {}
        for a, aim in enumerate(aims):
            sides.setdefault(aim.whole, []).append(a)
        out = {}
        for mine in sides.values():
            known = [a for a in mine if np.isfinite(self.now[a])]
            if not known:
                continue
            now = max(known, key=lambda a: aims[a].sign * self.now[a])
            for plain in (False, True):
                candidates = {a: c for a in known if (c := self.best.get((a, plain))) is not None}
                kept = [now] if now in candidates else []
                if others := [a for a in candidates if a != now]:
                    kept.append(max(others, key=lambda a: candidates[a].effect))
                out.update({(a, plain): candidates[a] for a in kept})
        return out

    def add(self, corruption: int, moves: Moves, depth: int) -> None:
        """Look at every predicate under one corruption."""
        if not len(self.literals.names) or not len(moves.row):
            return
        delta, touched = self._pairs(moves)
        use = self.named & (touched >= LEAST_CHANGED)
        if depth == 1:
            use &= self.first == self.second
        self.tried += int(self.named.sum() if depth > 1 else (self.named & (self.first == self.second)).sum())
        at = np.flatnonzero(use)
        if not len(at):
            return
        share = np.minimum(1.0, self.most / self.size[at])
        worse = self._worse(delta[at] * share[:, None])
        predicates = np.stack([self.first[at], self.second[at]], axis=1)
        self._keep(corruption, predicates, share, worse, self.plain[at])
        if depth > 2:
            self._triples(corruption, moves, predicates, worse)

    def _pairs(self, moves: Moves) -> tuple[Floats, Floats]:
        """The change of each cell (P, cells) under each predicate, and how many rows' changes it has (P,)."""
        holds = self.literals.holds
        out = np.zeros((len(self.first), self.figures.size))
        touched = np.zeros(len(self.first))
        order = np.argsort(moves.cell, kind="stable")
        cells, starts = np.unique(moves.cell[order], return_index=True)
        for cell, rows in zip(cells.tolist(), np.split(order, starts[1:]), strict=True):
            mine = holds[moves.row[rows]]
            amount = moves.amount[rows]
            out[:, cell] = (mine.T @ (mine * amount[:, None].astype(np.float32)))[self.first, self.second]
            lost = amount < 0
            side = mine[lost] if lost.any() else mine
            touched += (side.T @ side)[self.first, self.second]
        return out, touched

    def _worse(self, delta: Floats) -> Floats:
        """How much worse each figure gets (P, aims)."""
        out = np.empty((len(delta), len(self.figures.aims)))
        step = max(1, 4_000_000 // self.figures.size)
        for start in range(0, len(delta), step):
            out[start : start + step] = self.figures.of(np.maximum(self.base + delta[start : start + step], 0.0))
        sign = np.array([a.sign for a in self.figures.aims], dtype=np.float64)
        return np.asarray((out - self.now) * sign)

    def _keep(
        self, corruption: int, predicates: Ints, share: Floats, worse: Floats, plain: npt.NDArray[np.bool_]
    ) -> None:
        for aim in self._aims:
            for only_plain in (False, True):
                score = np.where(plain | (not only_plain), worse[:, aim], -np.inf)
                score = np.where(np.isfinite(score), score, -np.inf)
                if not len(score):
                    continue
                at = int(np.argmax(score))
                before = self.best.get((aim, only_plain))
                if score[at] > (0.0 if before is None else before.effect + 1e-12):
                    names = tuple(sorted(set(predicates[at].tolist())))
                    self.best[aim, only_plain] = Candidate(corruption, names, float(share[at]), float(score[at]))

    def _triples(self, corruption: int, moves: Moves, pairs: Ints, worse: Floats) -> None:
        """A third literal beside the best pairs of each figure."""
        good = np.where(np.isfinite(worse), worse, -np.inf)
        top = np.unique(np.argsort(-good, axis=0)[:BEAM])
        holds = self.literals.holds
        personal = self.literals.personal
        for pair in pairs[top].tolist():
            rows = self.literals.rows(pair)
            inner = moves.within(rows)
            size = holds[rows].sum(axis=0).astype(np.float64)
            delta = np.zeros((holds.shape[1], self.figures.size))
            np.add.at(delta.T, inner.cell, holds[inner.row] * inner.amount[:, None])
            touched = holds[inner.row[inner.amount < 0] if (inner.amount < 0).any() else inner.row].sum(axis=0)
            self.tried += int((size >= self.floor).sum())
            at = np.flatnonzero((size >= self.floor) & (touched >= LEAST_CHANGED) & (size < rows.sum()))
            if not len(at):
                continue
            share = np.minimum(1.0, self.most / size[at])
            plain = ~(personal[at] | personal[pair].any())
            triples = np.column_stack([np.repeat([pair], len(at), axis=0), at])
            self._keep(corruption, triples, share, self._worse(delta[at] * share[:, None]), plain)
