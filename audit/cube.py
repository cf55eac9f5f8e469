"""The cube: counts of (sensitive attributes) x (label) x (decision), from which every rate and gap follows.

It is made in one pass and is additive: the cube of two batches is the sum of their cubes. Beside each count stand the
sum of weights and of squared weights, and where there are scores the same per score value. Where one person stands in
several rows, products over people stand beside (audit.clusters).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import combinations, product
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from audit import scores as scoring
from audit.clusters import Clusters, clusters_of
from audit.errors import DataError
from audit.numbers import many
from audit.scores import Areas, Scores
from audit.sentences import FEWER_GROUPS
from audit.values import UNKNOWN

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

NEGATIVE, POSITIVE, UNLABELLED = 0, 1, 2
"""The label axis. The decision axis has NEGATIVE and POSITIVE only."""

MAX_CELLS = 4_000_000
"""Of one table, several classes among them."""
AREA_GROUPS = 2000
"""Sets of attributes with more groups have areas from the bins of scores alone."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the two sides of a decision are called. `favourable` is good for the person decided about."""

    positive: str
    negative: str
    favourable: str
    labelled: bool = True
    decides: bool = True
    """False for a regression: numbers are predicted, and nothing is decided."""

    @property
    def favourable_is_positive(self) -> bool:
        return self.favourable == self.positive


@dataclass(frozen=True, slots=True, eq=False)
class CodedRows:
    """Rows as small integers.

    codes (n, A) indexes `levels` per attribute; label (n,) in 0, 1, 2 (unknown); decision (n,) in 0, 1; weight and
    score (n,) or None. Where a database has put equal rows together, `alike` says for how many rows each one stands.
    cluster (n,): which person a row is about, from 0; None where each row is a person of its own.
    """

    attributes: tuple[str, ...]
    levels: tuple[tuple[str, ...], ...]
    codes: Ints
    label: Ints
    decision: Ints
    weight: Floats | None
    score: Floats | None
    meaning: Meaning
    alike: Alike | None = None
    beside: Callable[[CodedRows, Ints, tuple[int, ...]], ExtraCounts] | None = None
    cluster: Ints | None = None


class ExtraCounts(Protocol):
    """Counts beside the two-valued ones, of the same people and groups: several classes, or numbers (regression).

    Every array begins with the axes of the groups, or with one axis for a list of groups.
    """

    def mapped(self, change: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]) -> Self:
        """The same with every array changed alike."""

    def plus(self, other: Any) -> Self:
        """The sum of two batches. Raises DataError where they cannot be added."""

    def to_json(self, weighted: bool) -> dict[str, Any]:
        """Of a list of groups, for cube.json."""


@dataclass(frozen=True, slots=True, eq=False)
class Alike:
    """Rows put together: people (n,) and, with weights, their sum as `CodedRows.weight` and squares (n,) the sum
    of their squares. Where scores were binned on the way, bins is each bin's lowest and highest score, the bin of each
    row, and the (weighted) sum of its scores. clusters: where people have several rows, of all rows.
    """

    people: Ints
    squares: Floats | None = None
    bins: tuple[Floats, Floats, Ints, Floats] | None = None
    areas: Areas = field(default_factory=dict)
    clusters: Clusters | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Margin:
    """The counts of one set of attributes: a list of groups instead of axes.

    n, w, w2 have shape (G, 3, 2); withheld (G,) marks groups whose counts were removed before publication.
    """

    attribute: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]
    n: Ints
    w: Floats
    w2: Floats
    weighted: bool
    withheld: npt.NDArray[np.bool_]
    scores: Scores | None
    meaning: Meaning
    beside: ExtraCounts | None = None
    clusters: Clusters | None = None

    @property
    def rows(self) -> Ints:
        """Rows per group, shape (G,)."""
        total: Ints = self.n.sum(axis=(1, 2))
        return total

    @property
    def people(self) -> Ints:
        """People per group, shape (G,): rows, but where one person stands in several."""
        return self.rows if self.clusters is None else self.clusters.people

    def people_in(self, groups: Iterable[int]) -> int:
        """How many people are in any of these groups."""
        if self.clusters is None:
            return int(self.rows[list(groups)].sum())
        return self.clusters.people_in(groups)


