"""The model learned from wrong data: fitted again on corrupted rows, and judged on clean ones.

Candidates are ranked by influence on the validation rows and confirmed there by fits of the real model; a TPE search
(SAVAGE's, of Bergstra et al. 2011) goes on from the best of them. What is reported is measured on test rows that
neither the ranking nor any fit has seen. A prediction is never printed: influence is off both ways.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit import progress
from audit.cube import CodedRows, Floats, Ints
from audit.errors import ModelError
from audit.gaps import Settings
from audit.metrics import metrics_for, parts_of
from audit.quality.codes import Group
from audit.stress.confirm import Confirmed, confirm
from audit.stress.corrupt import KINDS, fits
from audit.stress.figures import Aim, Figures, aims_of, moves_of
from audit.stress.predicates import Literal, Literals, literals_of, singles_and_pairs
from audit.stress.serving import FLOOR, hit_rows
from audit.stress.spec import StressSpec
from debias.refits import Refits
from debias.stress.influence import Influence, encoder_of, rate_weight
from debias.task import Task

RANKED = 6000
"""Rows by which candidates are ranked; more change the order little."""
RANDOM_FITS = 2
TOGETHER = 2
"""So many fits are chosen at a time, however many processors there are: the same case gives the same evidence."""


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


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """One finding, on test rows."""

    aim: Aim
    point: Point
    predicate: tuple[Literal, ...]
    rows: int
    share: float
    confirmed: Confirmed
    names_person: bool


@dataclass(frozen=True, slots=True, eq=False)
class Training:
    entries: tuple[Trained, ...]
    ranked: int
    fits: int
    learner: str
    learned: int
    searched: int
    reported: int
    notes: tuple[str, ...]


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
        self.figures = Figures(self.on_search, aims, FLOOR)
        groups = [Group(a, task.codes[self.train, i], task.levels[i]) for i, a in enumerate(task.case.data.sensitive)]
        names = (task.meaning.negative, task.meaning.positive)
        self.literals: Literals = literals_of(self.rows, task.features, groups, self.label, names, task.case.data.label)
        self.now = self._figure(self.base[:many])
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


def altered(rows: pd.DataFrame, label: Ints, point: Point, hit: npt.NDArray[np.bool_]) -> tuple[pd.DataFrame, Ints]:
    """Training rows and labels with the corruption done to `hit` (n,)."""
    if point.kind == "label":
        return rows, np.where(hit, 1 - label, label)
    if point.kind == "dropped":
        return rows[~hit].reset_index(drop=True), label[~hit]
    if point.kind == "duplicate":
        at = np.concatenate([np.arange(len(rows)), np.flatnonzero(hit)])
        return rows.iloc[at].reset_index(drop=True), label[at]
    assert point.column is not None
    change = KINDS[point.kind].change
    assert change is not None
    new = change(rows[point.column])
    out = rows.copy(deep=False)
    out[point.column] = rows[point.column].astype(new.dtype).where(~hit, new)
    return out, label


def training(task: Task, learner: Refits, spec: StressSpec, settings: Settings, fits_in_all: int) -> Training:
    """Raises ModelError where the model cannot be fitted at all."""
    progress.stage("Fitting the model again on clean data")
    bench = Bench(task, learner, spec, settings)
    progress.stage("Ranking what would hurt most")
    ranked, count = _ranked(bench)
    progress.stage("Confirming by fits on corrupted data")
    done: list[Fitted] = []
    first = fits_in_all - fits_in_all // 3
    tried: set[Point] = set()
    for start in range(0, fits_in_all, TOGETHER):
        progress.step(start, fits_in_all)
        points = []
        for number in range(start, min(start + TOGETHER, fits_in_all)):
            point = ranked[number] if number < min(first, len(ranked)) else _proposed(bench, done, number)
            if point is None or point in tried:
                point = next((p for p in ranked if p not in tried), None)
            if point is not None:
                tried.add(point)
                points.append((number, point))
        done += [f for f in bench.abreast(lambda each: bench.try_out(each[1], each[0]), points) if f is not None]
        if not points:
            break
    entries = _entries(bench, done)
    notes = [*learner.notes, *task.notes]
    return Training(
        tuple(entries),
        count,
        len(done),
        learner.words,
        len(bench.train),
        len(bench.search),
        len(bench.test),
        tuple(notes),
    )


def _ranked(bench: Bench) -> tuple[list[Point], int]:
    """Points by influence, the best of each figure in turn; and how many were ranked."""
    n = len(bench.rows)
    encode = encoder_of(bench.rows)
    x = encode(bench.rows)
    few = np.random.default_rng(bench.settings.seed).permutation(n)[:RANKED]
    influence = Influence(x, bench.label, encode(bench.asked.iloc[: len(bench.search)]))
    part = _Part(influence, few)
    holds = bench.literals.holds[few]
    first, second = singles_and_pairs(len(bench.literals.names))
    if bench.spec.depth == 1:
        keep = first == second
        first, second = first[keep], second[keep]
    size = (holds.T @ holds)[first, second] * (n / len(few))
    usable = (size >= FLOOR) & (n - size >= FLOOR)
    share = np.minimum(1.0, bench.most / np.maximum(size, 1))
    trained = sorted((k for k in KINDS.values() if k.training), key=lambda k: k.training)
    wanted = [k.name for k in trained if not bench.spec.kinds or k.name in bench.spec.kinds]
    changes = [(k, None) for k in wanted if KINDS[k].of == "rows"]
    columns = [c for c, _ in encode.parts if not bench.spec.columns or c in bench.spec.columns]
    other = {}
    for name in columns:
        for kind in wanted:
            if KINDS[kind].of != "rows" and fits(KINDS[kind], bench.rows[name]):
                at = dict(encode.parts)[name]
                change = KINDS[kind].change
                assert change is not None
                new = x[few].copy()
                new[:, encode.slice_of(name)] = encode.column(change(bench.rows[name]).iloc[few], at)
                other[kind, name] = new
    lists: list[list[tuple[float, Point]]] = []
    for aim in range(len(bench.figures.aims)):
        v = influence.direction(_weights(bench, influence.soft, aim))
        if not np.isfinite(v).all():
            continue
        mine: list[tuple[float, Point]] = []
        for kind, column in [*changes, *other]:
            effect = part.of(kind, v, other.get((kind, column)) if column is not None else None)
            total = (holds.T @ (holds * effect[:, None].astype(np.float32)))[first, second] * share
            total = np.where(usable, total, -np.inf)
            for k in np.argsort(-total)[:3].tolist():
                if np.isfinite(total[k]) and total[k] > 0:
                    names = tuple(sorted({int(first[k]), int(second[k])}))
                    mine.append((float(total[k]), Point(kind, column, names)))
        # The best of each kind first, so that fits are not spent on one kind's neighbours.
        lists.append(_spread(mine))
    out: dict[Point, None] = {}
    for place in range(max((len(one) for one in lists), default=0)):
        for one in lists:
            if place < len(one):
                out.setdefault(one[place][1])
    return list(out), int(usable.sum()) * (len(changes) + len(other))


def _spread(found: list[tuple[float, Point]]) -> list[tuple[float, Point]]:
    ordered = sorted(found, key=lambda f: -f[0])
    best: list[tuple[float, Point]] = []
    rest: list[tuple[float, Point]] = []
    seen = set()
    for one in ordered:
        (rest if (key := (one[1].kind, one[1].column)) in seen else best).append(one)
        seen.add(key)
    return [*best, *rest]


class _Part:
    """Influence of some of the rows."""

    def __init__(self, whole: Influence, rows: Ints) -> None:
        self.whole, self.rows = whole, rows
        self.x, self.y, self.p = whole.x[rows], whole.y[rows], whole.p[rows]

    def of(self, kind: str, v: Floats, x: Floats | None) -> Floats:
        if kind == "label":
            return np.asarray(-(2 * self.y - 1) * (self.x @ v))
        drop = (self.p - self.y) * (self.x @ v)
        if kind in ("dropped", "duplicate"):
            return np.asarray(drop if kind == "dropped" else -drop)
        assert x is not None
        p = 1 / (1 + np.exp(-np.clip(x @ self.whole.theta, -500, 500)))
        return np.asarray(drop - (p - self.y) * (x @ v))


def _weights(bench: Bench, soft: Floats, aim: int) -> Floats:
    """The derivative of the figure, in its worse direction, by each validation row's soft decision."""
    task, figure = bench.task, bench.figures.aims[aim]
    by_name = {m.name: m for m in metrics_for(task.meaning)}
    parts = [by_name[m] for m in parts_of(figure.metric, task.meaning)]
    label = task.label[bench.search]
    if figure.kind == "rate":
        return -rate_weight(parts[0], label, soft, np.ones(len(label)))[1]
    axes = [task.case.data.sensitive.index(a) for a in figure.attribute]
    codes = task.codes[bench.search][:, axes]
    names = set(bench.figures.names(aim))
    groups = [
        (codes == code).all(axis=1)
        for code in np.unique(codes, axis=0)
        if " / ".join(task.levels[a][c] for a, c in zip(axes, code.tolist(), strict=True)) in names
    ]
    best: tuple[float, Floats] = (-1.0, np.full(len(label), np.nan))
    for metric in parts:
        rates = [rate_weight(metric, label, soft, g.astype(np.float64)) for g in groups]
        rates = [r for r in rates if np.isfinite(r[0])]
        if len(rates) < 2:
            continue
        high, low = max(rates, key=lambda r: r[0]), min(rates, key=lambda r: r[0])
        if high[0] - low[0] > best[0]:
            ratio = figure.kind == "ratio" and high[0] > 0
            grown = (high[1] * low[0] / high[0] - low[1]) / high[0] if ratio else high[1] - low[1]
            best = (high[0] - low[0], np.asarray(grown))
    return best[1]


