"""`assay whatif`: which choices in building a pipeline move accuracy and which move a gap, into whatif.json."""

from __future__ import annotations

import contextlib
import importlib
import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd

from audit import progress, stats
from audit.answers import keeps
from audit.case import Case
from audit.contract.labels import confident
from audit.cube import CodedRows, Floats, Ints
from audit.decide import decide
from audit.documents import record_in
from audit.documents.stress import VariantResult, Whatif
from audit.errors import InputError, ModelError, nearest
from audit.evidence import tool
from audit.files import canonical, write_whole
from audit.gaps import Settings
from audit.load import load_rows
from audit.numbers import are, brief, fixed, many, signed
from audit.stress.confirm import spreads
from audit.stress.figures import Aim, Figures, aims_of, changed
from audit.stress.kept import Kept, asked_key
from audit.stress.spec import LEARNERS, OWN
from audit.values import to_json
from debias.refits import refitting
from debias.task import Task, task_of
from debias.whatif.cloned import CaseOwn
from debias.whatif.linear import column_of, design
from debias.whatif.logistic import fit, hessian, logistic, solver
from debias.whatif.table import KINDS, Parts, Variant, variants_of

SCHEMA = "assay/whatif/1"
FILE = "whatif.json"
FLOOR = 10
FOLDS = 4


@keeps
def run_whatif(
    case: Case,
    out: Path,
    *,
    learner: str | None = None,
    kinds: Sequence[str] = (),
    seed: int = 0,
    processes: int = 2,
    allow: Sequence[str] = (),
) -> dict[str, Any]:
    """Fit every variant, measure each on the same people, and write whatif.json; the document.

    learner: "case" (the case's own pipeline, cloned), "logistic" or "boosting"; None: as the case says, else "case"
    where it can be cloned. kinds: rows of the table (empty: all). Raises CaseError, DataError, InputError, ModelError.
    """
    wanted = learner or case.whatif.learner
    chosen = tuple(kinds) or case.whatif.kinds
    check_request(wanted, chosen)
    settings = Settings(seed=seed, reference=case.data.reference)
    progress.stage("Reading the data")
    rows = load_rows(case, everything=True)
    task = task_of(case, rows, seed)
    parts = parts_of(task, seed)
    progress.stage("Asking the original model")
    shipped = decide(case, task.frame.iloc[task.splits.test], task.features, allow=allow)[0].positive
    began = time.perf_counter()
    notes: list[str] = []
    kept = Kept("whatif", rows.sha256, passing=case.model.python is not None)
    remembered: tuple[Kept, bytes] | None
    with contextlib.ExitStack() as stack:
        if wanted in (None, OWN):
            again = stack.enter_context(refitting(task, allow, kept=kept))
            notes += again.notes
        progress.stage("Preparing what the variants share")
        if wanted in (None, OWN):
            variants = variants_of(parts, OWN, chosen)
            plan: Any = CaseOwn(parts, again, [v.recipe for v in variants if v.recipe.asked])
            name, processes, remembered = OWN, again.abreast, None
        else:
            plan = plan_of(wanted)(parts)
            variants = variants_of(parts, wanted, chosen)
            name = wanted
            head = asked_key(wanted, str(seed), parts.train, parts.test, parts.label)
            remembered = kept, head
        decided, failed = decisions(plan, variants, processes, remembered)
    seconds = time.perf_counter() - began
    progress.stage("Measuring every variant on the same people")
    base = plan.decided if name == OWN else (plan.base >= 0.5).astype(np.int64)
    body = canonical(
        _document(
            case, task, settings, name, plan.title, base, shipped, variants, decided, failed, chosen, rows.sha256,
            [*notes, *task.notes],
        )
    )  # fmt: skip
    write_whole(out / FILE, body)
    kept.whole()
    # What is returned is what was written; how long it took differs from run to run: it is told, and not written.
    written: dict[str, Any] = json.loads(body)
    return written | {"seconds": round(seconds, 2)}


def plan_of(learner: str) -> Any:
    """The class that fits the variants of one of Assay's own learners."""
    file, _, name = LEARNERS[learner].plan.partition(":")
    return getattr(importlib.import_module(f"debias.whatif.{file}"), name)


