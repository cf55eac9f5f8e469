"""Groups whose people stand in several rows, compared: nobody looks surer than the likeness of all rows allows.

References: the analysis of variance by rows, and seeded audits of groups that differ in nothing.
"""

from __future__ import annotations

import numpy as np
import pytest

from audit.cube import CodedRows, Margin, Meaning, cube_of
from audit.fractions import effective, fractions
from audit.metrics import metrics_for
from audit.stats import effective_size, holm, largest_gap, shared_size
from audit.stats.design import _likeness

MEANING = Meaning("1", "0", "1")


def audited(rng: np.random.Generator, sizes: tuple[int, ...], rows: np.ndarray, alike: float = 0.8) -> Margin:
    """Groups that differ in nothing: `rows` of each person, a share `alike` of whose answers is one answer."""
    group = np.repeat(np.arange(len(sizes)), sizes)
    taste = rng.random((len(group), 2)) < (0.3, 0.4)
    who = np.repeat(np.arange(len(group)), rows)
    by_chance = rng.random((len(who), 2)) < (0.3, 0.4)
    answer = np.where(rng.random((len(who), 2)) < alike, taste[who], by_chance).astype(np.int64)
    names = (tuple(f"g{i}" for i in range(len(sizes))),)
    return cube_of(
        CodedRows(("g",), names, group[who][:, None], answer[:, 1], answer[:, 0], None, None, MEANING, cluster=who)
    ).margin(("g",))


def found(margin: Margin, seed: int) -> bool:
    """Whether any rate has a gap, adjusted over all rates."""
    metrics = [m for m in metrics_for(MEANING) if not m.name.startswith(("false_n", "true_n", "false_d", "false_o"))]
    counts = effective(margin, metrics)
    p = [largest_gap([counts[m.name]], seed=seed, draws=300).p_value for m in metrics]
    return bool((holm(np.array([v for v in p if v is not None])) <= 0.05).any())


def test_audits_without_a_difference_have_few_findings() -> None:
    """1 to 20 rows a person: by each group's own variance alone 9 of 100 had a finding (docs/coverage.md)."""
    runs, false = 80, 0
    for sizes in ((25,) * 10, (12, 12, 50, 200, 400)):
        rng = np.random.default_rng(len(sizes))
        for seed in range(runs):
            false += found(audited(rng, sizes, rng.integers(1, 21, sum(sizes))), seed)
    assert false / (2 * runs) <= 0.05


@pytest.mark.parametrize("alike", [0.0, 0.5, 0.8, 1.0])
def test_the_likeness_is_that_of_the_rows(alike: float) -> None:
    """Two rows of a person agree as often as alike ** 2 says: correlation by definition."""
    rng = np.random.default_rng(5)
    sizes, rows = (150, 150, 300), rng.integers(1, 9, 600)
    margin = audited(rng, sizes, rows, alike)
    x, n, _ = fractions(margin, metrics_for(MEANING)[0])
    up, down = x, n - x
    metric = metrics_for(MEANING)[0]
    hit, miss = metric.numerator, metric.denominator & ~metric.numerator
    assert margin.clusters is not None
    squares = tuple(margin.clusters.within(a, b) for a, b in ((hit, hit), (hit, miss), (miss, miss)))
    cost = _likeness(up, down, squares, n, n, n > 0)
    m = np.array([(rows[a:b] ** 2).sum() / rows[a:b].sum() for a, b in ((0, 150), (150, 300), (300, 600))])
    assert cost == pytest.approx(1 + (m - 1) * alike**2, rel=0.1)
    assert (shared_size(up, down, squares, n, n) <= effective_size(up, down, squares, n, n) * (1 + 1e-12)).all()


def test_who_has_one_row_keeps_every_bit() -> None:
    """A group of people with one row each beside others with many."""
    rng = np.random.default_rng(2)
    rows = np.concatenate([np.ones(40, dtype=int), rng.integers(1, 21, 80)])
    margin = audited(rng, (40, 40, 40), rows)
    for metric in metrics_for(MEANING):
        _, n, _ = fractions(margin, metric)
        _, people = effective(margin, [metric])[metric.name]
        assert people[0] == n[0]
        assert (people[1:] < n[1:]).all()
