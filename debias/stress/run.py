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
from audit.evidence import tool
from audit.files import canonical, write_whole
from audit.findings import percent
from audit.gaps import Settings
from audit.load import load_rows
from audit.stress.ask import asking
from audit.stress.noticed import Noticed, Watchers
from audit.stress.serving import Entry, Served, serving
from audit.stress.spec import StressSpec

SCHEMA = "assay/stress/1"
FILE = "stress.json"
HONEST = (
    "This is the worst that was found, not the worst there is: the search looks at conditions on recorded columns and at "
    "the corruptions listed, within the budget."
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
        "training": _training(case, spec, settings, train, fits, allow),
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


def _entry(entry: Entry, noticed: Noticed | None, report: int) -> dict[str, Any]:
    found, kind = entry.confirmed, entry.tried.kind
    return {
        "question": "serving",
        "metric": entry.aim.metric,
        "attribute": list(entry.aim.attribute),
        "figure": entry.aim.kind,
        "limit": entry.aim.limit,
        "kind": kind.name,
        "column": entry.tried.column,
        "predicate": [
            {"column": x.column, "how": x.how, "value": x.value, "personal": x.personal} for x in entry.predicate
        ],
        "names_person": entry.names_person,
        "rows": entry.rows,
        "of": report,
        "share_of_them": entry.share,
        "before": found.before,
        "after": found.after,
        "change": found.change,
        "low": found.low,
        "high": found.high,
        "random_mean": found.random_mean,
        "random_worst": found.random_worst,
        "worse": found.worse,
        "counts": {"groups": list(found.groups), "before": found.counts_before, "after": found.counts_after},
        "words": words_of(entry),
        "plausible": kind.plausible,
        "caught": None if noticed is None else noticed.contract,
        "watch": None if noticed is None or noticed.watch is None else dict(noticed.watch),
        "watched": None if noticed is None else {"batch": noticed.batch, "batches": noticed.batches_tried},
    }


def words_of(entry: Entry) -> str:
    """If 'age' were recorded in tens for people whose relationship is Wife."""
    who = " and ".join(f"{x.column} {x.how} {x.value}" for x in entry.predicate)
    what = entry.tried.kind.words.format(column=repr(entry.tried.column))
    part = "" if entry.share >= 1 else f" {percent(entry.share)} of the"
    return f"if {what}, for{part} people with {who}"


def _training(case: Case, spec: StressSpec, settings: Settings, train: bool, fits: int, allow: Sequence[str]) -> Any:
    return {"measured": False, "reason": "it was not asked for", "entries": []}


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
    return [*out, "", *(f"Note: {n}" for n in s["notes"])]


def line(e: dict[str, Any]) -> str:
    """One finding in words."""
    name = e["metric"].replace("_", " ") + (
        "" if e["figure"] == "rate" else f" {e['figure']} by {' and '.join(e['attribute'])}"
    )
    if not e["worse"]:
        return f"{name}: nothing found that is worse than chance and random errors explain (now {e['before']:.3f})."
    return (
        f"{name}: {e['before']:.3f} to {e['after']:.3f} (change {e['change']:+.3f}, {e['low']:+.3f} to {e['high']:+.3f}; "
        f"random errors reach {e['random_worst']:.3f}) {e['words']}: {e['rows']:,} of {e['of']:,} rows."
    )
