"""Harm: is the share of wrong decisions above what it was, for anyone, by more than is tolerated?

After Podkopaev & Ramdas (2022): the live risk's lower bound above the source risk's upper bound plus a tolerance, here
by betting against "the risk of this group is at most `bound`", so that the answer is valid at every look; with a
detector beside it, which is quick after a long quiet time. Groups only: where the overall risk rises because the mix of
groups has changed and nobody's own risk did, nobody is harmed by the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from audit.cube import UNLABELLED, Coded, Cube
from audit.stats import wilson
from audit.values import UNKNOWN
from audit.watch.evalues import Stream, advance, e_bh, log_mean, rise_logs, start

BLOCK = 5
"""People to a bet: a fixed number, whatever became of them."""


@dataclass(frozen=True, slots=True, eq=False)
class Risk:
    """One group's risk against its bound; people and wrong are of the open block."""

    bound: float
    stream: Stream
    people: int = 0
    wrong: int = 0
    seen: int = 0
    errors: int = 0

    def to_json(self) -> list[Any]:
        return [self.bound, self.stream.to_json(), self.people, self.wrong, self.seen, self.errors]


@dataclass(frozen=True, slots=True, eq=False)
class Harm:
    """The risks of all groups, (attribute, group) -> Risk. alarm: who was named when the alarm was first raised."""

    risks: Mapping[tuple[str, str], Risk]
    alpha: float
    average_run: float
    alarm: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "risks": [[*k, r.to_json()] for k, r in self.risks.items()],
            "alpha": self.alpha,
            "average_run": self.average_run,
            "alarm": [list(a) for a in self.alarm],
        }

    @staticmethod
    def from_json(data: dict[str, Any]) -> Harm:
        risks = {(a, g): Risk(v[0], Stream.from_json(v[1]), v[2], v[3], v[4], v[5]) for a, g, v in data["risks"]}
        return Harm(risks, data["alpha"], data["average_run"], tuple((a[0], a[1]) for a in data["alarm"]))


def open_harm(source: Cube, *, tolerance: float, alpha: float, average_run: float, people: int) -> Harm:
    """Bounds from the source's counts (rows with an outcome): Wilson's upper limit, all groups at once, + tolerance."""
    counts: dict[tuple[str, str], tuple[int, int]] = {}
    for attribute in source.attributes:
        margin = source.margin((attribute,))
        for group, n in zip(margin.groups, margin.n, strict=True):
            known = int(n[:2].sum())
            if known >= people and UNKNOWN not in group:
                counts[(attribute, group[0])] = (known, int(n[0, 1] + n[1, 0]))
    risks = {}
    for key, (known, wrong) in counts.items():
        upper = float(wilson(wrong, known, alpha / (2 * len(counts)))[1])
        risks[key] = Risk(min(upper + tolerance, 0.99), start())
    return Harm(risks, alpha / 2, average_run)


def feed_harm(harm: Harm, coded: Coded) -> Harm:
    """Show rows whose outcome is known, in the order in which they came."""
    known = coded.label != UNLABELLED
    wrong = (coded.label != coded.decision).astype(np.int64)
    out = {}
    for (attribute, group), risk in harm.risks.items():
        axis = coded.attributes.index(attribute)
        levels = coded.levels[axis]
        if group not in levels:
            out[(attribute, group)] = risk
            continue
        mine = wrong[known & (coded.codes[:, axis] == levels.index(group))]
        out[(attribute, group)] = _feed(risk, mine)
    harm = replace(harm, risks=out)
    return harm if harm.alarm else replace(harm, alarm=named(harm))


def _feed(risk: Risk, wrong: np.ndarray) -> Risk:
    if len(wrong) == 0:
        return risk
    total = np.append(0, np.cumsum(wrong)) + risk.wrong
    closed = np.arange(BLOCK - risk.people, len(wrong) + 1, BLOCK)
    sums = np.diff(np.append(0, total[closed])) if len(closed) else np.zeros(0)
    stream = risk.stream
    if len(closed):
        stream, _ = advance(stream, rise_logs(sums, BLOCK, risk.bound), np.array([len(closed)]))
        rest, people = int(total[-1] - total[closed[-1]]), len(wrong) - int(closed[-1])
    else:
        rest, people = int(total[-1]), risk.people + len(wrong)
    return Risk(risk.bound, stream, people, rest, risk.seen + len(wrong), risk.errors + int(wrong.sum()))


def log_values(harm: Harm) -> tuple[float, float]:
    """Log e-value and log detector of "somebody's risk is above the bound": means over the groups."""
    if not harm.risks:
        return 0.0, -np.inf
    e = np.array([r.stream.log_e for r in harm.risks.values()])
    m = np.array([r.stream.log_m for r in harm.risks.values()])
    return float(log_mean(e)), float(log_mean(m))


def named(harm: Harm) -> tuple[tuple[str, str], ...]:
    """Who is harmed, where the e-value or the detector says that somebody is; else nobody."""
    log_e, log_m = log_values(harm)
    keys = list(harm.risks)
    if log_e >= np.log(1 / harm.alpha):
        logs = [harm.risks[k].stream.log_e for k in keys]
        return tuple(keys[i] for i in e_bh(logs, harm.alpha)) or (keys[int(np.argmax(logs))],)
    if log_m >= np.log(harm.average_run):
        logs = [harm.risks[k].stream.log_m for k in keys]
        bar = np.log(harm.average_run)
        return tuple(k for k, v in zip(keys, logs, strict=True) if v >= bar) or (keys[int(np.argmax(logs))],)
    return ()
