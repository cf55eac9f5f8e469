"""The shell around the step: reads batches, asks models, steps, writes, resumes.

What one input changes is one transaction: state, entries and counts are kept together or not at all, so that a run
that was killed goes on where it stopped and writes the trail that an undisturbed run writes.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from audit import progress
from audit.case import Case
from audit.errors import AssayError, CaseError, InputError, OutputError
from audit.evidence import sha256
from audit.files import write_whole
from audit.load import load_policy
from audit.numbers import are, many
from audit.policy import Policy
from debias.loop import anchor, database, inbox
from debias.loop.alerts import Alerts
from debias.loop.approver import Open, problem_with_signature
from debias.loop.begun import same_case, same_model
from debias.loop.build import Lesson, build, rows_since
from debias.loop.health import Health
from debias.loop.ingest import Taken, Taker, reason, unusable
from debias.loop.lineage import Lineage
from debias.loop.modes import Mode
from debias.loop.norms import policy_to_json, settings_of, with_delay
from debias.loop.notices import Notices
from debias.loop.once import Once, once
from debias.loop.quarantine import keep_aside, words_left
from debias.loop.reference import Calibrated, Reference, known_of
from debias.loop.retention import Retention
from debias.loop.serve import Servers, meaning_of
from debias.loop.sift import shown
from debias.loop.snapshot import FILE, SUMMED, Board, json_ready
from debias.loop.sources import open_source
from debias.loop.state import Built, Decision, Event, Input, NewPolicy, State
from debias.loop.step import first_state, step
from debias.loop.store import Store, bytes_of
from debias.loop.trail import Entry, Trail
from debias.loop.transitions import at_fault, next_method
from debias.loop.versions import VERSION, state_in, version_of
from debias.loop.why import explained
from debias.loop.without import Without


class Watcher:
    """One loop with its trail, store and models. A context manager; `advance` takes the next input."""

    def __init__(
        self,
        case: Case,
        out: Path,
        trail: Trail,
        allow: Sequence[str] = (),
        opened: Open | None = None,
        elsewhere: anchor.Elsewhere | None = None,
        lineage: Lineage | None = None,
    ) -> None:
        if not case.data.sensitive:
            raise CaseError("there is no sensitive column", expected="at least one in `sensitive`", todo="name one")
        if case.data.task != "classification":
            raise CaseError(
                "the loop watches decisions, and this case predicts a quantity",
                got=f"task = {case.data.task!r}",
                expected="a case about a decision",
                todo="watch the decisions that are made from the quantity",
            )
        trail.check()  # from what was changed behind its back the loop does not go on
        self._case, self._out, self._trail, self._opened = case, out, trail, opened
        self._elsewhere, self._lineage = elsewhere, lineage
        self.health = Health(case.watch.heartbeat)
        self._next = 0.0
        self._silent = self._stale = False
        self._retention = Retention(case, out)
        self._policy = with_delay(case, case.policy)
        self._given = case.policy
        self._sensitive = case.data.sensitive
        self._store = Store(out)
        self._servers = Servers(case, self._store, allow)
        self._known = trail.batch_ids()
        counted_once = once(case, open_source(case, self._known, out), trail.people())
        self._once = counted_once if isinstance(counted_once, Once) else None
        self._source = Without(counted_once, trail.kept("without") or {})
        self._taker = Taker(case, self._source, self._servers, self._store, trail, self._known)
        self._reference = Reference.of(trail.kept("reference"))
        self._source.know(known_of(self._reference))
        self._calibration = Calibrated.of(trail.kept("calibration"))
        self._board = Board()
        self._sentences: list[str] = []
        self._doubt = False
        self._alerts = Alerts.of(case, out)
        self._notices = Notices(out / FILE)
        for entry in trail.entries():
            self._retention.entry(entry)
            self._board.add(entry)
            self._alerts.tell([entry])  # what a run that was killed had no time to tell
            self._tell_lineage(entry)
        noted = anchor.end_in(out / anchor.FILE)  # a loop that begins notes its own end over it
        state = state_in(trail, self._policy)
        self._state = self._begin() if state is None else state
        self._migrate()
        self._went_back(noted)
        same_case(case, trail)
        same_model(case, trail.kept("about"))
        self._point()
        self._new_policy(case.policy)

    def __enter__(self) -> Watcher:
        return self

    def __exit__(self, *_: object) -> None:
        self._servers.keep_only(())
        self._anchor(now=True)
        self._alerts.close()
        self._hear()

    def trouble(self, error: InputError) -> None:
        """Say that nothing can be written now. What was kept of the last input, the trail knows."""
        self._doubt = True
        self.health.trouble(error.message)
        self._notices.add(error.message)
        self._alerts.send("trouble", error.message, {})
        self._hear()

    def _hear(self) -> None:
        """What the source and the alerts have to say, put where a person sees it. Raises nothing."""
        for words in (*self._source.notes(), *self._alerts.notes()):
            self._notices.add(words)
        if self._notices.fresh:
            with contextlib.suppress(OutputError):  # it was said on stderr, and comes with the next one that is written
                self.show()

    # -- beginning --------------------------------------------------------------------------------------------

    def _begin(self) -> State:
        """The first entry: which case, model and policy; the case's own model goes into the store."""
        case, model = self._case, self._case.model
        file = form = None
        if model.kind == "path":
            assert model.path is not None
            form = model.path.suffix.lstrip(".")
            file = self._store.put(bytes_of(model.path), form)
        # A model file decides itself, unless the case names a threshold.
        written = model.kind == "score" or (model.kind == "path" and model.threshold_given)
        threshold = model.threshold if written else None
        own = self._store.serve(
            method="case", file=file, format=form, threshold=threshold, attributes=[], groups=[], base=model.column
        )
        state = first_state(self._policy, self._sensitive, own.id, meaning_of(case))
        facts = {
            "case": case.name,
            "model": own.id,
            "kind": model.kind,
            "sha256": file,
            "policy": self._policy.sha256,
            "version": self._policy.version,
            "rules": {k: getattr(self._policy.loop, k) for k in self._policy.loop.__dataclass_fields__},
            "label_delay": case.watch.label_delay,
            "notes": list(state.monitor.notes),
        }
        words = f"The loop begins: {case.name}, policy {self._policy.version}."
        if self._policy.loop.automatic:
            words += " This policy lets the loop promote a challenger without a person."
        about = {"model": own.id, "sha256": file, "version": self._policy.version}
        started = Event("started", facts, {"said": words})
        keep: dict[str, Any] = {"schema": {"version": VERSION}, "case": settings_of(case)}
        self._write(state, (started,), state, about=about, policy=policy_to_json(self._given), **keep)
        return state

    def _migrate(self) -> None:
        """A trail of an older version goes on in today's form; what it holds stays as it is."""
        old = version_of(self._trail)
        if old < VERSION:
            moved = Event("migrated", {"from": old, "to": VERSION})
            keep: dict[str, Any] = {"schema": {"version": VERSION}, "case": settings_of(self._case)}
            self._write(self._state, (moved,), self._state, **keep)

    def _went_back(self, noted: anchor.End | None) -> None:
        """A database that was put back from a copy: its chains fit, and it ends before what was noted outside it."""
        facts = anchor.went_back(noted, self._trail, self._elsewhere)
        if facts is not None:
            self._write(self._state, (Event("went_back", facts),), self._state)
            self._anchor(now=True)  # said once: what was noted after this end is of another past

    def _anchor(self, *, now: bool = False) -> None:
        """Note elsewhere where the trail ends. That this failed is said and stops nothing."""
        if self._elsewhere is None:
            return
        try:
            head = msgspec.to_builtins(self._trail.head())
            self._elsewhere.note(anchor.first_of(self._trail), head, database.now(), now=now)
        except (AssayError, OSError) as error:
            self._notices.add(f"The end of the trail could not be noted elsewhere: {reason(error)}")

    def _new_policy(self, policy: Policy) -> None:
        """A changed policy is an event of its own, and judged at once."""
        self._given, self._policy = policy, with_delay(self._case, policy)
        if self._state.policy == policy.sha256:
            return
        before = self._trail.kept("about")
        words = f"The policy has changed: {before.get('version')} -> {policy.version}."
        if policy.loop.automatic:
            words += " The new one lets the loop promote a challenger without a person."
        keep = {"about": before | {"version": policy.version}, "policy": policy_to_json(policy)}
        self._step(NewPolicy(words, meaning_of(self._case)), **keep)

    # -- one input --------------------------------------------------------------------------------------------

    def advance(self) -> bool:
        """Take what waits: a person's word, a challenger to build, then one batch. False where no batch is there."""
        if self._doubt:
            self._again()
        self._alerts.due()
        self._fresh_policy()
        self._words_on_rows()
        self._read_inbox()
        self._build()
        number = self._state.batch
        there = self._source.total()
        self._hear()
        if number >= there:
            self._heartbeat()
            if self._stale:  # batches came faster than it is written, and then none
                self.show()
            return False
        progress.part("Batches", number, there)
        taken = self._taker.take(number, self._state, self._policy, self._reference, self._calibration)
        self._take(number, taken)
        self.health.batch()
        self._silent = False
        self._build()
        self._hear()
        if not self._doubt:
            self._retention.after(self._state, self._known, () if self._reference is None else self._reference.batches)
        self.show(hurry=False)
        return True

    def _heartbeat(self) -> None:
        """Told once that no batch comes, until one does."""
        gone = self.health.quiet
        if gone is not None and not self._silent:
            self._silent = True
            most = round(self._case.watch.heartbeat or 0)
            words = f"No batch came for {many(round(gone), 'second')}; at most {most:,} {are(most)} expected."
            self._notices.add(words)
            self._alerts.send("silent", words, {"seconds": round(gone)})
            self._hear()

    def _again(self) -> None:
        """Go on from what the trail has: a page may have been kept although its connection was lost."""
        self._trail.catch_up()
        self._trail.check()
        state = state_in(self._trail, self._policy)
        assert state is not None
        self._state = state
        self._known[:] = self._trail.batch_ids()
        if self._once is not None:
            self._once.recounted(self._trail.people())
        self._source.again(self._trail.kept("without") or {})
        self._reference = Reference.of(self._trail.kept("reference"))
        self._calibration = Calibrated.of(self._trail.kept("calibration"))
        self._after_write()
        self._doubt = False
        self.health.trouble(None)

    def _fresh_policy(self) -> None:
        if (source := self._policy.source) is None:
            return
        try:
            if sha256(source.read_bytes()) != self._policy.sha256:
                self._new_policy(load_policy(source))
        except (InputError, OSError) as error:
            self._notices.add(f"the policy stays as it was: {error}")

    def _read_inbox(self) -> None:
        for path, decision in inbox.waiting(self._out):
            problem = self.problem_with(decision)
            if problem is None:
                self.decide(decision)
            else:
                self._notices.add(problem)
            path.unlink(missing_ok=True)

    def _words_on_rows(self) -> None:
        """What people said of rows that were put aside goes into the trail."""
        for path, word in words_left(self._out):
            kind = "rows_dropped" if word.pop("drop") else "rows_released"
            self._write(self._state, (Event(kind, word),), self._state)
            path.unlink(missing_ok=True)

    def problem_with(self, decision: Decision) -> str | None:
        """Why a decision cannot be taken now, or not as this person's; None where it can."""
        return inbox.problem_with(self._state, decision) or problem_with_signature(
            decision, self._case.name, self._policy, self._state.running, self._trail, self._opened
        )

    def decide(self, decision: Decision) -> str | None:
        """A person's word, checked by `problem_with`; why it was not done, where the gate is open again."""
        events = self._step(decision)
        return next((e.words for e in events if e.kind == "reopened"), None)

    def _step(self, incoming: Input, **keep: Any) -> tuple[Event, ...]:
        before = self._state
        after, events = step(before, incoming, self._policy, self._sensitive)
        self._write(before, events, after, **keep)
        return events

    def _take(self, number: int, taken: Taken) -> None:
        before = self._state
        try:
            self._count(number, taken)
        except Exception as error:
            if isinstance(error, (OutputError, database.TrailLost)) or self._state is not before:
                raise
            # The rows could be read and decided and still cannot be counted or kept: the batch is at fault.
            self._count(number, Taken(unusable(taken.batch, reason(error)), aside=taken.aside))

    def _count(self, number: int, taken: Taken) -> None:
        before, batch = self._state, taken.batch
        after, events = step(before, batch, self._policy, self._sensitive)
        events = (*events, *self._why(events, after))
        if taken.aside:
            held = taken.batch.incident is not None
            keep_aside(self._out, number, batch.id, batch.sha256, taken.aside, held)
            if not held:
                self._notices.add(
                    f"{many(len(taken.aside), 'row')} of {batch.id} put aside: {shown(batch.poor or {})}."
                )
        if (notice := self._retention.batch(batch)) is not None:
            self._notices.add(notice)
        row = (number, taken.batch.id, taken.batch.sha256)
        new: dict[str, Reference | Calibrated | None] = {"reference": taken.reference, "calibration": taken.calibration}
        keep = {name: json_ready(value.to_json()) for name, value in new.items() if value is not None}
        without: Mapping[str, Sequence[str]] = self._source.kept
        if taken.gone:
            without = {**without, str(number): list(taken.gone)}
            keep |= {"without": without}
        done = [m.index for m in taken.batch.matured if not m.missing]
        self._write(
            before, events, after, batch=(*row, taken.cube, taken.pending), people=taken.people,
            waiting=taken.waiting, forget=done, **keep,
        )  # fmt: skip
        self._known.append(row)
        if taken.people and self._once is not None:
            self._once.counted(number, taken.people)
        self._source.again(without)
        self._reference = taken.reference or self._reference
        self._calibration = taken.calibration or self._calibration

    def _why(self, events: Sequence[Event], after: State) -> list[Event]:
        """Where the change sits that raised an alarm. It is no part of the alarm, and where it fails that is said."""
        keys = [k for e in events if e.kind == "confirmed" for k in e.facts.get("norms", ())]
        if not keys or self._reference is None:
            return []
        running, features = self._store.served(after.running), self._source.features
        try:
            event = explained(
                self._case, after, keys, self._reference, self._source,
                lambda frame: self._servers.decide(running, frame, features).positive,
            )  # fmt: skip
        except Exception as error:
            return [Event("why", {}, {"said": f"Why it changed could not be worked out: {reason(error)}"})]
        return [] if event is None else [event]

    def _write(
        self,
        before: State,
        events: Sequence[Event],
        after: State,
        *,
        batch: tuple[int, str, str, Any, bytes | None] | None = None,
        people: bytes = b"",
        waiting: Mapping[int, bytes] | None = None,
        forget: Sequence[int] = (),
        **keep: Any,
    ) -> None:
        """One transaction; then the pointer, the screen's copy in memory, and the sentences."""
        kept = after.to_json()
        with self._trail.write() as page:
            page.keep("state", kept)
            for name, value in keep.items():
                page.keep(name, value)
            if batch is not None:
                page.add_batch(*batch)
                if people:
                    page.add_people(batch[0], people)
            for number, pending in (waiting or {}).items():
                page.keep_pending(number, pending)
            for number in forget:
                page.forget_pending(number)
            for event in events:
                page.append(
                    event.kind, event.words, json_ready(event.facts), before=before.mode, after=after.mode,
                    running=after.running, policy=after.policy,
                )  # fmt: skip
        self._state = after
        self._after_write()

    def _point(self) -> None:
        state, data = self._state, self._case.data
        edited = self._store.point(
            state.running, since=state.since, approved_by=self._board.approved, features=list(self._source.features),
            positive=data.positive, sensitive=list(data.sensitive),
        )  # fmt: skip
        if edited is not None:
            words = "running.json was edited by somebody else: it says again what the trail says."
            self._notices.add(words)
            self._alerts.send("trouble", words, {})

    def _after_write(self) -> None:
        with contextlib.suppress(OutputError):  # a full disk: the page is kept, and the next one notes its end
            anchor.note(self._out, self._trail.head(), database.now())
        self._anchor()
        for entry in self._trail.entries(after=self._board.seq):
            self._board.add(entry)
            self._alerts.tell([entry])
            self._tell_lineage(entry)
            if entry.kind != "batch":
                self._sentences.append(entry.words)
        self._point()

    def _tell_lineage(self, entry: Entry) -> None:
        problem = None if self._lineage is None else self._lineage.tell([entry])
        if problem is not None:
            self._notices.add(problem)

    # -- a challenger -----------------------------------------------------------------------------------------

    def _build(self) -> None:
        """Where the loop wants a challenger: make it, on people who came after the alarm."""
        while self._state.mode == Mode.BUILD:
            state = self._state
            method = next_method(state, self._policy)
            progress.stage(f"Building a challenger: {method.replace('_', ' ')}")
            self._step(self._challenger(state, method))

    def _challenger(self, state: State, method: str) -> Built:
        frame, digest = rows_since(self._case, state, self._source, self._known)
        if frame is None:
            return Built(method, None, "no rows since the alarm can be read.")
        lesson = Lesson(
            self._case, self._policy, frame, self._source.features, digest, at_fault(state),
            state.challengers,
        )  # fmt: skip
        built = build(lesson, method, self._store.served(state.running), self._servers, self._store)
        facts = {"batches": [state.fresh_from, state.matured - 1], **(built.facts or {})}
        return replace(built, facts=json_ready(facts))

    def more(self) -> bool:
        """Whether more comes without being asked for."""
        return self._source.more()

    def ended(self) -> bool:
        """Whether no batch can come any more, and every one is taken."""
        return not self._doubt and self._source.ended() and self._state.batch >= self._source.total()

    # -- what is shown ----------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """Where the loop is."""
        return self._state

    def document(self) -> dict[str, Any]:
        """The document of watch.json."""
        document = self._board.document(self._case, self._policy, self._state, self._sensitive)
        return document | {"notices": self._notices.shown()}

    def show(self, *, hurry: bool = True) -> None:
        """Write watch.json; unless in a hurry twice a second, and for a fiftieth of the time, at most."""
        now = time.monotonic()
        self._stale = not (hurry or now >= self._next)
        if not self._stale:
            parts = (self._case, self._policy, self._state, self._sensitive)
            self.health.show(self._board.short(*parts), self._alerts.waiting)
            write_whole(self._out / FILE, self._board.text(*parts, {"notices": self._notices.shown()}))
            done = time.monotonic()
            self._next = done + max(0.5, 50 * (done - now))

    def summary(self, taken: int) -> dict[str, Any]:
        """What this run did: where the loop is now, and a sentence for each thing that happened."""
        document = self.document()
        head = self._trail.head()
        return {
            "schema": "assay/watch-summary/1",
            "case": self._case.name,
            **{k: document[k] for k in SUMMED},
            "taken": taken,
            "said": self._sentences,
            "trail": {"entries": head.seq, "head": head.hash},
        }
