"""evidence.json, schema `assay/evidence/1`: what was measured, on what, with what.

The keys of the contract come first; more keys stand behind them.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from audit.about import VERSION
from audit.values import Measures, to_json

SCHEMA = "assay/evidence/1"
LISTS = ("rates", "gaps", "dataset", "counts", "pairs", "power")
"""What `measures_to_json` gives."""
PACKAGES = ("fairlearn", "lightgbm", "lime", "numpy", "pandas", "pyarrow", "scikit-learn", "scipy", "shap", "skops")


def sha256(content: bytes) -> str:
    """Hex digest."""
    return hashlib.sha256(content).hexdigest()


def tool() -> dict[str, Any]:
    """Versions of Assay and of the packages whose numbers it rests on."""
    return {"version": VERSION, "packages": dict(_packages())}


@functools.cache
def _packages() -> tuple[tuple[str, str], ...]:
    versions = []
    for name in PACKAGES:
        try:
            versions.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return tuple(versions)


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


def pick(records: Sequence[Any], **wanted: object) -> Any:
    """The first record whose fields equal `wanted`, or None: pick(gaps, metric="accuracy", attribute=("sex",))."""
    for record in records:
        if all(getattr(record, k) == v for k, v in wanted.items()):
            return record
    return None
