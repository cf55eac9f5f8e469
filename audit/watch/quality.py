"""Is the feed whole? A broken feed is an incident, never a reason to retrain; nor are outcomes that mislead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from msgspec import structs

from audit.cube import UNLABELLED, CodedRows
from audit.load.values import coded
from audit.numbers import are, brief, many, percent
from audit.watch.summaries import Feature, Part

FEW = 50
"""Under so many rows a batch is too small to say that it is broken."""


def feed_problem(reference: Mapping[str, Feature], frame: pd.DataFrame, sensitive: Sequence[str]) -> str | None:
    """One sentence on what is broken in a batch against the reference rows, or None."""
    n = len(frame)
    lost = [f for f in [*reference, *sensitive] if f not in frame.columns]
    if lost:
        return f"the column {lost[0]!r} is missing."
    if n < FEW:
        return None
    for name in sensitive:
        if frame[name].isna().all():
            return f"nobody has a value in the sensitive column {name!r}."
    for feature, kept in reference.items():
        if problem := _column(feature, kept, frame[feature]):
            return problem
    if not reference:
        return None
    usual = max(kept.copies or 0.0 for kept in reference.values())
    copies = _copies(frame[list(reference)], max(n if k.size is None else k.size for k in reference.values()))
    if copies > usual + 0.3:
        return f"{percent(copies, 0)} of its rows are copies of others; {percent(usual, 0)} were usual."
    return None


def with_usual_copies(reference: Mapping[str, Feature], frames: Sequence[pd.DataFrame]) -> dict[str, Feature]:
    """With the largest share of rows that are copies in good batches, and the size of the largest batch."""
    shares = [float(f[list(reference)].duplicated().mean()) for f in frames if reference and len(f)]
    copies, size = max(shares, default=0.0), max((len(f) for f in frames), default=0)
    return {k: structs.replace(v, copies=copies, size=size) for k, v in reference.items()}


def _copies(frame: pd.DataFrame, size: int) -> float:
    """The share of rows that are copies. Larger batches have more by nature: then within so many rows as before."""
    n = len(frame)
    if size <= 0 or n <= 1.5 * size:
        return float(frame.duplicated().mean())
    return max(float(frame.iloc[a : a + size].duplicated().mean()) for a in range(0, n - size + 1, size))


def _column(feature: str, kept: Feature, column: pd.Series) -> str | None:
    part = kept.everyone
    gone = float(column.isna().mean())
    before = kept.gone / max(part.n, 1)
    if gone > 0.5 and gone > before + 0.25:
        return f"{percent(gone, 0)} of {feature!r} is missing, where it was {percent(before, 0)}."
    if kept.numeric:
        return _type_change(feature, part, column)
    known = set(part.counts)
    codes, names = coded(column.dropna())
    strange = float(np.array([n not in known for n in names])[codes].mean()) if names else 0.0
    return f"{percent(strange, 0)} of {feature!r} are values never seen before." if strange > 0.5 else None


def _type_change(feature: str, part: Part, column: pd.Series) -> str | None:
    if not pd.api.types.is_numeric_dtype(column):
        return f"{feature!r} was a number and is text now."
    old = np.asarray(part.values or [], dtype=np.float64)
    new = column.dropna().to_numpy(dtype=np.float64)
    if len(old) < FEW or len(new) == 0:
        return None
    common = float(np.unique(old, return_counts=True)[1].max()) / len(old)
    if len(np.unique(new)) == 1 and common ** len(new) < 1e-9:
        return f"{feature!r} is {brief(new[0])} for everyone, where it used to differ."
    outside = float(((new < old[0]) | (new > old[-1])).mean())
    if outside > 0.5:
        return (
            f"{percent(outside, 0)} of {feature!r} lie outside everything seen before ({brief(old[0])} to "
            f"{brief(old[-1])})."
        )
    return None


def outcome_problem(rows: CodedRows, base_rate: float | None) -> str | None:
    """Why the outcomes of a batch that is due cannot be used, or None. base_rate: positive outcomes at first."""
    known = rows.label != UNLABELLED
    n, have = len(known), int(known.sum())
    if n == 0:
        return None
    if have < 0.5 * n:
        return f"only {have:,} of {many(n, 'outcome')} {are(have)} known although all are due."
    if n >= FEW and have < n and (problem := _by_decision(rows, known)):
        return problem
    if have >= FEW and base_rate is not None and 0 < base_rate < 1:
        return _jump(float(rows.label[known].mean()), have, base_rate)
    return None


def _by_decision(rows: CodedRows, known: npt.NDArray[np.bool_]) -> str | None:
    """Are outcomes known for one decision more often than for the other?"""
    shares = []
    for decision in (0, 1):
        mine = rows.decision == decision
        if mine.sum() >= 20:
            shares.append((float(known[mine].mean()), int(mine.sum())))
    if len(shares) < 2:
        return None
    (a, na), (b, nb) = shares
    pooled = int(known.sum()) / len(known)
    spread = np.sqrt(pooled * (1 - pooled) * (1 / na + 1 / nb))
    if abs(a - b) > 0.1 and abs(a - b) > 4 * spread:
        return (
            f"outcomes are known for {percent(b, 0)} of those decided one way and {percent(a, 0)} of the "
            "others: error rates among the known would mislead."
        )
    return None


def _jump(positive: float, have: int, base_rate: float) -> str | None:
    """Is the share of positive outcomes one that chance does not explain? have: how many are known."""
    chance = (1 - base_rate) if positive == 0 else base_rate if positive == 1 else 1.0
    if chance**have < 1e-6:
        return "all outcomes are the same, as when follow-up is not finished."
    spread = np.sqrt(base_rate * (1 - base_rate) / have)
    if abs(positive - base_rate) > max(0.25, 6 * spread):
        return (
            f"{percent(positive, 0)} of outcomes are positive, where it was {percent(base_rate, 0)}: a jump like "
            "this in one batch is looked at by a person before anything is learned from it."
        )
    return None
