"""What may be told of some of the people, after everything that was told before: nobody is found by subtraction.

Two tables on nearly the same people differ by a few, whose outcome and decision are then known (Dobkin, Jones and
Lipton 1979; Denning and Schlörer 1980, "A fast procedure for finding a tracker"). Here a cohort is held against the
published tables of everyone and against every cohort told before. An *atom* is people who are in one combination of
groups and in the same cohorts. Whoever knew the counts of every atom could, with the new cohort, learn of no fewer than

    m = sum over atoms of min(people of the atom inside the cohort, outside it)

people, since each atom's count can be taken away inside or outside, not both. So a cohort is told where m is at least
the floor (10), or where it says nothing new: its counts are a sum of what was told (a complement, say). By induction
every sum and difference of cohorts that were ever told is then of the floor or more, however many it takes. A group is
told where the same holds of its part; else it is withheld, and the next smallest wherever a total would give it away.

The rule looks at who is in what, never at outcomes or decisions: that it refuses tells nothing of these (Kenthapadi,
Mishra and Nissim 2005, "Simulatable auditing"). It refuses more than it must: atoms are more than anybody was told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audit.cube import CodedRows, Floats, Ints, Margin
from audit.errors import DataError
from audit.suppress import FLOOR

Mask = npt.NDArray[np.bool_]
Names = tuple[str, ...]
MOST_KNOWN = 1500
"""Tables' entries that a sum is looked for among; with more, fewer are taken for known, and more is withheld."""
_NEAR = 1e-7


@dataclass(frozen=True, slots=True, eq=False)
class PublishedCohort:
    """A cohort whose counts were shown. inside: (n,) who is in it; shown: set of columns -> its groups that were."""

    inside: Mask
    shown: Mapping[Names, frozenset[Names]]


class Before:
    """Everything told so far about these people.

    coded: of the rows, n of them. everyone: the tables of everyone as published (`audit.suppress.publish`). cohorts:
    in the order in which they were told.
    """

    def __init__(
        self, coded: CodedRows, everyone: Sequence[Margin], cohorts: Sequence[PublishedCohort], floor: int = FLOOR
    ) -> None:
        self.coded, self.floor = coded, floor
        self.everyone = {m.attribute: m for m in everyone}
        flat = np.zeros(len(coded.label), dtype=np.int64)
        for axis, levels in enumerate(coded.levels):
            flat = flat * len(levels) + coded.codes[:, axis]
        for cohort in cohorts:
            flat = np.unique(flat * 2 + cohort.inside, return_inverse=True)[1]
        self.atom = np.unique(flat, return_inverse=True)[1].astype(np.int64)
        self.atoms = int(self.atom.max()) + 1 if len(flat) else 0
        self._first = np.zeros(self.atoms, dtype=np.int64)
        self._first[self.atom] = np.arange(len(flat))
        self._groups: dict[Names, Ints] = {}
        self._basis = self._known(cohorts)

    def group(self, attribute: Names) -> Ints:
        """(n,) which group of the published table of `attribute` each row is in, -1 where none."""
        if attribute not in self._groups:
            margin = self.everyone[attribute]
            place = {g: i for i, g in enumerate(margin.groups)}
            axes = [self.coded.attributes.index(a) for a in attribute]
            combined, which = np.unique(self.coded.codes[:, axes], axis=0, return_inverse=True)
            names = [tuple(self.coded.levels[x][v] for x, v in zip(axes, row, strict=True)) for row in combined]
            self._groups[attribute] = np.array([place.get(n, -1) for n in names], dtype=np.int64)[which.ravel()]
        return self._groups[attribute]

    def _known(self, cohorts: Sequence[PublishedCohort]) -> Floats:
        """(atoms, rank) an orthonormal basis of what was told, as sums over atoms."""
        vectors: dict[bytes, Mask] = {}

        def add(members: Mask) -> None:
            vector = members[self._first]
            vectors.setdefault(vector.tobytes(), vector)

        order = sorted(self.everyone, key=len)
        for attribute in order:
            margin, own = self.everyone[attribute], self.group(attribute)
            for g in np.flatnonzero(~margin.withheld):
                add(own == g)
        for cohort in cohorts:
            for attribute in order[: len(self.coded.attributes) + 1]:
                groups = cohort.shown.get(attribute, frozenset())
                for place, name in enumerate(self.everyone[attribute].groups):
                    if name in groups:
                        add(cohort.inside & (self.group(attribute) == place))
        kept = [v for v in vectors.values() if v.any()][:MOST_KNOWN]
        if not kept:
            return np.zeros((self.atoms, 0))
        u, size, _ = np.linalg.svd(np.array(kept, dtype=np.float64).T, full_matrices=False)
        return np.asarray(u[:, size > _NEAR * max(size[0], 1.0)])

    def says_nothing_new(self, members: Mask) -> bool:
        """Whether what these people's counts are follows from what was told."""
        inside = np.bincount(self.atom[members], minlength=self.atoms)
        if ((inside > 0) & (inside < np.bincount(self.atom, minlength=self.atoms))).any():
            return False
        vector = (inside > 0).astype(np.float64)
        return bool(np.abs(vector - self._basis @ (self._basis.T @ vector)).max(initial=0.0) < _NEAR)

    def apart(self, inside: Mask) -> Ints:
        """(atoms,) m of each atom, in people. Who has several rows is counted in one place only, so that no sum over
        atoms counts anybody twice."""
        place = self.atom * 2 + inside
        if self.coded.cluster is not None:
            once = np.full(int(self.coded.cluster.max(initial=-1)) + 1, 2 * self.atoms)
            np.minimum.at(once, self.coded.cluster, place)
            place = once
        counts: Ints = np.bincount(place, minlength=2 * self.atoms).reshape(-1, 2).min(axis=1)
        return counts


