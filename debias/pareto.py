"""`assay mitigate --search`: many candidates, loss against gap, and the front of those that no other one beats.

    document = run_search(case, out, trials=30)      # search.json
    pick(case, out, trial, reason=..., by=..., now=...)  # debias/pick.py: a person takes one and says why

Rows: candidates learn from the training rows; what a method chooses by itself (how many trees, which thresholds) it
chooses on one half of the validation rows; the search judges on the other half, so that no method is judged on rows
that it tuned itself on. The test rows are taken out of the table before the search begins.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from audit import progress
from audit.answers import keeps
from audit.case import Case
from audit.code import Decisions, code_rows
from audit.cube import CodedRows, Ints, Margin, cube_of
from audit.cube_json import entries_of, margins_to_json
from audit.documents import record_in
from audit.documents.base import Record
from audit.documents.search import AskedFor, Loss, Search, Trial, WidestGap
from audit.errors import AssayError, DataError, InputError
from audit.evidence import sha256, tool
from audit.files import canonical, read_json, write_whole
from audit.gaps import Settings
from audit.numbers import brief, fixed, many
from audit.sentences import stopped_early
from audit.suppress import publish
from debias.candidate import Candidate, Original, open_original
from debias.compare import matched_decisions
from debias.fit import fit_candidate
from debias.methods.method import BOUNDED_LOSS, CONSTRAINTS, DEMOGRAPHIC_PARITY
from debias.methods.table import METHODS, method_named
from debias.mitigate import attributes_of
from debias.pareto_figures import ORIGINAL_BEATS, figures_of, front_in, objectives, words_of
from debias.pareto_space import Point, draw, methods_to_search, propose, starts
from debias.splits import Splits
from debias.task import Task, halved, task_of

SCHEMA = "assay/search/1"
FILE = "search.json"
PART = "search.part.json"
"""The search so far; a search that was stopped goes on from it."""
MOST = 1000


@keeps
def run_search(
    case: Case,
    out: Path,
    *,
    trials: int = 30,
    seed: int = 0,
    timeout: float | None = None,
    methods: Sequence[str] | None = None,
    constraint: str = DEMOGRAPHIC_PARITY,
    attributes: Sequence[str] | None = None,
    floor: int = 10,
    draws: int = 1000,
    allow: Sequence[str] = (),
    at_random: bool = False,
    acceptable_loss: float | None = None,
    need: str = "",
    begin: Callable[[dict[str, Any], int], None] | None = None,
) -> dict[str, Any]:
    """Try `trials` candidates and write search.json; the document.

    methods: those to search (None: all that serve the constraint, need nothing sensitive to decide and fit once);
    attributes: sensitive columns to act on and to measure (None: all); timeout: seconds after which no new trial is
    begun. Stopped and started again on the same case, it goes on; the result is the same bytes as without a stop. A
    trial that fails is recorded with its reason. at_random: each candidate is drawn by itself, so that a bound on what
    more search could gain holds (debias/search_bound.py); acceptable_loss: by how much the share of wrong decisions may
    rise, and need: which need the decision serves, as they were fixed beforehand. begin: given what is asked of the
    search (digest_of tells it) and how many candidates were tried already, before the first one is drawn. Raises
    InputError on a wrong request or where every trial failed.
    """
    from audit.load import load_rows

    if not 1 <= trials <= MOST:
        raise InputError("the number of trials cannot be used", got=trials, expected=f"1 to {MOST}", todo="change it")
    if timeout is not None and not timeout > 0:
        raise InputError("the timeout cannot be used", got=timeout, expected="seconds above 0", todo="change it")
    if acceptable_loss is not None and not 0 <= acceptable_loss <= 1:
        raise InputError("the acceptable loss is no share", got=acceptable_loss, expected="0 to 1", todo="write 0.01")
    wanted = methods_to_search(constraint, methods)
    chosen = attributes_of(case, attributes)
    progress.stage("Reading the data")
    whole = task_of(case, load_rows(case, everything=True), seed)
    task, held = without_test(whole, seed)
    progress.stage("Asking the original model")
    original = open_original(task, allow)
    settings = Settings(seed=seed, draws=draws, floor=floor, order=1, reference=case.data.reference)
    judge = Judge(task, original, constraint, chosen, settings)
    stated: dict[str, Any] = {"at_random": True} if at_random else {}
    stated |= {} if acceptable_loss is None else {"acceptable_loss": acceptable_loss}
    stated |= {"need": stated_need} if (stated_need := " ".join(need.split())) else {}
    head = _head(case, whole, task, original, wanted, constraint, chosen, settings, held, stated)
    record = _resumed(out, head)[:trials]
    if begin is not None:
        begin(head, len(record))
    began = time.monotonic()
    progress.stage("Searching", len(record))
    while len(record) < trials:
        progress.step(len(record), trials)
        if timeout is not None and record and time.monotonic() - began > timeout:
            break
        names = [m.name for m in wanted]
        point = draw(names, len(record), seed) if at_random else _next(names, starts(wanted), record, seed)
        if point is None:
            break
        record.append(_trial(len(record) + 1, task, original, judge, point, constraint, chosen, seed, allow))
        write_whole(out / PART, canonical({**head, "trials": [t.plain for t in record]}, compact=True))
    progress.step(trials, trials)
    if all(t.trial.failed for t in record):
        (out / PART).unlink(missing_ok=True)
        raise InputError(
            "every candidate of the search failed",
            got=str(record[0].trial.failed),
            expected="at least one that can be fitted",
            todo="name other methods, or see the message of `assay mitigate --method NAME`",
        )
    body = canonical(_document(head, judge, record, trials), compact=True)
    write_whole(out / FILE, body)
    (out / PART).unlink(missing_ok=True)
    # What is returned is what was written.
    document: dict[str, Any] = json.loads(body)
    return document


@dataclass(frozen=True, slots=True)
class _Tried:
    """One candidate: its entry of search.json, as yet without `front`, and the same as a record."""

    plain: dict[str, Any]
    trial: Trial

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> _Tried:
        """entry: as it was computed or read."""
        plain = {k: v for k, v in json.loads(canonical(entry, compact=True)).items() if k != "front"}
        return cls(plain, record_in(Trial, plain | {"front": False}, FILE))


def without_test(task: Task, seed: int) -> tuple[Task, int]:
    """The task without its test rows, and how many they were; in their place the half of validation that judges."""
    half, judge = halved(task, seed)
    splits = half.splits
    keep = np.sort(np.concatenate([splits.train, splits.validation, judge]))

    def moved(rows: Ints) -> Ints:
        return np.searchsorted(keep, rows).astype(np.int64)

    inner = Splits(moved(splits.train), moved(splits.validation), moved(judge), splits.own)
    return replace(
        task,
        frame=task.frame.iloc[keep].reset_index(drop=True),
        label=task.label[keep],
        codes=task.codes[keep],
        joint=task.joint[keep],
        weight=None if task.weight is None else task.weight[keep],
        splits=inner,
        trial=True,
    ), len(task.splits.test)


class Judge:
    """Counts and figures of a way of deciding on the half of the validation rows that judges."""

    def __init__(
        self, task: Task, original: Original, aim: str, attributes: tuple[str, ...], settings: Settings
    ) -> None:
        self.task, self.base, self.aim, self.attributes, self.settings = task, original, aim, attributes, settings
        self.rows = task.splits.test
        plain = Decisions(original.positive[self.rows], None, "original")
        coded = code_rows(task.case, task.frame.iloc[self.rows], plain)
        keep = [coded.attributes.index(a) for a in attributes]
        # Only the attributes asked for: what is counted is what is published.
        self.coded = CodedRows(
            attributes,
            tuple(coded.levels[i] for i in keep),
            coded.codes[:, keep],
            coded.label,
            coded.decision,
            coded.weight,
            None,
            coded.meaning,
            cluster=coded.cluster,
        )
        self.original = self.of(original.positive[self.rows])
        whole = margins_to_json(self.margins(original.positive[self.rows]), settings.floor)
        self.counts = {k: v for k, v in whole.items() if k != "margins"}

    def margins(self, positive: Ints) -> tuple[Margin, ...]:
        counted = replace(self.coded, decision=positive.astype(np.int64))
        return publish(cube_of(counted), self.settings.floor, 1)[0]

    def of(self, positive: Ints) -> dict[str, Any]:
        """Figures and counts of decisions (rows,). Raises DataError where no gap can be estimated."""
        margins = self.margins(positive)
        figures = figures_of(margins, self.aim, self.attributes, self.settings)
        return {**figures.to_json(), "counts": entries_of(margins, self.settings.floor)}

    def matched(self, candidate: Candidate) -> dict[str, Any] | None:
        """The original with its threshold moved to select as many of the same rows, or None without scores."""
        if self.base.score is None or self.base.threshold is None:
            return None
        weight = self.task.weight_of(self.rows)
        positive, threshold = matched_decisions(self.base.score[self.rows], candidate.decide(self.rows), weight)
        return {"threshold": threshold, **self.of(positive)}


def _next(methods: list[str], first: list[Point], record: list[_Tried], seed: int) -> Point | None:
    """The next point to try; None where every method failed as it stands."""
    if len(record) < len(first):
        return first[len(record)]
    # A method that fails as it stands is not tried again.
    broken = {t.trial.method for t in record[: len(first)] if t.trial.failed}
    alive = [m for m in methods if m not in broken]
    tried = [(Point(t.trial.method, t.trial.parameters), objectives(t.trial)) for t in record]
    known = [(p, at) for p, at in tried if at is not None]
    return propose(known, alive, len(record), seed) if alive else None


def _trial(
    number: int,
    task: Task,
    original: Original,
    judge: Judge,
    point: Point,
    aim: str,
    attributes: tuple[str, ...],
    seed: int,
    allow: Sequence[str],
) -> _Tried:
    method = method_named(point.method)
    parameters = dict(point.parameters)
    entry: dict[str, Any] = {
        "trial": number,
        "method": method.name,
        "title": method.title,
        "needs_sensitive_at_decision": method.needs_sensitive_at_decision,
        "parameters": parameters,
    }
    nothing = {"model": None, "loss": None, "gap": None, "selection_rate": None, "counts": None, "matched": None}
    tolerance, hyper = parts_of(parameters)
    try:
        candidate = fit_candidate(
            task, original, method, aim, 0.02 if tolerance is None else tolerance, attributes, seed, allow, hyper
        )
        measured = {
            "model": sha256(candidate.content),
            **judge.of(candidate.decide(judge.rows)),
            "matched": judge.matched(candidate),
        }
    except AssayError as error:
        return _Tried.of({**entry, "failed": error.message, **nothing, "notes": []})
    return _Tried.of({**entry, "failed": None, **measured, "notes": list(candidate.notes)})


def parts_of(parameters: dict[str, Any]) -> tuple[float | None, dict[str, float] | None]:
    """The tolerance of a point, if it has one, and the method's own parameters, if any."""
    hyper = {k: v for k, v in parameters.items() if k != "tolerance"}
    return parameters.get("tolerance"), hyper or None


