"""Whole audits without any difference: how many of 100 have an adjusted p-value of .05 or less anywhere.

    python bench/coverage.py --only whole scored-weights [--runs 200]     # KINDS has all

Every rate, score and gap of an audit counts. Intervals of calibration errors are left out, which are a third of the
work and belong to no test. Seeded by row.
"""

from __future__ import annotations

import sys
import time
import zlib
from collections.abc import Sequence
from unittest.mock import patch

import numpy as np
import numpy.typing as npt

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
KINDS = {
    "whole": "one row each",
    "whole-weights": "weights",
    "whole-people": "1 to 20 rows each",
    "whole-people-weights": "1 to 20 rows each, weights",
    "scored": "scores",
    "scored-weights": "scores, weights",
    "scored-people": "scores, 1 to 20 rows each",
    "scored-people-weights": "scores, 1 to 20 rows each, weights",
}
"""Part of the page -> what the audits are of."""
DRAWS = 400
AIM = 0.05
MORE = 5
"""Times as many audits where more than AIM have a finding, so that chance is told from fault where it matters."""


def audit(rng: np.random.Generator, sizes: Sequence[int], kind: str, seed: int) -> tuple[bool, bool]:
    """Whether an audit of groups that differ in nothing has a finding: of all groups together, and of two named."""
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
    with patch("audit.stats.error_limits", lambda *_: (0.0, 1.0)):
        measures = measure(margins_of(cube_of(coded))[0], Settings(seed=seed, draws=DRAWS))
    two = [g.pair_p_adjusted for g in measures.gaps] + [p.p_adjusted for p in measures.pairs]
    return tuple(any(p is not None and p <= 0.05 for p in of) for of in ([g.p_adjusted for g in measures.gaps], two))  # type: ignore[return-value]


def section(part: str, runs: int, command: str) -> str:
    return f"""{heading(part)}

Made by `{command}`. Of 100 audits of groups that differ in nothing, how many have a finding (adjusted p up to .05)
anywhere: in a test of all groups together, and for two groups that are named. Where more than 5 of 100 have one after
{runs:,} audits, {MORE} times as many are made, and all of them count. "error" is one standard error of the larger
share, taken as of 5 at least. The last row is the mean of the others.

{whole(part, runs)}
"""


def heading(part: str) -> str:
    return f"## Whole audits without a difference: {KINDS[part]}"


def whole(part: str, runs: int) -> str:
    out = [
        "| groups | people each | audits | all groups together | two groups named | error |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    shares, errors, audits = [], [], 0
    for sizes in SIZES:
        rng = np.random.default_rng(zlib.crc32(repr(("whole", sizes, KINDS[part])).encode()))
        began, repeats = time.process_time(), runs
        alarms = np.sum([audit(rng, sizes, KINDS[part], run) for run in range(runs)], axis=0)
        if alarms.max() > AIM * runs:
            repeats = MORE * runs
            alarms = alarms + np.sum([audit(rng, sizes, KINDS[part], run) for run in range(runs, repeats)], axis=0)
        shares.append(alarms / repeats)
        errors.append(error_of(float(shares[-1].max()), repeats))
        audits += repeats
        out.append(_line(str(len(sizes)), sizes_text(sizes), repeats, shares[-1], errors[-1]))
        print(out[-1], f"{time.process_time() - began:.0f} s", file=sys.stderr, flush=True)
    out.append(_line("**mean**", "", audits, np.mean(shares, axis=0), float(np.hypot.reduce(errors)) / len(errors)))
    return "\n".join(out)


def error_of(share: float, runs: int) -> float:
    return float(np.sqrt(max(share, AIM) * (1 - share) / runs))


def sizes_text(sizes: Sequence[int]) -> str:
    if len(set(sizes)) == 1:
        return f"{sizes[0]:,}"
    return ", ".join(f"{n:,}" for n in sizes) if len(sizes) < 6 else f"{min(sizes)} to {max(sizes):,}"


def _line(groups: str, size: str, runs: int, shares: npt.NDArray[np.float64], error: float) -> str:
    cells = " | ".join(f"{100 * share:.1f}" for share in shares)
    return f"| {groups} | {size} | {runs:,} | {cells} | {100 * error:.1f} |"
