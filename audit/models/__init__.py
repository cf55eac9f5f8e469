"""Model files: what they are, and predictions from a process of their own that can harm nothing.

`describe(path)` says what a file is without building anything. `Worker(path)` loads it in an isolated child and gives
scores. Pickle and joblib are refused: a pickle is a program.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from audit.models.files import ModelFile, describe
    from audit.models.worker import Limits, ModelInfo, Worker

__all__ = ["Limits", "ModelFile", "ModelInfo", "Worker", "describe"]


def __getattr__(name: str) -> Any:
    # By name and when asked for: the child imports this package before it is isolated, and must not have numpy's
    # threads by then.
    if name in ("ModelFile", "describe"):
        from audit.models import files

        return getattr(files, name)
    if name in __all__:
        from audit.models import worker

        return getattr(worker, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
