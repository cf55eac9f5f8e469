"""Performance without outcomes, as calibrated scores expect it: a reason to look, never a word that all is well.

    calibration = open_calibration(score)                        # bins from the first matured scores
    calibration = calibration.add(rows, score)                   # matured batches: outcomes are known; `to_json`
    found = estimate(calibration, rows, score, bounds, alpha=spend(alpha, j))    # for Batch.estimate; None if too early

After CBPE (Bialek et al. 2024, "Estimating model performance under covariate shift without labels"): where a person's
calibrated probability of the positive outcome is p, a positive decision is right with probability p and a negative one
with 1 - p; summed over people these are the expected confusion matrix, per group. Probabilities come from matured rows:
bins of the score, each group's own shares drawn towards everyone's where it has few people, then made to rise with the
score (isotonic regression).

Intervals (delta method) have both sources of error: outcomes not yet drawn, and shares of the bins known from so many
people. `suspect`: some group's expected share of wrong decisions is above its bound even at the lower end, all groups
at once. The bounds are those of audit/watch/harm.py: the source's upper limit plus what is tolerated.

It holds only while people with the same score have the same chance as before (covariate shift). If the meaning of a
score has changed, it sees nothing. So it can move a loop to SUSPECT and no further; not being suspect means nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import msgspec
import numpy as np

from audit.cube import UNLABELLED, CodedRows, Floats, Ints
from audit.errors import DataError
from audit.metrics import ACCURACY, FALSE_POSITIVE_RATE, TRUE_POSITIVE_RATE
from audit.numbers import many
from audit.values import UNKNOWN
from audit.watch.summaries import EVERYONE

BINS = 20
DRAWN = 20
"""A group's share in a bin counts as if so many people more had the share of everyone."""
FEW = 10
"""A bin with fewer matured people than this is not known; people in such bins are counted as `outside`."""
ASSUMPTION = "People with the same score have the same chance as before; if that has changed, this estimate is wrong."

