"""Recourse in explain.json: for the people explained, and what it costs one group against another.

Groups are compared on a simple random sample of their refused people each: how many have any recourse, and what it
costs those who have. A gap says how much further one group must go for the same decision (Gupta et al. 2019; von
Kügelgen et al. 2022).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.case import Recourse
from audit.explain.change import CATEGORY, Unit, units, unseen
from audit.explain.kinds import Floats, Ints, Predict
from audit.explain.outputs import Rule
from audit.explain.prepare import shown
from audit.explain.recourse import Counterfactual, search
from audit.explain.sample import FLOOR
from audit.explain.sentences import RecourseGap
from audit.explain.summary import rounded
from audit.numbers import fixed, many
from audit.stats.gap import GapResult, largest_gap
from audit.stats.intervals import wilson
from audit.stats.means import mean_gap, mean_interval
from audit.stats.pairs import named_averages, named_rates
from audit.values import to_json

NO_TABLE = (
    "No recourse was sought: the case file has no [recourse] table that says which features a person can change and "
    "how far. Nothing is taken to be changeable without it."
)
COST = (
    "Cost is the sum over the changes of how many of the audited people one passes, in percentiles (0 to 1 a feature); "
    f"another category costs {fixed(CATEGORY, 3)}, the mean distance of two people picked at random. Features that "
    "change together cost their largest change."
)


@dataclass(frozen=True, slots=True)
class _Step:
    """One feature of a change."""

    feature: str
    before: Any
    after: Any

    @property
    def words(self) -> str:
        return f"{self.feature} from {self.before} to {self.after}"


@dataclass(frozen=True, slots=True)
class _Change:
    """What is changed together, and the cost of it."""

    steps: tuple[_Step, ...]
    cost: float

    def to_json(self) -> dict[str, Any]:
        steps = [{"feature": s.feature, "from": s.before, "to": s.after} for s in self.steps]
        return {"steps": steps, "cost": self.cost}


@dataclass(frozen=True, slots=True)
class Finding:
    """What is the same for every search of one case."""

    predict: Predict
    frame: pd.DataFrame
    parts: tuple[Unit, ...]
    rule: Rule

    @classmethod
    def of(cls, spec: Recourse, predict: Predict, frame: pd.DataFrame, rule: Rule) -> Finding:
        return cls(predict, frame, units(spec, frame), rule)

    def search(self, people: Ints, budget: int) -> tuple[Counterfactual, ...]:
        return search(self.predict, self.frame, people, self.parts, self.rule, budget)

    def person(self, row: int, solution: Counterfactual) -> dict[str, Any]:
        """One person's recourse, with its sentence."""
        if solution.choice is None:
            reach = (
                f"all {many(solution.tried, 'combination')} of the values tried"
                if solution.complete
                else f"{many(solution.tried, 'combination')}, where the search ended"
            )
            text = f"None found: none of {reach} turns the decision."
            return {"found": False, "changes": [], "cost": None, "score": None, **_reach(solution), "words": text}
        before = shown(self.frame, row)
        changes: list[_Change] = []
        for unit, c in zip(self.parts, solution.choice.tolist(), strict=True):
            if c < 0:
                continue
            after = shown(self.frame, int(unit.donors[c]))
            steps = tuple(_Step(f, before[f], after[f]) for f in unit.columns if before[f] != after[f])
            changes.append(_Change(steps, rounded(unit.cost[row, c])))
        changes.sort(key=lambda change: -change.cost)
        parts = [" together with ".join(s.words for s in change.steps) for change in changes]
        limit = (
            "no cheaper combination of the values tried does"
            if solution.complete
            else f"the search ended after {many(solution.tried, 'combination')}, so a cheaper one may exist"
        )
        text = f"The decision turns with {'; and '.join(parts)} (cost {fixed(solution.cost, 2)}); {limit}."
        return {
            "found": True, "changes": [c.to_json() for c in changes], "cost": rounded(solution.cost),
            "score": rounded(solution.score), **_reach(solution), "words": text,
        }  # fmt: skip


def _reach(solution: Counterfactual) -> dict[str, Any]:
    return {"complete": solution.complete, "tried": solution.tried}


def absent(reason: str = NO_TABLE) -> dict[str, Any]:
    """The `recourse` of a document without one."""
    return {"sought": False, "reason": reason, "groups": [], "gaps": []}


