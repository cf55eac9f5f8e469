"""The honest comparison: original, matched-threshold baseline and candidate on rows that neither saw.

Much of the gain that mitigation reports is only a moved threshold. So the candidate stands beside the *original*
model with its single threshold moved so that it selects as many of the same test rows, and every rate and gap of every
group is given before and after, what got worse first.

That threshold is found on the test rows themselves, from the scores and the candidate's number alone: no outcome and no
group is looked at, so it cannot make the baseline err less or its gap narrower. Found on the validation rows, which the
original may have learned from, it would select another share of the test rows, and the two would differ by that too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from msgspec import to_builtins

from audit import stats
from audit.case import Case
from audit.code import Decisions, code_rows
from audit.cube import CodedRows, Floats, Ints, Margin, cube_of
from audit.cube_json import margins_to_json
from audit.documents.evidence import LeftToCube
from audit.documents.mitigation import ARMS
from audit.evidence import pick
from audit.findings import judge
from audit.gaps import Settings
from audit.measure import measure
from audit.metrics import ACCURACY, FALSE_POSITIVE_RATE, ROC_AUC, SELECTION_RATE, TRUE_POSITIVE_RATE
from audit.numbers import percent
from audit.suppress import publish, rare_people
from audit.values import Measures, to_json
from audit.wide import KEY, left_to_cube, told_of
from debias.paired import Change, changes, joint_of, people_moved, take

CLOSE = 0.005
"""A baseline whose selection rate is farther from the candidate's than this is not of the same rate, and said so."""


@dataclass(frozen=True, slots=True, eq=False)
class Arm:
    """One way of deciding, measured on the test rows. threshold is None where there is no single one."""

    name: str
    threshold: float | None
    margins: tuple[Margin, ...]
    measures: Measures
    norms: tuple[dict[str, Any], ...]
    notes: tuple[str, ...]

    def overall(self, metric: str) -> float | None:
        """A rate of everybody."""
        rate = pick(self.measures.rates, metric=metric, attribute=(), group=())
        return None if rate is None else rate.value

    def to_json(self, left: LeftToCube | None) -> dict[str, Any]:
        """The arm as in mitigation.json. left: intersections whose records are left to the cube beside it."""
        out: dict[str, Any] = {"threshold": self.threshold}
        for metric in (ACCURACY, SELECTION_RATE, TRUE_POSITIVE_RATE, FALSE_POSITIVE_RATE, ROC_AUC):
            out[metric] = self.overall(metric)
        m = told_of(self.measures, left)
        lists = {"rates": m.rates, "gaps": m.gaps, "counts": m.counts}
        return out | {name: [to_json(r) for r in rows] for name, rows in lists.items()} | {"norms": list(self.norms)}


@dataclass(frozen=True, slots=True)
class Flip:
    """Who is affected in one group: decisions that change to and from the favourable one, with a McNemar test.

    p_value is exact (binomial, two-sided; McNemar 1947, Edwards 1948), p_adjusted Holm's over all groups listed.
    """

    attribute: tuple[str, ...]
    group: tuple[str, ...]
    rows: int
    to_favourable: int
    to_unfavourable: int
    p_value: float
    p_adjusted: float


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """The three arms, what changed (worst first) and whose decisions flipped. matched is None without scores."""

    original: Arm
    matched: Arm | None
    candidate: Arm
    changes: tuple[Change, ...]
    flips: tuple[Flip, ...]
    notes: tuple[str, ...]


def matched_threshold(score: Floats, positive_rate: float, weight: Floats | None = None) -> tuple[float, float]:
    """The threshold at which `score` (n,) decides the share nearest to positive_rate positive, and that share.

    Of two thresholds that are equally near the higher is taken.
    """
    w = np.ones(len(score)) if weight is None else weight
    at, place = np.unique(score, return_inverse=True)
    share = np.cumsum(np.bincount(place, w)[::-1])[::-1] / w.sum()
    # One more: nobody is positive.
    at = np.append(at, np.nextafter(at[-1], np.inf))
    share = np.append(share, 0.0)
    distance = np.abs(share - positive_rate)
    best = int(len(at) - 1 - np.argmin(distance[::-1]))
    # Halfway down to the next score below, so that a rounding of the score changes nobody's decision.
    threshold = at[best] if best == 0 or best == len(at) - 1 else (at[best] + at[best - 1]) / 2
    return float(threshold), float(share[best])


def matched_decisions(
    score: Floats, positive: Ints, weight: Floats | None = None
) -> tuple[npt.NDArray[np.int64], float]:
    """The original with its threshold moved: decisions (n,), as many positive as `positive` (n,), and the threshold.

    score (n,) are the original's on the same rows; of the candidate only the share that it decides positive is used.
    """
    threshold, _ = matched_threshold(score, float(np.average(positive, weights=weight)), weight)
    return (score >= threshold).astype(np.int64), threshold


def unmatched(matched: Arm | None, candidate: Arm) -> str | None:
    """A note where the baseline could not be brought to the candidate's selection rate, or None."""
    before, after = (None if a is None else a.overall(SELECTION_RATE) for a in (matched, candidate))
    if before is None or after is None or abs(before - after) <= CLOSE:
        return None
    return (
        f"No threshold of the original selects as many as the candidate: with its threshold moved it selects "
        f"{percent(before)}, the candidate {percent(after)}, because many people share one score. What the two "
        "differ in is in part how many they select."
    )


def measured_arm(case: Case, name: str, threshold: float | None, coded: CodedRows, settings: Settings) -> Arm:
    """Cube, what may be published of it, and everything that follows. Scores are counted where there are any."""
    margins, notes = publish(cube_of(coded), settings.floor, settings.order)
    measures = measure(margins, settings)
    norms = tuple(to_json(n) for n in judge(case.policy, measures, case.data.sensitive))
    return Arm(name, threshold, margins, measures, norms, notes)


