"""What is kept of a batch for drift: counts per feature and group, which add up. Rows are read once.

    reference = reference_of(frame, features, groups)       # once: feature -> Feature
    summary = summarise(reference, frame, groups)           # a batch: feature -> group -> Part; see `add_summaries`

Counts per feature, over everyone and per group of each attribute: of categories by name, of numbers in the bins that
the reference fixed (every value its own bin where there are at most 256, else 256 quantiles), with their sums.

groups: each row's group per attribute, by name, or the rows as `CodedRows`, which is quicker.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd
from msgspec import structs

from audit.cube import CodedRows, Ints
from audit.load.values import coded

Floats = npt.NDArray[np.float64]
Groups = Mapping[str, npt.NDArray[Any]] | CodedRows
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


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of one feature in one group. n: rows. Of a category: counts by name. Of a number: bins, rows without one,
    the sum and the sum of squares (None past the largest float), and of a reference some values in order."""

    n: int
    counts: dict[str, int] = msgspec.field(default_factory=dict)
    bins: list[int] = msgspec.field(default_factory=list)
    missing: int = 0
    total: float | None = 0.0
    squares: float | None = 0.0
    values: list[float] | None = None

    def to_json(self, *, numeric: bool) -> dict[str, Any]:
        if not numeric:
            return {"counts": self.counts, "n": self.n}
        out = {"bins": self.bins, "missing": self.missing, "n": self.n, "total": self.total, "squares": self.squares}
        return out if self.values is None else out | {"values": self.values}


class Feature(msgspec.Struct, frozen=True, kw_only=True):
    """What a feature was like: the edges of a number's bins, and its part of everyone and of each group. copies, size:
    the largest share of rows that were copies of others in a batch, and the largest batch (quality.py)."""

    numeric: bool
    edges: list[float] = msgspec.field(default_factory=list)
    parts: dict[str, Part] = msgspec.field(default_factory=dict)
    copies: float | None = None
    size: int | None = None

    @property
    def everyone(self) -> Part:
        return self.parts[EVERYONE]

    @property
    def gone(self) -> int:
        """Rows without a value, of everyone."""
        return self.everyone.missing if self.numeric else self.everyone.counts.get(MISSING, 0)

    def to_json(self) -> dict[str, Any]:
        out: dict[str, Any] = {"numeric": self.numeric} | ({"edges": self.edges} if self.numeric else {})
        out |= {"parts": {k: v.to_json(numeric=self.numeric) for k, v in self.parts.items()}}
        return out if self.copies is None else out | {"copies": self.copies, "size": self.size}


def reference_of(frame: pd.DataFrame, features: Sequence[str], groups: Groups, seed: int = 0) -> dict[str, Feature]:
    """The reference of every feature, over everyone and per group."""
    rng = np.random.default_rng(seed)
    kinds, sample = {}, {}
    for feature in features:
        column = frame[feature]
        if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
            values = _as_floats(column)
            values = np.sort(values[np.isfinite(values)])
            once = np.unique(values)
            if len(once) > FINE:
                once = np.unique(np.quantile(values, np.arange(1, FINE) / FINE, method="inverted_cdf"))
            if len(values) > KEPT:
                values = np.sort(rng.choice(values, KEPT, replace=False))
            kinds[feature], sample[feature] = Feature(numeric=True, edges=once.tolist()), values.tolist()
        else:
            kinds[feature] = Feature(numeric=False)
    out = {}
    for feature, parts in summarise(kinds, frame, groups).items():
        if feature in sample:
            parts[EVERYONE] = structs.replace(parts[EVERYONE], values=sample[feature])
        out[feature] = structs.replace(kinds[feature], parts=parts)
    return out