def check_request(learner: str | None, kinds: Sequence[str]) -> None:
    """Raises InputError for a learner or a kind of variant that there is not."""
    asked: list[tuple[str, Sequence[str], Sequence[str]]] = [
        ("learner", [learner] if learner else [], list(LEARNERS)),
        ("kind of variant", kinds, list(KINDS)),
    ]
    for what, names, known in asked:
        for name in names:
            if name not in known:
                raise InputError(
                    f"there is no such {what}", got=repr(name), expected=", ".join(known), todo=nearest(name, known)
                )


def parts_of(task: Task, seed: int) -> Parts:
    """Training rows (those to choose on too: nothing is chosen here) and rows measured, with flags on outcomes."""
    rows = np.sort(np.concatenate([task.splits.train, task.splits.validation]))
    train = task.part(rows).reset_index(drop=True)
    test = task.part(task.splits.test).reset_index(drop=True)
    label, truth = task.label[rows], task.label[task.splits.test]
    flagged, doubted = flags(train, test, label, truth, seed)
    return Parts(task, rows, train, test, label, flagged, seed, doubted)


def flags(train: Any, test: Any, label: Ints, truth: Ints, seed: int) -> tuple[Any, Any]:
    """What confident learning would look at, of training rows (n,) from out-of-fold scores of logistic regression and
    of rows measured (m,) from a fit on all training rows; None, None for too few rows."""
    if len(label) < 50 or min(label.sum(), len(label) - label.sum()) < FOLDS * 2:
        return None, None
    columns = [column_of(train[c], test[c]) for c in train.columns]
    x = design(columns, 0)
    fold = np.random.default_rng(seed).permutation(len(label)) % FOLDS
    score, theta, solve = np.zeros(len(label)), np.zeros(x.width), None
    for k in range(FOLDS):
        mine, rest = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        part = x.take(mine)
        theta = fit(part, label[mine].astype(np.float64), None, theta, solve)
        solve = solve or solver(hessian(part, theta, None))
        score[rest] = logistic(x.take(rest) @ theta)
    theta = fit(x, label.astype(np.float64), None, theta, solve)
    known = truth < 2
    doubted = np.zeros(len(truth), dtype=bool)
    doubted[known] = confident(logistic(design(columns, 1) @ theta)[known], truth[known])
    return confident(score, label), doubted


def decisions(
    plan: Any, variants: Sequence[Variant], processes: int, kept: tuple[Kept, bytes] | None = None
) -> tuple[dict[str, Ints], dict[str, str]]:
    """Decisions (m,) by variant, and why a variant could not be made. kept: scores of an earlier start, and what they
    follow from beside the variant."""
    progress.stage("Fitting the variants")

    def scored(variant: Variant) -> Any:
        if kept is None or not variant.recipe.fits:
            return plan(variant.recipe)
        return kept[0](asked_key(kept[1].hex(), variant.name), lambda: (plan(variant.recipe),))[0]

    def one(variant: Variant) -> Any:
        try:
            output = scored(variant)
        except (ModelError, np.linalg.LinAlgError) as error:
            return error.problem if isinstance(error, ModelError) else f"it could not be fitted ({error})"
        if isinstance(output, tuple):
            return output[0]
        return (output >= (0.5 if variant.recipe.threshold is None else variant.recipe.threshold)).astype(np.int64)

    decided, failed = {}, {}
    with ThreadPoolExecutor(max(1, processes)) as pool:
        for number, (variant, result) in enumerate(zip(variants, pool.map(one, variants), strict=True)):
            progress.step(number + 1, len(variants))
            if isinstance(result, str):
                failed[variant.name] = result
            else:
                decided[variant.name] = result
    return decided, failed


def _coded(task: Task, decision: Ints) -> CodedRows:
    rows = task.splits.test
    cluster = None
    if task.case.data.cluster is not None:
        from audit.code import code_clusters

        clusters = code_clusters(task.case, task.frame)
        cluster = None if clusters is None else clusters[rows]
    return CodedRows(
        task.case.data.sensitive,
        task.levels,
        task.codes[rows],
        task.label[rows],
        decision,
        task.weight_of(rows),
        None,
        task.meaning,
        cluster=cluster,
    )


