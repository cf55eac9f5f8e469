"""mitigation.json: what it tells of the case, of people and of figures, against the evidence and against itself.

What stands in no table is whose decisions changed one by one, and the draws behind the intervals: changes.py holds them
against what the tables leave possible.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from audit.cube import Margin
from audit.cube_json import margins_from_json
from audit.documents import record_in
from audit.documents.evidence import Evidence
from audit.documents.mitigation import AimAsked, AimedGap, Arms, Mitigation
from audit.findings import NormResult
from audit.metrics import ACCURACY, FALSE_POSITIVE_RATE, ROC_AUC, SELECTION_RATE, TRUE_POSITIVE_RATE
from reports.verify.changes import change_pairs, flip_pairs
from reports.verify.figures import load, recompute
from reports.verify.hidden import given_away
from reports.verify.known import Known
from reports.verify.result import arm_named

_DATA = ("sha256", "label", "positive", "favourable", "sensitive", "features", "weight")
_METHOD = ("title", "stage", "words", "source")
_SETTINGS = ("order", "reference")
"""What gaps are taken between; draws and the seed are each command's own."""
_MODEL = ("kind", "sha256", "format", "estimator", "column", "threshold")
Pairs = Iterator[tuple[str, Any, Any]]
"""(what, as told, as it has to be)."""


def arms_of(files: Mapping[str, bytes], mitigation: Mitigation, known: Known) -> dict[str, tuple[Any, Any]]:
    """Rates and gaps of each arm: those that are told, or all that follow from its cube where some are left to it."""
    stated = {name: (arm.rates, arm.gaps) for name, arm in mitigation.arms.present().items()}
    if mitigation.left_to_cube is None:
        return stated
    used = load(files, "mitigation.json").get("settings", load(files, "evidence.json").get("settings", {}))
    measured = {name: known.of(recompute, mitigation.cubes[name], used)[3] for name in stated}
    return {name: (m.rates, m.gaps) for name, m in measured.items()}


def mitigation_pairs(mitigation: Mitigation, evidence: Evidence, figures: Mapping[str, tuple[Any, Any]]) -> Pairs:
    """Everything that mitigation.json tells and that follows from the evidence, from its own cubes or from figures.
    figures: rates and gaps of each arm."""
    margins = {name: margins_from_json(dict(cube)) for name, cube in mitigation.cubes.items() if cube is not None}
    yield from _case(mitigation, evidence)
    yield from _method(mitigation)
    yield from _people(mitigation, margins, evidence)
    for name, arm in mitigation.arms.present().items():
        lost = {_norm_key(n) for n in evidence.norms} - {_norm_key(n) for n in arm.norms}
        yield f"how many of the audit's norms the arm {arm_named(name)} leaves out", len(lost), 0
    yield from _overall(mitigation.arms)
    original, candidate = margins.get("original"), margins.get("candidate")
    if original is not None and candidate is not None:
        yield from change_pairs(mitigation, evidence, candidate, figures)
        yield from flip_pairs(mitigation.flips, original, candidate)
    yield from _aim(mitigation)


def _case(mitigation: Mitigation, evidence: Evidence) -> Pairs:
    data = evidence.data
    yield "the case of the mitigation", mitigation.case, evidence.case
    for key in _DATA:
        if (value := getattr(mitigation.data, key)) is not msgspec.UNSET:
            yield f"the {key} of the mitigation's data", value, getattr(data, key)
    yield "the rows of the mitigation", mitigation.data.rows, data.rows
    if mitigation.policy is not None:
        stated, own = mitigation.policy, evidence.policy
        yield "the policy of the mitigation", stated.sha256, own.sha256
        yield "whose norms the mitigation is held against", stated if stated.standing else own, own
    for key in _MODEL:
        yield f"the {key} of the model mitigated", getattr(mitigation.base, key), getattr(evidence.model, key)
    if mitigation.settings is not None:
        for key in _SETTINGS:
            value, right = getattr(mitigation.settings, key), getattr(evidence.settings, key)
            yield f"the {key} of the mitigation's settings", value, right


