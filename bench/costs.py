"""What single parts of an audit cost, in processor time: bounds of many groups, exact areas and medians of many scores.

    python bench/costs.py [--rows 1000000] [--groups 200] [--repeats 3]

Bounds are made from the cube, with people of unknown group and three norms (goal: 50 ms). Areas and the median of
scores that are all different are those of the rows, by scikit-learn and NumPy (goal: at most 1 s over scores of 101
values). Best of the repeats.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from audit.bounds import bounds
from audit.cube import CodedRows, Cube, Meaning, cube_of, margins_of
from audit.gaps import Settings
from audit.impact import SCORING, impact_table, median_score
from audit.score_rates import area_of
from audit.values import UNKNOWN

MEANING = Meaning("1", "0", "1")


def best(what: Callable[[], object], repeats: int) -> float:
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        what()
        seconds.append(time.process_time() - start)
    return min(seconds)


def of_bounds(groups: int, repeats: int) -> float:
    rng, rows = np.random.default_rng(0), 50_000
    codes = np.where(rng.random(rows) < 0.005, groups, rng.integers(0, groups, rows))
    names = (*(f"g{i:04d}" for i in range(groups)), UNKNOWN)
    label = np.where(rng.random(rows) < 0.01, 2, rng.integers(0, 2, rows))
    margins = margins_of(
        cube_of(CodedRows(("g",), (names,), codes[:, None], label, rng.integers(0, 2, rows), None, None, MEANING))
    )[0]
    norms = [
        {"metric": "selection_rate", "attribute": ["g"], "kind": kind, "limit": limit}
        for kind, limit in (("difference", 0.5), ("difference", 0.1), ("ratio", 0.3))
    ]
    return best(lambda: bounds(margins, Settings(), norms), repeats)


def of_scores(rows: int, repeats: int) -> tuple[float, float]:
    """Seconds with scores of 101 values, and with scores that are all different."""
    rng = np.random.default_rng(0)
    codes, label = rng.integers(0, 5, (rows, 2)), rng.integers(0, 2, rows)
    score = np.clip(rng.normal(0.4 + 0.2 * label, 0.2, rows), 0, 1)
    levels = (tuple("abcde"), tuple("vwxyz"))

    def cube(scores: np.ndarray) -> Cube:
        decision = (scores >= 0.5).astype(np.int64)
        return cube_of(CodedRows(("g", "h"), levels, codes, label, decision, None, scores, MEANING))

    def both(scores: np.ndarray) -> None:
        margins = margins_of(cube(scores))[0]
        middle = median_score(margins[0])
        assert middle is not None
        for margin in margins:
            impact_table(margin, SCORING, median=middle[0])
            for g in range(len(margin.groups)):
                area_of(margin, g, 0.05)

    everyone = margins_of(cube(score))[0][0]
    median = median_score(everyone)
    assert median is not None
    assert median[0] == float(np.median(score))
    assert abs(area_of(everyone, 0, 0.05)[0] - roc_auc_score(label, score)) < 1e-9
    few = np.round(score, 2)
    return best(lambda: both(few), repeats), best(lambda: both(score), repeats)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--groups", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    print("| what | seconds | goal |\n|---|---:|---|")
    print(f"| bounds of {args.groups:,} groups | {of_bounds(args.groups, args.repeats):.3f} | 0.05 |", flush=True)
    few, many = of_scores(args.rows, args.repeats)
    print(f"| cube, areas, shares above the median; {args.rows:,} rows, scores of 101 values | {few:.2f} | |")
    print(f"| the same, scores all different | {many:.2f} | |\n| more | {many - few:.2f} | 1 |")


if __name__ == "__main__":
    main()
