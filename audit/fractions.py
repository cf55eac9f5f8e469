"""From the cells of a margin to rates: numerator, denominator, and how many independent rows each is worth."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from audit import stats
from audit.cube import Floats, Margin
from audit.metrics import Metric
from audit.numbers import many

Sums = tuple[tuple[Floats, Floats, Floats], Floats, Floats]
SELECTIVE = 0.05
"""Share of a group from which on a decision without any known outcome leaves a rate unidentified."""


def fractions(margin: Margin, metric: Metric) -> tuple[Floats, Floats, Floats]:
    """Numerator, denominator and effective denominator of each group, each (G,).

    Without weights these are counts; with weights sums of weights. The effective denominator is how many independent
    rows the rate is worth (audit.stats.design): the denominator itself where rows are people without weights. None is
    to be written to.
    """
    if not margin.weighted and margin.clusters is None:
        return _fractions(margin, metric)
    return _kept(margin, metric.name, metric.numerator.tobytes(), metric.denominator.tobytes(), False)


@lru_cache(maxsize=64)
def _kept(margin: Margin, name: str, up: bytes, of: bytes, shared: bool) -> tuple[Floats, Floats, Floats]:
    """Of weights and repeated people, whose sums several tables ask for: rates, gaps, pairs and power."""
    numerator, denominator = (np.frombuffer(v, dtype=bool).reshape(3, 2) for v in (up, of))
    metric = Metric(name, numerator, denominator, "", "", "", "", "")
    arrays = _of_all(margin, metric) if shared else _fractions(margin, metric)
    for a in arrays:
        a.flags.writeable = False
    return arrays


def _fractions(margin: Margin, metric: Metric) -> tuple[Floats, Floats, Floats]:
    x, n, sums = _sums(margin, metric)
    if sums is None:
        return x, n, n
    effective = stats.effective_size(x, n - x, *sums)
    return x, n, effective if margin.weighted else np.where(margin.people == margin.rows, n, effective)


def _sums(margin: Margin, metric: Metric) -> tuple[Floats, Floats, Sums | None]:
    """Numerator and denominator of each group, and what else `stats.effective_size` asks for; None for plain counts."""
    x = (margin.w * metric.numerator).sum(axis=(1, 2))
    n = (margin.w * metric.denominator).sum(axis=(1, 2))
    hidden = _hidden(margin, metric)
    x, n = np.where(hidden, 0.0, x), np.where(hidden, 0.0, n)
    single = margin.people == margin.rows
    if not margin.weighted and single.all():
        return x, n, None
    up, down = metric.numerator, metric.denominator & ~metric.numerator
    xx, xf, ff = (margin.w2 * up).sum(axis=(1, 2)), np.zeros_like(n), (margin.w2 * down).sum(axis=(1, 2))
    row_squares = xx + ff
    if margin.clusters is not None and margin.clusters.counted:
        together = (margin.clusters.within(a, b) for a, b in ((up, up), (up, down), (down, down)))
        xx, xf, ff = (np.where(single, a, b) for a, b in zip((xx, xf, ff), together, strict=True))
    rows = np.where(hidden, 0, (margin.n * metric.denominator).sum(axis=(1, 2))).astype(np.float64)
    return x, n, ((xx, xf, ff), rows, row_squares)


def _shared(margin: Margin, metric: Metric) -> tuple[Floats, Floats, Floats]:
    """`fractions` for gaps and their tests: effective numbers that lean on all groups together."""
    if not margin.weighted and not repeated(margin):
        return fractions(margin, metric)
    return _kept(margin, metric.name, metric.numerator.tobytes(), metric.denominator.tobytes(), True)


def _of_all(margin: Margin, metric: Metric) -> tuple[Floats, Floats, Floats]:
    x, n, sums = _sums(margin, metric)
    assert sums is not None  # of weights or of people in several rows
    shared = stats.shared_size(x, n - x, *sums)
    return x, n, shared if margin.weighted else np.where(margin.people == margin.rows, n, shared)


def correlations(margin: Margin, metric: Metric) -> Floats | None:
    """Correlations (G, G) of the groups' rates, of people who have rows in several groups; None where nobody has."""
    if margin.clusters is None or not margin.clusters.counted:
        return None
    x, n, _ = fractions(margin, metric)
    p = np.divide(x, n, out=np.zeros_like(x), where=n > 0)
    scores = (metric.numerator.ravel() - p[:, None] * metric.denominator.ravel()).astype(np.float64)
    across = margin.clusters.between(scores)
    if across is None:
        return None
    up, down = metric.numerator, metric.denominator & ~metric.numerator
    xx, xf, ff = (margin.clusters.within(a, b) for a, b in ((up, up), (up, down), (down, down)))
    error = np.sqrt(stats.linearised_variance(x, n - x, (xx, xf, ff))) * n
    scale = np.outer(error, error)
    correlation = np.clip(np.divide(across, scale, out=np.zeros_like(across), where=scale > 0), -1.0, 1.0)
    # What few people share is little known, and two who answer alike in both groups are no proof that all do: as if two
    # more had been seen whose answers are not alike (as Agresti & Min 2005 do for matched pairs).
    people = margin.clusters.people
    fewer = np.minimum.outer(people, people)
    correlation = np.where(correlation > 0, correlation * fewer / (fewer + 2), correlation)
    np.fill_diagonal(correlation, 1.0)
    return correlation


