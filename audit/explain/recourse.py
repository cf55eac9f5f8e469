"""Recourse: the least change of actionable features that turns a refusal (Ustun, Spangher & Liu 2019), for any model.

Three steps, all people in one call of the model at a time: a greedy way to a favourable decision; each change made
smaller while the decision stays; then every cheaper combination of the plausible values in order of cost, as far as the
budget goes. Where the budget sufficed, no combination of the values tried is cheaper.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from audit.explain.change import Unit, changed
from audit.explain.kinds import Floats, Ints, Predict
from audit.explain.outputs import Rule

GRID = 200_000
"""Combinations listed per person; beyond, only those that change few units."""
BATCH = 200
"""Combinations a person is asked about at once."""
SAME = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Counterfactual:
    """One person's least change. choice (U,): -1 keeps a unit, c takes its c-th value; None where none was found.

    complete: no combination of the plausible values was left out that could have been better. tried: rows asked.
    """

    choice: Ints | None
    cost: float | None
    score: float | None
    complete: bool
    tried: int


def search(
    predict: Predict, frame: pd.DataFrame, people: Ints, parts: Sequence[Unit], rule: Rule, budget: int
) -> tuple[Counterfactual, ...]:
    """The least change found for each of `people` (n,), positions in `frame`, who are refused.

    budget : combinations that the last step may try for each person.
    """
    if not len(people):
        return ()
    return _Search(predict, frame, people, tuple(parts), rule).run(budget)


class _Search:
    def __init__(
        self, predict: Predict, frame: pd.DataFrame, people: Ints, parts: tuple[Unit, ...], rule: Rule
    ) -> None:
        self.predict, self.frame, self.people, self.parts, self.rule = predict, frame, people, parts, rule
        n = len(people)
        self.best = np.full((n, len(parts)), -1, dtype=np.int64)
        self.cost = np.full(n, np.inf)
        self.score = np.full(n, np.nan)
        self.tried = np.zeros(n, dtype=np.int64)
        # (n, C + 1): the last is the cost of keeping the unit, so that index -1 finds it.
        self.costs = [np.column_stack([u.cost[people], np.zeros(n)]) for u in parts]

    def run(self, budget: int) -> tuple[Counterfactual, ...]:
        self._greedy()
        self._smaller()
        complete = self._cheaper(budget)
        out = []
        for i in range(len(self.people)):
            exists = bool(np.isfinite(self.cost[i]))
            out.append(
                Counterfactual(
                    self.best[i].copy() if exists else None,
                    float(self.cost[i]) if exists else None,
                    float(self.rule.score(self.score[i])) if exists else None,
                    bool(complete[i]),
                    int(self.tried[i]),
                )
            )
        return tuple(out)

    def _ask(self, who: Ints, choice: Ints) -> Floats:
        """Scores of the people `who` (places in self.people) with `choice`; the best favourable ones are kept."""
        if not len(who):
            return np.empty(0)
        score = self.predict(changed(self.frame, self.people[who], self.parts, choice))
        self.tried += np.bincount(who, minlength=len(self.people))
        good = self.rule.favourable(score) == 1
        total = self._total(who, choice)
        # Dearest first, so that the cheapest is written last; among equals the first asked.
        for k in np.flatnonzero(good)[np.lexsort((-np.flatnonzero(good), -total[good]))]:
            i = who[k]
            if total[k] < self.cost[i] - SAME:
                self.best[i], self.cost[i], self.score[i] = choice[k], total[k], score[k]
        return score

    def _total(self, who: Ints, choice: Ints) -> Floats:
        total = np.zeros(len(who))
        for u, costs in enumerate(self.costs):
            total += costs[who, choice[:, u]]
        return total

    def _steps(self, who: Ints, start: Ints, free: Ints) -> tuple[Ints, Ints]:
        """Every change of one unit from `start` (len(who), U): (rows of `who`, choices). free marks the units."""
        rows, choices = [], []
        for u, costs in enumerate(self.costs):
            at, value = np.nonzero(np.isfinite(costs[who, :-1]) & (free[:, u] == 1)[:, None])
            choice = start[at].copy()
            choice[:, u] = value
            rows.append(at)
            choices.append(choice)
        if not rows:
            return np.empty(0, dtype=np.int64), np.empty((0, 0), dtype=np.int64)
        return np.concatenate(rows), np.concatenate(choices)

    def _greedy(self) -> None:
        """Unit by unit the change that moves the score most, until the decision turns or nothing moves it."""
        towards = 1.0 if self.rule.favourable_is_positive else -1.0
        who = np.arange(len(self.people))
        now = np.full((len(who), len(self.parts)), -1, dtype=np.int64)
        level = towards * self.rule.score(self.predict(changed(self.frame, self.people, self.parts, now)))
        for _ in self.parts:
            rows, choices = self._steps(who, now[who], (now[who] < 0).astype(np.int64))
            if not len(rows):
                return
            score = towards * self.rule.score(self._ask(who[rows], choices))
            order = np.lexsort((score, rows))
            last = order[np.flatnonzero(np.append(np.diff(rows[order]) != 0, True))]
            moved = who[rows[last]]
            on = (score[last] > level[moved] + SAME) & ~np.isfinite(self.cost[moved])
            now[moved[on]], level[moved[on]] = choices[last[on]], score[last[on]]
            who = np.sort(moved[on])

    def _smaller(self) -> None:
        """One change at a time made cheaper, or undone, while the decision stays favourable."""
        for _ in range(2 * len(self.parts)):
            who = np.flatnonzero(np.isfinite(self.cost))
            start = self.best[who]
            rows, choices = self._steps(who, start, np.ones_like(start))
            undone = [(i, u) for i, u in zip(*np.nonzero(start >= 0), strict=True)]
            if undone:
                at = np.array([i for i, _ in undone])
                back = start[at].copy()
                back[np.arange(len(at)), [u for _, u in undone]] = -1
                rows, choices = np.concatenate([rows, at]), np.concatenate([choices, back])
            cheaper = self._total(who[rows], choices) < self.cost[who[rows]] - SAME
            cheaper &= (choices >= 0).any(axis=1)
            before = self.cost.copy()
            self._ask(who[rows[cheaper]], choices[cheaper])
            if (self.cost == before).all():
                return

    def _cheaper(self, budget: int) -> Ints:
        """Every combination cheaper than the best one, in order of cost, up to `budget`; who was done completely."""
        lists, whole = {}, np.zeros(len(self.people), dtype=np.int64)
        for i in range(len(self.people)):
            lists[i], whole[i] = self._combinations(i, budget)
        start = 0
        while lists:
            who = np.repeat(list(lists), [len(c[start : start + BATCH]) for c in lists.values()])
            self._ask(who, np.concatenate([c[start : start + BATCH] for c in lists.values()]))
            start += BATCH
            # In order of cost: the first favourable one ends a person's search.
            lists = {i: c for i, c in lists.items() if len(c) > start and self._below(i, c[start])}
        return whole

    def _below(self, i: int, choice: Ints) -> bool:
        return bool(self._total(np.array([i]), choice[None, :])[0] < self.cost[i] - SAME)

    def _combinations(self, i: int, budget: int) -> tuple[Ints, bool]:
        """The combinations below the best cost, cheapest first (k, U), and whether these are all of them."""
        options = [np.flatnonzero(np.isfinite(c[i, :-1]) & (c[i, :-1] < self.cost[i] - SAME)) for c in self.costs]
        sizes = [len(o) + 1 for o in options]
        whole = True
        while int(np.prod(sizes, dtype=np.float64)) > GRID:
            # The dearest values of the longest list go: the rest is still searched.
            longest = int(np.argmax(sizes))
            kept = np.argsort(self.costs[longest][i, options[longest]], kind="stable")[: sizes[longest] // 2]
            options[longest], whole = np.sort(options[longest][kept]), False
            sizes[longest] = len(options[longest]) + 1
        total = np.zeros(1)
        for u, option in enumerate(options):
            own = np.append(0.0, self.costs[u][i, option])
            total = (total[:, None] + own[None, :]).reshape(-1)
        below = np.flatnonzero(total < self.cost[i] - SAME)
        below = below[below > 0]
        order = below[np.argsort(total[below], kind="stable")]
        whole = whole and len(order) <= budget
        picked = (
            np.stack(np.unravel_index(order[:budget], sizes), axis=1) if len(options) else np.empty((len(order), 0))
        )
        choice = np.full(picked.shape, -1, dtype=np.int64)
        for u, option in enumerate(options):
            choice[:, u] = np.append(-1, option)[picked[:, u].astype(np.int64)]
        return choice, whole
