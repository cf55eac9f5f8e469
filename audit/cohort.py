"""A look of one's own at what was counted: some of the people, or the same scores cut at another number.

Both follow from the cube alone, so that they take milliseconds and need no rows. Groups of fewer than ten people are
withheld, with what would give them away (`audit.differencing`). By columns that are not sensitive: `audit.cohort_rows`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from audit.cube import CodedRows, Floats, Margin, margins_of
from audit.differencing import Before, hidden_groups
from audit.errors import DataError
from audit.gaps import Settings
from audit.measure import measure
from audit.numbers import many
from audit.publish import joint
from audit.suppress import FLOOR, blank, publish, publish_margins, rare_values, without
from audit.values import Measures


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """What was measured on a cohort: how many people, the margins, the figures, and what was withheld."""

    people: int
    margins: tuple[Margin, ...]
    measures: Measures
    notes: tuple[str, ...]


def cohort(
    margins: tuple[Margin, ...],
    attributes: Sequence[str],
    chosen: Mapping[str, Collection[str]],
    settings: Settings,
) -> Looked:
    """Every figure of the people whose values are among `chosen` (attribute -> values; one not named is not asked).

    margins: of the run's cube, unsuppressed. Attributes with one value chosen tell nobody apart and have no gaps.
    Raises DataError where the cube does not hold all attributes together, and where fewer people than the floor remain.
    """
    cube = joint(margins, tuple(attributes))
    if cube is None:
        raise DataError(
            "this cohort cannot be counted", got=f"{many(len(attributes), 'column')} that were not counted together",
            expected="columns whose intersections the audit counted", todo="audit with fewer sensitive columns",
        )  # fmt: skip
    rare: set[tuple[str, str]] = set()
    while more := rare_values(cube):
        cube, rare = without(cube, more), rare | more
    others = {
        (a, level)
        for a, values in chosen.items()
        for level in cube.levels[cube.attributes.index(a)]
        if level not in values
    }
    tables, notes = margins_of(without(cube, others), settings.order)
    # A combination of groups stands for its people: all of them are in the cohort, or none.
    codes = np.argwhere(cube.n.sum(axis=(-2, -1)) > 0)
    nothing = np.zeros(len(codes), dtype=np.int64)
    cells = CodedRows(cube.attributes, cube.levels, codes, nothing, nothing, None, None, cube.meaning)
    inside = np.ones(len(codes), dtype=bool)
    for a, values in chosen.items():
        axis = cube.attributes.index(a)
        inside &= np.isin(codes[:, axis], [i for i, v in enumerate(cube.levels[axis]) if v in values])
    before = Before(cells, publish(cube, FLOOR, settings.order)[0], ())
    hidden = hidden_groups(before, inside, tables)
    fixed = {a for a, values in chosen.items() if len(values) == 1}
    kept = tuple(blank(t, hidden[t.attribute]) for t in tables if not fixed & set(t.attribute))
    people = int(next(m for m in kept if m.attribute == ()).people.sum())
    return Looked(people, kept, measure(kept, settings), (*notes, *withheld(rare, hidden)))


def withheld(
    rare: Collection[tuple[str, str]], hidden: Mapping[tuple[str, ...], Collection[tuple[str, ...]]], floor: int = FLOOR
) -> tuple[str, ...]:
    """What a cohort does not tell, in sentences. rare: (column, value) of the people left out; hidden: by columns."""
    notes = [f"Fewer than {floor} people have {a} = {v}; they are in no cohort." for a, v in sorted(rare)]
    if gone := [" and ".join(a) for a, groups in hidden.items() if groups]:
        notes.append(
            f"By {'; by '.join(gone)}, some groups are withheld: fewer than {floor} people of them are in this cohort, "
            "or stand between it and what was shown before, or a total would tell them."
        )
    return tuple(notes)


def edges(margin: Margin, most: int = 200) -> tuple[float, ...]:
    """Thresholds that the counted scores can be cut at, from the lowest up; of many, evenly many people apart.

    The last is above every score. Raises DataError where the cube has no scores.
    """
    if margin.scores is None:
        raise DataError("there is no threshold to move", got="decisions without scores", expected="scores")
    at, n = margin.scores.at, margin.scores.n.sum(axis=(0, 1))
    if len(at) > most:
        share = np.cumsum(n) / max(int(n.sum()), 1)
        at = at[np.unique(np.searchsorted(share, np.linspace(0, 1, most)).clip(0, len(at) - 1))]
    return (*map(float, at), float(np.nextafter(margin.scores.top[-1], np.inf)))


def moved(margin: Margin, threshold: float | Mapping[tuple[str, ...], float]) -> Margin:
    """The margin as it would be if scores were cut at `threshold`: positive from it on. By group, each by its own.

    Exact where scores are counted one by one; else at the lower ends of bins.
    """
    scores = margin.scores
    if scores is None:
        raise DataError("there is no threshold to move", got="decisions without scores", expected="scores")
    cut = np.array([threshold[g] if isinstance(threshold, Mapping) else threshold for g in margin.groups])
    positive = scores.at[None, :] >= cut[:, None]

    def split(a: Floats) -> Floats:
        yes = np.where(positive[:, None, :], a, 0).sum(axis=2)
        return np.stack([a.sum(axis=2) - yes, yes], axis=2)

    n = split(scores.n.astype(np.float64)).round().astype(np.int64)
    # How rows of one person lie in the cells is known for the decisions that were made, and for no others.
    return replace(margin, n=n, w=split(scores.w), w2=split(scores.w2), beside=None, clusters=None)


def at_threshold(
    margins: Sequence[Margin],
    attribute: tuple[str, ...],
    threshold: float | Mapping[tuple[str, ...], float],
    settings: Settings,
) -> Measures:
    """Rates and gaps of everyone and of the groups of `attribute` with the threshold moved, for all or by group."""
    groups = moved(next(m for m in margins if m.attribute == attribute), threshold)
    whole = next(m for m in margins if m.attribute == ())
    if isinstance(threshold, Mapping):
        n, w, w2 = (a.sum(axis=0, keepdims=True) for a in (groups.n, groups.w, groups.w2))
        everyone = replace(moved(whole, 0.0), n=n, w=w, w2=w2)
    else:
        everyone = moved(whole, threshold)
    shown = publish_margins([replace(everyone, scores=None), replace(groups, scores=None)], settings.floor)
    return measure(shown, settings)
