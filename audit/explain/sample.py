"""Which rows are explained: a sample of the people audited, with enough of every group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audit.clusters import people_per_value
from audit.explain.kinds import Ints
from audit.lazy import pandas as pd

FLOOR = 10
"""Groups of fewer people are withheld: nothing about them is written (as in audit/suppress.py)."""


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """Positions among the audited rows.

    rows (n,): all rows to be explained, ascending. everyone: places in `rows` of a simple random sample of all people.
    groups[attribute][group]: places in `rows` of a simple random sample of the group.
    """

    rows: Ints
    everyone: Ints
    groups: Mapping[str, Mapping[str, Ints]]


def rare(
    groups: Mapping[str, npt.NDArray[np.str_]], count: int, cluster: Ints | None = None, floor: int = FLOOR
) -> tuple[npt.NDArray[np.bool_], dict[str, tuple[str, ...]]]:
    """(N,) who is of no rare group, and the rare groups of each attribute: those that the tables are published without
    (audit/suppress.py). A group of fewer than `floor` people is rare; without these people another may be, and so on.

    count: N, of rows. cluster (N,): which person each row is about, from 0.
    """
    keep, small = np.ones(count, dtype=bool), {a: set[str]() for a in groups}
    while True:
        fewer = {
            a: _fewer(names[keep], None if cluster is None else cluster[keep], floor) for a, names in groups.items()
        }
        if not any(fewer.values()):
            return keep, {a: tuple(sorted(of)) for a, of in small.items()}
        for attribute, names in groups.items():
            small[attribute] |= fewer[attribute]
            keep &= ~np.isin(names, list(fewer[attribute]))


def _fewer(names: npt.NDArray[np.str_], cluster: Ints | None, floor: int) -> set[str]:
    levels, codes, rows = np.unique(names, return_inverse=True, return_counts=True)
    people = rows if cluster is None else people_per_value(cluster, codes, len(levels))
    return {str(g) for g, n in zip(levels, people, strict=True) if n < floor}


def choose(
    groups: Mapping[str, npt.NDArray[np.str_]], keep: npt.NDArray[np.bool_], rows: int, least: int, seed: int
) -> Chosen:
    """A simple random sample of `rows` of the people kept, and of each group further members up to `least`.

    groups: the name of each row's group per attribute, (N,) each. A member added for one group counts for that group
    alone, so that every list is a simple random sample of what it stands for.
    """
    rng = np.random.default_rng(seed)
    pool = np.flatnonzero(keep)
    order = pool[rng.permutation(len(pool))]
    first = order[:rows]
    lists: dict[str, dict[str, Ints]] = {}
    taken = [first]
    for attribute, names in groups.items():
        lists[attribute] = {}
        for group in np.unique(names[pool]).tolist() if len(pool) else []:
            members = order[names[order] == group]
            count = max(int((names[first] == group).sum()), min(least, len(members)))
            # The first members in the one random order: those of the sample, then those that follow it.
            lists[attribute][str(group)] = members[:count]
            taken.append(members[:count])
    chosen = np.unique(np.concatenate(taken))
    return Chosen(
        chosen,
        np.searchsorted(chosen, first),
        {a: {g: np.searchsorted(chosen, m) for g, m in of.items()} for a, of in lists.items()},
    )


def background(frame: pd.DataFrame, size: int, seed: int) -> Ints:
    """Positions of `size` rows drawn without replacement, ascending; all of them when there are no more."""
    if len(frame) <= size:
        return np.arange(len(frame), dtype=np.int64)
    return np.sort(np.random.default_rng([seed, 1]).choice(len(frame), size, replace=False)).astype(np.int64)
