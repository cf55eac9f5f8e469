"""Challengers, the cheapest first, learned from people who came after the alarm and whose outcomes are due.

threshold             one other threshold for everybody, on the running model's scores; nothing is fitted
reweighing            the case's own estimator again, on weighted rows
constrained_boosting  one boosted model under the constraint that stands for the broken norm
search                that for several constraints and tolerances; the best on rows held back
group_thresholds      a threshold for each group, only where the policy lets a rule read the sensitive value
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from audit.asked import cut_of
from audit.case import Case
from audit.cube import UNLABELLED, CodedRows, Ints, cube_of
from audit.errors import InputError
from audit.evidence import sha256
from audit.fractions import fractions
from audit.metrics import (
    EQUALIZED_ODDS,
    metrics_for,
    parts_of,
)
from audit.numbers import fixed, many, percent
from audit.policy import Norm, Policy
from audit.values import UNKNOWN
from debias.candidate import Candidate
from debias.loop.gate import HARM, norm_attributes
from debias.loop.serve import Servers, coded_rows, labels_of
from debias.loop.sources import Source
from debias.loop.state import Built, State
from debias.loop.store import Served, Store
from debias.methods.method import CONSTRAINED_BOOSTING, CONSTRAINTS, DEMOGRAPHIC_PARITY, RESAMPLING
from debias.methods.table import constraint_for, method_named
from debias.task import Task, task_of

GRID = 199
FLOOR = 20
"""Groups of fewer rows say too little even for a first look."""
NEAR = 0.05
"""By so much may a gap look wider than it is on the few rows held back; later people decide."""


def rows_since(
    case: Case, state: State, source: Source, known: Sequence[tuple[int, str, str]]
) -> tuple[pd.DataFrame | None, str]:
    """People who came after the alarm and whose outcomes are known, n rows, and the sha256 of what was read; None
    where nothing of it can be."""
    frames, hashes = [], []
    for index in range(state.fresh_from, state.matured):
        if index in state.left_out:
            continue
        arrival = source.read(index)
        if arrival.problem is None and arrival.sha256 == known[index][2]:
            frames.append(arrival.frame[labels_of(case, arrival.frame) != UNLABELLED])
            hashes.append(arrival.sha256)
    whole = pd.concat(frames, ignore_index=True) if frames else None
    return whole, sha256("\n".join(hashes).encode())


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """What a challenger learns from: rows with known outcomes that came after the alarm; and what it is to bring about.

    broken: the norms (keys) and harmed groups that raised the alarm.
    """

    case: Case
    policy: Policy
    frame: pd.DataFrame
    features: tuple[str, ...]
    sha256: str
    broken: tuple[str, ...]
    seed: int


@dataclass(frozen=True, slots=True)
class Stand:
    """How far decisions are from what is wanted: excess over all norms (0: every norm kept, broken ones at their level
    for promotion), the share of wrong decisions, and that of each harmed group.
    """

    excess: float
    error: float
    harmed: tuple[float, ...]

    def better(self, other: Stand, slack: float = 0.0) -> bool:
        """Wrong less often about those who were harmed; nearer to the norms, or inside them but for `slack`."""
        helped = all(a < b for a, b in zip(self.harmed, other.harmed, strict=True))
        nearer = self.excess < other.excess - 1e-12 or self.excess <= slack
        if self.harmed:
            nearer = self.excess <= max(other.excess, 0.0) + slack
        return helped and nearer and (bool(self.harmed) or other.excess > 0 or slack > 0)

    def to_json(self) -> dict[str, Any]:
        return {"excess": self.excess, "error": self.error, "harmed": list(self.harmed)}


def build(lesson: Lesson, method: str, running: Served, servers: Servers, store: Store) -> Built:
    """A challenger by `method`, kept in the store; where there is none to be had, Built says why. Raises nothing."""
    try:
        lesson = replace(lesson, broken=_at_stake(lesson, running, servers))
        if method == "threshold":
            return _by_threshold(lesson, running, servers, store)
        return _by_fit(lesson, method, running, servers, store)
    except InputError as error:
        return Built(method, None, error.message)
    except Exception as error:  # a library that gives up on these rows is no reason to stop watching
        return Built(method, None, f"it failed ({type(error).__name__}: {str(error)[:200]}).")


def _at_stake(lesson: Lesson, running: Served, servers: Servers) -> tuple[str, ...]:
    """What raised the alarm, and each norm that the running model breaks as counted on the rows to learn from."""
    positive = servers.decide(running, lesson.frame, lesson.features).positive
    cube = cube_of(coded_rows(lesson.case, lesson.frame, positive, labels_of(lesson.case, lesson.frame)))
    out = list(lesson.broken)
    for norm in lesson.policy.norms:
        for attribute in norm_attributes(norm, lesson.case.data.sensitive):
            gap = point_gap(norm, cube.margin(attribute), lesson.policy.loop.people)
            if gap is not None and (gap > norm.limit if norm.kind == "difference" else gap < norm.limit):
                out.append(f"{norm.metric}/{norm.kind}/{'+'.join(attribute)}")
    return tuple(dict.fromkeys(out))


# -- where decisions stand ------------------------------------------------------------------------------------


def stand(lesson: Lesson, coded: CodedRows) -> Stand:
    """Point values: the gate, on later rows, is what decides."""
    cube = cube_of(coded)
    excess = 0.0
    for norm in lesson.policy.norms:
        for attribute in norm_attributes(norm, lesson.case.data.sensitive):
            gap = point_gap(norm, cube.margin(attribute), min(FLOOR, lesson.policy.loop.people))
            key = f"{norm.metric}/{norm.kind}/{'+'.join(attribute)}"
            level = norm.promote if key in lesson.broken else norm.limit
            if gap is not None:
                excess = max(excess, gap - level if norm.kind == "difference" else level - gap)
    wrong = coded.label != coded.decision
    harmed = []
    for key in lesson.broken:
        if key.startswith(HARM):
            attribute_name, _, group = key.removeprefix(HARM).partition("=")
            axis = coded.attributes.index(attribute_name)
            mine = np.zeros(len(wrong), dtype=bool)
            if group in coded.levels[axis]:
                mine = coded.codes[:, axis] == coded.levels[axis].index(group)
            harmed.append(float(wrong[mine].mean()) if mine.any() else 1.0)
    return Stand(excess, float(wrong.mean()), tuple(harmed))


def point_gap(norm: Norm, margin: Any, floor: int) -> float | None:
    """The gap as counted, over groups with `floor` people; None where there are not two."""
    by_name = {m.name: m for m in metrics_for(margin.meaning)}
    gaps = []
    for name in parts_of(norm.metric, margin.meaning):
        if name not in by_name:
            return None
        x, n, _ = fractions(margin, by_name[name])
        shares = [x[g] / n[g] for g in range(len(n)) if n[g] >= floor and UNKNOWN not in margin.groups[g]]
        if len(shares) < 2:
            return None
        low, high = float(min(shares)), float(max(shares))
        gaps.append(high - low if norm.kind == "difference" else (low / high if high > 0 else 1.0))
    return max(gaps) if norm.kind == "difference" else min(gaps)


# -- threshold ------------------------------------------------------------------------------------------------


def _by_threshold(lesson: Lesson, running: Served, servers: Servers, store: Store) -> Built:
    score = servers.scores(running, lesson.frame, lesson.features)
    if score is None:
        return Built("threshold", None, "the running model gives decisions and no scores.")
    label = labels_of(lesson.case, lesson.frame)
    coded = coded_rows(
        lesson.case, lesson.frame, servers.decide(running, lesson.frame, lesson.features).positive, label
    )
    now = stand(lesson, coded)
    best: tuple[float, float] | None = None
    nearest = now.excess
    for at in np.unique(np.quantile(score, np.linspace(0, 1, GRID + 2)[1:-1])):
        then = stand(lesson, replace(coded, decision=(score >= at).astype(np.int64)))
        nearest = min(nearest, then.excess)
        keeps = then.excess <= 0 and then.error <= now.error + lesson.policy.loop.loss
        if keeps and then.better(now) and (best is None or then.error < best[1]):
            best = (float(at), then.error)
    if best is None:
        words = f"no single threshold keeps every norm (the nearest is {fixed(nearest, 3)} outside)."
        if nearest <= 0:
            words = "every single threshold that keeps the norms is wrong too often"
            words += ", or no better for those who were harmed." if now.harmed else "."
        return Built("threshold", None, words, _facts(lesson, now, None))
    served = store.serve(
        method="threshold",
        file=running.file,
        format=running.format,
        threshold=best[0],
        attributes=[],
        groups=[],
        base=running.id,
    )
    return Built("threshold", served.id, None, {"threshold": best[0], **_facts(lesson, now, None)})


# -- models that are fitted -----------------------------------------------------------------------------------


def _by_fit(lesson: Lesson, method: str, running: Served, servers: Servers, store: Store) -> Built:
    task = _task(lesson)
    original = _original(task, lesson, running, servers)
    attributes = _attributes(lesson)
    best: tuple[Stand, Candidate] | None = None
    chosen: dict[str, Any] = {}
    tried = 0
    plans = _plans(lesson, method)
    if not plans:
        aims = " and ".join(a.replace("_", " ") for a, _ in _aims(lesson))
        return Built(method, None, f"what is broken is {aims}, which this method does not aim at.")
    for name, aim, tolerance in plans:
        candidate = _fit(task, original, name, aim, tolerance, attributes, lesson.seed)
        tried += 1
        held = task.splits.validation
        then = stand(lesson, _decided(lesson, task, held, candidate.decide(held)))
        if best is None or (then.excess, then.error) < (best[0].excess, best[0].error):
            best, chosen = (then, candidate), {"constraint": aim, "tolerance": tolerance, "learner": candidate.learner}
    assert best is not None
    then, candidate = best
    held = task.splits.validation
    now = stand(lesson, _decided(lesson, task, held, original.positive[held]))
    facts = {**chosen, "fits": tried, "held_back": len(held), **_facts(lesson, now, then)}
    if not then.better(now, NEAR) or then.error > now.error + 5 * lesson.policy.loop.loss:
        words = (
            f"on {many(len(held), 'row')} held back it is {fixed(then.excess, 3)} outside the norms, the running model "
            f"{fixed(now.excess, 3)}; wrong about {percent(then.error)}, the running model {percent(now.error)}."
        )
        return Built(method, None, words, facts)
    return Built(method, _keep(method, candidate, running, store).id, None, facts)


def _facts(lesson: Lesson, now: Stand, then: Stand | None) -> dict[str, Any]:
    return {
        "rows": len(lesson.frame),
        "data": lesson.sha256,
        "seed": lesson.seed,
        "before": now.to_json(),
        "after": None if then is None else then.to_json(),
    }


def _task(lesson: Lesson) -> Task:
    """All rows to learn from or to choose on: the rows that report come later."""
    from audit.load import Rows

    frame = lesson.frame
    rows = Rows(
        frame, lesson.sha256, np.ones(len(frame), dtype=bool), None, lesson.features, tuple(map(str, frame.columns))
    )
    task = task_of(lesson.case, rows, lesson.seed)
    splits = task.splits
    train = np.sort(np.concatenate([splits.train, splits.test]))
    known = train[task.label[train] != UNLABELLED]
    return replace(task, splits=replace(splits, train=known, test=splits.test[:0]))


def _original(task: Task, lesson: Lesson, running: Served, servers: Servers) -> Any:
    """The running model's decisions on the rows to choose on."""
    from debias.candidate import Original

    held = task.splits.validation
    part = task.frame.iloc[held]
    positive = np.full(len(task.frame), -1, dtype=np.int64)
    decisions = servers.decide(running, part, lesson.features)
    positive[held] = decisions.positive
    score = None
    if decisions.score is not None:
        score = np.full(len(task.frame), np.nan)
        score[held] = decisions.score
    at = running.threshold
    if at is None and decisions.score is not None:
        at = cut_of(decisions.score, decisions.positive)
    facts = {"estimator": "estimator", "kind": lesson.case.model.kind}
    return Original(positive, score, None if score is None else at, facts, ())


