"""Has a feature changed? Tests for whether, sizes for how much, corrected within a batch and over batches.

    reference = reference_of(frame, features, groups)       # once, JSON
    summary = summarise(reference, frame, groups)           # a batch, JSON; added up by `add_summaries`
    found = compared(reference, summary, alpha=spend(alpha, j), people=50)
    found = drifted(reference, frame, groups, alpha=..., people=50)     # both at once

A summary has counts per feature, over everyone and per group of each attribute: of categories by name, of numbers in
the bins that the reference fixed (every value its own bin where there are at most 256, else 256 quantiles). Tests and
sizes follow from summaries alone, so that rows are not read again, for a batch or for a window of many.

Kolmogorov-Smirnov for numbers and chi-square for categories against the reference. In bins the statistic is at most
what it is on the values, so that the test errs on the quiet side; with every value its own bin they are the same.
Benjamini-Hochberg within a batch; over batches the j-th one spends 6 alpha / (pi^2 j^2), which sums to alpha, so that a
long quiet feed does not raise an alarm by its length. Drift is a reason to look and never to retrain: most of it harms
nobody.

Sizes: PSI and Jensen-Shannon divergence (base 2) over about twenty bins, Kullback-Leibler divergence by `kl`,
Wasserstein distance in the reference's standard deviations.

groups: each row's group per attribute, by name, or the rows as `Coded`, which is quicker.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.cube import Coded, Ints
from audit.load.values import coded
from audit.stats import benjamini_hochberg

Floats = npt.NDArray[np.float64]
Groups = Mapping[str, npt.NDArray[Any]] | Coded
BINS = 20
"""Bins of numbers for PSI and the Jensen-Shannon divergence."""
FINE = 256
"""Bins of numbers for the tests."""
KEPT = 2000
"""Reference values kept per number, over everyone: what a feed is checked against."""
EVERYONE = "everyone"
NEW = "(new value)"
MISSING = "(missing)"
CELLS = 4096
TOGETHER = 64
"""Attributes are counted in one pass while they have at most so many combinations of groups."""
NAMED = 20
"""New values kept by name in one summary, those that most people have."""


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


# -- what is kept ---------------------------------------------------------------------------------------------


def reference_of(frame: pd.DataFrame, features: Sequence[str], groups: Groups, seed: int = 0) -> dict[str, Any]:
    """The reference of every feature, over everyone and per group, as JSON."""
    rng = np.random.default_rng(seed)
    kinds: dict[str, Any] = {}
    for feature in features:
        column = frame[feature]
        if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
            values = _numbers(column)
            values = np.sort(values[np.isfinite(values)])
            once = np.unique(values)
            if len(once) > FINE:
                once = np.unique(np.quantile(values, np.arange(1, FINE) / FINE, method="inverted_cdf"))
            if len(values) > KEPT:
                values = np.sort(rng.choice(values, KEPT, replace=False))
            kinds[feature] = {"numeric": True, "edges": once.tolist(), "values": values.tolist()}
        else:
            kinds[feature] = {"numeric": False}
    parts = summarise(kinds, frame, groups)
    out: dict[str, Any] = {}
    for feature, kind in kinds.items():
        mine = parts[feature]
        if kind["numeric"]:
            mine[EVERYONE]["values"] = kind.pop("values")
        out[feature] = {**kind, "parts": mine}
    return out


def summarise(reference: Mapping[str, Any], frame: pd.DataFrame, groups: Groups) -> dict[str, Any]:
    """The counts of a batch, feature -> group -> counts, as JSON. Features that the batch lacks are left out."""
    sides = _sides(groups, len(frame))
    out: dict[str, Any] = {}
    for feature, kept in reference.items():
        if feature not in frame.columns:
            continue
        if kept["numeric"]:
            out[feature] = _number_parts(_numbers(frame[feature]), np.asarray(kept["edges"], dtype=np.float64), sides)
        else:
            known = kept["parts"][EVERYONE]["counts"] if "parts" in kept else None
            out[feature] = _category_parts(*coded(frame[feature]), known, sides)
    return out


@dataclass(frozen=True, slots=True, eq=False)
class _Sides:
    """Each row's group of every attribute as one number, `code` (n,), or several where there would be too many: each
    with the attributes it is made of and their groups' names.
    """

    rows: int
    parts: tuple[tuple[Ints, tuple[tuple[str, tuple[str, ...]], ...]], ...]


def _sides(groups: Groups, rows: int) -> _Sides:
    found: list[tuple[str, Ints, tuple[str, ...]]] = []
    if isinstance(groups, Coded):
        found = [(a, groups.codes[:, i], groups.levels[i]) for i, a in enumerate(groups.attributes)]
    else:
        for attribute, names in groups.items():
            place, once = pd.factorize(np.asarray(names, dtype=object))
            found.append((attribute, place.astype(np.int64), tuple(str(n) for n in once)))
    parts: list[tuple[Ints, tuple[tuple[str, tuple[str, ...]], ...]]] = []
    size = TOGETHER
    for attribute, codes, levels in found:
        if parts and size * len(levels) <= TOGETHER:
            code, made = parts[-1]
            parts[-1] = code * len(levels) + codes, (*made, (attribute, levels))
            size *= len(levels)
        else:
            parts.append((codes, ((attribute, levels),)))
            size = len(levels)
    return _Sides(rows, tuple(parts))


def _sums(sides: _Sides, count: Callable[[Ints, int], npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """Sums over everyone and per group; count(code, groups) gives those of each number, (groups, ...)."""
    out: dict[str, npt.NDArray[Any]] = {}
    if not sides.parts:
        out[EVERYONE] = count(np.zeros(sides.rows, dtype=np.int64), 1)[0]
    for code, made in sides.parts:
        shape = tuple(len(levels) for _, levels in made)
        table = count(code, math.prod(shape))
        table = table.reshape(*shape, *table.shape[1:])
        axes = tuple(range(len(shape)))
        out.setdefault(EVERYONE, table.sum(axis=axes))
        for i, (attribute, levels) in enumerate(made):
            each = table.sum(axis=tuple(k for k in axes if k != i))
            for place in sorted(range(len(levels)), key=lambda k: levels[k]):
                out[f"{attribute}={levels[place]}"] = each[place]
    return out


def _tables(sides: _Sides, place: Ints, width: int) -> dict[str, npt.NDArray[Any]]:
    """How often each place occurs, over everyone and per group that occurs, (width,) each."""

    def count(code: Ints, groups: int) -> npt.NDArray[Any]:
        return np.bincount(code * width + place, minlength=groups * width).reshape(groups, width)

    return {k: v for k, v in _sums(sides, count).items() if k == EVERYONE or v.any()}


def _numbers(column: pd.Series) -> Floats:
    if not pd.api.types.is_numeric_dtype(column):
        column = pd.to_numeric(column, errors="coerce")
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def bins_of(edges: Floats, values: Floats) -> Ints:
    """How many of the ascending `edges` are at most each value, (n,): np.searchsorted to the right, three times as fast.

    Each value's cell of an even grid says how many edges lie in lower cells (rounding keeps the order, so this is
    exact); where the cell has one edge of its own one comparison decides, and where it has more, np.searchsorted.
    """
    if len(edges) < 2 or len(values) < 4 * CELLS:
        return np.searchsorted(edges, values, side="right")
    with np.errstate(over="ignore"):
        scale = CELLS / (edges[-1] - edges[0])
        if not (np.isfinite(scale) and scale > 0):
            return np.searchsorted(edges, values, side="right")

        def cell(v: Floats) -> Ints:
            return np.clip((v - edges[0]) * scale, 0, CELLS).astype(np.int64)

        at, mine = cell(values), cell(edges)
    lower = np.searchsorted(mine, np.arange(CELLS + 1))
    count = np.bincount(mine, minlength=CELLS + 1)
    own = np.full(CELLS + 1, np.inf)
    own[mine] = edges
    out: Ints = lower[at] + (values >= own[at])
    if count.max() > 1:
        several = np.flatnonzero((count > 1)[at])
        out[several] = np.searchsorted(edges, values[several], side="right")
    return out


def _number_parts(values: Floats, edges: Floats, sides: _Sides) -> dict[str, Any]:
    width = len(edges) + 2
    finite = np.isfinite(values)
    if finite.all():
        place = bins_of(edges, values)
    else:
        gone = np.isnan(values)
        place = np.where(gone, width - 1, bins_of(edges, np.where(gone, 0.0, values)))
        values = np.where(finite, values, 0.0)
    both = values, values * values

    def count(code: Ints, groups: int) -> npt.NDArray[Any]:
        return np.stack([np.bincount(code, v, minlength=groups) for v in both], axis=1)

    sums = _sums(sides, count)
    out = {}
    for name, counts in _tables(sides, place, width).items():
        sizes = {"missing": int(counts[-1]), "n": int(counts.sum())}
        total, squares = sums[name].tolist()
        out[name] = {"bins": counts[:-1].tolist(), **sizes, "total": total, "squares": squares}
    return out


def _category_parts(codes: Ints, names: tuple[str, ...], known: Mapping[str, int] | None, sides: _Sides) -> Any:
    labels = [*names, MISSING]
    place = np.where(codes < 0, len(names), codes)
    tables = _tables(sides, place, len(labels))
    order = sorted(range(len(labels)), key=lambda i: labels[i])
    if known is not None:
        strange = [i for i in range(len(names)) if names[i] not in known]
        strange.sort(key=lambda i: (-tables[EVERYONE][i], names[i]))
        for i in strange[NAMED:]:
            labels[i] = NEW
    out = {}
    for name, counts in tables.items():
        kept: dict[str, int] = {}
        for i in order:
            if counts[i]:
                kept[labels[i]] = kept.get(labels[i], 0) + int(counts[i])
        out[name] = {"counts": kept, "n": int(counts.sum())}
    return out


def add_summaries(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, Any]:
    """The summary of two batches together, made against the same reference."""
    return {f: _added(a.get(f, {}), b.get(f, {})) for f in [*a, *(f for f in b if f not in a)]}


def _added(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, Any]:
    out = dict(a)
    for name, part in b.items():
        mine = out.get(name)
        if mine is None:
            out[name] = part
        elif "counts" in part:
            both = dict(mine["counts"])
            for value, n in part["counts"].items():
                both[value] = both.get(value, 0) + n
            out[name] = {"counts": both, "n": mine["n"] + part["n"]}
        else:
            sums = {k: mine[k] + part[k] for k in ("missing", "n", "total", "squares")}
            out[name] = {"bins": [x + y for x, y in zip(mine["bins"], part["bins"], strict=True)], **sums}
    return out


# -- comparison -----------------------------------------------------------------------------------------------


def drifted(
    reference: Mapping[str, Any], frame: pd.DataFrame, groups: Groups, *, alpha: float, people: int = 50
) -> tuple[Drift, ...]:
    """Every feature of every group with at least `people` rows on both sides; `shifted` where q <= alpha."""
    return compared(reference, summarise(reference, frame, groups), alpha=alpha, people=people)


def compared(
    reference: Mapping[str, Any], summary: Mapping[str, Any], *, alpha: float, people: int = 50
) -> tuple[Drift, ...]:
    """The same from the summary of a batch or of a window."""
    found = []
    for feature, kept in reference.items():
        for name, part in kept["parts"].items():
            now = summary.get(feature, {}).get(name)
            if now is None or now["n"] < people or part["n"] < people:
                continue
            figures = _of_numbers(kept["edges"], part, now) if kept["numeric"] else _of_categories(kept, part, now)
            found.append(Drift(feature, name, *figures))
    if not found:
        return ()
    q = benjamini_hochberg(np.array([d.p for d in found]))
    return tuple(replace(d, q=float(v), shifted=bool(v <= alpha)) for d, v in zip(found, q, strict=True))


_Figures = tuple[str, float, float, float, float, float | None, int, tuple[str, ...]]


def _of_numbers(edges: Sequence[float], part: Mapping[str, Any], now: Mapping[str, Any]) -> _Figures:
    from scipy.special import kolmogorov

    a, b = (np.asarray(v["bins"], dtype=np.float64) for v in (part, now))
    n, m = a.sum(), b.sum()
    shares = _shares_p(part["missing"], part["n"], now["missing"], now["n"])
    if n < 2 or m < 2:
        return "chi-square", shares, 0.0, 0.0, 0.0, None, now["n"], ()
    apart = np.cumsum(a) / n - np.cumsum(b) / m
    p = float(kolmogorov(float(np.abs(apart).max()) * math.sqrt(n * m / (n + m))))
    if now["missing"] or part["missing"]:
        p = min(1.0, 2 * min(p, shares))
    mean, other = part["total"] / n, now["total"] / m
    spread = math.sqrt(max(part["squares"] / n - mean**2, 0.0))
    distance = None
    if spread > 1e-9 * (abs(mean) + 1e-300):
        # Between two edges everyone is at the lower one; beyond the edges only the means can tell.
        moved = float((np.abs(apart[1:-1]) * np.diff(edges)).sum())
        distance = max(moved, abs(mean - other)) / spread
    coarse = np.minimum((BINS * (np.cumsum(a) - a / 2) / n).astype(np.int64), BINS - 1)
    few = [np.bincount(coarse, v, minlength=BINS) for v in (a, b)]
    used = few[0] + few[1] > 0
    wide = [v[used] for v in few]
    return "Kolmogorov-Smirnov", p, 0.0, psi(*wide), js(*wide), distance, now["n"], ()


def _of_categories(kept: Mapping[str, Any], part: Mapping[str, Any], now: Mapping[str, Any]) -> _Figures:
    from scipy.special import chdtrc

    known = list(part["counts"])
    ever = kept["parts"][EVERYONE]["counts"]
    others = [k for k in now["counts"] if k not in part["counts"]]
    strange = sorted(k for k in others if k not in ever)
    a = np.array([*(part["counts"][k] for k in known), 0], dtype=np.float64)
    b = np.array([*(now["counts"].get(k, 0) for k in known), sum(now["counts"][k] for k in others)], dtype=np.float64)
    # Rare values together, so that the chi-square law holds (Cochran: five expected).
    total = a + b
    rare = total * min(a.sum(), b.sum()) / total.sum() < 5
    table = np.array([np.append(a[~rare], a[rare].sum()), np.append(b[~rare], b[rare].sum())])
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2:
        p = 1.0
    else:
        expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
        p = float(chdtrc(table.shape[1] - 1, ((table - expected) ** 2 / expected).sum()))
    used = total > 0
    return "chi-square", p, 0.0, psi(a[used], b[used]), js(a, b), None, now["n"], tuple(strange[:5])


def _shares_p(x1: int, n1: int, x2: int, n2: int) -> float:
    from scipy.special import chdtrc

    total = x1 + x2
    if total in (0, n1 + n2):
        return 1.0
    p = total / (n1 + n2)
    z2 = (x1 / n1 - x2 / n2) ** 2 / (p * (1 - p) * (1 / n1 + 1 / n2))
    return float(chdtrc(1, z2))


def psi(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """Population stability index of two lists of counts; half a person is added to each bin, so that none is empty."""
    p, q = _filled(a), _filled(b)
    return float(((p - q) * np.log(p / q)).sum())


def kl(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """Kullback-Leibler divergence in bits of `b` (now) from `a` (the reference), half a person added to each bin."""
    p, q = _filled(b), _filled(a)
    return float((p * np.log2(p / q)).sum())


def _filled(counts: npt.ArrayLike) -> Floats:
    p = np.asarray(counts, dtype=np.float64) + 0.5
    out: Floats = p / p.sum()
    return out


def js(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """Jensen-Shannon divergence in bits, 0 to 1."""
    p, q = (np.asarray(v, dtype=np.float64) for v in (a, b))
    p, q = p / p.sum(), q / q.sum()
    m = (p + q) / 2

    def part(u: Floats) -> float:
        use = u > 0
        return float((u[use] * np.log2(u[use] / m[use])).sum())

    return max(0.0, (part(p) + part(q)) / 2)
