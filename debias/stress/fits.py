"""The model fitted again on corrupted training rows, and what that does to every figure on the validation rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.cube import CodedRows, Floats, Ints
from audit.errors import ModelError
from audit.gaps import Settings
from audit.quality.codes import Group
from audit.stress.corrupt import KINDS
from audit.stress.figures import Aim, Figures, aims_of, sides_of
from audit.stress.predicates import Literals, literals_of
from audit.stress.serving import FLOOR, hit_rows
from audit.stress.spec import StressSpec
from debias.refits import Refits
from debias.task import Task


@dataclass(frozen=True, slots=True)
class Point:
    """A corruption of the training rows: kind, column (None: whole rows) and one or two literals."""

    kind: str
    column: str | None
    predicate: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A point after its fit. worse (aims,): how much worse each figure is on the validation rows; decided (test,)."""

    point: Point
    rows: int
    share: float
    worse: Floats
    decided: Ints


class Bench:
    """The rows of a task, and what a fit on altered ones does to every figure."""

    def __init__(self, task: Task, learner: Refits, spec: StressSpec, settings: Settings) -> None:
        self.task, self.learner, self.spec, self.settings = task, learner, spec, settings
        s = task.splits
        self.train, self.search, self.test = s.train, s.validation, s.test
        self.rows = task.part(self.train).reset_index(drop=True)
        self.label = task.label[self.train]
        self.asked = task.part(np.concatenate([self.search, self.test])).reset_index(drop=True)
        self.base, self.score = learner(self.rows, self.label, self.asked, settings.seed)
        aims, _ = aims_of(task.case.policy, task.case.data.sensitive, task.meaning)
        many = len(self.search)
        self.on_search = self._coded(self.search, self.base[:many])
        self.on_test = self._coded(self.test, self.base[many:])
        self.figures = Figures(self.on_search, sides_of(Figures(self.on_search, aims, FLOOR)), FLOOR)
        groups = [Group(a, task.codes[self.train, i], task.levels[i]) for i, a in enumerate(task.case.data.sensitive)]
        names = (task.meaning.negative, task.meaning.positive)
        self.literals: Literals = literals_of(self.rows, task.features, groups, self.label, names, task.case.data.label)
        self.now = self._figure(self.base[:many])
        kept = _sides(self.figures.aims, self.now)
        self.turned = [i >= len(kept[0]) for i in range(len(kept[0]) + len(kept[1]))]
        order = [*kept[0], *kept[1]]
        self.figures = Figures(self.on_search, [self.figures.aims[a] for a in order], FLOOR)
        self.now = self.now[order]
        self.most = max(1, int(spec.budget * len(self.train)))

    def _coded(self, rows: Ints, decision: Ints) -> CodedRows:
        t = self.task
        return CodedRows(
            t.case.data.sensitive, t.levels, t.codes[rows], t.label[rows], decision, t.weight_of(rows), None, t.meaning
        )

    def _figure(self, decided: Ints) -> Floats:
        coded = self.on_search
        weight = np.ones(len(decided)) if coded.weight is None else coded.weight
        cell = (self.figures.joint * 3 + coded.label) * 2 + decided
        return np.asarray(
            self.figures.of(np.bincount(cell, weight, minlength=self.figures.size)[None].astype(np.float64))[0]
        )

    def try_out(self, point: Point, number: int) -> Fitted | None:
        """Fit on the corrupted rows; None where too few or too many rows are hit, or the model refuses."""
        mine = self.literals.rows(point.predicate)
        size = int(mine.sum())
        if size < FLOOR or len(mine) - size < FLOOR:
            return None
        share = min(1.0, self.most / size)
        return self.fit(point, hit_rows(mine, share, self.settings.seed + number), share)

    def abreast(self, one: Callable[[Any], Any], many: Sequence[Any]) -> list[Any]:
        """`one` of each, as many at a time as there are processes that fit."""
        with ThreadPoolExecutor(self.learner.abreast) as pool:
            return list(pool.map(one, many))

    def fit(self, point: Point, hit: npt.NDArray[np.bool_], share: float) -> Fitted | None:
        rows, label = altered(self.rows, self.label, point, hit)
        if len(np.unique(label)) < 2:
            return None
        try:
            decided, _ = self.learner(rows, label, self.asked, self.settings.seed)
        except ModelError:
            return None
        many = len(self.search)
        sign = np.array([a.sign for a in self.figures.aims], dtype=np.float64)
        worse = (self._figure(decided[:many]) - self.now) * sign
        return Fitted(point, int(hit.sum()), share, worse, decided[many:])


def _sides(aims: Sequence[Aim], now: Floats) -> tuple[list[int], list[int]]:
    """Of each gap the side that is the gap as it stands, and that of the group which is the highest."""
    sides: dict[Aim, list[int]] = {}
    for a, aim in enumerate(aims):
        if np.isfinite(now[a]):
            sides.setdefault(aim.whole, []).append(a)
    stands = [max(mine, key=lambda a: aims[a].sign * now[a]) for mine in sides.values()]
    other = [min(mine, key=lambda a: aims[a].sign * now[a]) for mine in sides.values()]
    return stands, [a for a in other if a not in stands]


def altered(rows: pd.DataFrame, label: Ints, point: Point, hit: npt.NDArray[np.bool_]) -> tuple[pd.DataFrame, Ints]:
    """Training rows and labels with the corruption done to `hit` (n,)."""
    kind = KINDS[point.kind]
    if kind.turns:
        return rows, np.where(hit, 1 - label, label)
    if kind.copies < 0:
        return rows[~hit].reset_index(drop=True), label[~hit]
    if kind.copies > 0:
        at = np.concatenate([np.arange(len(rows)), *[np.flatnonzero(hit)] * kind.copies])
        return rows.iloc[at].reset_index(drop=True), label[at]
    assert point.column is not None
    change = kind.change
    assert change is not None
    new = change(rows[point.column])
    out = rows.copy(deep=False)
    out[point.column] = rows[point.column].astype(new.dtype).where(~hit, new)
    return out, label
