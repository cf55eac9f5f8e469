"""Tests of scores where one person stands in several rows: groups that differ in nothing are told apart in 5 of 100
audits and not in 30, by simulation.
"""

from __future__ import annotations

import numpy as np
import pytest

from audit.alike import as_people
from audit.cube import CodedRows, Meaning, cube_of, margins_of
from audit.gaps import Settings
from audit.score_rates import score_gaps


def p_values(rng: np.random.Generator, sizes: list[int], weighted: bool, seed: int) -> dict[str, float]:
    """One to twenty rows a person; scores and outcomes of one person are alike, groups differ in nothing."""
    group, people = np.repeat(np.arange(len(sizes)), sizes), sum(sizes)
    who = np.repeat(np.arange(people), rng.integers(1, 21, people))
    score = np.clip(rng.beta(0.5, 4, people)[who] + 0.02 * rng.standard_normal(len(who)), 0, 1)
    taste = np.where(rng.random(len(who)) < 0.8, rng.random(people)[who], rng.random(len(who)))
    label = (taste < np.clip(0.1 + 1.5 * score, 0, 1)).astype(np.int64)
    weight = np.exp(rng.normal(0, 0.6, people)[who] + 0.5 * label) if weighted else None
    names = tuple(f"g{i}" for i in range(len(sizes)))
    rows = CodedRows(
        ("g",), (names,), group[who][:, None], label, (score >= 0.1).astype(np.int64), weight, score,
        Meaning("1", "0", "1"), cluster=who,
    )  # fmt: skip
    margin = as_people(margins_of(cube_of(rows))[0][1])
    result = score_gaps(margin, np.arange(len(sizes)), Settings(seed=seed, draws=200))
    return {m: g.p_value for m, g in result if g.kind == "difference" and g.p_value is not None}


@pytest.mark.parametrize("weighted", [False, True])
def test_people_and_not_rows_are_permuted(weighted: bool) -> None:
    rng, runs = np.random.default_rng(11), 60
    items = [p_values(rng, [12, 12, 50, 150], weighted, run) for run in range(runs)]
    for metric in ("mean_score", "roc_auc"):
        p = np.array([f[metric] for f in items if metric in f])
        assert len(p) >= 0.9 * runs
        assert (p <= 0.05).mean() <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / len(p))
