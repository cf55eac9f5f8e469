"""The model, asked many times: about the rows as they are, and under each corruption; on two cores by two processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from queue import SimpleQueue
from typing import Any

import numpy as np
import pandas as pd

from audit.asked import answer, bind, labels_of, open_model, rule_of
from audit.case import Case
from audit.classes.served import refuse_regression, refuse_several
from audit.code import code_rows
from audit.cube import CodedRows, Ints
from audit.decide import ModelFacts, decide
from audit.models.process import processors
from audit.stress.kept import Kept, asked_key

Ask = Callable[[pd.DataFrame], Ints]
WORTH = 5000


@dataclass(frozen=True, slots=True, eq=False)
class Fed:
    """The audited rows. frame (n rows, numbered from 0); coded: their groups, labels and decisions as they are; ask:
    the decisions (m,) of altered rows, or None where the case brings decisions and no model.
    workers: the processes that hold the model; as many may ask at once.
    """

    frame: pd.DataFrame
    features: tuple[str, ...]
    coded: CodedRows
    ask: Ask | None
    facts: ModelFacts
    workers: tuple[Any, ...] = ()

    @property
    def abreast(self) -> int:
        return max(1, len(self.workers))


def processes(case: Case, rows: int) -> int:
    """How many ask or fit side by side: two at most, since each holds the model; one for few rows, where starting
    another takes longer than it saves, and for an endpoint or a model in an environment of its own."""
    if rows < WORTH or case.model.endpoint is not None or case.model.python is not None:
        return 1
    return min(2, processors())


@contextmanager
def asking(
    case: Case, frame: pd.DataFrame, features: Sequence[str], allow: Sequence[str] = (), kept: Kept | None = None
) -> Iterator[Fed]:
    """kept: answers of an earlier start. Raises CaseError for a regression or several classes, ModelError where the
    model fails."""
    refuse_regression(case, "stressed: the search makes decisions worse")
    refuse_several(case, frame, "stressed")
    frame = frame.reset_index(drop=True)
    with ExitStack() as stack:
        own = case.model.kind == "path"
        many = processes(case, len(frame)) if own else 0
        workers = [stack.enter_context(open_model(case.model, allow, alone=n > 0)) for n in range(many)]
        decisions, facts = decide(case, frame, features, allow=allow, by=workers[0] if workers else None)
        coded = replace(code_rows(case, frame, decisions), score=None)
        read = tuple(dict.fromkeys([*(f for f in features if f in frame.columns), *facts.reads]))
        if not own:
            yield Fed(frame, read, coded, None, facts)
            return
        free: SimpleQueue[Any] = SimpleQueue()
        for worker in workers:
            bind(case, worker, frame, features)
            free.put(worker)
        rule = rule_of(case, workers[0].info, labels_of(case, frame))

        def fresh(rows: pd.DataFrame) -> tuple[Any, ...]:
            worker = free.get()
            try:
                return (answer(worker, rule, rows).positive,)
            finally:
                free.put(worker)

        def ask(rows: pd.DataFrame) -> Ints:
            asked = rows[list(read)]
            if kept is None or case.model.python is None:  # a file's worker keeps what it is asked itself
                return np.asarray(fresh(asked)[0])
            return kept(asked_key("ask", str(facts.sha256), repr(rule), asked), lambda: fresh(asked))[0].astype(
                np.int64
            )

        yield Fed(frame, read, coded, ask, facts, tuple(workers))
