"""A kept result is that of the very same input, and of no other."""

from __future__ import annotations

import numpy as np
import pytest

from audit.stats import kept as module
from audit.stats.kept import kept


def counted() -> tuple[list[object], object]:
    calls: list[object] = []

    @kept
    def once(*inputs: object, **named: object) -> int:
        calls.append((inputs, named))
        return len(calls)

    return calls, once


A = np.array([[1.0, 2.0], [3.0, 4.0]])
OTHERS = (
    (A.T, 0), (A.reshape(1, 4), 0), (A.reshape(4), 0), (A.astype(np.float32), 0), (A.view(np.int64), 0), (A + 1e-16, 0),
    (-A * 0.0, 0), (A * 0.0, 0), (A, 1), (A, 0.0), (A, None), (A, "0"), (A, False), (A, 0, A), ((A, 0),), (A, (0, A)),
    ((A, A), 0),
)  # fmt: skip


def test_each_other_input_is_asked_for_once() -> None:
    calls, once = counted()
    first = [once(*inputs) for inputs in ((A, 0), *OTHERS)]  # type: ignore[operator]
    # 1 + 1e-16 is 1: the same numbers are the same input, wherever they lie in memory.
    assert first[6] == first[0] == once(A.copy(order="F"), 0)  # type: ignore[operator]
    assert len(set(first)) == len(calls) == len(first) - 1
    assert [once(*inputs) for inputs in ((A, 0), *OTHERS)] == first  # type: ignore[operator]
    assert once(A, seed=1) != once(A, draws=1)  # type: ignore[operator]
    assert once(A, seed=1, draws=2) == once(A, draws=2, seed=1)  # type: ignore[operator]


def test_what_is_changed_in_place_is_another_input() -> None:
    _, once = counted()
    some = A.copy()
    before = once(some)  # type: ignore[operator]
    some[0, 0] = 9.0
    assert once(some) != before  # type: ignore[operator]


def test_so_many_are_kept_and_no_error_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 2)
    _, once = counted()
    assert [once(n) for n in (1, 2, 3, 2, 3, 1)] == [1, 2, 3, 2, 3, 4]  # type: ignore[operator]
    tried: list[int] = []

    @kept
    def fails(n: int) -> float:
        tried.append(n)
        return 1 / n

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            fails(0)
    assert tried == [0, 0]


def test_what_rests_on_something_else_can_be_forgotten() -> None:
    calls, once = counted()
    assert [once(A), once(A)] == [1, 1]  # type: ignore[operator]
    module.forget()
    assert once(A) == 2  # type: ignore[operator]
    assert len(calls) == 2


def test_a_file_of_tests_begins_with_nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draws that one file has changed reach no other: the limits of 400 draws are not those of 40."""
    from audit.stats import calibrated

    n, score = np.full(4, 50.0), np.array([0.2, 0.4, 0.6, 0.8])
    inputs = (n / n.sum(), score, score + 0.05, n)
    real = calibrated.error_limits(*inputs)
    monkeypatch.setattr(calibrated, "DRAWS", 40)
    module.forget()
    coarse = calibrated.error_limits(*inputs)
    monkeypatch.undo()
    assert coarse != real
    assert calibrated.error_limits(*inputs) == coarse, "kept until it is forgotten"
    module.forget()
    assert calibrated.error_limits(*inputs) == real
