"""An audit of ten groups and four metrics with 2,000 draws, against fairlearn's MetricFrame, in one process.

    python bench/audit_speed.py [--rows 30000 1000000] [--peer-draws 5] [--aif360] [--only-vectorised]

Ours measures more than the peer does (eleven rates, thirteen gaps of two kinds, intervals, p-values); it is timed
whole, from columns in memory to the last figure. The peer's bootstrap resamples rows in a loop, so only a few of its
draws are timed and the time of 2,000 is extrapolated from them; the table says so. Memory is the peak of traced
allocations. A table before it sets it beside the bootstrap that a good engineer would write by hand: the rows are
counted once into cells, and all draws of a group are one multinomial; it gives the four rates of the ten groups and
their four largest gaps with percentile intervals, and no p-value. --aif360 adds AIF360 (`pip install --no-deps
aif360`; not a requirement): the same four rates of the ten groups by its ClassificationMetric, without intervals, since
it has none.
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


def beside(rows: int, repeats: int) -> str:
    """Medians of processor seconds, the two sides in turn, and their ratio."""
    frame = people(rows)
    mine, other = [], []
    for _ in range(repeats + 1):
        for seconds, work in ((mine, ours), (other, vectorised)):
            start = time.process_time()
            work(frame)
            seconds.append(time.process_time() - start)
    a, b = statistics.median(mine[1:]), statistics.median(other[1:])
    return f"| {rows:,} | {a:.3f} | {b:.3f} | {a / b:.2f} |"


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
    print("| rows | ours, CPU s | vectorised bootstrap, CPU s | ratio |\n|---|---|---|---|")
    for rows in args.rows:
        print(beside(rows, args.repeats), flush=True)
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
