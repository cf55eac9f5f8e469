"""What corruptions do to figures, over sums in cells: (joint group) x label x decision, as the cube has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from audit.cube import CodedRows, Floats, Ints, Meaning
from audit.metrics import ACCURACY, EQUAL_OPPORTUNITY, EQUALIZED_ODDS, Metric, metrics_for, parts_of
from audit.policy import Policy
from audit.stress.corrupt import KINDS
from audit.values import UNKNOWN

CELLS = 6


@dataclass(frozen=True, slots=True)
class Aim:
    """One figure that a search makes worse. kind: "rate" (of everyone), "difference" or "ratio".

    lowest: a group, for one side of a gap: by how much its rate is below the highest of the others (below 0 where it is
    the highest itself), or its ratio to that. The gap is the worst of its sides. A side moves steadily where the gap
    first closes before it opens the other way.
    """

    metric: str
    attribute: tuple[str, ...]
    kind: str
    limit: float | None = None
    lowest: str | None = None

    @property
    def sign(self) -> int:
        """1 where larger is worse."""
        return 1 if self.kind == "difference" else -1

    @property
    def whole(self) -> Aim:
        """The figure of which this is a side."""
        return replace(self, lowest=None)

    def words(self) -> str:
        name = self.metric.replace("_", " ")
        return name if self.kind == "rate" else f"{name} {self.kind} by {' and '.join(self.attribute)}"


def aims_of(policy: Policy, sensitive: Sequence[str], meaning: Meaning) -> tuple[list[Aim], list[str]]:
    """Every norm of the policy by attribute, and accuracy; and the names of norms that rest on more than decisions."""
    known = {m.name: m for m in metrics_for(meaning)}
    also = (EQUAL_OPPORTUNITY, EQUALIZED_ODDS)
    out: dict[tuple[object, ...], Aim] = {}
    left = []
    for norm in policy.norms:
        if norm.metric not in known and norm.metric not in also:
            left.append(norm.metric)
            continue
        if not meaning.labelled and (norm.metric in also or known[norm.metric].needs_label):
            continue
        for attribute in [norm.attribute] if norm.attribute else [(a,) for a in sensitive]:
            aim = Aim(norm.metric, tuple(attribute), norm.kind, norm.limit)
            out.setdefault((aim.metric, aim.attribute, aim.kind), aim)
    aims = list(out.values())
    if meaning.labelled:
        aims.append(Aim(ACCURACY, (), "rate"))
    return aims, sorted(set(left))


def is_gap(kind: str, value: float) -> bool:
    """Whether a side ends as a gap: the group's rate is the lower one. If not, a gap is narrowed, or hidden."""
    return value > 0 if kind == "difference" else value < 1


def is_worse(kind: str, low: float, high: float, after: float, random_worst: float | None) -> bool:
    """The rule by which a finding is named: the interval of its change leaves out zero, and random rows do not do as
    much (what they do as well is no weakness of one kind of people)."""
    sign = 1 if kind == "difference" else -1
    clear = low > 0 if sign > 0 else high < 0
    return bool(clear and (random_worst is None or sign * (after - random_worst) > 0))


def sides_of(figures: Figures) -> list[Aim]:
    """Every side of every gap; rates as they are."""
    return [
        replace(aim, lowest=name)
        for i, aim in enumerate(figures.aims)
        for name in ([None] if aim.kind == "rate" else figures.names(i))
    ]


class Figures:
    """Figures of tables of cells (D, J * 6) with J joint groups, for a list of aims.

    members: of each aim the groups that take part: at least `floor` rows in the base table.
    """

    def __init__(self, coded: CodedRows, aims: Sequence[Aim], floor: int) -> None:
        self.aims = tuple(aims)
        codes, joint = _joint(coded)
        self.joint = joint
        self.groups = len(codes)
        self.size = self.groups * CELLS
        self.cell: Ints = (joint * 3 + coded.label) * 2 + coded.decision
        by_name = {m.name: m for m in metrics_for(coded.meaning)}
        self._plans = [self._plan(coded, codes, a, by_name, floor) for a in self.aims]

    def _plan(
        self, coded: CodedRows, codes: Ints, aim: Aim, by_name: dict[str, Metric], floor: int
    ) -> tuple[Floats, tuple[Metric, ...], tuple[str, ...]]:
        """Which joint groups make each compared group (G, J), the rates, and the groups' names."""
        parts = tuple(by_name[m] for m in parts_of(aim.metric, coded.meaning))
        if not aim.attribute:
            return np.ones((1, self.groups)), parts, ("everyone",)
        axes = [coded.attributes.index(a) for a in aim.attribute]
        uniques, group = np.unique(codes[:, axes], axis=0, return_inverse=True)
        group = group.reshape(-1)
        into = np.zeros((len(uniques), self.groups))
        into[group, np.arange(self.groups)] = 1
        names = [tuple(coded.levels[a][c] for a, c in zip(axes, code, strict=True)) for code in uniques.tolist()]
        cells = np.bincount(self.cell, minlength=self.size).reshape(self.groups, 3, 2)
        asked = np.min(
            [(np.einsum("gj,jyd->gyd", into, cells) * m.denominator).sum(axis=(1, 2)) for m in parts], axis=0
        )
        known = np.array([UNKNOWN not in n for n in names])
        enough = known & (asked >= floor)
        keep = np.flatnonzero(enough)
        return into[keep], parts, tuple(" / ".join(names[k]) for k in keep)

    def names(self, aim: int) -> tuple[str, ...]:
        return self._plans[aim][2]

    def counts(self, table: Floats, aim: int) -> list[list[list[float]]]:
        """Of one table and aim: for each rate, for each group in the order of `names`, [counted, out of]."""
        into, parts, _ = self._plans[aim]
        cells = np.einsum("gj,jyd->gyd", into, table.reshape(self.groups, 3, 2))
        return [[[float((c * m.numerator).sum()), float((c * m.denominator).sum())] for c in cells] for m in parts]

    def of(self, tables: Floats) -> Floats:
        """(D, J * 6) to (D, aims); NaN where a figure cannot be estimated."""
        shaped = tables.reshape(len(tables), self.groups, 3, 2)
        out = np.full((len(tables), len(self.aims)), np.nan)
        rates: dict[tuple[str, tuple[str, ...]], list[Floats]] = {}
        for a, (aim, (into, parts, names)) in enumerate(zip(self.aims, self._plans, strict=True)):
            if len(into) < (1 if aim.kind == "rate" else 2) or (aim.lowest is not None and aim.lowest not in names):
                continue
            if (key := (aim.metric, aim.attribute)) not in rates:
                rates[key] = [_rates(shaped, metric, into) for metric in parts]
            at = None if aim.lowest is None else names.index(aim.lowest)
            gaps = [_gap(rate, aim.kind, at) for rate in rates[key]]
            out[:, a] = (np.fmax if aim.kind == "difference" else np.fmin).reduce(gaps)
        return out


