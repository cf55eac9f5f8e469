"""Has a challenger earned its place? Both models on the same later rows; every bound holds at every look.

Promoted only if the upper bound of its gap is inside the `promote` level of each norm that was broken (tighter than the
trigger, so that the loop does not swing), no other norm of the policy is clearly broken, and it is surely wrong no more
often than the running model by more than `loss`, over everyone, and by more than `group_loss` in each group that must
show it. The j-th challenger may spend 6 alpha / (pi^2 j^2), so that trying again and again does not win by luck.

Which groups must show it is fixed when the trial begins (`plan`), from how many people each is expected to bring: a
group of too few could never show it, and one that happens to reach a number later would close a gate that is decided.
Such a group is UNDECIDED and listed with its counts, and stops a promotion once it is shown to be wronged. All
conditions must hold at once, so that a wrong promotion needs the very condition that is false to pass at its own level
(an intersection-union test: Berger, Technometrics 24, 1982).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from audit.cube import Cube
from audit.metrics import SELECTION_RATE
from audit.numbers import brief, fixed, many, points, signed
from audit.policy import LoopRules, Norm, Policy
from audit.values import UNKNOWN
from audit.watch.counted import Counted, judge_counts, not_estimable, paired_sequence
from audit.watch.drift import spend
from debias.loop.state import ShadowModel, Tally

HARM = "harm/"
"""Begins a reason that is a harmed group and no norm: "harm/sex=Female"."""

DIFFER = 0.05
"""Of so many of a group's people, it is planned, the two models decide one rightly and the other wrongly."""

ENDLESS = 1 << 24
"""People that no trial brings: a bound that they cannot show is shown by nobody."""

NOBODY = (0,) * 3
"""The counts of a group of whom no outcome is known."""


@dataclass(frozen=True, slots=True)
class Check:
    """One condition. holds: True, False (it is clear that it does not), or None (too early to say)."""

    name: str
    holds: bool | None
    words: str
    facts: dict[str, Any]

    @property
    def people(self) -> int | None:
        """Those counted; None where it is about no group's errors."""
        return self.facts.get("people")


@dataclass(frozen=True, slots=True)
class Verdict:
    """passed: every condition holds; failed: one clearly does not; else more people are needed."""

    checks: tuple[Check, ...]
    alpha: float

    @property
    def passed(self) -> bool:
        return all(c.holds is True for c in self.checks)

    @property
    def failed(self) -> bool:
        return any(c.holds is False for c in self.checks)

    @property
    def undecided(self) -> tuple[Check, ...]:
        """Groups of which it is not known whether they are wronged more often, and that need not show it."""
        return tuple(c for c in self.checks if c.holds is True and _unknown(c))

    def to_json(self) -> dict[str, Any]:
        return {
            "passed": self.passed,
            "failed": self.failed,
            "alpha": self.alpha,
            "checks": [asdict(c) for c in self.checks],
            "undecided": [{"name": c.name, "people": c.people, "words": c.words} for c in self.undecided],
        }


def _unknown(c: Check) -> bool:
    high, limit = c.facts.get("high"), c.facts.get("limit")
    return c.name.startswith("loss/") and (c.people == 0 or (high is not None and high > limit))


