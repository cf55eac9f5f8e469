"""Model files: what they are, and predictions from a process of their own that can harm nothing.

`describe(path)` says what a file is without building anything. `Worker(path)` loads it in an isolated child and gives
scores. Pickle and joblib are refused: a pickle is a program. docs/models.md is for readers.
"""

from audit.models.files import ModelFile, describe
from audit.models.worker import Limits, ModelInfo, Worker

__all__ = ["Limits", "ModelFile", "ModelInfo", "Worker", "describe"]
