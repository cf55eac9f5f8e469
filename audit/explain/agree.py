"""SHAP beside LIME for one row: where they agree, and a notice in plain words where they do not.

They answer different questions. SHAP shares out the distance between this row's output and the background's mean. LIME
fits a straight line over bins: the effect of being in this row's bin rather than any other. Sizes are therefore not
compared; ranks and signs are, and only for features about which LIME can speak (a bin that every neighbour is in has no
effect to fit).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from audit.explain.kinds import Bools, Floats
from audit.numbers import fixed, many

TOP = 5
ENOUGH = 0.6
"""Overlap of the top five under which the two disagree: fewer than three shared."""
SMALL = 0.05
"""A share under this part of the largest has no sign worth comparing."""

NOTHING = 1e-12
"""A share up to this is rounding."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """top5_overlap (0 to 1), spearman of the sizes (-1 to 1) and same_sign (share of the shared top with equal signs);
    None where it cannot be computed. conflicts: features of the shared top with opposite signs."""

    top5_overlap: float | None
    spearman: float | None
    same_sign: float | None
    shared: tuple[str, ...]
    conflicts: tuple[str, ...]
    compared: int
    disagree: bool
    notice: str

    def to_json(self) -> dict[str, Any]:
        return {
            "top5_overlap": self.top5_overlap,
            "spearman": self.spearman,
            "same_sign": self.same_sign,
            "shared": list(self.shared),
            "conflicts": list(self.conflicts),
            "compared": self.compared,
            "disagree": self.disagree,
            "notice": self.notice,
        }


def ranks(values: Floats) -> Floats:
    """Ranks from 1, ties shared evenly."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    upper = np.cumsum(counts)
    return np.asarray((upper - (counts - 1) / 2)[inverse], dtype=np.float64)


def spearman(a: Floats, b: Floats) -> float | None:
    """Spearman's correlation, or None where one side is constant or there are fewer than three values."""
    if len(a) < 3:
        return None
    x, y = ranks(a), ranks(b)
    x, y = x - x.mean(), y - y.mean()
    scale = float(np.sqrt((x**2).sum() * (y**2).sum()))
    return float((x * y).sum() / scale) if scale > 0 else None


def agree(
    features: Sequence[str], shap: Floats, lime: Floats, comparable: Bools, fit: float | None = None
) -> Agreement:
    """Compare one row's attributions (M,) with its surrogate's weights (M,). fit: the surrogate's weighted R2."""
    places = np.flatnonzero(comparable)
    a, b = shap[places], lime[places]
    if len(places) < 2 or min(np.abs(a).max(), np.abs(b).max()) <= NOTHING:
        words = "SHAP and LIME cannot be compared here: too few features have an effect on this decision."
        return Agreement(None, None, None, (), (), len(places), False, words)
    top = min(TOP, len(places) - 1)
    first = _top(a, top)
    second = _top(b, top)
    shared = [int(i) for i in first if i in set(second.tolist())]
    overlap = len(shared) / max(len(first), len(second))
    signed = [i for i in shared if abs(a[i]) > SMALL * np.abs(a).max() and abs(b[i]) > SMALL * np.abs(b).max()]
    opposed = [i for i in signed if np.sign(a[i]) != np.sign(b[i])]
    disagree = overlap < ENOUGH or bool(opposed)
    names = [features[places[i]] for i in range(len(places))]
    notice = _notice(names, first, second, shared, opposed, fit, disagree)
    return Agreement(
        overlap,
        spearman(np.abs(a), np.abs(b)),
        1 - len(opposed) / len(signed) if signed else None,
        tuple(names[i] for i in shared),
        tuple(names[i] for i in opposed),
        len(places),
        disagree,
        notice,
    )


def _top(values: Floats, count: int) -> Any:
    order = np.argsort(-np.abs(values), kind="stable")[:count]
    return order[values[order] != 0]


def _notice(
    names: Sequence[str], first: Any, second: Any, shared: Sequence[int], opposed: Sequence[int],
    fit: float | None, disagree: bool,
) -> str:  # fmt: skip
    if not disagree:
        return (
            f"SHAP and LIME name {len(shared)} of the same {many(len(first), 'feature')} first and agree on "
            "their direction."
        )
    parts = []
    if len(shared) / max(len(first), len(second)) < ENOUGH:
        only_first = _listed([names[i] for i in first if i not in shared])
        only_second = _listed([names[i] for i in second if i not in shared])
        parts.append(
            f"SHAP and LIME share {len(shared)} of their first {many(max(len(first), len(second)), 'feature')}: "
            f"SHAP alone names {only_first}, LIME alone {only_second}."
        )
    if opposed:
        parts.append(f"They point in opposite directions on {_listed([names[i] for i in opposed])}.")
    if fit is not None and fit < 0.3:
        parts.append(f"LIME's straight line fits poorly here (weighted R² {fixed(fit, 2)}).")
    parts.append("Do not rest a decision about this person on either list alone.")
    return " ".join(parts)


def _listed(names: Sequence[str]) -> str:
    if len(names) < 2:
        return names[0] if names else "none"
    return ", ".join(names[:-1]) + " and " + names[-1]