@dataclass(frozen=True, slots=True, eq=False)
class Cube:
    """Counts of shape (L1, ..., LA, 3, 2). Add two with +."""

    attributes: tuple[str, ...]
    levels: tuple[tuple[str, ...], ...]
    n: Ints
    w: Floats
    w2: Floats
    weighted: bool
    scores: Scores | None
    meaning: Meaning
    beside: ExtraCounts | None = None
    clusters: Clusters | None = None
    """Its groups are the combinations of levels in C order."""
    areas: Areas = field(default_factory=dict)
    """Of each set of attributes, over all combinations of levels: exact areas under the curve, where scores are binned
    and rows were at hand. They are of these people alone, so that a sum of cubes has none."""

    def margin(self, attribute: tuple[str, ...]) -> Margin:
        """The counts of one set of attributes, summed over all others; () is everyone.

        A combination in which nobody is stays in the list, unless it has an unknown value in it.
        """
        keep = [self.attributes.index(a) for a in attribute]
        drop = tuple(i for i in range(len(self.attributes)) if i not in keep)
        groups = list(product(*(self.levels[i] for i in keep)))

        def flat(a: npt.NDArray[Any]) -> npt.NDArray[Any]:
            tail = a.ndim - len(self.attributes)
            summed = a.sum(axis=drop)
            order = [sorted(keep).index(i) for i in keep] + [len(keep) + j for j in range(tail)]
            return np.ascontiguousarray(summed.transpose(order).reshape(len(groups), *summed.shape[len(keep) :]))

        n = flat(self.n)
        shown = [g for g, group in enumerate(groups) if n[g].sum() > 0 or UNKNOWN not in group]
        clusters = None
        if self.clusters is not None:
            place = np.full(len(groups), -1, dtype=np.int64)
            place[shown] = np.arange(len(shown))
            at = np.indices([len(v) for v in self.levels]).reshape(len(self.levels), -1)
            flat_group = np.zeros(at.shape[1], dtype=np.int64)
            for i in keep:
                flat_group = flat_group * len(self.levels[i]) + at[i]
            clusters = self.clusters.moved(place[flat_group], len(shown))
        scores = self.scores and replace(self.scores, area=None).mapped(lambda a: flat(a)[shown])
        if scores is not None and attribute in self.areas:
            scores = replace(scores, area=self.areas[attribute][shown])
        return Margin(
            attribute=attribute,
            groups=tuple(groups[g] for g in shown),
            n=n[shown],
            w=flat(self.w)[shown],
            w2=flat(self.w2)[shown],
            weighted=self.weighted,
            withheld=np.zeros(len(shown), dtype=bool),
            scores=scores,
            meaning=self.meaning,
            beside=self.beside and self.beside.mapped(lambda a: flat(a)[shown]),
            clusters=clusters,
        )

    def __add__(self, other: Cube) -> Cube:
        if self.attributes != other.attributes or self.meaning != other.meaning:
            raise DataError(
                "two batches cannot be added",
                got=f"{other.attributes} about {other.meaning.positive!r}",
                expected=f"{self.attributes} about {self.meaning.positive!r}",
                todo="give both batches the same sensitive columns and the same positive value",
            )
        levels = tuple(
            order_levels(set(mine) | set(theirs)) for mine, theirs in zip(self.levels, other.levels, strict=True)
        )
        a, b = _spread(self, levels), _spread(other, levels)
        return Cube(
            self.attributes,
            levels,
            a.n + b.n,
            a.w + b.w,
            a.w2 + b.w2,
            self.weighted or other.weighted,
            scoring.add(a.scores, b.scores),
            self.meaning,
            _add_beside(a.beside, b.beside),
            clusters=_add_clusters(a.clusters, b.clusters),
        )


def order_levels(values: set[str]) -> tuple[str, ...]:
    """Names in order, bands by their edges (`<25` first, `>=60` last), the unknown group last."""
    return tuple(sorted(values - {UNKNOWN}, key=_sort_key)) + ((UNKNOWN,) if UNKNOWN in values else ())


_BAND = re.compile(r"(<|>=|)(-?\d+(?:\.\d+)?)(?:(?:-| to <)-?\d+(?:\.\d+)?)?")


