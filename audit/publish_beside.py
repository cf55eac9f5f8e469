"""Two published sets of tables held against each other: what few people's coming, going or changing would give away.

Who holds two reports on nearly the same people has their difference. A cell that differs by one person says that
person's groups, outcome and decision. So each count that both publish has to be equal, or apart by the floor (10):
cells of outcome and decision, and their sums, in every table of the same columns. Beside them:

- a group withheld in one and shown in the other, where a total would give the withheld one;
- bands with other edges: [25, 26) is "<26" less "<25";
- where nobody is counted otherwise: scores, weights and sums (one person's value changed), and counts of rows.

Of one data file nobody came or went: then people and outcomes are compared, and not what two models decide on them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from audit.classes.table import ClassTable
from audit.cube import Margin, Meaning
from audit.load.values import band_names
from audit.regression.moments import Moments, P, R, Y
from audit.scores import Scores
from audit.suppress import FLOOR

Names = tuple[str, ...]
Ints = npt.NDArray[np.int64]
Edges = Mapping[str, Sequence[float]]
COUNTS = frozenset(
    "rows missing written repeated alike learned_from contradicted known favourable people wrong of_rows of_people "
    "better_outside worse_outside refused selected train validation test".split()
)
"""Keys under which whole numbers of people or rows stand in what is published beside the cube."""
_NAMES = ("attribute", "group", "column", "question", "where", "sensitive", "feature", "value", "part")
_NEAR = 1e-9


@dataclass(frozen=True, slots=True)
class Apart:
    """One place where two publications are too near. by: people; None where that cannot be said from the counts."""

    where: str
    by: int | None

    def __str__(self) -> str:
        return f"{self.where} differs by {self.by}" if self.by is not None else self.where


@dataclass(frozen=True, slots=True)
class Facts:
    """How the counts of a publication came about: digests of the data, columns' names, edges of bands."""

    data: str
    label: str | None = None
    weight: str | None = None
    bins: Edges | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Cells:
    """A margin by group, columns in the order of their names; hidden: withheld people are in its totals."""

    groups: dict[Names, int]
    margin: Margin
    hidden: bool

    def at(self, group: Names, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        i = self.groups.get(group)
        return np.zeros(values.shape[1:], dtype=values.dtype) if i is None else values[i]

    def withheld(self, group: Names) -> bool:
        i = self.groups.get(group)
        return i is not None and bool(self.margin.withheld[i])


def tables_apart(
    new: Sequence[Margin], old: Sequence[Margin], facts: tuple[Facts, Facts], *, floor: int = FLOOR
) -> Iterator[Apart | tuple[Names, Names]]:
    """Every place where two cubes as published are too near; and as (columns, group) each group that is unchanged.

    Columns are told by name, in any order. Tables of columns that only one of the two has are not compared: their sums
    are, since each cube holds its smaller margins too.
    """
    yours, theirs = _by_columns(new), _by_columns(old)
    other = {
        a for a in {**(facts[0].bins or {}), **(facts[1].bins or {})} if _edges(facts[0], a) != _edges(facts[1], a)
    }
    for columns in sorted(yours.keys() & theirs.keys(), key=lambda c: (len(c), c)):
        if other & set(columns):
            yield from _bands(columns, other, yours[columns], theirs[columns], facts, floor)
        else:
            yield from _groups(columns, yours[columns], theirs[columns], facts, floor)


def people_changed(new: Sequence[Margin], old: Sequence[Margin]) -> tuple[int, int] | None:
    """(came, went): at the least, by the finest table that both publish whole; None where they share no columns."""
    yours, theirs = _by_columns(new), _by_columns(old)
    shared = [c for c in yours.keys() & theirs.keys() if not (yours[c].hidden or theirs[c].hidden)]
    if not shared:
        return None
    columns = max(shared, key=lambda c: (len(c), c))
    a, b = yours[columns], theirs[columns]
    shape = _comparable(a.margin.meaning, b.margin.meaning, True)
    d = [shape[0](a.at(g, a.margin.n)) - shape[1](b.at(g, b.margin.n)) for g in {**a.groups, **b.groups}]
    d_ = np.array(d)
    return int(d_[d_ > 0].sum()), int(-d_[d_ < 0].sum())


def sides_apart(new: Any, old: Any, unchanged: set[tuple[Names, Names]], *, floor: int = FLOOR) -> Iterator[Apart]:
    """Counts of people and rows that stand beside the tables, where nobody's coming or going explains them.

    Missing values of a group are its own people's. What else is counted (neighbours, repeated rows, samples) rests on
    everyone, and is compared where everyone is unchanged.
    """
    yours, theirs = dict(_counts(new, ())), dict(_counts(old, ()))
    for key in sorted(yours.keys() & theirs.keys(), key=repr):
        by = abs(yours[key] - theirs[key])
        own = _group_of(key) if {"missing", "by_group"} <= {k for k in key if isinstance(k, str)} else ((), ())
        if 0 < by < floor and own in unchanged:
            yield Apart(" ".join(_part_name(k) for k in key), by)


def _by_columns(margins: Sequence[Margin]) -> dict[Names, _Cells]:
    total = next((int(m.n.sum()) for m in margins if not m.attribute), 0)
    out = {}
    for m in margins:
        order = sorted(range(len(m.attribute)), key=lambda i: m.attribute[i])
        groups = {tuple(g[i] for i in order): at for at, g in enumerate(m.groups)}
        hidden = bool(m.withheld.any()) and int(m.n.sum()) < total
        out[tuple(m.attribute[i] for i in order)] = _Cells(groups, m, hidden)
    return out


def _edges(facts: Facts, column: str) -> tuple[float, ...] | None:
    edges = (facts.bins or {}).get(column)
    return None if edges is None else tuple(float(e) for e in edges)


def _comparable(new: Meaning, old: Meaning, same_label: bool) -> tuple[Any, Any]:
    """How cells (..., label, decision) of each have to be put, or summed, so that they mean the same."""

    def same(a: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return a

    def turned(a: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return a[..., [1, 0, 2], ::-1]

    def people(a: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return np.asarray(a.sum(axis=(-2, -1), keepdims=True))

    def decided(a: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return np.asarray(a.sum(axis=-2, keepdims=True))

    sides = (new.positive, new.negative), (old.positive, old.negative)
    if new.decides != old.decides or set(sides[0]) != set(sides[1]):
        return people, people
    flip = turned if sides[0] != sides[1] else same
    if not same_label or new.labelled != old.labelled:
        return decided, lambda a: decided(flip(a))
    return same, flip


def _groups(columns: Names, a: _Cells, b: _Cells, facts: tuple[Facts, Facts], floor: int) -> Iterator[Any]:
    mine, yours = _comparable(a.margin.meaning, b.margin.meaning, facts[0].label == facts[1].label)
    same_data = facts[0].data == facts[1].data
    for group in {**a.groups, **b.groups}:
        where = _group_label(columns, group)
        if a.withheld(group) and b.withheld(group):
            continue
        if (a.withheld(group) and a.hidden) or (b.withheld(group) and b.hidden):
            yield Apart(f"{where} is withheld in one of the two and shown in the other", None)
            continue
        cells = mine(a.at(group, a.margin.n)), yours(b.at(group, b.margin.n))
        if same_data:  # nobody came or went; what two models decide on the same people is no one's coming or going
            cells = cells[0].sum(axis=-1, keepdims=True), cells[1].sum(axis=-1, keepdims=True)
        d = cells[0] - cells[1]
        if (by := _small(d, floor)) is not None:
            yield Apart(where, by)
            continue
        if d.any():
            yield from _apart_beyond_cells(where, group, a, b, facts, floor, True)
            continue
        yield from _apart_beyond_cells(where, group, a, b, facts, floor, False)
        yield columns, group


def _small(d: npt.NDArray[Any], floor: int) -> int | None:
    """The least difference that is too small, of the cells and of their sums."""
    every = [np.abs(d).ravel()]
    for axes in ((-1,), (-2,), (-2, -1)):
        if d.ndim >= 2:
            every.append(np.abs(d.sum(axis=axes)).ravel())
    differences = np.concatenate(every)
    small = differences[(differences > 0) & (differences < floor)]
    return int(small.min()) if len(small) else None


def _apart_beyond_cells(
    where: str, group: Names, a: _Cells, b: _Cells, facts: tuple[Facts, Facts], floor: int, changed: bool
) -> Iterator[Apart]:
    """What is published of the group besides its cells."""
    x, y = a.margin, b.margin
    same_data = facts[0].data == facts[1].data
    if isinstance(x.beside, ClassTable) and isinstance(y.beside, ClassTable):
        d = _classes(a.at(group, x.beside.n), b.at(group, y.beside.n), x.beside.names, y.beside.names)
        d = d.sum(axis=-1, keepdims=True) if same_data else d
        if facts[0].label == facts[1].label and (by := _small(d, floor)) is not None:
            yield Apart(f"{where}, by classes,", by)
    if isinstance(x.beside, Moments) and isinstance(y.beside, Moments):
        d = a.at(group, x.beside.n) - b.at(group, y.beside.n)
        if (by := _small(d, floor)) is not None:
            yield Apart(f"{where}, people with a prediction,", by)
        elif not d.any() and not same_data:
            yield from _moments(where, group, a, b, floor)
    if changed or same_data:
        return
    if x.weighted and y.weighted and facts[0].weight == facts[1].weight:
        w = [(a.at(group, v), b.at(group, u)) for v, u in ((x.w, y.w), (x.w2, y.w2))]
        if not all(_near(u.sum(), v.sum()) for u, v in w):
            yield Apart(f"{where}: the weights differ and the people do not", None)
    if x.scores is not None and y.scores is not None and x.meaning.positive == y.meaning.positive:
        yield from _scores(
            where, a.at(group, x.scores.n), b.at(group, y.scores.n), x.scores, y.scores, a, b, group, floor
        )


def _scores(
    where: str, n: Ints, m: Ints, x: Scores, y: Scores, a: _Cells, b: _Cells, group: Names, floor: int
) -> Iterator[Apart]:
    """Scores of people who are counted alike: the same, or of at least `floor` people others."""
    if (x.exact and y.exact) or (np.array_equal(x.at, y.at) and np.array_equal(x.top, y.top)):
        every = np.union1d(x.at, y.at)
        wide = [np.zeros((3, len(every)), dtype=np.int64) for _ in range(2)]
        for into, at, counts in zip(wide, (x.at, y.at), (n, m), strict=True):
            into[:, np.searchsorted(every, at)] = counts
        d = wide[0] - wide[1]
        came = np.where(d > 0, d, 0).sum(axis=-1)
        if (by := _small(came, floor)) is not None:
            yield Apart(f"{where}, scores:", by)
        if came.any():
            return
    # Between other bins only the sums tell whether it is the same scores.
    sums = [(x.total, y.total)]
    if x.parts is not None and y.parts is not None:
        sums.append((x.parts, y.parts))
    if not all(_near(a.at(group, u), b.at(group, v)) for u, v in sums):
        yield Apart(f"{where}: the scores differ and the people do not", None)


def _moments(where: str, group: Names, a: _Cells, b: _Cells, floor: int) -> Iterator[Apart]:
    x, y = a.margin.beside, b.margin.beside
    assert isinstance(x, Moments)
    assert isinstance(y, Moments)
    if np.array_equal(x.edges, y.edges):
        d = a.at(group, x.hist_n) - b.at(group, y.hist_n)
        came = int(d[d > 0].sum())
        if 0 < came < floor:
            yield Apart(f"{where}, residuals:", came)
        if came:
            return
    if not _near(_raw_sums(x, a, group), _raw_sums(y, b, group)):
        yield Apart(f"{where}: the sums of predictions differ and the people do not", None)


def _raw_sums(moments: Moments, cells: _Cells, group: Names) -> npt.NDArray[np.float64]:
    """What the sums of one group say, from wherever they are centred: predictions, outcomes, residuals."""
    sums, w = cells.at(group, moments.sums), cells.at(group, moments.w)
    whole = [sums[P] + moments.centre * w[0], sums[Y] + moments.centre * w[1]]
    return np.array([*whole, *sums[R:]])


def _classes(x: Ints, y: Ints, mine: Names, yours: Names) -> Ints:
    """The difference of two tables (K + 1, K); of people only where the classes are not the same."""
    if set(mine) != set(yours):
        d: Ints = x.sum(keepdims=True) - y.sum(keepdims=True)
        return d
    at = [yours.index(v) for v in mine]
    return x - y[np.ix_([*at, len(at)], at)]


def _bands(
    columns: Names, other: set[str], a: _Cells, b: _Cells, facts: tuple[Facts, Facts], floor: int
) -> Iterator[Apart]:
    """Columns cut at other edges: the people between an edge of one and an edge of the other are a difference."""
    cut = [c for c in columns if c in other]
    if len(cut) > 1:
        return  # each of them is compared in the tables without the others
    axis = columns.index(cut[0])
    for rest in sorted({g[:axis] + g[axis + 1 :] for g in {**a.groups, **b.groups}}):
        mine = _runs(cut[0], axis, rest, a, facts[0])
        yours = _runs(cut[0], axis, rest, b, facts[1])
        if not len(mine) or not len(yours):
            continue
        x, y = mine[:, None, :], yours[None, :, :]
        within = (x[..., 0] >= y[..., 0]) & (x[..., 1] <= y[..., 1]) | (x[..., 0] <= y[..., 0]) & (
            x[..., 1] >= y[..., 1]
        )
        d = np.abs(x[..., 2] - y[..., 2])
        bad = within & (d > 0) & (d < floor)
        if bad.any():
            others = _group_label(columns[:axis] + columns[axis + 1 :], rest)
            where = f"{cut[0]} between two edges" + (f", {others}" if rest else "")
            yield Apart(where, int(d[bad].min()))


def _runs(column: str, axis: int, rest: Names, cells: _Cells, facts: Facts) -> npt.NDArray[np.float64]:
    """(k, 3): from, to (not included), people, of every run of neighbouring bands of which none is withheld."""
    edges = _edges(facts, column)
    bands: list[tuple[float, float, str]] = []
    if edges is not None:
        ends = (-np.inf, *edges, np.inf)
        bands = [(ends[i], ends[i + 1], name) for i, name in enumerate(band_names(edges))]
    else:
        for name in {g[axis] for g in cells.groups}:
            try:
                at = float(name)
            except ValueError:
                continue
            bands.append((at, float(np.nextafter(at, np.inf)), name))
        bands.sort()
    out: list[tuple[float, float, int]] = []
    for i in range(len(bands)):
        people = 0
        for _, high, name in bands[i:]:
            group = (*rest[:axis], name, *rest[axis:])
            if cells.withheld(group):
                break
            people += int(cells.at(group, cells.margin.n).sum())
            out.append((bands[i][0], high, people))
    return np.array(out, dtype=np.float64).reshape(-1, 3)


def _near(a: Any, b: Any) -> bool:
    return bool(np.allclose(a, b, rtol=_NEAR, atol=_NEAR))


def _group_label(columns: Names, group: Names) -> str:
    return " and ".join(f"{c} = {v}" for c, v in zip(columns, group, strict=True)) or "the total"


def _counts(item: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], int]]:
    """Each whole number under a key of COUNTS, by where it stands and which group or column it is about."""
    if isinstance(item, dict):
        named = tuple((k, _name(item[k])) for k in _NAMES if isinstance(item.get(k), str | list | tuple))
        here = (*path, *named)
        for key, value in item.items():
            if isinstance(value, dict | list):
                yield from _counts(value, (*here, key))
            elif key in COUNTS and type(value) is int:
                yield (*here, key), value
    elif isinstance(item, list):
        for value in item:
            if isinstance(value, dict):
                yield from _counts(value, path)


def _name(value: Any) -> Names:
    return tuple(map(str, value)) if isinstance(value, list | tuple) else (str(value),)


def _group_of(key: tuple[Any, ...]) -> tuple[Names, Names]:
    """Which group a count is about, as `tables_apart` names it; everyone where it names none."""
    attribute: Names = ()
    group: Names = ()
    for part in key:
        if isinstance(part, tuple):
            attribute = part[1] if part[0] == "attribute" else attribute
            group = part[1] if part[0] == "group" else group
    if len(attribute) != len(group):
        return (), ()
    order = sorted(range(len(attribute)), key=lambda i: attribute[i])
    return tuple(attribute[i] for i in order), tuple(group[i] for i in order)


def _part_name(part: Any) -> str:
    if isinstance(part, tuple):
        return " ".join(part[1])
    return str(part).replace("_", " ")


__all__ = ["COUNTS", "Apart", "Facts", "people_changed", "sides_apart", "tables_apart"]
