"""Processes that are begun before there is a report get no less memory than the report's own would."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from audit.models.process import Limits
from reports.verify import apart
from tests.reports.conftest import Reports


def test_what_is_begun_ahead_has_the_memory_of_the_report(small: Reports, monkeypatch: pytest.MonkeyPatch) -> None:
    items: list[Limits] = []

    @contextmanager
    def enclosed(limits: Limits) -> Iterator[Any]:
        items.append(limits)
        yield None

    monkeypatch.setattr(apart, "_enclosed", enclosed)
    monkeypatch.setattr(apart, "_ahead", lambda *_: True)
    monkeypatch.setattr(apart, "processors", lambda: 2)
    wide = {**small.files, "mitigation.json": bytes(3_000_000)}  # so much, less well packed than zeros
    with apart.Ready() as ready:
        ready.figures(wide)
        assert ready.taken(True) is not None
    needed = apart.limits_for(bytes(sum(map(len, wide.values()))))
    assert [x.memory_bytes for x in items] == [needed.memory_bytes] * 2
    assert needed.memory_bytes > apart.LIMITS.memory_bytes + 1_000_000_000