def _decided(lesson: Lesson, task: Task, rows: Ints, positive: Ints) -> CodedRows:
    return coded_rows(lesson.case, task.frame.iloc[rows], positive, task.label[rows])


def _attributes(lesson: Lesson) -> tuple[str, ...]:
    """The columns that broken norms and harmed groups are about."""
    attributes = []
    for key in lesson.broken:
        named = [key.removeprefix(HARM).partition("=")[0]] if key.startswith(HARM) else key.split("/")[-1].split("+")
        attributes += named
    known = [a for a in lesson.case.data.sensitive if a in attributes]
    return tuple(known) or lesson.case.data.sensitive


def _aims(lesson: Lesson) -> list[tuple[str, float]]:
    """Constraints that stand for the broken norms, and half their level for promotion as the tolerance."""
    out: dict[str, float] = {}
    for norm in lesson.policy.norms:
        for attribute in norm_attributes(norm, lesson.case.data.sensitive):
            if f"{norm.metric}/{norm.kind}/{'+'.join(attribute)}" not in lesson.broken:
                continue
            aim = next((row.name for row in CONSTRAINTS.values() if norm.metric in row.serves), None)
            if aim is not None:
                level = norm.promote if norm.kind == "difference" else 0.25 * (1 - norm.promote)
                out[aim] = min(out.get(aim, 1.0), max(level / 2, 0.005))
    return list(out.items()) or [(EQUALIZED_ODDS, 0.05)]