def compare(
    case: Case,
    frame: pd.DataFrame,
    original: tuple[Decisions, float | None],
    matched: tuple[Decisions, float] | None,
    candidate: tuple[Decisions, float | None],
    settings: Settings,
) -> Comparison:
    """Compare on the test rows `frame`; each arm is its decisions on them and its threshold."""
    coded = code_rows(case, frame, original[0])

    def measured(name: str, arm: tuple[Decisions, float | None]) -> Arm:
        mine = replace(coded, decision=arm[0].positive.astype(np.int64), score=arm[0].score)
        return measured_arm(case, name, arm[1], mine, settings)

    before = measured("original", original)
    moved = None if matched is None else measured("matched", matched)
    last = measured("candidate", candidate)
    margins = last.margins
    keep = ~rare_people(coded, settings.floor)
    after = candidate[0].positive.astype(np.int64)
    joint = joint_of(take(coded, keep), after[keep])
    all_changes = changes(
        joint,
        margins,
        reference=dict(settings.reference),
        floor=settings.floor,
        seed=settings.seed,
        draws=settings.draws,
        alpha=settings.alpha,
    )
    favourable = 1 if coded.meaning.favourable_is_positive else 0
    return Comparison(
        before,
        moved,
        last,
        _comparable(all_changes, before, moved, last),
        flips_of(take(coded, keep), after[keep], margins, favourable),
        last.notes,
    )


def _figures(arm: Arm | None) -> dict[tuple[object, ...], float | None]:
    """The rates and gaps of an arm by metric, attribute, group and kind, as changes have them."""
    if arm is None:
        return {}
    m = arm.measures
    rates: dict[tuple[object, ...], float | None] = {(r.metric, r.attribute, r.group, "rate"): r.value for r in m.rates}
    return rates | {(g.metric, g.attribute, None, g.kind): g.value for g in m.gaps}


def _comparable(all_changes: Sequence[Change], before: Arm, moved: Arm | None, after: Arm) -> tuple[Change, ...]:
    """The changes of figures that both arms have, beside the baseline's: of decisions that are (nearly) all alike they
    have no ratio (audit.gaps)."""
    first, between, last = (_figures(arm) for arm in (before, moved, after))
    keys = [(c.metric, c.attribute, c.group, c.kind) for c in all_changes]
    return tuple(
        replace(c, matched=between.get(key))
        for c, key in zip(all_changes, keys, strict=True)
        if first.get(key) is not None and last.get(key) is not None
    )


def flips_of(coded: CodedRows, after: Ints, margins: Sequence[Margin], favourable: int) -> tuple[Flip, ...]:
    """Flipped decisions of every published group, counted in people; most affected (by share) first within a table."""
    from scipy.special import bdtr

    from audit.stats import holm

    joint = joint_of(coded, after)
    flip_rows: list[tuple[tuple[str, ...], tuple[str, ...], int, int, int, float]] = []
    for margin in margins:
        axes = [coded.attributes.index(a) for a in margin.attribute]
        table = {g: np.zeros((2, 2), dtype=np.int64) for g in margin.groups}
        named = [tuple(coded.levels[a][code[a]] for a in axes) for code in joint.codes.tolist()]
        for group, n in zip(named, joint.n, strict=True):
            if group in table:
                table[group] += n.sum(axis=0)
        rows = []
        for group, hidden in zip(margin.groups, margin.withheld, strict=True):
            n = table[group]
            if hidden or n.sum() == 0:
                continue
            gains, losses = int(n[1 - favourable, favourable]), int(n[favourable, 1 - favourable])
            # Two-sided at one half, by symmetry twice the smaller tail.
            up, down = gains, losses
            if (whole := people_moved(joint, np.array([g == group for g in named]), favourable)) is not None:
                up, down = whole
            p = stats.above_nought(min(1.0, 2 * float(bdtr(min(up, down), up + down, 0.5)))) if up + down else 1.0
            rows.append((margin.attribute, group, int(n.sum()), gains, losses, p))
        flip_rows += sorted(rows, key=lambda r: (-(r[3] + r[4]) / r[2], r[1]))
    adjusted = holm(np.array([r[5] for r in flip_rows])) if flip_rows else np.zeros(0)
    return tuple(Flip(*row, p_adjusted=float(p)) for row, p in zip(flip_rows, adjusted, strict=True))


def comparison_to_json(comparison: Comparison, floor: int) -> dict[str, Any]:
    """The keys `arms`, `cubes`, `changes` and `flips` of mitigation.json, and `left_to_cube` where there is one."""
    arms = {a.name: a for a in (comparison.original, comparison.matched, comparison.candidate) if a is not None}
    first = comparison.original
    left = left_of_arms(first.margins, first.measures, first.norms)
    return {
        "arms": {name: arms[name].to_json(left) if name in arms else None for name in ARMS},
        "cubes": {name: margins_to_json(arms[name].margins, floor) if name in arms else None for name in ARMS},
        "changes": [to_json(c) for c in comparison.changes],
        "flips": [to_json(f) for f in comparison.flips],
        **({} if left is None else {KEY: to_builtins(left)}),
    }


def left_of_arms(
    margins: Sequence[Margin], measures: Measures, norms: Sequence[Mapping[str, Any]]
) -> LeftToCube | None:
    """Which intersections every arm leaves to its cube: by the widest gaps of the original, whose these are."""
    return left_to_cube(margins, measures.gaps, norms, document="mitigation.json", cube="its cubes")
