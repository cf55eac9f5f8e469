"""How often intervals and tests are right with weights, and where one person stands in several rows.

Tables for docs/coverage.md: python bench/coverage.py --only people|weights [--runs 2000]
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from audit.stats import GapResult, effective_size, largest_gap, shared_size
from audit.stats.intervals import difference_limits, score_limits, two_sided

Floats = npt.NDArray[np.float64]
Sums = tuple[Floats, Floats, tuple[Floats, Floats, Floats], Floats, Floats]
Z = two_sided(0.05)
TRUE = 1e-12
SIZES = (10, 30, 100, 400, 2000)
ROWS: tuple[int | tuple[int, int], ...] = (1, 2, 5, 20, (1, 20))
RATE = 0.3
WIDEST = 500
"""In how many runs at most the widest gap and its test are looked at; in all, where the test fires in more than ALARMS
by SURE standard errors, so that chance is told from fault."""
ALARMS, SURE = 0.05, 1.96
BLOCK = 250
"""Runs drawn in one go, for the memory that they take."""
ALIKE = {1.0: "all alike", 0.8: "four in five", 0.0: "by chance"}
SURVEYS: dict[str, tuple[Sequence[float], Sequence[float], Sequence[float]]] = {
    # shares of the population, rates, shares of the sample
    "heavy rows vary most": ((0.5, 0.5), (0.05, 0.5), (0.8, 0.2)),
    "heavy rows vary least": ((0.5, 0.5), (0.5, 0.05), (0.8, 0.2)),
    "a heavily sampled stratum": ((0.1, 0.9), (0.5, 0.1), (0.6, 0.4)),
    "weights say nothing": ((0.5, 0.5), (0.3, 0.3), (0.8, 0.2)),
}


NORMAL = {"log-normal, heavier where yes": 0.5, "log-normal, lighter where yes": -0.5}


def clustered(rng: np.random.Generator, shape: tuple[int, int], size: int, rows: int | tuple[int, int], alike: float
) -> Sums:  # fmt: skip
    """Sums of `size` people, each of `shape` (runs, groups); a share `alike` of a person's answers is one answer."""
    runs, groups = shape
    most = rows if isinstance(rows, int) else rows[1]
    k = (
        np.full((runs, groups, size), rows)
        if isinstance(rows, int)
        else rng.integers(*rows, (runs, groups, size), endpoint=True)
    )
    own = rng.random((runs, groups, size)) < RATE
    same = rng.binomial(k, alike) if most > 1 else k * 0
    x = (same * own + rng.binomial(k - same, RATE)).astype(np.float64)
    f = k - x
    n = k.sum(axis=2).astype(np.float64)
    return x.sum(2), f.sum(2), ((x * x).sum(2), (x * f).sum(2), (f * f).sum(2)), n, n


def weighted(rng: np.random.Generator, shape: tuple[int, int], size: int, name: str) -> tuple[Sums, float]:
    """Sums, and the true rate."""
    if name in NORMAL:
        lift, y = NORMAL[name], rng.random((*shape, size)) < RATE
        w = np.exp(rng.normal(0, 0.6, (*shape, size)) + lift * y)
        truth = RATE * np.exp(lift) / (RATE * np.exp(lift) + 1 - RATE)
    else:
        share, rate, taken = (np.array(v) for v in SURVEYS[name])
        stratum = rng.choice(len(share), size=(*shape, size), p=taken)
        y, w, truth = rng.random((*shape, size)) < rate[stratum], (share / taken)[stratum], float(share @ rate)
    x, f = w * y, w * ~y
    zero = np.zeros(shape)
    return (x.sum(2), f.sum(2), ((x * x).sum(2), zero, (f * f).sum(2)), zero + size, (w * w).sum(2)), float(truth)


def blocks(runs: int) -> list[int]:
    return [BLOCK] * (runs // BLOCK) + ([runs % BLOCK] if runs % BLOCK else [])


def joined(drawn: Sequence[Sums]) -> Sums:
    up, down, squares, n, weights = zip(*drawn, strict=True)
    x, cross, f = (np.concatenate(part) for part in zip(*squares, strict=True))
    return np.concatenate(up), np.concatenate(down), (x, cross, f), np.concatenate(n), np.concatenate(weights)


def judged(sums: Sums, truth: float, widest: int, gaps: bool = False) -> tuple[float, float, float, float]:
    """In how many of 100: rates, differences of two, the widest gap are held; the test fires. `widest` runs for it."""
    up, down, *_ = sums
    p, e = up / (up + down), effective_size(*sums)
    low, high = score_limits(p, e, Z)
    rates = ((low <= truth + TRUE) & (truth <= high + TRUE)).mean()
    e = e.copy()
    for i in range(len(e) if gaps else 0):
        e[i] = shared_size(up[i], down[i], tuple(v[i] for v in sums[2]), sums[3][i], sums[4][i])  # type: ignore[arg-type]
    a, b = difference_limits(p[:, 0], e[:, 0], p[:, 1], e[:, 1], Z)
    two = ((a <= TRUE) & (b >= -TRUE)).mean()
    gap_results: list[GapResult] = []
    for runs in (widest, len(p)):
        gap_results += [largest_gap([(p[i] * e[i], e[i])], seed=i) for i in range(len(gap_results), runs)]
        fired = np.mean([f.p_value is not None and f.p_value <= ALARMS for f in gap_results])
        if fired <= ALARMS + SURE * np.sqrt(ALARMS * (1 - ALARMS) / len(gap_results)):
            break
    gap = np.mean([f.low is not None and f.low <= TRUE for f in gap_results])
    return tuple(100 * float(v) for v in (rates, two, gap, fired))  # type: ignore[return-value]


def seed(*names: object) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(repr(names).encode()))


