"""The model, asked many times in one process: about the rows as they are, and under each corruption."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pandas as pd

from audit.asked import answer, bind, labels_of, open_model, rule_of
from audit.case import Case
from audit.classes.served import refuse_regression, refuse_several
from audit.code import code_rows
from audit.cube import CodedRows, Ints
from audit.decide import ModelFacts, decide

Ask = Callable[[pd.DataFrame], Ints]


@dataclass(frozen=True, slots=True, eq=False)
class Fed:
    """The audited rows. frame (n rows, numbered from 0); coded: their groups, labels and decisions as they are; ask:
    the decisions (m,) of altered rows, or None where the case brings decisions and no model."""

    frame: pd.DataFrame
    features: tuple[str, ...]
    coded: CodedRows
    ask: Ask | None
    facts: ModelFacts


@contextmanager
def asking(case: Case, frame: pd.DataFrame, features: Sequence[str], allow: Sequence[str] = ()) -> Iterator[Fed]:
    """Raises CaseError for a regression or several classes, ModelError where the model fails."""
    refuse_regression(case, "stressed: the search makes decisions worse")
    refuse_several(case, frame, "stressed")
    frame = frame.reset_index(drop=True)
    decisions, facts = decide(case, frame, features, allow=allow)
    coded = replace(code_rows(case, frame, decisions), score=None)
    read = tuple(dict.fromkeys([*(f for f in features if f in frame.columns), *facts.reads]))
    if case.model.kind != "path":
        yield Fed(frame, read, coded, None, facts)
        return
    with open_model(case.model, allow) as worker:
        bind(case, worker, frame, features)
        rule = rule_of(case, worker.info, labels_of(case, frame))

        def ask(rows: pd.DataFrame) -> Ints:
            return answer(worker, rule, rows[list(read)]).positive

        yield Fed(frame, read, coded, ask, facts)
