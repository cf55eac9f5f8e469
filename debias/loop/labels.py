"""Outcomes that come later than the rows, in files of their own, joined by id."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.case import Case
from audit.errors import CaseError, InputError
from audit.load.digest import files_of
from audit.load.tables import read_noted
from audit.load.values import coded
from audit.numbers import are, many
from debias.loop.file_ready import Settled
from debias.loop.late import Late, Run, hashes_of


class Labels:
    """The outcomes of `[watch] labels`: a file or a pattern, read again when a file comes or changes.

    Where an id has outcomes that differ, the last one counts: of the file that comes last by name, and in it of the
    last row. A file that cannot be read is left out and said; the outcomes in it stay unknown until it is mended.
    """

    def __init__(self, case: Case) -> None:
        self._pattern, self._id, self._label = case.watch.labels, case.data.id, case.data.label
        if self._pattern is not None and (self._id is None or self._label is None):
            raise CaseError(
                "late outcomes cannot be joined",
                got="`labels` under [watch], and no " + ("`id`" if self._id is None else "`label`") + " under [data]",
                expected="both columns, in the rows (`id`) and in the files of outcomes (`id` and `label`)",
                todo='add id = "..." under [data]',
            )
        self._settled = Settled()
        self._read: dict[Path, tuple[tuple[int, int, int], Run]] = {}
        self._known = Late()
        self._notes: list[str] = []
        self.version = 0
        """Counts up whenever something is read anew."""

    @property
    def come(self) -> bool:
        """Whether outcomes may come later than the rows."""
        return self._pattern is not None

    def look(self) -> int:
        """Read what has come since; the version."""
        if self._pattern is not None:
            self._look()
        return self.version

    def notes(self) -> list[str]:
        """What was noticed since the last call."""
        out, self._notes = self._notes, []
        return out

    def onto(self, frame: pd.DataFrame) -> pd.Series | None:
        """The outcomes of the rows, (n,) as names: their own, and the late one where there is none.

        None where no late ones are to come.
        """
        if self._pattern is None or self._id not in frame.columns:
            return None
        self._look()
        own = pd.Series(None, index=frame.index, dtype="str")
        if self._label in frame.columns:
            own = _names(frame[self._label])
        codes, names = coded(frame[self._id])
        late = self._known.of(np.append(hashes_of(names), np.uint64(0)))  # of nobody, for rows without an id
        return own.where(own.notna(), pd.Series(late.take(codes), index=frame.index, dtype="str").where(codes >= 0))

    def known(self, ids: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Which of these ids, as names, have outcomes, (n,)."""
        return self._known.known(hashes_of(ids))

    def _look(self) -> None:
        assert self._pattern is not None
        try:
            files = files_of(self._pattern)
        except InputError:
            files = ()  # none has come yet
        runs: dict[Path, tuple[tuple[int, int, int], Run]] = {}
        fresh: list[Path] = []
        differ = 0
        for file in files:
            stamp, before = self._settled.stamp(file), self._read.get(file)
            if stamp is None or (before is not None and before[0] == stamp):
                if before is not None:
                    runs[file] = before
                continue
            run, twice = self._file(file)
            runs[file] = stamp, run
            fresh.append(file)
            differ += twice
        if not fresh and runs.keys() == self._read.keys():
            return
        old = list(self._read)
        self._read = runs
        self.version += 1
        if list(runs) != [*old, *fresh] or any(f in old for f in fresh):
            # One in between, or another content: the order of the files decides whose outcome counts.
            self._known.clear()
            fresh = list(runs)
        for file in fresh:
            differ += self._known.add(runs[file][1])
        if differ:
            self._notes.append(
                f"{many(differ, 'id')} {are(differ, 'has', 'have')} outcomes that differ in {self._pattern.name}: "
                "the last one counts, of the file that comes last by name."
            )

    def _file(self, file: Path) -> tuple[Run, int]:
        """The outcomes of one file by id, those that are empty left out, and how many ids have two."""
        try:
            table = read_noted(file, [str(self._id), str(self._label)], named=(str(self._id),)).frame
        except InputError as error:
            if not error.problem.endswith("no rows"):
                self._notes.append(f"The outcomes in {os.path.basename(file)} are left out: {error.message}")
            return self._known.run(hashes_of(()), (), np.zeros(0, dtype=np.int64))
        ids, who = coded(table[self._id])
        codes, names = coded(table[self._label])
        blank = np.array([*(not n.strip() for n in names), True])
        use = (ids >= 0) & ~blank[codes]
        return self._known.run(hashes_of(who)[ids[use]], names, codes[use])


def _names(column: pd.Series) -> pd.Series:
    """Values as names, so that 7, 7.0 and "7" are one; what is missing stays missing."""
    codes, names = coded(column)
    return pd.Series(pd.array([*names, None], dtype="str").take(codes), index=column.index, dtype="str")
