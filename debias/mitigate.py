"""`assay mitigate`: fit a candidate, compare it honestly, write the model and `mitigation.json`. Never deploys.

A person accepts or rejects the candidate with a reason (`record_decision`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from audit import progress
from audit.answers import keeps
from audit.case import Case, keeping_answers
from audit.code import Decisions
from audit.documents import record_in
from audit.documents.base import Record
from audit.documents.evidence import LeftToCube
from audit.documents.mitigation import Arm, CandidateModel, Mitigation
from audit.errors import DataError, GateBroken, InputError
from audit.evidence import pick, sha256, tool
from audit.files import canonical, read_json, write_whole
from audit.gaps import Settings
from audit.metrics import ACCURACY, SELECTION_RATE
from audit.numbers import brief, fixed, many
from audit.values import to_json
from audit.wide import KEY
from debias.candidate import Candidate, Original, open_original
from debias.card import write_cards
from debias.compare import Comparison, compare, comparison_to_json, matched_decisions, unmatched
from debias.export import ONNX, export_onnx
from debias.fit import fit_candidate
from debias.held import aim_words, held_gaps, judged_on, limits, named_apart
from debias.methods.method import CONSTRAINTS
from debias.methods.table import constraint_for, method_named
from debias.picked import Picked, notes_of_choice, picked_to_json
from debias.task import Task, halved, task_of

SCHEMA = "assay/mitigation/1"
FILE = "mitigation.json"


@keeps
def run_mitigate(
    case: Case,
    method: str,
    out: Path,
    *,
    seed: int = 0,
    constraint: str | None = None,
    tolerance: float = 0.02,
    attributes: Sequence[str] | None = None,
    floor: int = 10,
    draws: int = 2000,
    gate: bool = False,
    allow: Sequence[str] = (),
    picked: Picked | None = None,
    onnx: bool = False,
) -> dict[str, Any]:
    """Fit by `method`, compare on rows that neither model saw, write the model file, then `mitigation.json`.

    Beside them go a model card, its provenance and an ML-BOM (debias/card.py); with onnx the model as ONNX too, or in
    mitigation.json why not (ModelError, after everything is written, where a library for it is missing).

    constraint: what to aim at (the method's first if None); tolerance: the gap allowed, 0 to 1; attributes: sensitive
    columns to act on (all, with their intersections, if None); floor: people under which a group is withheld;
    picked: the candidate of a search to make again (debias/pick.py).
    With gate, raises GateBroken after writing unless the tolerance was met on the test rows, between the groups that
    the method holds (debias/held.py). Raises InputError and its children on bad input; what was in `out` before stays
    until the new files are whole.
    """
    from audit.load import load_rows

    row = method_named(method)
    aim = constraint_for(row, constraint)
    if not 0 <= tolerance < 1:
        raise InputError(
            "the tolerance cannot be used",
            got=tolerance,
            expected="a gap from 0 up to (not including) 1, such as 0.02",
            todo="choose a smaller tolerance",
        )
    chosen = attributes_of(case, attributes)
    case = keeping_answers(case, out)
    progress.stage("Reading the data")
    task = task_of(case, load_rows(case, everything=True), seed)
    if picked is not None:
        task, _ = halved(task, seed)
    progress.stage("Asking the original model")
    original = open_original(task, allow)
    progress.stage(f"Fitting: {row.title.lower()}")
    candidate = fit_candidate(
        task, original, row, aim, tolerance, chosen, seed, allow, picked.hyper if picked else None
    )
    progress.stage("Comparing on untouched rows")
    settings = Settings(seed=seed, draws=draws, floor=floor, reference=case.data.reference)
    comparison = compared(task, original, candidate, settings)
    selection = picked_to_json(picked, sha256(candidate.content))
    document = _document(
        task, original, candidate, comparison, settings, aim, tolerance, chosen, _earlier(out), selection
    )
    exported = None
    if onnx:
        progress.stage("Writing ONNX")
        exported = export_onnx(task, candidate, allow)
    document |= {"onnx": None if exported is None else exported.to_json()}
    write_whole(out / candidate.file, candidate.content)
    if exported is not None and exported.content is not None:
        write_whole(out / ONNX, exported.content)
    else:
        # One of an earlier candidate would pass for this one's.
        (out / ONNX).unlink(missing_ok=True)
    write_whole(out / FILE, canonical(document, compact=True))
    write_cards(out, document)
    if exported is not None and exported.missing is not None:
        raise exported.missing
    judged = record_in(Mitigation, document, FILE).constraint
    if gate and not judged.met:
        reached = judged.reached
        apart = f"; not held, so stated apart: {named_apart(judged)}" if judged.apart else ""
        if reached is None:
            raise GateBroken(
                f"whether the constraint {aim.replace('_', ' ')} was met cannot be said",
                got=f"no two groups that the method holds can be compared on the test rows{apart}",
                expected=f"at most {brief(tolerance)}",
                todo="name an attribute with two groups of enough people, or bring more rows",
            )
        raise GateBroken(
            f"the constraint {aim.replace('_', ' ')} was not met",
            got=(
                f"a gap of {brief(reached, 3)}"
                if judged.bound is None
                else f"a group's error {brief(reached, 3)} above the original's error of everyone"
            )
            + f" on the test rows, the best that {row.title.lower()} reached{apart}",
            expected=f"at most {brief(tolerance)}",
            todo="allow a larger tolerance, name fewer attributes, or try another method",
        )
    return document


def attributes_of(case: Case, attributes: Sequence[str] | None) -> tuple[str, ...]:
    """The sensitive columns to act on, all if None. Raises InputError for a name that is none of them."""
    from audit.errors import nearest

    chosen = tuple(case.data.sensitive if attributes is None else attributes)
    for name in chosen:
        if name not in case.data.sensitive:
            raise InputError(
                f"{name!r} is no sensitive column of the case",
                got=name,
                expected=", ".join(case.data.sensitive),
                todo=nearest(name, case.data.sensitive),
            )
    if attributes is not None and not chosen:
        raise InputError("no attribute was named", expected="at least one sensitive column", todo="name one")
    return chosen


def compared(task: Task, original: Original, candidate: Candidate, settings: Settings) -> Comparison:
    """The comparison on the test rows. The baseline's threshold is moved to select as many, outcomes unseen."""
    test = task.splits.test
    matched = None
    if original.score is not None and original.threshold is not None:
        score = original.score[test]
        positive, threshold = matched_decisions(score, candidate.decide(test), task.weight_of(test))
        matched = Decisions(positive, score, "matched threshold"), threshold
    scored = None if original.score is None else original.score[test]
    before = Decisions(original.positive[test], scored, "original"), original.threshold
    after = Decisions(candidate.decide(test), candidate.score_of(test), "candidate"), candidate.threshold
    return compare(task.case, task.frame.iloc[test], before, matched, after, settings)


def _earlier(out: Path) -> list[dict[str, Any]]:
    """Candidates of this folder that a person had picked or decided on: a new run keeps the record."""
    path = out / FILE
    if not path.exists():
        return []
    before = read_json(path)
    kept = list(before.get("earlier", []))
    if before.get("decision") is not None or before.get("choice") is not None:
        kept.append({k: before.get(k) for k in ("method", "seed", "model", "decision", "choice")})
    return kept


def _document(
    task: Task,
    original: Original,
    candidate: Candidate,
    comparison: Comparison,
    settings: Settings,
    aim: str,
    tolerance: float,
    attributes: tuple[str, ...],
    earlier: list[dict[str, Any]],
    selection: dict[str, Any],
) -> dict[str, Any]:
    """mitigation.json but for `onnx`. selection: its keys `search` and `choice`."""
    method = candidate.method
    splits = task.splits
    case = task.case
    notes = [*task.notes, *original.notes, *candidate.notes, *comparison.notes]
    if comparison.matched is None:
        notes.append(
            "The original has decisions but no scores: there is no threshold to match, so no baseline is shown."
        )
    if (note := unmatched(comparison.matched, comparison.candidate)) is not None:
        notes.append(note)
    comparison_json = comparison_to_json(comparison, settings.floor)
    if (left := comparison_json.get(KEY)) is not None:
        notes.append(record_in(LeftToCube, left, FILE).why)
    return {
        "schema": SCHEMA,
        "method": method.name,
        "title": method.title,
        "stage": method.stage,
        "needs_sensitive_at_decision": method.needs_sensitive_at_decision,
        "notice": method.notice,
        "words": method.words,
        "source": method.source,
        "case": {"name": case.name, "purpose": case.purpose},
        "parameters": {
            "constraint": aim,
            "tolerance": tolerance,
            "attributes": list(attributes),
            "threshold": candidate.threshold,
            **candidate.parameters,
        },
        "seed": settings.seed,
        "model": {"file": candidate.file, "sha256": sha256(candidate.content), "format": candidate.format},
        "base": original.facts | {"learner": candidate.learner},
        "data": {
            "sha256": task.sha256,
            "rows": len(task.frame),
            "label": case.data.label,
            "positive": case.data.positive,
            "favourable": case.data.favourable or case.data.positive,
            "sensitive": list(case.data.sensitive),
            "features": list(task.features),
        },
        "splits": {
            "train": len(splits.train),
            "validation": len(splits.validation),
            "test": len(splits.test),
            "made_by": "seed" if splits.own else "case",
        },
        "constraint": _constraint(comparison, settings, aim, tolerance, attributes, candidate),
        **comparison_json,
        "policy": case.policy.named(),
        "settings": settings.to_json(),
        "tool": tool(),
        "notes": [*dict.fromkeys(notes), *notes_of_choice(selection.get("choice"))],
        "decision": None,
        "decisions": [],
        "earlier": earlier,
        **selection,
    }


def _constraint(
    comparison: Comparison,
    settings: Settings,
    aim: str,
    tolerance: float,
    attributes: tuple[str, ...],
    candidate: Candidate,
) -> dict[str, Any]:
    """What was aimed at and what was reached on the test rows: the widest gap over the attributes, between the groups
    that the method holds; those that it does not stand in `apart`, and `by` has the gaps of all.

    For bounded loss reached is the largest group's error less loss_from, and `bound` the largest error allowed.
    """
    gaps = [
        g
        for g in comparison.candidate.measures.gaps
        if g.metric == CONSTRAINTS[aim].metric and g.kind == "difference" and set(g.attribute) <= set(attributes)
    ]
    loss_from = candidate.parameters.get("loss_from")
    loose = {(a.attribute, a.group) for a in candidate.apart}
    held = held_gaps(comparison.candidate.margins, loose, CONSTRAINTS[aim].metric, settings)
    alone = judged_on(gaps, held)
    reached = max((g.value for g in alone if g.value is not None), default=None)
    more: dict[str, Any] = {}
    high = max((g.high for g in alone if g.high is not None), default=None)
    if loss_from is not None:
        rates = [
            r
            for r in comparison.candidate.measures.rates
            if r.metric == ACCURACY and len(r.attribute) == 1 and set(r.attribute) <= set(attributes)
            and (r.attribute, r.group) not in loose
        ]  # fmt: skip
        known = [(1 - r.value, r) for r in rates if r.value is not None]
        worst = max(known, key=lambda k: k[0], default=None)
        reached = None if worst is None else worst[0] - loss_from
        high = max((1 - r.low - loss_from for r in rates if r.low is not None), default=None)
        more = {
            "from": loss_from,
            "bound": loss_from + tolerance,
            "largest_error": None if worst is None else worst[0],
            "group": None if worst is None else list(worst[1].group),
        }
    return {
        "name": aim,
        **more,
        "metric": CONSTRAINTS[aim].metric,
        "tolerance": tolerance,
        "reached": reached,
        "high": high,
        "met": None if reached is None else reached <= tolerance,
        "by": [limits(g) for g in gaps],
        "apart": [to_json(a) for a in candidate.apart],
        "held": [limits(g) for g in held],
    }


def summary(document: dict[str, Any]) -> list[str]:
    """The comparison in a few lines for a terminal: figures, what got worse, who is affected."""
    m = record_in(Mitigation, document, FILE)
    arms = m.arms.present()
    lines = [
        f"{m.case.name}: {m.title} ({m.stage}-processing), {many(m.splits.test, 'row')} that neither model learned "
        "from.",
    ]
    if m.notice:
        lines.append(f"Notice: {m.notice}")
    names = list(arms)
    lines += ["", f"{'':34}" + "".join(f"{n:>12}" for n in names)]
    for metric in (ACCURACY, SELECTION_RATE):
        lines.append(f"{metric.replace('_', ' '):34}" + "".join(_figure(getattr(arms[n], metric)) for n in names))
    for gap in m.constraint.by:
        by = " x ".join(gap.attribute)
        values = [_gap(arms[n], m.constraint.metric, gap.attribute) for n in names]
        label = f"{m.constraint.metric.replace('_', ' ')} gap, {by}"
        lines.append(f"{label:34}" + "".join(_figure(v) for v in values))
    worse = [c for c in m.changes if c.worse and c.clear]
    lines += ["", aim_words(m.constraint)]
    lines += ["", f"Got worse, beyond chance: {many(len(worse), 'figure')}" + (", the first:" if worse else ".")]
    for c in worse[:5]:
        who = " / ".join(c.group) if c.group else f"by {' x '.join(c.attribute)}"
        what = f"{c.metric.replace('_', ' ')} {'' if c.kind == 'rate' else c.kind + ' '}"
        lines.append(f"- {what}{who or 'everyone'}: {fixed(c.before, 3)} -> {fixed(c.after, 3)}")
    everyone = next((f for f in m.flips if not f.attribute), None)
    if everyone:
        lines.append(
            f"Decisions that change: {everyone.to_favourable} to favourable, "
            f"{everyone.to_unfavourable} to unfavourable, of {everyone.rows:,}."
        )
    if m.onnx:
        onnx = m.onnx
        lines.append(f"ONNX: {onnx.file}" if onnx.file else f"ONNX: not written; {onnx.reason}")
    return [*lines, *(f"Note: {n}" for n in m.notes)]


def _figure(value: float | None) -> str:
    return f"{'n/a' if value is None else fixed(value, 4):>12}"


def _gap(arm: Arm, metric: str, attribute: Sequence[str]) -> float | None:
    gap = pick(arm.gaps, metric=metric, kind="difference", attribute=tuple(attribute))
    return None if gap is None else gap.value


class _Compared(Record, frozen=True):
    model: CandidateModel


def record_decision(out: Path, accepted: bool, reason: str, by: str, now: dt.datetime) -> dict[str, Any]:
    """Write a person's decision on the candidate into `mitigation.json`; earlier ones stay in `decisions`.

    Nothing is deployed. now must have a time zone. Raises InputError without a reason or a name, DataError where there
    is no comparison or the model file is not the one compared.
    """
    if not reason.strip() or not by.strip():
        raise InputError(
            "a decision needs a reason and a name",
            got=f"reason {reason!r}, by {by!r}",
            expected="both in words",
            todo="say why, and who decides",
        )
    if now.tzinfo is None:
        raise InputError("the time of a decision needs a time zone", got=now.isoformat(), todo="use an aware time")
    document = read_json(out / FILE)
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise DataError(f"{FILE} is not a comparison", expected=SCHEMA, todo="run `assay mitigate` again")
    compared_model = record_in(_Compared, document, FILE).model
    model = out / compared_model.file
    if not model.exists() or sha256(model.read_bytes()) != compared_model.sha256:
        raise DataError(
            "the candidate's file is not the one that was compared",
            got="missing" if not model.exists() else "another sha256",
            expected=compared_model.sha256,
            todo="run `assay mitigate` again and decide on what it shows",
        )
    decision = {
        "accepted": bool(accepted),
        "reason": reason.strip(),
        "by": by.strip(),
        "time": now.astimezone(dt.UTC).isoformat(timespec="seconds"),
    }
    document |= {"decision": decision, "decisions": [*document.get("decisions", []), decision]}
    write_whole(out / FILE, canonical(document, compact=True))
    write_cards(out, document)
    return document
