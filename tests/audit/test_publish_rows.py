"""Counts made on rows leave the machine without small ones, and subtraction from the totals gives none of them back."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from audit.quality.table import thin

FLOOR = 10


def missing(counts: list[tuple[int, int]]) -> dict[str, Any]:
    records = [
        {
            "attribute": ["g"],
            "group": [str(i)],
            "column": "c",
            "rows": n,
            "missing": x,
            "value": x / n,
            "low": 0,
            "high": 1,
        }
        for i, (x, n) in enumerate(counts)
    ]
    total, rows = sum(x for x, _ in counts), sum(n for _, n in counts)
    columns = [{"column": "c", "rows": rows, "missing": total, "written": 0}]
    gaps = [{"attribute": ["g"], "column": "c", "value": 0.5}]
    return {"missing": {"columns": columns, "by_group": records, "gaps": gaps}}


def test_a_small_count_goes_and_the_next_smallest_with_it() -> None:
    quality = missing([(3, 100), (40, 200), (60, 300)])
    out = thin(quality, FLOOR)["missing"]
    assert [r["missing"] for r in out["by_group"]] == [None, None, 60]
    assert [r["value"] for r in out["by_group"]] == [None, None, 0.2]
    assert out["gaps"] == []
    assert quality["missing"]["by_group"][0]["missing"] == 3


def test_nothing_small_nothing_withheld() -> None:
    quality = missing([(30, 100), (0, 200), (60, 300)])
    assert thin(quality, FLOOR) == quality


def test_a_total_that_is_small_is_withheld() -> None:
    out = thin(missing([(3, 100), (2, 200)]), FLOOR)["missing"]
    assert out["columns"][0]["missing"] is None
    assert all(r["missing"] is None for r in out["by_group"])


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=2, max_size=6))
def test_subtraction_gives_no_small_count(pairs: list[tuple[int, int]]) -> None:
    """The attacker knows the total, every group's rows and every published count."""
    counts = [(x, x + y) for x, y in pairs if x + y]
    if len(counts) < 2:
        return
    out = thin(missing(counts), FLOOR)["missing"]
    left = [i for i, r in enumerate(out["by_group"]) if r["missing"] is None]
    for i, (x, n) in enumerate(counts):
        if i not in left:
            assert not 0 < x < FLOOR
            assert not 0 < n - x < FLOOR
    if left and len(left) < len(counts):
        assert len(left) > 1
        for held in (sum(counts[i][0] for i in left), sum(counts[i][1] - counts[i][0] for i in left)):
            assert held == 0 or held >= FLOOR
