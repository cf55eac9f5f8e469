"""Of single rates no simulation is needed: how often Wilson's limits hold a rate is a sum over the binomial law.

python bench/coverage.py --only exact
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from scipy.stats import binom

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from audit.stats import wilson

EXACT = "## Single rates, by enumeration"
PEOPLE = (5, 10, 20, 29, 30, 50, 100, 400, 2000)
NAMED = (0.1, 0.3, 0.5)
RATES = np.linspace(0.05, 0.95, 901)
LEAST = 0.93
TRUE = 1e-12


def holds(people: int, rates: np.ndarray) -> np.ndarray:
    """Of each rate the chance that the interval of so many people holds it."""
    x = np.arange(people + 1)
    low, high = wilson(x, np.full(people + 1, people))
    inside = (low[:, None] <= rates + TRUE) & (rates <= high[:, None] + TRUE)
    return np.asarray((binom.pmf(x[:, None], people, rates) * inside).sum(axis=0))


def exact_section(runs: int, command: str) -> str:
    """`runs` are none."""
    heads = ["people", *(f"rate {r:g}" for r in NAMED), "mean of rates", "least", "rates held in under 93"]
    out = [f"| {' | '.join(heads)} |", "|" + "---:|" * len(heads)]
    for people in PEOPLE:
        share = holds(people, RATES)
        cells = [*holds(people, np.array(NAMED)), share.mean(), share.min(), (share < LEAST).mean()]
        out.append(f"| {people:,} | {' | '.join(f'{100 * c:.1f}' for c in cells)} |")
    return f"""{EXACT}

Made by `{command}`, without chance: the binomial law summed over every count. In how many of 100 samples Wilson's
limits hold the true rate: at three rates, and over all rates from .05 to .95. Counts are coarse, so that a limit holds
one rate a little more often than the next, and no limits hold each in just 95 (Brown, Cai & DasGupta 2001 advise
Wilson's for what they hold on average).

{chr(10).join(out)}
"""
