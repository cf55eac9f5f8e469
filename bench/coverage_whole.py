"""Whole audits without any difference: how many of 100 have an adjusted p-value of .05 or less anywhere.

    python bench/coverage.py --only whole scored [--runs 200]

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

SIZES: tuple[tuple[int, ...], ...] = (
    *((size,) * 2 for size in (10, 30, 400, 2000)),
    *((size,) * 3 for size in (10, 100, 2000)),
    *((size,) * 10 for size in (10, 25, 60, 2000)),
    (12, 2000),
    (12, 12, 50, 200, 400),
    (12, 20, 30, 30, 50, 80, 200, 400, 1000, 2000),
)
"""People in each group."""
COUNTED = ("one row each", "weights", "1 to 20 rows each", "1 to 20 rows each, weights")
SCORES = ("scores", "scores, weights", "scores, 1 to 20 rows each", "scores, 1 to 20 rows each, weights")
DRAWS = 400


def audit(rng: np.random.Generator, sizes: Sequence[int], kind: str, seed: int) -> bool:
    """Whether an audit of groups that differ in nothing finds a difference."""
    group = np.repeat(np.arange(len(sizes)), sizes)
    people = len(group)
    taste = rng.random((people, 2)) < (0.3, 0.4)
    many = "1 to 20" in kind
    who = np.repeat(np.arange(people), rng.integers(1, 21, people) if many else 1)
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
        ("g",), (tuple(f"g{i}" for i in range(len(sizes))),), group[who][:, None], answer[:, 1].astype(np.int64),
        answer[:, 0].astype(np.int64), weight, score, Meaning("1", "0", "1"), cluster=who if many else None,
    )  # fmt: skip
    found = measure(margins_of(cube_of(coded))[0], Settings(seed=seed, draws=DRAWS))
    return any(g.p_adjusted is not None and g.p_adjusted <= 0.05 for g in found.gaps)


def whole(runs: int, kinds: Sequence[str] = COUNTED) -> str:
    out = ["| rows | groups | people each | audits | with a false finding | error |", "|---|---:|---:|---:|---:|---:|"]
    for kind in kinds:
        total = false = 0
        for sizes in SIZES:
            rng = np.random.default_rng(zlib.crc32(repr(("whole", sizes, kind)).encode()))
            began, here = time.process_time(), sum(audit(rng, sizes, kind, run) for run in range(runs))
            total, false = total + runs, false + here
            out.append(_line(kind, str(len(sizes)), said(sizes), runs, here))
            print(out[-1], f"{time.process_time() - began:.0f} s", file=sys.stderr, flush=True)
        out.append(_line(f"**{kind}**", "all", "", total, false))
    return "\n".join(out)


def said(sizes: Sequence[int]) -> str:
    if len(set(sizes)) == 1:
        return f"{sizes[0]:,}"
    return ", ".join(f"{n:,}" for n in sizes) if len(sizes) < 6 else f"{min(sizes)} to {max(sizes):,}"


def _line(kind: str, groups: str, size: str, runs: int, false: int) -> str:
    share = false / runs
    error = 100 * np.sqrt(max(share, 0.05) * (1 - share) / runs)
    return f"| {kind} | {groups} | {size} | {runs:,} | {100 * share:.1f} | {error:.1f} |"
