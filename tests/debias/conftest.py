"""Models asked in this process, for tests of other things than the file that goes out.

A run asks the saved file in a process of its own, which takes a second and a half to start. That the file answers as
the model in memory does is tested where nothing of this is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from debias import mitigate
from debias.task import Task


def _patched(patch: pytest.MonkeyPatch) -> None:
    real = mitigate.task_of

    def task_of(*args: Any) -> Task:
        return replace(real(*args), trial=True)

    patch.setattr(mitigate, "task_of", task_of)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """For one test."""
    _patched(monkeypatch)


@pytest.fixture(scope="module")
def all_here() -> Iterator[None]:
    """From its first use to the end of the module."""
    with pytest.MonkeyPatch.context() as patch:
        _patched(patch)
        yield
