"""Streams side by side (bench/loop_streams.py) decide as each decides by itself, whatever is drawn."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from audit.watch.harm import look, open_harm
from audit.watch.moves import open_moves, seen
from bench.loop_streams import composed, counts, decided, moved, named, pairs

HARM = {"tolerance": 0.05, "alpha": 0.02, "people": 50}
BATCHES = 14


def alone(n: Any, x: Any, s: int, settings: dict[str, Any]) -> Any:
    harm = open_harm(3, **settings)
    for b in range(BATCHES):
        harm = look(replace(harm, history=harm.history.add(b, pairs(n, x, b, s))))
        if harm.alarm:
            return b, harm.alarm
    return None


def told(n: Any, x: Any, s: int, of: Any) -> int | None:
    moves = open_moves(3, alpha=0.05, people=50)
    for b in range(BATCHES):
        moves, message = seen(moves, b, of(n, x, b, s))
        if message:
            return b
    return None


@pytest.mark.parametrize(("share", "rise", "alpha"), [([0.05, 0.95], 0.15, 0.02), ([1 / 6] * 6, 0.13, 0.3)])
def test_side_by_side_is_one_by_one(share: list[float], rise: float, alpha: float) -> None:
    """Alarms that are many (a large alpha, a rise) and a group that is too small at first, in some streams."""
    hits = [[0.15 + (rise if b >= 5 else 0), *[0.15] * (len(share) - 1)] for b in range(BATCHES)]
    n, x = counts((5, len(share)), 40, [share] * BATCHES, hits, 350)
    settings = HARM | {"alpha": alpha}
    result = named(n, x, settings)
    assert result == [alone(n, x, s, settings) for s in range(40)]
    assert 3 < sum(v is not None for v in result) < 40
    assert min(n[:3, :, 0].sum(axis=0)) < 50 or len(share) > 2


def test_changes_of_shares_side_by_side_are_one_by_one() -> None:
    share = [[0.3, 0.7] if b < 6 else [0.37, 0.63] for b in range(BATCHES)]
    n, x = counts((6,), 40, share, [[0.3, 0.3 if b < 6 else 0.24] for b in range(BATCHES)], 400)
    for of in (composed, decided):
        result = moved(n, x, of)
        assert result == [told(n, x, s, of) for s in range(40)]
        assert sum(v is not None for v in result) > 3
    assert np.all(n.sum(axis=2) == 400)
