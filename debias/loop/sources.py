"""Where batches come from: a table in the order of its time column, a folder that fills with files, standard input, or
what is fetched from a store or a database (pulled.py).

Batches have numbers from 0 and can be read again by number: when their outcomes are due, and when a challenger learns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from audit.case import Case
from audit.classes.served import refuse_several
from audit.errors import CaseError
from audit.load import load_rows
from audit.load.check import times_of
from audit.load.outcomes import two_outcomes
from audit.load.values import name_of, with_columns
from debias.loop.arrival import Arrival, Source, digest_of, in_time
from debias.loop.folder import Folder
from debias.loop.labels import Labels
from debias.loop.pulled import Objects, Rows
from debias.loop.quarantine import Contracted
from debias.loop.sift import Known
from debias.loop.stdin import Stdin

INCOMING = "incoming"
"""The folder of OUT for what is kept as it came (pulled.py, stdin.py)."""

__all__ = ["INCOMING", "Arrival", "Folder", "Source", "Stdin", "TableSource", "digest_of", "open_source"]


def open_source(case: Case, known: Sequence[tuple[int, str, str]], out: Path, fd: int = 0) -> Source:
    """Where the batches of a case come from. known: number, id and sha256 of those counted before; out: OUT.

    fd: what is read where the source is "-". Raises InputError and its children.
    """
    source: Source
    if case.watch.objects is not None:
        source = Objects(case, known, out)
    elif case.watch.table is not None:
        source = Rows(case, known, out)
    elif case.watch.source is None:
        return TableSource(case)
    else:
        source = Stdin(case, known, out, fd) if case.watch.source == Path("-") else Folder(case, known)
    return source if case.contract is None else Contracted(case, source, out)


class TableSource:
    """The audited rows of a case in the order of its time column, cut into batches."""

    def __init__(self, case: Case) -> None:
        if case.data.time is None:
            raise CaseError(
                "there is nothing that puts rows in order",
                got="a case without `time`, and no `source` under [watch]",
                expected="a column that says when each row came, or files that come one after another",
                todo='add time = "..." under [data], or source = "incoming/*.csv" under [watch]',
            )
        self._case = case
        self.labels = Labels(case)
        rows = load_rows(case, everything=True)
        refuse_several(case, rows.frame, "watched")
        two_outcomes(case, rows.frame)
        frame = rows.frame[rows.audit]
        self._frame = frame.iloc[in_time(frame[case.data.time])].reset_index(drop=True)
        self._time = self._frame[case.data.time]
        self._features = tuple(f for f in rows.features if f not in case.watch.served.values())
        n = len(self._frame)
        if case.watch.batch is None:
            when = times_of(self._time).to_numpy()
            self._edges = np.concatenate([[0], np.flatnonzero(when[1:] != when[:-1]) + 1, [n]])
        else:
            self._edges = np.append(np.arange(0, n, case.watch.batch), n)

    @property
    def features(self) -> tuple[str, ...]:
        return self._features

    def know(self, known: Known) -> None:
        """Its rows were checked as a whole when it was read."""

    def total(self) -> int:
        return len(self._edges) - 1

    def read(self, number: int) -> Arrival:
        a, b = int(self._edges[number]), int(self._edges[number + 1])
        frame = self._frame.iloc[a:b].reset_index(drop=True)
        digest = digest_of(frame, number)
        ends = name_of(self._time.iloc[a]), name_of(self._time.iloc[b - 1])
        late = self.labels.onto(frame)
        if late is not None:
            frame = with_columns(frame, {str(self._case.data.label): late})
        return replace(Arrival(number, f"{number:05d}-{digest[:12]}", digest, frame), first=ends[0], last=ends[1])

    def more(self) -> bool:
        return False

    def ended(self) -> bool:
        return False

    def notes(self) -> list[str]:
        return self.labels.notes()
