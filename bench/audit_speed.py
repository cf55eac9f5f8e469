"""An audit of ten groups and four metrics with 2,000 draws, against fairlearn's MetricFrame, in one process.

    python bench/audit_speed.py [--rows 30000 1000000] [--peer-draws 5] [--aif360] [--only-vectorised]

Ours measures more than the peer does (eleven rates, thirteen gaps of two kinds, intervals, p-values); it is timed
whole, from columns in memory to the last figure. The peer's bootstrap resamples rows in a loop, so only a few of its
draws are timed and the time of 2,000 is extrapolated from them; the table says so. Memory is the peak of traced
allocations. A table before it sets it beside the bootstrap that a good engineer would write by hand: the rows are
counted once into cells, and all draws of a group are one multinomial. Once it gives the figures that ours gives: for
two sexes, five races and ten intersections each rate, largest gap and pair with percentile intervals, and p-values
from 2,000 permutations. (Ours adds simultaneous limits, exact tails, adjustment, the smallest gap that would be seen
and the measures of the labels alone.) And once it gives only the four rates of the ten groups and their four largest
gaps, with intervals and no p-value. Each repeat has people of its own, since ours remembers what it has drawn.
--aif360 adds AIF360 (`pip install --no-deps aif360`; not a requirement): the same four rates of the ten groups by its
ClassificationMetric, without intervals, since it has none.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

DRAWS = 2000


def people(rows: int, seed: int = 0) -> pd.DataFrame:
    """Ten groups in two attributes, a label and a decision that depend on them a little."""
    rng = np.random.default_rng(seed)
    sex = rng.choice(["Female", "Male"], rows, p=[0.4, 0.6])
    race = rng.choice(["A", "B", "C", "D", "E"], rows, p=[0.5, 0.2, 0.15, 0.1, 0.05])
    label = rng.random(rows) < 0.2 + 0.1 * (sex == "Male")
    decision = rng.random(rows) < 0.1 + 0.5 * label + 0.05 * (sex == "Male")
    return pd.DataFrame({"sex": sex, "race": race, "label": label.astype(int), "decision": decision.astype(int)})


def ours(frame: pd.DataFrame) -> int:
    """Columns -> cube -> margins -> every figure. Returns how many figures."""
    from audit.code import group_codes
    from audit.cube import CodedRows, Meaning, cube_of, margins_of
    from audit.gaps import Settings
    from audit.measure import measure

    coded = [group_codes(frame[a]) for a in ("sex", "race")]
    cube = cube_of(
        CodedRows(
            ("sex", "race"),
            tuple(levels for _, levels in coded),
            np.column_stack([codes for codes, _ in coded]),
            frame["label"].to_numpy(),
            frame["decision"].to_numpy(),
            None,
            None,
            Meaning("1", "0", "1"),
        )
    )
    margins, _ = margins_of(cube)
    measures = measure(margins, Settings(draws=DRAWS))
    return len(measures.rates) + len(measures.gaps)


def theirs(frame: pd.DataFrame, draws: int) -> None:
    """MetricFrame with the same ten groups, four metrics and `draws` bootstrap draws."""
    from fairlearn.metrics import MetricFrame, false_positive_rate, selection_rate, true_positive_rate
    from sklearn.metrics import accuracy_score

    MetricFrame(
        metrics={
            "selection_rate": selection_rate,
            "accuracy": accuracy_score,
            "true_positive_rate": true_positive_rate,
            "false_positive_rate": false_positive_rate,
        },
        y_true=frame["label"],
        y_pred=frame["decision"],
        sensitive_features=frame[["sex", "race"]],
        **({"n_boot": draws, "ci_quantiles": [0.025, 0.975], "random_state": 0} if draws else {}),
    )


def vectorised(frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Percentile intervals of four rates of ten groups (2, 4, 10) and of their largest gaps (2, 4)."""
    rng = np.random.default_rng(0)
    sex, race = (pd.factorize(frame[a])[0] for a in ("sex", "race"))
    cell = (sex * 5 + race) * 4 + frame["label"].to_numpy() * 2 + frame["decision"].to_numpy()
    counts = np.bincount(cell, minlength=40).reshape(10, 4)
    rates = np.empty((DRAWS, 4, 10))
    for group, count in enumerate(counts):
        people = count.sum()
        tn, fp, fn, tp = rng.multinomial(people, count / people, size=DRAWS).T
        rates[:, :, group] = np.column_stack(
            [(tp + fp) / people, (tp + tn) / people, tp / np.maximum(tp + fn, 1), fp / np.maximum(fp + tn, 1)]
        )
    gaps = rates.max(axis=2) - rates.min(axis=2)
    return np.quantile(rates, [0.025, 0.975], axis=0), np.quantile(gaps, [0.025, 0.975], axis=0)


