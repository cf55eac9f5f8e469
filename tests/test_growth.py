"""What bench/growth.py says of times that grow in a known way, and what it writes into its page."""

from __future__ import annotations

import importlib.util
import math
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def growth() -> Any:
    spec = importlib.util.spec_from_file_location("bench_growth", ROOT / "bench" / "growth.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    path = list(sys.path)
    spec.loader.exec_module(module)
    sys.path[:] = path
    return module


def test_the_exponent_of_n_log_n_is_what_is_shown_beside_it(growth: Any) -> None:
    sizes = (10, 50, 200)
    slope, of_sorting = growth.exponents([(n, 1.5 + 0.01 * n * math.log(n)) for n in sizes], 1)
    assert slope == pytest.approx(of_sorting)
    assert 1 < of_sorting < 1.4
    linear, same = growth.exponents([(n, 1.5 + 0.05 * (n - 10)) for n in sizes], 1)
    assert same == of_sorting
    assert linear == pytest.approx(math.log(190 / 40) / math.log(4))


def test_no_exponent_where_too_little_stands_above_the_smallest(growth: Any) -> None:
    seen = [(10, 1.0), (50, 1.3), (200, 2.0)]
    assert growth.exponents(seen, 1) is None
    assert growth.exponents(seen[:2], 1) is None
    assert growth.exponents(seen, 5) is not None


def test_medians_of_runs_and_the_largest_memory(growth: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    runs = iter([(1.0, 9.0, 100.0, 2.0), (5.0, 7.0, 300.0, 2.0), (2.0, 8.0, 200.0, 2.0)] * 3)
    places = []
    monkeypatch.setattr(growth, "measured", lambda case, out: places.append(out) or next(runs))
    monkeypatch.setitem(growth.SIZES, "rows", (10, 50, 200))
    lines = growth.walk("rows", 1_000, 3, lambda axis, size, folder: folder)
    assert lines.splitlines()[2:] == [f"| {n} | 2.0 | 8.0 | 300 | 2.00 |  |  |" for n in (10, 50, 200)]
    assert len(set(places[:3])) == 3  # what an earlier run answered is kept in its folder
    growing = iter([(float(n), 1.0, 1.0, 1.0) for n in (1, 1, 11, 111, 1_011)])
    monkeypatch.setattr(growth, "measured", lambda case, out: next(growing))
    monkeypatch.setitem(growth.SIZES, "rows", (1, 2, 10, 110, 1_010))
    whole = growth.walk("rows", 2_000, 1, lambda axis, size, folder: folder).splitlines()[-1]
    of_sorting = math.log(1_010 * math.log(1_010) / (10 * math.log(10))) / math.log(101)
    assert whole == f"| 10 to 1,010 |  |  |  |  | {math.log(1_010 / 10) / math.log(101):.2f} | {of_sorting:.2f} |"
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- growth: rows -->\nold\n<!-- end -->\nafter\n")
    growth.put(page, "rows", lines)
    assert page.read_text() == f"before\n<!-- growth: rows -->\n{lines}\n<!-- end -->\nafter\n"
