"""Bounds of what is not known, against every way in which it could be: small counts, enumerated."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.bounds import bounds
from audit.cube import CodedRows, Margin, Meaning, cube_of, margins_of
from audit.gaps import Settings
from audit.metrics import Metric, complements, metrics_for
from audit.values import UNKNOWN
from cli import main

MEANING = Meaning("yes", "no", "yes")
FREE = Settings(floor=0)
ASKED = [m.name for m in metrics_for(MEANING) if m.name not in complements()]
BY_NAME = {m.name: m for m in metrics_for(MEANING)}


def margin_of(cells: dict[str, np.ndarray]) -> Margin:
    """cells: group -> (3, 2) people by outcome (the last unknown) and decision."""
    levels = tuple(cells)
    rows = [
        (g, y, d) for g, name in enumerate(levels) for y in range(3) for d in range(2) for _ in range(cells[name][y, d])
    ]
    code, label, decision = np.array(rows).T
    coded = CodedRows(("g",), (levels,), code[:, None], label, decision, None, None, MEANING)
    return margins_of(cube_of(coded))[0][1]


def entry(result: dict[str, Any], part: str, metric: str, kind: str = "difference") -> dict[str, Any]:
    return next(e for e in result[part] if e["metric"] == metric and e.get("kind", kind) == kind)


def rate(cells: np.ndarray, metric: Metric) -> float | None:
    n = (cells * metric.denominator).sum()
    return None if n == 0 else float((cells * metric.numerator).sum() / n)


def splits(count: int, parts: int) -> Iterator[tuple[int, ...]]:
    """Every way of dividing `count` people over `parts` groups."""
    if parts == 1:
        yield (count,)
        return
    for first in range(count + 1):
        for rest in splits(count - first, parts - 1):
            yield (first, *rest)


def gap(rates: list[float], kind: str) -> float:
    if kind == "difference":
        return max(rates) - min(rates)
    return min(rates) / max(rates) if max(rates) > 0 else 1.0


small = st.integers(0, 4)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=2, max_size=3), small, small)
def test_unknown_groups_against_every_way_of_placing_people(groups: list[tuple[int, int]], yes: int, no: int) -> None:
    """Selected and not selected of each known group; `yes` and `no` of unknown group."""
    if yes + no == 0:
        return
    cells = {f"g{i}": np.array([[0, 0], [0, 0], [b, a]]) for i, (a, b) in enumerate(groups)}
    margin = margin_of({**cells, UNKNOWN: np.array([[0, 0], [0, 0], [no, yes]])})
    result = bounds([margin], FREE)
    for kind in ("difference", "ratio"):
        e = entry(result, "unknown_group", "selection_rate", kind)
        seen = [
            gap([(a + p) / (a + b + p + q) for (a, b), p, q in zip(groups, up, down, strict=True)], kind)
            for up in splits(yes, len(groups))
            for down in splits(no, len(groups))
        ]
        worst, best = (max(seen), min(seen)) if kind == "difference" else (min(seen), max(seen))
        assert e["unknown"] == yes + no
        assert (e["high"] if kind == "difference" else e["low"]) == pytest.approx(worst)  # sharp
        nearest = e["low"] if kind == "difference" else e["high"]
        assert nearest <= best + 1e-12 if kind == "difference" else nearest >= best - 1e-12
        if len(groups) == 2 and nearest not in (0.0, 1.0):
            assert nearest == pytest.approx(best)  # sharp where the two cannot meet


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 2), min_size=12, max_size=12))
def test_missing_outcomes_against_every_outcome_they_may_have(counts: list[int]) -> None:
    cells = {name: np.array(counts[6 * i : 6 * i + 6]).reshape(3, 2) for i, name in enumerate("ab")}
    if any(c[:2].sum() == 0 for c in cells.values()) or not any(c[2].sum() for c in cells.values()):
        return
    result = bounds([margin_of(cells)], FREE)
    for name in ASKED[1:]:
        metric = BY_NAME[name]
        if any(rate(np.vstack([c[:2], [[0, 0]]]), metric) is None for c in cells.values()):
            continue
        seen = []
        for turned in product(*(range(n + 1) for c in cells.values() for n in c[2])):
            items = []
            for i, c in enumerate(cells.values()):
                whole = c.copy()
                for d in (0, 1):
                    positive = turned[2 * i + d]
                    whole[1, d] += positive
                    whole[0, d] += c[2, d] - positive
                whole[2] = 0
                items.append(rate(whole, metric))
            if None not in items:
                seen.append(abs(items[0] - items[1]))  # type: ignore[operator]
        e = entry(result, "missing_outcome", name)
        assert e["high"] == pytest.approx(max(seen))
        assert e["low"] <= min(seen) + 1e-12
        if e["low"] > 0:
            assert e["low"] == pytest.approx(min(seen))


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(*[st.integers(1, 9)] * 4), st.integers(0, 9), st.integers(0, 9),
    st.sampled_from([("difference", 0.1), ("difference", 0.3), ("ratio", 0.8), ("ratio", 0.5)]),
)  # fmt: skip
def test_the_tipping_share_against_every_choice_of_people(
    counts: tuple[int, int, int, int], yes: int, no: int, norm: tuple[str, float]
) -> None:
    if yes + no == 0:
        return
    a, b, c, d = counts
    cells = {"f": np.array([[0, 0], [0, 0], [b, a]]), "m": np.array([[0, 0], [0, 0], [d, c]])}
    margin = margin_of({**cells, UNKNOWN: np.array([[0, 0], [0, 0], [no, yes]])})
    kind, limit = norm
    asked = {"metric": "selection_rate", "kind": kind, "attribute": ["g"], "limit": limit}
    tip = entry(bounds([margin], FREE, [asked]), "unknown_group", "selection_rate", kind)["tipping"][0]

    def breaks(x1: int, n1: int, x2: int, n2: int) -> bool:
        p, q = sorted((x1 / n1, x2 / n2))
        return q - p > limit + 1e-12 if kind == "difference" else p < limit * q - 1e-12

    def above(x1: int, n1: int, x2: int, n2: int) -> bool:
        """In the direction that the known have: the first above the second by more than the limit."""
        p, q = x1 / n1, x2 / n2
        return p - q > limit + 1e-12 if kind == "difference" else q < limit * p - 1e-12

    beyond = breaks(a, a + b, c, c + d)
    f_first = a / (a + b) >= c / (c + d)

    def turns(f: tuple[int, int], m: tuple[int, int]) -> bool:
        return not above(*(*f, *m) if f_first else (*m, *f)) if beyond else breaks(*f, *m)

    assert tip["beyond"] == beyond
    ways = [
        p + q + r + s
        for p in range(yes + 1)
        for q in range(no + 1)
        for r in range(yes + 1 - p)
        for s in range(no + 1 - q)
        if turns((a + p, a + b + p + q), (c + r, c + d + r + s))
    ]
    assert tip["people"] == (min(ways) if ways else None)


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.integers(0, 3), min_size=8, max_size=8), st.sampled_from(ASKED[1:]), st.sampled_from([0.0, 0.1, 0.3])
)
def test_label_error_against_every_set_of_turned_outcomes(counts: list[int], name: str, limit: float) -> None:
    cells = {g: np.vstack([np.array(counts[4 * i : 4 * i + 4]).reshape(2, 2), [[0, 0]]]) for i, g in enumerate("ab")}
    metric = BY_NAME[name]
    rates = {g: rate(c, metric) for g, c in cells.items() if c.sum()}
    if len(rates) < 2 or None in rates.values():
        return
    high, low = sorted(rates, key=lambda g: -rates[g])  # type: ignore[operator]
    difference = rates[high] - rates[low]  # type: ignore[operator]
    if difference <= limit or difference <= 0:
        return
    norm = {"metric": name, "kind": "difference", "attribute": ["g"], "limit": limit}
    items = [e for e in bounds([margin_of(cells)], FREE, [norm])["label_error"] if e["metric"] == name]
    mine = next(e for e in items if e["limit"] == limit)

    def turned(c: np.ndarray) -> Iterator[tuple[int, float]]:
        for k in product(*(range(n + 1) for n in c[:2].ravel())):
            t = np.array(k).reshape(2, 2)
            whole = np.vstack([c[:2] - t + t[::-1], [[0, 0]]])
            value = rate(whole, metric)
            if value is not None:
                yield int(t.sum()), value

    ups, downs = list(turned(cells[low])), list(turned(cells[high]))
    ways = [k + m for k, u in ups for m, v in downs if v - u <= limit + 1e-12]
    assert mine["people"] == (min(ways) if ways else None)


@settings(max_examples=25, deadline=None)
@given(st.tuples(*[st.integers(1, 6)] * 4), st.sampled_from([0.0, 0.1, 0.3]))
def test_never_collected_against_every_way_of_adding_people(counts: tuple[int, ...], limit: float) -> None:
    """Selected and not selected of two groups; everyone who could be added to either, up to as many as are there."""
    a, b, c, d = counts
    cells = {"a": np.array([[0, 0], [0, 0], [b, a]]), "b": np.array([[0, 0], [0, 0], [d, c]])}
    first = a / (a + b) >= c / (c + d)
    (x1, y1), (x2, y2) = ((a, b), (c, d)) if first else ((c, d), (a, b))
    if x1 / (x1 + y1) - x2 / (x2 + y2) <= max(limit, 0.0):
        return
    norm = {"metric": "selection_rate", "kind": "difference", "attribute": ["g"], "limit": limit}
    items = [e for e in bounds([margin_of(cells)], FREE, [norm])["not_collected"] if e["limit"] == limit]
    most = a + b + c + d
    ways = [
        p + q
        for p in range(most + 1)
        for q in range(most + 1)
        if x1 / (x1 + y1 + p) - (x2 + q) / (x2 + y2 + q) <= limit + 1e-12
    ]
    assert items[0]["people"] == (min(ways) if ways else None)
    assert items[0]["of"] == most


def test_truth_lies_within_the_bounds_whatever_was_lost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Groups and outcomes lost by chance, by group and by decision; told on the command line's evidence."""
    rng = np.random.default_rng(1)
    n = 1200
    sex = rng.choice(["f", "m"], n)
    decided = np.where(rng.random(n) < np.where(sex == "m", 0.6, 0.45), "yes", "no")
    truth = np.where(rng.random(n) < 0.75, decided, rng.choice(["yes", "no"], n))
    whole = {g: float((decided[sex == g] == "yes").mean()) for g in "fm"}
    for lost in (0.05, np.where(sex == "f", 0.3, 0.0), np.where(decided == "yes", 0.25, 0.01)):
        known = np.where(rng.random(n) < lost, "", sex)
        lines = ["sex,truth,decided", *(f"{s},{t},{d}" for s, t, d in zip(known, truth, decided, strict=True))]
        (tmp_path / "rows.csv").write_text("\n".join(lines) + "\n")
        (tmp_path / "case.toml").write_text(
            '[case]\nname = "t"\npurpose = "p"\n[data]\npath = "rows.csv"\nlabel = "truth"\npositive = "yes"\n'
            'sensitive = ["sex"]\n[model]\ndecision = "decided"\n'
        )
        assert main(["audit", str(tmp_path / "case.toml"), "--out", str(tmp_path / "run")]) == 0
        evidence = json.loads((tmp_path / "run" / "evidence.json").read_bytes())
        e = entry(evidence["bounds"], "unknown_group", "selection_rate")
        assert e["unknown"] == int((known == "").sum())
        assert e["low"] <= abs(whole["m"] - whole["f"]) <= e["high"]
        r = entry(evidence["bounds"], "unknown_group", "selection_rate", "ratio")
        assert r["low"] <= whole["f"] / whole["m"] <= r["high"]
    capsys.readouterr()


def test_bounds_take_under_fifty_milliseconds() -> None:
    cells = {f"g{i}": np.array([[90, 40 + i], [30, 95], [9, 11]]) * 20 for i in range(8)}
    margin = margin_of({**cells, UNKNOWN: np.array([[90, 40], [30, 95], [9, 11]])})
    norms = [
        {"metric": m, "kind": k, "attribute": ["g"], "limit": limit}
        for m in ("selection_rate", "equal_opportunity")
        for k, limit in (("difference", 0.1), ("ratio", 0.8))
    ]
    best = min(_timed(lambda: bounds([margin], Settings(), norms)) for _ in range(5))
    assert best < 0.05


def _timed(run: Any) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start