def rates_of(tn: np.ndarray, fp: np.ndarray, fn: np.ndarray, tp: np.ndarray) -> np.ndarray:
    """Our eleven rates (11, ...) of confusion matrices; NaN where nobody is counted."""
    people = tn + fp + fn + tp
    of = [(tp + fp, people), (tp + fn, people), (tp + tn, people), (tp, tp + fn), (fp, fp + tn), (tn, fp + tn)]
    of += [(fn, tp + fn), (tp, tp + fp), (tn, tn + fn), (fp, tp + fp), (fn, tn + fn)]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.stack([top / below for top, below in of])


def gaps_of(rates: np.ndarray) -> np.ndarray:
    """Our thirteen gaps as differences and ratios (2, 13, ...) of rates (11, ..., G)."""
    most, least = rates.max(axis=-1), rates.min(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        apart, share = most - least, least / most
    odds = np.maximum(apart[3], apart[4]), np.minimum(share[3], share[4])
    return np.stack([np.concatenate([v, v[3:4], o[None]]) for v, o in ((apart, odds[0]), (share, odds[1]))])


TESTED = [0, 1, 2, 3, 4, 7, 8]
"""The rates that are tested: a complement has the p-value of its rate."""


def vectorised_whole(frame: pd.DataFrame) -> list[np.ndarray]:
    """By the same bootstrap all that ours measures: for both sexes, five races and ten intersections each rate with its
    interval, each gap with its interval and a permutation p-value, and each pair's difference and ratios (of the rate
    and of its complement) with interval and p-value."""
    rng = np.random.default_rng(0)
    sex, race = (pd.factorize(frame[a])[0] for a in ("sex", "race"))
    cell = (sex * 5 + race) * 4 + frame["label"].to_numpy() * 2 + frame["decision"].to_numpy()
    counts = np.bincount(cell, minlength=40).reshape(2, 5, 4)
    cells = counts.reshape(10, 4)
    drawn = np.stack([rng.multinomial(c.sum(), c / c.sum(), size=DRAWS) for c in cells], axis=1).reshape(-1, 2, 5, 4)
    out = []
    for some, seen in (
        (drawn.sum(axis=2), counts.sum(axis=1)), (drawn.sum(axis=1), counts.sum(axis=0)),
        (drawn.reshape(-1, 10, 4), cells),
    ):  # fmt: skip
        rates, observed = rates_of(*np.moveaxis(some, 2, 0)), rates_of(*seen.T)
        out += [np.quantile(rates, [0.025, 0.975], axis=1), np.quantile(gaps_of(rates), [0.025, 0.975], axis=2)]
        i, j = np.triu_indices(len(seen), 1)
        # People keep their outcome and decision, and are dealt out to the groups anew.
        left = np.tile(seen.sum(axis=1), (DRAWS, 1))
        dealt = np.empty((DRAWS, *seen.shape))
        for k in range(4):
            total = int(seen[:, k].sum())
            if k == 3:
                dealt[:, :, k] = left
                break
            rest, of = np.full(DRAWS, total), left.sum(axis=1)
            for g in range(len(seen)):
                of = of - left[:, g]
                took = rng.hypergeometric(left[:, g], of, rest) if g + 1 < len(seen) else rest
                dealt[:, g, k] = took
                rest = rest - took
            left = left - dealt[:, :, k].astype(np.int64)
        null, some = rates_of(*np.moveaxis(dealt, 2, 0))[TESTED], rates[TESTED]
        apart, both = np.abs(observed[TESTED][:, i] - observed[TESTED][:, j]), np.abs(null[..., i] - null[..., j])
        out += [(both >= apart[:, None]).mean(axis=1), (both.max(axis=2) >= apart.max(axis=1)[:, None]).mean(axis=1)]
        with np.errstate(divide="ignore", invalid="ignore"):
            high, low = some[..., i], some[..., j]
            for pairs in (high - low, high / low, (1 - high) / (1 - low)):
                out.append(np.quantile(pairs, [0.025, 0.975], axis=1))
    return out


def compare(rows: int, repeats: int) -> str:
    """Medians of processor seconds, in turn, and ratios. Other people each time: what was drawn is remembered."""
    seconds: dict[str, list[float]] = {"ours": [], "four": [], "whole": []}
    for repeat in range(repeats + 1):
        frame = people(rows, seed=repeat)
        for side, work in (("ours", ours), ("four", vectorised), ("whole", vectorised_whole)):
            start = time.process_time()
            work(frame)
            seconds[side].append(time.process_time() - start)
    a, b, c = (statistics.median(s[1:]) for s in seconds.values())
    return f"| {rows:,} | {a:.3f} | {c:.3f} | {a / c:.2f} | {b:.3f} | {a / b:.1f} |"


def aif360(frame: pd.DataFrame) -> None:
    """The four rates of each of the ten groups by AIF360: its data set made once, one metric object a group."""
    from aif360.datasets import BinaryLabelDataset
    from aif360.metrics import ClassificationMetric

    coded = pd.DataFrame(
        {
            "sex": (frame["sex"] == "Male").astype(float),
            "race": frame["race"].map({r: float(i) for i, r in enumerate("ABCDE")}),
            "label": frame["label"].astype(float),
        }
    )
    truth = BinaryLabelDataset(
        df=coded, label_names=["label"], protected_attribute_names=["sex", "race"], favorable_label=1.0,
        unfavorable_label=0.0,
    )  # fmt: skip
    decided = truth.copy()
    decided.labels = frame[["decision"]].to_numpy(dtype=float)
    groups = [{"sex": sex, "race": float(race)} for sex in (0.0, 1.0) for race in range(5)]
    for group in groups:
        others = [g for g in groups if g != group]
        metric = ClassificationMetric(truth, decided, unprivileged_groups=others, privileged_groups=[group])
        metric.selection_rate(privileged=True)
        metric.accuracy(privileged=True)
        metric.true_positive_rate(privileged=True)
        metric.false_positive_rate(privileged=True)


def timed(work: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Median seconds and peak MiB of traced allocations (measured in a run of its own, which tracing slows)."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return statistics.median(seconds), peak / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[30_000, 1_000_000])
    parser.add_argument("--peer-draws", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--aif360", action="store_true")
    parser.add_argument("--only-vectorised", action="store_true")
    args = parser.parse_args()
    ours(people(1000))
    print("| rows | ours, CPU s | vectorised, the same figures | ratio | vectorised, four rates and gaps | ratio |")
    print("|---|---|---|---|---|---|")
    for rows in args.rows:
        print(compare(rows, args.repeats), flush=True)
    if args.only_vectorised:
        return
    print()
    print("| rows | ours s | ours MiB | fairlearn s a draw | fairlearn s for 2,000 draws (extrapolated) | ratio |")
    print("|---|---|---|---|---|---|")
    for rows in args.rows:
        frame = people(rows)
        mine, memory = timed(lambda frame=frame: ours(frame), args.repeats)
        draws = args.peer_draws if rows <= 100_000 else max(1, args.peer_draws // 3)
        start = time.perf_counter()
        theirs(frame, 0)
        fixed = time.perf_counter() - start
        start = time.perf_counter()
        theirs(frame, draws)
        each = (time.perf_counter() - start - fixed) / draws
        whole = each * DRAWS
        print(f"| {rows:,} | {mine:.3f} | {memory:.0f} | {each:.2f} | {whole:,.0f} | {whole / mine:,.0f} |", flush=True)
    if args.aif360:
        print("\n| rows | ours s, all figures | AIF360 s, four rates, no interval | ratio | 2,000 of it over ours |")
        print("|---|---|---|---|---|")
        for rows in args.rows:
            frame = people(rows)
            mine, _ = timed(lambda frame=frame: ours(frame), args.repeats)
            start = time.perf_counter()
            aif360(frame)
            once = time.perf_counter() - start
            print(
                f"| {rows:,} | {mine:.3f} | {once:.2f} | {once / mine:.1f} | {once * DRAWS / mine:,.0f} |", flush=True
            )
    print(f"\n{args.peer_draws} draws of the peer were timed at the smaller size, a third of that at the larger.")


if __name__ == "__main__":
    main()
