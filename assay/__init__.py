"""Audit decisions about people from a notebook, with the numbers of the command line.

    import assay

    result = assay.audit(frame, label="income", positive=">50K", sensitive=["sex"], model=estimator)
    result                          # findings, norms and a chart, in a notebook
    result.gaps()                   # a tidy frame: one row a gap, with interval and p-value
    result.plot("selection_rate")   # plotly
    result.explain().features()     # SHAP, with LIME beside it
    result.mitigate("reweighing").changes()
    result.whatif()                 # what other choices in building the pipeline would move; result.stress() beside it
    result.report("report.pdf", key="me.p12", password="...")
    assay.verify("report.pdf").lines()

Everything is written to a run folder (`result.folder`): `data.parquet`, `case.toml`, `evidence.json` and what follows.
`assay audit case.toml` on that folder gives the same evidence, byte for byte.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assay._audit import audit, audit_case, open_run
    from assay._endpoint import endpoint
    from assay._follow import Explanation, Mitigation
    from assay._report import new_key, verify
    from assay._result import Result
    from assay._scorer import fairness_scorer
    from audit.errors import AssayError
    from debias.loop.running import load_running

__all__ = [
    "AssayError",
    "Explanation",
    "Mitigation",
    "Result",
    "audit",
    "audit_case",
    "endpoint",
    "fairness_scorer",
    "load_running",
    "new_key",
    "open_run",
    "verify",
]

_WHERE = {
    "audit.errors": ("AssayError",),
    "debias.loop.running": ("load_running",),
    "assay._audit": ("audit", "audit_case", "open_run"),
    "assay._endpoint": ("endpoint",),
    "assay._report": ("new_key", "verify"),
    "assay._follow": ("Explanation", "Mitigation"),
    "assay._result": ("Result",),
    "assay._scorer": ("fairness_scorer",),
}


def __getattr__(name: str) -> Any:
    """A public name is imported when it is first used (PEP 562): the commands live here too and start quickly."""
    for module, names in _WHERE.items():
        if name in names:
            value = getattr(importlib.import_module(module), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
