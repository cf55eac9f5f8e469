"""The search finds a planted weakness and names nothing where there is none: bench/planted.py, small and seeded.

The bench draws 20 of each kind; here 20 draws go over all kinds in turn, half of them with the group that is hit ahead
before, so that the corruption closes the gap before it opens the other way.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

DRAWS = 20


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("planted", Path(__file__).parents[3] / "bench" / "planted.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["planted"] = module
    spec.loader.exec_module(module)
    return module


def test_a_planted_weakness_is_found_in_19_of_20_draws(bench: ModuleType) -> None:
    kinds = bench.WEAKNESSES
    items = [bench.is_found(kinds[s % len(kinds)], (s // len(kinds) + s) % 2 == 0, s, 4000) for s in range(DRAWS)]
    assert sum(items) >= 19


def test_null_data_name_nothing_in_19_of_20_draws(bench: ModuleType) -> None:
    kinds = bench.WEAKNESSES
    assert sum(bench.named_of_nothing(kinds[s % len(kinds)], s, 4000) for s in range(DRAWS)) <= 1


def test_a_gap_that_turns_is_told_by_its_side(bench: ModuleType) -> None:
    """Women ahead before: the gap of .04 becomes one of .1 the other way, and the change is the sum of both."""
    weakness = bench.WEAKNESSES[0]
    frame = bench.people(0, 4000, False)
    entries = list(bench.searched(frame, bench.decisions(weakness, True, frame), weakness, 0))
    turned = [e for e in entries if e.aim.lowest == "Female"]
    assert turned
    for entry in turned:
        c = entry.confirmed
        women, men = (next(i for i, g in enumerate(c.groups) if g == name) for name in ("Female", "Male"))
        for value, counts in ((c.before, c.counts_before), (c.after, c.counts_after)):
            rates = [x / n for x, n in counts[0]]
            assert value == pytest.approx(rates[men] - rates[women])
        assert c.before < 0 < c.after
        assert c.change == pytest.approx(c.after - c.before)
