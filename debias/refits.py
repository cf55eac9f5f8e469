"""The pipeline of a case fitted again many times, in one process: what stress and what-if rest on.

    with refitting(task, allow) as learner:
        decided, score = learner(train_frame, outcomes, asked_frame)

The case's own estimator, cloned inside its walls, where it can be cloned; else Assay's own learner, and that is said.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

import numpy as np
import pandas as pd

from audit.asked import Rule, answer, bind, labels_of, open_model, own_format, rule_of
from audit.cube import Floats, Ints
from audit.errors import ModelError
from audit.models.arrays import FLOATS, arrays_in
from audit.passing import passing
from audit.stress.ask import processes
from audit.stress.kept import Kept, asked_key
from debias.learner import WORDS, one_thread, own_learner
from debias.task import Task

Answered = tuple[Ints, Floats]


@dataclass(frozen=True, slots=True)
class _KnownAnswers:
    """Stands for a worker whose answers are there already."""

    info: Any
    given: Any

    def answer(self, frame: pd.DataFrame, positive: str) -> Any:
        return self.given


class Refits(ABC):
    """Call with rows to learn from, their labels (m,) in 0, 1, and rows to decide. Raises ModelError."""

    words: str
    notes: tuple[str, ...] = ()
    abreast: int = 1
    """How many calls, by threads, run at a time."""

    @abstractmethod
    def __call__(self, rows: pd.DataFrame, label: Ints, asked: pd.DataFrame, seed: int = 0) -> Answered: ...


class Remembered(Refits):
    """Fits of an earlier start that was stopped are not made again. model: what they are copies of."""

    def __init__(self, inner: Refits, kept: Kept, model: str) -> None:
        self._inner, self._kept, self._model = inner, kept, model
        self.words, self.notes, self.abreast = inner.words, inner.notes, inner.abreast

    def __call__(self, rows: pd.DataFrame, label: Ints, asked: pd.DataFrame, seed: int = 0) -> Answered:
        key = asked_key("fit", self._model, self.words, str(seed), rows, label, asked)
        decided, score = self._kept(key, lambda: tuple(self._inner(rows, label, asked, seed)))
        return np.asarray(decided, dtype=np.int64), score


class Own(Refits):
    """Assay's own learner."""

    def __init__(self, task: Task, notes: tuple[str, ...]) -> None:
        self._task, self.words, self.notes = task, WORDS, notes

    def __call__(self, rows: pd.DataFrame, label: Ints, asked: pd.DataFrame, seed: int = 0) -> Answered:
        model = own_learner(rows, seed)
        with one_thread():
            model.fit(rows, label)
            score = model.predict_proba(asked)[:, 1]
        return (score >= 0.5).astype(np.int64), np.asarray(score, dtype=np.float64)


class Cloned(Refits):
    """The case's own estimator, cloned and fitted in its sandbox, asked there too; in several side by side."""

    def __init__(self, task: Task, workers: Sequence[Any], rule: Rule) -> None:
        self._task, self._rule, self.abreast = task, rule, len(workers)
        self._free: SimpleQueue[Any] = SimpleQueue()
        for worker in workers:
            self._free.put(worker)
        self.words = f"fresh copies of the audited {workers[0].info.estimator}"

    def __call__(self, rows: pd.DataFrame, label: Ints, asked: pd.DataFrame, seed: int = 0) -> Answered:
        from audit.models.worker import Answer

        meaning = self._task.meaning
        names = np.array([self._rule.name(meaning.negative), self._rule.name(meaning.positive)], dtype=object)
        both = pd.concat([rows, asked], ignore_index=True)
        worker = self._free.get()
        try:
            reply = worker.call(
                "refit_answer", both, labels=names[label], positive=np.asarray(self._rule.own), seed=np.array(seed)
            )
        finally:
            self._free.put(worker)
        own = arrays_in(_Answers, reply)
        answered = _KnownAnswers(worker.info, Answer(own.scores, own.decided))
        done = answer(answered, self._rule, asked)  # type: ignore[arg-type]
        score = done.score if done.score is not None else done.positive.astype(np.float64)
        return done.positive, score