def joints(margin: Margin, metrics: Sequence[Metric]) -> dict[str, Floats | None]:
    """Of each rate the correlations (G, G) of the groups, or None; see `correlations`."""
    return {m.name: correlations(margin, m) for m in metrics}


def effective(margin: Margin, metrics: Sequence[Metric]) -> dict[str, tuple[Floats, Floats]]:
    """Of each rate, successes and people of each group as gaps and their tests take them, each (G,)."""
    out = {}
    for metric in metrics:
        x, n, people = _shared(margin, metric)
        # Where rows are people the counts themselves, so that a rate and its complement are exactly that.
        spread = np.divide(x, n, out=np.zeros_like(x), where=n > 0) * people
        out[metric.name] = (np.where(people == n, x, spread), people)
    return out


def repeated(margin: Margin) -> bool:
    """Whether a person stands in several rows of a group."""
    return bool((margin.people != margin.rows).any())


def _hidden(margin: Margin, metric: Metric) -> npt.NDArray[np.bool_]:
    """(G,) where `one_sided` has a reason."""
    if not metric.needs_label or not metric.denominator.any(axis=0).all():
        return np.zeros(len(margin.groups), dtype=bool)
    people, known = margin.n.sum(axis=1), margin.n[:, :2].sum(axis=1)
    silent = (known == 0) & (known[:, ::-1] > 0) & (people > SELECTIVE * people.sum(axis=1)[:, None])
    hidden: npt.NDArray[np.bool_] = silent.any(axis=1)
    return hidden


def one_sided(margin: Margin, g: int, metric: Metric) -> str | None:
    """Why a rate over both decisions is not identified: outcomes are known for one of the two decisions only.

    Selective labels (Lakkaraju et al. 2017): of people who were refused nobody knows what would have become. Holds
    where the decision without outcomes is more than SELECTIVE of the group.
    """
    if not metric.needs_label or not metric.denominator.any(axis=0).all():
        return None
    n = margin.n[g]
    people, known = n.sum(axis=0), n[:2].sum(axis=0)
    for side in (0, 1):
        if known[side] == 0 and known[1 - side] > 0 and people[side] > SELECTIVE * people.sum():
            name = margin.meaning.positive if side else margin.meaning.negative
            return (
                f"outcomes are known for 0 of {many(int(people[side]), 'person')} decided {name!r}: selective "
                "labels, the rate is not identified"
            )
    return None