Key = tuple[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """edges (B - 1,) of the score's bins; counts (attribute, group) -> (B, 2): people, and positive outcomes."""

    edges: Floats
    counts: Mapping[Key, Ints]

    def add(self, rows: CodedRows, score: Floats) -> Calibration:
        """With matured rows; those whose outcome is unknown are passed over. score (n,) of the positive value."""
        place = _bin(self.edges, score, len(rows.label))
        known = rows.label != UNLABELLED
        width = len(self.edges) + 1
        out = dict(self.counts)
        for key, mine in _members(rows):
            use = known & mine
            people = np.bincount(place[use], minlength=width)
            good = np.bincount(place[use & (rows.label == 1)], minlength=width)
            out[key] = out.get(key, np.zeros((width, 2), dtype=np.int64)) + np.stack([people, good], axis=1)
        return replace(self, counts=out)

    def people(self, key: Key) -> int:
        """Matured people of one group."""
        return int(self.counts[key][:, 0].sum()) if key in self.counts else 0

    def shares(self, key: Key) -> tuple[Floats, Floats]:
        """The chance of the positive outcome in each bin and the variance of that estimate, (B,) each."""
        from scipy.optimize import isotonic_regression

        n, x = self.counts[(EVERYONE, EVERYONE)].T.astype(np.float64)
        share, weight = (x + 0.5) / (n + 1), n + 1
        if key != (EVERYONE, EVERYONE):
            mine, good = self.counts[key].T.astype(np.float64)
            share, weight = (good + DRAWN * share) / (mine + DRAWN), mine + DRAWN
        rising = np.asarray(isotonic_regression(share, weights=weight).x, dtype=np.float64)
        return rising, rising * (1 - rising) / weight

    def to_json(self) -> dict[str, Any]:
        return {"edges": self.edges.tolist(), "counts": [[*k, v.tolist()] for k, v in self.counts.items()]}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Calibration:
        kept = msgspec.convert(data, _Kept)
        counts = {(a, g): np.array(v, dtype=np.int64) for a, g, v in kept.counts}
        return Calibration(np.array(kept.edges, dtype=np.float64), counts)


class _Kept(msgspec.Struct):
    """A calibration as it is kept."""

    edges: list[float]
    counts: list[tuple[str, str, list[Any]]]


def open_calibration(score: Floats) -> Calibration:
    """Bins with about equally many of the first scores each; nobody is in them yet. Raises DataError on no numbers."""
    finite = score[np.isfinite(score)]
    if len(finite) == 0:
        raise DataError(
            "scores cannot be calibrated", got="no number among them", expected="a score for each person",
            todo="check the model's scores",
        )  # fmt: skip
    cuts = np.unique(np.quantile(finite, np.arange(1, BINS) / BINS, method="inverted_cdf"))
    return Calibration(cuts[cuts > finite.min()], {})


def _bin(edges: Floats, score: Floats, rows: int) -> Ints:
    if len(score) != rows or np.isnan(score).any():
        missing = int(np.isnan(score).sum())
        raise DataError(
            "scores do not belong to these rows", got=f"{many(len(score), 'score')}, {missing} of them missing",
            expected="one number for each of "
                f"{many(rows, 'row')}", todo="give the scores that the decisions were made from",
        )  # fmt: skip
    return np.searchsorted(edges, score, side="right")


def _members(rows: CodedRows) -> list[tuple[Key, np.ndarray]]:
    """Everyone, then each known group of each attribute."""
    out: list[tuple[Key, np.ndarray]] = [((EVERYONE, EVERYONE), np.ones(len(rows.label), dtype=bool))]
    for axis, attribute in enumerate(rows.attributes):
        for k, level in enumerate(rows.levels[axis]):
            if level != UNKNOWN:
                out.append(((attribute, level), rows.codes[:, axis] == k))
    return out


def estimate(
    calibration: Calibration,
    rows: CodedRows,
    score: Floats,
    bounds: Mapping[Key, float],
    *,
    alpha: float = 0.05,
    people: int = 50,
) -> dict[str, Any] | None:
    """What is expected of a batch whose outcomes are not known, as JSON; None before `people` outcomes are known.

    bounds: (attribute, group) -> the share of wrong decisions above which harm begins, as `bounds(harm)` of
    audit/watch/harm.py. Groups with fewer than `people` here or in the calibration are left out. The lower
    limits of `risk` hold at 1 - alpha for all groups at once, the other intervals at 1 - alpha each.
    """
    from scipy.special import ndtri

    if calibration.people((EVERYONE, EVERYONE)) < people:
        return None
    place = _bin(calibration.edges, score, len(rows.label))
    width = len(calibration.edges) + 1
    binned = [
        (key, np.bincount(place[mine] * 2 + rows.decision[mine], minlength=2 * width).reshape(width, 2))
        for key, mine in _members(rows)
        if mine.sum() >= people and calibration.people(key) >= people
    ]
    if not binned:
        return None
    each, all_at_once = float(ndtri(1 - alpha / 2)), float(ndtri(1 - alpha / max(len(bounds), 1)))
    groups, above = [], []
    for key, counts in binned:
        risk, rates = _expected(counts.astype(np.float64), *calibration.shares(key), each, all_at_once)
        unknown = calibration.counts[key][:, 0] < FEW
        bound = bounds.get(key)
        wronged = bound is not None and risk.low > bound
        above += [list(key)] if wronged else []
        entry: dict[str, Any] = {"risk": asdict(risk)}
        entry |= {k: None if v is None else asdict(v) for k, v in rates.items()}
        entry |= {"outside": float(counts[unknown].sum() / counts.sum()), "bound": bound, "above": wronged}
        groups.append({"attribute": key[0], "group": key[1], "people": int(counts.sum()), **entry})
    return {
        "method": "CBPE",
        "groups": groups,
        "above": above,
        "suspect": bool(above),
        "alpha": alpha,
        "matured": calibration.people((EVERYONE, EVERYONE)),
        "assumption": ASSUMPTION,
    }


@dataclass(frozen=True, slots=True)
class _Limits:
    value: float
    low: float
    high: float


def _expected(
    counts: Floats, share: Floats, variance: Floats, each: float, all_at_once: float
) -> tuple[_Limits, dict[str, _Limits | None]]:
    """counts (B, 2) of negative and positive decisions per bin. The share of wrong decisions, and rates by name."""
    no, yes = counts.T
    total = float(counts.sum())
    outcome = share * (1 - share)

    def limits(value: float, down: Floats, up: Floats, z: float) -> _Limits:
        """down, up (B,): by how much the value changes with one person's outcome, after a no and after a yes."""
        drawn = float(((no * down**2 + yes * up**2) * outcome).sum())
        known = float(((no * down + yes * up) ** 2 * variance).sum())
        half = z * math.sqrt(drawn + known)
        return _Limits(value, max(0.0, value - half), min(1.0, value + half))

    flat = np.ones_like(share)
    wrong = float((no * share + yes * (1 - share)).sum())
    risk = limits(wrong / total, flat / total, -flat / total, all_at_once)
    out: dict[str, _Limits | None] = {ACCURACY: limits(1 - wrong / total, -flat / total, flat / total, each)}
    for name, chance, sign in ((TRUE_POSITIVE_RATE, share, 1.0), (FALSE_POSITIVE_RATE, 1 - share, -1.0)):
        hit, missed = float((yes * chance).sum()), float((no * chance).sum())
        if hit + missed < 1:
            out[name] = None  # nobody is expected there
            continue
        scale = sign / (hit + missed) ** 2
        out[name] = limits(hit / (hit + missed), -hit * scale * flat, missed * scale * flat, each)
    return risk, out