def _plans(lesson: Lesson, method: str) -> Sequence[tuple[str, str, float]]:
    """(method of the table, constraint, tolerance) to fit."""
    aims = _aims(lesson)
    if method == "search":
        boosted = [(CONSTRAINED_BOOSTING, a, t * k) for a, t in aims for k in (2.0, 1.0, 0.5)]
        return [*boosted, (RESAMPLING, DEMOGRAPHIC_PARITY, aims[0][1])]
    row = method_named(method)
    for aim, tolerance in aims:
        if aim in row.constraints:
            return [(method, aim, tolerance)]
    return [] if _norms_at_stake(lesson) else [(method, constraint_for(row, None), aims[0][1])]


def _norms_at_stake(lesson: Lesson) -> bool:
    return any(not key.startswith(HARM) for key in lesson.broken)


def _fit(
    task: Task, original: Any, name: str, aim: str, tolerance: float, attributes: tuple[str, ...], seed: int
) -> Candidate:
    from debias.fit import fit_candidate

    return fit_candidate(task, original, method_named(name), aim, tolerance, attributes, seed)


class _Rule(msgspec.Struct):
    """Thresholds of groups, as the candidate has them."""

    default: int | float
    attributes: list[Any]
    thresholds: list[Any]


def _keep(method: str, candidate: Candidate, running: Served, store: Store) -> Served:
    if candidate.format == "group-thresholds":
        rule = msgspec.json.decode(candidate.content, type=_Rule)
        return store.serve(
            method=method,
            file=running.file,
            format=running.format,
            threshold=rule.default,
            attributes=rule.attributes,
            groups=rule.thresholds,
            base=running.id,
        )
    return store.serve(
        method=method,
        file=store.put(candidate.content, candidate.format),
        format=candidate.format,
        threshold=candidate.threshold,
        attributes=[],
        groups=[],
        base=running.id,
    )
