"""Search on one half, confirm on the other. See the package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit import stats
from audit.gaps import Settings, seed_of
from audit.quality.codes import MISSING, Group, Ints, Levels, levels_of
from audit.quality.draw import dealt, row_digest, sample
from audit.stats.exact import two_groups
from audit.values import UNKNOWN, to_json

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

MOST_ROWS = 40_000
MOST_CONDITIONS = 400
LEAST = 50
"""People of a slice in the searched half."""
TESTED = 10
"""Slices of each question that are put to the test."""
ALIKE = 0.8
"""Two slices that share this part of their people (Jaccard) count as one."""

QUESTIONS = {
    "error": "decided otherwise than the outcome, of people whose outcome is known",
    "missed": "refused, of people who have the favourable outcome",
}


def search(
    frame: pd.DataFrame,
    features: Sequence[str],
    groups: Sequence[Group],
    wrong: Mapping[str, tuple[Mask, Mask]],
    settings: Settings,
) -> dict[str, Any]:
    """The `slices` entry of evidence.json. wrong: question -> who is asked about, and for whom it went wrong; (n,)."""
    asked = {q: v for q, v in wrong.items() if v[0].any()}
    if not asked:
        return {"measured": False, "reason": "no outcome is known", "found": []}
    digest = row_digest(frame, features, groups, [m for pair in asked.values() for m in pair])
    place = sample(digest, MOST_ROWS, seed_of(settings, "slices"))
    columns = _columns(frame, features, groups, place)
    named = {g.attribute for g in groups}
    conditions, left_out = _conditions(columns)
    half = dealt(digest[place], 2, seed_of(settings, "halves")) == 0
    considered = 0
    tested: list[Tested] = []
    for question, (who, bad) in asked.items():
        here, hit = who[place], (who & bad)[place]
        chosen, count = _best(columns, conditions, half & here, hit)
        considered += count
        tested += [_test(columns, c, ~half & here, hit, question, named, settings.alpha) for c in chosen]
    adjusted = stats.holm(np.array([t.p_value for t in tested])).tolist() if tested else []
    findings = [
        replace(t, p_adjusted=p)
        for t, p in zip(tested, adjusted, strict=True)
        if p <= settings.alpha and t.difference > 0
    ]
    findings.sort(key=lambda t: (t.p_adjusted, -t.difference, str(list(t.where))))
    return {
        "measured": True,
        "rows": len(place),
        "of_rows": len(frame),
        "questions": {q: QUESTIONS[q] for q in asked},
        "considered": considered,
        "tested": len(tested),
        "least_people": LEAST,
        "conditions_left_out": left_out,
        "method": "searched on one half of the people, tested exactly (Fisher) on the other; Holm over all tested",
        "found": [to_json(t) for t in findings],
    }


@dataclass(frozen=True, slots=True)
class Tested:
    """A slice on the other half of the people: `wrong` of `people`, against all others there."""

    question: str
    where: tuple[dict[str, str], ...]
    sensitive: tuple[str, ...]
    people: int
    wrong: int
    rate: float
    rate_of_others: float
    difference: float
    low: float | None
    high: float | None
    p_value: float
    p_adjusted: float = 1.0


def _columns(frame: pd.DataFrame, features: Sequence[str], groups: Sequence[Group], place: Ints) -> list[Levels]:
    """The groups and the features of these rows. Of columns behind MOST_CONDITIONS conditions, which nobody asks about,
    only the names of the levels."""
    columns = [Levels(g.attribute, g.codes[place], g.levels) for g in groups]
    named = {g.attribute for g in groups}
    before = sum(len(_condition_levels(c)) for c in columns)
    for feature in (f for f in features if f not in named):
        levels = levels_of(frame[feature].iloc[place], bands=4, most=12)
        if levels is not None:
            columns.append(levels if before < MOST_CONDITIONS else replace(levels, codes=levels.codes[:0]))
            before += len(_condition_levels(levels))
    return columns


def _condition_levels(column: Levels) -> list[int]:
    """The levels that a condition may name."""
    some = len(column.names) > 1
    return [k for k, name in enumerate(column.names) if some and name not in (UNKNOWN, MISSING)]


def _conditions(columns: Sequence[Levels]) -> tuple[list[tuple[int, int]], int]:
    """(column, level) of every condition, and how many more there were than are looked at."""
    every = [(i, level) for i, c in enumerate(columns) for level in _condition_levels(c)]
    return every[:MOST_CONDITIONS], max(0, len(every) - MOST_CONDITIONS)


def _best(
    columns: Sequence[Levels], conditions: Sequence[tuple[int, int]], here: Mask, hit: Mask
) -> tuple[list[tuple[int, ...]], int]:
    """The few slices whose rate stands out most among `here`, as keys of conditions; and how many were looked at."""
    total, wrong = float(here.sum()), float((here & hit).sum())
    if not conditions or wrong in (0, total):
        return [], 0
    inside = np.stack([columns[i].codes[here] == level for i, level in conditions], axis=1).astype(np.float32)
    # Sums of 0 and 1 under 2^24 are exact in single precision.
    n = (inside.T @ inside).astype(np.float64)
    x = (inside.T @ (inside * hit[here][:, None].astype(np.float32))).astype(np.float64)
    owner = np.array([i for i, _ in conditions])
    allowed = (np.triu(np.ones(n.shape, dtype=bool)) & (owner[:, None] != owner)) | np.eye(len(n), dtype=bool)
    allowed &= (n >= LEAST) & (total - n >= LEAST)
    with np.errstate(divide="ignore", invalid="ignore"):
        rest = total - n
        gap = x / n - (wrong - x) / rest
        share = wrong / total
        z = np.where(allowed & (gap > 0), gap / np.sqrt(share * (1 - share) * (1 / n + 1 / rest)), -np.inf)
    order = np.argsort(-z, axis=None, kind="stable")
    chosen: list[tuple[int, ...]] = []
    taken: list[Mask] = []
    for flat in order[:2000].tolist():
        i, j = divmod(flat, len(n))
        if not np.isfinite(z[i, j]) or len(chosen) == TESTED:
            break
        members = (inside[:, i] > 0) & (inside[:, j] > 0)
        if all((members & t).sum() <= ALIKE * (members | t).sum() for t in taken):
            chosen.append((i,) if i == j else (i, j))
            taken.append(members)
    return [tuple(_key(conditions[k]) for k in c) for c in chosen], int(allowed.sum())


def _key(condition: tuple[int, int]) -> int:
    return condition[0] * 100_000 + condition[1]


def _test(
    columns: Sequence[Levels],
    slice_: tuple[int, ...],
    here: Mask,
    hit: Mask,
    question: str,
    named: set[str],
    alpha: float,
) -> Tested:
    members = here.copy()
    where, sensitive = [], []
    for key in slice_:
        column, level = divmod(key, 100_000)
        members &= columns[column].codes == level
        name = columns[column].column
        where.append({"column": name, "value": columns[column].names[level]})
        sensitive += [name] if name in named else []
    n1, n2 = int(members.sum()), int((here & ~members).sum())
    x1, x2 = int((members & hit).sum()), int((here & ~members & hit).sum())
    both = n1 > 0 and n2 > 0
    low, high = stats.newcombe(x1, n1, x2, n2, alpha) if both else (np.nan, np.nan)
    return Tested(
        question=question,
        where=tuple(where),
        sensitive=tuple(sensitive),
        people=n1,
        wrong=x1,
        rate=x1 / n1 if n1 else 0.0,
        rate_of_others=x2 / n2 if n2 else 0.0,
        difference=x1 / n1 - x2 / n2 if both else 0.0,
        low=float(low) if both else None,
        high=float(high) if both else None,
        p_value=float(two_groups(x1, n1, x2, n2)) if both else 1.0,
    )