def summarise(reference: Mapping[str, Feature], frame: pd.DataFrame, groups: Groups) -> dict[str, dict[str, Part]]:
    """The counts of a batch, feature -> group -> counts. Features that the batch lacks are left out."""
    sides = _sides(groups, len(frame))
    out: dict[str, dict[str, Part]] = {}
    for feature, kept in reference.items():
        if feature not in frame.columns:
            continue
        if kept.numeric:
            out[feature] = _number_parts(_as_floats(frame[feature]), np.asarray(kept.edges, dtype=np.float64), sides)
        else:
            known = kept.everyone.counts if kept.parts else None
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
    attributes: list[tuple[str, Ints, tuple[str, ...]]] = []
    if isinstance(groups, CodedRows):
        attributes = [(a, groups.codes[:, i], groups.levels[i]) for i, a in enumerate(groups.attributes)]
    else:
        for attribute, names in groups.items():
            place, once = pd.factorize(np.asarray(names, dtype=object))
            attributes.append((attribute, place.astype(np.int64), tuple(str(n) for n in once)))
    parts: list[tuple[Ints, tuple[tuple[str, tuple[str, ...]], ...]]] = []
    size = TOGETHER
    for attribute, codes, levels in attributes:
        if parts and size * len(levels) <= TOGETHER:
            code, crossed = parts[-1]
            parts[-1] = code * len(levels) + codes, (*crossed, (attribute, levels))
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
    for code, crossed in sides.parts:
        shape = tuple(len(levels) for _, levels in crossed)
        table = count(code, math.prod(shape))
        table = table.reshape(*shape, *table.shape[1:])
        axes = tuple(range(len(shape)))
        out.setdefault(EVERYONE, table.sum(axis=axes))
        for i, (attribute, levels) in enumerate(crossed):
            each = table.sum(axis=tuple(k for k in axes if k != i))
            for place in sorted(range(len(levels)), key=lambda k: levels[k]):
                out[f"{attribute}={levels[place]}"] = each[place]
    return out


def _tables(sides: _Sides, place: Ints, width: int) -> dict[str, npt.NDArray[Any]]:
    """How often each place occurs, over everyone and per group that occurs, (width,) each."""

    def count(code: Ints, groups: int) -> npt.NDArray[Any]:
        return np.bincount(code * width + place, minlength=groups * width).reshape(groups, width)

    return {k: v for k, v in _sums(sides, count).items() if k == EVERYONE or v.any()}


def _as_floats(column: pd.Series) -> Floats:
    if not pd.api.types.is_numeric_dtype(column):
        column = pd.to_numeric(column, errors="coerce")
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def bins_of(edges: Floats, values: Floats) -> Ints:
    """How many of the ascending `edges` are at most each value, (n,): np.searchsorted to the right, faster.

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
            out: Ints = np.clip((v - edges[0]) * scale, 0, CELLS).astype(np.int64)
            return out

        at, mine = cell(values), cell(edges)
    lower = np.searchsorted(mine, np.arange(CELLS + 1))
    count = np.bincount(mine, minlength=CELLS + 1)
    own = np.full(CELLS + 1, np.nan)
    own[mine] = edges
    out: Ints = lower[at] + (values >= own[at])
    if count.max() > 1:
        several = np.flatnonzero((count > 1)[at])
        out[several] = np.searchsorted(edges, values[several], side="right")
    return out


def _number_parts(values: Floats, edges: Floats, sides: _Sides) -> dict[str, Part]:
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
        total, squares = sums[name].tolist()
        bins, n = counts[:-1].tolist(), int(counts.sum())
        out[name] = Part(n=n, bins=bins, missing=int(counts[-1]), total=total, squares=squares)
    return out


def _category_parts(
    codes: Ints, names: tuple[str, ...], known: Mapping[str, int] | None, sides: _Sides
) -> dict[str, Part]:
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
        out[name] = Part(n=int(counts.sum()), counts=kept)
    return out


Summary = Mapping[str, Mapping[str, Part]]


def add_summaries(a: Summary, b: Summary) -> dict[str, dict[str, Part]]:
    """The summary of two batches together, made against the same reference."""
    return {f: _added(a.get(f, {}), b.get(f, {})) for f in [*a, *(f for f in b if f not in a)]}


def _added(a: Mapping[str, Part], b: Mapping[str, Part]) -> dict[str, Part]:
    return {**a, **{name: _sum(a[name], part) if name in a else part for name, part in b.items()}}


def _sum(a: Part, b: Part) -> Part:
    both = dict(a.counts)
    for value, n in b.counts.items():
        both[value] = both.get(value, 0) + n
    total, squares = (
        None if x is None or y is None else x + y for x, y in ((a.total, b.total), (a.squares, b.squares))
    )
    bins = [x + y for x, y in zip(a.bins, b.bins, strict=True)]
    return Part(n=a.n + b.n, counts=both, bins=bins, missing=a.missing + b.missing, total=total, squares=squares)