def _method(mitigation: Mitigation) -> Pairs:
    """What stands of the method is its row's: also the notice on who has to tell a group for a decision."""
    from debias.methods.table import METHODS

    method = METHODS.get(mitigation.method)
    yield "whether the method of the mitigation is known", method is not None, True
    for key in _METHOD if method is not None else ():
        if value := getattr(mitigation, key):
            yield f"the {key} of the method", value, getattr(method, key)
    if method is not None:
        now = mitigation.needs_sensitive_at_decision, mitigation.notice
        yield "whether decisions take a person's group", now, (method.needs_sensitive_at_decision, method.notice)


def _people(mitigation: Mitigation, margins: Mapping[str, Sequence[Margin]], evidence: Evidence) -> Pairs:
    """Each arm decides the same people: their number, their outcomes, who is withheld. Small groups are withheld."""
    floor = evidence.settings.floor
    first = {(m.attribute, m.meaning): m for m in margins.get("original", ())}
    for name, mine in margins.items():
        words = f"of the arm {arm_named(name)}"
        yield f"the floor of small groups {words}", mitigation.cubes[name].get("floor"), floor
        yield f"how many small groups {words} are shown, or follow from what is shown", given_away(mine, floor), 0
        whole = next(m for m in mine if m.attribute == ())
        if not evidence.data.rows_at_most:
            yield f"the people {words}", mitigation.splits.test, int(whole.rows.sum())
        other = sum(not _same_people(m, first.get((m.attribute, m.meaning))) for m in mine)
        other += abs(len(mine) - len(first))
        yield f"how many tables {words} are of other people than the original's", other, 0


def _same_people(mine: Margin, first: Margin | None) -> bool:
    """Whether two tables are of the same people with the same outcomes, whatever is decided on them."""
    if first is None or mine.groups != first.groups or mine.n.shape != first.n.shape:
        return False
    counts = ((a.withheld.tolist(), a.n.sum(axis=2).tolist()) for a in (mine, first))
    return len({str(c) for c in counts}) == 1 and np.allclose(mine.w.sum(axis=2), first.w.sum(axis=2), rtol=1e-9)


def _norm_key(norm: NormResult) -> tuple[object, ...]:
    """What a norm asks for; the columns of an intersection stand in any order."""
    return norm.metric, norm.kind, frozenset(norm.attribute), norm.limit


def _overall(arms: Arms) -> Pairs:
    for name, arm in arms.present().items():
        everyone = {r.metric: r.value for r in arm.rates if not r.attribute}
        for metric in (ACCURACY, SELECTION_RATE, TRUE_POSITIVE_RATE, FALSE_POSITIVE_RATE, ROC_AUC):
            yield f"the {metric} of the arm {arm_named(name)}", getattr(arm, metric), everyone.get(metric)


def _aim(mitigation: Mitigation) -> Pairs:
    """The gap that was aimed at: those of the candidate, the widest of single columns, against the tolerance."""
    aim, asked = mitigation.constraint, record_in(AimAsked, mitigation.parameters, "mitigation.json")
    attributes = set(asked.attributes)
    gaps = [
        g
        for g in mitigation.arms.candidate.gaps
        if g.metric == aim.metric and g.kind == "difference" and set(g.attribute) <= attributes
    ]
    by = tuple(AimedGap(g.attribute, g.value, g.low, g.high) for g in gaps)
    yield "the gaps aimed at", aim.by, by
    yield "the tolerance", aim.tolerance, asked.tolerance
    yield "what is set apart", {a for g in aim.apart for a in g.attribute} <= attributes, True
    if aim.start is None:  # of a loss the limits follow from rates; a new run makes them again
        between = {g.attribute: g for g in aim.held}
        alone = [between.get(g.attribute, g) for g in gaps if len(g.attribute) == 1]
        yield "the gap reached", aim.reached, max((g.value for g in alone if g.value is not None), default=None)
    reached = aim.reached
    yield "whether the aim was met", aim.met, None if reached is None else bool(reached <= aim.tolerance)