def _document(
    case: Case,
    task: Task,
    settings: Settings,
    name: str,
    title: str,
    base: Ints,
    shipped: Ints,
    variants: Sequence[Variant],
    decided: dict[str, Ints],
    failed: dict[str, str],
    kinds: Sequence[str],
    digest: str,
    notes: Sequence[str],
) -> dict[str, Any]:
    """whatif.json. digest: the SHA-256 of the data."""
    coded = _coded(task, base)
    aims, left = aims_of(case.policy, case.data.sensitive, task.meaning)
    figures = Figures(coded, aims, FLOOR)
    weight = np.ones(len(base)) if coded.weight is None else coded.weight

    def table(decision: Ints, label: Ints | None = None, counts: Floats | None = None) -> Floats:
        cell = (figures.joint * 3 + (coded.label if label is None else label)) * 2 + decision
        there = weight if counts is None else weight * counts
        return np.bincount(cell, there, minlength=figures.size).astype(np.float64)

    now = figures.of(table(base)[None])[0]
    usable = np.flatnonzero(np.isfinite(now))
    made_variants: list[tuple[Variant, int, list[Counts], list[Change]]] = []
    for variant in variants:
        if variant.name in failed:
            continue
        mine = decided[variant.name]
        arguments = mine, variant.recipe.truth, variant.recipe.counts
        cells = table(*arguments)
        there = figures.of(cells[None])[0]
        moves = changed(figures, coded, *arguments)
        sd = spreads(figures, coded, moves, settings.seed) if len(moves.row) else np.zeros(len(aims))
        counts = [figures.counts(cells, a) for a in usable.tolist()]
        changes = _changes(now, there, sd, usable, len(base))
        made_variants.append((variant, int((mine != base).sum()), counts, changes))
    p = [np.nan if c.p_value is None else c.p_value for *_, changes in made_variants for c in changes]
    adjusted = iter(stats.holm(p).tolist() if p else [])
    entries = [
        Measured(
            variant.name, variant.kind, KINDS[variant.kind].step, variant.side, flips,
            tuple(
                Figure(**to_json(c), counts=n, p_adjusted=None if np.isnan(p_value := next(adjusted)) else p_value)
                for n, c in zip(counts, changes, strict=True)
            ),
        )
        for variant, flips, counts, changes in made_variants
    ]  # fmt: skip
    own = figures.of(table(shipped)[None])[0]
    kept = [aims[a] for a in usable]
    return {
        "schema": SCHEMA,
        "case": {"name": case.name, "purpose": case.purpose},
        "data": {"sha256": digest, "rows": len(task.frame), "measured_rows": len(base)},
        "asked": {"learner": name, "kinds": list(kinds), "seed": settings.seed},
        "learner": title,
        "learned_rows": len(task.splits.train) + len(task.splits.validation),
        "tool": tool(),
        "aims": [
            {
                "metric": a.metric,
                "attribute": list(a.attribute),
                "kind": a.kind,
                "limit": a.limit,
                "words": a.words(),
                "groups": list(figures.names(i)),
                "base": float(now[i]),
                "base_counts": figures.counts(table(base), i),
                "shipped": float(own[i]) if np.isfinite(own[i]) else None,
                "shipped_counts": figures.counts(table(shipped), i),
            }
            for i, a in zip(usable.tolist(), kept, strict=True)
        ],
        "variants": [e.to_json() for e in entries],
        "failed": [{"variant": v, "reason": why} for v, why in failed.items()],
        "multiverse": multiverse(kept, [float(v) for v in own[usable]], entries),
        "not_searched": left,
        "tests": len(p),
        "notes": list(notes),
    }


Counts = list[Any]


@dataclass(frozen=True, slots=True)
class Change:
    """One figure of one variant, and its change with a paired 95 % interval; None where it cannot be estimated."""

    value: float | None = None
    change: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None


@dataclass(frozen=True, slots=True)
class Figure(Change):
    """The same with what it follows from, and its p-value adjusted over all variants and figures."""

    counts: Counts = field(default_factory=list)
    p_adjusted: float | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """One variant; changed: decisions."""

    variant: str
    kind: str
    step: str
    side: str
    changed: int
    figures: tuple[Figure, ...]

    def to_json(self) -> dict[str, Any]:
        return to_json(self) | {"figures": [to_json(f) for f in self.figures]}


