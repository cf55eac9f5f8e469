"""Explanations: what decisions are made of, for everyone, by group, and for one person.

    document = run_explain(case, Path("out"))            # writes out/explain.json
    document["global"][0]["feature"]                     # what the model leans on most

Nothing heavy is imported here, and these names when they are asked for: whoever checks a report reads sentences alone.
shap runs in the model's own process, and only for the models that it is right for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from audit.explain.prepare import Settings
    from audit.explain.run import run_explain

__all__ = ["Settings", "run_explain"]
_WHERE = {"Settings": "prepare", "run_explain": "run"}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
