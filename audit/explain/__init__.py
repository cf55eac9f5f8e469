"""Explanations: what decisions are made of, for everyone, by group, and for one person.

    document = run_explain(case, Path("out"))            # writes out/explain.json
    document["global"][0]["feature"]                     # what the model leans on most

Nothing heavy is imported here; shap runs in the model's own process, and only for the models that it is right for.
"""

from __future__ import annotations

from audit.explain.prepare import Settings
from audit.explain.run import run_explain

__all__ = ["Settings", "run_explain"]
