"""Which features the model lets work together: TreeSHAP's interaction values, else Friedman's H.

H (Friedman & Popescu 2008) is computed for any model and output. For a pair: the partial dependence on both, less that
on each, centred; its root mean square over the rows, in units of the output (`strength`), and as a share of the root
mean square of the pair's own (`h`: 0 for none, about 1 for nothing else). The rows are at once the places looked at and
the background, so an additive model gives exactly zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from audit.explain.kinds import Floats, Predict, ask
from audit.explain.outputs import Transform
from audit.explain.summary import rounded
from audit.models.hybrids import Base, Hybrids
from audit.values import to_json

FEATURES = 5
"""The features paired, of the largest mean |attribution|: ten pairs."""
TINY = 1e-9


@dataclass(frozen=True, slots=True)
class Interaction:
    """Two features. h: their share of all that both do; None where it is not known."""

    features: tuple[str, str]
    strength: float
    h: float | None


@dataclass(frozen=True, slots=True, eq=False)
class TreeValues:
    """The trees' own interaction values (n, M, M), the halves of a pair in each of its cells."""

    values: Floats
    method: str
    output: str


def friedman(
    predict: Predict, rows: pd.DataFrame, features: Sequence[str], change: Transform | None = None
) -> list[dict[str, Any]]:
    """Pairs of `features` by strength, largest first. `predict` gives the output explained for rows like `rows`, or
    what `change` makes it of.

    Asks about n^2 rows for each feature and for each pair, n = len(rows).
    """
    n = len(rows)
    base = Base(rows)
    places = {str(c): j for j, c in enumerate(rows.columns)}
    back = np.tile(np.arange(n), n)
    at = np.repeat(np.arange(n), n)

    def partial(names: Sequence[str]) -> Floats:
        mask = np.zeros((n * n, rows.shape[1]), dtype=bool)
        mask[:, [places[f] for f in names]] = True
        asked = ask(predict, Hybrids(base, mask, at, back))
        answer = (asked if change is None else change(asked)).reshape(n, n).mean(axis=1)
        return np.asarray(answer - answer.mean(), dtype=np.float64)

    alone = {f: partial([f]) for f in features}
    out = []
    for one, two in combinations(features, 2):
        both = partial([one, two])
        strength = _root(both - alone[one] - alone[two])
        size = _root(both)
        strength = strength if strength > TINY else 0.0
        h = strength / size if size > TINY else 0.0
        out.append(Interaction((one, two), rounded(strength), rounded(h)))
    return _strongest_first(out)


def _root(values: Floats) -> float:
    return float(np.sqrt(np.mean(values**2)))


def from_trees(values: Floats, columns: Sequence[str], features: Sequence[str]) -> list[dict[str, Any]]:
    """Pairs of `features` by mean |interaction value|, largest first. values (n, M, M): half of a pair's in each."""
    size = np.abs(values + values.transpose(0, 2, 1)).mean(axis=0)
    place = {c: j for j, c in enumerate(columns)}
    return _strongest_first(
        [Interaction((one, two), rounded(size[place[one], place[two]]), None) for one, two in combinations(features, 2)]
    )


def _strongest_first(pairs: Sequence[Interaction]) -> list[dict[str, Any]]:
    return [to_json(p) for p in sorted(pairs, key=lambda p: (-p.strength, p.features))]


def of_trees(own: TreeValues, rows: int, pairs: list[dict[str, Any]]) -> dict[str, Any]:
    """The `interactions` entry of pairs that come from the trees."""
    return {
        "method": own.method,
        "output": own.output,
        "rows": rows,
        "why": None,
        "meaning": "strength is the mean size of the pair's share beyond what each of the two adds alone",
        "pairs": pairs,
    }


def refusal(why: str, output: str, rows: int, pairs: list[dict[str, Any]]) -> dict[str, Any]:
    """The `interactions` entry of pairs that come from asking the model, and why."""
    return {
        "method": "Friedman's H",
        "output": output,
        "rows": rows,
        "why": f"TreeSHAP's interaction values are not used: {why}",
        "meaning": (
            "strength is the root mean square of what both do together beyond each alone, in the output's units; h is "
            "its share of all that both do. A model that adds in log-odds has some in probabilities"
        ),
        "pairs": pairs,
    }
