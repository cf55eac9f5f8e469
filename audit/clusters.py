"""Rows that belong together: who stands in several rows, and what follows for every variance. Counts only, no person.

A cluster is a person (a household, a document) with one row or more. Kept are two things that add up over batches of
different people: how many people have rows in which groups, and the sums over people of W_i W_j, where W_i is a
person's rows (or weight) in cell i. With p = X / N a ratio of totals, the linearised variance of p is
sum over people of (x - p n)^2 / N^2, and the covariance of two groups' rates is the like product (Wolter 2007, ch. 6;
Cochran 1977, section 9A): both are quadratic in W and follow from these sums.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from audit.errors import DataError
from audit.numbers import many

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

CELLS = 6
"""Cells of a group: three outcomes (negative, positive, unknown) by two decisions."""
MOST_FLAGS = 100_000_000
MOST_PRODUCTS = 20_000_000
"""Pairs of cells that one person can be in, over all people, before anything is added up."""


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """sets: groups in which a person has rows, and counts (S,) how many people have just these.

    left, right (P,) are cells (group * CELLS + cell, left <= right) and products (P,) the sums over people of W W.
    each (G,): without products, how many rows count as one person's (audit.alike).
    """

    groups: int
    sets: tuple[tuple[int, ...], ...]
    counts: Ints
    left: Ints
    right: Ints
    products: Floats
    each: Floats | None = None

    @property
    def people(self) -> Ints:
        """(G,) people with a row in each group, not to be written to. A person of two groups counts in both."""
        return _people(self)

    def people_in(self, groups: Iterable[int]) -> int:
        """How many people have a row in any of these groups."""
        asked = set(groups)
        return sum(n for some, n in zip(self.sets, self.counts.tolist(), strict=True) if asked.intersection(some))

    @property
    def counted(self) -> bool:
        """Whether there are products."""
        return bool(len(self.left))

    def people_only(self, each: Floats) -> Clusters:
        """The same people, without products."""
        nothing = np.zeros(0, dtype=np.int64)
        return replace(self, left=nothing, right=nothing, products=np.zeros(0), each=each)

    def moved(self, place: Ints, groups: int) -> Clusters:
        """Group g becomes place[g] of `groups`; where that is negative its rows are taken out."""
        sets: dict[tuple[int, ...], int] = {}
        for some, count in zip(self.sets, self.counts.tolist(), strict=True):
            new = tuple(sorted({int(place[g]) for g in some if place[g] >= 0}))
            if new:
                sets[new] = sets.get(new, 0) + count
        a, b = place[self.left // CELLS], place[self.right // CELLS]
        stay = (a >= 0) & (b >= 0)
        a, b = (a * CELLS + self.left % CELLS)[stay], (b * CELLS + self.right % CELLS)[stay]
        # Two cells that become one: (u + v)^2 holds their product twice.
        twice = np.where((a == b) & (self.left != self.right)[stay], 2.0, 1.0)
        return summed(groups, sets, a, b, self.products[stay] * twice)

    def plus(self, other: Clusters) -> Clusters:
        """The sum of two batches of different people, over the same groups."""
        sets = dict(zip(self.sets, self.counts.tolist(), strict=True))
        for some, count in zip(other.sets, other.counts.tolist(), strict=True):
            sets[some] = sets.get(some, 0) + count
        left, right = np.concatenate([self.left, other.left]), np.concatenate([self.right, other.right])
        return summed(self.groups, sets, left, right, np.concatenate([self.products, other.products]))

    def apart(self) -> Clusters:
        """The same people of each group, without who is in which groups together: for publication."""
        people = self.people
        some = np.flatnonzero(people)
        return replace(self, sets=tuple((int(g),) for g in some), counts=people[some])

    def within(self, up: npt.NDArray[np.bool_], down: npt.NDArray[np.bool_]) -> Floats:
        """(G,) sums over people of (rows in cells `up`) * (rows in cells `down`), both (3, 2), in each group."""
        sums: Floats = (_squares(self) * np.outer(up.ravel(), down.ravel())).sum(axis=(1, 2))
        return sums

    def between(self, scores: Floats) -> Floats | None:
        """(G, G) sums over people of s_g s_h, s_g a person's rows in group g times `scores` (G, CELLS); None where no
        person is in two groups.
        """
        g, h = self.left // CELLS, self.right // CELLS
        across = g != h
        if not across.any():
            return None
        g, h = g[across], h[across]
        value = self.products[across] * scores[g, self.left[across] % CELLS] * scores[h, self.right[across] % CELLS]
        once: Floats = np.bincount(g * self.groups + h, value, minlength=self.groups**2).astype(np.float64)
        square = once.reshape(self.groups, self.groups)
        both: Floats = square + square.T
        return both

    def to_json(self, whole: bool) -> dict[str, Any]:
        """For cube.json. whole: with who is in which groups together."""
        out: dict[str, Any] = {"people": self.people.tolist()}
        if whole:
            out["sets"] = [[n, list(some)] for some, n in zip(self.sets, self.counts.tolist(), strict=True)]
        out["products"] = [
            [i, j, int(v) if float(v).is_integer() and abs(v) < 2**53 else v]
            for i, j, v in zip(self.left.tolist(), self.right.tolist(), self.products.tolist(), strict=True)
        ]
        return out

    @staticmethod
    def from_json(entry: dict[str, Any], groups: int) -> Clusters:
        """What `to_json` wrote. Raises ValueError or KeyError on what it did not."""
        people = [int(n) for n in entry["people"]]
        sets = entry.get("sets")
        if sets is None:
            sets = [[n, [g]] for g, n in enumerate(people) if n]
        counts = {tuple(int(g) for g in some): int(n) for n, some in sets}
        left = np.array([p[0] for p in entry["products"]], dtype=np.int64)
        right = np.array([p[1] for p in entry["products"]], dtype=np.int64)
        products = np.array([p[2] for p in entry["products"]], dtype=np.float64)
        places = [g for some in counts for g in some]
        if len(people) != groups or any(not 0 <= g < groups for g in places) or min(counts.values(), default=1) < 1:
            raise ValueError("people of groups that are not there")
        if len(left) and (left.min() < 0 or (left > right).any() or right.max() >= groups * CELLS):
            raise ValueError("products of cells that are not there")
        clusters = summed(groups, counts, left, right, products)
        if clusters.people.tolist() != people:
            raise ValueError("people who do not add up")
        return clusters


@lru_cache(maxsize=64)
def _people(clusters: Clusters) -> Ints:
    out = np.zeros(clusters.groups, dtype=np.int64)
    for groups, count in zip(clusters.sets, clusters.counts.tolist(), strict=True):
        out[list(groups)] += count
    out.flags.writeable = False
    return out


@lru_cache(maxsize=64)
def _squares(clusters: Clusters) -> Floats:
    """(G, CELLS, CELLS) of products within each group; asked for once a rate."""
    out = np.zeros((clusters.groups, CELLS, CELLS))
    same = clusters.left // CELLS == clusters.right // CELLS
    g, i, j = clusters.left[same] // CELLS, clusters.left[same] % CELLS, clusters.right[same] % CELLS
    out[g, i, j] = out[g, j, i] = clusters.products[same]
    return out


def summed(groups: int, sets: dict[tuple[int, ...], int], a: Ints, b: Ints, products: Floats) -> Clusters:
    """Sets of groups -> people, and products of cells a, b (P,), each pair as often as it comes."""
    order = sorted(sets)
    size = groups * CELLS
    pair, at = np.unique(np.minimum(a, b) * size + np.maximum(a, b), return_inverse=True)
    total = np.bincount(at.reshape(-1), products, minlength=len(pair)).astype(np.float64)
    # Cells in which no person is together say nothing; engines find them or not.
    pair, total = pair[total != 0], total[total != 0]
    counts = np.array([sets[s] for s in order], dtype=np.int64)
    return Clusters(groups, tuple(order), counts, pair // max(size, 1), pair % max(size, 1), total)


def clusters_of(cluster: Ints, group: Ints, cell: Ints, weight: Floats, groups: int) -> Clusters:
    """Of rows: cluster (n,) from 0, group (n,), cell (n,) in 0..5, and what each row counts for, weight (n,).

    Raises DataError where people stand in so many cells that their products would not fit in memory.
    """
    from scipy import sparse  # here: loading it takes longer than most counts do

    people = int(cluster.max()) + 1 if len(cluster) else 0
    table = sparse.csr_array((weight, (cluster, group * CELLS + cell)), shape=(people, groups * CELLS))
    table.sum_duplicates()
    size = np.diff(table.indptr).astype(np.int64)
    if int((size * (size + 1) // 2).sum()) > MOST_PRODUCTS:
        raise too_many(int(size.max()))
    pair = sparse.triu(table.T @ table).tocoo()
    who = np.repeat(np.arange(people), size)
    where = table.indices.astype(np.int64) // CELLS
    return summed(
        groups, _sets(who, where, groups), pair.row.astype(np.int64), pair.col.astype(np.int64),
        pair.data.astype(np.float64),
    )  # fmt: skip


def too_many(most: int) -> DataError:
    """Of a person who stands in `most` cells, where these would be too many."""
    return DataError(
        "`cluster` puts together rows of too many groups",
        got=f"one person with rows in {many(most, 'cell')} of group, outcome and decision",
        expected="people (households, documents) with a few rows each",
        todo="name the column that says which person a row is about, or audit fewer sensitive columns at a time",
    )


def people_per_value(cluster: Ints, value: Ints, values: int) -> Ints:
    """(values,) how many people have a row with each value; cluster and value (n,) from 0."""
    people = int(cluster.max()) + 1 if len(cluster) else 0
    if people * values > MOST_FLAGS:
        return np.bincount(np.unique(cluster * values + value) % values, minlength=values)
    seen = np.zeros((people, values), dtype=bool)
    seen[cluster, value] = True
    counts: Ints = seen.sum(axis=0)
    return counts


def _sets(who: Ints, where: Ints, groups: int) -> dict[tuple[int, ...], int]:
    """In which groups together people have rows: set of groups -> people. `who` in order, and each one's groups."""
    if len(who):
        once = np.r_[True, (who[1:] != who[:-1]) | (where[1:] != where[:-1])]
        who, where = who[once], where[once]
    first = np.flatnonzero(np.r_[True, who[1:] != who[:-1]]) if len(who) else np.zeros(0, dtype=np.int64)
    size = np.diff(np.r_[first, len(who)])
    alone = np.bincount(where[first[size == 1]], minlength=groups)
    out: dict[tuple[int, ...], int] = {(int(g),): int(alone[g]) for g in np.flatnonzero(alone)}
    for start, length in zip(first[size > 1].tolist(), size[size > 1].tolist(), strict=True):
        some = tuple(where[start : start + length].tolist())
        out[some] = out.get(some, 0) + 1
    return out
