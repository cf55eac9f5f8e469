"""The model learned from wrong data: fitted again on corrupted rows, and judged on clean ones.

Candidates are ranked by influence on the validation rows and confirmed there by fits of the real model; a TPE search
(SAVAGE's, of Bergstra et al. 2011) goes on from the best of them. What is reported is measured on test rows that
neither the ranking nor any fit has seen. A prediction is never printed: influence is off both ways.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from audit import progress
from audit.cube import Ints
from audit.gaps import Settings
from audit.stress.confirm import Confirmed, confirm
from audit.stress.figures import Aim, Figures, is_gap, moves_of
from audit.stress.predicates import Literal
from audit.stress.serving import FLOOR
from audit.stress.spec import StressSpec
from debias.refits import Refits
from debias.stress.fits import Bench, Fitted, Point
from debias.stress.ranking import ranked
from debias.task import Task

RANDOM_FITS = 2
TOGETHER = 2
"""So many fits are chosen at a time, however many processors there are: the same case gives the same evidence."""


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


def training(task: Task, learner: Refits, spec: StressSpec, settings: Settings, fits_in_all: int) -> Training:
    """Raises ModelError where the model cannot be fitted at all."""
    progress.stage("Fitting the model again on clean data")
    bench = Bench(task, learner, spec, settings)
    progress.stage("Ranking what would hurt most")
    best, count = ranked(bench)
    progress.stage("Confirming by fits on corrupted data")
    done: list[Fitted] = []
    first = fits_in_all - fits_in_all // 3
    tried: set[Point] = set()
    for start in range(0, fits_in_all, TOGETHER):
        progress.step(start, fits_in_all)
        points = []
        for number in range(start, min(start + TOGETHER, fits_in_all)):
            point = best[number] if number < min(first, len(best)) else _proposed(bench, done, number)
            if point is None or point in tried:
                point = next((p for p in best if p not in tried), None)
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
            parameters = {
                "what": f"{f.point.kind}|{f.point.column or ''}",
                "first": f.point.predicate[0],
                "second": f.point.predicate[-1],
            }
            study.add_trial(create_trial(params=parameters, distributions=sides, value=float(f.worse[aim])))
    for _ in range(20):
        asked: Any = study.ask(sides).params
        what, *ends = (asked[side] for side in sides)
        kind, column = what.split("|", 1)
        predicate = tuple(sorted(set(ends)))
        point = Point(kind, column or None, predicate if bench.spec.depth > 1 else predicate[:1])
        if int(bench.literals.rows(point.predicate).sum()) >= FLOOR and all(f.point != point for f in done):
            return point
    return None


def _entries(bench: Bench, done: Sequence[Fitted]) -> list[Trained]:
    """Of each figure, and of its other side where that ends as a gap, the worst fit on the validation rows, overall and
    without attribute or outcome; on test rows."""
    personal = bench.literals.personal
    report = bench.on_test
    figures = Figures(report, bench.figures.aims, FLOOR)
    wanted: dict[tuple[int, int], None] = {}
    for aim in range(len(bench.figures.aims)):
        for plain in (False, True):
            able = [
                i
                for i, f in enumerate(done)
                if f.worse[aim] > 0
                and not (plain and personal[list(f.point.predicate)].any())
                and (not bench.turned[aim] or _opens(bench, aim, f))
            ]
            if able:
                wanted.setdefault((aim, max(able, key=lambda i: done[i].worse[aim])))
    at_random = _random(bench, {done[i].point for _, i in wanted}, max((f.rows for f in done), default=0))
    out = []
    for aim, i in wanted:
        f = done[i]
        moves = moves_of(figures, report, f.decided, "training")
        confirmed = confirm(figures, report, aim, moves, len(wanted), bench.settings.seed)
        if not np.isfinite([confirmed.before, confirmed.after, confirmed.low, confirmed.high]).all():
            continue
        random = [
            confirm(figures, report, aim, moves_of(figures, report, r, "training"), 1, bench.settings.seed).after
            for r in at_random.get((f.point.kind, f.point.column), ())
        ]
        sign = figures.aims[aim].sign
        if random := [r for r in random if np.isfinite(r)]:
            worst = max(random) if sign > 0 else min(random)
            confirmed = replace(
                confirmed,
                random_mean=float(np.mean(random)),
                random_worst=worst,
                worse=confirmed.worse and sign * (confirmed.after - worst) > 0,
            )
        literals = tuple(bench.literals.names[k] for k in f.point.predicate)
        out.append(
            Trained(figures.aims[aim], f.point, literals, f.rows, f.share, confirmed, any(x.personal for x in literals))
        )
    return out


def _opens(bench: Bench, aim: int, f: Fitted) -> bool:
    """Whether the other side ends as a gap: fits are dear, and what only narrows one is left to serving."""
    one = bench.figures.aims[aim]
    return is_gap(one.kind, float(bench.now[aim]) + one.sign * float(f.worse[aim]))


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
    for (kind, column, _), fitted in zip(todo, bench.abreast(one, todo), strict=True):
        if fitted is not None:
            out.setdefault((kind, column), []).append(fitted.decided)
    return out