def _head(
    case: Case,
    whole: Task,
    task: Task,
    original: Original,
    methods: Sequence[Any],
    aim: str,
    attributes: tuple[str, ...],
    settings: Settings,
    held: int,
    stated: Mapping[str, Any],
) -> dict[str, Any]:
    """What the search is of. Two searches with one head are one search. stated: what was said beforehand."""
    splits, data = task.splits, case.data
    left = {m.name: m.not_searched for m in METHODS.values() if m.not_searched and m not in methods}
    left |= {
        m.name: "it reads the sensitive value when it decides"
        for m in METHODS.values()
        if m.needs_sensitive_at_decision and m not in methods
    }
    return {
        "schema": SCHEMA,
        "case": {"name": case.name, "purpose": case.purpose},
        "data": {
            "sha256": whole.sha256,
            "rows": len(whole.frame),
            "label": data.label,
            "positive": data.positive,
            "favourable": data.favourable or data.positive,
            "weight": data.weight,
            "features": list(whole.features),
            # Groups and outcomes as they were coded, so that a changed band or join is another search.
            "coded": sha256(whole.codes.tobytes() + whole.label.tobytes() + splits.train.tobytes()),
        },
        "base": original.facts,
        "asked": {
            "methods": [m.name for m in methods],
            "left_out": {n: why for n, why in left.items() if aim in METHODS[n].constraints},
            "constraint": aim,
            "metric": CONSTRAINTS[aim].figure,
            "attributes": list(attributes),
            "seed": settings.seed,
            **stated,
        },
        "objectives": [
            "loss: the share of wrong decisions",
            f"gap: the upper bound of the {brief(100 * (1 - settings.alpha))} % simultaneous interval of "
            + ("the error of the group that errs most" if aim == BOUNDED_LOSS else "the widest gap"),
        ],
        "space": {m.name: {k: [s.low, s.high] for k, s in m.space.items()} for m in methods},
        "sampler": (
            "every candidate drawn at random from the space, one seed a trial"
            if "at_random" in stated
            else "every method as it stands, then Optuna TPE, multi-objective, one seed a trial"
        ),
        "splits": {
            "train": len(splits.train),
            "choose": len(splits.validation),
            "judge": len(splits.test),
            "test": held,
            "made_by": "seed" if splits.own else "case",
        },
        "settings": settings.to_json(),
        "tool": tool(),
    }


