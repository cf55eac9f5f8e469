"""Has a challenger earned its place? Both models on the same later rows; every bound holds at every look.

Promoted only if the upper bound of its gap is inside the `promote` level of each norm that was broken (tighter than the
trigger, so that the loop does not swing), no other norm of the policy is clearly broken, it is wrong no more often than
the running model by more than `loss`, and nobody's group of enough people by more than `group_loss`. The j-th
challenger may spend 6 alpha / (pi^2 j^2), so that trying again and again does not win by luck.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from audit.cube import Cube
from audit.metrics import SELECTION_RATE
from audit.policy import LoopRules, Norm, Policy
from audit.values import UNKNOWN
from audit.watch.counted import Counted, judge_counts, not_estimable, paired_sequence
from audit.watch.drift import spend
from debias.loop.state import ShadowModel, Tally

HARM = "harm/"
"""Begins a reason that is a harmed group and no norm: "harm/sex=Female"."""


@dataclass(frozen=True, slots=True)
class Check:
    """One condition. holds: True, False (it is clear that it does not), or None (too early to say)."""

    name: str
    holds: bool | None
    words: str
    facts: dict[str, Any]


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

    def to_json(self) -> dict[str, Any]:
        return {
            "passed": self.passed,
            "failed": self.failed,
            "alpha": self.alpha,
            "checks": [asdict(c) for c in self.checks],
        }


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
    checks += loss_checks(beside.paired, rules, alpha)
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
    shown = f"{c.value:.3f} [{c.low:.3f}, {c.high:.3f}]"
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


def loss_checks(paired: Cube | None, rules: LoopRules, alpha: float) -> list[Check]:
    """Non-inferiority over everyone, and in every group: only right by one model less only right by the other."""
    if paired is None:
        return [Check("loss", None, "No outcomes of rows that both models decided are due yet.", {})]
    out = [_loss("loss", "everyone", *_only(paired.margin(()).n[0]), rules.loss, alpha, must=True)]
    for attribute in paired.attributes:
        margin = paired.margin((attribute,))
        groups = [g for g, name in enumerate(margin.groups) if UNKNOWN not in name]
        for g in groups:
            counts = _only(margin.n[g])
            name = margin.groups[g][0]
            # A small group cannot show that it is not harmed; it can show that it is.
            must = counts[2] >= rules.enough
            out.append(
                _loss(f"loss/{attribute}={name}", name, *counts, rules.group_loss, alpha / len(groups), must=must)
            )
    return out


def harm_checks(paired: Cube | None, harmed: Sequence[str], alpha: float) -> list[Check]:
    """A challenger against harm must be wrong less often, surely, about each group that was harmed."""
    out = []
    for key in harmed:
        attribute, _, group = key.removeprefix(HARM).partition("=")
        counts = (0, 0, 0)
        if paired is not None:
            margin = paired.margin((attribute,))
            if (group,) in margin.groups:
                counts = _only(margin.n[margin.groups.index((group,))])
        if counts[2] == 0:
            out.append(Check(key, None, f"{group}, harmed before: no outcomes are due yet.", {"people": 0}))
            continue
        value, low, high = _difference(counts, alpha / max(len(harmed), 1))
        holds = True if high < 0 else False if low > 0 else None
        words = (
            f"{group}, harmed before: {_often(value)} (a change of {100 * low:+.1f} to {100 * high:+.1f}), must be "
            "under 0."
        )
        out.append(Check(key, holds, words, {"value": value, "low": low, "high": high, "people": counts[2]}))
    return out


def _often(value: float) -> str:
    return f"wrong {'less' if value < 0 else 'more'} often by {abs(100 * value):.1f} points"


def _difference(counts: tuple[int, int, int], alpha: float) -> tuple[float, float, float]:
    """By how much more often the other model is wrong: value, and its confidence sequence."""
    ours, theirs, n = counts
    low, high = paired_sequence(ours, theirs, n, alpha)
    return (ours - theirs) / n, low, high


def _only(n: Any) -> tuple[int, int, int]:
    """People only the running model decided rightly, only the other one, and all."""
    return int(n[1, 0]), int(n[0, 1]), int(n[:2].sum())


def _loss(name: str, who: str, ours: int, theirs: int, n: int, bound: float, alpha: float, *, must: bool) -> Check:
    if n == 0:
        return Check(name, True if not must else None, f"{who}: no outcomes are due yet.", {"people": 0})
    value, low, high = _difference((ours, theirs, n), alpha)
    holds = False if low > bound else True if high <= bound else None
    if holds is None and not must:
        holds = True
    change = f"a change of {100 * low:+.1f} to {100 * high:+.1f}"
    words = f"{who}: {_often(value)} ({change}), allowed {100 * bound:+g}."
    return Check(name, holds, words, {"value": value, "low": low, "high": high, "limit": bound, "people": n})