def _proposed(bench: Bench, done: Sequence[Fitted], number: int) -> Point | None:
    """The next point by Optuna's TPE, for each figure in turn."""
    if not done:
        return None
    import optuna
    from optuna.distributions import CategoricalDistribution
    from optuna.trial import create_trial

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    aim = number % len(bench.figures.aims)
    changes = sorted({(f.point.kind, f.point.column or "") for f in done})
    sides: dict[str, Any] = {
        "what": CategoricalDistribution([f"{k}|{c}" for k, c in changes]),
        "first": CategoricalDistribution(list(range(len(bench.literals.names)))),
        "second": CategoricalDistribution(list(range(len(bench.literals.names)))),
    }
    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.TPESampler(n_startup_trials=4, seed=bench.settings.seed + number)
    )
    for f in done:
        if np.isfinite(f.worse[aim]):
            given = {
                "what": f"{f.point.kind}|{f.point.column or ''}",
                "first": f.point.predicate[0],
                "second": f.point.predicate[-1],
            }
            study.add_trial(create_trial(params=given, distributions=sides, value=float(f.worse[aim])))
    for _ in range(20):
        asked: Any = study.ask(sides).params
        kind, column = asked["what"].split("|", 1)
        predicate = tuple(sorted({asked["first"], asked["second"]}))
        point = Point(kind, column or None, predicate if bench.spec.depth > 1 else predicate[:1])
        if int(bench.literals.rows(point.predicate).sum()) >= FLOOR and all(f.point != point for f in done):
            return point
    return None


