"""Has a feature changed? Tests for whether, sizes for how much, corrected within a batch and over batches.

Kolmogorov-Smirnov for numbers and chi-square for categories against reference rows, per feature over everyone and
within each group. Benjamini-Hochberg within a batch; over batches the j-th one spends 6 alpha / (pi^2 j^2), which sums
to alpha, so that a long quiet feed does not raise an alarm by its length. Drift is a reason to look and never to
retrain: most of it harms nobody.

Sizes: PSI and Jensen-Shannon divergence (base 2) over the same bins, Wasserstein distance in the reference's standard
deviations.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.cube import Ints
from audit.load.values import coded
from audit.stats import benjamini_hochberg

Floats = npt.NDArray[np.float64]
BINS = 20
KEPT = 2000
"""Reference values kept per number and group: KS is taken against these."""
EVERYONE = "everyone"
NEW = "(new value)"
MISSING = "(missing)"


@dataclass(frozen=True, slots=True)
class Drift:
    """One feature of one group in one batch. p is raw, q adjusted within the batch; new: values never seen before."""

    feature: str
    group: str
    test: str
    p: float
    q: float
    psi: float
    js: float
    distance: float | None
    people: int
    new: tuple[str, ...] = ()
    shifted: bool = False


def spend(alpha: float, j: int) -> float:
    """What the j-th of unboundedly many tests may spend, j from 1: sums to alpha."""
    return 6 * alpha / (math.pi**2 * j**2)


def reference_of(
    frame: pd.DataFrame, features: Sequence[str], groups: Mapping[str, npt.NDArray[np.str_]], seed: int = 0
) -> dict[str, Any]:
    """The reference of every feature, over everyone and per group, as JSON: counts of categories, or sorted values."""
    out: dict[str, Any] = {}
    rng = np.random.default_rng(seed)
    for feature in features:
        column = frame[feature]
        numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
        parts = {}
        for name, rows in _members(len(frame), groups):
            values = column.iloc[rows]
            if numeric:
                kept = np.sort(values.to_numpy(dtype=np.float64, na_value=np.nan))
                kept = kept[np.isfinite(kept)]
                if len(kept) > KEPT:
                    kept = np.sort(rng.choice(kept, KEPT, replace=False))
                parts[name] = {"values": kept.tolist(), "missing": int(values.isna().sum()), "n": len(values)}
            else:
                counted = _names(values).value_counts()
                parts[name] = {"counts": {str(k): int(v) for k, v in sorted(counted.items())}, "n": len(values)}
        out[feature] = {"numeric": numeric, "parts": parts}
    return out


def _members(n: int, groups: Mapping[str, npt.NDArray[np.str_]]) -> list[tuple[str, Ints]]:
    found = [(EVERYONE, np.arange(n))]
    for attribute, names in groups.items():
        found += [(f"{attribute}={g}", np.flatnonzero(names == g)) for g in sorted(set(names.tolist()))]
    return found


def _names(values: pd.Series) -> pd.Series:
    codes, names = coded(values)  # 1, 1.0 and "1" are one, however a batch's file was typed
    return pd.Series(np.array([*names, MISSING], dtype=object)[codes], index=values.index)


def drifted(
    reference: Mapping[str, Any],
    frame: pd.DataFrame,
    groups: Mapping[str, npt.NDArray[np.str_]],
    *,
    alpha: float,
    people: int = 50,
) -> tuple[Drift, ...]:
    """Every feature of every group with at least `people` rows on both sides; `shifted` where q <= alpha."""
    members = dict(_members(len(frame), groups))
    found = []
    for feature, kept in reference.items():
        if feature not in frame.columns:
            continue
        for name, part in kept["parts"].items():
            rows = members.get(name, np.zeros(0, dtype=np.int64))
            if len(rows) < people or part["n"] < people:
                continue
            values = frame[feature].iloc[rows]
            compared = _numbers(part, values) if kept["numeric"] else _categories(part, values)
            found.append(Drift(feature, name, *compared))
    if not found:
        return ()
    q = benjamini_hochberg(np.array([d.p for d in found]))
    return tuple(
        Drift(d.feature, d.group, d.test, d.p, float(v), d.psi, d.js, d.distance, d.people, d.new, bool(v <= alpha))
        for d, v in zip(found, q, strict=True)
    )


_Compared = tuple[str, float, float, float, float, float | None, int, tuple[str, ...]]


def _numbers(part: Mapping[str, Any], values: pd.Series) -> _Compared:
    from scipy.stats import kstwobign

    old = np.asarray(part["values"], dtype=np.float64)
    new = values.to_numpy(dtype=np.float64, na_value=np.nan)
    missing = int(np.isnan(new).sum())
    new = np.sort(new[np.isfinite(new)])
    n = len(values)
    if len(old) < 2 or len(new) < 2:
        p = _shares_p(part.get("missing", 0), part["n"], missing, n)
        return "chi-square", p, 0.0, 0.0, 0.0, None, n, ()
    at = np.concatenate([old, new])
    gap = np.abs(np.searchsorted(old, at, side="right") / len(old) - np.searchsorted(new, at, side="right") / len(new))
    size = len(old) * len(new) / (len(old) + len(new))
    p = float(kstwobign.sf(float(gap.max()) * math.sqrt(size)))
    if missing or part.get("missing", 0):
        p = min(1.0, 2 * min(p, _shares_p(part["missing"], part["n"], missing, n)))
    edges = np.unique(np.quantile(old, np.linspace(0, 1, BINS + 1)[1:-1]))
    a = np.bincount(np.searchsorted(edges, old, side="right"), minlength=len(edges) + 1)
    b = np.bincount(np.searchsorted(edges, new, side="right"), minlength=len(edges) + 1)
    spread = float(old.std())
    grid = (np.arange(256) + 0.5) / 256
    moved = float(np.abs(np.quantile(old, grid) - np.quantile(new, grid)).mean())
    return "Kolmogorov-Smirnov", p, 0.0, psi(a, b), js(a, b), moved / spread if spread > 0 else None, n, ()


def _categories(part: Mapping[str, Any], values: pd.Series) -> _Compared:
    from scipy.stats import chi2

    counted = _names(values).value_counts()
    known = list(part["counts"])
    strange = sorted(str(k) for k in counted.index if str(k) not in part["counts"])
    a = np.array([*(part["counts"][k] for k in known), 0], dtype=np.float64)
    b = np.array([*(int(counted.get(k, 0)) for k in known), sum(int(counted[k]) for k in strange)], dtype=np.float64)
    # Rare values together, so that the chi-square law holds (Cochran: five expected).
    total = a + b
    rare = total * min(a.sum(), b.sum()) / total.sum() < 5
    table = np.array([np.append(a[~rare], a[rare].sum()), np.append(b[~rare], b[rare].sum())])
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2:
        p = 1.0
    else:
        expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
        p = float(chi2.sf(((table - expected) ** 2 / expected).sum(), table.shape[1] - 1))
    return "chi-square", p, 0.0, psi(a, b), js(a, b), None, len(values), tuple(strange[:5])


def _shares_p(x1: int, n1: int, x2: int, n2: int) -> float:
    from scipy.stats import chi2

    total = x1 + x2
    if total in (0, n1 + n2):
        return 1.0
    p = total / (n1 + n2)
    z2 = (x1 / n1 - x2 / n2) ** 2 / (p * (1 - p) * (1 / n1 + 1 / n2))
    return float(chi2.sf(z2, 1))


def psi(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """Population stability index of two lists of counts; half a person is added to each bin, so that none is empty."""
    p, q = (np.asarray(v, dtype=np.float64) + 0.5 for v in (a, b))
    p, q = p / p.sum(), q / q.sum()
    return float(((p - q) * np.log(p / q)).sum())


def js(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """Jensen-Shannon divergence in bits, 0 to 1."""
    p, q = (np.asarray(v, dtype=np.float64) for v in (a, b))
    p, q = p / p.sum(), q / q.sum()
    m = (p + q) / 2

    def part(u: Floats) -> float:
        use = u > 0
        return float((u[use] * np.log2(u[use] / m[use])).sum())

    return max(0.0, (part(p) + part(q)) / 2)