def _changes(now: Floats, there: Floats, sd: Floats, usable: Ints, people: int) -> list[Change]:
    """Change of each figure with a paired 95 % interval, and p-values of "no change"."""
    out = []
    for a in usable.tolist():
        change = float(there[a] - now[a])
        if not np.isfinite(change) or not np.isfinite(sd[a]):
            out.append(Change())
            continue
        half = max(1.959963984540054 * float(sd[a]), 3.0 / people if sd[a] == 0 else 0.0)
        chance = 1.0 if sd[a] == 0 else 2 * NormalDist().cdf(-abs(change) / float(sd[a]))
        p = stats.above_nought(chance)
        out.append(Change(float(there[a]), change, max(-1.0, change - half), min(1.0, change + half), p))
    return out


def multiverse(
    aims: Sequence[Aim], shipped: Sequence[float], entries: Sequence[Measured] | Sequence[VariantResult]
) -> list[dict[str, Any]]:
    """How many of the pipelines that could have been built are inside each norm, and where the shipped one stands."""
    choices = [e for e in entries if e.side != "test"]
    out = []
    for i, aim in enumerate(aims):
        if aim.limit is None:
            continue
        values = [v for e in choices if (v := e.figures[i].value) is not None]
        inside = sum(v <= aim.limit if aim.sign > 0 else v >= aim.limit for v in values)
        mine = shipped[i] if np.isfinite(shipped[i]) else None
        better = None if mine is None else sum((v < mine) if aim.sign > 0 else (v > mine) for v in values)
        out.append(
            {
                "metric": aim.metric,
                "attribute": list(aim.attribute),
                "kind": aim.kind,
                "limit": aim.limit,
                "variants": len(values),
                "inside": int(inside),
                "shipped": mine,
                "better_than_shipped": better,
            }
        )
    return out


def table(document: dict[str, Any]) -> pd.DataFrame:
    """One row a variant and figure."""
    keys = ("value", "change", "low", "high", "p_adjusted")
    whatif = record_in(Whatif, document, FILE)
    return pd.DataFrame(
        [
            {"variant": v.variant, "kind": v.kind, "side": v.side, "figure": a.words} | {k: getattr(f, k) for k in keys}
            for v in whatif.variants
            for a, f in zip(whatif.aims, v.figures, strict=True)
        ]
    )


def lines(document: dict[str, Any]) -> list[str]:
    """The result for a terminal: what clearly moves a figure, the largest change first."""
    d = record_in(_Timed, document, FILE)
    out = [
        f"{d.case.name if d.case else ''}: {many(len(d.variants), 'variant')} of {d.learner}, each measured on the "
        f"same {many(d.data.measured_rows or 0, 'row')}; fitted in {fixed(d.seconds, 1)} s.",
        "",
    ]
    for i, aim in enumerate(d.aims):
        clear = [(v, v.figures[i]) for v in d.variants if (p := v.figures[i].p_adjusted) is not None and p <= 0.05]
        clear.sort(key=lambda pair: -abs(pair[1].change or 0.0))
        out.append(
            f"{aim.words}: {fixed(aim.base, 3)} now; {len(clear)} of {many(len(d.variants), 'variant')} clearly "
            f"{are(len(clear), 'moves', 'move')} it."
        )
        out += [
            f"- {v.variant}: {fixed(f.value, 3)} ({signed(f.change, 3)}, {signed(f.low, 3)} to {signed(f.high, 3)})"
            for v, f in clear[:5]
        ]
    out.append("")
    for m in d.multiverse:
        by = " and ".join(m.attribute)
        out.append(
            f"{m.metric.replace('_', ' ')} {m.kind} by {by}: {m.inside} of {many(m.variants, 'pipeline')} that "
            f"could have been built {are(m.inside)} within {brief(m.limit)}; "
            f"{m.better_than_shipped} {are(m.better_than_shipped)} better than the shipped one."
        )
    return [
        *out,
        "",
        *(f"Not made, {why}: {', '.join(v)}." for why, v in not_made(d).items()),
        *(f"Note: {n}" for n in d.notes),
    ]


class _Timed(Whatif, frozen=True):
    """With how long it took."""

    seconds: float = 0.0


def not_made(document: Whatif) -> dict[str, list[str]]:
    """The variants that could not be made, by reason."""
    out: dict[str, list[str]] = {}
    for f in document.failed:
        out.setdefault(f.reason, []).append(f.variant)
    return out