def line(cells: Sequence[object]) -> str:
    return "| " + " | ".join(f"{c:.1f}" if isinstance(c, float) else str(c) for c in cells) + " |"


def of_clusters(runs: int, sizes: Sequence[int]) -> list[str]:
    out = [
        line(("groups", "people each", "rows a person", "answers", "single rates", "two groups", "widest gap", "test"))
    ]
    out.append("|---:|---:|---:|---|---:|---:|---:|---:|")
    for groups in (2, 3, 10):
        for size in sizes:
            for rows in ROWS:
                for alike, words in ALIKE.items():
                    if (groups > 2 or rows == 1) and alike != 0.8:
                        continue
                    if groups > 2 and (size > 400 or rows in (2, 20)):
                        continue
                    rng = seed("clusters", groups, size, rows, alike)
                    sums = joined([clustered(rng, (n, groups), size, rows, alike) for n in blocks(runs)])
                    rows_text = rows if isinstance(rows, int) else f"{rows[0]} to {rows[1]}"
                    held = judged(sums, RATE, min(runs, WIDEST), rows != 1)
                    out.append(line((groups, f"{size:,}", rows_text, words, *held)))
    return out


def of_weights(runs: int, sizes: Sequence[int]) -> list[str]:
    out = [line(("groups", "rows each", "weights", "single rates", "two groups", "widest gap", "test"))]
    out.append("|---:|---:|---|---:|---:|---:|---:|")
    for groups in (2, 3, 10):
        for size in sizes:
            for name in (*SURVEYS, *NORMAL):
                if groups > 2 and size > 400:
                    continue
                rng = seed("weights", groups, size, name)
                drawn = [weighted(rng, (n, groups), size, name) for n in blocks(runs)]
                sums, truth = joined([sums for sums, _ in drawn]), drawn[0][1]
                out.append(line((groups, f"{size:,}", name, *judged(sums, truth, min(runs, WIDEST), True))))
    return out


PEOPLE = """## People in several rows

Made by `{command}`. No difference between groups; {runs:,} samples a row, so that
a true 95.0 of two groups shows as {around} (of single rates, nearer). The widest gap and its test are
made on at most {WIDEST:,} of them, so that a true 5.0 shows as {alarms}, and on all where more find one. "Answers" is
how a person's rows are decided: all alike, four in five the person's own, or by chance. The rate is 0.3. Taken as
independent, the gap of two groups is held in 98, 87, 62 and 46 of 100 at 1, 2, 5 and 10 like rows a person.

{table}
"""
WEIGHTS = """## Weights

Made by `{command}`. Two strata with rates, weights and shares of the sample of their own,
or weights that are log-normal and heavier or lighter where the outcome is good; {runs:,} samples a row, so that a true
95.0 of two groups shows as {around}. The widest gap and its test are made on at most {WIDEST:,} of
them, so that a true 5.0 shows as {alarms}, and on all where more find one. Kish's number alone holds 88 to 92 of 100
where heavy rows vary most, and 98 where a stratum is heavily sampled. In a sample of 10 rows a heavy stratum is often
not seen at all.

{table}
"""


def _around(share: float, runs: int) -> str:
    error = 196 * np.sqrt(0.05 * 0.95 / runs)
    return f"{max(share - error, 0.0):.1f} to {min(100.0, share + error):.1f}"


def _page(text: str, runs: int, command: str, lines: Sequence[str]) -> str:
    return text.format(
        command=command, runs=runs, around=_around(95, runs), alarms=_around(5, min(runs, WIDEST)), WIDEST=WIDEST,
        table="\n".join(lines),
    )  # fmt: skip


def people_section(runs: int, command: str) -> str:
    return _page(PEOPLE, runs, command, of_clusters(runs, SIZES))


def weights_section(runs: int, command: str) -> str:
    return _page(WEIGHTS, runs, command, of_weights(runs, SIZES))