def _sort_key(name: str) -> tuple[int, float, int, str]:
    """A key for names: bands and numbers by value, before all other names in the order of their letters."""
    band = _BAND.fullmatch(name)
    if band is None:
        return (1, 0.0, 0, name)
    return (0, float(band[2]), {"<": 0, "": 1, ">=": 2}[band[1]], name)


def cube_of(coded: CodedRows) -> Cube:
    """One pass over the rows. Raises DataError where the combinations would not fit in memory."""
    shape = tuple(len(levels) for levels in coded.levels)
    cells = int(np.prod(shape, dtype=np.int64)) * 6
    if cells > MAX_CELLS:
        raise DataError(
            "the sensitive columns have too many combinations",
            got=" x ".join(f"{len(v)} ({a})" for a, v in zip(coded.attributes, coded.levels, strict=True)),
            expected=f"at most {MAX_CELLS // 6:,} groups",
            todo=FEWER_GROUPS,
        )
    group = np.zeros(len(coded.label), dtype=np.int64)
    for axis, size in enumerate(shape):
        group = group * size + coded.codes[:, axis]
    cell = (group * 3 + coded.label) * 2 + coded.decision
    n, w, w2 = cell_counts(coded, cell, cells)
    full = (*shape, 3, 2)
    row = group * 3 + coded.label
    scored = coded.score is not None or (coded.alike is not None and coded.alike.bins is not None)
    scores, areas = _scores_of(coded, row, shape) if scored else (None, {})
    beside = None if coded.beside is None else coded.beside(coded, group, shape)
    clusters = None
    if coded.alike is not None and coded.alike.clusters is not None:
        clusters = coded.alike.clusters
    elif coded.cluster is not None:
        each = coded.weight
        if each is None:
            each = np.ones(len(group)) if coded.alike is None else coded.alike.people.astype(np.float64)
        clusters = clusters_of(coded.cluster, group, coded.label * 2 + coded.decision, each, cells // 6)
    return Cube(
        coded.attributes, coded.levels, n.reshape(full), w.reshape(full), w2.reshape(full), coded.weight is not None,
        scores, coded.meaning, beside, clusters, areas,
    )  # fmt: skip


def cell_counts(coded: CodedRows, cell: Ints, cells: int) -> tuple[Ints, Floats, Floats]:
    """People, weights and squared weights of each cell, each (cells,)."""
    if coded.alike is None:
        n = np.bincount(cell, minlength=cells)
    else:
        n = _sums(cell, coded.alike.people.astype(np.float64), cells).astype(np.int64)
    if coded.weight is None:
        w = n.astype(np.float64)
        return n, w, w
    squares = coded.weight**2 if coded.alike is None else coded.alike.squares
    assert squares is not None
    return n, _sums(cell, coded.weight, cells), _sums(cell, squares, cells)


def _sums(place: Ints, values: Floats, length: int) -> Floats:
    """The sum of `values` at each place."""
    return np.bincount(place, values, minlength=length).astype(np.float64, copy=False)


def _scores_of(coded: CodedRows, row: Ints, shape: tuple[int, ...]) -> tuple[Scores, Areas]:
    """Counts per score, and exact areas where rows are at hand; row (n,) is the place of each row's group and label."""
    rows = int(np.prod(shape, dtype=np.int64)) * 3
    full = (*shape, 3)
    areas: Areas = {}
    sums: Floats | None = None
    if coded.alike is not None and coded.alike.bins is not None:
        at, top, place, sums = coded.alike.bins
        exact, areas = False, coded.alike.areas
    else:
        assert coded.score is not None
        at, top, place, exact = scoring.bins_of(coded.score)
        if not exact:
            sums = coded.score if coded.weight is None else coded.weight * coded.score
            areas = _areas(coded, shape)
    bins = len(at)
    n, w, w2 = cell_counts(coded, row * bins + place, rows * bins)
    if sums is None:
        # From the counts: the same to the last bit however the rows were put together.
        total, parts = (w.reshape(rows, bins) * at).sum(axis=1), None
    else:
        total, parts = _sums(row, sums, rows), None
        if at[0] >= 0 and top[-1] <= 1:
            part = scoring.part_of(at)[place]
            parts = _sums(row * scoring.PARTS + part, sums, rows * scoring.PARTS).reshape(*full, scoring.PARTS)
    scores = Scores(
        at, top, exact, n.reshape(*full, bins), w.reshape(*full, bins), w2.reshape(*full, bins), total.reshape(full),
        parts,
    )  # fmt: skip
    return scores, areas


def _areas(coded: CodedRows, shape: tuple[int, ...]) -> Areas:
    """Exact areas of every set of up to three attributes."""
    if not (coded.label < UNLABELLED).any() or coded.score is None:
        return {}
    order = np.argsort(coded.score, kind="stable")
    score, label = coded.score[order], coded.label[order]
    rank = np.cumsum(np.append(False, score[1:] != score[:-1]))
    weight = None if coded.weight is None else coded.weight[order]
    areas = {}
    for attribute in attribute_sets(coded.attributes, 3):
        axes = [coded.attributes.index(a) for a in attribute]
        groups = int(np.prod([shape[i] for i in axes], dtype=np.int64))
        if groups > AREA_GROUPS:
            continue
        group: npt.NDArray[Any] = np.zeros(len(order), dtype=np.int16 if groups < 30_000 else np.int64)
        for i in axes:
            group = group * shape[i] + coded.codes[order, i].astype(group.dtype)
        areas[attribute] = scoring.exact_areas(group, groups, label, rank, weight)
    return areas


def _spread(cube: Cube, levels: tuple[tuple[str, ...], ...]) -> Cube:
    """The same counts on more levels."""
    if levels == cube.levels:
        return cube
    shape = tuple(len(v) for v in levels)
    place = np.ix_(
        *([wide.index(v) for v in narrow] for narrow, wide in zip(cube.levels, levels, strict=True)),
    )

    def wide_of(a: npt.NDArray[Any]) -> npt.NDArray[Any]:
        out = np.zeros((*shape, *a.shape[len(shape) :]), dtype=a.dtype)
        out[place] = a
        return out

    s = cube.scores.mapped(wide_of) if cube.scores is not None else None
    more = cube.beside.mapped(wide_of) if cube.beside is not None else None
    clusters = cube.clusters
    if clusters is not None:
        wider = np.arange(int(np.prod(shape, dtype=np.int64))).reshape(shape)[place].ravel()
        clusters = clusters.moved(wider, int(np.prod(shape, dtype=np.int64)))
    return Cube(
        cube.attributes, levels, wide_of(cube.n), wide_of(cube.w), wide_of(cube.w2), cube.weighted, s, cube.meaning,
        more, clusters=clusters,
    )  # fmt: skip


def _add_clusters(a: Clusters | None, b: Clusters | None) -> Clusters | None:
    if a is not None and b is not None:
        return a.plus(b)
    if a is not b:
        raise DataError(
            "two batches cannot be added",
            got="people with several rows in one batch, and rows of unknown people in the other",
            expected="`cluster` in both or in neither",
            todo="name the column that says who a row is about in both",
        )
    return None


def _add_beside(a: ExtraCounts | None, b: ExtraCounts | None) -> ExtraCounts | None:
    if a is None:
        return None if b is None else b.plus(a)
    return a.plus(b)


def attribute_sets(attributes: tuple[str, ...], order: int) -> tuple[tuple[str, ...], ...]:
    """() for everyone, each attribute alone, then every intersection of up to `order` attributes."""
    return ((), *tuple(c for k in range(1, min(order, len(attributes)) + 1) for c in combinations(attributes, k)))


def margins_of(cube: Cube, order: int = 3, max_groups: int = 2000) -> tuple[tuple[Margin, ...], tuple[str, ...]]:
    """All margins up to intersections of `order` attributes, and a note for each left out because it is too wide."""
    margins: list[Margin] = []
    notes: list[str] = []
    for attribute in attribute_sets(cube.attributes, order):
        size = int(np.prod([len(cube.levels[cube.attributes.index(a)]) for a in attribute], dtype=np.int64))
        if size > max_groups:
            what = f"intersection of {', '.join(attribute)}" if len(attribute) > 1 else f"column {attribute[0]}"
            notes.append(f"The {what} has {many(size, 'group')} and was not audited.")
            continue
        margins.append(cube.margin(attribute))
    return tuple(margins), tuple(notes)
