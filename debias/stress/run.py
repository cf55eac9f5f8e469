"""`assay stress`: serving, training and measuring, into stress.json."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from audit import progress
from audit.answers import keeps
from audit.case import Case
from audit.code import Decisions, code_rows
from audit.documents import record_in
from audit.documents.stress import Finding, Stress
from audit.errors import InputError
from audit.evidence import tool
from audit.files import canonical, write_whole
from audit.gaps import Settings
from audit.load import Rows, load_rows
from audit.numbers import are, brief, fixed, many, signed
from audit.stress.ask import asking
from audit.stress.confirm import Confirmed
from audit.stress.corrupt import KINDS
from audit.stress.kept import Kept
from audit.stress.noticed import Noticed, Watchers
from audit.stress.predicates import Literal
from audit.stress.serving import Entry, Served, serving
from audit.stress.spec import StressSpec
from audit.stress.words import GIVEN_FITS, WORST, best_of, figure_name, nothing_worse, noticed, words_of
from debias.stress.training import Trained

SCHEMA = "assay/stress/1"
FILE = "stress.json"
HONEST = (
    f"{WORST}: the search looks at conditions on recorded columns and at the corruptions listed, within the budget."
)
ONE_FIT = f"{GIVEN_FITS}; another draw of training data would move both."


@keeps
def run_stress(
    case: Case,
    out: Path,
    *,
    seed: int = 0,
    train: bool = True,
    fits: int = 24,
    budget: float | None = None,
    allow: Sequence[str] = (),
) -> dict[str, Any]:
    """Search, confirm, and write stress.json; the document.

    train: whether the model is fitted again on corrupted data; fits: how many times, for each figure at most. budget:
    in place of the case's. Raises CaseError, DataError, ModelError.
    """
    spec = case.stress if budget is None else replace(case.stress, budget=budget)
    _check_request(spec.budget, fits)
    settings = Settings(seed=seed, reference=case.data.reference)
    progress.stage("Reading the data")
    rows = load_rows(case, everything=True)
    frame = rows.frame[rows.audit]
    progress.stage("Asking the model")
    kept = Kept("stress", rows.sha256, passing=case.model.python is not None)
    with asking(case, frame, rows.features, allow, kept) as fed:
        served = serving(case, fed, spec, settings)
        progress.stage("Asking who would have noticed")
        reference = rows.frame[rows.train] if rows.train is not None else fed.frame[served.searching]
        nobody = Decisions(np.zeros(len(reference), dtype=np.int64), None, "none")
        watchers = Watchers(case, reference, code_rows(case, reference, nobody), fed.features, seed)
        seen = [watchers.of(e, fed.frame, fed.coded, ~served.searching) for e in served.entries]
        facts = fed.facts
        trained = _training(case, rows, spec, settings, train, fits, allow, kept, fed.workers)
    document = {
        "schema": SCHEMA,
        "case": {"name": case.name, "purpose": case.purpose},
        "data": {"sha256": rows.sha256, "rows": len(rows.frame), "audited_rows": len(frame)},
        "model": {"kind": facts.kind, "sha256": facts.sha256, "format": facts.format, "column": facts.column},
        "asked": _search_settings(spec, seed) | {"train": train, "fits": fits},
        "tool": tool(),
        "serving": _serving(served, seen),
        "training": trained,
    }
    write_whole(out / FILE, canonical(document))
    kept.whole()
    return document


def _check_request(budget: float, fits: int) -> None:
    wrong = None
    if not 0.0001 <= budget <= 0.5:
        wrong = f"--budget {brief(budget)}", "a share of rows from 0.0001 to 0.5", "take 0.05 for one row in twenty"
    elif not 1 <= fits <= 10_000:
        wrong = f"--fits {fits}", "from 1 to 10,000", "take 24, or --no-train for none"
    if wrong is not None:
        raise InputError("this search cannot be made", got=wrong[0], expected=wrong[1], todo=wrong[2])


def _search_settings(spec: StressSpec, seed: int) -> dict[str, Any]:
    return {
        "budget": spec.budget,
        "depth": spec.depth,
        "kinds": list(spec.kinds),
        "columns": list(spec.columns),
        "plausible": {k: list(v) for k, v in spec.plausible.items()},
        "seed": seed,
    }


def _serving(served: Served, seen: Sequence[Noticed]) -> dict[str, Any]:
    report = int((~served.searching).sum())
    return {
        "searched_rows": int(served.searching.sum()),
        "reported_rows": report,
        "candidates": served.candidates,
        "corruptions": served.corruptions,
        "entries": [_entry(e, n, report) for e, n in zip(served.entries, seen, strict=True)],
        "notes": [HONEST, *served.notes],
    }


def _entry(entry: Entry, seen: Noticed, report: int) -> dict[str, Any]:
    kind = entry.tried.kind
    return {
        "question": "serving",
        "metric": entry.aim.metric,
        "attribute": list(entry.aim.attribute),
        "figure": entry.aim.kind,
        "lowest": entry.aim.lowest,
        "limit": entry.aim.limit,
        "kind": kind.name,
        "column": entry.tried.column,
        "predicate": _predicate(entry.predicate),
        "names_person": entry.names_person,
        "rows": entry.rows,
        "of": report,
        "share_of_them": entry.share,
        **_figures(entry.confirmed),
        "caught": seen.contract,
        "watch": None if seen.watch is None else dict(seen.watch),
        "watched": {"batch": seen.batch, "batches": seen.batches_tried},
    }


def _figures(confirmed: Confirmed) -> dict[str, Any]:
    return {
        "before": confirmed.before,
        "after": confirmed.after,
        "change": confirmed.change,
        "low": confirmed.low,
        "high": confirmed.high,
        "random_mean": confirmed.random_mean,
        "random_worst": confirmed.random_worst,
        "worse": confirmed.worse,
        "counts": {
            "groups": list(confirmed.groups),
            "before": confirmed.counts_before,
            "after": confirmed.counts_after,
        },
    }


def _predicate(literals: Sequence[Literal]) -> list[dict[str, Any]]:
    return [{"column": x.column, "how": x.how, "value": x.value, "personal": x.personal} for x in literals]


def _training(
    case: Case,
    rows: Rows,
    spec: StressSpec,
    settings: Settings,
    train: bool,
    fits: int,
    allow: Sequence[str],
    kept: Kept,
    workers: Sequence[Any],
) -> dict[str, Any]:
    """The `training` entry; where it could not be done, why."""
    if not train:
        return {"measured": False, "reason": "it was not asked for", "entries": [], "notes": []}
    from debias.refits import refitting
    from debias.stress.training import training
    from debias.task import task_of

    try:
        task = task_of(case, rows, settings.seed)
        with refitting(task, allow, kept=kept, workers=workers) as learner:
            done = training(task, learner, spec, settings, fits)
    except InputError as error:
        return {"measured": False, "reason": error.message, "entries": [], "notes": []}
    return {
        "measured": True,
        "reason": None,
        "learner": done.learner,
        "learned_rows": done.learned,
        "searched_rows": done.searched,
        "reported_rows": done.reported,
        "candidates": done.ranked,
        "fits": done.fits,
        "entries": [_trained(e, done.learned) for e in done.entries],
        "notes": [HONEST, ONE_FIT, *done.notes],
    }


def _trained(entry: Trained, learned: int) -> dict[str, Any]:
    kind = KINDS[entry.point.kind]
    return {
        "question": "training",
        "metric": entry.aim.metric,
        "attribute": list(entry.aim.attribute),
        "figure": entry.aim.kind,
        "lowest": entry.aim.lowest,
        "limit": entry.aim.limit,
        "kind": kind.name,
        "column": entry.point.column,
        "predicate": _predicate(entry.predicate),
        "names_person": entry.names_person,
        "rows": entry.rows,
        "of": learned,
        "share_of_them": entry.share,
        **_figures(entry.confirmed),
    }


def table(document: dict[str, Any]) -> pd.DataFrame:
    """One row a finding, what was confirmed first."""
    stress = record_in(Stress, document, FILE)
    every = [*stress.serving.entries, *stress.training.entries]
    first = best_of(every)
    keys = ("before", "after", "change", "low", "high", "random_worst", "worse", "rows", "of")
    return pd.DataFrame(
        [
            {"question": e.question, "figure": figure_name(e), **{k: getattr(e, k) for k in keys}, "where": words_of(e)}
            for e in [*first, *(e for e in every if not e.worse)]
        ]
    )


def lines(document: dict[str, Any]) -> list[str]:
    """The result for a terminal."""
    stress = record_in(Stress, document, FILE)
    s, t = stress.serving, stress.training
    name = "" if stress.case is None else f"{stress.case.name}: "
    out = [
        f"{name}{many(s.candidates, 'corruption')} of what the model is fed {are(s.candidates, 'was', 'were')} "
        f"looked at on {many(s.searched_rows, 'row')}, and the worst of each figure confirmed on {s.reported_rows:,} "
        "others.",
        *_finding_lines(s.entries),
        "",
    ]
    if t.measured:
        out.append(
            f"{many(t.candidates, 'corruption')} of what the model learned from {are(t.candidates, 'was', 'were')} "
            f"ranked, {t.fits} confirmed by fits of {t.learner}; measured on {many(t.reported_rows, 'clean row')}."
        )
        out += _finding_lines(t.entries)
    else:
        out.append(f"Training: not measured; {t.reason}")
    return [*out, "", *(f"Note: {n}" for n in dict.fromkeys([*s.notes, *t.notes]))]


def _finding_lines(entries: Sequence[Finding]) -> list[str]:
    rest = nothing_worse(entries)
    return [*(f"- {line(e)}" for e in best_of(entries)), *([f"- {rest}"] if rest else [])]


def line(e: Finding) -> str:
    """One finding in words."""
    random = "" if e.random_worst is None else f"; random errors reach {fixed(e.random_worst, 3)}"
    return (
        f"{figure_name(e)}: {fixed(e.before, 3)} to {fixed(e.after, 3)} ({signed(e.change, 3)}, {signed(e.low, 3)} "
        f"to {signed(e.high, 3)}{random}) {words_of(e)}: {e.rows:,} of {many(e.of, 'row')}. Noticed by: {noticed(e)}."
    )
