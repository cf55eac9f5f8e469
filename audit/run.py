"""`assay audit`: from a case to evidence.json and cube.json in a run folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit import progress
from audit.case import Case
from audit.code import code_rows
from audit.cube import Cube, Margin, cube_of, margins_of
from audit.cube_json import margins_to_json
from audit.decide import ModelFacts, decide
from audit.derived import derived
from audit.evidence import SCHEMA, measures_to_json, sha256, tool
from audit.files import canonical, write_whole
from audit.findings import findings, judge
from audit.gaps import Settings
from audit.load import Rows, load_rows
from audit.measure import measure
from audit.quality import examine
from audit.values import Measures, to_json


@dataclass(frozen=True, slots=True)
class Audit:
    """A finished audit: the document as written, and the values behind it."""

    evidence: dict[str, Any]
    measures: Measures
    margins: tuple[Margin, ...]
    cube: Cube


def run_audit(
    case: Case, out: Path, settings: Settings | None = None, *, allow: Sequence[str] = (), rows: Rows | None = None
) -> Audit:
    """Measure the audited rows of a case; write `cube.json`, then `evidence.json`. Raises what its parts raise."""
    settings = settings or Settings(reference=case.data.reference)
    if rows is None:
        progress.stage("Reading the data")
        rows = load_rows(case, everything=True)
    frame = rows.frame[rows.audit]
    progress.stage("Asking the model")
    decisions, facts = decide(case, frame, rows.features, allow=allow)
    progress.stage("Counting")
    cube = cube_of(code_rows(case, frame, decisions))
    margins, notes = margins_of(cube, settings.order)
    progress.stage("Measuring")
    measures = measure(margins, settings)
    cube_bytes = canonical(margins_to_json(margins, 0), compact=True)
    evidence = document(case, rows, facts, measures, settings, sha256(cube_bytes), (*rows.notes, *notes))
    evidence |= derived(margins, settings, shares_of(case))
    progress.stage("Examining the data")
    evidence["quality"] = examine(case, rows, settings)
    write_whole(out / "cube.json", cube_bytes)
    write_whole(out / "evidence.json", canonical(evidence))
    return Audit(evidence, measures, margins, cube)


def shares_of(case: Case) -> dict[str, Any] | None:
    """The reference population of a case as plain values."""
    if case.population is None:
        return None
    shares = {a: dict(g) for a, g in case.population.shares.items()}
    return {"source": case.population.source, "shares": shares}


def document(
    case: Case,
    rows: Rows,
    facts: ModelFacts,
    measures: Measures,
    settings: Settings,
    cube_sha256: str,
    notes: Sequence[str],
) -> dict[str, Any]:
    """evidence.json as a dict, keys in the order of the contract."""
    data = case.data
    model: dict[str, Any] = {"kind": facts.kind, "sha256": facts.sha256, "format": facts.format}
    model |= {
        "estimator": facts.estimator,
        "isolation": list(facts.isolation),
        "column": facts.column,
        "threshold": facts.threshold,
    }
    return {
        "schema": SCHEMA,
        "case": {"name": case.name, "purpose": case.purpose},
        "data": {
            "sha256": rows.sha256,
            "rows": len(rows.frame),
            "sensitive_sha256": rows.sensitive_sha256,
            "columns": list(rows.columns),
            "audited_rows": int(rows.audit.sum()),
            "label": data.label,
            "positive": data.positive,
            "favourable": data.favourable or data.positive,
            "sensitive": list(data.sensitive),
            "weight": data.weight,
            "split": data.split,
            "features": list(rows.features),
            "excluded": list(data.exclude),
            "bins": {k: list(v) for k, v in data.bins.items()},
        },
        "model": model,
        "tool": tool(),
        "seed": settings.seed,
        **measures_to_json(measures),
        "family": measures.family,
        "settings": settings.to_json(),
        "cube": {"sha256": cube_sha256, "file": "cube.json", "floor": 0},
        "policy": {"version": case.policy.version, "sha256": case.policy.sha256},
        "norms": [to_json(n) for n in judge(case.policy, measures, data.sensitive)],
        "findings": list(findings(measures)),
        "notes": [*measures.notes, *notes],
    }
