"""What the other half of the people says: the figure before and after, with an interval, beside random rows."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
from scipy import sparse

from audit.cube import CodedRows, Floats, Ints
from audit.stress.figures import Aim, Figures, Moves, is_worse

DRAWS = 1000
RANDOM = 300


@dataclass(frozen=True, slots=True)
class Confirmed:
    """One figure on the reporting half. change is signed as the figure is; low, high bound it at once with the other
    entries (Bonferroni). random_mean, random_worst: the figure where as many random rows are hit in the same way."""

    before: float
    after: float
    change: float
    low: float
    high: float
    random_mean: float | None
    random_worst: float | None
    worse: bool
    groups: tuple[str, ...]
    counts_before: list[list[list[float]]]
    counts_after: list[list[list[float]]]


def halves(coded: CodedRows, seed: int) -> npt.NDArray[np.bool_]:
    """True for the rows to search on: half of every group and outcome, all rows of a person on one side."""
    rng = np.random.default_rng(seed)
    n = len(coded.label)
    if coded.cluster is not None:
        who, place = np.unique(coded.cluster, return_inverse=True)
        return np.asarray((rng.permutation(len(who)) % 2 == 0)[place.reshape(-1)])
    stratum = coded.label.copy()
    for column in coded.codes.T:
        stratum = stratum * (int(column.max(initial=0)) + 1) + column
    shuffled = rng.permutation(n)
    order = shuffled[np.argsort(stratum[shuffled], kind="stable")]
    out = np.zeros(n, dtype=bool)
    out[order[::2]] = True
    return out


def confirm(
    figures: Figures,
    coded: CodedRows,
    aim: int,
    moves: Moves,
    entries: int,
    seed: int,
    everything: Moves | None = None,
    hit: int = 0,
) -> Confirmed:
    """moves: those of the rows that are hit. entries: how many figures are reported at once. everything: the moves
    where all rows are corrupted, for random rows; hit: how many rows are.

    The interval is change +- z sd over a Bayesian bootstrap of people (Rubin 1981), a person with several rows as one;
    where nothing changes it is the rule of three.
    """
    weight = np.ones(len(coded.label)) if coded.weight is None else coded.weight
    base = np.bincount(figures.cell, weight, minlength=figures.size).astype(np.float64)
    rng = np.random.default_rng(seed)
    corrupted = base + moves.table(figures.size)
    before, after = figures.of(np.stack([base, corrupted]))[:, aim]
    sd = float(_spread(figures, coded, moves, weight, rng)[aim])
    z = NormalDist().inv_cdf(1 - 0.05 / (2 * max(1, entries)))
    n = len(coded.label)
    half = max(z * sd, 3.0 / n if sd == 0 else 0.0)
    change = float(after - before)
    one = figures.aims[aim]
    least, most = _reach(one, float(before))
    low, high = max(least, change - half), min(most, change + half)
    mean = worst = None
    if everything is not None and hit:
        mean, worst = _random(figures, aim, base, everything, hit, n, rng)
    return Confirmed(
        float(before),
        float(after),
        change,
        low,
        high,
        mean,
        worst,
        is_worse(one.kind, low, high, float(after), worst),
        figures.names(aim),
        figures.counts(base, aim),
        figures.counts(corrupted, aim),
    )


def _reach(aim: Aim, before: float) -> tuple[float, float]:
    """How far a figure can change, down and up."""
    if aim.lowest is None:
        return -1.0, 1.0
    return (-1.0 - before, 1.0 - before) if aim.kind == "difference" else (-before, float("inf"))


def spreads(figures: Figures, coded: CodedRows, moves: Moves, seed: int) -> Floats:
    """The standard deviation of every figure's change (aims,) over draws of people (Bayesian bootstrap)."""
    weight = np.ones(len(coded.label)) if coded.weight is None else coded.weight
    return _spread(figures, coded, moves, weight, np.random.default_rng(seed))


def _spread(figures: Figures, coded: CodedRows, moves: Moves, weight: Floats, rng: np.random.Generator) -> Floats:
    n, size = len(coded.label), figures.size
    rows = np.arange(n)
    plain = sparse.csr_array((weight, (rows, figures.cell)), shape=(n, size))
    moved = sparse.csr_array((moves.amount, (moves.row, moves.cell)), shape=(n, size))
    both = sparse.hstack([plain, moved]).tocsr()
    if coded.cluster is not None:
        who = np.unique(coded.cluster, return_inverse=True)[1].reshape(-1)
        both = sparse.csr_array((np.ones(n), (who, rows)), shape=(int(who.max()) + 1, n)) @ both
    kinds, counts = _alike(both)
    drawn = np.asarray(rng.gamma(counts, 1.0, size=(DRAWS, len(counts))) @ kinds)
    start, change = drawn[:, :size], drawn[:, size:]
    moved_by = figures.of(np.maximum(start + change, 0.0)) - figures.of(start)
    good = np.isfinite(moved_by)
    with np.errstate(invalid="ignore"):
        sd = np.where(good, moved_by, np.nan)
    deviations = np.full(sd.shape[1], np.nan)
    for a in range(sd.shape[1]):
        if good[:, a].sum() > DRAWS / 2:
            deviations[a] = float(sd[good[:, a], a].std())
    return deviations


def _alike(table: sparse.csr_array) -> tuple[sparse.csr_array, Floats]:
    """Each kind of row once, and how many there are of it."""
    table = sparse.csr_array(table)
    table.sum_duplicates()
    mark = table @ np.random.default_rng(0).standard_normal(table.shape[1])
    _, first, counts = np.unique(np.round(mark, 9), return_index=True, return_counts=True)
    return table[first], counts.astype(np.float64)


def _random(
    figures: Figures, aim: int, base: Floats, everything: Moves, hit: int, n: int, rng: np.random.Generator
) -> tuple[float, float]:
    tables = np.repeat(base[None], RANDOM, axis=0)
    for draw in range(RANDOM):
        chosen = np.zeros(n, dtype=bool)
        chosen[rng.choice(n, size=min(hit, n), replace=False)] = True
        tables[draw] += everything.within(chosen).table(figures.size)
    values = figures.of(np.maximum(tables, 0.0))[:, aim]
    values = values[np.isfinite(values)]
    if not len(values):
        return float("nan"), float("nan")
    return float(values.mean()), float(values.max() if figures.aims[aim].sign > 0 else values.min())


def take(coded: CodedRows, rows: npt.NDArray[np.bool_] | Ints) -> CodedRows:
    """Some rows of `coded`."""
    return CodedRows(
        coded.attributes,
        coded.levels,
        coded.codes[rows],
        coded.label[rows],
        coded.decision[rows],
        None if coded.weight is None else coded.weight[rows],
        None,
        coded.meaning,
        cluster=None if coded.cluster is None else coded.cluster[rows],
    )