def groups(
    finding: Finding, spec: Recourse, names: Mapping[str, npt.NDArray[np.str_]], keep: npt.NDArray[np.bool_],
    favourable: Floats, rows: int, budget: int, seed: int,
) -> dict[str, Any]:  # fmt: skip
    """The `recourse` entry: cost of recourse by group on up to `rows` refused people of each, and the gaps."""
    refused = np.flatnonzero(keep & (favourable == 0))
    order = refused[np.random.default_rng([seed, 2]).permutation(len(refused))]
    lists = {a: {str(g): order[of[order] == g] for g in np.unique(of[refused]).tolist()} for a, of in names.items()}
    some = {a: {g: m[:rows] for g, m in of.items() if len(m) >= FLOOR} for a, of in lists.items()}
    taken = [m for of in some.values() for m in of.values()]
    people = np.unique(np.concatenate(taken)) if taken else np.empty(0, dtype=np.int64)
    solutions = finding.search(people, budget)
    cost = np.array([np.inf if f.cost is None else f.cost for f in solutions])
    entries: list[dict[str, Any]] = []
    gaps: list[RecourseGap] = []
    for attribute, of in some.items():
        costs = {g: cost[np.searchsorted(people, m)] for g, m in of.items()}
        entries += [_group(attribute, g, len(lists[attribute][g]), c) for g, c in costs.items()]
        gaps += _gaps(attribute, costs, seed)
    tried = sum(f.tried for f in solutions)
    return {
        "sought": True,
        "reason": None,
        "actionable": list(spec.actionable),
        "ranges": {c: list(r) for c, r in spec.ranges.items()} | {c: list(v) for c, v in spec.values.items()},
        "direction": dict(spec.direction),
        "together": [list(t) for t in spec.together],
        "values_tried": {", ".join(u.columns): len(u.donors) for u in finding.parts},
        "not_in_data": unseen(spec, finding.frame),
        "cost": COST,
        "rows": len(people),
        "tried": tried,
        "budget": budget,
        "complete": rounded(np.mean([f.complete for f in solutions])) if solutions else None,
        "groups": entries,
        "gaps": [to_json(g) for g in gaps],
        "notice": [g.words for g in gaps],
    }


def _group(attribute: str, group: str, refused: int, cost: Floats) -> dict[str, Any]:
    """One group: how many of the refused people looked at have recourse, and its mean cost among these."""
    has = np.isfinite(cost)
    count, rows = int(has.sum()), len(cost)
    low, high = (float(v) for v in wilson(count, rows))
    mean = error = None
    if count:
        mean = float(cost[has].mean())
    if count >= FLOOR:
        error = float(cost[has].std(ddof=1) / np.sqrt(count))
    ends = (None, None) if error is None else tuple(float(v) for v in mean_interval(mean or 0.0, error))
    return {
        "attribute": [attribute], "group": [group], "refused": refused, "rows": rows, "found": count,
        "share": rounded(count / rows), "share_low": rounded(low), "share_high": rounded(high),
        "cost": _known(mean), "cost_low": _known(None if ends[0] is None else max(0.0, ends[0])),
        "cost_high": _known(ends[1]),
        "median": _known(float(np.median(cost[has])) if count else None),
    }  # fmt: skip


def _known(value: float | None) -> float | None:
    return None if value is None else rounded(value)


def _gaps(attribute: str, costs: Mapping[str, Floats], seed: int) -> list[RecourseGap]:
    """The widest gap between groups in the cost of recourse and in the share of people who have any."""
    names = list(costs)
    if len(names) < 2:
        return []
    known = [c[np.isfinite(c)] for c in costs.values()]
    enough = [len(k) >= FLOOR for k in known]
    means = [float(k.mean()) if ok else np.nan for k, ok in zip(known, enough, strict=True)]
    errors = [float(k.std(ddof=1) / np.sqrt(len(k))) if ok else np.nan for k, ok in zip(known, enough, strict=True)]
    cost = mean_gap(means, errors, seed=seed, what="mean costs of recourse", sizes=[len(k) for k in known])
    share = largest_gap([([len(k) for k in known], [len(c) for c in costs.values()])], seed=seed)
    has, people = [len(k) for k in known], [len(c) for c in costs.values()]
    # What is said of two groups is theirs, not that of the widest gap of all groups.
    named: list[tuple[float, float, float] | None] = [None, None]
    if cost.highest is not None and cost.lowest is not None:
        named[0] = named_averages(means, errors, has, cost.highest, cost.lowest)
    if share.highest is not None and share.lowest is not None:
        named[1] = named_rates(has, people, share.highest, share.lowest, seed=seed)
    return [
        _gap(attribute, "cost", names, cost, named[0], has),
        _gap(attribute, "share", names, share, named[1], people),
    ]


def _gap(
    attribute: str, of: str, names: Sequence[str], gap: GapResult, two: tuple[float, float, float] | None,
    people: Sequence[int],
) -> RecourseGap:  # fmt: skip
    known = gap.highest is not None and gap.lowest is not None
    low, high, p_value = two or (None, None, None)
    limits = "Welch" if of == "cost" else "Newcombe"
    method = f"highest - lowest; 95 % {limits} interval and p-value of these two, paid for all pairs of groups"
    if not known:
        method = gap.method
    return RecourseGap(
        attribute=(attribute,), of=of, value=_known(gap.value), low=_known(low), high=_known(high),
        p_value=_known(p_value), highest=(names[gap.highest],) if known and gap.highest is not None else None,
        lowest=(names[gap.lowest],) if known and gap.lowest is not None else None,
        people=int(sum(people)), method=method, estimable=gap.estimable, reason=gap.reason,
    )  # fmt: skip