@dataclass(frozen=True, slots=True, eq=False)
class _Answers:
    """What the operation `refit_answer` answers (audit/models/refit.py)."""

    scores: FLOATS
    decided: np.ndarray | None = None


@dataclass(frozen=True, slots=True)
class _Model:
    model: bytes


class InItsPlace(Refits):
    """The case's own model in its own environment: fitted there, written there, loaded there again."""

    def __init__(self, task: Task, allow: Sequence[str], words: str) -> None:
        self._task, self._allow, self.words = (
            task,
            allow,
            f"fresh copies of the audited {words}, in its own environment",
        )

    def __call__(self, rows: pd.DataFrame, label: Ints, asked: pd.DataFrame, seed: int = 0) -> Answered:
        case, meaning = self._task.case, self._task.meaning
        form = own_format(case.model)
        with open_model(case.model, self._allow) as worker:
            bind(case, worker, self._task.frame, self._task.features)
            rule = rule_of(case, worker.info, labels_of(case, self._task.frame))
            names = np.array([rule.name(meaning.negative), rule.name(meaning.positive)], dtype=object)
            content = arrays_in(_Model, worker.call("refit", rows, labels=names[label], seed=np.array(seed))).model
        with passing() as place:
            path = place / f"again.{form}"
            path.write_bytes(content)
            with open_model(case.model, self._allow, path, made_here=True) as worker:
                bind(case, worker, self._task.frame, self._task.features)
                done = answer(worker, rule_of(case, worker.info, labels_of(case, self._task.frame)), asked)
        score = done.score if done.score is not None else done.positive.astype(np.float64)
        return done.positive, score


@contextmanager
def refitting(
    task: Task,
    allow: Sequence[str] = (),
    *,
    own: bool = False,
    kept: Kept | None = None,
    workers: Sequence[Any] = (),
) -> Iterator[Refits]:
    """own: Assay's learner even where the case's can be cloned. kept: fits of an earlier start. workers: processes that
    hold the model already.

    Raises ModelError where the file cannot be read.
    """
    path = task.case.model.path
    with ExitStack() as stack:
        refits = _refitting(task, allow, own, workers, stack)
        model = "" if path is None else hashlib.sha256(path.read_bytes()).hexdigest()
        # What a worker is asked is kept where it is asked.
        yield refits if kept is None or isinstance(refits, Cloned) else Remembered(refits, kept, model)


def _refitting(task: Task, allow: Sequence[str], own: bool, workers: Sequence[Any], stack: ExitStack) -> Refits:
    case = task.case
    if own or case.model.kind != "path":
        notes = () if own else (f"The case brings {case.model.kind}s and no model to fit again: {WORDS} was fitted.",)
        return Own(task, notes)
    few = task.splits.train[:400]
    rows = task.part(np.concatenate([few, task.splits.validation[:20]]))
    many = processes(case, len(task.frame))
    workers = workers or [stack.enter_context(open_model(case.model, allow, alone=n > 0)) for n in range(many)]
    for worker in workers:
        bind(case, worker, task.frame, task.features)
    rule = rule_of(case, workers[0].info, labels_of(case, task.frame))
    if case.model.python is not None:
        if own_format(case.model) is not None:
            return InItsPlace(task, allow, str(workers[0].info.estimator))
        return Own(task, (f"The model cannot be fitted again in its environment: {WORDS} was fitted instead.",))
    cloned = Cloned(task, workers, rule)
    try:
        cloned(rows.iloc[: len(few)], task.label[few], rows.iloc[len(few) :])
    except ModelError as error:
        return Own(task, (f"The model could not be fitted again ({error.problem}): {WORDS} was fitted instead.",))
    return cloned
