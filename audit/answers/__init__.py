"""Answers kept: what a model answered, and what was made of it, in one store of one machine (docs/answers.md).

    with keeping(out):            # a run folder: where the store is, and whose the answers are
        with open_model(...) as worker:
            worker.answer(...)    # asked once; the same question to the same model again is read

What is kept is found by its content: the sha256 of model, versions and question. A question is kept as its sha256 only.
"""

from audit.answers.store import Store, forget_run, old, place_of, shared
from audit.answers.use import current, keeping, keeps, key_of, never

__all__ = ["Store", "current", "forget_run", "keeping", "keeps", "key_of", "never", "old", "place_of", "shared"]