def hidden_groups(before: Before, inside: Mask, margins: Sequence[Margin]) -> dict[Names, set[Names]]:
    """Which groups of a cohort must not be told, by set of columns. inside (n,): who is in the cohort; margins: its
    tables. Raises DataError where the cohort as a whole must not be told."""
    floor, m = before.floor, before.apart(inside)
    whole = next(t for t in margins if not t.attribute)
    if int(whole.people.sum()) < floor:
        raise DataError(
            "too few people are in this cohort to be shown", got=f"fewer than {floor}",
            expected=f"{floor} or more", todo="choose more values, or a wider range",
        )  # fmt: skip
    if int(m.sum()) < floor and not before.says_nothing_new(inside):
        raise DataError(
            "this cohort is too near to what was shown before", got=f"a difference of fewer than {floor} people",
            expected=f"{floor} or more, so that nobody's outcome can be found by subtraction",
            todo="choose another cohort; one that was shown before is shown again",
        )  # fmt: skip
    hidden: dict[Names, set[Names]] = {(): set()}
    for table in sorted(margins, key=lambda t: len(t.attribute)):
        if table.attribute:
            hidden[table.attribute] = _hidden(before, inside, table, m, hidden)
    return hidden


def _hidden(
    before: Before, inside: Mask, table: Margin, m: Ints, hidden: Mapping[Names, set[Names]]
) -> set[Names]:  # fmt: skip
    """The groups of one table that must not be told: small or too near ones, those in hidden ones, and what a line's
    total would give away."""
    if table.attribute not in before.everyone:
        return set(table.groups)
    own = before.group(table.attribute)
    numbers = {g: i for i, g in enumerate(before.everyone[table.attribute].groups)}
    people = {g: int(p) for g, p in zip(table.groups, table.people, strict=True) if p > 0}
    new = np.zeros(len(numbers), dtype=np.int64)
    at = own[before._first]
    np.add.at(new, at[at >= 0], m[at >= 0])
    weight = {g: int(new[numbers[g]]) if g in numbers else 0 for g in people}

    def part(groups: Sequence[Names]) -> Mask:
        return inside & np.isin(own, [numbers[g] for g in groups if g in numbers])

    secret = {
        g for g, n in people.items()
        if n < before.floor or (weight[g] < before.floor and not before.says_nothing_new(part([g])))
    }  # fmt: skip
    for parent, groups in hidden.items():
        if groups and set(parent) < set(table.attribute):
            axes = [table.attribute.index(a) for a in parent]
            secret |= {g for g in people if tuple(g[i] for i in axes) in groups}
    while more := _uncovered(before, people, secret, weight, part):
        secret |= more
    return secret


def _uncovered(
    before: Before,
    groups: Iterable[Names],
    secret: set[Names],
    weight: Mapping[Names, int],
    part: Callable[[Sequence[Names]], Mask],
) -> set[Names]:
    """Groups that must be withheld too, so that no line's total gives the secret ones of that line away."""
    lines: dict[tuple[object, ...], list[Names]] = {}
    for g in groups:
        for axis in range(len(g)):
            lines.setdefault((axis, g[:axis], g[axis + 1 :]), []).append(g)
    for line in lines.values():
        concealed = [g for g in line if g in secret]
        # One alone follows from the line's total, and then no longer covers another in its other line.
        if not concealed or (len(concealed) > 1 and sum(weight[g] for g in concealed) >= before.floor):
            continue
        if before.says_nothing_new(part(concealed)):
            continue
        free = sorted((weight[g], g) for g in line if g not in secret and weight[g] > 0)
        # Where nothing can cover it, the line is not told at all.
        if more := ({free[0][1]} if free else set(line) - secret):
            return more
    return set()