def norm_attributes(norm: Norm, sensitive: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """The sets of columns that a norm is about."""
    if norm.attribute:
        return (norm.attribute,) if set(norm.attribute) <= set(sensitive) else ()
    return tuple((a,) for a in sensitive)


def judge_tally(
    policy: Policy, tally: Tally, sensitive: Sequence[str], *, people: int, alpha: float | None = None
) -> tuple[Counted, ...]:
    """Every norm on one model's counts: decisions on all people, outcomes on those whose outcomes are due."""
    out = []
    for norm in policy.norms:
        needs = norm.metric != SELECTION_RATE
        cube = tally.matured if needs else tally.arrived
        for attribute in norm_attributes(norm, sensitive):
            if cube is None:
                reason = "no outcomes are due yet" if needs else "nobody was decided yet"
                if needs and tally.arrived is not None and not tally.arrived.meaning.labelled:
                    reason = "the case has no outcomes"
                out.append(not_estimable(norm, attribute, reason))
                continue
            out.append(judge_counts(norm, cube.margin(attribute), alpha=alpha, floor=people))
    return tuple(out)


def judge_gate(
    policy: Policy, beside: ShadowModel, broken: Sequence[str], challenger: int, sensitive: Sequence[str]
) -> Verdict:
    """The conditions on everything seen so far. broken: the norms that raised the alarm, "metric/kind/a+b"."""
    rules = policy.loop
    alpha = spend(rules.alpha, challenger)
    judged = judge_tally(policy, beside.theirs, sensitive, people=rules.people, alpha=alpha)
    levels = [n.promote for n in policy.norms for _ in norm_attributes(n, sensitive)]
    checks = [_norm_check(c, promote, broken) for c, promote in zip(judged, levels, strict=True)]
    checks += loss_checks(beside.paired, rules, alpha, beside.planned)
    checks += harm_checks(beside.paired, [b for b in broken if b.startswith(HARM)], alpha)
    return Verdict(tuple(checks), alpha)


def norm_key(c: Counted) -> str:
    """ "selection_rate/difference/sex", as a monitor's `Watched.key`."""
    return f"{c.metric}/{c.kind}/{'+'.join(c.attribute)}"


def _norm_check(c: Counted, promote: float, broken: Sequence[str]) -> Check:
    name = norm_key(c)
    what = f"{c.metric.replace('_', ' ')} {c.kind} by {' and '.join(c.attribute)}"
    facts = {"value": c.value, "low": c.low, "high": c.high, "limit": c.limit}
    if c.value is None:
        # A norm that nobody can judge stops a promotion only where it is the one that was broken.
        return Check(name, None if name in broken else True, f"{what}: not estimable ({c.reason}).", facts)
    shown = f"{fixed(c.value, 3)} [{fixed(c.low, 3)}, {fixed(c.high, 3)}]"
    if name in broken:
        assert c.low is not None
        assert c.high is not None
        never = c.low > promote if c.kind == "difference" else c.high < promote
        holds = True if c.inside_promote else False if never else None
        facts |= {"promote": promote}
        return Check(name, holds, f"{what} {shown}: {_stand(holds)} inside the level for promotion.", facts)
    holds = c.status != "outside"
    return Check(name, holds, f"{what} {shown}: {'not ' if holds else ''}clearly outside its norm.", facts)


def _stand(holds: bool | None) -> str:
    return {True: "surely", False: "surely not", None: "not yet surely"}[holds]


def plan(matured: Cube | None, seen: int, to_come: int) -> dict[tuple[str, str], int]:
    """How many people with known outcomes each group is expected to bring to a trial of `to_come` due batches, from
    those that `seen` batches brought: (attribute, group) -> people."""
    out: dict[tuple[str, str], int] = {}
    for attribute in () if matured is None or seen < 1 else matured.attributes:
        margin = matured.margin((attribute,))  # type: ignore[union-attr]
        for (name,), n in zip(margin.groups, margin.n, strict=True):
            if name != UNKNOWN:
                out[attribute, name] = int(n[:2].sum()) * to_come // seen
    return out


@lru_cache
def least_people(bound: float, alpha: float) -> int:
    """The least n at which two models that are wrong equally often, and of which one alone is wrong about DIFFER of the
    people, are shown to be within `bound` of each other: fewer cannot be asked to show it."""
    low, high = 1, ENDLESS
    while low < high:
        n = (low + high) // 2
        if paired_sequence(DIFFER * n / 2, DIFFER * n / 2, n, alpha)[1] <= bound:
            high = n
        else:
            low = n + 1
    return low


def loss_checks(
    paired: Cube | None, rules: LoopRules, alpha: float, planned: Mapping[tuple[str, str], int] | None = None
) -> list[Check]:
    """Non-inferiority over everyone, and in every group: only right by one model less only right by the other.

    planned: what `plan` said when the trial began. Without it each group of `enough` people must show it.
    """
    if paired is None:
        return [Check("loss", None, "No outcomes of rows that both models decided are due yet.", {})]
    out = [_loss("loss", "everyone", *_only(paired.margin(()).n[0]), rules.loss, alpha)]
    for attribute in paired.attributes:
        counts = {g: n for g, n in _pairs(paired, attribute).items() if g != UNKNOWN}
        names = [g for a, g in planned or () if a == attribute]
        # What each group may spend is fixed with the plan; a group that comes later has as much.
        share = alpha / max(len(names) or len(counts), 1)
        for name in [*counts, *(g for g in names if g not in counts)]:
            mine = counts.get(name, NOBODY)
            if planned is None:
                must, more = mine[2] >= rules.enough, {}
            else:
                needed = max(rules.enough, least_people(rules.group_loss, share))
                expected = planned.get((attribute, name), 0)
                must, more = expected >= needed, {"expected": expected, "needed": needed}
            out.append(_loss(f"loss/{attribute}={name}", name, *mine, rules.group_loss, share, must=must, more=more))
    return out


def harm_checks(paired: Cube | None, harmed: Sequence[str], alpha: float) -> list[Check]:
    """A challenger against harm must be wrong less often, surely, about each group that was harmed."""
    out = []
    for key in harmed:
        attribute, _, group = key.removeprefix(HARM).partition("=")
        counts = NOBODY if paired is None else _pairs(paired, attribute).get(group, NOBODY)
        if counts[2] == 0:
            out.append(Check(key, None, f"{group}, harmed before: no outcomes are due yet.", {"people": 0}))
            continue
        value, low, high = _difference(counts, alpha / max(len(harmed), 1))
        holds = True if high < 0 else False if low > 0 else None
        words = (
            f"{group}, harmed before: {_often(value)} (a change of {signed(100 * low, 1)} to "
            f"{signed(100 * high, 1)}), must be under 0."
        )
        out.append(Check(key, holds, words, {"value": value, "low": low, "high": high, "people": counts[2]}))
    return out


def _often(value: float) -> str:
    return f"wrong {'less' if value < 0 else 'more'} often by {points(abs(value))}"


def _difference(counts: tuple[int, int, int], alpha: float) -> tuple[float, float, float]:
    """By how much more often the other model is wrong: value, and its confidence sequence."""
    ours, theirs, n = counts
    low, high = paired_sequence(ours, theirs, n, alpha)
    return (ours - theirs) / n, low, high


def _pairs(paired: Cube, attribute: str) -> dict[str, tuple[int, int, int]]:
    """What `_only` counts, of each group."""
    margin = paired.margin((attribute,))
    return {group: _only(n) for (group,), n in zip(margin.groups, margin.n, strict=True)}


def _only(n: Any) -> tuple[int, int, int]:
    """People only the running model decided rightly, only the other one, and all."""
    return int(n[1, 0]), int(n[0, 1]), int(n[:2].sum())


def _loss(
    name: str, who: str, ours: int, theirs: int, n: int, bound: float, alpha: float,
    *, must: bool = True, more: Mapping[str, int] | None = None,
) -> Check:  # fmt: skip
    facts: dict[str, Any] = {"people": n, **(more or {})}
    undecided = f"{who}: UNDECIDED whether wronged more often: "
    if n == 0:
        words = "no outcomes are due yet."
        return Check(name, None if must else True, f"{who}: {words}" if must else undecided + words, facts)
    value, low, high = _difference((ours, theirs, n), alpha)
    holds = False if low > bound else True if high <= bound else None
    change = f"a change of {signed(100 * low, 1)} to {signed(100 * high, 1)}"
    words = f"{_often(value)} ({change}), allowed {brief(100 * bound, plus=True)}."
    facts |= {"value": value, "low": low, "high": high, "limit": bound}
    if holds is None and not must:
        return Check(name, True, f"{undecided}{many(n, 'person')} with outcomes, {words}", facts)
    return Check(name, holds, f"{who}: {words}", facts)
