"""Parametric draws of the groups' rates, made once for the gap of all groups and for its pairs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from audit.stats.widest import widest

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """Of each draw and group how far its rate is off, and that rate's variance, both (G, draws); then the generator's
    state, from which other draws of the same seed go on."""

    off: Floats
    variance: Floats
    joint: Floats | None
    state: dict[str, Any]


def canonical(x: Floats, n: Floats, often: Whole | None = None) -> tuple[Whole, Floats]:
    """One order and one side, so that groups renamed, or a rate turned into its complement, meet the same draws.

    often (G,): of groups alike in all else, those with the least of it come first.
    """
    sides = []
    for y in (x, n - x):
        order = np.lexsort((y, n) if often is None else (often, y, n))
        sides.append((float(y.sum()), tuple(y[order].tolist()), order))
    _, counts, order = min(sides, key=lambda side: side[:2])
    return order, np.array(counts)


@lru_cache(maxsize=2)
def draws_of(x_bytes: bytes, n_bytes: bytes, seed: int, draws: int, joint_bytes: bytes) -> Draws:
    """x of n (G,) as `canonical` has them; joint (G, G) correlations or nothing."""
    x, n = np.frombuffer(x_bytes), np.frombuffer(n_bytes)
    joint = np.frombuffer(joint_bytes).reshape(len(n), len(n)) if joint_bytes else None
    whole = np.maximum(np.rint(n).astype(np.int64), 1)
    centre = (x + 0.5) / (n + 1)
    rng = np.random.default_rng(seed)
    drawn = (
        rng.binomial(whole, centre, size=(draws, len(n)))
        if joint is None
        else together(whole, centre, joint, rng, draws)
    )
    many = (whole + 1)[:, None]
    share = (np.ascontiguousarray(drawn.T) + 0.5) / many
    off = share - (whole * centre + 0.5)[:, None] / many
    return Draws(off, share * (1 - share) / many, joint, dict(rng.bit_generator.state))


@lru_cache(maxsize=64)
def largest_of(
    x_bytes: bytes, n_bytes: bytes, pairs_bytes: bytes, seed: int, draws: int, above: float, joint_bytes: bytes
) -> Floats:
    """Of each draw the largest studentised deviation over the pairs; see `audit.stats.widest`."""
    sample = draws_of(x_bytes, n_bytes, seed, draws, joint_bytes)
    pairs = np.frombuffer(pairs_bytes, dtype=np.int64).reshape(2, -1)
    largest = widest(sample.off, sample.variance, pairs, above, joint=sample.joint)
    largest.flags.writeable = False
    return largest


def together(whole: Whole, rate: Floats, joint: Floats, rng: np.random.Generator, draws: int) -> Floats:
    """Binomial draws (draws, G) with about these correlations: a normal copula."""
    values, vectors = np.linalg.eigh(joint)
    # The symmetric root is one and the same whatever signs and order the eigenvectors come in; so no rounding of the
    # last digit, as of rows in another order, draws other numbers.
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    normal = rng.standard_normal((draws, len(whole))) @ root
    from scipy.stats import binom  # here, since it takes a second to load

    counts: Floats = binom.ppf(ndtr(normal), whole, rate)
    return counts