def _entries(bench: Bench, done: Sequence[Fitted]) -> list[Trained]:
    """Of each figure the worst fit on the validation rows, overall and without attribute or outcome; on test rows."""
    personal = bench.literals.personal
    report = bench.on_test
    figures = Figures(report, bench.figures.aims, FLOOR)
    wanted: dict[tuple[int, int], None] = {}
    for aim in range(len(bench.figures.aims)):
        for plain in (False, True):
            able = [
                i
                for i, f in enumerate(done)
                if f.worse[aim] > 0 and not (plain and personal[list(f.point.predicate)].any())
            ]
            if able:
                wanted.setdefault((aim, max(able, key=lambda i: done[i].worse[aim])))
    at_random = _random(bench, {done[i].point for _, i in wanted}, max((f.rows for f in done), default=0))
    out = []
    for aim, i in wanted:
        f = done[i]
        moves = moves_of(figures, report, f.decided, "training")
        found = confirm(figures, report, aim, moves, len(wanted), bench.settings.seed)
        if not np.isfinite([found.before, found.after, found.low, found.high]).all():
            continue
        random = [
            confirm(figures, report, aim, moves_of(figures, report, r, "training"), 1, bench.settings.seed).after
            for r in at_random.get((f.point.kind, f.point.column), ())
        ]
        sign = figures.aims[aim].sign
        if random := [r for r in random if np.isfinite(r)]:
            worst = max(random) if sign > 0 else min(random)
            found = replace(
                found,
                random_mean=float(np.mean(random)),
                random_worst=worst,
                worse=found.worse and sign * (found.after - worst) > 0,
            )
        literals = tuple(bench.literals.names[k] for k in f.point.predicate)
        out.append(
            Trained(figures.aims[aim], f.point, literals, f.rows, f.share, found, any(x.personal for x in literals))
        )
    return out


def _random(bench: Bench, points: set[Point], rows: int) -> dict[tuple[str, str | None], list[Ints]]:
    """Decisions on test rows after fits where as many random rows are corrupted in the same way."""
    kinds = sorted({(p.kind, p.column or "") for p in points})
    todo = [(kind, column or None, number) for kind, column in kinds for number in range(RANDOM_FITS)]

    def one(each: tuple[str, str | None, int]) -> Fitted | None:
        hit = np.zeros(len(bench.rows), dtype=bool)
        rng = np.random.default_rng(bench.settings.seed + 7919 * (each[2] + 1))
        hit[rng.choice(len(hit), size=min(rows, len(hit) // 2), replace=False)] = True
        return bench.fit(Point(each[0], each[1], ()), hit, 1.0)

    out: dict[tuple[str, str | None], list[Ints]] = {}
    for (kind, column, _), found in zip(todo, bench.abreast(one, todo), strict=True):
        if found is not None:
            out.setdefault((kind, column), []).append(found.decided)
    return out
