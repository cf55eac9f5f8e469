"""evidence.json, schema `assay/evidence/1`: what was measured, on what, with what.

The keys of the contract come first; more keys stand behind them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from audit.about import VERSION
from audit.errors import DataError
from audit.values import Count, DatasetMeasure, Gap, Measures, Pair, Rate, Reach, from_json, to_json

SCHEMA = "assay/evidence/1"
LISTS = ("rates", "gaps", "dataset", "counts", "pairs", "power")
"""What `measures_to_json` gives."""
PACKAGES = ("fairlearn", "lightgbm", "lime", "numpy", "pandas", "pyarrow", "scikit-learn", "scipy", "shap", "skops")


def sha256(content: bytes) -> str:
    """Hex digest."""
    return hashlib.sha256(content).hexdigest()


def tool() -> dict[str, Any]:
    """Versions of Assay and of the packages whose numbers it rests on."""
    packages = {}
    for name in PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            continue
    return {"version": VERSION, "packages": packages}


def measures_to_json(measures: Measures) -> dict[str, Any]:
    """The four lists of the contract, the pairs of groups, and the gaps that could be seen."""
    return {
        "rates": [to_json(r) for r in measures.rates],
        "gaps": [to_json(g) for g in measures.gaps],
        "dataset": [to_json(d) for d in measures.dataset],
        "counts": [to_json(c) for c in measures.counts],
        "pairs": [to_json(p) for p in measures.pairs],
        "power": [to_json(r) for r in measures.power],
    }


def measures_from_json(document: Mapping[str, Any]) -> Measures:
    """The records of an evidence document. Raises DataError on another schema."""
    if document.get("schema") != SCHEMA:
        raise DataError(
            "the evidence cannot be read", got=f"schema {document.get('schema')!r}", expected=SCHEMA, todo="audit again"
        )
    return Measures(
        rates=tuple(from_json(Rate, r) for r in document["rates"]),
        gaps=tuple(from_json(Gap, g) for g in document["gaps"]),
        dataset=tuple(from_json(DatasetMeasure, d) for d in document["dataset"]),
        counts=tuple(from_json(Count, c) for c in document["counts"]),
        family=int(document.get("family", 0)),
        notes=tuple(document.get("notes", ())),
        pairs=tuple(from_json(Pair, p) for p in document.get("pairs", ())),
        power=tuple(from_json(Reach, r) for r in document.get("power", ())),
    )


def pick(records: Sequence[Any], **wanted: object) -> Any:
    """The first record whose fields equal `wanted`, or None: pick(gaps, metric="accuracy", attribute=("sex",))."""
    for record in records:
        if all(getattr(record, k) == v for k, v in wanted.items()):
            return record
    return None
