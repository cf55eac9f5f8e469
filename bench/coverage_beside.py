"""How often the figures beside the gaps are right: pairs, like with like, proxies, smoothed rates, unknown groups.

    python bench/coverage.py --only beside [--runs 2000]

Every run invents people whose law is known. Seeded by row.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from audit.bounds import bounds
from audit.by_proxy import Proxy, one
from audit.cube import CodedRows, Margin, Meaning, cube_of, margins_of
from audit.fractions import effective
from audit.gaps import Settings
from audit.likewise import kitagawa, mantel_haenszel
from audit.marginal_gap import regression_adjusted
from audit.metrics import SELECTION_RATE, metrics_for
from audit.pairs import pair_table
from audit.smooth import design, smooth
from audit.values import UNKNOWN

Floats = npt.NDArray[np.float64]
Row = tuple[str, str, str, float, str]
SIZES = (10, 30, 100, 400, 2000)
AIM, LEAST, ALL = "93 to 97", "at least 93", "100"
TRUE = 1e-9


def seeded(*names: object) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(repr(names).encode()))


def margin_of(groups: tuple[str, ...], group: npt.NDArray[np.int64], decided: npt.NDArray[np.int64]) -> Margin:
    label = np.full(len(decided), 2)
    rows = CodedRows(("g",), (groups,), group[:, None], label, decided, None, None, Meaning("1", "0", "1"))
    return margins_of(cube_of(rows))[0][1]


def pairs(runs: int) -> Iterator[Row]:
    """All listed pairs at once, differences and ratios; all pairs and against a reference."""
    for reference in (False, True):
        for count in (3, 10):
            for n in SIZES[1:4]:
                rng, truth = seeded("pairs", reference, count, n), np.linspace(0.2, 0.45, count)
                names = tuple(f"g{i}" for i in range(count))
                held = np.zeros(3)
                for run in range(max(runs // 2, 1)):
                    group = np.repeat(np.arange(count), n)
                    margin = margin_of(names, group, (rng.random(len(group)) < truth[group]).astype(np.int64))
                    settings = Settings(seed=run, draws=600, reference={"g": "g1"} if reference else {})
                    metric = next(m for m in metrics_for(margin.meaning) if m.name == SELECTION_RATE)
                    counted = effective(margin, [metric])[SELECTION_RATE]
                    table = pair_table(metric, margin, counted, settings, wished=True)
                    assert table is not None
                    place = np.array([int(g[0][1:]) for g in table.groups])
                    high, low = truth[place[table.i]], truth[place[table.j]]
                    for k, (estimate, true) in enumerate(((table.difference, high - low), (table.ratio, low / high))):
                        inside = (estimate[1] <= true + TRUE) & (true <= estimate[2] + TRUE)
                        held[k] += bool((inside | np.isnan(estimate[0])).all())
                    # People short of the lower group, at the rate of the higher.
                    assert table.people is not None
                    short = table.people[table.j] * (high - low)
                    ends = table.people[table.j] * table.difference[1:]
                    held[2] += bool(((ends[0] <= short + TRUE) & (short <= ends[1] + TRUE)).all())
                what = "every group and a reference" if reference else "all pairs of groups"
                for kind, times in zip(("difference", "ratio", "people short"), held, strict=True):
                    yield f"{what}: {kind}", f"{count} groups", f"{n:,} each", times / max(runs // 2, 1), LEAST


def strata(rng: np.random.Generator, n: int, effect: float, odds: bool = False) -> npt.NDArray[np.int64]:
    """(8, 4): favoured and all of two groups of n people, more of the one where the rate is low."""
    base = np.linspace(0.2, 0.6, 8)
    share = np.linspace(1, 3, 8)
    n1, n2 = rng.multinomial(n, share / share.sum()), rng.multinomial(n, share[::-1] / share.sum())
    first = base + effect
    if odds:
        first = base * effect / (1 - base + base * effect)
    return np.stack([rng.binomial(n1, first), n1, rng.binomial(n2, base), n2], axis=1)


def like(runs: int) -> Iterator[Row]:
    """Mantel-Haenszel, Kitagawa, and the gap adjusted by a logistic regression."""
    for n in SIZES[1:]:
        for effect in (0.0, 0.2):
            rng, held = seeded("mh", n, effect), 0
            for _ in range(runs):
                estimate = mantel_haenszel(strata(rng, n, effect))
                held += estimate.value is None or estimate.low <= effect <= estimate.high
            yield "like with like: Mantel-Haenszel difference", f"{effect:g}", f"{n:,} each", held / runs, AIM
        rng, held, known = seeded("odds", n), 0, 0
        for _ in range(max(runs // 2, 1)):
            estimate = mantel_haenszel(strata(rng, n, 2.0, odds=True))
            if estimate.odds_ratio is not None:
                known += 1
                held += estimate.odds_low <= 2.0 <= estimate.odds_high
        yield "like with like: odds ratio", "2", f"{n:,} each", held / max(known, 1), AIM
        share = np.linspace(1, 3, 8) / 16
        base, lifted = np.linspace(0.2, 0.6, 8), np.linspace(0.3, 0.7, 8)
        mix = float(((share - share[::-1]) * (base + lifted) / 2).sum())
        rng, held = seeded("kitagawa", n), 0
        for run in range(runs):
            part = kitagawa(strata(rng, n, 0.1), 0.05, run, 400)
            held += part.low is None or part.low <= mix <= part.high
        yield "like with like: the mix's part (Kitagawa)", "8 strata", f"{n:,} each", held / runs, AIM
        for how in ("one row each", "5 like rows a person", "weights"):
            yield _adjusted(n, how, max(runs // 4, 1))


def _adjusted(n: int, how: str, runs: int) -> Row:
    rng, held, known = seeded("adjusted", n, how), 0, 0
    each = 5 if how.startswith("5") else 1
    for _ in range(runs):
        second = np.repeat([False, True], n)
        level = (rng.random(2 * n) < np.where(second, 0.3, 0.6)).astype(np.int64)
        # Averages over these people of a law that the regression knows.
        logit = -0.4 + 1.0 * level - 0.6 * second
        y = (rng.random(2 * n) < 1 / (1 + np.exp(-logit))).astype(np.int64)
        weight = np.exp(rng.normal(0, 0.5, 2 * n) + 0.4 * level) if how == "weights" else None
        mass = np.ones(2 * n) if weight is None else weight
        plain = -0.4 + 1.0 * level
        apart = 1 / (1 + np.exp(-plain)) - 1 / (1 + np.exp(-(plain - 0.6)))
        truth = float(mass @ apart / mass.sum())
        cluster = None if each == 1 else np.repeat(np.arange(2 * n), each)
        estimate = regression_adjusted(
            np.repeat(level, each)[:, None].astype(np.float64), np.repeat(second, each), np.repeat(y, each),
            weight, cluster,
        )  # fmt: skip
        if estimate.value is not None:
            known += 1
            held += estimate.low <= truth <= estimate.high
    return "like with like: adjusted by regression", how, f"{n:,} each", held / max(known, 1), AIM


def proxy(runs: int) -> Iterator[Row]:
    """Bounds with the ends' interval hold the true rate of a group that nobody recorded."""
    p = np.array([[0.9, 0.1], [0.7, 0.3], [0.4, 0.6], [0.1, 0.9]])
    table = Proxy(("a", "b"), ("w", "x", "y", "z"), p)
    for depends in (0.0, 0.2):
        for n in SIZES[1:]:
            rng, held = seeded("proxy", depends, n), 0
            rate = np.array([0.25, 0.35, 0.4, 0.5])[:, None] + depends * np.array([0.5, -0.5])
            truth = (p * rate).sum(axis=0) / p.sum(axis=0)
            for run in range(max(runs // 4, 1)):
                value = rng.integers(0, 4, n)
                group = (rng.random(n) >= p[value, 0]).astype(np.int64)
                y = (rng.random(n) < rate[value, group]).astype(np.int64)
                frame = pd.DataFrame({"s": np.array(table.values)[value]})
                estimates = one("g", "s", table, frame, y, Settings(seed=run))
                held += all(
                    r["outer_low"] <= t + TRUE and t <= r["outer_high"] + TRUE
                    for r, t in zip(estimates["rates"], truth, strict=True)
                )
            setting = "decisions do not depend on the group" if depends == 0 else "decisions depend on it by .2"
            yield "no attribute: outer bounds of both rates", setting, f"{n:,}", held / max(runs // 4, 1), LEAST


def smoothed(runs: int) -> Iterator[Row]:
    """Each intersection's own rate within the smoothed one's interval."""
    groups = [(s, r, a) for s in "fm" for r in "abcd" for a in ("<25", "25-39", "40-59", ">=60")]
    columns = design(groups)
    for spread in (0.0, 0.3, 0.8):
        rng = seeded("smoothed", spread)
        held, seen = np.zeros(3), np.zeros(3)
        for _ in range(max(runs // 4, 1)):
            effects = rng.normal(0, 0.6, columns.shape[1])
            truth = 1 / (1 + np.exp(-(columns @ effects + rng.normal(0, spread, len(groups)))))
            n = np.exp(rng.uniform(np.log(3), np.log(300), len(groups))).astype(int)
            fit = smooth(rng.binomial(n, truth), n, columns)
            inside = (fit.low <= truth) & (truth <= fit.high)
            for k, (least, most) in enumerate(((3, 10), (10, 30), (30, 301))):
                here = (n >= least) & (n < most)
                held[k] += inside[here].sum()
                seen[k] += here.sum()
        for size, share in zip(("3 to 9", "10 to 29", "30 to 300"), held / seen, strict=True):
            yield "smoothed rate of an intersection", f"spread {spread:g} beside main effects", size, share, AIM


def unknown(runs: int) -> Iterator[Row]:
    """The gap of these very people, were every group known, within its bounds."""
    for lost in (0.05, 0.3):
        for n in SIZES[:4]:
            rng, held, known = seeded("unknown", lost, n), 0, 0
            for _ in range(max(runs // 4, 1)):
                group = np.repeat([0, 1], n)
                decided = (rng.random(2 * n) < np.where(group == 0, 0.3, 0.45)).astype(np.int64)
                true = abs(float(decided[group == 0].mean() - decided[group == 1].mean()))
                # Lost the more, the worse it is for the figure.
                seen = np.where(rng.random(2 * n) < lost * (1 + decided), 2, group)
                if len(np.unique(seen)) < 3:
                    continue
                entries = bounds([margin_of(("a", "b", UNKNOWN), seen, decided)], Settings(floor=1))["unknown_group"]
                mine = [e for e in entries if e["metric"] == SELECTION_RATE and e["kind"] == "difference"]
                known += len(mine)
                held += sum(e["low"] <= true + TRUE and true <= e["high"] + TRUE for e in mine)
            yield "unknown group: bounds of the gap", f"{lost:g} and more lost", f"{n:,} each", held / known, ALL


TABLES: tuple[Callable[[int], Iterator[Row]], ...] = (pairs, like, proxy, smoothed, unknown)


def _around(runs: int) -> str:
    error = 196 * np.sqrt(0.05 * 0.95 / max(runs, 1))
    return f"{95 - error:.1f} to {min(100.0, 95 + error):.1f}"


def beside_section(runs: int, command: str) -> str:
    out = ["| figure | of what | people | holds | aim |", "| --- | --- | ---: | ---: | ---: |"]
    for table in TABLES:
        for figure, setting, people, share, aim in table(runs):
            out.append(f"| {figure} | {setting} | {people} | {100 * share:.1f} | {aim} |")
            print(out[-1], file=sys.stderr, flush=True)
    return f"""## Figures that stand beside the gaps

Made by `{command}`; pairs and odds ratios on half as many runs, regressions, proxies, smoothed rates and unknown groups
on a quarter: a true 95.0 shows as {_around(runs)}, {_around(runs // 2)} and {_around(runs // 4)}. In how many of 100
runs the truth is inside. Pairs: all of the table's at once. Like with like: eight
strata, or one factor of two levels. Bounds: with no attribute, both groups' true rates at once within the ends'
intervals; of unknown groups, the gap of these very people, which bounds hold without any chance.

{chr(10).join(out)}
"""