class _Before(Record, frozen=True):
    trials: tuple[dict[str, Any], ...]


def _resumed(out: Path, head: dict[str, Any]) -> list[_Tried]:
    """The trials of an earlier search of the same, finished or stopped; the longer record wins."""
    best: list[_Tried] = []
    for name in (PART, FILE):
        try:
            before = read_json(out / name)
            same = {k: before[k] for k in head} == head
            trials = [_Tried.of(t) for t in record_in(_Before, before, name).trials]
        except (DataError, KeyError, TypeError, AttributeError):
            continue
        if same and len(trials) > len(best):
            best = trials
    return best


def _document(head: dict[str, Any], judge: Judge, record: list[_Tried], asked: int) -> dict[str, Any]:
    trials = [t.plain for t in record]
    body = json.loads(canonical({"original": judge.original, "trials": trials, "front_among": ORIGINAL_BEATS}))
    front = front_in(body)
    failed = sum(t.trial.failed is not None for t in record)
    notes = [f"{failed} of {many(len(record), 'candidate')} failed; each says why."] if failed else []
    if len(record) < asked:
        notes.append(stopped_early(len(record), asked))
    if left := record_in(_Request, head, FILE).asked.left_out:
        notes.append(f"Not searched: {'; '.join(f'{METHODS[n].title.lower()} ({why})' for n, why in left.items())}.")
    notes.append(
        "A candidate that the original beats in both is not on the front. The original may have learned from the rows "
        "that the search judges on, which flatters it and its moved threshold here; no candidate has."
    )
    notes.append(
        "The best of many looks better on the rows that it was chosen on than it is. Read the comparison on the test "
        "rows, which the search does not have."
    )
    return {
        **head,
        "counts": judge.counts,
        "trials_asked": asked,
        **body,
        "trials": [{**t, "front": on} for t, on in zip(trials, front, strict=True)],
        "notes": notes,
    }


