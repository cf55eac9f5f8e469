"""How often the bound on what more search could gain covers, in planted searches stopped where it looks worst.

    python bench/search_bound.py [--runs 2000] [--most 200] [--seed 16]

Planted: the gaps of candidates are drawn from a law that is known, so that the share of better candidates, and what one
more draw gains on average, are known (the Beta law of SciPy). A run counts as covered only where the bound
holds at every size at which the search could have been stopped. The naive bound, for one size alone, stands beside it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from scipy.stats import beta

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from debias.search_bound import ALPHA, better_share

LAWS = {"even": (1.0, 1.0), "most are bad": (6.0, 2.0), "most are good": (0.3, 4.0), "all alike": (60.0, 60.0)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--most", type=int, default=200, help="candidates of a search")
    parser.add_argument("--seed", type=int, default=16)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    sizes = np.arange(1, args.most + 1)
    share = np.array([better_share(int(n)) for n in sizes])
    naive = 1 - ALPHA ** (1 / sizes)
    grid = np.linspace(0, 1, 20_001)
    print(f"| law of gaps | share covered, of {args.runs} | gain covered | by the bound for one size alone |")
    print("|---|---|---|---|")
    for name, law in LAWS.items():
        # E max(best - gap, 0), the integral of the distribution up to the best.
        below = beta.cdf(grid, *law)
        gained = np.concatenate([[0.0], np.cumsum((below[1:] + below[:-1]) / 2) * (grid[1] - grid[0])])
        covered = gains = plain = 0
        for _ in range(args.runs):
            best = np.minimum.accumulate(rng.beta(*law, size=args.most))
            truth = beta.cdf(best, *law)
            covered += bool((truth <= share).all())
            gains += bool((np.interp(best, grid, gained) <= share * best + 1e-12).all())
            plain += bool((truth <= naive).all())
        print(f"| {name} | {covered / args.runs:.3f} | {gains / args.runs:.3f} | {plain / args.runs:.3f} |", flush=True)


if __name__ == "__main__":
    main()
