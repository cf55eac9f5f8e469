"""A batch as the loop takes it: read, checked, decided, compared with the first ones, and with what is due by now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from audit.case import Case
from audit.code import groups_per_row
from audit.cube import UNLABELLED, Ints, cube_of
from audit.errors import AssayError, InputError
from audit.load.values import coded as named
from audit.numbers import many
from audit.policy import Policy
from audit.watch.cells import cube_to_json
from audit.watch.drift import drifted, reference_of, spend
from audit.watch.harm import bounds
from audit.watch.label_free import Calibration, estimate, open_calibration
from audit.watch.quality import feed_problem, outcome_problem, with_usual_copies
from audit.watch.summaries import Feature
from debias.loop.database import TrailLost
from debias.loop.once import hashes_of
from debias.loop.quarantine import problem_of, released
from debias.loop.reference import Calibrated, Reference, known_of
from debias.loop.serve import (
    Servers,
    coded_rows,
    labels_of,
    pack_decisions,
    unpack_counted,
    unpack_decisions,
    with_labels,
)
from debias.loop.served import given_scores, moved_cut, reconciled, turning
from debias.loop.sift import Aside, rows_aside, shown, strange_values
from debias.loop.sources import Arrival, Source
from debias.loop.state import Batch, Matured, State
from debias.loop.store import Served, Store
from debias.loop.trail import Trail
from debias.loop.without import row_hashes


@dataclass(frozen=True, slots=True, eq=False)
class Taken:
    """A batch as the step takes it, and what is kept of it."""

    batch: Batch
    reference: Reference | None = None
    calibration: Calibrated | None = None
    cube: dict[str, Any] | None = None
    pending: bytes | None = None
    people: bytes = b""
    waiting: Mapping[int, bytes] = field(default_factory=dict)
    aside: tuple[Aside, ...] = ()
    gone: tuple[str, ...] = ()


class Taker:
    """Makes one batch of a source into what the step takes. known: number, id and sha256 of those counted before.

        taken = Taker(case, source, servers, store, trail, known).take(number, state, policy, reference)

    Raises nothing about a batch: what is wrong with it is in the batch.
    """

    def __init__(
        self,
        case: Case,
        source: Source,
        servers: Servers,
        store: Store,
        trail: Trail,
        known: list[tuple[int, str, str]],
    ) -> None:
        self._case, self._source, self._servers, self._store = case, source, servers, store
        self._trail, self._known = trail, known
        self._waiting: dict[int, bytes] = {}
        self._missing: dict[int, list[str]] = {}
        self._version: int | None = None
        self._gone: tuple[str, ...] = ()

    def take(
        self,
        number: int,
        state: State,
        policy: Policy,
        reference: Reference | None,
        calibration: Calibrated | None,
    ) -> Taken:
        """Batch `number`. reference: what the first good batches were like, or None before there is one; calibration:
        what the running model's scores have meant, or None."""
        self._state, self._policy, self._reference, self._calibration = state, policy, reference, calibration
        self._waiting, self._gone = {}, ()
        self._source.know(known_of(reference))
        taken = self._taken(number)
        waiting = {k: v for k, v in self._waiting.items() if k != number}
        return replace(taken, waiting=waiting, gone=self._gone if taken.batch.incident is None else ())

    def _taken(self, number: int) -> Taken:
        try:
            arrival = self._source.read(number)
        except Exception as error:
            name = f"{number:05d}"
            return Taken(Batch(name, 0, incident=reason(error), matured=self._due(number, None, None)))
        frame = arrival.frame
        poor = dict(arrival.poor) or None
        base = Batch(arrival.id, len(frame), arrival.first, arrival.last, arrival.sha256, arrival.again, poor=poor)
        if arrival.problem is not None:
            return self._without(base, number, incident=arrival.problem)
        same = self._trail.seen(arrival.sha256)
        if len(frame) and same is not None:
            return self._without(base, number, same_as=same)
        if len(frame) == 0:
            return self._without(base, number)
        out, came = len(arrival.aside), len(arrival.aside) + len(frame) + arrival.again
        if out > self._policy.loop.poor_rows * came:
            words = f"{out:,} of its {many(came, 'row')} cannot be used: {shown(arrival.poor)}."
            return replace(self._without(base, number, incident=words), aside=arrival.aside)
        try:
            return self._good(base, number, arrival)
        except TrailLost:
            raise  # the database is at fault, not the batch
        except Exception as error:
            return self._without(base, number, incident=reason(error))

    def _without(self, base: Batch, number: int, **why: str) -> Taken:
        return Taken(replace(base, matured=self._due(number, None, None), **why))  # type: ignore[arg-type]

    def _good(self, base: Batch, number: int, arrival: Arrival) -> Taken:
        case, frame, state = self._case, arrival.frame, self._state
        features = self._source.features
        known = self._reference or Reference()
        let_in = released(self._store.out, arrival.sha256)
        problem = feed_problem(known.features, frame, case.data.sensitive)
        if problem is None and let_in is None:
            problem = problem_of(case, frame)
        if problem is not None:
            return self._without(base, number, incident=problem)
        base = replace(base, released=let_in)
        labels = self._label_names(frame)
        if len(labels) > 2:
            shown = ", ".join(repr(n) for n in labels[:4])
            return self._without(base, number, incident=f"the outcome has more than two values: {shown}.")
        running = self._store.served(state.running)
        try:
            decisions = self._servers.decide(running, frame, features)
        except InputError:
            fewer = self._without_strange(arrival, known.features)
            if fewer is None:
                raise
            arrival, frame = fewer, fewer.frame
            decisions = self._servers.decide(running, frame, features)
            base = replace(base, rows=len(frame), poor=dict(arrival.poor))
        decided: dict[str, Ints] = {state.running: decisions.positive}
        served = None
        if case.watch.served:
            decided[state.running], served = reconciled(case, frame, running, decisions.positive, decisions.score)
        scored = given_scores(case, frame, decisions.score)
        # A column of decisions has no threshold that is known: where it turns is seen from the scores beside it.
        turn = turning(scored, decided[state.running]) if case.model.kind == "decision" else None
        moved = moved_cut(state.cut, turn)
        if moved is not None:
            served = {"what": "served", "rows": len(frame), "running": running.id, **(served or {}), **moved}
        failed = None
        if state.beside is not None:
            beside = self._store.served(state.beside.model)
            try:
                decided[state.beside.model] = self._servers.decide(beside, frame, features).positive
            except InputError as error:
                failed = error.message
        rows = {model: coded_rows(case, frame, d) for model, d in decided.items()}
        due = self._due(number, arrival, decided)
        calibration = self._calibrated(running) if decisions.score is not None else None
        expects = calibration is not None and calibration.model == running.id and _ready(state)
        # Either may raise a suspicion: then each has half of what this batch may spend.
        alpha = spend(self._policy.loop.drift_alpha, state.drift_tests + 1) / (2 if expects else 1)
        tests: Any = ()
        if known.features:
            mine = rows[state.running]
            tests = drifted(known.features, frame, mine, alpha=alpha, people=self._policy.loop.people)
        expected = None
        if expects:
            assert calibration is not None
            assert state.harm is not None
            assert decisions.score is not None
            expected = estimate(
                calibration.bins,
                rows[state.running],
                decisions.score,
                bounds(state.harm),
                alpha=alpha,
                people=self._policy.loop.people,
            )
        batch = replace(base, decided=rows, failed=failed, drift=tests, matured=due, estimate=expected, served=served)
        batch = replace(batch, score=scored, cut=turn)
        pending = self._waiting.get(number)
        if case.data.label is not None and case.watch.label_delay > 0:
            pending = pack_decisions(decided)
        cube = cube_to_json(cube_of(rows[state.running]))
        fresh = calibration if calibration is not self._calibration else None
        grown = self._grown(number, frame, labels)
        return Taken(batch, grown, fresh, cube, pending, arrival.people, aside=arrival.aside)

    def _without_strange(self, arrival: Arrival, known: Mapping[str, Feature]) -> Arrival | None:
        """Without the few rows that may be why the model raised: a value that the first batches never had, or none
        where they always had one. None where there are no such rows, or too many."""
        strange, reasons = strange_values(arrival.frame, known)
        out = len(arrival.aside) + int(strange.sum())
        came = len(arrival.aside) + len(arrival.frame) + arrival.again
        if not strange.any() or out > self._policy.loop.poor_rows * came:
            return None
        # All rows with the same features, so that the batch is the same whenever it is read again.
        gone = row_hashes(arrival.frame[strange], self._source.features)
        left = arrival.frame[~strange].reset_index(drop=True)
        people = arrival.people
        column = self._case.data.cluster or self._case.data.id
        if column is not None and people:
            hashes, known_id = hashes_of(left[column])
            people = hashes[known_id].astype("<u8").tobytes()
        aside = rows_aside(arrival.frame, strange, reasons)
        poor = dict(Counter(arrival.poor) + Counter(a.reason for a in aside))
        self._gone = tuple(gone)
        return replace(arrival, frame=left, people=people, aside=(*arrival.aside, *aside), poor=poor)

    def _calibrated(self, running: Served) -> Calibrated | None:
        """What the running model's scores have meant, from as many of the newest due batches as the reference has.

        Once for each model, when it is known how often it is wrong; not where outcomes are known at once.
        """
        before = self._calibration
        if before is not None and before.model == running.id:
            return before
        if not _ready(self._state) or self._case.watch.label_delay == 0:
            return before
        due = [n for n in range(self._state.matured) if n not in self._state.left_out]
        calibration: Calibration | None = None
        for index in due[-self._policy.loop.reference_batches :]:
            arrival = self._source.read(index)
            if arrival.problem is not None or arrival.sha256 != self._known[index][2]:
                continue
            decisions = self._servers.decide(running, arrival.frame, self._source.features)
            assert decisions.score is not None
            rows = coded_rows(self._case, arrival.frame, decisions.positive, labels_of(self._case, arrival.frame))
            calibration = (calibration or open_calibration(decisions.score)).add(rows, decisions.score)
        return before if calibration is None else Calibrated(running.id, calibration)

    def _label_names(self, frame: pd.DataFrame) -> list[str]:
        """All outcomes seen in the reference and in this batch."""
        label = self._case.data.label
        seen = dict.fromkeys((self._reference or Reference()).labels)
        if label is not None and label in frame.columns:
            seen |= dict.fromkeys(n for n in named(frame[label])[1])
        return list(seen)

    def _grown(self, number: int, frame: pd.DataFrame, labels: list[str]) -> Reference | None:
        """The first good batches are what later ones are compared with."""
        before = (self._reference or Reference()).batches
        if len(before) >= self._policy.loop.reference_batches:
            return None
        features = [f for f in self._source.features if f in frame.columns]
        frames = [*(self._source.read(n).frame for n in before), frame]
        whole = pd.concat(frames, ignore_index=True)
        kept = with_usual_copies(reference_of(whole, features, groups_per_row(self._case, whole)), frames)
        return Reference((*before, number), tuple(labels), kept)

    def _due(self, number: int, arrival: Arrival | None, decided: dict[str, Ints] | None) -> tuple[Matured, ...]:
        """Batches whose outcomes are due once this one is there, each as a whole."""
        if self._case.data.label is None:
            return ()
        last = number - self._case.watch.label_delay
        out = []
        for index in range(self._state.matured, last + 1):
            try:
                if index == number:
                    out.append(self._matured(number, arrival, decided))
                else:
                    out.append(self._matured(index, None, None))
            except TrailLost:
                raise
            except Exception as error:
                out.append(Matured(self._id(index), index, {}, reason(error)))
        return (*self._late(), *out)

    def _late(self) -> list[Matured]:
        """Outcomes of batches that were due before, which came since."""
        labels, waiting = self._source.labels, self._state.waiting
        if not waiting or self._version == labels.look():
            return []
        self._version = labels.version
        out = []
        for index in waiting:
            ids = self._missing.get(index)
            if ids is None or labels.known(ids).any():
                matured = self._came(index)
                out += [] if matured is None else [matured]
        return out

    def _came(self, index: int) -> Matured | None:
        """What came of one of these; None where nothing did that can be used."""
        pending = self._trail.pending(index)
        arrival = self._source.read(index)
        if pending is None or arrival.problem is not None or arrival.sha256 != self._known[index][2]:
            return None
        rows, decided = unpack_decisions(pending)
        if rows != len(arrival.frame) or len(self._label_names(arrival.frame)) > 2:
            return None
        outcome, counted = labels_of(self._case, arrival.frame), unpack_counted(pending)
        base = coded_rows(self._case, arrival.frame, decided[next(iter(decided))], outcome)
        self._note_missing(index, arrival.frame, outcome)
        new = (outcome != UNLABELLED) & (counted == 0)
        if not new.any() or outcome_problem(base, self._base_rate()) is not None:
            return None
        shown = np.where(new, outcome, UNLABELLED)
        coded = {m: replace(with_labels(base, shown), decision=d) for m, d in decided.items()}
        missing = self._keep(index, decided, outcome)
        return Matured(self._id(index), index, coded, late=True, missing=missing)

    def _note_missing(self, index: int, frame: pd.DataFrame, outcome: Ints) -> None:
        ids, names = named(frame[str(self._case.data.id)])
        self._missing[index] = [names[k] for k in ids[outcome == UNLABELLED] if k >= 0]

    def _keep(self, index: int, decided: Mapping[str, Ints], outcome: Ints, *, used: bool = True) -> int:
        """Keep the decisions of a batch whose outcomes may still come; how many rows these are."""
        known = outcome != UNLABELLED
        missing = int((~known).sum()) if used else len(outcome)
        if missing:
            self._waiting[index] = pack_decisions(decided, (known & used).astype(np.int64))
        return missing

    def _id(self, index: int) -> str:
        return self._known[index][1] if index < len(self._known) else f"{index:05d}"

    def _matured(self, index: int, arrival: Arrival | None, decided: dict[str, Ints] | None) -> Matured:
        if arrival is None or decided is None:
            pending = self._trail.pending(index) if index < len(self._known) else None
            if pending is None:
                return Matured(self._id(index), index, {})
            arrival = self._source.read(index)
            if arrival.problem is not None or arrival.sha256 != self._known[index][2]:
                why = arrival.problem or "its rows are not those that were decided (another sha256)."
                return Matured(self._id(index), index, {}, why)
            rows, decided = unpack_decisions(pending)
            if rows != len(arrival.frame):
                return Matured(self._id(index), index, {}, "it has another number of rows than were decided.")
        labels = self._label_names(arrival.frame)
        if len(labels) > 2:
            return Matured(arrival.id, index, {}, f"the outcome has more than two values: {', '.join(labels[:4])}.")
        outcome = labels_of(self._case, arrival.frame)
        first = next(iter(decided))
        base = coded_rows(self._case, arrival.frame, decided[first], outcome)
        problem, missing = outcome_problem(base, self._base_rate()), 0
        if self._source.labels.come:
            missing = self._keep(index, decided, outcome, used=problem is None)
            self._note_missing(index, arrival.frame, outcome)
        if problem is not None:
            return Matured(arrival.id, index, {}, problem, missing=missing)
        coded = {model: replace(with_labels(base, outcome), decision=d) for model, d in decided.items()}
        return Matured(arrival.id, index, coded, missing=missing)

    def _base_rate(self) -> float | None:
        """The share of positive outcomes in the batches that the running model is held against."""
        cube = self._state.source
        if cube is None:
            return None
        n = cube.margin(()).n[0]
        known = int(n[:UNLABELLED].sum())
        return None if known == 0 else float(n[1].sum()) / known


def _ready(state: State) -> bool:
    """Whether it is known how often the running model is wrong."""
    return state.harm is not None and state.harm.ready


def reason(error: Exception) -> str:
    if isinstance(error, AssayError):
        return error.message
    return f"it could not be judged ({type(error).__name__}: {str(error)[:200]})."


def unusable(batch: Batch, why: str) -> Batch:
    """The same batch as an incident; outcomes that were due with it are left out too."""
    matured = tuple(Matured(m.id, m.index, {}, why) for m in batch.matured if not m.late)
    return replace(batch, incident=why, decided=None, matured=matured, drift=())