class _Request(Record, frozen=True):
    asked: AskedFor


class _DataOf(Record, frozen=True):
    sha256: str
    coded: str | None = None


class _ModelOf(Record, frozen=True):
    sha256: str | None = None


class _Digested(Record, frozen=True):
    """What a search is known by. asked, space: as they stand, byte for byte."""

    schema: str
    asked: Any
    space: Any
    sampler: str
    data: _DataOf
    base: _ModelOf


def digest_of(document: Mapping[str, Any]) -> str:
    """The SHA-256 of what is asked of a search: of what data and model, within which space, to what aim, need and loss.

    The same before the first candidate and after the last, and of the document as it is published.
    """
    s = record_in(_Digested, document, FILE)
    asked = {"schema": s.schema, "asked": s.asked, "space": s.space, "sampler": s.sampler}
    return sha256(canonical({**asked, "data": s.data.sha256, "coded": s.data.coded, "base": s.base.sha256}))


def table_of(document: dict[str, Any]) -> list[str]:
    """The front as lines for a terminal."""
    search = record_in(Search, document, FILE)
    on = [t for t in search.trials if t.front]
    weighed = words_of(search.asked.constraint)
    gap = f"{weighed.full.removeprefix('the ')} [95 %]"
    lines = [
        f"{search.case.name if search.case else ''}: {many(len(search.trials), 'candidate')} tried, {len(on)} on the "
        f"front; measured on {many(search.splits.judge, 'validation row')}.",
        "",
        f"{'':>5}  {'method':24}{'tolerance':>10}  {'loss [95 %]':24}{gap:32}moved threshold: loss, {weighed.short}",
        f"{'':>5}  {'original':24}{'':>10}  {_span(search.original.loss):24}{_span(search.original.gap)}",
    ]
    for t in sorted(on, key=lambda t: 0.0 if t.loss is None else t.loss.value):
        at = t.parameters.get("tolerance")
        beside = "" if t.matched is None else f"{fixed(t.matched.loss.value, 4)}, {fixed(t.matched.gap.value, 4)}"
        lines.append(
            f"{t.trial:>5}  {t.title:24}{'' if at is None else brief(at):>10}  {_span(t.loss):24}"
            f"{_span(t.gap):32}{beside}"
        )
    if not on:
        lines.append("The front is empty: the original, as it is, beats every candidate.")
    lines += ["", *(f"Note: {n}" for n in search.notes)]
    lines += [f"Notice: {m}" for m in sorted({METHODS[t.method].notice or "" for t in on} - {""})]
    return [*lines, "Take one: assay mitigate CASE.toml --pick NUMBER --reason TEXT --by NAME --out DIR"]


def _span(entry: Loss | WidestGap | None) -> str:
    return "" if entry is None else f"{fixed(entry.value, 4)} [{fixed(entry.low, 4)}, {fixed(entry.high, 4)}]"
