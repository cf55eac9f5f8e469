"""`assay whatif`: which choices in building a pipeline move accuracy and which move a gap, into whatif.json."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
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
from audit.errors import InputError, ModelError, nearest
from audit.evidence import tool
from audit.files import canonical, write_whole
from audit.gaps import Settings
from audit.load import load_rows
from audit.stress.confirm import spreads
from audit.stress.figures import Aim, Figures, aims_of, changed
from audit.stress.kept import Kept, asked_key
from audit.stress.spec import LEARNERS
from debias.refits import refitting
from debias.task import Task, task_of
from debias.whatif.boosting import Boosting
from debias.whatif.cloned import CaseOwn
from debias.whatif.linear import Linear, column_of, design
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
        if wanted in (None, "case"):
            again = stack.enter_context(refitting(task, allow, kept=kept))
            notes += again.notes
        progress.stage("Preparing what the variants share")
        if wanted in (None, "case"):
            variants = variants_of(parts, "case", chosen)
            plan: Any = CaseOwn(parts, again, [v.recipe for v in variants if v.recipe.asked])
            name, processes, remembered = "case", again.abreast, None
        else:
            plan = Linear(parts) if wanted == "logistic" else Boosting(parts)
            variants = variants_of(parts, wanted, chosen)
            name = wanted
            head = asked_key(wanted, str(seed), parts.train, parts.test, parts.label)
            remembered = kept, head
        decided, failed = decisions(plan, variants, processes, remembered)
    seconds = time.perf_counter() - began
    progress.stage("Measuring every variant on the same people")
    base = plan.decided if name == "case" else (plan.base >= 0.5).astype(np.int64)
    document = _document(case, task, settings, name, plan.title, base, shipped, variants, decided, failed, chosen)
    document["notes"] = [*notes, *task.notes]
    document["data"]["sha256"] = rows.sha256
    write_whole(out / FILE, canonical(document))
    kept.whole()
    # How long it took differs from run to run: it is told, and not written.
    return document | {"seconds": round(seconds, 2)}


def check_request(learner: str | None, kinds: Sequence[str]) -> None:
    """Raises InputError for a learner or a kind of variant that there is not."""
    asked: list[tuple[str, Sequence[str], Sequence[str]]] = [
        ("learner", [learner] if learner else [], LEARNERS),
        ("kind of variant", kinds, list(KINDS)),
    ]
    for what, given, known in asked:
        for name in given:
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
            found = scored(variant)
        except (ModelError, np.linalg.LinAlgError) as error:
            return error.problem if isinstance(error, ModelError) else f"it could not be fitted ({error})"
        if isinstance(found, tuple):
            return found[0]
        return (found >= (0.5 if variant.recipe.threshold is None else variant.recipe.threshold)).astype(np.int64)

    decided, failed = {}, {}
    with ThreadPoolExecutor(max(1, processes)) as pool:
        for number, (variant, found) in enumerate(zip(variants, pool.map(one, variants), strict=True)):
            progress.step(number + 1, len(variants))
            if isinstance(found, str):
                failed[variant.name] = found
            else:
                decided[variant.name] = found
    return decided, failed


def _coded(task: Task, decision: Ints) -> CodedRows:
    rows = task.splits.test
    cluster = None
    if task.case.data.cluster is not None:
        from audit.code import code_clusters

        found = code_clusters(task.case, task.frame)
        cluster = None if found is None else found[rows]
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
) -> dict[str, Any]:
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
    entries: list[dict[str, Any]] = []
    p: list[float] = []
    for variant in variants:
        if variant.name in failed:
            continue
        mine = decided[variant.name]
        made = mine, variant.recipe.truth, variant.recipe.counts
        cells = table(*made)
        there = figures.of(cells[None])[0]
        moves = changed(figures, coded, *made)
        sd = spreads(figures, coded, moves, settings.seed) if len(moves.row) else np.zeros(len(aims))
        values, p_values = _changes(now, there, sd, usable, len(base))
        p += p_values
        entries.append(
            {
                "variant": variant.name,
                "kind": variant.kind,
                "step": KINDS[variant.kind].step,
                "side": variant.side,
                "changed": int((mine != base).sum()),
                "figures": [
                    v | {"counts": figures.counts(cells, a)} for a, v in zip(usable.tolist(), values, strict=True)
                ],
            }
        )
    adjusted = iter(stats.holm(p).tolist() if p else [])
    for entry in entries:
        for figure in entry["figures"]:
            found = next(adjusted)
            figure["p_adjusted"] = None if np.isnan(found) else found
    own = figures.of(table(shipped)[None])[0]
    kept = [aims[a] for a in usable]
    return {
        "schema": SCHEMA,
        "case": {"name": case.name, "purpose": case.purpose},
        "data": {"sha256": "", "rows": len(task.frame), "measured_rows": len(base)},
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
        "variants": entries,
        "failed": [{"variant": v, "reason": why} for v, why in failed.items()],
        "multiverse": multiverse(kept, [float(v) for v in own[usable]], entries),
        "not_searched": left,
        "tests": len(p),
    }


def _changes(
    now: Floats, there: Floats, sd: Floats, usable: Ints, people: int
) -> tuple[list[dict[str, Any]], list[float]]:
    """Change of each figure with a paired 95 % interval, and p-values of "no change"."""
    out, p = [], []
    for a in usable.tolist():
        change = float(there[a] - now[a])
        if not np.isfinite(change) or not np.isfinite(sd[a]):
            out.append(dict.fromkeys(("value", "change", "low", "high", "p_value")))
            p.append(float("nan"))
            continue
        half = max(1.959963984540054 * float(sd[a]), 3.0 / people if sd[a] == 0 else 0.0)
        chance = 1.0 if sd[a] == 0 else 2 * NormalDist().cdf(-abs(change) / float(sd[a]))
        p.append(stats.above_nought(chance))
        out.append(
            {
                "value": float(there[a]),
                "change": change,
                "low": max(-1.0, change - half),
                "high": min(1.0, change + half),
                "p_value": p[-1],
            }
        )
    return out, p


def multiverse(
    aims: Sequence[Aim], shipped: Sequence[float], entries: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """How many of the pipelines that could have been built are inside each norm, and where the shipped one stands."""
    choices = [e for e in entries if e["side"] != "test"]
    out = []
    for i, aim in enumerate(aims):
        if aim.limit is None:
            continue
        values = [e["figures"][i]["value"] for e in choices if e["figures"][i]["value"] is not None]
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
    return pd.DataFrame(
        [
            {k: v[k] for k in ("variant", "kind", "side")} | {"figure": a["words"]} | {k: f[k] for k in keys}
            for v in document["variants"]
            for a, f in zip(document["aims"], v["figures"], strict=True)
        ]
    )


def lines(document: dict[str, Any]) -> list[str]:
    """The result for a terminal: what clearly moves a figure, the largest change first."""
    d = document
    out = [
        f"{d['case']['name']}: {len(d['variants'])} variants of {d['learner']}, each measured on the same "
        f"{d['data']['measured_rows']:,} rows; fitted in {d['seconds']:.1f} s.",
        "",
    ]
    for i, aim in enumerate(d["aims"]):
        clear = [
            v
            for v in d["variants"]
            if v["figures"][i]["p_adjusted"] is not None and v["figures"][i]["p_adjusted"] <= 0.05
        ]
        clear.sort(key=lambda v: -abs(v["figures"][i]["change"]))
        out.append(
            f"{aim['words']}: {aim['base']:.3f} now; {len(clear)} of {len(d['variants'])} variants clearly move it."
        )
        for v in clear[:5]:
            f = v["figures"][i]
            out.append(f"- {v['variant']}: {f['value']:.3f} ({f['change']:+.3f}, {f['low']:+.3f} to {f['high']:+.3f})")
    out.append("")
    for m in d["multiverse"]:
        by = " and ".join(m["attribute"])
        out.append(
            f"{m['metric'].replace('_', ' ')} {m['kind']} by {by}: {m['inside']} of {m['variants']} pipelines that "
            f"could have been built are within {m['limit']:g}; "
            f"{m['better_than_shipped']} are better than the shipped one."
        )
    return [
        *out,
        "",
        *(f"Not made, {why}: {', '.join(v)}." for why, v in not_made(d).items()),
        *(f"Note: {n}" for n in d["notes"]),
    ]


def not_made(document: dict[str, Any]) -> dict[str, list[str]]:
    """The variants that could not be made, by reason."""
    out: dict[str, list[str]] = {}
    for f in document["failed"]:
        out.setdefault(f["reason"], []).append(f["variant"])
    return out
