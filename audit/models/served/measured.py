"""What is measured of the service itself: does it answer alike when it is asked again, and how long do people wait?

Up to 200 people, drawn by a fixed seed, are asked about together, again together in the reverse order, and each alone.
Only those asked about alone have a waiting time of their own: a batch's is everybody's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import numpy.typing as npt

from audit.numbers import are, brief, many
from audit.suppress import FLOOR

if TYPE_CHECKING:
    from audit.models.served.line import Raw

ROWS = 200
ALIKE = 1e-9
"""Scores that are no farther apart are called alike: batches are added up in another order."""


def drawn(rows: int) -> npt.NDArray[np.int64]:
    """The places of the people who are asked about again, in order."""
    if rows <= ROWS:
        return np.arange(rows, dtype=np.int64)
    return np.sort(np.random.default_rng(0).choice(rows, ROWS, replace=False)).astype(np.int64)


def apart(one: Raw, other: Raw) -> tuple[int, int, float]:
    """How many rows differ at all, how many in the decision, and the largest difference of a score."""
    n = len(one.decided or ()) if one.scores is None else len(one.scores)
    decided = np.zeros(n, dtype=bool)
    if one.decided is not None and other.decided is not None:
        decided = np.array([a != b for a, b in zip(one.decided, other.decided, strict=True)], dtype=bool)
    score = np.zeros(n)
    if one.scores is not None and other.scores is not None:
        score = np.abs(one.scores - other.scores).reshape(n, -1).max(axis=1, initial=0.0)
    return int((decided | (score > ALIKE)).sum()), int(decided.sum()), float(score.max(initial=0.0))


class Unlike(msgspec.Struct, frozen=True):
    """Of people asked twice: how many answers differ at all, how many in the decision, and scores by how much."""

    differ: int
    decided: int
    largest: float


class Alike(msgspec.Struct, frozen=True):
    """Whether people asked again, in the reverse order and each alone, were answered alike: `alike` of a document."""

    rows: int
    again: Unlike
    alone: Unlike


class Probe(msgspec.Struct, frozen=True, tag_field="kind", tag="probe"):
    """The same as it is kept, with the place of each person, how long the answer took, and how often it was asked."""

    key: str
    time: str
    rows: int
    places: tuple[int, ...]
    seconds: tuple[float, ...]
    attempts: tuple[int, ...]
    again: Unlike
    alone: Unlike


def finding(entry: Mapping[str, Any]) -> str | None:
    """In a sentence, where the endpoint did not answer alike; entry: `alike` of evidence.json."""
    probe = msgspec.convert(entry, Alike)
    worst = max((probe.again, probe.alone), key=lambda p: (p.differ, p.largest))
    if not worst.differ:
        return None
    how = "alone and in a batch" if worst is probe.alone else "again in the reverse order"
    return (
        f"The endpoint does not answer alike: asked {how}, {worst.differ} of {many(probe.rows, 'person')} "
        f"{are(worst.differ, 'was', 'were')} answered otherwise, {worst.decided} of them with another decision; scores "
        f"lie up to {brief(worst.largest, 3)} apart. Every figure of this audit holds for the answers that were given, "
        "and not for the next ones."
    )


def seconds(durations: Sequence[float]) -> dict[str, Any]:
    """Median and 99th percentile in milliseconds (order statistics, no interpolation), and how many."""
    ordered = np.sort(np.asarray(durations, dtype=np.float64)) * 1000
    n = len(ordered)

    def at(share: float) -> float | None:
        return round(float(ordered[min(n - 1, int(np.ceil(share * n)) - 1)]), 3) if n else None

    return {"requests": n, "p50_ms": at(0.5), "p99_ms": at(0.99)}


def by_group(probe: Probe, groups: Mapping[str, npt.NDArray[np.str_]], alpha: float = 0.05) -> list[dict[str, Any]]:
    """How long people of each group waited, and how many were asked about more than once because of an error.

    groups: the group of every person of the audit, by attribute. The interval of the median is by order statistics
    (Conover, Practical Nonparametric Statistics, 3.2), that of the share by Wilson. Under 10 people: none, and why.
    """
    from audit.stats.intervals import wilson  # here: `finding`, for documents, needs no statistics

    place = np.asarray(probe.places, dtype=np.int64)
    wait = np.asarray(probe.seconds, dtype=np.float64) * 1000
    again = np.asarray(probe.attempts, dtype=np.int64) > 1
    out = []
    for attribute, names in groups.items():
        mine = names[place]
        for name in sorted(set(names.tolist())):
            here = mine == name
            n = int(here.sum())
            entry: dict[str, Any] = {"attribute": [attribute], "group": [str(name)]}
            if n < FLOOR:
                out.append(entry | {"estimable": False, "reason": f"fewer than {FLOOR} of those asked about alone"})
                continue
            low, high = _around(np.sort(wait[here]), alpha)
            share = [float(limit) for limit in wilson(int(again[here].sum()), n, alpha)]
            out.append(
                entry
                | {
                    "rows": n, "p50_ms": round(float(np.median(wait[here])), 3), "low": round(low, 3),
                    "high": round(high, 3), "interval": "order statistics", "asked_again": int(again[here].sum()),
                    "asked_again_low": round(share[0], 6), "asked_again_high": round(share[1], 6), "estimable": True,
                    "reason": None,
                }
            )  # fmt: skip
    return out


def _around(ordered: npt.NDArray[np.float64], alpha: float) -> tuple[float, float]:
    """An interval for the median with at least 1 - alpha, whatever the distribution."""
    from scipy.stats import binom

    n = len(ordered)
    k = int(binom.ppf(alpha / 2, n, 0.5))
    return float(ordered[max(k - 1, 0)]), float(ordered[min(n - k, n - 1)])
