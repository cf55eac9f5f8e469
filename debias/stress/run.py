"""`assay stress`: serving, training and measuring, into stress.json."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from audit import progress
from audit.case import Case
from audit.code import code_rows
from audit.decide import Decisions
from audit.errors import InputError
from audit.evidence import tool
from audit.files import canonical, write_whole
from audit.findings import percent
from audit.gaps import Settings
from audit.load import Rows, load_rows
from audit.stress.ask import asking
from audit.stress.confirm import Confirmed
from audit.stress.corrupt import KINDS, Corruption
from audit.stress.noticed import Noticed, Watchers
from audit.stress.predicates import Literal
from audit.stress.serving import Entry, Served, serving
from audit.stress.spec import StressSpec
from debias.stress.training import Trained

SCHEMA = "assay/stress/1"
FILE = "stress.json"
HONEST = (
    "This is the worst that was found, not the worst there is: the search looks at conditions on recorded columns and "
    "at the corruptions listed, within the budget."
)
ONE_FIT = (
    "The interval is about which people were measured, given the two fitted models; another draw of training data "
    "would move both."
)


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
    settings = Settings(seed=seed, reference=case.data.reference)
    progress.stage("Reading the data")
    rows = load_rows(case, everything=True)
    frame = rows.frame[rows.audit]
    progress.stage("Asking the model")
    with asking(case, frame, rows.features, allow) as fed:
        served = serving(case, fed, spec, settings)
        progress.stage("Asking who would have noticed")
        reference = rows.frame[rows.train] if rows.train is not None else fed.frame[served.searching]
        nobody = Decisions(np.zeros(len(reference), dtype=np.int64), None, "none")
        watchers = Watchers(case, reference, code_rows(case, reference, nobody), fed.features, seed)
        noticed = [watchers.of(e, fed.frame, fed.coded, ~served.searching) for e in served.entries]
        facts = fed.facts
    document = {
        "schema": SCHEMA,
        "case": {"name": case.name, "purpose": case.purpose},
        "data": {"sha256": rows.sha256, "rows": len(rows.frame), "audited_rows": len(frame)},
        "model": {"kind": facts.kind, "sha256": facts.sha256, "format": facts.format, "column": facts.column},
        "asked": _asked(spec, seed),
        "tool": tool(),
        "serving": _serving(served, noticed, len(frame)),
        "training": _training(case, rows, spec, settings, train, fits, allow),
    }
    write_whole(out / FILE, canonical(document))
    return document


def _asked(spec: StressSpec, seed: int) -> dict[str, Any]:
    return {
        "budget": spec.budget,
        "depth": spec.depth,
        "kinds": list(spec.kinds),
        "columns": list(spec.columns),
        "plausible": {k: list(v) for k, v in spec.plausible.items()},
        "seed": seed,
    }


def _serving(served: Served, noticed: Sequence[Noticed], audited: int) -> dict[str, Any]:
    report = int((~served.searching).sum())
    return {
        "searched_rows": int(served.searching.sum()),
        "reported_rows": report,
        "candidates": served.candidates,
        "corruptions": served.corruptions,
        "entries": [_entry(e, n, report) for e, n in zip(served.entries, noticed, strict=True)],
        "notes": [HONEST, *served.notes],
    }


def _entry(entry: Entry, noticed: Noticed, report: int) -> dict[str, Any]:
    kind = entry.tried.kind
    return {
        "question": "serving",
        "metric": entry.aim.metric,
        "attribute": list(entry.aim.attribute),
        "figure": entry.aim.kind,
        "limit": entry.aim.limit,
        "kind": kind.name,
        "column": entry.tried.column,
        "predicate": _predicate(entry.predicate),
        "names_person": entry.names_person,
        "rows": entry.rows,
        "of": report,
        "share_of_them": entry.share,
        **_figures(entry.confirmed),
        "words": _words(kind, entry.tried.column, entry.predicate, entry.share),
        "plausible": kind.plausible,
        "caught": noticed.contract,
        "watch": None if noticed.watch is None else dict(noticed.watch),
        "watched": {"batch": noticed.batch, "batches": noticed.batches_tried},
    }


def _figures(found: Confirmed) -> dict[str, Any]:
    return {
        "before": found.before,
        "after": found.after,
        "change": found.change,
        "low": found.low,
        "high": found.high,
        "random_mean": found.random_mean,
        "random_worst": found.random_worst,
        "worse": found.worse,
        "counts": {"groups": list(found.groups), "before": found.counts_before, "after": found.counts_after},
    }


def _predicate(literals: Sequence[Literal]) -> list[dict[str, Any]]:
    return [{"column": x.column, "how": x.how, "value": x.value, "personal": x.personal} for x in literals]


def _words(kind: Corruption, column: str | None, predicate: Sequence[Literal], share: float) -> str:
    """If 'age' were recorded in tens, for people with relationship is Wife."""
    what = kind.words.format(column=repr(column))
    part = "" if share >= 1 else f" {percent(share)} of the"
    return f"if {what}, for{part} people with {' and '.join(x.words() for x in predicate)}"


def _training(
    case: Case, rows: Rows, spec: StressSpec, settings: Settings, train: bool, fits: int, allow: Sequence[str]
) -> dict[str, Any]:
    """The `training` entry; where it could not be done, why."""
    if not train:
        return {"measured": False, "reason": "it was not asked for", "entries": [], "notes": []}
    from debias.refits import refitting
    from debias.stress.training import training
    from debias.task import task_of

    try:
        task = task_of(case, rows, settings.seed)
        with refitting(task, allow) as learner:
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
    words = _words(kind, entry.point.column, entry.predicate, entry.share)
    return {
        "question": "training",
        "metric": entry.aim.metric,
        "attribute": list(entry.aim.attribute),
        "figure": entry.aim.kind,
        "limit": entry.aim.limit,
        "kind": kind.name,
        "column": entry.point.column,
        "predicate": _predicate(entry.predicate),
        "names_person": entry.names_person,
        "rows": entry.rows,
        "of": learned,
        "share_of_them": entry.share,
        **_figures(entry.confirmed),
        "words": words,
        "plausible": kind.plausible,
    }


def lines(document: dict[str, Any]) -> list[str]:
    """The result for a terminal."""
    s = document["serving"]
    out = [
        f"{document['case']['name']}: {s['candidates']:,} corruptions of what the model is fed were looked at on "
        f"{s['searched_rows']:,} rows, and the worst of each figure confirmed on {s['reported_rows']:,} others.",
        "",
    ]
    for e in sorted(s["entries"], key=lambda e: not e["worse"]):
        out.append(f"- {line(e)}")
    t = document["training"]
    if t["measured"]:
        out += [
            "",
            (
                f"{t['candidates']:,} corruptions of what the model learned from were ranked, {t['fits']} confirmed by "
                f"fits of {t['learner']}; measured on {t['reported_rows']:,} clean rows."
            ),
        ]
        out += [f"- {line(e)}" for e in sorted(t["entries"], key=lambda e: not e["worse"])]
    else:
        out += ["", f"Training: not measured; {t['reason']}"]
    notes = dict.fromkeys([*s["notes"], *t["notes"]])
    return [*out, "", *(f"Note: {n}" for n in notes)]


def line(e: dict[str, Any]) -> str:
    """One finding in words."""
    name = e["metric"].replace("_", " ") + (
        "" if e["figure"] == "rate" else f" {e['figure']} by {' and '.join(e['attribute'])}"
    )
    if not e["worse"]:
        return f"{name}: nothing found that is worse than chance and random errors explain (now {e['before']:.3f})."
    return (
        f"{name}: {e['before']:.3f} to {e['after']:.3f} (change {e['change']:+.3f}, {e['low']:+.3f} to {e['high']:+.3f}"
        f"; random errors reach {shown(e['random_worst'])}) {e['words']}: {e['rows']:,} of {e['of']:,} rows."
    )


def shown(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3f}"