def _rates(shaped: Floats, metric: Metric, into: Floats) -> Floats:
    """(D, G) of (D, J, 3, 2)."""
    x, n = ((shaped * mask).sum(axis=(2, 3)) @ into.T for mask in (metric.numerator, metric.denominator))
    return np.asarray(np.divide(x, n, out=np.full_like(x, np.nan), where=n > 1e-9))


def _gap(rate: Floats, kind: str, lowest: int | None = None) -> Floats:
    """(D, G) to (D,). lowest: of this group alone, against the highest other."""
    if kind == "rate":
        return np.asarray(rate[:, 0])
    known = np.isfinite(rate).all(axis=1)
    high, low = rate.max(axis=1), rate.min(axis=1)
    if lowest is not None:
        high, low = np.delete(rate, lowest, axis=1).max(axis=1), rate[:, lowest]
    if kind == "difference":
        return np.where(known, high - low, np.nan)
    return np.where(known & (high > 0), np.divide(low, high, out=np.zeros_like(low), where=high > 0), np.nan)


def _joint(coded: CodedRows) -> tuple[Ints, Ints]:
    if not coded.codes.shape[1]:
        return np.zeros((1, 0), dtype=np.int64), np.zeros(len(coded.label), dtype=np.int64)
    codes, joint = np.unique(coded.codes, axis=0, return_inverse=True)
    return codes.astype(np.int64), joint.reshape(-1).astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Moves:
    """What a corruption does, row by row: at `cell` of the table, `row` adds `amount` (-1, 1). Arrays (m,)."""

    row: Ints
    cell: Ints
    amount: npt.NDArray[np.float64]

    def within(self, rows: npt.NDArray[np.bool_]) -> Moves:
        """Those of some rows only."""
        keep = rows[self.row]
        return Moves(self.row[keep], self.cell[keep], self.amount[keep])

    def table(self, size: int) -> Floats:
        return np.bincount(self.cell, self.amount, minlength=size).astype(np.float64)


def moves_of(figures: Figures, coded: CodedRows, after: Ints | None, kind: str) -> Moves:
    """The moves where every row is corrupted. after (n,): the decisions then, for a corruption of a column."""
    n, cell = len(coded.label), figures.cell
    weight = np.ones(n) if coded.weight is None else coded.weight
    if after is not None:
        label, decision = coded.label, after
    elif KINDS[kind].turns:
        label, decision = np.where(coded.label < 2, 1 - coded.label, coded.label), coded.decision
    else:
        every = np.arange(n)
        return Moves(every, cell, KINDS[kind].copies * weight)
    to = (figures.joint * 3 + label) * 2 + decision
    rows = np.flatnonzero(to != cell)
    return Moves(
        np.concatenate([rows, rows]),
        np.concatenate([cell[rows], to[rows]]),
        np.concatenate([-weight[rows], weight[rows]]),
    )


def changed(
    figures: Figures, coded: CodedRows, decision: Ints, label: Ints | None = None, counts: Floats | None = None
) -> Moves:
    """The moves where decisions (n,), outcomes or how often a row counts are others."""
    n = len(coded.label)
    weight = np.ones(n) if coded.weight is None else coded.weight
    there = weight if counts is None else weight * counts
    to = (figures.joint * 3 + (coded.label if label is None else label)) * 2 + decision
    rows = np.flatnonzero((to != figures.cell) | (there != weight))
    return Moves(
        np.concatenate([rows, rows]),
        np.concatenate([figures.cell[rows], to[rows]]),
        np.concatenate([-weight[rows], there[rows]]),
    )


def figure_of(kind: str, counts: Sequence[Sequence[Sequence[float]]], lowest: int | None = None) -> float | None:
    """The figure from what `Figures.counts` gave, or its side of the group at `lowest`: what a verifier computes again.
    None where it cannot be estimated."""
    values = []
    for part in counts:
        rates = [x / n if n > 1e-9 else float("nan") for x, n in part]
        value = (
            float(_gap(np.array([rates]), kind, lowest)[0])
            if len(rates) >= (1 if kind == "rate" else 2)
            else float("nan")
        )
        if value == value:
            values.append(value)
    if not values:
        return None
    return max(values) if kind == "difference" else min(values)
