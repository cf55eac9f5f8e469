"""Whole audits without any difference: how many of 100 have an adjusted p-value of .05 or less anywhere.

    python bench/coverage.py --only whole scored [--runs 40]

Every rate, score and gap of an audit counts. Seeded by row.
"""

from __future__ import annotations

import sys
import time
import zlib
from collections.abc import Sequence

import numpy as np

from audit.cube import CodedRows, Meaning, cube_of, margins_of
from audit.gaps import Settings
from audit.measure import measure

SIZES = ((2, 10), (2, 2000), (3, 100), (10, 60))
SCORED = ((2, 10), (2, 400), (3, 100), (10, 25))
"""Groups and people in each; a scored audit of thousands of people takes seconds."""
COUNTED = ("one row each", "weights", "1 to 20 rows each", "1 to 20 rows each, weights")
SCORES = ("scores", "scores, weights", "scores, 1 to 20 rows each")
DRAWS = 400


def audit(rng: np.random.Generator, groups: int, size: int, kind: str, seed: int) -> bool:
    """Whether an audit of groups that differ in nothing finds a difference."""
    people = groups * size
    taste = rng.random((people, 2)) < (0.3, 0.4)
    who = np.repeat(np.arange(people), rng.integers(1, 21, people) if "rows each" in kind[2:] else 1)
    answer = np.where(rng.random((len(who), 2)) < 0.8, taste[who], rng.random((len(who), 2)) < (0.3, 0.4))
    score = None
    if "scores" in kind:
        score = np.clip(rng.beta(0.5, 4, people)[who] + 0.02 * rng.standard_normal(len(who)), 0, 1)
        answer[:, 1] = rng.random(len(who)) < np.clip(0.1 + 1.5 * score, 0, 1)
        answer[:, 0] = score >= 0.1
    weight = None
    if "weights" in kind:
        weight = np.exp(rng.normal(0, 0.6, people)[who] + 0.5 * (taste[who, 0] if score is None else answer[:, 1]))
    coded = CodedRows(
        ("g",), (tuple(f"g{i}" for i in range(groups)),), (who % groups)[:, None], answer[:, 1].astype(np.int64),
        answer[:, 0].astype(np.int64), weight, score, Meaning("1", "0", "1"),
        cluster=who if "rows each" in kind[2:] else None,
    )  # fmt: skip
    found = measure(margins_of(cube_of(coded))[0], Settings(seed=seed, draws=DRAWS))
    return any(g.p_adjusted is not None and g.p_adjusted <= 0.05 for g in found.gaps)


def whole(runs: int, kinds: Sequence[str] = COUNTED) -> str:
    out = ["| rows | groups | people each | audits | with a false finding | error |", "|---|---:|---:|---:|---:|---:|"]
    for kind in kinds:
        total = false = 0
        for groups, size in SCORED if "scores" in kind else SIZES:
            rng = np.random.default_rng(zlib.crc32(repr(("whole", groups, size, kind)).encode()))
            began, here = time.process_time(), sum(audit(rng, groups, size, kind, run) for run in range(runs))
            total, false = total + runs, false + here
            out.append(_line(kind, str(groups), f"{size:,}", runs, here))
            print(out[-1], f"{time.process_time() - began:.0f} s", file=sys.stderr, flush=True)
        out.append(_line(f"**{kind}**", "all", "", total, false))
    return "\n".join(out)


def _line(kind: str, groups: str, size: str, runs: int, false: int) -> str:
    share = false / runs
    error = 100 * np.sqrt(max(share, 0.05) * (1 - share) / runs)
    return f"| {kind} | {groups} | {size} | {runs:,} | {100 * share:.1f} | {error:.1f} |"
