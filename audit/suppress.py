"""What may leave the machine: margins in which small groups are withheld and cannot be found by subtraction.

Two rules (Hundepool et al. 2012, "Statistical Disclosure Control", ch. 4):

1. A value of one attribute that fewer than `floor` people have: these people are taken out of every table, since
   withholding only their own row would leave them as a total minus the rest. Where fewer than `floor` of those who are
   left have another value, they are taken out too, until none is left of whom that is true.
2. A group of an intersection under the floor is withheld, and with it the next smallest of its line wherever the
   line's total would give it away; groups inside a withheld group are withheld too.

An empty group is shown as empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from audit.clusters import people_per_value
from audit.cube import CodedRows, Cube, Margin, margins_of
from audit.scores import Scores, blurred

FLOOR = 10
ROUNDED = f"Numbers of rows are rounded up to {FLOOR}s: people of rare values are left out of every table."


def publish(cube: Cube, floor: int = FLOOR, order: int = 3) -> tuple[tuple[Margin, ...], tuple[str, ...]]:
    """The margins that may be published, and a note for each thing left out. floor 0 withholds nothing."""
    steps = _rare_steps(cube, floor)
    small = {value for step in steps for value in step}
    margins, notes = margins_of(without(cube, small), order)
    hidden: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
    out: list[Margin] = []
    for margin in margins:
        dropped = {g for g in margin.groups if any((a, v) in small for a, v in zip(margin.attribute, g, strict=True))}
        if len(margin.attribute) < 2:
            hidden[margin.attribute] = dropped
        else:
            hidden[margin.attribute] = _withhold(margin, dropped, hidden, floor)
        out.append(blank(margin, hidden[margin.attribute]))
    out = _scores_of_the_rest(out) if small else out
    remarks = tuple(
        f"{few} {floor} people have {a} = {v}; they are left out of every table that leaves this machine."
        for few, step in zip(("Fewer than", *["Without these, fewer than"] * len(steps)), steps, strict=False)
        for a, v in sorted(step)
    )
    return tuple(out), (*notes, *remarks)


def publish_margins(margins: Sequence[Margin], floor: int = FLOOR) -> tuple[Margin, ...]:
    """The same where only the margins are at hand: rule 2 alone, for single attributes too."""
    hidden: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
    out: list[Margin] = []
    for margin in sorted(margins, key=lambda m: len(m.attribute)):
        hidden[margin.attribute] = _withhold(margin, set(), hidden, floor) if margin.attribute else set()
        out.append(blank(margin, hidden[margin.attribute]))
    return tuple(out)


def rare_values(cube: Cube, floor: int = FLOOR) -> set[tuple[str, str]]:
    """(attribute, value) that some people have, and fewer than `floor`: of all people, or of those left without the
    people of such values."""
    return {value for step in _rare_steps(cube, floor) for value in step}


def _rare_steps(cube: Cube, floor: int) -> list[set[tuple[str, str]]]:
    """The rare values of all people, then those of the people who are left, until there are none."""
    steps: list[set[tuple[str, str]]] = []
    while True:
        rare = set()
        for attribute in cube.attributes:
            margin = cube.margin((attribute,))
            for group, people in zip(margin.groups, margin.people.tolist(), strict=True):
                if 0 < people < floor:
                    rare.add((attribute, group[0]))
        if not rare:
            return steps
        steps.append(rare)
        cube = without(cube, rare)


def without(cube: Cube, values: set[tuple[str, str]]) -> Cube:
    """The cube without the people who have one of `values`."""
    if not values:
        return cube
    keep = np.ones(cube.n.shape[: len(cube.attributes)], dtype=bool)
    for attribute, level in values:
        axis = cube.attributes.index(attribute)
        index: list[Any] = [slice(None)] * keep.ndim
        index[axis] = cube.levels[axis].index(level)
        keep[tuple(index)] = False

    def kept(a: npt.NDArray[Any]) -> npt.NDArray[Any]:
        out: npt.NDArray[Any] = a * keep.reshape(keep.shape + (1,) * (a.ndim - keep.ndim))
        return out

    s = cube.scores.mapped(kept) if cube.scores is not None else None
    more = cube.beside.mapped(kept) if cube.beside is not None else None
    clusters = cube.clusters
    if clusters is not None:
        clusters = clusters.moved(np.where(keep.ravel(), np.arange(keep.size), -1), keep.size)
    return replace(
        cube, n=kept(cube.n), w=kept(cube.w), w2=kept(cube.w2), scores=s, beside=more, areas={}, clusters=clusters
    )


def rare_people(coded: CodedRows, floor: int = FLOOR) -> npt.NDArray[np.bool_]:
    """(n,) who has one of `rare_values`: left out of what is published."""
    out = np.zeros(len(coded.codes), dtype=bool)
    while True:
        more, left = out.copy(), np.flatnonzero(~out)
        for axis, levels in enumerate(coded.levels):
            codes = coded.codes[left, axis]
            people = np.bincount(codes, minlength=len(levels))
            if coded.cluster is not None:
                people = people_per_value(coded.cluster[left], codes, len(levels))
            more[left] |= (people < floor)[codes]
        if (more == out).all():
            return out
        out = more


def small_values(cube: Cube, floor: int = FLOOR) -> int:
    """How many values of single attributes fewer than `floor` people have: these people are in no published table."""
    return len(rare_values(cube, floor))


def _scores_of_the_rest(margins: Sequence[Margin]) -> list[Margin]:
    """The margins without scores that nobody who is left has: they are scores of the people taken out.

    A bin's lowest and highest score may be theirs too, so each bin then begins where the one before ends, at a number
    of few digits between the two.
    """
    scored = [m.scores for m in margins if m.scores is not None]
    if not scored:
        return list(margins)
    used = np.zeros(len(scored[0].at), dtype=bool)
    for s in scored:
        used |= s.n.reshape(-1, len(s.at)).any(axis=0)
    at, top = scored[0].at[used], scored[0].top[used]
    if not scored[0].exact and used.any():
        at, top = blurred(at, top, scored[0].n[..., used].reshape(-1, len(at)).sum(axis=0))

    def kept(s: Scores) -> Scores:
        return replace(s, at=at, top=top if not s.exact else at, n=s.n[..., used], w=s.w[..., used], w2=s.w2[..., used])

    return [m if m.scores is None else replace(m, scores=kept(m.scores)) for m in margins]


def _withhold(
    margin: Margin,
    dropped: set[tuple[str, ...]],
    hidden: dict[tuple[str, ...], set[tuple[str, ...]]],
    floor: int,
) -> set[tuple[str, ...]]:
    """The groups of an intersection that must not be shown: small ones, their complements, children of hidden ones."""
    people = dict(zip(margin.groups, margin.people.tolist(), strict=True))
    number = {g: i for i, g in enumerate(margin.groups)}
    secret = {g for g, n in people.items() if 0 < n < floor}
    for parent, groups in hidden.items():
        if groups and set(parent) < set(margin.attribute):
            place = [margin.attribute.index(a) for a in parent]
            secret |= {g for g, n in people.items() if n > 0 and tuple(g[i] for i in place) in groups}
    lines: dict[tuple[Any, ...], list[tuple[str, ...]]] = {}
    for group in people:
        for axis in range(len(margin.attribute)):
            lines.setdefault((axis, group[:axis], group[axis + 1 :]), []).append(group)
    changed = True
    while changed:
        changed = False
        for line in lines.values():
            concealed = [g for g in line if g in secret]
            # Two hidden groups whose sum is under the floor are as good as one.
            if concealed and (len(concealed) == 1 or margin.people_in(number[g] for g in concealed) < floor):
                open_ = sorted((people[g], g) for g in line if g not in secret and people[g] > 0)
                if open_:
                    secret.add(open_[0][1])
                    changed = True
    return secret | dropped


def blank(margin: Margin, groups: set[tuple[str, ...]]) -> Margin:
    """The margin with these groups' counts removed and marked; what was withheld before stays marked."""
    if not groups:
        return margin
    hide = margin.withheld | np.array([g in groups for g in margin.groups])

    def blank(a: npt.NDArray[Any]) -> npt.NDArray[Any]:
        out = a.copy()
        out[hide] = 0
        return out

    s = margin.scores.mapped(blank) if margin.scores is not None else None
    if s is not None and s.area is not None:
        s = replace(s, area=np.where(hide, np.nan, s.area))  # nobody is counted, so there is none
    more = margin.beside.mapped(blank) if margin.beside is not None else None
    clusters = margin.clusters
    if clusters is not None:
        clusters = clusters.moved(np.where(hide, -1, np.arange(len(hide))), len(hide))
    return replace(
        margin, n=blank(margin.n), w=blank(margin.w), w2=blank(margin.w2), withheld=hide, scores=s, beside=more,
        clusters=clusters,
    )  # fmt: skip
