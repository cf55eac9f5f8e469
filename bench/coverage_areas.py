"""How often the limits of an area under the ROC curve hold the truth; the last table of docs/coverage.md.

    python bench/coverage_areas.py [--runs 2000]

Scores of two normal laws, so that the true area is known.
"""

from __future__ import annotations

import argparse
import sys
import zlib
from pathlib import Path

import numpy as np
from scipy.stats import norm

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from audit.stats import area_interval, area_under_curve

AREAS = (0.5, 0.7, 0.9, 0.97, 0.99)
PEOPLE = ((5, 5), (10, 10), (5, 100), (10, 300), (30, 30), (30, 300), (200, 200))


def covered(truth: float, positives: int, negatives: int, runs: int) -> tuple[float, float, float]:
    """The shares of runs in which Assay's limits and DeLong's plain ones hold the truth; the average width of ours."""
    rng = np.random.default_rng(zlib.crc32(repr((truth, positives, negatives)).encode()))
    ours = plain = 0
    width = 0.0
    for _ in range(runs):
        scores = rng.standard_normal(positives + negatives)
        scores[:positives] += norm.ppf(truth) * np.sqrt(2)
        side = (np.argsort(scores) < positives).astype(float)
        area, low, high, _ = area_interval(side, 1 - side)
        error = area_under_curve(side, 1 - side)[1]
        ours += low <= truth <= high
        plain += area - 1.959964 * error <= truth <= area + 1.959964 * error
        width += high - low
    return ours / runs, plain / runs, width / runs


def areas(runs: int) -> str:
    """The table in Markdown."""
    lines = [
        "| true area | with the outcome | without | limits hold | width | DeLong's plain limits hold |",
        "| ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for truth in AREAS:
        for positives, negatives in PEOPLE:
            ours, plain, width = covered(truth, positives, negatives, runs)
            lines.append(
                f"| {truth:g} | {positives} | {negatives} | {100 * ours:.1f} | {width:.3f} | {100 * plain:.1f} |"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2000)
    print(areas(parser.parse_args().runs))
