"""How often the intervals and tests of scores are right; tables of docs/coverage.md.

    python bench/coverage.py --only tests|means|gaps|calibration [--runs N]

Every run invents people with scores and outcomes whose law is known, and asks Assay for its figures. Seeded by row.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from audit.calibration import calibration
from audit.cube import CodedRows, Margin, Meaning, cube_of, margins_of
from audit.gaps import Settings
from audit.score_rates import averages_of, score_gaps

Floats = npt.NDArray[np.float64]
Law = Callable[[np.random.Generator, int], Floats]

LAWS: dict[str, Law] = {
    "skewed (Beta .5, 4)": lambda rng, n: rng.beta(0.5, 4, n),
    "even": lambda rng, n: rng.random(n),
    "deciles, few high": lambda rng, n: rng.choice(
        np.arange(1, 11) / 10, n, p=[0.3, 0.2, 0.15, 0.1, 0.08, 0.06, 0.05, 0.03, 0.02, 0.01]
    ),
    "two values": lambda rng, n: rng.choice([0.1, 0.9], n, p=[0.85, 0.15]),
}
HEAVY: dict[str, Law] = {
    "exponential": lambda rng, n: rng.exponential(1, n),
    "lognormal (1)": lambda rng, n: rng.lognormal(0, 1, n),
    "Pareto (3)": lambda rng, n: 1 + rng.pareto(3, n),
    "below 0: -lognormal (1)": lambda rng, n: -rng.lognormal(0, 1, n),
}
DRAWS = 600
AVERAGE = {
    "skewed (Beta .5, 4)": 0.5 / 4.5,
    "even": 0.5,
    "deciles, few high": 0.318,
    "two values": 0.22,
    "exponential": 1.0,
    "lognormal (1)": float(np.exp(0.5)),
    "Pareto (3)": 1.5,
    "below 0: -lognormal (1)": -float(np.exp(0.5)),
}
GROUPS = {
    "2 x 10": [10] * 2,
    "3 x 30": [30] * 3,
    "10 x 25": [25] * 10,
    "12, 2,000": [12, 2000],
    "30, 400": [30, 400],
    "12, 12, 50, 200, 400": [12, 12, 50, 200, 400],
    "ten of 12 to 2,000": [12, 20, 30, 30, 50, 80, 200, 400, 1000, 2000],
}


def seeded(*names: object) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(repr(names).encode()))


def people(sizes: list[int], score: Floats, label: npt.NDArray[np.int64], weight: Floats | None = None) -> Margin:
    """The groups of one attribute."""
    codes = np.repeat(np.arange(len(sizes)), sizes)[:, None]
    names = tuple(f"g{i}" for i in range(len(sizes)))
    decision = (score >= 0.5).astype(np.int64)
    return margins_of(
        cube_of(CodedRows(("g",), (names,), codes, label, decision, weight, score, Meaning("1", "0", "1")))
    )[0][1]


def tests(runs: int) -> str:
    """No difference between groups: how often the tests find one."""
    lines = [
        "| scores | groups | weights | area: p to .05 | to .0017 | average: p to .05 | to .0017 |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: |",
    ]
    cases = [("skewed (Beta .5, 4)", groups, "none") for groups in GROUPS]
    cases += [("even", groups, "none") for groups in ("2 x 10", "12, 12, 50, 200, 400")]
    cases += [
        ("skewed (Beta .5, 4)", groups, weights)
        for groups in ("3 x 30", "10 x 25", "30, 400", "12, 12, 50, 200, 400", "12, 2,000", "2 x 10")
        for weights in ("by chance", "heavier with both")
    ]
    for law, groups, weights in cases:
        # Weighted rows on seeds that were not looked at while their test was made, and half as many: they take longer.
        rng, sizes = seeded("tests" if weights == "none" else "fresh", law, groups, weights), GROUPS[groups]
        p_values: dict[str, list[float]] = {"roc_auc": [], "mean_score": []}
        for run in range(runs if weights == "none" else max(runs // 2, 1)):
            score = LAWS[law](rng, sum(sizes))
            label = (rng.random(len(score)) < np.clip(0.1 + 1.5 * score, 0, 1)).astype(np.int64)
            margin = people(sizes, score, label, weighing(rng, weights, score, label))
            for metric, g in score_gaps(margin, np.arange(len(sizes)), Settings(seed=run, draws=DRAWS)):
                if g.kind == "difference" and metric in p_values and g.p_value is not None:
                    p_values[metric].append(g.p_value)
        cells = [
            f"{100 * np.mean(np.array(p) <= a):.1f}" if p else "–" for p in p_values.values() for a in (0.05, 0.0017)
        ]
        lines.append(f"| {law} | {groups} | {weights} | {' | '.join(cells)} |")
        print(lines[-1], file=sys.stderr, flush=True)
    return "\n".join(lines)


def weighing(rng: np.random.Generator, weights: str, score: Floats, label: npt.NDArray[np.int64]) -> Floats | None:
    if weights == "none":
        return None
    chance = rng.exponential(1, len(score))
    return chance if weights == "by chance" else np.exp(rng.normal(0, 0.6, len(score)) + score + 0.5 * label)


def means(runs: int) -> str:
    """One group's average score."""
    lines = [
        "| scores | weights | people | limits hold | normal limits hold |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    cases = [(law, "none") for law in LAWS | HEAVY]
    heavy = ("skewed (Beta .5, 4)", "even")
    cases += [(law, weights) for law in heavy for weights in ("by chance", "heavier with both")]
    cases += [(law, "by chance") for law in HEAVY]
    for law, weights in cases:
        draw = (LAWS | HEAVY)[law]
        truth = AVERAGE[law]
        if weights == "heavier with both":
            rng = seeded("truth", law)
            score = draw(rng, 2_000_000)
            label = (rng.random(len(score)) < np.clip(0.1 + 1.5 * score, 0, 1)).astype(np.int64)
            truth = float(np.average(score, weights=weighing(rng, weights, score, label)))
        for n in (10, 20, 30, 100, 400):
            rng, ours, plain = seeded("means", law, n, *([] if weights == "none" else [weights])), 0, 0
            for _ in range(runs):
                score = draw(rng, n)
                label = np.zeros(n, dtype=np.int64)
                if weights == "heavier with both":
                    label = (rng.random(n) < np.clip(0.1 + 1.5 * score, 0, 1)).astype(np.int64)
                averages = averages_of(people([n], score, label, weighing(rng, weights, score, label)))
                low, high = (float(end[0]) for end in averages.limits(0.05))
                ours += low <= truth <= high
                plain += abs(averages.mean[0] - truth) <= 1.959964 * averages.errors[0]
            lines.append(f"| {law} | {weights} | {n} | {100 * ours / runs:.1f} | {100 * plain / runs:.1f} |")
    return "\n".join(lines)


def gaps(runs: int) -> str:
    """The widest gap of areas and of averages: none, and one group apart."""
    lines = [
        "| groups | truth | area: interval holds | average: interval holds | area, two named | average, two named |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for groups, sizes in GROUPS.items():
        for apart in (0.0, 0.5):
            rng, held, known = seeded("gaps", groups, apart), np.zeros(4), np.zeros(4)
            for run in range(runs):
                order = rng.permutation(sizes).tolist()
                group = np.repeat(np.arange(len(order)), order)
                label = rng.integers(0, 2, len(group))
                # Normal on a line: an area of .76 where groups are alike, of .86 in the first where it is apart; all
                # averages alike but the first.
                shift = 1.0 + apart * (group == 0)
                raw = rng.standard_normal(len(group)) + label * shift + apart * (group == 0)
                margin = people(order, raw, label)
                areas = ndtr(1.0 / np.sqrt(2)), ndtr((1.0 + apart) / np.sqrt(2))
                truth = {"roc_auc": areas[1] - areas[0], "mean_score": apart + apart / 2}
                for metric, gap in score_gaps(margin, np.arange(len(order)), Settings(seed=run)):
                    if gap.kind == "difference" and metric in truth and gap.low is not None and gap.high is not None:
                        at = list(truth).index(metric)
                        known[[at, at + 2]] += 1
                        held[at] += gap.low <= truth[metric] + 1e-12 <= gap.high + 2e-12
                        # Of the two named the truth is none, or that of the first group less another, either way.
                        sign = (gap.highest == ("g0",)) - (gap.lowest == ("g0",))
                        assert gap.pair_low is not None
                        assert gap.pair_high is not None
                        held[at + 2] += gap.pair_low - 1e-12 <= sign * truth[metric] <= gap.pair_high + 1e-12
            case = "no gap" if apart == 0 else "one group .1 (area), .75 (average) apart"
            lines.append(
                f"| {groups} | {case} | {' | '.join(f'{100 * h / k:.1f}' for h, k in zip(held, known, strict=True))} |"
            )
            print(lines[-1], file=sys.stderr, flush=True)
    return "\n".join(lines)


def calibrated(runs: int) -> str:
    """The calibration error of one group."""
    lines = [
        "| scores | truth | people | interval holds | plain error | width |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    off: dict[str, Callable[[Floats], Floats]] = {
        "perfect": lambda s: s,
        "all .1 too low": lambda s: np.clip(s + 0.1, 0, 1),
        "too extreme": lambda s: s + 0.4 * (0.5 - s),
    }
    for law in ("skewed (Beta .5, 4)", "even"):
        for name, true in off.items():
            for n in (12, 30, 50, 300, 2000):
                rng, held, plain, width = seeded("calibrated", law, name, n), 0, 0.0, 0.0
                for run in range(runs):
                    score = LAWS[law](rng, n)
                    rate = true(score)
                    label = (rng.random(n) < rate).astype(np.int64)
                    part = np.minimum((score * 10).astype(int), 9)
                    truth = float(np.abs(np.bincount(part, score - rate, minlength=10)).sum() / n)
                    value, low, high, _ = calibration(people([n], score, label), 0, Settings(seed=run))
                    held += low - 1e-9 <= truth <= high + 1e-9
                    plain, width = plain + value, width + high - low
                cells = f"{100 * held / runs:.1f} | {plain / runs:.3f} | {width / runs:.3f}"
                lines.append(f"| {law} | {name} | {n} | {cells} |")
    return "\n".join(lines)
